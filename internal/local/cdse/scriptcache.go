package cdse

import "sync"

// scriptCache keeps compiled programs by their source, so that a script sent with every request is parsed once.
type scriptCache struct {
	mu       sync.Mutex
	limit    int
	programs map[string]*program
}

// newScriptCache makes a cache for up to limit programs.
func newScriptCache(limit int) *scriptCache {
	return &scriptCache{limit: limit, programs: make(map[string]*program, limit)}
}

// Get compiles the script or finds it compiled. A full cache is emptied: few scripts are in use at a time, and this
// bound only protects against clients that generate them.
func (c *scriptCache) Get(source string) (*program, error) {
	c.mu.Lock()
	found := c.programs[source]
	c.mu.Unlock()
	if found != nil {
		return found, nil
	}
	compiled, err := compileScript(source)
	if err != nil {
		return nil, err // not kept, so that wrong scripts cannot crowd out good ones
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.programs) >= c.limit {
		clear(c.programs)
	}
	c.programs[source] = compiled
	return compiled, nil
}

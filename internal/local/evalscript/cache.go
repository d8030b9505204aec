package evalscript

import "sync"

// Cache keeps compiled programs by their source, so that a script sent with every request is parsed once.
type Cache struct {
	mu       sync.Mutex
	limit    int
	programs map[string]*Program
}

// NewCache makes a cache for up to limit programs.
func NewCache(limit int) *Cache {
	return &Cache{limit: limit, programs: make(map[string]*Program, limit)}
}

// Get compiles the script or finds it compiled. A full cache is emptied: few scripts are in use at a time, and this
// bound only protects against clients that generate them.
func (c *Cache) Get(source string) (*Program, error) {
	c.mu.Lock()
	found := c.programs[source]
	c.mu.Unlock()
	if found != nil {
		return found, nil
	}
	compiled, err := Compile(source)
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

package gateway

import (
	"maps"
	"regexp"
	"sync"
)

// Counters is how many calls were made, and for what: the receipt of a run.
type Counters struct {
	// Calls is calls per principal and "service:Operation".
	Calls map[string]map[string]int `json:"calls"`
	// Items is calls per id (of a job or a point) that their requests name.
	Items map[string]int `json:"items"`
}

// Total returns the number of calls.
func (c Counters) Total() int {
	n := 0
	for _, operations := range c.Calls {
		for _, count := range operations {
			n += count
		}
	}
	return n
}

// counter counts calls.
type counter struct {
	mu  sync.Mutex
	all Counters
}

// newCounter returns a counter at zero.
func newCounter() *counter {
	return &counter{all: Counters{Calls: map[string]map[string]int{}, Items: map[string]int{}}}
}

// identifier is an id of a job or a point inside a request.
var identifier = regexp.MustCompile(`[0-7][0-9A-HJKMNP-TV-Z]{25}`)

// add counts one call; an id counts once per call however often it is named.
func (c *counter) add(principal string, k *call) {
	ids := map[string]bool{}
	for _, id := range identifier.FindAll(k.body, -1) {
		ids[string(id)] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all.Calls[principal] == nil {
		c.all.Calls[principal] = map[string]int{}
	}
	c.all.Calls[principal][k.service+":"+k.operation]++
	for id := range ids {
		c.all.Items[id]++
	}
}

// snapshot returns the counts so far.
func (c *counter) snapshot() Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Counters{Calls: map[string]map[string]int{}, Items: maps.Clone(c.all.Items)}
	for principal, operations := range c.all.Calls {
		out.Calls[principal] = maps.Clone(operations)
	}
	return out
}

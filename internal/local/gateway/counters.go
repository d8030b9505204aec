package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
)

// Counters is how many calls were made, and for what: the receipt of a run.
type Counters struct {
	// Calls is calls per principal and "service:Operation".
	Calls map[string]map[string]int `json:"calls"`
	// Items is calls per id (of a job or a point) that their requests name.
	Items map[string]int `json:"items"`
	// Units is consumed capacity per table, of the calls that asked for it.
	Units map[string]float64 `json:"units"`
	// Denied is calls that a role did not allow, by AWS's message.
	Denied map[string]int `json:"denied"`
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
	mu    sync.Mutex
	all   Counters
	named receipts
}

// newCounter returns a counter at zero.
func newCounter() *counter {
	return &counter{all: Counters{
		Calls: map[string]map[string]int{}, Items: map[string]int{}, Units: map[string]float64{}, Denied: map[string]int{},
	}}
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
	c.named.add(named{principal: principal, operation: k.service + ":" + k.operation, ids: slices.Collect(maps.Keys(ids))})
}

// deny counts a call that was not allowed.
func (c *counter) deny(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.Denied[why.Error()]++
}

// spend adds up consumed capacity; it is one object or, for calls on several tables, a list.
func (c *counter) spend(k *call, answer []byte) {
	if k.service != "dynamodb" || !bytes.Contains(k.body, []byte("ReturnConsumedCapacity")) {
		return
	}
	type consumed struct {
		TableName     string  `json:"TableName"`
		CapacityUnits float64 `json:"CapacityUnits"`
	}
	var one struct {
		ConsumedCapacity consumed `json:"ConsumedCapacity"`
	}
	var many struct {
		ConsumedCapacity []consumed `json:"ConsumedCapacity"`
	}
	if json.Unmarshal(answer, &one) == nil {
		many.ConsumedCapacity = []consumed{one.ConsumedCapacity}
	} else if json.Unmarshal(answer, &many) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, spent := range many.ConsumedCapacity {
		if spent.TableName != "" {
			c.all.Units[spent.TableName] += spent.CapacityUnits
		}
	}
}

// sequence makes request ids.
type sequence struct{ n atomic.Uint64 }

// next returns ids in order, so that a log of them reads like a log.
func (s *sequence) next() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", s.n.Add(1)) }

// snapshot returns the counts so far.
func (c *counter) snapshot() Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.all
	out.Calls = map[string]map[string]int{}
	out.Items, out.Units, out.Denied = maps.Clone(c.all.Items), maps.Clone(c.all.Units), maps.Clone(c.all.Denied)
	for principal, operations := range c.all.Calls {
		out.Calls[principal] = maps.Clone(operations)
	}
	return out
}

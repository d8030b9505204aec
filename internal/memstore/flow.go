package memstore

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"orbitq/internal/job"
)

// itemKey is the key of a batch's item.
type itemKey struct{ partition, point string }

// flows are chains and batches with what belongs to them.
type flows struct {
	chains  map[string]job.Chain
	batches map[string]job.Batch
	items   map[itemKey]job.Item
}

// newFlows returns none.
func newFlows() flows {
	return flows{chains: map[string]job.Chain{}, batches: map[string]job.Batch{}, items: map[itemKey]job.Item{}}
}

// copied returns a value that shares nothing with v, as one that was read from a table does.
func copied[T any](v T) T {
	raw, err := json.Marshal(v)
	var c T
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		panic(fmt.Sprintf("copy %T: %v", v, err)) // rows are made of texts, numbers and times
	}
	return c
}

// AcceptChain implements flow.Chains.
func (s *Store) AcceptChain(_ context.Context, c *job.Chain) (job.Chain, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.flows.chains[c.ID]; ok {
		return copied(old), true, nil
	}
	s.flows.chains[c.ID] = copied(*c)
	return *c, false, nil
}

// Chain implements flow.Chains.
func (s *Store) Chain(_ context.Context, id string) (job.Chain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.flows.chains[id]
	if !ok {
		return c, job.Errorf(job.NotFound, "no chain %s", id)
	}
	return copied(c), nil
}

// AmendChain implements flow.Chains.
func (s *Store) AmendChain(_ context.Context, id string, decide func(job.Chain) (job.Chain, error)) (job.Chain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.flows.chains[id]
	if !ok {
		return c, job.Errorf(job.NotFound, "no chain %s", id)
	}
	// A copy, as a row that was read is: a decision that is refused must leave no trace.
	next, err := decide(copied(c))
	if err == nil {
		s.flows.chains[id] = copied(next)
	}
	return next, err
}

// OwnChains implements flow.Chains.
func (s *Store) OwnChains(_ context.Context, owner, after string, n int) ([]job.Chain, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []job.Chain
	for _, c := range s.flows.chains {
		if position := place(c.Created, c.ID); c.Owner == owner && (after == "" || position < after) {
			all = append(all, copied(c))
		}
	}
	page, next := newestOf(all, n, func(c *job.Chain) string { return place(c.Created, c.ID) })
	return page, next, nil
}

// place returns where a row stands in its owner's list, as text that sorts.
func place(created time.Time, id string) string {
	return fmt.Sprintf("%013d#%s", created.UnixMilli(), id)
}

// newestOf returns the first n of a list, the highest position first, and the position of
// the last one if there are more.
func newestOf[T any](all []T, n int, position func(*T) string) ([]T, string) {
	sort.Slice(all, func(i, k int) bool { return position(&all[i]) > position(&all[k]) })
	if len(all) <= n {
		return all, ""
	}
	return all[:n], position(&all[n-1])
}

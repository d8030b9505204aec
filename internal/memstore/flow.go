package memstore

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"time"

	"orbitq/internal/flow"
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

// acceptIn stores a value that is not there yet.
func acceptIn[K comparable, T any](m map[K]T, k K, v T) (T, bool) {
	if old, ok := m[k]; ok {
		return copied(old), true
	}
	m[k] = copied(v)
	return v, false
}

// AcceptChain implements flow.Chains.
func (s *Store) AcceptChain(_ context.Context, c *job.Chain) (job.Chain, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, existed := acceptIn(s.flows.chains, c.ID, *c)
	return stored, existed, nil
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

// AcceptBatch implements flow.Batches.
func (s *Store) AcceptBatch(_ context.Context, b *job.Batch, items []job.Item) (job.Batch, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, existed := acceptIn(s.flows.batches, b.ID, *b)
	if !existed {
		for i := range items {
			s.flows.items[itemKey{b.Partition(), items[i].Point}] = copied(items[i])
		}
	}
	return stored, existed, nil
}

// Batch implements flow.Batches.
func (s *Store) Batch(_ context.Context, id string) (job.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.flows.batches[id]
	if !ok {
		return b, job.Errorf(job.NotFound, "no batch %s", id)
	}
	return copied(b), nil
}

// AmendBatch implements flow.Batches: the row and what goes with it, or nothing.
func (s *Store) AmendBatch(_ context.Context, id string, decide func(job.Batch) (job.Batch, flow.Change, error)) (job.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.flows.batches[id]
	if !ok {
		return b, job.Errorf(job.NotFound, "no batch %s", id)
	}
	next, change, err := decide(copied(b))
	if err != nil {
		return next, err
	}
	for i := range change.Items {
		if _, there := s.flows.items[itemKey{b.Partition(), change.Items[i].Point}]; there {
			return b, job.Errorf(job.StateConflict, "one of the items is in the batch already")
		}
	}
	for i := range change.Items {
		s.flows.items[itemKey{b.Partition(), change.Items[i].Point}] = copied(change.Items[i])
	}
	for _, e := range change.Events {
		s.event(e)
	}
	s.flows.batches[id] = copied(next)
	return next, nil
}

// OwnBatches implements flow.Batches.
func (s *Store) OwnBatches(_ context.Context, owner, after string, n int) ([]job.Batch, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []job.Batch
	for _, b := range s.flows.batches {
		if position := place(b.Created, b.ID); b.Owner == owner && (after == "" || position < after) {
			all = append(all, copied(b))
		}
	}
	page, next := newestOf(all, n, func(b *job.Batch) string { return place(b.Created, b.ID) })
	return page, next, nil
}

// Items implements flow.Items.
func (s *Store) Items(_ context.Context, b *job.Batch, after string, n int) ([]job.Item, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []job.Item
	for k, it := range s.flows.items {
		if k.partition == b.Partition() && k.point > after {
			all = append(all, copied(it))
		}
	}
	sort.Slice(all, func(i, k int) bool { return all[i].Point < all[k].Point })
	if len(all) <= n {
		return all, "", nil
	}
	return all[:n], all[n-1].Point, nil
}

// Item implements flow.Items.
func (s *Store) Item(_ context.Context, b *job.Batch, point string) (job.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.flows.items[itemKey{b.Partition(), point}]
	if !ok {
		return it, job.Errorf(job.NotFound, "no item %s", point)
	}
	return copied(it), nil
}

// AmendItem implements flow.Items.
func (s *Store) AmendItem(_ context.Context, b *job.Batch, point string, decide func(job.Item) (job.Item, error)) (job.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := itemKey{b.Partition(), point}
	it, ok := s.flows.items[k]
	if !ok {
		return it, job.Errorf(job.NotFound, "no item %s", point)
	}
	next, err := decide(copied(it))
	if err == nil && !reflect.DeepEqual(next, it) {
		s.flows.items[k] = copied(next)
	}
	return next, err
}

// OpenFlows implements flow.Open.
func (s *Store) OpenFlows(_ context.Context, now time.Time, n int) ([]job.Flow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type hint struct {
		look time.Time
		flow job.Flow
	}
	var hints []hint
	for id, c := range s.flows.chains {
		if !c.Look.IsZero() && !now.Before(c.Look) {
			hints = append(hints, hint{c.Look, job.ChainFlow(id)})
		}
	}
	for id, b := range s.flows.batches {
		if !b.Look.IsZero() && !now.Before(b.Look) {
			hints = append(hints, hint{b.Look, job.BatchFlow(id)})
		}
	}
	slices.SortFunc(hints, func(a, b hint) int {
		if order := a.look.Compare(b.look); order != 0 {
			return order
		}
		if a.flow < b.flow {
			return -1
		}
		return 1
	})
	all := make([]job.Flow, 0, len(hints))
	for _, h := range hints[:min(n, len(hints))] {
		all = append(all, h.flow)
	}
	return all, nil
}

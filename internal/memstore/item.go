package memstore

import (
	"context"
	"reflect"
	"slices"
	"sort"
	"time"

	"orbitq/internal/job"
)

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

package memstore

import (
	"context"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// AcceptBatch implements flow.Batches. The items come first, each by itself, as they do on
// DynamoDB: who goes away in the middle leaves some of them, and no batch.
func (s *Store) AcceptBatch(ctx context.Context, b *job.Batch, items []job.Item) (job.Batch, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.flows.batches[b.ID]; ok {
		return copied(old), true, nil
	}
	for i := range items {
		if err := ctx.Err(); err != nil {
			return *b, false, job.Errorf(job.Internal, "write items: %w", err)
		}
		s.flows.items[itemKey{b.Partition(), items[i].Point}] = copied(items[i])
	}
	s.flows.batches[b.ID] = copied(*b)
	return *b, false, nil
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
			// All or none: who asks again must not find half of it counted.
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

package dynamostore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// batchDoc says how a batch is written.
func batchDoc(id string) kept[job.Batch] {
	k := batchRow(id)
	return kept[job.Batch]{what: "batch " + id, key: k, row: func(b *job.Batch) (writer, error) {
		w, err := document(batchRow(b.ID), b)
		return w.flow(batchesOf(b.Owner), place(b.Created, b.ID), b.Look, b.Finished), err
	}}
}

// AcceptBatch implements flow.Batches: the items first, because a batch that is there
// vouches for all of them. Items without a batch are found by nobody and expire.
func (s *Store) AcceptBatch(ctx context.Context, b *job.Batch, items []job.Item) (job.Batch, bool, error) {
	if old, err := s.Batch(ctx, b.ID); err == nil {
		return old, true, nil // its items may have moved on: they must not be written again
	} else if job.CodeOf(err) != job.NotFound {
		return *b, false, err
	}
	rows := make([]item, 0, len(items))
	for i := range items {
		w, err := itemDoc(b, items[i].Point).row(&items[i])
		if err != nil {
			return *b, false, err
		}
		rows = append(rows, item(w))
	}
	if err := s.writeAll(ctx, "write items", puts(rows)); err != nil {
		return *b, false, err
	}
	return acceptDoc(ctx, s, batchDoc(b.ID), b)
}

// Batch implements flow.Batches.
func (s *Store) Batch(ctx context.Context, id string) (job.Batch, error) {
	return findDoc(ctx, s, batchDoc(id))
}

// AmendBatch implements flow.Batches.
func (s *Store) AmendBatch(ctx context.Context, id string, decide func(job.Batch) (job.Batch, flow.Change, error)) (job.Batch, error) {
	return amendDoc(ctx, s, batchDoc(id), func(b job.Batch) (job.Batch, []types.TransactWriteItem, error) {
		next, change, err := decide(b)
		if err != nil {
			return next, nil, err
		}
		var with []types.TransactWriteItem
		for _, e := range change.Events {
			with = append(with, s.putEvent(e))
		}
		for i := range change.Items {
			w, err := itemDoc(&next, change.Items[i].Point).row(&change.Items[i])
			if err != nil {
				return next, nil, err
			}
			with = append(with, s.putNew(item(w)))
		}
		return next, with, nil
	})
}

// OwnBatches implements flow.Batches.
func (s *Store) OwnBatches(ctx context.Context, owner, after string, n int) ([]job.Batch, string, error) {
	return listDocs[job.Batch](ctx, s, batchesOf(owner), after, n)
}

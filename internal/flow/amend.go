package flow

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"orbitq/internal/job"
)

// AddItems adds data points to a batch that has not ended, up to MaxItems in all. From then on the
// batch runs under the plan of who asks, unless its own is of a newer token.
func (f *Flow) AddItems(ctx context.Context, by job.Account, id string, ids []string) (b job.Batch, startErr, err error) {
	if broken := checkIDs(ids, MaxAdded); len(broken) > 0 {
		return b, nil, job.Invalid(broken[:min(len(broken), maxViolations)]...)
	}
	if _, err := f.batch(ctx, by.Owner, id); err != nil {
		return b, nil, err
	}
	points, err := f.owned(ctx, by.Owner, "data_point_ids[]", ids)
	if err != nil {
		return b, nil, err
	}
	var items []job.Item
	b, err = f.Batches.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, Change, error) {
		// Items and their count are one write: an item that is not counted would be missed by
		// the close, and a count without its item would keep the batch open for ever.
		next, err := job.AddToBatch(b, len(points), f.Now(), f.Lookback)
		if err != nil {
			return b, Change{}, err //nolint:wrapcheck // it has a code
		}
		if next.Total > MaxItems {
			return b, Change{}, job.Invalid(job.Violation{Field: "data_point_ids", Rule: "count", Detail: "would be more items than a batch may have: " + strconv.Itoa(MaxItems)})
		}
		next.Account = next.Entitled(by)
		// The decision is made again when somebody else was quicker: what an earlier try
		// collected must not be added twice.
		items = items[:0]
		for i := range points {
			items = append(items, next.Item(points[i].ID, points[i].Revision))
		}
		return next, Change{Items: items}, nil
	})
	if err != nil {
		return b, nil, fmt.Errorf("add items: %w", err)
	}
	return b, f.executeItems(ctx, &b, items), nil
}

// CancelBatch takes a batch back: what has not started never does, what runs is counted,
// and when the last item is final the batch closes as always.
func (f *Flow) CancelBatch(ctx context.Context, owner, id string) (job.Batch, error) {
	if _, err := f.batch(ctx, owner, id); err != nil {
		return job.Batch{}, err
	}
	b, err := f.Batches.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, Change, error) {
		next, err := job.CancelBatch(b)
		if !next.Closed {
			next.Look = f.Now().Add(stopLook)
		}
		return next, Change{}, err //nolint:wrapcheck // it has a code
	})
	if err != nil {
		return b, fmt.Errorf("cancel batch: %w", err)
	}
	if b.Closed {
		return b, nil
	}
	// The stop is written already. If this fails half way, the execution that still visits
	// the other items finds it in the row and takes them back one by one.
	return f.stopRest(ctx, &b)
}

// RetryBatch works again on the items of an ended batch that failed or were cancelled.
func (f *Flow) RetryBatch(ctx context.Context, owner, id string) (b job.Batch, startErr, err error) {
	if _, err := f.batch(ctx, owner, id); err != nil {
		return b, nil, err
	}
	b, err = f.Batches.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, Change, error) {
		next, err := job.RetryBatch(b, f.Now(), f.Lookback)
		return next, Change{}, err //nolint:wrapcheck // it has a code
	})
	if err != nil {
		return b, nil, fmt.Errorf("retry batch: %w", err)
	}
	return b, f.executeRest(ctx, &b), nil
}

// executeRest starts the newest execution of a batch over the items that can go on.
func (f *Flow) executeRest(ctx context.Context, b *job.Batch) error {
	items, _, err := f.rest(ctx, b)
	if err != nil {
		return err
	}
	return f.executeItems(ctx, b, items)
}

// rest returns the items of a batch that are not final and can go on, and when the first of
// the others can. What is final stays where it is: an execution that walked over it would
// pay transitions for nothing.
func (f *Flow) rest(ctx context.Context, b *job.Batch) (ready []job.Item, next time.Time, err error) {
	items, err := f.items(ctx, b)
	if err != nil {
		return nil, next, err
	}
	now := f.Now()
	for i := range items {
		it := b.Now(items[i])
		switch {
		case it.State.Final():
		case !it.Due.After(now):
			ready = append(ready, it)
		case next.IsZero() || it.Due.Before(next):
			next = it.Due
		}
	}
	return ready, next, nil
}

// items returns all items of a batch.
func (f *Flow) items(ctx context.Context, b *job.Batch) (all []job.Item, err error) {
	for after := ""; ; {
		page, next, err := f.Items.Items(ctx, b, after, 1000)
		if err != nil {
			return nil, fmt.Errorf("read items: %w", err)
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		after = next
	}
}

// batch returns an owner's batch.
func (f *Flow) batch(ctx context.Context, owner, id string) (job.Batch, error) {
	if !job.ValidID(id) {
		return job.Batch{}, job.Errorf(job.NotFound, "no batch %s", id)
	}
	b, err := f.Batches.Batch(ctx, id)
	if err != nil {
		return b, fmt.Errorf("read batch: %w", err)
	}
	// A stranger gets the answer of a batch that does not exist: another one would tell that
	// somebody has it.
	if b.Owner != owner {
		return job.Batch{}, job.Errorf(job.NotFound, "no batch %s", id)
	}
	return b, nil
}

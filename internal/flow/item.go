package flow

import (
	"context"
	"fmt"

	"orbitq/internal/job"
)

// VisitItem does what can be done now for an item of a batch: its steps one after the
// other, until one must be waited for. A failed item is no error: it is counted. One that is
// in a later round than the batch was when it was read is left to the visits of that round.
func (f *Flow) VisitItem(ctx context.Context, id, point, requestID string) (Answer, error) {
	b, err := f.Batches.Batch(ctx, id)
	if err != nil {
		return Answer{}, fmt.Errorf("read batch: %w", err)
	}
	it, err := f.Items.Item(ctx, &b, point)
	if err != nil {
		return Answer{}, fmt.Errorf("read item: %w", err)
	}
	var a Answer
	// All steps that are due are done in one visit: each state transition costs more than
	// the call itself, and most steps behind the first wait for nothing.
	for it = b.Now(it); !it.State.Final() && it.Round <= b.Round; {
		var row job.Job
		if row, a.Err, err = f.advance(ctx, &b, &it, requestID); err != nil {
			return Answer{Job: row, Err: a.Err}, err
		}
		a.Job = row
		if row.State.Open() {
			if it.Due.IsZero() { // else it is left for the sweep: others may want its place in the Map
				a.Wait = again(&row, f.Now())
			}
			break
		}
		if it.State.Final() {
			break
		}
		// It may have been stopped while the step ran: then the next one may not begin.
		if b, err = f.Batches.Batch(ctx, id); err != nil {
			return a, fmt.Errorf("read batch again: %w", err)
		}
	}
	if it.State == job.TrackFailed {
		// Told at once by whoever saw it first. Every later failure of the round finds it caught,
		// and a delivery that fails here is the relay's, because the event is written.
		first := !b.Caught
		if err := f.caught(ctx, &b); err != nil {
			return a, err
		}
		if first {
			_ = f.Callback(ctx, b.ID, job.CallCatch) // the relay repeats it
		}
	}
	a.State, a.Next = it.State, it.Kind()
	return a, nil
}

// advance runs, or in a stopped batch stops, the next step of an item, and writes what it
// came to.
func (f *Flow) advance(ctx context.Context, b *job.Batch, it *job.Item, requestID string) (row job.Job, note, err error) {
	if b.Stop != "" {
		// A stopped batch still visits its items: only a write to the job's row can keep a
		// worker of another execution from starting it.
		row, err = f.stop(ctx, &it.Track, b.Job(it))
	} else {
		row, note, err = f.run(ctx, &it.Track, b.Job(it), requestID)
	}
	if err != nil {
		return row, note, err
	}
	next := it.After(&row, f.Now())
	if row.State.Open() {
		next = next.Begun()
	}
	next = next.Parked(&row, f.Now())
	seen := *it
	// Two executions may visit one item, an old one and its successor. Both see the same job,
	// and the one that is slower finds the item moved on and leaves it.
	now, err := f.Items.AmendItem(ctx, b, it.Point, func(now job.Item) (job.Item, error) {
		now = b.Now(now)
		if now.State.Final() || now.At != seen.At || now.Round != seen.Round {
			return now, nil // another visit was quicker
		}
		now.Track = next
		return now, nil
	})
	if err != nil {
		return row, note, fmt.Errorf("write item: %w", err) //nolint:wrapcheck // a note is for the log, not an error
	}
	*it = now
	return row, note, nil //nolint:wrapcheck // as above
}

// caught takes note that an item has failed in the round that b is in: once. If that stops
// the batch, what waits for its time is taken back at once, because it might wait for days.
func (f *Flow) caught(ctx context.Context, b *job.Batch) error {
	before, round := b.Stop, b.Round
	after, err := f.Batches.AmendBatch(ctx, b.ID, func(b job.Batch) (job.Batch, Change, error) {
		if b.Round != round {
			return b, Change{}, nil // it works on that item again
		}
		next, events := job.CatchBatch(b, f.Now())
		if next.Stop != b.Stop {
			next.Look = f.Now().Add(stopLook)
		}
		return next, Change{Events: events}, nil
	})
	if err != nil {
		return fmt.Errorf("write first failure: %w", err)
	}
	*b = after
	// Only the write that stops the batch takes its items back: a hundred items that fail
	// together would otherwise each walk over all of them.
	if before != "" || after.Stop == "" || after.Closed {
		return nil
	}
	return f.stopItems(ctx, b)
}

// Summarise counts a batch's items from their rows and closes it if all are final. What
// it writes is conditional on the batch being the one that was counted: an item that is
// added meanwhile keeps it open.
func (f *Flow) Summarise(ctx context.Context, id string) (job.Batch, error) {
	b, err := f.Batches.Batch(ctx, id)
	if err != nil {
		return b, fmt.Errorf("read batch: %w", err)
	}
	if b.Closed {
		return b, nil
	}
	// Counted by a consistent read of the rows. A counter that each end increments drifts with
	// the first repeated write, and a batch that is off by one never ends.
	items, err := f.items(ctx, &b)
	if err != nil {
		return b, err
	}
	counts := b.Count(items)
	if counts.Failed > 0 && !b.Caught {
		// Whoever saw the first failure died before it could say so.
		if err := f.caught(ctx, &b); err != nil {
			return b, err
		}
		return f.Summarise(ctx, id) // counted anew: the batch is another one now
	}
	round, total := b.Round, b.Total
	b, err = f.Batches.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, Change, error) {
		if b.Round != round || b.Total != total {
			return b, Change{}, nil // not what was counted
		}
		// The close and the events of its callbacks are one write, so that a crash behind it
		// loses none of them; not all final closes nothing.
		next, events, _ := job.CloseBatch(b, counts, f.Now())
		return next, Change{Events: events}, nil
	})
	if err != nil {
		return b, fmt.Errorf("close batch: %w", err)
	}
	return b, nil
}

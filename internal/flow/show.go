package flow

import (
	"context"
	"fmt"
	"time"

	"orbitq/internal/job"
)

// Overview is a batch as a person sees it.
type Overview struct {
	Batch  job.Batch
	Counts job.Counts
	Calls  []Call
	// Ends: when it will have ended, if it goes on as so far; zero when nobody can say.
	Ends time.Time
	Cost Cost
}

// Call is a callback with what became of it.
type Call struct {
	Name string
	job.Callback

	Delivery *Delivery // nil while it has not fired
}

// ShowBatch returns an owner's batch, counted from the rows of its items.
func (f *Flow) ShowBatch(ctx context.Context, owner, id string) (Overview, error) {
	b, err := f.batch(ctx, owner, id)
	if err != nil {
		return Overview{}, err
	}
	o := Overview{Batch: b, Counts: b.Ended}
	if !b.Closed {
		items, err := f.items(ctx, &b)
		if err != nil {
			return o, err
		}
		o.Counts = b.Count(items)
		o.Ends = ends(&b, o.Counts, f.Now())
	}
	if o.Calls, err = f.calls(ctx, &b); err != nil {
		return o, err
	}
	// What has not begun has cost nothing yet.
	o.Cost = CostOf(o.Counts.Final()+o.Counts.Running, len(b.Steps), b.Total > f.Inline)
	return o, nil
}

// ends extrapolates the pace of the round so far.
func ends(b *job.Batch, c job.Counts, now time.Time) time.Time {
	done, left := c.Final(), c.Pending+c.Running
	// A guess from nothing would be read as a promise.
	if done == 0 || left == 0 || !now.After(b.Began) {
		return time.Time{}
	}
	return now.Add(now.Sub(b.Began) / time.Duration(done) * time.Duration(left)).Truncate(time.Second)
}

// calls returns the callbacks of a batch's present round.
func (f *Flow) calls(ctx context.Context, b *job.Batch) ([]Call, error) {
	var (
		all []Call
		ids []string
	)
	for _, name := range []string{job.CallThen, job.CallCatch, job.CallFinally} {
		if c, ok := b.Calls[name]; ok {
			// The id of the event is a function of batch, round and name, so that it can be looked up
			// without being kept anywhere.
			all, ids = append(all, Call{Name: name, Callback: c}), append(ids, job.CallID(b.ID, b.Round, name))
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := f.Courier.Mail.Deliveries(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	for i := range all {
		for k := range found {
			if found[k].Event.ID == ids[i] {
				all[i].Delivery = &found[k]
			}
		}
	}
	return all, nil
}

// ListItems returns a page of the items of an owner's batch, as they stand in its present
// round.
func (f *Flow) ListItems(ctx context.Context, owner, id, after string, n int) (job.Batch, []job.Item, string, error) {
	b, err := f.batch(ctx, owner, id)
	if err != nil {
		return b, nil, "", err
	}
	page, next, err := f.Items.Items(ctx, &b, after, n)
	if err != nil {
		return b, nil, "", fmt.Errorf("read items: %w", err)
	}
	for i := range page {
		// The rows are rewritten only when they are visited: an item that failed in the last round
		// and is to be retried must not be shown as failed.
		page[i] = b.Now(page[i])
	}
	return b, page, next, nil
}

// ListBatches returns a page of an owner's batches, the newest first.
func (f *Flow) ListBatches(ctx context.Context, owner, after string, n int) ([]job.Batch, string, error) {
	all, next, err := f.Batches.OwnBatches(ctx, owner, after, n)
	if err != nil {
		return nil, "", fmt.Errorf("list batches: %w", err)
	}
	return all, next, nil
}

// ListChains returns a page of an owner's chains, the newest first.
func (f *Flow) ListChains(ctx context.Context, owner, after string, n int) ([]job.Chain, string, error) {
	all, next, err := f.Chains.OwnChains(ctx, owner, after, n)
	if err != nil {
		return nil, "", fmt.Errorf("list chains: %w", err)
	}
	return all, next, nil
}

package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"orbitq/internal/job"
)

// Limits of a batch's words.
const (
	maxName       = 200
	maxViolations = 20
)

// Prepared is a batch that a request describes, before it is accepted.
type Prepared struct {
	Batch job.Batch
	Items []job.Item
}

// Prepare checks a request for a batch and finds its points; nothing is written. Points of
// other owners do not exist for it.
func (f *Flow) Prepare(ctx context.Context, r Request, w BatchWish) (Prepared, error) {
	if err := f.check(&w, r.Key); err != nil {
		return Prepared{}, err
	}
	points, err := f.chosen(ctx, r.Owner, &w)
	if err != nil {
		return Prepared{}, err
	}
	for name, c := range w.Calls {
		if c.Point == "" {
			continue
		}
		if _, err := f.owned(ctx, r.Owner, name+".job.data_point_id", []string{c.Point}); err != nil {
			return Prepared{}, err
		}
	}
	now := f.Now()
	p := Prepared{Batch: job.NewBatch(job.Batch{
		ID: f.id(now, r, "POST /v1/batches"), Account: r.Account, Name: w.Name, Queue: w.Queue, Steps: w.Steps, Tags: w.Tags,
		AllowFailures: w.AllowFailures, BodyHash: job.BodyHash(r.Body), Total: len(points), Calls: w.Calls,
	}, now, f.Lookback)}
	for i := range points {
		p.Items = append(p.Items, p.Batch.Item(points[i].ID, points[i].Revision))
	}
	return p, nil
}

// StartBatch accepts a prepared batch and starts its execution. A start that fails now is
// made up by the sweep: the batch is accepted.
func (f *Flow) StartBatch(ctx context.Context, p Prepared) (b job.Batch, startErr, err error) {
	stored, existed, err := f.Batches.AcceptBatch(ctx, &p.Batch, p.Items)
	if err != nil {
		return b, nil, fmt.Errorf("accept batch: %w", err)
	}
	if existed && stored.BodyHash != p.Batch.BodyHash {
		return b, nil, job.ErrKeyReused() //nolint:wrapcheck // it has a code
	}
	if stored.Closed || stored.Runs > 0 {
		return stored, nil, nil // a repeated request: it has gone on long since
	}
	if existed {
		return stored, f.executeRest(ctx, &stored), nil // a filter may choose other points by now
	}
	return stored, f.executeItems(ctx, &stored, p.Items), nil
}

// executeItems starts the newest execution of a batch over items: inline while they are
// few, else over a list that is stored beside, in chunks.
func (f *Flow) executeItems(ctx context.Context, b *job.Batch, items []job.Item) error {
	name := job.ExecutionName(b.ID, b.Runs)
	input := map[string]any{"batch": b.ID, "run": b.Runs}
	ids := make([]string, len(items))
	for i := range items {
		ids[i] = items[i].Point
	}
	if len(ids) <= f.Inline {
		input["mode"], input["points"] = "inline", ids
	} else {
		// In chunks already, so that a child makes one call for ten items: ItemBatcher would do
		// it too, but not every interpreter of state machines knows it.
		list, err := json.Marshal(slices.Collect(slices.Chunk(ids, Chunk)))
		if err != nil {
			return fmt.Errorf("encode list of items: %w", err)
		}
		// Named after the execution: a repeated start writes the same object again.
		key := "batches/" + name + ".json"
		bucket, err := f.Executions.PutList(ctx, key, list)
		if err != nil {
			return fmt.Errorf("store list of items: %w", err)
		}
		input["mode"], input["bucket"], input["key"] = "distributed", bucket, key
	}
	raw, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("encode input: %w", err)
	}
	if err := f.Executions.Start(ctx, BatchMachine, name, raw); err != nil {
		return fmt.Errorf("start batch %s: %w", b.ID, err)
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/scene"
)

// refuse lets the stand-in refuse what is asked about some places; none ends it.
func (d *flowDemo) refuse(ctx context.Context, places []scene.Point) error {
	const around = 0.00001 // degrees: the place itself, and not its neighbour
	// Never null: an empty plan is what ends all faults.
	plan := []map[string]any{}
	for _, p := range places {
		plan = append(plan, map[string]any{"kind": "400", "endpoint": "statistics", "bbox": []float64{p.Lon - around, p.Lat - around, p.Lon + around, p.Lat + around}})
	}
	raw, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("write faults: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.state.CopernicusURL+"/__faults", bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := d.meter.http.Do(req)
	if err != nil {
		return fmt.Errorf("set faults: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // only the status counts
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("set faults: the stand-in answered %s", resp.Status)
	}
	return nil
}

// batch runs the other points, and after the end once more those that failed.
func (d *flowDemo) batch(ctx context.Context, r *flowReport, ids []string) error {
	message := &client.Callback{Notify: true}
	n := client.NewBatch{
		Name: "demo", PointIDs: ids, AllowFailures: true, Then: message, Catch: message, Finally: message, Key: d.key + "-batch",
	}
	var err error
	// Asked before the start, with the very same request: what is expected must not know what happened.
	if r.Estimate, err = d.api.EstimateBatch(ctx, n); err != nil {
		return fmt.Errorf("estimate batch: %w", err)
	}
	b, err := d.api.StartBatch(ctx, n)
	if err != nil {
		return fmt.Errorf("start batch: %w", err)
	}
	if err := d.round(ctx, r, b.ID); err != nil {
		return err
	}
	// The provider is well again; nothing else changes between both rounds, so whatever mends them is the retry.
	if err := d.refuse(ctx, nil); err != nil {
		return err
	}
	if _, err := d.api.RetryBatch(ctx, b.ID); err != nil {
		return fmt.Errorf("retry batch: %w", err)
	}
	return d.round(ctx, r, b.ID)
}

// round watches a batch to its end, and until its callbacks are delivered.
func (d *flowDemo) round(ctx context.Context, r *flowReport, id string) error {
	m := newBatchMeter(d.out)
	_, err := d.api.WatchBatch(ctx, id, flowLookEvery, func(b client.Batch) { m.show(&b, time.Now()) })
	m.end()
	if err != nil {
		return fmt.Errorf("watch batch: %w", err)
	}
	// The end of the items is not the end of the batch: its last callback is delivered behind it.
	for {
		b, err := d.api.Batch(ctx, id)
		if err != nil {
			return fmt.Errorf("read batch: %w", err)
		}
		if delivered(&b) {
			r.Rounds = append(r.Rounds, b)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for callbacks: %w", context.Cause(ctx))
		case <-time.After(flowLookEvery):
		}
	}
}

// delivered reports whether no callback that has fired is still on its way.
func delivered(b *client.Batch) bool {
	for _, c := range b.Callbacks {
		// "finally" fires always. "then" and "catch" exclude each other mostly, so one that waits may wait for ever.
		if c.State == "pending" || c.Name == job.CallFinally && c.State == "waiting" {
			return false
		}
	}
	return b.Ended()
}

// executed is one of the state machines' as the local stack counts it.
type executed struct {
	Name        string `json:"name"`
	Machine     string `json:"machine"`
	Status      string `json:"status"`
	Transitions int    `json:"transitions"`
}

// receipts reads what the executions cost, and what the owner was told.
func (d *flowDemo) receipts(ctx context.Context, r *flowReport) error {
	var all struct {
		Executions []executed `json:"executions"`
	}
	if err := d.meter.get(ctx, d.state.AWSURL+"/_orbitq/executions", &all); err != nil {
		return err
	}
	batch := r.Rounds[0].ID
	for _, e := range all.Executions {
		if e.Name == r.Chain.Execution || e.Name == job.ExecutionName(batch, 0) || e.Name == job.ExecutionName(batch, 1) {
			r.Costs = append(r.Costs, e)
		}
	}
	if err := d.requests(ctx, r); err != nil {
		return err
	}
	const some = 5 // the newest: one of the chain, and those of the batch
	for n, err := range d.api.Notifications(ctx, some) {
		if err != nil {
			return fmt.Errorf("read notifications: %w", err)
		}
		if r.Messages = append(r.Messages, n.Type+": "+n.Text); len(r.Messages) == some {
			break
		}
	}
	return nil
}

// requests counts the calls to AWS that name the chain's point or steps, and those that name the points or steps of the
// batch's items.
func (d *flowDemo) requests(ctx context.Context, r *flowReport) error {
	ids := []string{r.Chain.PointID}
	for _, step := range r.Chain.Steps {
		ids = append(ids, job.StepID(r.Chain.ID, step.Kind))
	}
	var err error
	if r.ChainRequests, err = d.meter.requests(ctx, ids...); err != nil {
		return err
	}
	ids = nil
	for item, err := range d.api.BatchItems(ctx, r.Rounds[0].ID, flowPoints) {
		if err != nil {
			return fmt.Errorf("list items: %w", err)
		}
		ids = append(ids, item.PointID, item.JobID)
	}
	r.BatchRequests, err = d.meter.requests(ctx, ids...)
	return err
}

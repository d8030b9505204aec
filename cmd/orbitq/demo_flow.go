package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/scene"
	"orbitq/internal/local/stack"
)

// What the second part of the demo works on: one point goes through a chain, the others through a batch, and the provider
// refuses some of these places, as it would refuse a request that is wrong for ever.
const (
	flowPoints    = 100
	barrenPoints  = 4
	flowLookEvery = 150 * time.Millisecond
)

// flowReport is what became of the chain and the batch.
type flowReport struct {
	Chain    client.Chain    `json:"chain"`
	Quality  client.Quality  `json:"quality"`
	Estimate client.Estimate `json:"estimate"`
	// Rounds: the batch after its first end, and after its failed items were retried.
	Rounds   []client.Batch `json:"rounds"`
	Messages []string       `json:"messages"`
	Costs    []executed     `json:"executions"`
	AWS      map[string]int `json:"aws_requests"`
}

// executed is one of the state machines' as the local stack counts it.
type executed struct {
	Name        string `json:"name"`
	Machine     string `json:"machine"`
	Status      string `json:"status"`
	Transitions int    `json:"transitions"`
}

// flowDemo runs a chain and a batch through the API, as any client would.
type flowDemo struct {
	api      *client.Client
	meter    *meter
	state    stack.State
	out      io.Writer // of the progress
	key      string
	patience time.Duration
}

// run starts both, and retries what failed in the batch when the provider is well again.
func (d *flowDemo) run(ctx context.Context, picture *scene.Scene) (*flowReport, error) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	places := picture.PickPoints(scene.Bare, flowPoints+1)
	if len(places) < flowPoints+1 {
		return nil, fmt.Errorf("pick points: the scene has %d clear places", len(places))
	}
	before, err := d.meter.read(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := d.store(ctx, picture, places)
	if err != nil {
		return nil, err
	}
	r := &flowReport{}
	if err := d.chain(ctx, r, ids[0]); err != nil {
		return nil, err
	}
	if err := d.refuse(ctx, places[1:1+barrenPoints]); err != nil {
		return nil, err
	}
	err = d.batch(ctx, r, ids[1:])
	if err != nil {
		return nil, err
	}
	after, err := d.meter.read(ctx)
	if err != nil {
		return nil, err
	}
	r.AWS = after.since(before).AWS
	return r, d.receipts(ctx, r)
}

// store stores points that nobody enriches until asked.
func (d *flowDemo) store(ctx context.Context, picture *scene.Scene, places []scene.Point) ([]string, error) {
	ids, alone := make([]string, len(places)), false
	return ids, each(ctx, len(places), func(ctx context.Context, i int) error {
		p := reading(places[i], picture.Sensed(), 0)
		p.Enrich, p.Key = &alone, fmt.Sprintf("%s-flow-%d", d.key, i)
		created, err := d.api.CreatePoint(ctx, p)
		if err != nil {
			return fmt.Errorf("store point %d: %w", i, err)
		}
		ids[i] = created.PointID
		return nil
	})
}

// chain runs one point through all three steps.
func (d *flowDemo) chain(ctx context.Context, r *flowReport, point string) error {
	c, err := d.api.StartChain(ctx, client.NewChain{PointID: point, Key: d.key + "-chain"})
	if err != nil {
		return fmt.Errorf("start chain: %w", err)
	}
	if r.Chain, err = d.api.WaitChain(ctx, c.ID, flowLookEvery, func(client.Chain) {}); err != nil {
		return fmt.Errorf("wait for chain: %w", err)
	}
	if r.Quality, err = d.api.Quality(ctx, point); err != nil {
		return fmt.Errorf("read quality: %w", err)
	}
	return nil
}

// refuse lets the stand-in refuse what is asked about some places; none ends it.
func (d *flowDemo) refuse(ctx context.Context, places []scene.Point) error {
	const around = 0.00001 // degrees: the place itself, and not its neighbour
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
		if c.State == "pending" || c.Name == job.CallFinally && c.State == "waiting" {
			return false
		}
	}
	return b.Ended()
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

// unexpected lists what ended otherwise than it had to.
func (r *flowReport) unexpected() []string {
	var all []string
	expect := func(what, got, want string) {
		if got != want {
			all = append(all, what+": expected "+want+", got "+got)
		}
	}
	expect("chain", string(r.Chain.State), string(job.TrackSucceeded))
	for i, want := range []string{
		fmt.Sprintf("succeeded %d  failed %d, then waiting, catch delivered, finally delivered", flowPoints-barrenPoints, barrenPoints),
		fmt.Sprintf("succeeded %d, then delivered, catch waiting, finally delivered", flowPoints),
	} {
		expect(fmt.Sprintf("round %d of the batch", i+1), tallied(countsOf(&r.Rounds[i]))+fired(&r.Rounds[i]), want)
	}
	return all
}

// fired is the callbacks of a batch with what became of them.
func fired(b *client.Batch) string {
	var text strings.Builder
	for _, c := range b.Callbacks {
		text.WriteString(", " + c.Name + " " + c.State)
	}
	return text.String()
}

// write shows the chain, the batch and what both cost.
func (r *flowReport) write(w io.Writer) error {
	s := sheet{}
	for _, step := range r.Chain.Steps {
		outcome := ""
		if step.Job != nil {
			outcome = string(step.Job.Outcome)
		}
		s.putf("chain", "%-8s %s %s", step.Kind, step.State, outcome)
	}
	score := "-"
	if r.Quality.Score != nil {
		score = strconv.Itoa(*r.Quality.Score)
	}
	s.putf("quality", "score %s, %d flags", score, len(r.Quality.Flags))
	for i := range r.Rounds {
		s.putf(fmt.Sprintf("batch, round %d", i+1), "%s%s", tallied(countsOf(&r.Rounds[i])), fired(&r.Rounds[i]))
	}
	if err := say(w, ""); err != nil {
		return err
	}
	if err := s.write(w); err != nil {
		return err
	}
	t := table{gap: 2}
	t.head = []string{"EXECUTION", "STATUS", "TRANSITIONS", "EXPECTED"}
	for _, e := range r.Costs {
		expected := "-" // a retry works on what is left
		switch e.Name {
		case r.Chain.Execution:
			expected = strconv.Itoa(2 + 2*len(r.Chain.Steps))
		case job.ExecutionName(r.Rounds[0].ID, 0):
			expected = strconv.Itoa(r.Estimate.Cost.Transitions)
		}
		t.add(e.Machine+" "+e.Name[len(e.Name)-8:], e.Status, strconv.Itoa(e.Transitions), expected)
	}
	if err := say(w, ""); err != nil {
		return err
	}
	if err := t.write(w); err != nil {
		return err
	}
	return say(w, "\n%d items, expected before the start: $%.6f (prices of %s); AWS requests of both, reading left out: %s",
		r.Estimate.Total, r.Estimate.Cost.USD, r.Estimate.Cost.PricedOn, counts(r.AWS))
}

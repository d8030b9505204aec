package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"orbitq/internal/job"
	"orbitq/internal/point"
)

// BatchWish is what a request wants done with many data points.
type BatchWish struct {
	Name          string
	Points        []string // ids; or
	Filter        *Filter  // a choice of the owner's points
	Steps         []string // kinds in their order; none for enrich alone
	Queue         string   // empty for default
	Tags          []string
	AllowFailures bool
	Calls         map[string]job.Callback // by name: then, catch, finally
}

// Limits of a batch's words.
const (
	maxName       = 200
	maxViolations = 20
)

// check fills in what a wish leaves out, and returns everything that is wrong with it.
func (f *Flow) check(w *BatchWish, key string) error {
	if len(w.Steps) == 0 {
		w.Steps = []string{"enrich"}
	}
	if w.Queue == "" {
		w.Queue = "default"
	}
	broken := append(job.CheckKey(key), job.CheckQueue(w.Queue)...)
	broken = append(append(broken, f.checkSteps(w.Steps)...), job.CheckTags(w.Tags)...)
	if n := len([]rune(w.Name)); n < 1 || n > maxName {
		broken = append(broken, job.Violation{Field: "name", Rule: "length", Detail: "must have 1 to 200 characters"})
	}
	switch {
	case w.Filter != nil && w.Points != nil:
		broken = append(broken, job.Violation{Field: "filter", Rule: "exclusive", Detail: "cannot be given together with data_point_ids"})
	case w.Filter == nil:
		broken = append(broken, checkIDs(w.Points, MaxItems)...)
	case w.Filter.Campaign == "":
		broken = append(broken, job.Violation{Field: "filter.campaign_id", Rule: "required", Detail: "must be given"})
	}
	for _, name := range []string{job.CallThen, job.CallCatch, job.CallFinally} {
		if c, ok := w.Calls[name]; ok {
			broken = append(broken, f.checkCall(name, c)...)
		}
	}
	if len(broken) > 0 {
		return job.Invalid(broken[:min(len(broken), maxViolations)]...)
	}
	return nil
}

// checkIDs returns what is wrong with a list of data points.
func checkIDs(ids []string, most int) []job.Violation {
	if len(ids) < 1 || len(ids) > most {
		return []job.Violation{{Field: "data_point_ids", Rule: "count", Detail: "must be 1 to " + strconv.Itoa(most) + " ids"}}
	}
	var broken []job.Violation
	seen := make(map[string]bool, len(ids))
	for i, id := range ids {
		field := "data_point_ids[" + strconv.Itoa(i) + "]"
		switch {
		case !job.ValidID(id):
			broken = append(broken, job.Violation{Field: field, Rule: "id", Detail: "must be an id of 26 characters"})
		case seen[id]:
			broken = append(broken, job.Violation{Field: field, Rule: "unique", Detail: "is in the list twice"})
		}
		seen[id] = true
	}
	return broken
}

// checkCall returns what is wrong with a callback: it is exactly one of three things.
func (f *Flow) checkCall(name string, c job.Callback) []job.Violation {
	kinds := 0
	for _, is := range []bool{c.URL != "", c.Notify, c.Kind != "" || c.Point != ""} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return []job.Violation{{Field: name, Rule: "one_of", Detail: "must be one of webhook, notify: true, and job"}}
	case c.URL != "":
		return f.CheckURL(name+".webhook", c.URL)
	case c.Notify:
		return nil
	case !job.ValidID(c.Point):
		return []job.Violation{{Field: name + ".job.data_point_id", Rule: "id", Detail: "must be an id of 26 characters"}}
	}
	if _, known := f.Policies[c.Kind]; !known {
		return []job.Violation{{Field: name + ".job.kind", Rule: "known", Detail: "is no registered kind"}}
	}
	return nil
}

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

// chosen returns the points of a wish, in the order of their ids.
func (f *Flow) chosen(ctx context.Context, owner string, w *BatchWish) ([]point.Point, error) {
	if w.Filter == nil {
		return f.owned(ctx, owner, "data_point_ids", w.Points)
	}
	points, err := f.Points.FindPoints(ctx, owner, *w.Filter, MaxItems+1)
	if err != nil {
		return nil, fmt.Errorf("find points: %w", err)
	}
	if n := len(points); n < 1 || n > MaxItems {
		return nil, job.Invalid(job.Violation{Field: "filter", Rule: "count", Detail: "must choose 1 to " + strconv.Itoa(MaxItems) + " data points; it chooses " + atMost(n)})
	}
	return byID(points), nil
}

// atMost names a count that stopped at its limit.
func atMost(n int) string {
	if n > MaxItems {
		return "more"
	}
	return strconv.Itoa(n)
}

// byID orders points.
func byID(points []point.Point) []point.Point {
	slices.SortFunc(points, func(a, b point.Point) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return points
}

// owned returns an owner's points, all of them or an error that names those that are not
// there.
func (f *Flow) owned(ctx context.Context, owner, field string, ids []string) ([]point.Point, error) {
	found, err := f.Points.Points(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read points: %w", err)
	}
	own := map[string]bool{}
	points := found[:0]
	for i := range found {
		if found[i].Owner == owner {
			own[found[i].ID] = true
			points = append(points, found[i])
		}
	}
	if len(ids) == 1 && !own[ids[0]] {
		return nil, job.Errorf(job.NotFound, "no data point %s", ids[0])
	}
	var broken []job.Violation
	for i, id := range ids {
		if !own[id] && len(broken) < maxViolations {
			broken = append(broken, job.Violation{Field: field + "[" + strconv.Itoa(i) + "]", Rule: "exists", Detail: "there is no data point " + id})
		}
	}
	if len(broken) > 0 {
		return nil, job.Invalid(broken...)
	}
	return byID(points), nil
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
		list, err := json.Marshal(slices.Collect(slices.Chunk(ids, Chunk)))
		if err != nil {
			return fmt.Errorf("encode list of items: %w", err)
		}
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

// AddItems adds data points to a batch that has not ended.
func (f *Flow) AddItems(ctx context.Context, owner, id string, ids []string) (b job.Batch, startErr, err error) {
	if broken := checkIDs(ids, MaxAdded); len(broken) > 0 {
		return b, nil, job.Invalid(broken[:min(len(broken), maxViolations)]...)
	}
	if _, err := f.batch(ctx, owner, id); err != nil {
		return b, nil, err
	}
	points, err := f.owned(ctx, owner, "data_point_ids", ids)
	if err != nil {
		return b, nil, err
	}
	var items []job.Item
	b, err = f.Batches.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, Change, error) {
		next, err := job.AddToBatch(b, len(points), f.Now(), f.Lookback)
		if err != nil {
			return b, Change{}, err //nolint:wrapcheck // it has a code
		}
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
		return next, Change{}, err //nolint:wrapcheck // it has a code
	})
	if err != nil {
		return b, fmt.Errorf("cancel batch: %w", err)
	}
	if b.Closed {
		return b, nil
	}
	if err := f.stopItems(ctx, &b); err != nil {
		return b, err
	}
	return f.Summarise(ctx, id)
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

// executeRest starts the newest execution of a batch over the items that are not final.
func (f *Flow) executeRest(ctx context.Context, b *job.Batch) error {
	items, err := f.items(ctx, b)
	if err != nil {
		return err
	}
	items = slices.DeleteFunc(items, func(it job.Item) bool { return b.Now(it).State.Final() })
	return f.executeItems(ctx, b, items)
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
	if b.Owner != owner {
		return job.Batch{}, job.Errorf(job.NotFound, "no batch %s", id)
	}
	return b, nil
}

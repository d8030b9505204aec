package flow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

func TestWhatIsWrongWithABatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ids := b.points(owner, 1, 2)
	theirs := b.points("v", 5, 1)[0]
	calls := func(c job.Callback) func(*flow.BatchWish) {
		return func(w *flow.BatchWish) { w.Calls = map[string]job.Callback{job.CallThen: c} }
	}
	for _, c := range []struct {
		name  string
		edit  func(w *flow.BatchWish)
		field string
		rule  string
	}{
		{"no name", func(w *flow.BatchWish) { w.Name = "" }, "name", "length"},
		{"a long name", func(w *flow.BatchWish) { w.Name = strings.Repeat("ü", 201) }, "name", "length"},
		{"no points", func(w *flow.BatchWish) { w.Points = nil }, "data_point_ids", "count"},
		{"an empty list", func(w *flow.BatchWish) { w.Points = []string{} }, "data_point_ids", "count"},
		{"too many points", func(w *flow.BatchWish) { w.Points = make([]string, flow.MaxItems+1) }, "data_point_ids", "count"},
		{"no id", func(w *flow.BatchWish) { w.Points = []string{ids[0], "x"} }, "data_point_ids[1]", "id"},
		{"a duplicate", func(w *flow.BatchWish) { w.Points = []string{ids[0], ids[1], ids[0]} }, "data_point_ids[2]", "unique"},
		{"a name with a hidden character", func(w *flow.BatchWish) { w.Name = "a\u202eb" }, "name", "charset"},
		{"a filter that no campaign can have", func(w *flow.BatchWish) { w.Points, w.Filter = nil, &flow.Filter{Campaign: "a\x00"} }, "filter.campaign_id", "charset"},
		{"a filter that no metric can have", func(w *flow.BatchWish) { w.Points, w.Filter = nil, &flow.Filter{Campaign: "a", Metric: "\u200b"} }, "filter.metric_id", "charset"},
		{"both", func(w *flow.BatchWish) { w.Filter = &flow.Filter{Campaign: "c"} }, "filter", "exclusive"},
		{"a filter of nothing", func(w *flow.BatchWish) { w.Points, w.Filter = nil, &flow.Filter{} }, "filter.campaign_id", "required"},
		{"a filter that chooses none", func(w *flow.BatchWish) { w.Points, w.Filter = nil, &flow.Filter{Campaign: "none"} }, "filter", "count"},
		{"an unknown step", func(w *flow.BatchWish) { w.Steps = []string{"fly"} }, "steps", "known"},
		{"steps in no order", func(w *flow.BatchWish) { w.Steps = []string{"notify", "enrich"} }, "steps", "order"},
		{"a queue", func(w *flow.BatchWish) { w.Queue = "urgent" }, "queue", "enum"},
		{"a tag", func(w *flow.BatchWish) { w.Tags = []string{"a b"} }, "tags[0]", "charset"},
		{"a callback of nothing", calls(job.Callback{}), "then", "one_of"},
		{"a callback of two things", calls(job.Callback{URL: "https://x", Notify: true}), "then", "one_of"},
		{"a URL in a private network", calls(job.Callback{URL: "http://10.0.0.1"}), "then.webhook", "url"},
		{"a callback's job without a point", calls(job.Callback{Kind: "notify"}), "then.job.data_point_id", "id"},
		{"a callback's job of no kind", calls(job.Callback{Kind: "fly", Point: ids[0]}), "then.job.kind", "known"},
	} {
		w := flow.BatchWish{Name: "b", Points: ids}
		c.edit(&w)
		_, err := b.Prepare(t.Context(), request("", ""), w)
		coded, ok := errors.AsType[*job.Error](err)
		if !ok || coded.Code != job.InvalidField || len(coded.Violations) != 1 || coded.Violations[0].Field != c.field || coded.Violations[0].Rule != c.rule {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// Alone or beside others, not there or another owner's: one answer.
	for field, w := range map[string]flow.BatchWish{
		"data_point_ids[0]":       {Name: "b", Points: []string{theirs}},
		"data_point_ids[1]":       {Name: "b", Points: []string{ids[0], pointID(99), ids[1]}},
		"data_point_ids[2]":       {Name: "b", Points: []string{ids[0], ids[1], theirs}},
		"catch.job.data_point_id": {Name: "b", Points: ids, Calls: map[string]job.Callback{job.CallCatch: {Kind: "notify", Point: theirs}}},
	} {
		_, err := b.Prepare(t.Context(), request("", ""), w)
		coded, ok := errors.AsType[*job.Error](err)
		if !ok || coded.Code != job.NotFound || len(coded.Violations) != 1 || coded.Violations[0].Field != field || coded.Violations[0].Rule != "exists" {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := b.Prepare(t.Context(), request("a b", ""), flow.BatchWish{Name: "b", Points: ids}); job.CodeOf(err) != job.InvalidField {
		t.Errorf("a key: %v", err)
	}
}

// TestViolationsAreBounded: five thousand of them help nobody.
func TestViolationsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	absent := make([]string, 100)
	for i := range absent {
		absent[i] = pointID(1000 + i)
	}
	for name, points := range map[string][]string{"no ids": strings.Split(strings.Repeat("x ", 100), " "), "absent": absent} {
		_, err := b.Prepare(t.Context(), request("", ""), flow.BatchWish{Name: "b", Points: points})
		if coded, ok := errors.AsType[*job.Error](err); !ok || len(coded.Violations) != 20 {
			t.Errorf("%s: %v", name, err)
		}
	}
	id := b.batch(1, nil).ID
	for name, points := range map[string][]string{"no ids": slices.Repeat([]string{"x"}, 99), "absent": absent[:99]} {
		_, _, err := b.AddItems(t.Context(), job.Account{Owner: owner}, id, points)
		if coded, ok := errors.AsType[*job.Error](err); !ok || len(coded.Violations) != 20 {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := b.AddItems(t.Context(), job.Account{Owner: owner}, id, absent)
	if coded, ok := errors.AsType[*job.Error](err); !ok || coded.Violations[0].Rule != "count" {
		t.Errorf("more than %d at once: %v", flow.MaxAdded, err)
	}
}

func TestWhatAWishLeavesOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ids := b.points(owner, 1, 3)
	back := []string{ids[2], ids[0], ids[1]}
	p, err := b.Prepare(t.Context(), request("", ""), flow.BatchWish{Name: strings.Repeat("ü", 200), Points: back})
	if err != nil || !slices.Equal(p.Batch.Steps, []string{"enrich"}) || p.Batch.Queue != "default" || p.Batch.Total != 3 || p.Batch.Limit != 100 {
		t.Errorf("%+v, %v", p.Batch, err)
	}
	for i, it := range p.Items {
		if it.Point != ids[i] || it.Revision != 1 || it.Key != p.Batch.ID+"/"+ids[i] || it.State != job.TrackPending {
			t.Errorf("item %+v", it)
		}
	}
	if mine, _, err := b.ListBatches(t.Context(), owner, "", 10); err != nil || len(mine) != 0 {
		t.Errorf("preparing wrote %+v, %v", mine, err)
	}
}

// TestAFilterChooses the owner's points, of a time that has both its ends.
func TestAFilterChooses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.points(owner, 1, 5)
	b.points("v", 6, 5)
	day := func(n int) time.Time { return b.now.AddDate(0, 0, -n) }
	for _, c := range []struct {
		name   string
		filter flow.Filter
		want   []int
	}{
		{"a campaign", flow.Filter{Campaign: "c"}, []int{1, 2, 3, 4, 5}},
		{"a metric", flow.Filter{Campaign: "c", Metric: "m"}, []int{1, 2, 3, 4, 5}},
		{"another metric", flow.Filter{Campaign: "c", Metric: "n"}, nil},
		{"from a day", flow.Filter{Campaign: "c", From: day(2)}, []int{1, 2}},
		{"until a day", flow.Filter{Campaign: "c", Until: day(4)}, []int{4, 5}},
		{"one moment", flow.Filter{Campaign: "c", From: day(3), Until: day(3)}, []int{3}},
		{"between two", flow.Filter{Campaign: "c", From: day(3).Add(1), Until: day(2).Add(-1)}, nil},
	} {
		p, err := b.Prepare(t.Context(), request("", ""), flow.BatchWish{Name: "b", Filter: &c.filter})
		var got, want []string
		for _, it := range p.Items {
			got = append(got, it.Point)
		}
		for _, n := range c.want {
			want = append(want, pointID(n))
		}
		if slices.Sort(want); !slices.Equal(got, want) || (err == nil) != (len(want) > 0) {
			t.Errorf("%s: got %v, %v, want %v", c.name, got, err, want)
		}
	}
}

// TestFiveThousandItems are the most; a list of so many is stored beside, in chunks.
func TestFiveThousandItems(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.points(owner, 0, flow.MaxItems)
	w := flow.BatchWish{Name: "b", Filter: &flow.Filter{Campaign: "c"}}
	p, err := b.Prepare(t.Context(), request("", ""), w)
	if err != nil || p.Batch.Total != flow.MaxItems {
		t.Fatal(p.Batch.Total, err)
	}
	got, startErr, err := b.StartBatch(t.Context(), p)
	if err != nil || startErr != nil {
		t.Fatal(startErr, err)
	}
	name := job.ExecutionName(got.ID, 0)
	in := b.exec.inputs[name]
	if in.Mode != "distributed" || in.Key != "batches/"+name+".json" || in.Bucket != "bucket:"+in.Key || len(in.Points) != flow.MaxItems {
		t.Errorf("started with mode %q, %q in %q, %d points", in.Mode, in.Key, in.Bucket, len(in.Points))
	}
	if chunks := strings.Count(string(b.exec.list), "[") - 1; chunks != flow.MaxItems/flow.Chunk {
		t.Errorf("%d chunks", chunks)
	}
	// Pages of a thousand lose none.
	if c := b.counts(got.ID); c.Pending != flow.MaxItems {
		t.Errorf("counted %+v", c)
	}
	b.points(owner, flow.MaxItems, 1)
	_, err = b.Prepare(t.Context(), request("", ""), w)
	if job.CodeOf(err) != job.InvalidField || !strings.Contains(fmt.Sprint(err), "it chooses more") {
		t.Errorf("one more: %v", err)
	}
}

// TestTheListStaysInlineWhileItIsShort.
func TestTheListStaysInlineWhileItIsShort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n    int
		mode string
	}{{flow.InlineItems, "inline"}, {flow.InlineItems + 1, "distributed"}} {
		b := newBench(t)
		id := b.batch(c.n, nil).ID
		if in := b.exec.inputs[job.ExecutionName(id, 0)]; in.Mode != c.mode || len(in.Points) != c.n {
			t.Errorf("%d items: %q with %d", c.n, in.Mode, len(in.Points))
		}
	}
	b := newBench(t)
	b.exec.unlists = errNo
	p, err := b.Prepare(t.Context(), request("", ""), flow.BatchWish{Name: "b", Points: b.points(owner, 1, flow.InlineItems+1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, startErr, err := b.StartBatch(t.Context(), p); err != nil || !errors.Is(startErr, errNo) {
		t.Errorf("%v, %v", startErr, err)
	}
}

// TestOthersBatchesDoNotExist: not even for a refusal.
func TestOthersBatchesDoNotExist(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, theirs := b.batch(1, nil).ID, b.points("v", 5, 1)
	for name, err := range map[string]error{
		"show":      only(b.ShowBatch(t.Context(), "v", id)),
		"add":       second(b.AddItems(t.Context(), job.Account{Owner: "v"}, id, theirs)),
		"cancel":    only(b.CancelBatch(t.Context(), "v", id)),
		"retry":     second(b.RetryBatch(t.Context(), "v", id)),
		"summarise": only(b.Summarise(t.Context(), "x")),
		"call":      b.Callback(t.Context(), "x", job.CallThen),
		"visit":     only(b.VisitItem(t.Context(), "x", pointID(1), "")),
		"no item":   only(b.VisitItem(t.Context(), id, pointID(9), "")),
		"add other": second(b.AddItems(t.Context(), job.Account{Owner: owner}, id, theirs)),
	} {
		if job.CodeOf(err) != job.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, _, err := b.ListItems(t.Context(), "v", id, "", 10); job.CodeOf(err) != job.NotFound {
		t.Errorf("items: %v", err)
	}
	if mine, next, err := b.ListBatches(t.Context(), owner, "", 10); err != nil || len(mine) != 1 || next != "" {
		t.Errorf("%+v, %q, %v", mine, next, err)
	}
	if theirs, _, err := b.ListBatches(t.Context(), "v", "", 10); err != nil || len(theirs) != 0 {
		t.Errorf("%+v, %v", theirs, err)
	}
}

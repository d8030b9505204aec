package flow_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// TestABatchIsShown with its counts, its callbacks, its end and its price.
func TestABatchIsShown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(4, func(w *flow.BatchWish) { delete(w.Calls, job.CallCatch) }).ID
	o, err := b.ShowBatch(t.Context(), owner, id)
	if err != nil || o.Counts != (job.Counts{Pending: 4}) || o.Counts.Progress() != 0 || !o.Ends.IsZero() || o.Cost != flow.CostOf(0, 1, false) {
		t.Errorf("%+v, %v", o, err)
	}
	if len(o.Calls) != 2 || o.Calls[0].Name != "then" || o.Calls[0].URL != "https://x/then" || o.Calls[1].Name != "finally" || o.Calls[0].Delivery != nil || o.Calls[1].Delivery != nil {
		t.Errorf("calls %+v", o.Calls)
	}
	b.now = b.now.Add(61 * time.Second)
	if o, err := b.ShowBatch(t.Context(), owner, id); err != nil || !o.Ends.IsZero() {
		t.Errorf("nothing is done, and it ends at %v, %v", o.Ends, err)
	}
	b.acts["enrich "+pointID(2)] = failing(job.ProviderUnavailable)
	for n := 1; n <= 2; n++ {
		if _, err := b.VisitItem(t.Context(), id, pointID(n), "r"); err != nil {
			t.Fatal(err)
		}
	}
	o, err = b.ShowBatch(t.Context(), owner, id)
	if want := b.now.Add(183 * time.Second); err != nil || o.Counts != (job.Counts{Pending: 2, Running: 1, Succeeded: 1}) || o.Counts.Progress() != 25 || !o.Ends.Equal(want) || o.Cost != flow.CostOf(2, 1, false) {
		t.Errorf("%+v, %v", o, err)
	}
	clear(b.acts)
	b.settle()
	o, err = b.ShowBatch(t.Context(), owner, id)
	if err != nil || o.Counts != (job.Counts{Succeeded: 4}) || !o.Ends.IsZero() || o.Cost != flow.CostOf(4, 1, false) || o.Calls[0].Delivery == nil || o.Calls[1].Delivery.Delivered.IsZero() {
		t.Errorf("%+v, %v", o, err)
	}
	silent := newBench(t)
	id = silent.batch(1, func(w *flow.BatchWish) { w.Calls = nil }).ID
	if o, err := silent.ShowBatch(t.Context(), owner, id); err != nil || o.Calls != nil {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestItemsAreListedAsTheyStand in the present round, page by page.
func TestItemsAreListedAsTheyStand(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(3, func(w *flow.BatchWish) { w.AllowFailures = true }).ID
	b.acts["enrich "+pointID(2)] = failing(job.InvalidRequest)
	b.drive()
	states := func() (all []job.TrackState) {
		for after, pages := "", 0; pages < 9; pages++ {
			_, page, next, err := b.ListItems(t.Context(), owner, id, after, 2)
			if err != nil || len(page) > 2 {
				t.Fatal(len(page), err)
			}
			for _, it := range page {
				all = append(all, it.State)
			}
			if after = next; next == "" {
				return all
			}
		}
		t.Fatal("the list does not end")
		return nil
	}
	count := func(s job.TrackState) (n int) {
		for _, got := range states() {
			if got == s {
				n++
			}
		}
		return n
	}
	if count(job.TrackSucceeded) != 2 || count(job.TrackFailed) != 1 {
		t.Errorf("listed %v", states())
	}
	if _, _, err := b.RetryBatch(t.Context(), owner, id); err != nil {
		t.Fatal(err)
	}
	if count(job.TrackSucceeded) != 2 || count(job.TrackPending) != 1 {
		t.Errorf("listed %v", states())
	}
}

// TestCosts: the units are those of the state machines, the price that of the list.
func TestCosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		got  flow.Cost
		want flow.Units
	}{
		{"nothing", flow.CostOf(0, 1, false), flow.Units{Transitions: 8, Invocations: 3, WriteUnits: 4}},
		{"a hundred items", flow.CostOf(100, 1, false), flow.Units{Transitions: 308, Invocations: 103, WriteUnits: 1504, ReadUnits: 512, ProviderRequests: 100}},
		{"with three steps", flow.CostOf(100, 3, false), flow.Units{Transitions: 308, Invocations: 103, WriteUnits: 4304, ReadUnits: 912, ProviderRequests: 100}},
		{"a thousand and one, in chunks", flow.CostOf(1001, 1, true), flow.Units{Transitions: 412, Invocations: 104, WriteUnits: 15019, ReadUnits: 5130, ObjectPuts: 1, ProviderRequests: 1001}},
		{"a chain", flow.ChainCost(3), flow.Units{Transitions: 8, Invocations: 3, WriteUnits: 47, ReadUnits: 15, ProviderRequests: 1}},
	} {
		if c.got.Units != c.want || c.got.PricedOn != "2026-10" {
			t.Errorf("%s: %+v, want %+v", c.name, c.got, c.want)
		}
	}
	// By hand: 308 transitions at 25 dollars a million, 103 requests at 0.20, 35 s of a
	// quarter of a GB at 13.334, 1504 writes at 0.625, 512 reads at 0.125.
	if want, got := (308*25+103*0.2+35*0.25*13.334+1504*0.625+512*0.125)/1e6, flow.CostOf(100, 1, false).USD; math.Abs(got-want) > 1e-6 || got == 0 {
		t.Errorf("got %v dollars, want %v", got, want)
	}
	if chunks, inline := flow.CostOf(5000, 1, true).USD, flow.CostOf(5000, 1, false).USD; chunks >= inline {
		t.Errorf("chunks cost %v, an inline map %v", chunks, inline)
	}
}

// TestWhatIsBrokenIsTold: each method of the table in front of each request that calls it,
// with what it was called for.
func TestWhatIsBrokenIsTold(t *testing.T) {
	t.Parallel()
	wish := flow.BatchWish{Name: "b", Filter: &flow.Filter{Campaign: "c"}}
	for _, c := range []struct {
		op, want string
		ask      func(b *bench, chain, batch string) error
	}{
		{"Points", "read points", func(b *bench, _, _ string) error {
			return second(b.StartChain(b.t.Context(), request("", ""), flow.ChainWish{Point: pointID(1)}))
		}},
		{"AcceptChain", "accept chain", func(b *bench, _, _ string) error {
			return second(b.StartChain(b.t.Context(), request("", ""), flow.ChainWish{Point: pointID(1)}))
		}},
		{"Chain", "read chain", func(b *bench, c, _ string) error { return only(b.VisitChain(b.t.Context(), c, "")) }},
		{"Accept", "accept step", func(b *bench, c, _ string) error { return only(b.VisitChain(b.t.Context(), c, "")) }},
		{"AmendChain", "write chain", func(b *bench, c, _ string) error { return only(b.VisitChain(b.t.Context(), c, "")) }},
		{"AmendChain", "write chain", func(b *bench, c, _ string) error {
			return only(b.TroubleChain(b.t.Context(), c, job.Internal, ""))
		}},
		{"AmendChain", "cancel chain", func(b *bench, c, _ string) error { return only(b.CancelChain(b.t.Context(), owner, c)) }},
		{"Accept", "accept step", func(b *bench, c, _ string) error { return only(b.CancelChain(b.t.Context(), owner, c)) }},
		{"AmendChain", "redrive chain", func(b *bench, c, _ string) error { return second(b.RedriveChain(b.t.Context(), owner, c)) }},
		{"Job", "read step", func(b *bench, c, _ string) error { return second(b.ShowChain(b.t.Context(), owner, c)) }},
		{"OwnChains", "list chains", func(b *bench, _, _ string) error { return second(b.ListChains(b.t.Context(), owner, "", 1)) }},
		{"FindPoints", "find points", func(b *bench, _, _ string) error {
			return only(b.Prepare(b.t.Context(), request("", ""), wish))
		}},
		{"AcceptBatch", "accept batch", func(b *bench, _, _ string) error { return second(b.StartBatch(b.t.Context(), flow.Prepared{})) }},
		{"Batch", "read batch", func(b *bench, _, id string) error { return only(b.VisitItem(b.t.Context(), id, pointID(1), "")) }},
		{"Item", "read item", func(b *bench, _, id string) error { return only(b.VisitItem(b.t.Context(), id, pointID(1), "")) }},
		{"Accept", "accept step", func(b *bench, _, id string) error { return only(b.VisitItem(b.t.Context(), id, pointID(1), "")) }},
		{"AmendItem", "write item", func(b *bench, _, id string) error { return only(b.VisitItem(b.t.Context(), id, pointID(1), "")) }},
		{"AmendBatch", "write first failure", func(b *bench, _, id string) error {
			b.acts["enrich"] = failing(job.InvalidRequest)
			return only(b.VisitItem(b.t.Context(), id, pointID(1), ""))
		}},
		{"Items", "read items", func(b *bench, _, id string) error {
			b.acts["enrich"] = failing(job.InvalidRequest)
			return only(b.VisitItem(b.t.Context(), id, pointID(1), ""))
		}},
		{"Batch", "read batch", func(b *bench, _, id string) error { return only(b.Summarise(b.t.Context(), id)) }},
		{"Items", "read items", func(b *bench, _, id string) error { return only(b.Summarise(b.t.Context(), id)) }},
		{"AmendBatch", "add items", func(b *bench, _, id string) error {
			return second(b.AddItems(b.t.Context(), job.Account{Owner: owner}, id, b.points(owner, 9, 1)))
		}},
		{"AmendBatch", "cancel batch", func(b *bench, _, id string) error { return only(b.CancelBatch(b.t.Context(), owner, id)) }},
		{"AmendItem", "write item", func(b *bench, _, id string) error { return only(b.CancelBatch(b.t.Context(), owner, id)) }},
		{"AmendBatch", "retry batch", func(b *bench, _, id string) error { return second(b.RetryBatch(b.t.Context(), owner, id)) }},
		{"Items", "read items", func(b *bench, _, id string) error { return only(b.ShowBatch(b.t.Context(), owner, id)) }},
		{"Deliveries", "read events", func(b *bench, _, id string) error { return only(b.ShowBatch(b.t.Context(), owner, id)) }},
		{"Items", "read items", func(b *bench, _, id string) error {
			_, _, _, err := b.ListItems(b.t.Context(), owner, id, "", 1)
			return err
		}},
		{"OwnBatches", "list batches", func(b *bench, _, _ string) error { return second(b.ListBatches(b.t.Context(), owner, "", 1)) }},
	} {
		t.Run(c.op+" "+c.want, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.batch(2, nil).ID
			chain := b.chain().ID
			b.seam.broken[c.op] = job.Errorf(job.Throttled, "slow down")
			if err := c.ask(b, chain, id); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			// Nothing was lost by it. A chain that was cancelled stays so.
			clear(b.seam.broken)
			clear(b.acts)
			b.settle()
			if got, c := b.batchRow(id), b.chainRow(chain); !got.Closed || got.Ended.Final() != 2 || !c.State.Final() {
				t.Errorf("%+v, %+v", got, c)
			}
		})
	}
}

// TestARestThatCannotBeReadIsSwept: the retry is accepted.
func TestARestThatCannotBeReadIsSwept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, nil).ID
	b.acts["enrich"] = failing(job.InvalidRequest)
	b.drive()
	b.seam.broken["Items"] = errNo
	got, startErr, err := b.RetryBatch(t.Context(), owner, id)
	if err != nil || !errors.Is(startErr, errNo) || got.Round != 1 {
		t.Fatalf("%+v, %v, %v", got, startErr, err)
	}
	clear(b.seam.broken)
	clear(b.acts)
	b.settle()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 1}) || got.Runs != 2 {
		t.Errorf("%+v", got)
	}
}

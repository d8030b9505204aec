package flow_test

import (
	"fmt"
	"slices"
	"testing"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// The known defects of Laravel's batches and chains, one test each; the number in a name is
// that of the issue or pull request.

// TestLaravel39243FinallyFiresWhenAChainInABatchFails: there it does not, because the steps
// behind the failed one are never counted.
func TestLaravel39243FinallyFiresWhenAChainInABatchFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(3, func(w *flow.BatchWish) { w.Steps, w.AllowFailures = flow.DefaultSteps(), true }).ID
	b.acts["enrich "+pointID(2)] = failing(job.InvalidRequest)
	b.settle()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 2, Failed: 1}) || b.fired("finally") != 1 {
		t.Errorf("%+v, posted %+v", got, b.posts)
	}
}

// TestLaravel39562FinallyFiresWhenAnyStepOfAChainFails: at whichever step it fails, the
// batch has the same number of items.
func TestLaravel39562FinallyFiresWhenAnyStepOfAChainFails(t *testing.T) {
	t.Parallel()
	for _, step := range flow.DefaultSteps() {
		b := newBench(t)
		id := b.batch(2, func(w *flow.BatchWish) { w.Steps = flow.DefaultSteps() }).ID
		b.acts[step] = failing(job.InvalidRequest)
		b.settle()
		if got := b.batchRow(id); got.Ended.Failed != 1 || got.Ended.Final() != 2 || b.fired("finally") != 1 || b.fired("then") != 0 {
			t.Errorf("%s: %+v, posted %+v", step, got, b.posts)
		}
	}
}

// TestLaravel44111ABatchEndsWithAChainThatFailsInIt: there the batch stays pending for ever.
func TestLaravel44111ABatchEndsWithAChainThatFailsInIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, func(w *flow.BatchWish) { w.Steps, w.AllowFailures = flow.DefaultSteps(), true }).ID
	b.acts["analyze"] = failing(job.InvalidRequest)
	b.settle()
	o, err := b.ShowBatch(t.Context(), owner, id)
	if err != nil || !o.Batch.Closed || o.Counts.Pending+o.Counts.Running != 0 || o.Counts.Progress() != 100 || o.Batch.Finished.IsZero() {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestLaravel38804FinallyDoesNotReenterWhenThenAddsJobs: a batch that has ended takes none,
// and the job of a callback is no item.
func TestLaravel38804FinallyDoesNotReenterWhenThenAddsJobs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(2, func(w *flow.BatchWish) { w.Calls[job.CallThen] = job.Callback{Kind: "notify", Point: pointID(1)} }).ID
	b.settle()
	b.conflict2(b.AddItems(t.Context(), job.Account{Owner: owner}, id, b.points(owner, 7, 1)))
	b.settle()
	if got := b.batchRow(id); got.Total != 2 || got.Ended != (job.Counts{Succeeded: 2}) || b.fired("finally") != 1 || len(b.sent) != 1 {
		t.Errorf("%+v, posted %+v, sent %+v", got, b.posts, b.sent)
	}
}

// TestLaravel36180CountsDoNotDrift, whatever is visited twice, at once, or after the end.
func TestLaravel36180CountsDoNotDrift(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(3, func(w *flow.BatchWish) { w.AllowFailures = true }).ID
	b.acts["enrich "+pointID(1)] = failing(job.InvalidRequest)
	for range 3 {
		for n := 1; n <= 3; n++ {
			b.seam.before["AmendItem"] = func() { _ = only(b.VisitItem(t.Context(), id, pointID(n), "other")) }
			if _, err := b.VisitItem(t.Context(), id, pointID(n), "r"); err != nil {
				t.Error(err)
			}
			delete(b.seam.before, "AmendItem")
			if c := b.counts(id); c.Final() != max(n, len(b.runs)) {
				t.Errorf("counted %+v after %v", c, b.runs)
			}
		}
	}
	b.settle()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 2, Failed: 1}) || len(b.runs) != 3 {
		t.Errorf("%+v after %v", got, b.runs)
	}
}

// TestHorizon1512AKillDoesNotLoseThen: the process ends behind the last item, in front of
// the write that closes the batch, or of the delivery.
func TestHorizon1512AKillDoesNotLoseThen(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"AmendItem", "Items", "AmendBatch", "Deliveries", "MarkDelivered"} {
		b := newBench(t)
		id := b.batch(1, nil).ID
		b.seam.broken[op] = errCut
		b.drive()
		clear(b.seam.broken)
		b.settle()
		if got := b.batchRow(id); !got.Closed || b.fired("then") < 1 || len(b.deliveries()) != 2 || len(b.runs) != 1 {
			t.Errorf("%s: %+v, posted %+v", op, got, b.posts)
		}
	}
}

// TestLaravel49535CatchFiresOnceHoweverManyFail: there failed() runs for every one.
func TestLaravel49535CatchFiresOnceHoweverManyFail(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(5, func(w *flow.BatchWish) { w.AllowFailures = true }).ID
	b.acts["enrich"] = failing(job.InvalidRequest)
	b.settle()
	if got := b.batchRow(id); got.Ended != (job.Counts{Failed: 5}) || b.fired("catch") != 1 || b.fired("finally") != 1 {
		t.Errorf("%+v, posted %+v", got, b.posts)
	}
}

// TestLaravel42883AStepThatDiesIsToldOnce, for each of its deaths, however often its
// execution looks at it.
func TestLaravel42883AStepThatDiesIsToldOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.acts["analyze"] = failing(job.InvalidRequest)
	id := b.chain().ID
	for round := 1; round <= 2; round++ {
		b.drive()
		for range 3 {
			if a, err := b.VisitChain(t.Context(), id, "r"); err != nil || a.State != job.TrackFailed {
				t.Errorf("%+v, %v", a, err)
			}
		}
		due, _, err := b.store.Pending(t.Context(), job.OperatorLane, b.now, "", 10)
		if err != nil || len(due) != round || due[round-1].Generation != round-1 || due[round-1].Type != job.DiedEvent {
			t.Errorf("round %d: %+v, %v", round, due, err)
		}
		if _, _, err := b.RedriveChain(t.Context(), owner, id); err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(1e9)
	}
}

// TestLaravel45426ARestartDoesNotLoseTheRestOfTheChain: there only the failed job runs
// again.
func TestLaravel45426ARestartDoesNotLoseTheRestOfTheChain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.acts["enrich"] = failing(job.InvalidRequest)
	id := b.chain().ID
	b.drive()
	clear(b.acts)
	if _, _, err := b.RedriveChain(t.Context(), owner, id); err != nil {
		t.Fatal(err)
	}
	b.drive()
	if got := b.chainRow(id); got.State != job.TrackSucceeded || b.ran("analyze") != 1 || b.ran("notify") != 1 {
		t.Errorf("%+v after %v", got, b.runs)
	}
}

// TestLaravel49198ARetryOfABatchUncancelsIt: there the retried jobs see a cancelled batch,
// and do nothing.
func TestLaravel49198ARetryOfABatchUncancelsIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(3, nil).ID
	if got, err := b.CancelBatch(t.Context(), owner, id); err != nil || !got.Closed {
		t.Fatalf("%+v, %v", got, err)
	}
	b.drive()
	if got, _, err := b.RetryBatch(t.Context(), owner, id); err != nil || got.Stop != "" || got.View() != "running" {
		t.Fatalf("%+v, %v", got, err)
	}
	b.settle()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 3}) || b.fired("then") != 1 || b.fired("finally") != 2 {
		t.Errorf("%+v, posted %+v", got, b.posts)
	}
}

// TestAsynq1080AChainAsBusChain: in order, each step once, and none in front of the commit
// of the one before.
func TestAsynq1080AChainAsBusChain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.chain().ID
	for i, step := range flow.DefaultSteps() {
		b.acts[step] = func(j *job.Job) (worker.Result, error) {
			for _, before := range flow.DefaultSteps()[:i] {
				if got := b.row(id, before); got.State != job.Succeeded {
					t.Errorf("%s runs while %s is %q", step, before, got.State)
				}
			}
			if len(b.runs) == i+1 && step == "analyze" {
				return worker.Result{}, job.Errorf(job.ProviderUnavailable, "once")
			}
			return succeed(j)
		}
	}
	b.drive()
	want := []string{"enrich", "analyze", "analyze", "notify"}
	for i := range want {
		want[i] += " " + pointID(1)
	}
	if !slices.Equal(b.runs, want) {
		t.Errorf("ran %s", fmt.Sprint(b.runs))
	}
}

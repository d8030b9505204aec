package flow_test

import (
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// TestALateStopLeavesTheNextRoundAlone: whoever stops the items of a large batch may still
// be at it when the batch has ended and its owner has asked for another round.
func TestALateStopLeavesTheNextRoundAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before string }{
		{"between the list of items and the stop of one", "Accept"},
		{"between the batch and the list of its items", "Items"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.acts["enrich"] = failing(job.ProviderUnavailable)
			id := b.batch(1, nil).ID
			visit := func() {
				if _, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil {
					t.Error(err)
				}
			}
			visit() // it waits for its next attempt
			b.seam.before[c.before] = func() {
				if _, err := b.CancelBatch(t.Context(), owner, id); err != nil {
					t.Error(err)
				}
				if _, _, err := b.RetryBatch(t.Context(), owner, id); err != nil {
					t.Error(err)
				}
				visit()
			}
			if _, err := b.CancelBatch(t.Context(), owner, id); err != nil {
				t.Fatal(err)
			}
			row := b.row(id+"/"+pointID(1), "enrich")
			if row.State != job.Retrying || row.Generation != 1 || b.counts(id).Running != 1 {
				t.Errorf("the step is %s in generation %d, the items %+v; want it to go on", row.State, row.Generation, b.counts(id))
			}
		})
	}
}

// TestALateVisitLeavesTheNextRoundAlone: it has read the batch before it ended, and the item
// after it began again.
func TestALateVisitLeavesTheNextRoundAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.acts["enrich"] = failing(job.ProviderUnavailable)
	id := b.batch(1, nil).ID
	if _, err := b.CancelBatch(t.Context(), owner, id); err != nil {
		t.Fatal(err)
	}
	b.seam.before["Item"] = func() {
		if _, _, err := b.RetryBatch(t.Context(), owner, id); err != nil {
			t.Error(err)
		}
		if _, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil {
			t.Error(err)
		}
	}
	if a, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil || a.Wait != 0 {
		t.Errorf("late visit: %+v, %v", a, err)
	}
	if got := b.counts(id); got.Running != 1 {
		t.Errorf("items %+v, want one that goes on", got)
	}
}

// TestNothingBeginsInABatchThatIsStopped while one visit takes an item through its steps.
func TestNothingBeginsInABatchThatIsStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, func(w *flow.BatchWish) { w.Steps = []string{"enrich", "notify"} }).ID
	b.acts["enrich"] = func(j *job.Job) (worker.Result, error) {
		if _, err := b.CancelBatch(t.Context(), owner, id); err != nil {
			t.Error(err)
		}
		return succeed(j)
	}
	a, err := b.VisitItem(t.Context(), id, pointID(1), "r")
	if err != nil || a.State != job.TrackCancelled || b.ran("enrich") != 1 || b.ran("notify") != 0 {
		t.Errorf("ran %v, the item is %s, %v; want it cancelled behind its first step", b.runs, a.State, err)
	}
	b.now = b.now.Add(time.Hour)
	b.settle()
	if got := b.batchRow(id); got.View() != "cancelled" || b.ran("notify") != 0 {
		t.Errorf("batch %+v, ran %v", got, b.runs)
	}
}

// TestALateMessageCountsNothingOfAnotherRound: what the batch counts when it is told is not
// what it counted when it ended.
func TestALateMessageCountsNothingOfAnotherRound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, call, text string }{
		{"the end", job.CallFinally, "All 1 items ended; those that did not succeed are being worked on again."},
		{"the first failure", job.CallCatch, "An item failed; what had not started was cancelled."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.batch(1, func(w *flow.BatchWish) { w.Calls = map[string]job.Callback{c.call: {Notify: true}} }).ID
			b.acts["enrich"] = failing(job.InvalidRequest)
			b.seam.broken["PutNotice"] = errNo
			b.drive()
			delete(b.seam.broken, "PutNotice")
			if _, _, err := b.RetryBatch(t.Context(), owner, id); err != nil {
				t.Fatal(err)
			}
			b.now = b.now.Add(time.Minute)
			b.tell()
			inbox, _, err := b.store.Notices(t.Context(), owner, "", 10)
			if err != nil || len(inbox) != 1 || inbox[0].Text != c.text || len(inbox[0].Facts) != 1 || inbox[0].Facts["total"] != 1.0 {
				t.Errorf("inbox %+v, %v; want %q and the total alone", inbox, err, c.text)
			}
		})
	}
}

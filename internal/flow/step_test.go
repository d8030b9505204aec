package flow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// TestAVisitWithoutTimeIsRepeated: nothing was begun, and the error says so in words.
func TestAVisitWithoutTimeIsRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.chain().ID
	ctx, cancel := context.WithDeadline(t.Context(), b.now.Add(time.Second))
	defer cancel()
	_, err := b.VisitChain(ctx, id, "r")
	if job.CodeOf(err) != job.Throttled || strings.Contains(err.Error(), "%!") || len(b.runs) != 0 {
		t.Errorf("got %v after %v", err, b.runs)
	}
	if a, err := b.VisitChain(t.Context(), id, "r"); err != nil || a.Job.Attempts != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAStepWhoseReplyIsLost: the row says what became of it, and if it cannot be read
// nobody says anything.
func TestAStepWhoseReplyIsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.chain().ID
	b.acts["enrich"] = func(j *job.Job) (worker.Result, error) {
		b.seam.before["Settle"] = func() {
			held := b.row(id, "enrich")
			r, _ := succeed(j)
			ended := job.Ended(held, r.Outcome, job.Report{Now: b.now})
			if _, err := b.store.Settle(t.Context(), &held, &ended, r.Analysis); err != nil {
				t.Error(err)
			}
		}
		return succeed(j)
	}
	b.seam.broken["Settle"] = errNo
	b.seam.broken["Job"] = errCut
	if _, err := b.VisitChain(t.Context(), id, "r"); !errors.Is(err, errCut) || !strings.Contains(err.Error(), "read step") {
		t.Errorf("got %v", err)
	}
	clear(b.seam.broken)
	if a, err := b.VisitChain(t.Context(), id, "r"); err != nil || a.Next != "analyze" || len(b.runs) != 1 {
		t.Errorf("%+v, %v after %v", a, err, b.runs)
	}
}

// TestAnItemWhoseReplyIsLost goes on with its next step in the same visit.
func TestAnItemWhoseReplyIsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, func(w *flow.BatchWish) { w.Steps = flow.DefaultSteps() }).ID
	b.acts["enrich"] = func(j *job.Job) (worker.Result, error) {
		b.seam.before["Job"] = func() {
			held := b.row(id+"/"+pointID(1), "enrich")
			r, _ := succeed(j)
			ended := job.Ended(held, r.Outcome, job.Report{Now: b.now})
			if _, err := b.store.Settle(t.Context(), &held, &ended, r.Analysis); err != nil {
				t.Error(err)
			}
			clear(b.seam.broken)
		}
		return succeed(j)
	}
	b.seam.broken["Settle"] = errNo // the effect is written all the same
	a, err := b.VisitItem(t.Context(), id, pointID(1), "r")
	if err != nil || a.State != job.TrackSucceeded || len(b.runs) != 3 || b.ran("enrich") != 1 {
		t.Errorf("%+v, %v after %v", a, err, b.runs)
	}
}

// TestAStopThatFails is told, and the items that are left are stopped when they are
// visited.
func TestAStopThatFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(3, nil).ID
	b.acts["enrich "+pointID(1)] = failing(job.ProviderUnavailable)
	if _, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil {
		t.Fatal(err)
	}
	b.seam.broken["Amend"] = errNo
	if _, err := b.CancelBatch(t.Context(), owner, id); !errors.Is(err, errNo) || !strings.Contains(err.Error(), "cancel step") {
		t.Errorf("got %v", err)
	}
	if c := b.counts(id); c != (job.Counts{Running: 1, Cancelled: 2}) {
		t.Errorf("the others: %+v", c)
	}
	clear(b.seam.broken)
	b.drive()
	if got := b.batchRow(id); got.Ended != (job.Counts{Cancelled: 3}) || len(b.runs) != 1 {
		t.Errorf("%+v after %v", got, b.runs)
	}
}

// TestAStopThatHasNoTimeLeft ends after the item that it was at.
func TestAStopThatHasNoTimeLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(3, nil).ID
	ctx, cancel := context.WithCancel(t.Context())
	b.seam.before["AmendItem"] = cancel
	if _, err := b.CancelBatch(ctx, owner, id); err != nil {
		t.Error(err)
	}
	if c := b.counts(id); c != (job.Counts{Pending: 2, Cancelled: 1}) {
		t.Errorf("counted %+v", c)
	}
	b.drive()
	if got := b.batchRow(id); got.Ended != (job.Counts{Cancelled: 3}) {
		t.Errorf("%+v", got)
	}
}

// TestAStopLeavesAloneWhatBeganMeanwhile: the row of the job decides.
func TestAStopLeavesAloneWhatBeganMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.chain().ID
	b.acts["enrich"] = failing(job.ProviderUnavailable)
	if _, err := b.VisitChain(t.Context(), id, "r"); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(10 * time.Second)
	b.seam.before["Amend"] = func() {
		j := b.row(id, "enrich")
		r := job.ClaimRequest{Message: j.Message(), Now: b.now, Lease: job.Lease{Token: "other", Until: b.now.Add(time.Minute)}}
		if c, err := b.store.Claim(t.Context(), r); err != nil || c.Verdict != job.Run {
			t.Error(c, err)
		}
	}
	if c, err := b.CancelChain(t.Context(), owner, id); err != nil || c.State != job.TrackCancelled {
		t.Errorf("%+v, %v", c, err)
	}
	if j := b.row(id, "enrich"); j.State != job.Running {
		t.Errorf("%+v", j)
	}
	if a, err := b.VisitChain(t.Context(), id, "r"); err != nil || a.State != job.TrackCancelled || a.Wait != time.Minute {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAFailureThatNobodySaid is said by the summary, which closes the batch at once.
func TestAFailureThatNobodySaid(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(2, nil).ID
	b.acts["enrich"] = failing(job.InvalidRequest)
	b.seam.broken["AmendBatch"] = errNo
	for n := 1; n <= 2; n++ {
		if _, err := b.VisitItem(t.Context(), id, pointID(n), "r"); !errors.Is(err, errNo) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := b.Summarise(t.Context(), id); !errors.Is(err, errNo) || !strings.Contains(err.Error(), "write first failure") {
		t.Errorf("got %v", err)
	}
	clear(b.seam.broken)
	got, err := b.Summarise(t.Context(), id)
	if err != nil || !got.Closed || !got.Caught || got.Ended != (job.Counts{Failed: 2}) {
		t.Errorf("%+v, %v", got, err)
	}
	if b.tell(); b.fired("catch") != 1 || b.fired("finally") != 1 {
		t.Errorf("posted %+v", b.posts)
	}
}

// TestCatchIsToldWhileTheBatchGoesOn: it has no end yet.
func TestCatchIsToldWhileTheBatchGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(2, func(w *flow.BatchWish) { w.AllowFailures = true }).ID
	b.acts["enrich"] = failing(job.InvalidRequest)
	if _, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil {
		t.Fatal(err)
	}
	if b.tell(); len(b.posts) != 1 || !strings.Contains(b.posts[0].body, `"finished_at":null`) || !strings.Contains(b.posts[0].body, `"state":"running"`) {
		t.Errorf("posted %+v", b.posts)
	}
}

package flow_test

import (
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// TestAnItemThatWaitsForDaysLeavesTheMap: forty that wait for an image of next week would keep the others from running. The
// batch is left alone until the first of them is due, and then an execution works on those that are.
func TestAnItemThatWaitsForDaysLeavesTheMap(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	points := b.points(owner, 1, 3)
	later := true
	b.acts["enrich "+points[0]] = func(*job.Job) (worker.Result, error) {
		return worker.Result{Outcome: job.NotYetAvailable, Again: later}, nil
	}
	id := b.batch(3, nil).ID
	for _, p := range points {
		if _, err := b.VisitItem(t.Context(), id, p, "r"); err != nil {
			t.Fatal(err)
		}
	}
	b.exec.gone[job.ExecutionName(id, 0)] = true // nothing is left to wait for in it
	if c := b.counts(id); c.Succeeded != 2 || c.Running != 1 {
		t.Fatalf("counts %+v after %v", c, b.runs)
	}
	a, err := b.VisitItem(t.Context(), id, points[0], "r")
	if err != nil || a.Wait != 0 || a.State != job.TrackRunning {
		t.Errorf("a visit says %+v, %v", a, err)
	}
	// Nothing to do before the day comes, and one look is enough to know when that is.
	b.now = b.now.Add(time.Hour)
	b.sweep(flow.Swept{Seen: 1})
	due := b.batchRow(id).Look
	if wait := due.Sub(b.now); wait < 22*time.Hour || wait > 24*time.Hour {
		t.Errorf("looked at again after %v", wait)
	}
	later, b.now = false, due
	b.sweep(flow.Swept{Seen: 1, Resumed: 1})
	b.drive()
	if got := b.batchRow(id); !got.Closed || got.Ended.Succeeded != 3 {
		t.Errorf("batch %+v after %v", got, b.runs)
	}
}

// TestABatchIsWorkedOnWhileAnyOfItsExecutionsGoesOn: one over items that were added ends long before the first.
func TestABatchIsWorkedOnWhileAnyOfItsExecutionsGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(3, nil).ID
	more := b.points(owner, 10, 1)
	if _, _, err := b.AddItems(t.Context(), job.Account{Owner: owner}, id, more); err != nil {
		t.Fatal(err)
	}
	if _, err := b.VisitItem(t.Context(), id, more[0], "r"); err != nil {
		t.Fatal(err)
	}
	b.exec.gone[job.ExecutionName(id, 1)] = true
	b.now = b.now.Add(time.Hour)
	b.sweep(flow.Swept{Seen: 1})
	if got := b.batchRow(id); got.Runs != 1 {
		t.Errorf("another execution beside the first: %+v", got)
	}
	b.exec.gone[job.ExecutionName(id, 0)] = true
	b.now = b.now.Add(time.Hour)
	b.sweep(flow.Swept{Seen: 1, Resumed: 1})
}

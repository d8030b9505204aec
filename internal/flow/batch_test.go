package flow_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

func TestABatchThatSucceeds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(5, func(w *flow.BatchWish) { w.Steps = flow.DefaultSteps() }).ID
	if in := b.exec.inputs[job.ExecutionName(id, 0)]; in.Mode != "inline" || in.Batch != id || len(in.Points) != 5 || !slices.IsSorted(in.Points) {
		t.Errorf("started with %+v", in)
	}
	b.drive()
	got := b.batchRow(id)
	if !got.Closed || got.Ended != (job.Counts{Succeeded: 5}) || got.View() != "finished" || !got.Look.IsZero() || b.ran("notify") != 5 {
		t.Errorf("%+v after %v", got, b.runs)
	}
	if b.fired("then") != 1 || b.fired("catch") != 0 || b.fired("finally") != 1 {
		t.Errorf("posted %+v", b.posts)
	}
	// Everybody asks once more.
	if got, err := b.Summarise(t.Context(), id); err != nil || !got.Closed {
		t.Errorf("%+v, %v", got, err)
	}
	for _, name := range []string{job.CallThen, job.CallCatch, job.CallFinally} {
		if err := b.Callback(t.Context(), id, name); err != nil {
			t.Error(err)
		}
	}
	if a, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil || a.State != job.TrackSucceeded || a.Next != "" || len(b.runs) != 15 {
		t.Errorf("%+v, %v", a, err)
	}
	if b.settle(); len(b.posts) != 2 {
		t.Errorf("posted %+v", b.posts)
	}
}

// TestABatchThatStops on its first failure: what has not started never does, what runs is
// counted.
func TestABatchThatStops(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(4, nil).ID
	points := b.exec.inputs[job.ExecutionName(id, 0)].Points
	b.acts["enrich "+points[0]] = failing(job.ProviderUnavailable) // waits for its backoff
	b.acts["enrich "+points[1]] = func(j *job.Job) (worker.Result, error) {
		// While this one runs, another one fails for good.
		if a, err := b.VisitItem(t.Context(), id, points[2], "r"); err != nil || a.State != job.TrackFailed {
			t.Errorf("%+v, %v", a, err)
		}
		return succeed(j)
	}
	b.acts["enrich "+points[2]] = failing(job.InvalidRequest)
	b.drive()
	got := b.batchRow(id)
	if got.Ended != (job.Counts{Succeeded: 1, Failed: 1, Cancelled: 2}) || got.Stop != job.StopFailed || got.View() != "finished" || len(b.runs) != 3 {
		t.Errorf("%+v after %v", got, b.runs)
	}
	if b.tell(); b.fired("then") != 0 || b.fired("catch") != 1 || b.fired("finally") != 1 {
		t.Errorf("posted %+v", b.posts)
	}
	if j := b.row(id+"/"+points[3], "enrich"); j.State != job.Cancelled || j.Attempts != 0 {
		t.Errorf("the last: %+v", j)
	}
}

func TestFailuresThatAreAllowed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(6, func(w *flow.BatchWish) { w.AllowFailures = true }).ID
	b.acts["enrich "+pointID(1)], b.acts["enrich "+pointID(2)] = failing(job.InvalidRequest), failing(job.InvalidRequest)
	b.drive()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 4, Failed: 2}) || got.Stop != "" {
		t.Errorf("%+v", got)
	}
	if b.tell(); b.fired("then") != 0 || b.fired("catch") != 1 || b.fired("finally") != 1 {
		t.Errorf("posted %+v", b.posts)
	}
}

// TestCancelOfABatch: at once where nothing runs.
func TestCancelOfABatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(3, nil).ID
	b.acts["enrich"] = failing(job.ProviderUnavailable)
	if a, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil || a.Wait != 10*time.Second || a.State != job.TrackRunning || a.Next != "enrich" {
		t.Fatalf("%+v, %v", a, err)
	}
	for range 2 {
		got, err := b.CancelBatch(t.Context(), owner, id)
		if err != nil || got.View() != "cancelled" || got.Ended != (job.Counts{Cancelled: 3}) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	b.drive()
	if b.tell(); len(b.runs) != 1 || len(b.posts) != 1 || b.fired("finally") != 1 {
		t.Errorf("%v, posted %+v", b.runs, b.posts)
	}
	for name, err := range map[string]error{"add": second(b.AddItems(t.Context(), job.Account{Owner: owner}, id, b.points(owner, 8, 1)))} {
		b.conflict(name, err)
	}
	done := newBench(t)
	id = done.batch(1, nil).ID
	done.drive()
	_, err := done.CancelBatch(t.Context(), owner, id)
	done.conflict("cancel of an ended batch", err)
	done.conflict2(done.RetryBatch(t.Context(), owner, id))
}

// TestCancelCountsWhatRuns: the batch closes when the last attempt has ended.
func TestCancelCountsWhatRuns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(2, nil).ID
	points := b.exec.inputs[job.ExecutionName(id, 0)].Points
	b.acts["enrich "+points[0]] = func(j *job.Job) (worker.Result, error) {
		if got, err := b.CancelBatch(t.Context(), owner, id); err != nil || got.Closed || got.View() != "stopping" {
			t.Errorf("%+v, %v", got, err)
		}
		b.conflict2(b.AddItems(t.Context(), job.Account{Owner: owner}, id, b.points(owner, 8, 1)))
		b.conflict2(b.RetryBatch(t.Context(), owner, id))
		return succeed(j)
	}
	b.drive()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 1, Cancelled: 1}) || got.View() != "cancelled" {
		t.Errorf("%+v", got)
	}
}

// TestItemsAreAdded while the batch goes on, and keep it open.
func TestItemsAreAdded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(2, nil).ID
	more := b.points(owner, 3, 2)
	// Just in front of the write that would close it: the race with the end.
	b.acts["enrich "+pointID(2)] = func(j *job.Job) (worker.Result, error) {
		b.seam.before["AmendBatch"] = func() {
			if got, startErr, err := b.AddItems(t.Context(), job.Account{Owner: owner}, id, more); err != nil || startErr != nil || got.Total != 4 || got.Runs != 1 {
				t.Errorf("%+v, %v, %v", got, startErr, err)
			}
		}
		return succeed(j)
	}
	b.execute(job.ExecutionName(id, 0))
	if got := b.batchRow(id); got.Closed || got.Total != 4 || len(b.posts) != 0 {
		t.Errorf("%+v, posted %+v", got, b.posts)
	}
	if in := b.exec.inputs[job.ExecutionName(id, 1)]; !slices.Equal(in.Points, more) || in.Run != 1 {
		t.Errorf("started with %+v", in)
	}
	b.conflict2(b.AddItems(t.Context(), job.Account{Owner: owner}, id, more)) // they are there already
	if got := b.batchRow(id); got.Total != 4 {
		t.Errorf("%+v", got)
	}
	b.drive()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 4}) || b.fired("finally") != 1 || b.fired("then") != 1 {
		t.Errorf("%+v, posted %+v", got, b.posts)
	}
	b.conflict2(b.AddItems(t.Context(), job.Account{Owner: owner}, id, b.points(owner, 9, 1)))
}

// TestARetryRound works on what failed or was cancelled, and its callbacks fire once more.
func TestARetryRound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(4, nil).ID
	points := b.exec.inputs[job.ExecutionName(id, 0)].Points
	b.acts["enrich "+points[1]] = failing(job.InvalidRequest)
	b.conflict2(b.RetryBatch(t.Context(), owner, id))
	b.drive()
	b.tell()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 1, Failed: 1, Cancelled: 2}) {
		t.Fatalf("%+v", got)
	}
	got, startErr, err := b.RetryBatch(t.Context(), owner, id)
	if err != nil || startErr != nil || got.Round != 1 || got.Stop != "" || got.Closed {
		t.Fatalf("%+v, %v, %v", got, startErr, err)
	}
	if c := b.counts(id); c != (job.Counts{Succeeded: 1, Pending: 3}) {
		t.Errorf("counted %+v", c)
	}
	if in := b.exec.inputs[job.ExecutionName(id, 1)]; !slices.Equal(in.Points, points[1:]) {
		t.Errorf("started with %+v", in)
	}
	delete(b.acts, "enrich "+points[1])
	b.settle()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 4}) || len(b.runs) != 5 {
		t.Errorf("%+v after %v", got, b.runs)
	}
	if b.fired("then") != 1 || b.fired("catch") != 1 || b.fired("finally") != 2 {
		t.Errorf("posted %+v", b.posts)
	}
	ids := map[string]bool{}
	for _, p := range b.posts {
		ids[p.id] = true
	}
	if len(ids) != 4 {
		t.Errorf("the ids of rounds are alike: %+v", b.posts)
	}
}

// TestARetryThatIsCancelled before the jobs of its items are revived: they end, and so does
// the batch.
func TestARetryThatIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(2, nil).ID
	b.acts["enrich"] = failing(job.InvalidRequest)
	b.drive()
	for round := 1; round <= 2; round++ {
		if _, _, err := b.RetryBatch(t.Context(), owner, id); err != nil {
			t.Fatal(err)
		}
		got, err := b.CancelBatch(t.Context(), owner, id)
		if err != nil || got.Ended != (job.Counts{Cancelled: 2}) || !got.Closed {
			t.Fatalf("%+v, %v", got, err)
		}
		b.drive()
	}
	clear(b.acts)
	if _, _, err := b.RetryBatch(t.Context(), owner, id); err != nil {
		t.Fatal(err)
	}
	b.settle()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 2}) || len(b.runs) != 3 {
		t.Errorf("%+v after %v", got, b.runs)
	}
}

// TestALateVisitIsOfItsRound: one that saw a failure before the retry must not stop it.
func TestALateVisitIsOfItsRound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		late func(b *bench, id string) error
	}{
		{"of an item", func(b *bench, id string) error { return only(b.VisitItem(b.t.Context(), id, pointID(1), "late")) }},
		{"of the whole", func(b *bench, id string) error { return only(b.Summarise(b.t.Context(), id)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.batch(1, nil).ID
			b.acts["enrich"] = failing(job.InvalidRequest)
			// The item has failed, and whoever saw it died before it could say so.
			b.seam.broken["AmendBatch"] = errCut
			if _, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err == nil {
				t.Fatal("nobody died")
			}
			clear(b.seam.broken)
			b.seam.before["AmendBatch"] = func() {
				for range 2 { // catch, then close
					if _, err := b.Summarise(t.Context(), id); err != nil {
						t.Error(err)
					}
				}
				if _, _, err := b.RetryBatch(t.Context(), owner, id); err != nil {
					t.Error(err)
				}
			}
			if err := c.late(b, id); err != nil {
				t.Fatal(err)
			}
			if got := b.batchRow(id); got.Round != 1 || got.Caught || got.Stop != "" || got.Closed {
				t.Errorf("%+v", got)
			}
			clear(b.acts)
			b.settle()
			if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 1}) || b.fired("catch") != 1 || b.fired("finally") != 2 {
				t.Errorf("%+v, posted %+v", got, b.posts)
			}
		})
	}
}

// TestTheSameKeyIsTheSameBatch, also when a filter would choose other points by now.
func TestTheSameKeyIsTheSameBatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.points(owner, 1, 2)
	b.exec.refuse = errNo
	send := func(body string) (job.Batch, error, error) {
		p, err := b.Prepare(t.Context(), request("k", body), flow.BatchWish{Name: "b", Filter: &flow.Filter{Campaign: "c"}})
		if err != nil {
			return job.Batch{}, nil, err
		}
		return b.StartBatch(t.Context(), p)
	}
	first, startErr, err := send("body")
	if err != nil || !errors.Is(startErr, errNo) || first.Total != 2 {
		t.Fatalf("%+v, %v, %v", first, startErr, err)
	}
	b.exec.refuse = nil
	b.points(owner, 3, 1)
	again, startErr, err := send("body")
	if err != nil || startErr != nil || again.ID != first.ID || again.Total != 2 {
		t.Fatalf("%+v, %v, %v", again, startErr, err)
	}
	if in := b.exec.inputs[job.ExecutionName(first.ID, 0)]; len(in.Points) != 2 {
		t.Errorf("started with %+v", in)
	}
	if _, _, err := send("other"); job.CodeOf(err) != job.KeyReused {
		t.Errorf("another body: %v", err)
	}
	b.settle()
	if got := b.batchRow(first.ID); got.Ended != (job.Counts{Succeeded: 2}) {
		t.Errorf("%+v", got)
	}
	b.exec.refuse = errNo
	if again, startErr, err := send("body"); err != nil || startErr != nil || !again.Closed {
		t.Errorf("an ended one is started again: %+v, %v, %v", again, startErr, err)
	}
}

// TestARepeatedRequestStartsNothingAnew in a batch that has gone on since.
func TestARepeatedRequestStartsNothingAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p, err := b.Prepare(t.Context(), request("k", ""), flow.BatchWish{Name: "b", Points: b.points(owner, 1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := b.StartBatch(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.AddItems(t.Context(), job.Account{Owner: owner}, first.ID, b.points(owner, 2, 1)); err != nil {
		t.Fatal(err)
	}
	b.exec.refuse = errNo
	if again, startErr, err := b.StartBatch(t.Context(), p); err != nil || startErr != nil || again.Runs != 1 {
		t.Errorf("%+v, %v, %v", again, startErr, err)
	}
}

package flow_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

func TestAChainGoesThroughItsSteps(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := b.chain()
	if first := b.exec.inputs[job.ExecutionName(c.ID, 0)]; first.Chain != c.ID || first.Next != "enrich" {
		t.Errorf("started with %+v", first)
	}
	for i, want := range []flow.Answer{{State: job.TrackRunning, Next: "analyze"}, {State: job.TrackRunning, Next: "notify"}, {State: job.TrackSucceeded}} {
		a, err := b.VisitChain(t.Context(), c.ID, "r")
		if err != nil || a.State != want.State || a.Next != want.Next || a.Wait != 0 || a.Err != nil {
			t.Errorf("visit %d: %+v, %v", i, a, err)
		}
	}
	got := b.chainRow(c.ID)
	if got.Outcome != job.Success || !got.Look.IsZero() || got.Finished.IsZero() || len(b.runs) != 3 {
		t.Errorf("chain %+v after %v", got, b.runs)
	}
	j := b.row(c.ID, "enrich")
	if j.Flow != job.ChainFlow(c.ID) || j.MaxAttempts != 3 || j.Owner != owner || b.row(c.ID, "analyze").Limit != job.Unlimited {
		t.Errorf("job %+v", j)
	}
	// One more visit, by an execution that somebody started again, does nothing.
	if a, err := b.VisitChain(t.Context(), c.ID, "r"); err != nil || a.State != job.TrackSucceeded || len(b.runs) != 3 {
		t.Errorf("%+v, %v after %v", a, err, b.runs)
	}
}

// TestAWaitIsTold: in whole seconds, and by the row.
func TestAWaitIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		do    act
		state job.State
		want  time.Duration
	}{
		{"a backoff", failing(job.ProviderUnavailable), job.Retrying, 10 * time.Second},
		{"the provider's wish", func(*job.Job) (worker.Result, error) {
			return worker.Result{}, &job.Error{Code: job.ProviderRateLimit, RetryAfter: 3398 * time.Millisecond}
		}, job.Waiting, 4 * time.Second},
		{"an image that is not there yet", func(*job.Job) (worker.Result, error) { return worker.Result{Outcome: job.Clouded, Again: true}, nil }, job.Waiting, 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.acts["enrich"] = c.do
			id := b.chain().ID
			a, err := b.VisitChain(t.Context(), id, "r")
			if err != nil || a.Wait != c.want || a.State != job.TrackRunning || a.Next != "enrich" || a.Job.State != c.state {
				t.Fatalf("%+v, %v", a, err)
			}
			// Too early: nothing runs, and the rest of the wait is told.
			b.now = b.now.Add(time.Second)
			if a, err := b.VisitChain(t.Context(), id, "r"); err != nil || a.Wait != c.want-time.Second || len(b.runs) != 1 {
				t.Errorf("%+v, %v after %v", a, err, b.runs)
			}
			delete(b.acts, "enrich")
			b.now = b.now.Add(c.want - time.Second)
			b.drive()
			if got := b.chainRow(id); got.State != job.TrackSucceeded || b.ran("enrich") != 2 {
				t.Errorf("%+v after %v", got, b.runs)
			}
		})
	}
}

func TestAFailedStepNamesItself(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.acts["analyze"] = failing(job.InvalidRequest)
	id := b.chain().ID
	b.drive()
	c, steps, err := b.ShowChain(t.Context(), owner, id)
	if err != nil || c.State != job.TrackFailed || c.Kind() != "analyze" || c.Code != job.InvalidRequest || c.Reason == "" || b.ran("notify") != 0 {
		t.Errorf("%+v, %v after %v", c, err, b.runs)
	}
	if len(steps) != 3 || steps[0].Job.State != job.Succeeded || steps[1].Job.State != job.Dead || steps[2].Job != nil || steps[2].Kind != "notify" {
		t.Errorf("steps %+v", steps)
	}
	a, err := b.VisitChain(t.Context(), id, "r")
	if err != nil || a.State != job.TrackFailed || a.Next != "analyze" || a.Job.Code != job.InvalidRequest || a.Job.Reason != c.Reason {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAnEnrichmentWithoutDataIsNoFailure: the steps behind it run all the same.
func TestAnEnrichmentWithoutDataIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		limit int
		do    act
		state job.TrackState
		want  job.Outcome
	}{
		{"no image", job.Unlimited, ending(job.NoAcquisition), job.TrackSucceeded, job.NoAcquisition},
		{"no unit left", 0, nil, job.TrackSkipped, job.UserQuotaExceeded},
	} {
		b := newBench(t)
		b.acts["enrich"] = c.do
		r := request("", "")
		r.Limit = c.limit
		chain, _, err := b.StartChain(t.Context(), r, flow.ChainWish{Point: b.points(owner, 1, 1)[0]})
		if err != nil {
			t.Fatal(err)
		}
		b.drive()
		if got := b.chainRow(chain.ID); got.State != c.state || got.Outcome != c.want || b.ran("analyze") != 1 || b.ran("notify") != 1 {
			t.Errorf("%s: %+v after %v", c.name, got, b.runs)
		}
	}
}

// TestCancelInTheMiddle: what waits is taken back, what runs is the last step, and nothing
// is left open behind a chain that has ended.
func TestCancelInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		during bool // cancelled while the attempt runs
		do     act
		state  job.State // of the step in the end
	}{
		{"while it waits", false, failing(job.ProviderUnavailable), job.Cancelled},
		{"while it runs, and succeeds", true, succeed, job.Succeeded},
		{"while it runs, and fails", true, failing(job.ProviderUnavailable), job.Cancelled},
		{"while it runs, and dies", true, failing(job.InvalidRequest), job.Dead},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.chain().ID
			cancel := func() {
				if got, err := b.CancelChain(t.Context(), owner, id); err != nil || got.State != job.TrackCancelled {
					t.Errorf("%+v, %v", got, err)
				}
			}
			b.acts["enrich"] = func(j *job.Job) (worker.Result, error) {
				if c.during {
					cancel()
				}
				return c.do(j)
			}
			a, err := b.VisitChain(t.Context(), id, "r")
			if err != nil {
				t.Fatal(err)
			}
			b.exec.gone[job.ExecutionName(id, 0)] = a.State.Final() && a.Wait == 0
			if !c.during {
				cancel()
			}
			b.settle()
			if got := b.row(id, "enrich"); got.State != c.state || b.ran("enrich") != 1 || b.ran("analyze") != 0 {
				t.Errorf("step %+v after %v", got, b.runs)
			}
			cancel() // twice is once
			if got := b.chainRow(id); got.State != job.TrackCancelled || !got.Look.IsZero() {
				t.Errorf("chain %+v", got)
			}
		})
	}
}

// TestCancelWhileTheWorkerIsLost: the attempt never reports, and its job must not stay
// open with a unit of its owner's plan.
func TestCancelWhileTheWorkerIsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.chain().ID
	b.acts["enrich"] = func(*job.Job) (worker.Result, error) {
		b.seam.down = true
		return worker.Result{}, errNo
	}
	if _, err := b.VisitChain(t.Context(), id, "r"); err == nil {
		t.Fatal("the process is down and answers")
	}
	b.seam.down = false
	if _, err := b.CancelChain(t.Context(), owner, id); err != nil {
		t.Fatal(err)
	}
	if got := b.row(id, "enrich"); got.State != job.Running {
		t.Fatalf("step %+v", got)
	}
	b.drive()
	if got := b.row(id, "enrich"); got.State != job.Cancelled || b.ran("enrich") != 1 {
		t.Errorf("step %+v after %v", got, b.runs)
	}
}

func TestCancelBeforeTheFirstStep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.chain().ID
	if _, err := b.CancelChain(t.Context(), owner, id); err != nil {
		t.Fatal(err)
	}
	b.drive()
	if got := b.row(id, "enrich"); got.State != job.Cancelled || len(b.runs) != 0 {
		t.Errorf("step %+v after %v", got, b.runs)
	}
	b.conflict2(b.RedriveChain(t.Context(), owner, id))
	done := newBench(t)
	id = done.chain("notify").ID
	done.drive()
	_, err := done.CancelChain(t.Context(), owner, id)
	done.conflict("cancel of an ended chain", err)
	done.conflict2(done.RedriveChain(t.Context(), owner, id))
}

// conflict2 is conflict for what starts executions.
func (b *bench) conflict2(_ any, _, err error) {
	b.t.Helper()
	b.conflict("it", err)
}

// TestRedriveGoesOnFromTheFailedStep and revives exactly its job.
func TestRedriveGoesOnFromTheFailedStep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.acts["analyze"] = failing(job.InvalidRequest)
	id := b.chain().ID
	b.drive()
	for round := 1; round <= 3; round++ {
		if round == 3 {
			delete(b.acts, "analyze")
		}
		c, startErr, err := b.RedriveChain(t.Context(), owner, id)
		if err != nil || startErr != nil || c.State != job.TrackPending || c.Code != "" || c.Generation != round || c.Look.IsZero() {
			t.Fatalf("%+v, %v, %v", c, startErr, err)
		}
		if in := b.exec.inputs[job.ExecutionName(id, round)]; in.Next != "analyze" {
			t.Errorf("started with %+v", in)
		}
		b.conflict2(b.RedriveChain(t.Context(), owner, id))
		b.drive()
		if got := b.row(id, "analyze"); got.Generation != round {
			t.Errorf("round %d: step %+v", round, got)
		}
	}
	if c := b.chainRow(id); c.State != job.TrackSucceeded || c.Reason != "" || b.ran("enrich") != 1 || b.ran("analyze") != 4 || b.ran("notify") != 1 || b.row(id, "enrich").Generation != 0 {
		t.Errorf("%+v after %v", c, b.runs)
	}
}

// TestARevivedStepIsRevivedOnce, whoever comes first.
func TestARevivedStepIsRevivedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.acts["enrich"] = failing(job.InvalidRequest)
	id := b.chain().ID
	b.drive()
	if _, _, err := b.RedriveChain(t.Context(), owner, id); err != nil {
		t.Fatal(err)
	}
	b.acts["enrich"] = failing(job.ProviderUnavailable)
	b.seam.before["Amend"] = func() {
		if a, err := b.VisitChain(t.Context(), id, "other"); err != nil || a.Job.Generation != 1 {
			t.Errorf("the quicker visit: %+v, %v", a, err)
		}
	}
	if a, err := b.VisitChain(t.Context(), id, "r"); err != nil || a.Job.Generation != 1 || a.Job.Attempts != 1 || a.Wait == 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestTheSameKeyIsTheSameChain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := flow.ChainWish{Point: b.points(owner, 1, 1)[0]}
	first, _, err := b.StartChain(t.Context(), request("k", "body"), w)
	if err != nil {
		t.Fatal(err)
	}
	b.drive()
	b.exec.refuse = errNo // an ended one is not started
	again, startErr, err := b.StartChain(t.Context(), request("k", "body"), w)
	if err != nil || startErr != nil || again.ID != first.ID || again.State != job.TrackSucceeded || len(b.exec.names) != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	if _, _, err := b.StartChain(t.Context(), request("k", "other"), w); job.CodeOf(err) != job.KeyReused {
		t.Errorf("another body: %v", err)
	}
	other := request("k", "body")
	other.Owner = "v"
	if _, _, err := b.StartChain(t.Context(), other, w); job.CodeOf(err) != job.NotFound {
		t.Errorf("another owner's point: %v", err)
	}
}

func TestWhatIsWrongWithAChain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.points(owner, 1, 1)[0]
	for _, c := range []struct {
		name  string
		key   string
		wish  flow.ChainWish
		field string
	}{
		{"no point", "", flow.ChainWish{Point: "x"}, "data_point_id"},
		{"unknown step", "", flow.ChainWish{Point: p, Steps: []string{"fly"}}, "steps"},
		{"too many steps", "", flow.ChainWish{Point: p, Steps: slices.Repeat([]string{"enrich"}, flow.MaxSteps+1)}, "steps"},
		{"queue", "", flow.ChainWish{Point: p, Queue: "urgent"}, "queue"},
		{"tag", "", flow.ChainWish{Point: p, Tags: []string{""}}, "tags[0]"},
		{"key", "a b", flow.ChainWish{Point: p}, "Idempotency-Key"},
	} {
		_, _, err := b.StartChain(t.Context(), request(c.key, ""), c.wish)
		coded, ok := errors.AsType[*job.Error](err)
		if !ok || coded.Code != job.InvalidField || len(coded.Violations) != 1 || coded.Violations[0].Field != c.field {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if len(b.exec.names) != 0 {
		t.Errorf("started %v", b.exec.names)
	}
}

// TestAStartThatFailsIsSwept: the chain is accepted all the same.
func TestAStartThatFailsIsSwept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec.refuse = errNo
	c, startErr, err := b.StartChain(t.Context(), request("", ""), flow.ChainWish{Point: b.points(owner, 1, 1)[0]})
	if err != nil || !errors.Is(startErr, errNo) || b.chainRow(c.ID).State != job.TrackPending {
		t.Fatalf("%+v, %v, %v", c, startErr, err)
	}
	b.exec.refuse = nil
	b.sweep(flow.Swept{})
	b.now = c.Look
	b.sweep(flow.Swept{Seen: 1, Resumed: 1})
	b.drive()
	if got := b.chainRow(c.ID); got.State != job.TrackSucceeded || got.Generation != 1 {
		t.Errorf("%+v", got)
	}
}

// TestTroubleIsForgottenWithItsStep: an execution gave up on a step that ended later.
func TestTroubleIsForgottenWithItsStep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.chain().ID
	c, err := b.TroubleChain(t.Context(), id, job.Throttled, "slow down")
	if err != nil || c.Code != job.Throttled || c.Reason != "slow down" || !c.Look.Equal(b.now) || c.State != job.TrackPending {
		t.Fatalf("%+v, %v", c, err)
	}
	b.exec.gone[job.ExecutionName(id, 0)] = true
	b.sweep(flow.Swept{Seen: 1, Resumed: 1})
	b.drive()
	if got := b.chainRow(id); got.State != job.TrackSucceeded || got.Code != "" || got.Reason != "" {
		t.Errorf("%+v", got)
	}
	if c, err := b.TroubleChain(t.Context(), id, job.Throttled, "late"); err != nil || c.Code != "" || !c.Look.IsZero() {
		t.Errorf("an ended chain: %+v, %v", c, err)
	}
}

// TestOthersChainsDoNotExist: not even for a refusal.
func TestOthersChainsDoNotExist(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.chain().ID
	for name, err := range map[string]error{
		"show":    second(b.ShowChain(t.Context(), "v", id)),
		"cancel":  only(b.CancelChain(t.Context(), "v", id)),
		"redrive": second(b.RedriveChain(t.Context(), "v", id)),
		"absent":  only(b.CancelChain(t.Context(), owner, "x")),
		"trouble": only(b.TroubleChain(t.Context(), "x", job.Internal, "")),
		"visit":   only(b.VisitChain(t.Context(), "x", "")),
	} {
		if job.CodeOf(err) != job.NotFound || !strings.Contains(err.Error(), "no chain") {
			t.Errorf("%s: %v", name, err)
		}
	}
	mine, next, err := b.ListChains(t.Context(), owner, "", 10)
	if err != nil || len(mine) != 1 || next != "" {
		t.Errorf("%+v, %q, %v", mine, next, err)
	}
	if theirs, _, err := b.ListChains(t.Context(), "v", "", 10); err != nil || len(theirs) != 0 {
		t.Errorf("%+v, %v", theirs, err)
	}
}

// only and second return the error of a call.
func only(_ any, err error) error { return err }

func second(_, _ any, err error) error { return err }

// TestAVisitThatDidNotRunIsRepeated: an error, for Step Functions to try again.
func TestAVisitThatDidNotRunIsRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.chain().ID
	b.seam.broken["Claim"] = job.Errorf(job.Throttled, "slow down")
	a, err := b.VisitChain(t.Context(), id, "r")
	if job.CodeOf(err) != job.Throttled || a.State != "" || a.Job.State != job.Queued || !strings.Contains(err.Error(), "slow down") {
		t.Errorf("%+v, %v", a, err)
	}
	clear(b.seam.broken)
	// The reply of the claim is lost: somebody runs, as far as anybody knows.
	b.seam.cut, b.seam.late = b.seam.calls+3, true // chain, accept, claim
	if _, err := b.VisitChain(t.Context(), id, "r"); err == nil {
		t.Error("answered without the table")
	}
	b.seam.down = false
	if a, err := b.VisitChain(t.Context(), id, "r"); err != nil || a.Job.State != job.Running || a.Wait != 90*time.Second || len(b.runs) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

package job_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"orbitq/internal/job"
)

// newChain returns a chain at start.
func newChain(edit func(*job.Chain)) job.Chain {
	c := job.Chain{
		ID: "c", Account: job.Account{Owner: "u", Tier: "pro", Limit: 7, Anchor: start()}, Queue: "high", Tags: []string{"t"},
		Track: job.Track{Point: "p", Revision: 3, Steps: []string{"enrich", "notify"}, State: job.TrackFailed, At: 1}, Generation: 9,
	}
	c = job.NewChain(c, start(), 15*time.Minute)
	if edit != nil {
		edit(&c)
	}
	return c
}

func TestANewChain(t *testing.T) {
	t.Parallel()
	c := newChain(nil)
	if c.Key != "c" || c.State != job.TrackPending || c.At != 0 || c.Generation != 0 || !c.Created.Equal(start()) || !c.Look.Equal(start().Add(15*time.Minute)) {
		t.Errorf("got %+v", c)
	}
	want := job.Job{
		ID: job.StepID("c", "enrich"), Kind: "enrich", Owner: "u", Tier: "pro", Anchor: start(), Limit: 7, Queue: "high", Point: "p", Revision: 3,
		Flow: "chain/c", Tags: []string{"t"},
	}
	if got := c.Job(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("job %+v, want %+v", got, want)
	}
	c.At = 2
	if c.Kind() != "" {
		t.Errorf("behind its last step comes %q", c.Kind())
	}
}

// TestAFlowNamesItsDriver, and nothing else does.
func TestAFlowNamesItsDriver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flow     job.Flow
		kind, id string
	}{
		{job.ChainFlow("x"), "chain", "x"},
		{job.BatchFlow("y"), "batch", "y"},
		{"", "", ""},
		{"chain", "", ""},
		{"batch/a/b", "batch", "a/b"},
	} {
		if kind, id := c.flow.Parts(); kind != c.kind || id != c.id {
			t.Errorf("%q: %q and %q", c.flow, kind, id)
		}
	}
}

// TestExecutionNamesFit into what Step Functions takes, for ids of ours.
func TestExecutionNamesFit(t *testing.T) {
	t.Parallel()
	id := job.DerivedID("x")
	for _, n := range []int{0, 1, math.MaxInt64} {
		if name := job.ExecutionName(id, n); len(name) > 80 || name != fmt.Sprintf("%s-%d", id, n) {
			t.Errorf("%d: %s has %d characters", n, name, len(name))
		}
	}
}

// TestWhatAChainAllows: one row for each state.
func TestWhatAChainAllows(t *testing.T) {
	t.Parallel()
	now := start().Add(time.Hour)
	for _, c := range []struct {
		state                   job.TrackState
		cancel, redrive, resume bool
	}{
		{job.TrackPending, true, false, true},
		{job.TrackRunning, true, false, true},
		{job.TrackSucceeded, false, false, false},
		{job.TrackSkipped, false, false, false},
		{job.TrackFailed, false, true, false},
		{job.TrackCancelled, true, false, false},
	} {
		at := newChain(func(r *job.Chain) {
			r.State, r.Generation, r.Code, r.Reason, r.At, r.Least = c.state, 4, job.Internal, "why", 1, 2
		})
		cancelled, err := job.CancelChain(at, now)
		if (err == nil) != c.cancel || err != nil && job.CodeOf(err) != job.StateConflict || err == nil && cancelled.State != job.TrackCancelled {
			t.Errorf("cancel of a %s chain: %+v, %v", c.state, cancelled, err)
		}
		if again, err := job.CancelChain(cancelled, now.Add(1)); c.cancel && (err != nil || fmt.Sprint(again) != fmt.Sprint(cancelled) || !again.Look.Equal(at.Look)) {
			t.Errorf("cancelled twice: %+v, %v", again, err)
		}
		again, err := job.RedriveChain(at, now, time.Minute)
		if (err == nil) != c.redrive || err != nil && (job.CodeOf(err) != job.StateConflict || fmt.Sprint(again) != fmt.Sprint(at)) {
			t.Errorf("redrive of a %s chain: %+v, %v", c.state, again, err)
		}
		if err == nil && (again.Generation != 5 || again.Round != 5 || again.State != job.TrackPending || again.At != 1 || again.Least != 2 || again.Code != "" || !again.Look.Equal(now.Add(time.Minute))) {
			t.Errorf("redriven: %+v", again)
		}
		on := job.ResumeChain(at, now, time.Minute)
		if c.resume && (on.Generation != 5 || on.Round != at.Round || !on.Look.Equal(now.Add(time.Minute))) || !c.resume && fmt.Sprint(on) != fmt.Sprint(at) {
			t.Errorf("resume of a %s chain: %+v", c.state, on)
		}
		if look := at.On(at.Track).Look; look.IsZero() != (c.state.Final() && c.state != job.TrackFailed) {
			t.Errorf("a %s chain is looked at %v", c.state, look)
		}
	}
}

package flow_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// TestASweepResumesWhatHasNoExecution and leaves alone what goes on.
func TestASweepResumesWhatHasNoExecution(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, c := b.batch(2, nil).ID, b.chain()
	b.now = c.Look.Add(-time.Millisecond)
	b.sweep(flow.Swept{})
	b.now = c.Look
	b.sweep(flow.Swept{Seen: 2}) // both go on
	if got := b.batchRow(id); !got.Look.Equal(b.now.Add(15*time.Minute)) || got.Runs != 0 {
		t.Errorf("%+v", got)
	}
	if got := b.chainRow(c.ID); !got.Look.Equal(b.now.Add(15*time.Minute)) || got.Generation != 0 {
		t.Errorf("%+v", got)
	}
	b.sweep(flow.Swept{})
	for _, name := range b.exec.names {
		b.exec.gone[name] = true
	}
	b.now = b.now.Add(15 * time.Minute)
	b.sweep(flow.Swept{Seen: 2, Resumed: 2})
	b.sweep(flow.Swept{})
	if in := b.exec.inputs[job.ExecutionName(id, 1)]; in.Run != 1 || len(in.Points) != 2 {
		t.Errorf("started with %+v", in)
	}
	b.drive()
	if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 2}) || got.Runs != 1 {
		t.Errorf("%+v", got)
	}
	if got := b.chainRow(c.ID); got.State != job.TrackSucceeded || got.Generation != 1 {
		t.Errorf("%+v", got)
	}
	b.now = b.now.Add(time.Hour)
	b.sweep(flow.Swept{})
}

// TestASweepResumesTheRest: what is final is not walked over again.
func TestASweepResumesTheRest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(3, nil).ID
	if _, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil {
		t.Fatal(err)
	}
	b.exec.gone[job.ExecutionName(id, 0)] = true
	b.now = b.now.Add(15 * time.Minute)
	b.sweep(flow.Swept{Seen: 1, Resumed: 1})
	if in := b.exec.inputs[job.ExecutionName(id, 1)]; len(in.Points) != 2 {
		t.Errorf("started with %+v", in)
	}
}

// TestASweepClosesWhatNobodyClosed, without another execution.
func TestASweepClosesWhatNobodyClosed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, nil).ID
	if _, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil {
		t.Fatal(err)
	}
	b.exec.gone[job.ExecutionName(id, 0)] = true
	b.now = b.now.Add(15 * time.Minute)
	b.sweep(flow.Swept{Seen: 1})
	if got := b.batchRow(id); !got.Closed || len(b.exec.names) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestTwoSweepsResumeOnce.
func TestTwoSweepsResumeOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(b *bench)
		op   string
		skip int // calls of op in front of the one that both would win
	}{
		{"chain", func(b *bench) { b.chain() }, "AmendChain", 0},
		{"batch", func(b *bench) { b.batch(1, nil) }, "AmendBatch", 1}, // the summary's
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c.make(b)
			b.exec.gone[b.exec.names[0]] = true
			b.now = b.now.Add(15 * time.Minute)
			quicker := func() { b.sweep(flow.Swept{Seen: 1, Resumed: 1}) }
			if c.skip == 0 {
				b.seam.before[c.op] = quicker
			} else {
				b.seam.before[c.op] = func() { b.seam.before[c.op] = quicker }
			}
			b.sweep(flow.Swept{Seen: 1})
			if len(b.exec.names) != 2 {
				t.Errorf("started %v", b.exec.names)
			}
		})
	}
}

// TestOneBrokenFlowDoesNotKeepTheOthersBack: each fault is told with the flow that has it.
func TestOneBrokenFlowDoesNotKeepTheOthersBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, op, want string
		swept          flow.Swept
	}{
		{"the index", "OpenFlows", "find open flows", flow.Swept{}},
		{"chain is not read", "Chain", "resume chain/", flow.Swept{Seen: 2, Resumed: 1}},
		{"chain is not written", "AmendChain", "resume chain/", flow.Swept{Seen: 2, Resumed: 1}},
		{"batch is not read", "Batch", "resume batch/", flow.Swept{Seen: 2, Resumed: 1}},
		{"batch is not written", "AmendBatch", "close batch", flow.Swept{Seen: 2, Resumed: 1}},
		{"items are not read", "Items", "read items", flow.Swept{Seen: 2, Resumed: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.chain()
			b.batch(1, nil)
			for _, name := range b.exec.names {
				b.exec.gone[name] = true
			}
			b.now = b.now.Add(15 * time.Minute)
			b.seam.broken[c.op] = job.Errorf(job.Throttled, "slow down")
			got, err := b.Sweep(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || got != c.swept || job.CodeOf(err) != job.Throttled {
				t.Errorf("swept %+v, %v", got, err)
			}
		})
	}
}

// TestASweepThatCannotAskOrStart says so, and the next one goes on.
func TestASweepThatCannotAskOrStart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.chain()
	b.batch(1, nil)
	b.now = b.now.Add(15 * time.Minute)
	b.exec.mute = errNo
	if got, err := b.Sweep(t.Context()); !errors.Is(err, errNo) || got != (flow.Swept{Seen: 2}) || strings.Count(err.Error(), "ask after execution") != 2 {
		t.Errorf("swept %+v, %v", got, err)
	}
	b.exec.mute = nil
	for _, name := range b.exec.names {
		b.exec.gone[name] = true
	}
	b.exec.refuse = errNo
	if got, err := b.Sweep(t.Context()); !errors.Is(err, errNo) || got != (flow.Swept{Seen: 2, Resumed: 2}) {
		t.Errorf("swept %+v, %v", got, err)
	}
	b.exec.refuse = nil
	b.now = b.now.Add(15 * time.Minute)
	b.sweep(flow.Swept{Seen: 2, Resumed: 2})
}

// TestARowThatIsGoneIsPassedOver: an index may still show it.
func TestARowThatIsGoneIsPassedOver(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Chain", "AmendChain", "Batch", "AmendBatch"} {
		b := newBench(t)
		if strings.HasSuffix(op, "Chain") {
			b.chain()
		} else {
			b.batch(1, nil)
		}
		b.exec.gone[b.exec.names[0]] = true
		b.now = b.now.Add(15 * time.Minute)
		b.seam.broken[op] = job.Errorf(job.NotFound, "gone")
		b.sweep(flow.Swept{Seen: 1})
	}
}

// TestASweepEndsTheStepOfACancelledChain whose worker and execution are both lost, as soon
// as the lease is over.
func TestASweepEndsTheStepOfACancelledChain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := b.chain()
	b.acts["enrich"] = func(*job.Job) (worker.Result, error) {
		b.seam.down = true
		return worker.Result{}, errNo
	}
	b.drive()
	b.seam.down = false
	b.now = c.Look.Add(-time.Minute)
	if _, err := b.CancelChain(t.Context(), owner, c.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.row(c.ID, "enrich"); got.State != job.Cancelled {
		t.Errorf("the lease was over: %+v", got)
	}
	b.now = c.Look
	b.seam.broken["AmendChain"] = errNo
	if _, err := b.Sweep(t.Context()); !errors.Is(err, errNo) {
		t.Errorf("swept with %v", err)
	}
	delete(b.seam.broken, "AmendChain")
	b.sweep(flow.Swept{Seen: 1})
	b.sweep(flow.Swept{})
}

// TestASweepWaitsForTheLeaseOfACancelledChain: what runs may still end well.
func TestASweepWaitsForTheLeaseOfACancelledChain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := b.chain()
	b.now = c.Look.Add(-time.Minute)
	b.acts["enrich"] = func(*job.Job) (worker.Result, error) {
		b.seam.down = true
		return worker.Result{}, errNo
	}
	b.drive()
	b.seam.down = false
	if _, err := b.CancelChain(t.Context(), owner, c.ID); err != nil {
		t.Fatal(err)
	}
	b.now = c.Look
	b.sweep(flow.Swept{Seen: 1})
	j := b.row(c.ID, "enrich")
	if got := b.chainRow(c.ID); j.State != job.Running || !got.Look.Equal(j.LeaseUntil) {
		t.Errorf("%+v, step %+v", got, j)
	}
	b.seam.broken["Accept"] = errNo
	b.now = j.LeaseUntil
	if _, err := b.Sweep(t.Context()); !errors.Is(err, errNo) {
		t.Errorf("swept with %v", err)
	}
	clear(b.seam.broken)
	b.sweep(flow.Swept{Seen: 1})
	if got := b.chainRow(c.ID); b.row(c.ID, "enrich").State != job.Cancelled || !got.Look.IsZero() || got.State != job.TrackCancelled {
		t.Errorf("%+v", got)
	}
}

// TestASweepIsOvertaken by the end of what it asked after: nothing is started.
func TestASweepIsOvertaken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := b.chain()
	b.exec.gone[b.exec.names[0]] = true
	b.now = b.now.Add(15 * time.Minute)
	b.seam.before["AmendChain"] = func() { b.walk(c.ID) }
	b.sweep(flow.Swept{Seen: 1})
	if got := b.chainRow(c.ID); got.State != job.TrackSucceeded || !got.Look.IsZero() || got.Generation != 0 {
		t.Errorf("%+v", got)
	}
}

// TestFlowsThatCannotBeAskedAfterHideNoOthers: as many of them as a sweep looks at stand in front
// of one that has lost its execution.
func TestFlowsThatCannotBeAskedAfterHideNoOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.points(owner, 1, flow.PerSweep+1)
	start := func(n int) job.Chain {
		c, startErr, err := b.StartChain(t.Context(), request("", ""), flow.ChainWish{Point: pointID(1 + n)})
		if err != nil || startErr != nil {
			t.Fatal(err, startErr)
		}
		return c
	}
	for n := range flow.PerSweep {
		b.exec.torn[job.ExecutionName(start(n).ID, 0)] = true
	}
	b.now = b.now.Add(time.Second)
	lost := start(flow.PerSweep)
	b.exec.gone[job.ExecutionName(lost.ID, 0)] = true
	b.now = b.now.Add(16 * time.Minute)
	for range 2 {
		if _, err := b.Sweep(t.Context()); !errors.Is(err, errNo) {
			t.Errorf("swept with %v", err)
		}
		b.now = b.now.Add(time.Minute)
	}
	if got := b.chainRow(lost.ID); got.Generation != 1 {
		t.Errorf("not resumed by the second sweep: %+v", got)
	}
}

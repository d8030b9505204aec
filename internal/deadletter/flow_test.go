package deadletter_test

import (
	"context"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
)

// flows restarts chains and batches, or refuses to, and notes which.
type flows struct {
	restarted []string
	err       error
}

func (f *flows) Restart(_ context.Context, owner string, of job.Flow) error {
	f.restarted = append(f.restarted, owner+" "+string(of))
	return f.err
}

// driven is a dead step of a chain.
func (d *desk) driven(t *testing.T, name string) string {
	t.Helper()
	return d.put(t, name, func(j *job.Job) {
		j.Flow = job.ChainFlow("c")
		d.dead(job.Internal)(j)
	})
}

// row returns a job.
func (d *desk) row(t *testing.T, id string) job.Job {
	t.Helper()
	j, err := d.store.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestAStepIsRetriedThroughItsFlow: a message would run it a second time beside its execution.
func TestAStepIsRetriedThroughItsFlow(t *testing.T) {
	t.Parallel()
	d, f := newDesk(), &flows{}
	d.Flows = f
	id := d.driven(t, "a")
	j, err := d.Retry(t.Context(), "me", id)
	if err != nil || j.State != job.Queued || j.Generation != 1 || d.queues.Depth("default") != 0 {
		t.Errorf("got %+v, %v, %d messages", j, err, d.queues.Depth("default"))
	}
	if len(f.restarted) != 1 || f.restarted[0] != "me chain/c" {
		t.Errorf("restarted %v", f.restarted)
	}

	f.err = job.Errorf(job.StateConflict, "it goes on")
	id = d.driven(t, "b")
	if _, err := d.Retry(t.Context(), "me", id); job.CodeOf(err) != job.StateConflict || d.row(t, id).State != job.Dead {
		t.Errorf("refused: %v, %+v", err, d.row(t, id))
	}
	if _, err := d.Retry(t.Context(), "you", id); job.CodeOf(err) != job.NotFound || len(f.restarted) != 2 {
		t.Errorf("another's job: %v, restarted %v", err, f.restarted)
	}
	// Its execution may be quicker than the row: then there is nothing left to do.
	f.err = nil
	id = d.driven(t, "c")
	d.Flows = quick{func() {
		if _, err := d.store.Amend(t.Context(), id, func(j job.Job) (job.Job, error) { return job.Restarted(j, job.DefaultTiming(), d.now) }); err != nil {
			t.Error(err)
		}
	}}
	if j, err := d.Retry(t.Context(), "me", id); err != nil || j.Generation != 1 {
		t.Errorf("got %+v, %v", j, err)
	}
}

// quick restarts at once.
type quick struct{ do func() }

func (q quick) Restart(context.Context, string, job.Flow) error {
	q.do()
	return nil
}

// TestASnoozedStepGetsNoMessage: its execution comes when it is due.
func TestASnoozedStepGetsNoMessage(t *testing.T) {
	t.Parallel()
	d := newDesk()
	id := d.put(t, "a", func(j *job.Job) { j.Flow = job.BatchFlow("b") })
	if j, err := d.Snooze(t.Context(), "me", id, time.Minute); err != nil || j.State != job.Waiting || d.queues.Depth("default") != 0 {
		t.Errorf("got %+v, %v, %d messages", j, err, d.queues.Depth("default"))
	}
}

// TestAnOperationWatchesAStepThatWasRestartedMeanwhile: its retry was refused because its
// execution was quicker, and it has died again since. It has moved on, and counts when the
// next step looks at it.
func TestAnOperationWatchesAStepThatWasRestartedMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDesk()
	id := d.driven(t, "a")
	d.Flows = refusing{func() {
		for _, change := range []func(j job.Job) (job.Job, error){
			func(j job.Job) (job.Job, error) { return job.Restarted(j, job.DefaultTiming(), d.now) },
			func(j job.Job) (job.Job, error) {
				return job.Buried(j, job.Internal, "again", job.Carried{}, d.now), nil
			},
		} {
			if _, err := d.store.Amend(t.Context(), id, change); err != nil {
				t.Error(err)
			}
		}
	}}
	d.now = d.now.Add(time.Second)
	op := d.begin(t, deadletter.Operation{Rate: 10})
	if op = d.advance(t, op.ID); len(op.Watched) != 1 || op.Returned != 0 {
		t.Errorf("after the first step %+v", op)
	}
	if op = d.advance(t, op.ID); len(op.Watched) != 0 || op.Returned != 1 {
		t.Errorf("after the second step %+v", op)
	}
}

// refusing does something, and takes no restart.
type refusing struct{ do func() }

func (r refusing) Restart(context.Context, string, job.Flow) error {
	r.do()
	return job.Errorf(job.StateConflict, "it goes on")
}

// TestAnOperationEndsWithoutTheStepsThatTakeNoRestart: it would wait for them for ever.
func TestAnOperationEndsWithoutTheStepsThatTakeNoRestart(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.Flows = &flows{err: job.Errorf(job.StateConflict, "it was cancelled")}
	stuck := d.driven(t, "stuck")
	plain := d.put(t, "plain", d.dead(job.Internal))
	d.now = d.now.Add(time.Second)
	op := d.begin(t, deadletter.Operation{Rate: 10})
	op = d.advance(t, op.ID)
	if op.Returned != 1 || op.Retried != 2 || len(op.Watched) != 1 || op.Watched[0].Job != plain || d.row(t, stuck).State != job.Dead {
		t.Errorf("after the first step %+v", op)
	}
	if _, err := d.Cancel(t.Context(), "me", plain); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		d.now = d.now.Add(time.Minute)
		op = d.advance(t, op.ID)
	}
	if op.State != deadletter.OperationDone || op.Returned != 1 || op.Mended != 1 {
		t.Errorf("at the end %+v", op)
	}
}

// TestAStepWhoseRowCannotBeReadIsWatchedFurther, because nobody knows what became of it.
func TestAStepWhoseRowCannotBeReadIsWatchedFurther(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.Flows = &flows{err: job.Errorf(job.Throttled, "later")}
	d.driven(t, "a")
	d.now = d.now.Add(time.Second)
	op := d.begin(t, deadletter.Operation{Rate: 10})
	if _, err := d.Advance(t.Context()); job.CodeOf(err) != job.Throttled {
		t.Errorf("the error of the restart: %v", err)
	}
	if got := d.find(t, op.ID); len(got.Watched) != 1 || got.Returned != 0 {
		t.Errorf("got %+v", got)
	}
}

package intake_test

import (
	"testing"

	"orbitq/internal/intake"
	"orbitq/internal/job"
)

// TestAHeldUniqueKeyRunsNothing: who wants the job at once gets the open one as it is.
// Another owner's key is another, and a job that ended holds its key no more.
func TestAHeldUniqueKeyRunsNothing(t *testing.T) {
	t.Parallel()
	b := newBench()
	run := &runner{ends: job.Succeeded}
	b.Runner = run
	wish := intake.Dispatch{Kind: "enrich", Point: b.mine(t), Unique: "k"}
	before := b.depth()
	first, err := b.DispatchJob(t.Context(), by("u", "", "b"), wish)
	if err != nil || first.Repeated {
		t.Fatal(first, err)
	}
	again, err := b.DispatchNow(t.Context(), by("u", "", "b"), wish)
	if err != nil || !again.Repeated || again.Job.ID != first.Job.ID || again.Job.State != job.Queued || len(run.ran) != 0 || b.depth() != before+1 {
		t.Errorf("again %+v, %v, ran %d, %d messages", again, err, len(run.ran), b.depth()-before)
	}
	foreign := wish
	foreign.Point = b.create(t, by("v", "", "b")).Point.ID
	if got, err := b.DispatchNow(t.Context(), by("v", "", "b"), foreign); err != nil || got.Repeated || len(run.ran) != 1 {
		t.Errorf("another owner met %+v, %v", got, err)
	}
	if _, err = b.store.Amend(t.Context(), first.Job.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, b.now) }); err != nil {
		t.Fatal(err)
	}
	if next, err := b.DispatchNow(t.Context(), by("u", "", "b"), wish); err != nil || next.Repeated || next.Job.ID == first.Job.ID || len(run.ran) != 2 {
		t.Errorf("after it ended: %+v, %v, ran %d", next, err, len(run.ran))
	}
}

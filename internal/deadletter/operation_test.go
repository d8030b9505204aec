package deadletter_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/job"
)

// newCampaign is a desk with n dead jobs of one cause, and operations on them.
func newCampaign(t *testing.T, n int) *desk {
	t.Helper()
	d := newDesk()
	for i := range n {
		d.now = d.now.Add(time.Second)
		d.put(t, "job"+strconv.Itoa(i), d.dead(job.ProviderUnavailable))
	}
	d.now = d.now.Add(time.Second)
	return d
}

// begin starts an operation.
func (d *desk) begin(t *testing.T, o deadletter.Operation) deadletter.Operation {
	t.Helper()
	o.Owner = "me"
	got, err := d.Start(t.Context(), o)
	if err != nil || got.State != deadletter.OperationRunning || !job.ValidID(got.ID) {
		t.Fatalf("start: %+v, %v", got, err)
	}
	return got
}

// advance does one step and returns the operation as it is then.
func (d *desk) advance(t *testing.T, id string) deadletter.Operation {
	t.Helper()
	if _, err := d.Advance(t.Context()); err != nil {
		t.Fatalf("advance: %v", err)
	}
	return d.find(t, id)
}

func (d *desk) find(t *testing.T, id string) deadletter.Operation {
	t.Helper()
	got, err := d.Find(t.Context(), "me", id)
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	return got
}

// all returns every job of "me".
func (d *desk) all(t *testing.T) []job.Job {
	t.Helper()
	jobs, _, err := d.store.Jobs(t.Context(), "me", "", "", 2000)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// end ends all jobs that were retried: well, or as they died before.
func (d *desk) end(t *testing.T, how func(job.Job) job.Job) int {
	t.Helper()
	ended := 0
	for _, j := range d.all(t) {
		if j.State != job.Queued {
			continue
		}
		if _, err := d.store.Amend(t.Context(), j.ID, func(j job.Job) (job.Job, error) { return how(j), nil }); err != nil {
			t.Fatal(err)
		}
		ended++
	}
	return ended
}

func (d *desk) well(j job.Job) job.Job {
	return job.Ended(j, job.Success, job.Report{Now: d.now})
}

// again fails a job for a reason.
func (d *desk) again(reason string) func(job.Job) job.Job {
	return func(j job.Job) job.Job {
		return job.Buried(j, job.ProviderUnavailable, reason, job.Carried{Ticket: j.Ticket, Sent: d.now}, d.now)
	}
}

// TestACanaryGrows: five, then four times as many, up to its rate, each step only when
// the one before has ended.
func TestACanaryGrows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		jobs, rate int
		want       []int
	}{
		{400, 0, []int{5, 20, 80, 200, 95}},
		{150, 50, []int{5, 20, 50, 50, 25}},
		{7, 3, []int{3, 3, 1}},
		{3, 0, []int{3}},
		{0, 0, nil},
	} {
		d := newCampaign(t, c.jobs)
		op := d.begin(t, deadletter.Operation{Canary: true, Rate: c.rate})
		var got []int
		for range 12 {
			if op = d.advance(t, op.ID); op.State != deadletter.OperationRunning {
				break
			}
			waits := d.advance(t, op.ID) // nothing has ended: nothing more is begun
			if waits.Step != op.Step || waits.Retried != op.Retried {
				t.Fatalf("a step began before the last one ended: %+v", waits)
			}
			d.now = d.now.Add(time.Minute)
			got = append(got, d.end(t, d.well))
		}
		if op.State != deadletter.OperationDone || op.Retried != c.jobs || op.Mended != c.jobs || op.Returned != 0 || len(op.Watched) != 0 {
			t.Errorf("%d jobs: %+v", c.jobs, op)
		}
		if want := c.want; len(got) != len(want) || strings.Join(texts(got), " ") != strings.Join(texts(want), " ") {
			t.Errorf("%d jobs at %d: steps %v, want %v", c.jobs, c.rate, got, want)
		}
		for _, j := range d.all(t) {
			if j.Generation != 1 {
				t.Fatalf("a job has generation %d", j.Generation)
			}
		}
	}
}

func texts(ns []int) []string {
	var all []string
	for _, n := range ns {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

// TestACanaryStops when a failure returns, because then nothing is repaired; another
// failure is counted, and the canary goes on.
func TestACanaryStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		reason string
		canary bool
		want   deadletter.OperationState
	}{
		{"the same failure", "why", true, deadletter.OperationStopped},
		{"the same with another number", "why 503", true, deadletter.OperationStopped},
		{"another failure", "something else", true, deadletter.OperationRunning},
		{"no canary", "why", false, deadletter.OperationRunning},
	} {
		d := newCampaign(t, 30)
		op := d.begin(t, deadletter.Operation{Canary: c.canary, Rate: 5})
		d.advance(t, op.ID)
		d.now = d.now.Add(time.Minute)
		d.end(t, d.again(c.reason))
		op = d.advance(t, op.ID)
		if op.State != c.want || op.Returned != 5 || op.Mended != 0 || (op.Reason != "") != (c.want == deadletter.OperationStopped) {
			t.Errorf("%s: %+v", c.name, op)
		}
		if c.want == deadletter.OperationStopped && (!strings.Contains(op.Reason, "failed again: PROVIDER_UNAVAILABLE "+c.reason) || d.end(t, d.well) != 0) {
			t.Errorf("%s: it went on after %q", c.name, op.Reason)
		}
		if n, err := d.Advance(t.Context()); err != nil || n != map[bool]int{true: 1}[c.want == deadletter.OperationRunning] {
			t.Errorf("%s: %d operations go on, %v", c.name, n, err)
		}
	}
}

// TestAnOperationAtARate: so many each sweep, whatever became of those before.
func TestAnOperationAtARate(t *testing.T) {
	t.Parallel()
	d := newCampaign(t, 10)
	op := d.begin(t, deadletter.Operation{Rate: 4})
	for _, want := range []int{4, 8, 10} {
		if op = d.advance(t, op.ID); op.Retried != want || op.State != deadletter.OperationRunning {
			t.Errorf("%+v, want %d retried", op, want)
		}
	}
	d.now = d.now.Add(time.Minute)
	d.end(t, d.well)
	if op = d.advance(t, op.ID); op.State != deadletter.OperationDone || op.Mended != 10 || op.Step != 3 {
		t.Errorf("%+v", op)
	}
	if d.queues.Depth("default") != 10 {
		t.Errorf("%d messages", d.queues.Depth("default"))
	}
}

// TestAnOperationMeansWhatWasDeadBefore: what dies while it runs is not its own, and a
// filter holds.
func TestAnOperationMeansWhatWasDeadBefore(t *testing.T) {
	t.Parallel()
	d := newCampaign(t, 3)
	other := d.put(t, "other", d.dead(job.InvalidRequest))
	d.now = d.now.Add(time.Second)
	op := d.begin(t, deadletter.Operation{Filter: deadletter.Filter{Code: job.ProviderUnavailable, Until: d.now.Add(time.Hour)}, Rate: 9999})
	if !op.Filter.Until.Equal(d.now) || op.Rate != 200 || op.Version != 1 {
		t.Errorf("started %+v", op)
	}
	fresh := d.put(t, "fresh", d.dead(job.ProviderUnavailable))
	if op = d.advance(t, op.ID); op.Retried != 3 || !op.AtEnd {
		t.Errorf("%+v", op)
	}
	for _, id := range []string{other, fresh} {
		if j, err := d.store.Job(t.Context(), id); err != nil || j.State != job.Dead {
			t.Errorf("row %+v, %v", j, err)
		}
	}
	since := d.begin(t, deadletter.Operation{Filter: deadletter.Filter{Since: d.now.Add(-time.Minute), Until: d.now.Add(-time.Second)}})
	if !since.Filter.Until.Equal(d.now.Add(-time.Second)) {
		t.Errorf("an end in the past is %v", since.Filter.Until)
	}
}

// TestACrashBetweenSaveAndRetry: what was chosen, but not retried, the next step does.
func TestACrashBetweenSaveAndRetry(t *testing.T) {
	t.Parallel()
	d := newCampaign(t, 8)
	op := d.begin(t, deadletter.Operation{Canary: true})
	d.script["Amend"] = faulty.Refuse
	if _, err := d.Advance(t.Context()); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), "advance operation "+op.ID) {
		t.Fatalf("got %v", err)
	}
	if got := d.find(t, op.ID); got.Retried != 5 || len(got.Watched) != 5 || d.end(t, d.well) != 0 {
		t.Fatalf("chosen %+v", got)
	}
	if op = d.advance(t, op.ID); op.Retried != 5 || len(op.Watched) != 5 || d.end(t, d.well) != 5 {
		t.Errorf("after it: %+v", op)
	}
	if op = d.advance(t, op.ID); op.Mended != 5 || op.Retried != 8 {
		t.Errorf("and on: %+v", op)
	}
}

// TestAStoppedOperationRetriesNobody: not even those that a crash left undone.
func TestAStoppedOperationRetriesNobody(t *testing.T) {
	t.Parallel()
	d := newCampaign(t, 5)
	op := d.begin(t, deadletter.Operation{Canary: true})
	d.script["Amend"] = faulty.Refuse
	_, err := d.Advance(t.Context())
	first := d.find(t, op.ID)
	if err == nil || len(first.Watched) != 5 {
		t.Fatalf("%+v, %v", first, err)
	}
	// One of them is retried by hand, and fails as before.
	if _, err := d.Retry(t.Context(), "me", first.Watched[0].Job); err != nil {
		t.Fatal(err)
	}
	d.end(t, d.again("why"))
	if op = d.advance(t, op.ID); op.State != deadletter.OperationStopped || d.end(t, d.well) != 0 {
		t.Errorf("it went on: %+v", op)
	}
	if op.Retried != 5 || op.Returned != 5 || len(op.Watched) != 0 {
		t.Errorf("five were chosen, and all are dead: %d retried, %d returned, %d watched", op.Retried, op.Returned, len(op.Watched))
	}
}

// meddling runs something between a driver's decision and its write.
type meddling struct {
	deadletter.Operations

	once func()
}

func (m *meddling) SaveOperation(ctx context.Context, o *deadletter.Operation) (bool, error) {
	if do := m.once; do != nil {
		m.once = nil
		do()
	}
	return m.Operations.SaveOperation(ctx, o)
}

// TestTwoDriversAtOnce: only one may choose, and only its choice is retried.
func TestTwoDriversAtOnce(t *testing.T) {
	t.Parallel()
	d := newCampaign(t, 12)
	op := d.begin(t, deadletter.Operation{Rate: 4})
	slow := d.OperatorConfig
	slow.Operations = &meddling{Operations: d.store, once: func() { d.advance(t, op.ID) }}
	if _, err := deadletter.NewOperator(slow).Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.find(t, op.ID); got.Version != 2 || got.Retried != 4 || d.queues.Depth("default") != 4 {
		t.Errorf("%+v, %d messages", got, d.queues.Depth("default"))
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	d := newCampaign(t, 12)
	op := d.begin(t, deadletter.Operation{Rate: 4})
	d.advance(t, op.ID)
	// A step comes between: the abort is decided again.
	slow := d.OperatorConfig
	slow.Operations = &meddling{Operations: d.store, once: func() { d.advance(t, op.ID) }}
	for range 2 {
		if got, err := deadletter.NewOperator(slow).Abort(t.Context(), "me", op.ID); err != nil || got.State != deadletter.OperationAborted || got.Retried != 8 || got.Version != 4 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if n, err := d.Advance(t.Context()); n != 0 || err != nil || d.end(t, d.well) != 8 {
		t.Errorf("%d go on, %v", n, err)
	}
	done := d.begin(t, deadletter.Operation{Filter: deadletter.Filter{Code: job.Poison}})
	d.advance(t, done.ID)
	if _, err := d.Abort(t.Context(), "me", done.ID); job.CodeOf(err) != job.StateConflict {
		t.Errorf("abort of a finished one: %v", err)
	}
	for name, id := range map[string]string{"another's": op.ID, "none": job.DerivedID("none"), "no id": "628"} {
		_, aborted := d.Abort(t.Context(), "you", id)
		_, found := d.Find(t.Context(), "you", id)
		if job.CodeOf(aborted) != job.NotFound || aborted.Error() != found.Error() {
			t.Errorf("%s: %v, %v", name, aborted, found)
		}
	}
}

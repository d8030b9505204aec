package relay_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/relay"
)

// skip stores a job that was skipped, as the row of a claim is.
func (r *road) skip(t *testing.T, name string, edit func(*job.Job)) job.Job {
	t.Helper()
	r.hold(t, name, "default", edit)
	j, err := r.store.Amend(t.Context(), job.DerivedID(name), func(j job.Job) (job.Job, error) {
		return job.SkippedByQuota(j, r.now.Add(24*time.Hour), r.now), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestSkippedJobsAreMadeUpWithTheirNewUnits: they wait for slots like all others.
func TestSkippedJobsAreMadeUpWithTheirNewUnits(t *testing.T) {
	t.Parallel()
	r := newRoad()
	a, b := r.skip(t, "a", nil), r.skip(t, "b", nil)
	r.now = a.Look.Add(-time.Millisecond)
	r.sweep(t, relay.Swept{})
	r.now = b.Look
	r.sweep(t, relay.Swept{MadeUp: 2})
	r.give(0, 1)
	r.PaceFor = 0
	r.pace(t, 1, 0)
	states := []job.State{r.row(t, a.ID).State, r.row(t, b.ID).State}
	if !slices.Equal(states, []job.State{job.Queued, job.Queued}) || r.row(t, a.ID).Generation != 1 || r.queues.Depth("default") != 1 {
		t.Errorf("made up %v, %d messages", states, r.queues.Depth("default"))
	}
	r.give(0, 1)
	r.pace(t, 1, 0)
}

// TestOneSweepMakesUpSoManyJobs: on the 1st there are many, and the next sweeps take what one
// leaves.
func TestOneSweepMakesUpSoManyJobs(t *testing.T) {
	t.Parallel()
	r := newRoad()
	r.PerTurn = 1
	names := sameShard(2)
	r.skip(t, names[0], nil)
	r.now = r.skip(t, names[1], nil).Look
	r.sweep(t, relay.Swept{MadeUp: 1})
	r.sweep(t, relay.Swept{MadeUp: 1})
	r.sweep(t, relay.Swept{})
}

// TestWhatIsInNoStateToBeMadeUpIsPassedOver: the list is a hint, and somebody may have
// been quicker, or have taken the job's key.
func TestWhatIsInNoStateToBeMadeUpIsPassedOver(t *testing.T) {
	t.Parallel()
	r := newRoad()
	held := r.skip(t, "a", func(j *job.Job) { j.Unique = "k" })
	r.hold(t, "b", "default", func(j *job.Job) { j.Unique = "k" })
	r.now = held.Look
	r.sweep(t, relay.Swept{Seen: 1, Sent: 1}) // the other one, whose time is over
	if got := r.row(t, held.ID); got.State != job.Skipped {
		t.Errorf("row %+v", got)
	}
	if _, err := r.store.Amend(t.Context(), job.DerivedID("b"), func(j job.Job) (job.Job, error) { return job.Cancel(j, r.now) }); err != nil {
		t.Fatal(err)
	}
	r.sweep(t, relay.Swept{MadeUp: 1})
}

// TestJobsWhoseKeysAreHeldHideNoOthers: as many of them as a sweep makes up stand in front of one
// whose key is free.
func TestJobsWhoseKeysAreHeldHideNoOthers(t *testing.T) {
	t.Parallel()
	r := newRoad()
	r.PerTurn = 2
	for _, key := range []string{"k", "l"} {
		r.skip(t, "skipped "+key, func(j *job.Job) { j.Unique = key })
		r.hold(t, "holder "+key, "default", func(j *job.Job) { j.Unique = key })
	}
	r.now = r.now.Add(time.Second)
	free := r.skip(t, "free", nil)
	r.now = free.Look
	for range 2 {
		if _, err := r.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(time.Minute)
	}
	if got := r.row(t, free.ID); got.Generation != 1 {
		t.Errorf("not made up by the second sweep: %+v", got)
	}
}

// TestSideFaultsAreReportedAndStopNobodyElse breaks one call beside the shards.
func TestSideFaultsAreReportedAndStopNobodyElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op, want string
		swept    relay.Swept
	}{
		{"Lapsed", "find skipped jobs", relay.Swept{Seen: 1, Sent: 1}},
		{"Amend", "make up job", relay.Swept{Seen: 1, Sent: 1}},
		{"Peek", "read due jobs of shard", relay.Swept{MadeUp: 1, Seen: 1}},
	} {
		t.Run(c.op, func(t *testing.T) {
			t.Parallel()
			r := newRoad()
			name := sameShard(2)
			j := r.skip(t, name[0], nil)
			r.queued(t, name[1], "plain")
			r.now = j.Look.Add(-time.Hour) // the other job has not expired
			if _, err := r.store.Amend(t.Context(), j.ID, func(j job.Job) (job.Job, error) { j.Look = r.now; return j, nil }); err != nil {
				t.Fatal(err)
			}
			r.script[c.op] = faulty.Refuse
			got, err := r.Sweep(t.Context())
			got.Oldest = 0
			if err == nil || !strings.Contains(err.Error(), c.want) || got != c.swept {
				t.Errorf("got %+v, %v, want %+v", got, err, c.swept)
			}
		})
	}
}

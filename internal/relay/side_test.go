package relay_test

import (
	"errors"
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
	r.hold(t, name, "paced", "default", edit)
	j, err := r.store.Amend(t.Context(), job.DerivedID(name), func(j job.Job) (job.Job, error) {
		return job.SkippedByQuota(j, r.now.Add(24*time.Hour), r.now), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// die buries a job of the table.
func (r *road) die(t *testing.T, name string) job.Event {
	t.Helper()
	r.hold(t, name, "plain", "default", nil)
	j, err := r.store.Amend(t.Context(), job.DerivedID(name), func(j job.Job) (job.Job, error) {
		return job.Buried(j, job.Internal, "why", job.Carried{Ticket: 1}, r.now), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return job.Death(&j)
}

// TestSkippedJobsAreMadeUpWithTheirNewUnits: they wait for slots like all others.
func TestSkippedJobsAreMadeUpWithTheirNewUnits(t *testing.T) {
	t.Parallel()
	r := newRoad()
	a, b := r.skip(t, "a", nil), r.skip(t, "b", nil)
	r.now = a.Look.Add(-time.Millisecond)
	r.sweep(t, relay.Swept{})
	r.now = a.Look
	r.lanes.other = []time.Time{r.now}
	// Behind those that wait already: they are sent by the next sweep.
	r.sweep(t, relay.Swept{MadeUp: 2})
	r.sweep(t, relay.Swept{Seen: 2, Sent: 1, Paced: 1})
	states := []job.State{r.row(t, a.ID).State, r.row(t, b.ID).State}
	if !slices.Equal(states, []job.State{job.Queued, job.Queued}) || r.row(t, a.ID).Generation != 1 || r.queues.Depth("default") != 1 {
		t.Errorf("made up %v, %d messages", states, r.queues.Depth("default"))
	}
	r.lanes.other = []time.Time{r.now}
	r.sweep(t, relay.Swept{Seen: 1, Sent: 1})
}

// TestWhatIsInNoStateToBeMadeUpIsPassedOver: the list is a hint, and somebody may have
// been quicker, or have taken the job's key.
func TestWhatIsInNoStateToBeMadeUpIsPassedOver(t *testing.T) {
	t.Parallel()
	r := newRoad()
	held := r.skip(t, "a", func(j *job.Job) { j.Unique = "k" })
	r.hold(t, "b", "plain", "default", func(j *job.Job) { j.Unique = "k" })
	r.now = held.Look
	r.sweep(t, relay.Swept{Seen: 1, Sent: 1})
	if got := r.row(t, held.ID); got.State != job.Skipped {
		t.Errorf("row %+v", got)
	}
	if _, err := r.store.Amend(t.Context(), job.DerivedID("b"), func(j job.Job) (job.Job, error) { return job.Cancel(j, r.now) }); err != nil {
		t.Fatal(err)
	}
	r.sweep(t, relay.Swept{MadeUp: 1})
}

func TestEventsAreTold(t *testing.T) {
	t.Parallel()
	r := newRoad()
	first := r.die(t, "a")
	r.now = r.now.Add(time.Second)
	second := r.die(t, "b")
	r.sweep(t, relay.Swept{Told: 2})
	r.sweep(t, relay.Swept{})
	if !slices.Equal(r.told, []string{first.ID, second.ID}) {
		t.Errorf("told %v", r.told)
	}
}

// TestAnEventThatCannotBeToldStays, and does not keep the others back.
func TestAnEventThatCannotBeToldStays(t *testing.T) {
	t.Parallel()
	r := newRoad()
	mute, other := r.die(t, "mute"), r.die(t, "other")
	r.mute = errors.New("no topic")
	if got, err := r.Sweep(t.Context()); err == nil || !strings.Contains(err.Error(), "tell event "+mute.ID+": no topic") || got.Told != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	r.mute = nil
	r.sweep(t, relay.Swept{}) // a minute of patience
	r.now = r.now.Add(time.Minute)
	r.sweep(t, relay.Swept{Told: 1})
	if !slices.Equal(r.told, []string{other.ID, mute.ID}) {
		t.Errorf("told %v", r.told)
	}
}

// TestAnEventIsToldAgainRatherThanNever: the id is the same, so a listener can tell.
func TestAnEventIsToldAgainRatherThanNever(t *testing.T) {
	t.Parallel()
	r := newRoad()
	e := r.die(t, "a")
	r.script["Told"] = faulty.Refuse
	if got, err := r.Sweep(t.Context()); err == nil || !strings.Contains(err.Error(), "remove event "+e.ID) || got.Told != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	r.sweep(t, relay.Swept{Told: 1})
	if !slices.Equal(r.told, []string{e.ID, e.ID}) {
		t.Errorf("told %v", r.told)
	}
}

// TestSideFaultsAreReportedAndStopNobodyElse breaks one call beside the shards.
func TestSideFaultsAreReportedAndStopNobodyElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op, want string
		swept    relay.Swept
	}{
		{"Lapsed", "find skipped jobs", relay.Swept{Seen: 1, Sent: 1, Told: 1}},
		{"Amend", "make up job", relay.Swept{Seen: 1, Sent: 1, Told: 1}},
		{"Pending", "find events", relay.Swept{MadeUp: 1, Seen: 1, Sent: 1}},
		{"Peek", "read due jobs of shard", relay.Swept{MadeUp: 1, Seen: 1, Told: 1}},
	} {
		t.Run(c.op, func(t *testing.T) {
			t.Parallel()
			r := newRoad()
			name := sameShard(2)
			j := r.skip(t, name[0], nil)
			r.die(t, "dead")
			r.hold(t, name[1], "plain", "default", nil)
			r.now = j.Look.Add(-time.Hour) // the held job has not expired
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

// TestAReceiverThatIsDownIsNoErrorOfTheSweep: it is asked again later and later, as it
// wishes, and in the end not at all.
func TestAReceiverThatIsDownIsNoErrorOfTheSweep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		why  error
		next time.Duration // 0 for never
	}{
		{"down", job.Errorf(job.WebhookFailed, "503"), time.Minute},
		{"busy", &job.Error{Code: job.WebhookFailed, Message: "429", RetryAfter: 2 * time.Hour}, 2 * time.Hour},
		{"gone", job.Errorf(job.WebhookRefused, "410"), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRoad()
			e := r.die(t, "mute")
			r.mute = c.why
			r.sweep(t, relay.Swept{})
			d, err := r.store.Deliveries(t.Context(), []string{e.ID})
			if err != nil || len(d) != 1 || d[0].Tries != 1 || d[0].Reason != c.why.Error() || d[0].Next.IsZero() != (c.next == 0) || c.next > 0 && d[0].Next.Sub(r.now) != c.next {
				t.Fatalf("got %+v, %v", d, err)
			}
			r.mute = nil
			r.now = r.now.Add(max(c.next-time.Millisecond, 0))
			r.sweep(t, relay.Swept{})
			if r.now = r.now.Add(time.Millisecond); c.next > 0 {
				r.sweep(t, relay.Swept{Told: 1})
			} else {
				r.sweep(t, relay.Swept{})
			}
		})
	}
}

// TestAMissThatCannotBeNoted is told, beside what was missed.
func TestAMissThatCannotBeNoted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  error
		both bool
	}{{job.Errorf(job.WebhookFailed, "503"), false}, {errors.New("no topic"), true}} {
		r := newRoad()
		e := r.die(t, "mute")
		r.mute, r.script["Missed"] = c.why, faulty.Refuse
		_, err := r.Sweep(t.Context())
		if err == nil || !strings.Contains(err.Error(), "put off event "+e.ID) || strings.Contains(err.Error(), "tell event "+e.ID) != c.both {
			t.Errorf("got %v", err)
		}
		r.mute = nil
		r.sweep(t, relay.Swept{Told: 1})
	}
}

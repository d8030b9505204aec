package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
	"orbitq/internal/relay"
)

// lanes is a limiter that has some slots left in each lane.
type lanes struct {
	high, other []time.Time
	asked       []string // lane and number of each question
	err         error
}

func (l *lanes) Reserve(_ context.Context, high bool, n int) ([]time.Time, error) {
	lane, name := &l.other, "other"
	if high {
		lane, name = &l.high, "high"
	}
	l.asked = append(l.asked, fmt.Sprint(name, " ", n))
	if l.err != nil {
		return nil, l.err
	}
	got := (*lane)[:min(n, len(*lane))]
	*lane = (*lane)[len(got):]
	return got, nil
}

// road is a relay whose jobs of the kind "paced" need a slot.
type road struct {
	*relay.Relay

	store  *memstore.Store
	queues *memqueue.Queues
	lanes  *lanes
	now    time.Time
	script faulty.Script
}

func newRoad() *road {
	r := &road{store: memstore.New(job.DefaultTiming()), lanes: &lanes{}, now: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), script: faulty.Script{}}
	r.queues = memqueue.New(memqueue.Config{Now: func() time.Time { return r.now }, Visibility: time.Hour, MaxReceives: 8, Names: []string{"high", "default", "low"}})
	p := &faulty.Process{Plan: r.script}
	table := &faulty.Store{Table: r.store, Process: p}
	r.Relay = relay.New(relay.Config{
		Store: table, Skipped: table, Sender: &faulty.Queue{Inner: r.queues, Process: p}, Pacer: r.lanes,
		Policies: map[string]job.Policy{"paced": {Paced: true}}, Now: func() time.Time { return r.now }, Timing: job.DefaultTiming(),
	})
	return r
}

// hold stores a job whose message is left to the relay.
func (r *road) hold(t *testing.T, name, kind, queue string, edit func(*job.Job)) job.Job {
	t.Helper()
	j := job.Job{ID: job.DerivedID(name), Kind: kind, Owner: "u", Queue: queue, MaxAttempts: 3, Limit: job.Unlimited, Tier: "free"}
	if edit != nil {
		edit(&j)
	}
	j = job.Held(job.Accepted(j, r.now, 24*time.Hour, 15*time.Minute), r.now)
	if _, existed, err := r.store.Accept(t.Context(), &j); err != nil || existed {
		t.Fatal(existed, err)
	}
	return j
}

// sameShard returns names of jobs that lie in the shard of the first.
func sameShard(n int) []string {
	var names []string
	for i := 0; len(names) < n; i++ {
		name := fmt.Sprint("job ", i)
		if job.Shard(job.DerivedID(name), relay.Shards) == job.Shard(job.DerivedID("job 0"), relay.Shards) {
			names = append(names, name)
		}
	}
	return names
}

// sweep sweeps once and demands the counts; how late it was has a test of its own.
func (r *road) sweep(t *testing.T, want relay.Swept) {
	t.Helper()
	got, err := r.Sweep(t.Context())
	got.Oldest = 0
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func (r *road) row(t *testing.T, id string) job.Job {
	t.Helper()
	j, err := r.store.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestMessagesArriveAtTheirSlots: delays are whole seconds, so a message comes up to
// one before its slot and never behind it.
func TestMessagesArriveAtTheirSlots(t *testing.T) {
	t.Parallel()
	r := newRoad()
	begin := r.now
	for _, name := range sameShard(4) {
		r.hold(t, name, "paced", "low", nil)
	}
	for _, d := range []time.Duration{0, 2999 * time.Millisecond, 66 * time.Second, 15*time.Minute - 1} {
		r.lanes.other = append(r.lanes.other, begin.Add(d))
	}
	r.sweep(t, relay.Swept{Seen: 4, Sent: 4})
	for i, at := range []time.Duration{0, 2 * time.Second, 66 * time.Second, 899 * time.Second} {
		r.now = begin.Add(at - 1)
		if early := r.queues.Receive("low", 10); len(early) != 0 && i > 0 {
			t.Errorf("message %d came before %v", i, at)
		}
		r.now = begin.Add(at)
		ds := r.queues.Receive("low", 10)
		if len(ds) != 1 {
			t.Fatalf("%d messages at %v", len(ds), at)
		}
		m, err := job.DecodeMessage(ds[0].Body)
		if err != nil {
			t.Fatal(err)
		}
		slot := r.row(t, m.Job).Slot
		if early := slot.Sub(r.now); early < 0 || early >= time.Second || m.Ticket != 2 {
			t.Errorf("message %+v came %v before its slot", m, early)
		}
	}
}

// TestAFullLaneStopsOnlyItself: those without a slot stay as they are, at no cost;
// nobody asks again for a lane that is full, and other kinds and lanes go on.
func TestAFullLaneStopsOnlyItself(t *testing.T) {
	t.Parallel()
	r := newRoad()
	var waiting []job.Job
	for i := range 20 {
		waiting = append(waiting, r.hold(t, fmt.Sprint("default ", i), "paced", "default", nil))
		r.hold(t, fmt.Sprint("high ", i), "paced", "high", nil)
		r.hold(t, fmt.Sprint("plain ", i), "plain", "default", nil)
	}
	r.lanes.other = []time.Time{r.now}
	r.lanes.high = slices.Repeat([]time.Time{r.now}, 20)
	r.sweep(t, relay.Swept{Seen: 60, Sent: 41, Paced: 19})
	full := false
	for _, asked := range r.lanes.asked {
		if full && strings.HasPrefix(asked, "other") {
			t.Errorf("asked again for a full lane: %v", r.lanes.asked)
		}
		full = full || strings.HasPrefix(asked, "other") && asked != "other 1"
	}
	sent := 0
	for i := range waiting {
		if j := r.row(t, waiting[i].ID); j.Ticket == 2 {
			sent++
		} else if j.Position() != waiting[i].Position() || j.Resends != 0 || !j.Look.Equal(waiting[i].Look) {
			t.Errorf("a job without a slot changed to %+v", j)
		}
	}
	if sent != 1 {
		t.Errorf("%d of them were sent", sent)
	}
}

// TestTheHighQueueGoesFirst: it may take what the others would.
func TestTheHighQueueGoesFirst(t *testing.T) {
	t.Parallel()
	r := newRoad()
	names := sameShard(3)
	for i, queue := range []string{"low", "default", "high"} {
		r.hold(t, names[i], "paced", queue, nil)
	}
	r.lanes.high, r.lanes.other = []time.Time{r.now}, []time.Time{r.now, r.now}
	r.sweep(t, relay.Swept{Seen: 3, Sent: 3})
	if !slices.Equal(r.lanes.asked, []string{"high 1", "other 2"}) {
		t.Errorf("asked %v", r.lanes.asked)
	}
}

// TestEachShardComesFirstInTurn: with a backlog everywhere and one slot a sweep, none
// starves.
func TestEachShardComesFirstInTurn(t *testing.T) {
	t.Parallel()
	r := newRoad()
	waiting := map[string]int{} // shard of each job
	for i := range 20 * relay.Shards {
		j := r.hold(t, fmt.Sprint("job ", i), "paced", "default", nil)
		waiting[j.ID] = job.Shard(j.ID, relay.Shards)
	}
	served := map[int]int{}
	for range relay.Shards {
		r.lanes.other = []time.Time{r.now}
		if got, err := r.Sweep(t.Context()); err != nil || got.Sent != 1 {
			t.Fatalf("got %+v, %v", got, err)
		}
		for id, shard := range waiting {
			if r.row(t, id).Ticket == 2 {
				served[shard]++
				delete(waiting, id)
			}
		}
		r.now = r.now.Add(time.Minute)
	}
	if len(served) != relay.Shards {
		t.Errorf("of %d shards only these were served: %v", relay.Shards, served)
	}
}

// TestWhoNeverRunsNeedsNoSlot: a promise to start in time is worth most when the
// limiter is full, and no call is made for a job that only dies.
func TestWhoNeverRunsNeedsNoSlot(t *testing.T) {
	t.Parallel()
	r := newRoad()
	late := r.hold(t, "late", "paced", "default", func(j *job.Job) { j.StartBy = r.now.Add(time.Minute) })
	over := r.hold(t, "over", "paced", "high", nil)
	r.hold(t, "waits", "paced", "default", func(j *job.Job) { j.StartBy = r.now.Add(time.Hour) })
	r.sweep(t, relay.Swept{Seen: 3, Paced: 3})
	r.now = late.StartBy
	r.sweep(t, relay.Swept{Seen: 3, Sent: 1, Paced: 2})
	if j := r.row(t, late.ID); j.Ticket != 2 || !j.Slot.IsZero() {
		t.Errorf("the late job is %+v", j)
	}
	r.now = over.Deadline
	r.sweep(t, relay.Swept{Seen: 3, Sent: 3})
	if len(r.lanes.high)+len(r.lanes.other) != 0 || r.row(t, over.ID).Ticket != 2 {
		t.Errorf("the expired job is %+v", r.row(t, over.ID))
	}
}

// TestHowLateTheRelayIs counts those that it may send, not those that wait for a slot.
func TestHowLateTheRelayIs(t *testing.T) {
	t.Parallel()
	r := newRoad()
	r.hold(t, "paced", "paced", "default", nil)
	r.now = r.now.Add(20 * time.Minute)
	r.hold(t, "plain", "plain", "default", nil)
	r.now = r.now.Add(3 * time.Minute)
	if got, err := r.Sweep(t.Context()); err != nil || got.Oldest != 3*time.Minute || got.Paced != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	r.lanes.other = []time.Time{r.now}
	if got, err := r.Sweep(t.Context()); err != nil || got.Oldest != 23*time.Minute {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestAnUnreachableLimiterKeepsOnlyItsOwn.
func TestAnUnreachableLimiterKeepsOnlyItsOwn(t *testing.T) {
	t.Parallel()
	r := newRoad()
	r.lanes.err = errors.New("unreachable")
	r.hold(t, "paced", "paced", "default", nil)
	r.hold(t, "plain", "plain", "default", nil)
	got, err := r.Sweep(t.Context())
	got.Oldest = 0
	if err == nil || !strings.Contains(err.Error(), "book slots: unreachable") || got != (relay.Swept{Seen: 2, Sent: 1, Paced: 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

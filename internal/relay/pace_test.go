package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
	"orbitq/internal/relay"
)

// lanes is a limiter that has some slots left in each lane.
type lanes struct {
	high, other []time.Time
	now         func() time.Time
	wait        time.Duration // until there is one, when there is none
	asked       []limit.Want
	waiting     []string
	freed       []limit.Want
	openErr     error
	err         error
}

func (l *lanes) Opening(context.Context) (limit.Opening, error) {
	return limit.Opening{At: l.now(), Reserved: len(l.high), Shared: len(l.other), Wait: l.wait}, l.openErr
}

func (l *lanes) Reserve(_ context.Context, wants []limit.Want, waiting []string) ([]time.Time, error) {
	l.asked, l.waiting = append(l.asked, wants...), waiting
	if l.err != nil {
		return nil, l.err
	}
	slots := make([]time.Time, len(wants))
	for i, w := range wants {
		lane := &l.other
		if w.High && len(l.high) > 0 {
			lane = &l.high
		}
		if len(*lane) > 0 {
			slots[i], *lane = (*lane)[0], (*lane)[1:]
		}
	}
	return slots, nil
}

func (l *lanes) Free(w limit.Want, _ time.Time) { l.freed = append(l.freed, w) }

// road is a relay whose jobs of the kind "paced" need a slot.
type road struct {
	*relay.Relay

	store  *memstore.Store
	queues *memqueue.Queues
	lanes  *lanes
	now    time.Time
	script faulty.Script
	slept  []time.Duration
	known  string // a job whose answer is known
	needs  error  // of the question whether a job needs a call
	full   error  // of a sleep
}

func newRoad() *road {
	r := &road{store: memstore.New(job.DefaultTiming()), lanes: &lanes{wait: time.Hour}, now: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), script: faulty.Script{}}
	clock := func() time.Time { return r.now }
	r.lanes.now = clock
	r.queues = memqueue.New(memqueue.Config{Now: clock, Visibility: time.Hour, MaxReceives: 8, Names: []string{"high", "default", "low"}})
	p := &faulty.Process{Plan: r.script}
	table := &faulty.Store{Table: r.store, Process: p}
	r.Relay = relay.New(relay.Config{
		Store: table, Skipped: table, Line: table, Sender: &faulty.Queue{Inner: r.queues, Process: p}, Pacer: r.lanes,
		Policies: map[string]job.Policy{"paced": {Paced: true}}, Now: clock, Timing: job.DefaultTiming(), Limit: limit.DefaultPolicy(),
		PaceFor: 58 * time.Second, NeedsCall: func(_ context.Context, j *job.Job) (bool, error) { return j.ID != r.known, r.needs },
		Sleep: func(_ context.Context, d time.Duration) error {
			r.slept, r.now = append(r.slept, d), r.now.Add(d)
			return r.full
		},
	})
	return r
}

// hold stores a job that stands in line.
func (r *road) hold(t *testing.T, name, queue string, edit func(*job.Job)) job.Job {
	t.Helper()
	j := job.Job{ID: job.DerivedID(name), Kind: "paced", Owner: "u", Queue: queue, MaxAttempts: 3, Limit: job.Unlimited, Tier: "free"}
	if edit != nil {
		edit(&j)
	}
	j = job.InLine(job.Accepted(j, r.now, 24*time.Hour, 15*time.Minute), r.now)
	if _, existed, err := r.store.Accept(t.Context(), &j); err != nil || existed {
		t.Fatal(existed, err)
	}
	r.now = r.now.Add(time.Millisecond) // lines are in the order of acceptance
	return j
}

// queued stores a job whose message was never sent.
func (r *road) queued(t *testing.T, name, kind string) job.Job {
	t.Helper()
	j := job.Job{ID: job.DerivedID(name), Kind: kind, Owner: "u", Queue: "default", MaxAttempts: 3, Limit: job.Unlimited, Tier: "free"}
	j = job.Accepted(j, r.now, 24*time.Hour, 15*time.Minute)
	if _, _, err := r.store.Accept(t.Context(), &j); err != nil {
		t.Fatal(err)
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

// pace serves the line and demands how many messages were sent, with a slot and without.
func (r *road) pace(t *testing.T, sent, free int) {
	t.Helper()
	got, err := r.Pace(t.Context())
	if err != nil || got.Sent != sent || got.Free != free {
		t.Errorf("got %+v, %v, want %d sent and %d without a slot", got, err, sent, free)
	}
}

// give has slots that are free now.
func (r *road) give(high, other int) {
	r.lanes.high, r.lanes.other = slices.Repeat([]time.Time{r.now}, high), slices.Repeat([]time.Time{r.now}, other)
}

func (r *road) row(t *testing.T, id string) job.Job {
	t.Helper()
	j, err := r.store.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestMessagesArriveAtTheirSlots: delays are whole seconds, so a message comes half a second
// before its slot at least, and a second and a half at most.
func TestMessagesArriveAtTheirSlots(t *testing.T) {
	t.Parallel()
	r := newRoad()
	for _, name := range sameShard(4) {
		r.hold(t, name, "low", nil)
	}
	begin := r.now
	for _, d := range []time.Duration{0, 1499 * time.Millisecond, 1500 * time.Millisecond, 5 * time.Second} {
		r.lanes.other = append(r.lanes.other, begin.Add(d))
	}
	r.PaceFor = 0
	r.pace(t, 4, 0)
	for _, c := range []struct {
		at   time.Duration
		some int
	}{{0, 2}, {time.Second, 1}, {4 * time.Second, 1}} {
		r.now = begin.Add(c.at - 1)
		if early := r.queues.Receive("low", 10); c.at > 0 && len(early) != 0 {
			t.Errorf("a message came before %v", c.at)
		}
		r.now = begin.Add(c.at)
		ds := r.queues.Receive("low", 10)
		if len(ds) != c.some {
			t.Fatalf("%d messages at %v", len(ds), c.at)
		}
		for _, d := range ds {
			m, err := job.DecodeMessage(d.Body)
			if err != nil || m.Ticket != 2 {
				t.Fatal(m, err)
			}
			if early := r.row(t, m.Job).Slot.Sub(r.now); early < 0 || early > limit.Patience {
				t.Errorf("message %+v came %v before its slot", m, early)
			}
		}
	}
}

// TestTheSweepLinesJobsUp: the sweep lets jobs that call the provider stand in line, and sends
// the others at once.
func TestTheSweepLinesJobsUp(t *testing.T) {
	t.Parallel()
	r := newRoad()
	paced, plain := r.queued(t, "paced", "paced"), r.queued(t, "plain", "plain")
	r.now = plain.Look
	r.sweep(t, relay.Swept{Seen: 2, Sent: 1, Lined: 1})
	if j := r.row(t, paced.ID); !j.AwaitsSlot || j.Ticket != 1 || !j.Look.Equal(j.Deadline) {
		t.Errorf("in line %+v", j)
	}
	r.sweep(t, relay.Swept{}) // it is not found again
	r.give(0, 3)
	r.pace(t, 1, 0)
	if j := r.row(t, paced.ID); j.AwaitsSlot || j.Ticket != 2 || !j.Slot.Equal(r.lanes.other[0]) {
		t.Errorf("sent %+v", j)
	}
}

// TestAFullLaneStopsOnlyItself: jobs without a slot stay as they are, at no cost, and those of
// the other lane go on.
func TestAFullLaneStopsOnlyItself(t *testing.T) {
	t.Parallel()
	r := newRoad()
	var waiting []job.Job
	for i := range 20 {
		waiting = append(waiting, r.hold(t, fmt.Sprint("default ", i), "default", nil))
		r.hold(t, fmt.Sprint("high ", i), "high", nil)
	}
	r.give(20, 0)
	r.PaceFor = 0
	r.pace(t, 20, 0)
	for i := range waiting {
		if j := r.row(t, waiting[i].ID); j.Ticket != 1 || j.Resends != 0 || !j.AwaitsSlot {
			t.Errorf("a job without a slot changed to %+v", j)
		}
	}
	if len(r.lanes.asked) != 20 || !slices.Equal(r.lanes.waiting, []string{"u"}) {
		t.Errorf("asked for %d slots, waiting %v", len(r.lanes.asked), r.lanes.waiting)
	}
}

// TestTheHighQueueGoesFirst, of one owner, and takes its own lane before the shared one.
func TestTheHighQueueGoesFirst(t *testing.T) {
	t.Parallel()
	r := newRoad()
	for _, queue := range []string{"low", "default", "high"} {
		r.hold(t, queue+" 1", queue, nil)
		r.hold(t, queue+" 2", queue, nil)
	}
	r.give(1, 2)
	r.PaceFor = 0
	r.pace(t, 3, 0)
	for name, sent := range map[string]bool{"high 1": true, "high 2": true, "default 1": true, "default 2": false, "low 1": false} {
		if got := r.row(t, job.DerivedID(name)).Ticket == 2; got != sent {
			t.Errorf("%s was sent: %v", name, got)
		}
	}
}

// TestJobsThatNeverRunNeedNoSlot: a promise to start in time is worth most when the limiter
// is full, and no call is made for a job that only dies.
func TestJobsThatNeverRunNeedNoSlot(t *testing.T) {
	t.Parallel()
	r := newRoad()
	late := r.hold(t, "late", "default", func(j *job.Job) { j.StartBy = r.now.Add(time.Minute) })
	r.hold(t, "waits", "default", func(j *job.Job) { j.StartBy = r.now.Add(time.Hour) })
	r.sweep(t, relay.Swept{})
	r.now = late.StartBy
	r.sweep(t, relay.Swept{Seen: 1, Sent: 1})
	if j := r.row(t, late.ID); j.Ticket != 2 || !j.Slot.IsZero() {
		t.Errorf("the late job is %+v", j)
	}
	// And where the relay meets it in line, before the sweep does.
	again := r.hold(t, "again", "default", func(j *job.Job) { j.StartBy = r.now.Add(time.Minute) })
	r.now = again.StartBy.Add(time.Hour)
	r.give(0, 1)
	r.PaceFor = 0
	r.pace(t, 0, 2)
}

// TestJobsThatNeedNoSlot: a known answer needs none, and neither does a job that will be skipped; one whose owner's
// units are all reserved waits in line, and its owner comes again later.
func TestJobsThatNeedNoSlot(t *testing.T) {
	t.Parallel()
	r := newRoad()
	limited := func(owner string, limit int) func(*job.Job) {
		return func(j *job.Job) { j.Owner, j.Limit, j.Tier = owner, limit, "free" }
	}
	r.known = r.hold(t, "known", "default", func(j *job.Job) { j.Owner = "a" }).ID
	r.hold(t, "skipped", "default", limited("b", 0))
	blocked := r.hold(t, "blocked", "default", limited("c", 1))
	holder := r.queued(t, "holder", "plain")
	if _, err := r.store.Amend(t.Context(), holder.ID, func(j job.Job) (job.Job, error) { j.Owner, j.Limit = "c", 1; return j, nil }); err != nil {
		t.Fatal(err)
	}
	if c, err := r.store.Claim(t.Context(), job.ClaimRequest{Message: holder.Message(), Now: r.now, Lease: job.Lease{Token: "t", Until: r.now.Add(time.Hour)}}); err != nil || c.Verdict != job.Run {
		t.Fatal(c.Verdict, err)
	}
	r.give(0, 5)
	r.PaceFor = 100 * time.Millisecond
	r.pace(t, 0, 2)
	if j := r.row(t, blocked.ID); !j.AwaitsSlot || len(r.lanes.asked) != 0 {
		t.Errorf("blocked %+v, asked %v", j, r.lanes.asked)
	}
	if found, err := r.store.Waiters(t.Context(), "default", r.now, 10); err != nil || slices.ContainsFunc(found, func(w relay.Waiter) bool { return w.Owner == "c" }) {
		t.Errorf("the owner without a unit is asked again at once: %+v, %v", found, err)
	}
	if found, err := r.store.Waiters(t.Context(), "default", r.now.Add(job.DefaultTiming().QuotaWait), 10); err != nil || !slices.ContainsFunc(found, func(w relay.Waiter) bool { return w.Owner == "c" }) {
		t.Errorf("the owner is forgotten: %+v, %v", found, err)
	}
}

// TestNoMoreJobsThanUnits: those that are on their way take a unit each when they arrive.
func TestNoMoreJobsThanUnits(t *testing.T) {
	t.Parallel()
	r := newRoad()
	for i := range 10 {
		r.hold(t, strconv.Itoa(i), "default", func(j *job.Job) { j.Limit = 3 })
	}
	r.give(0, 9)
	r.PaceFor = 0
	r.pace(t, 3, 0)
}

// TestPaceEnds: at once without a line, after its time, with the function, and when the line
// is empty.
func TestPaceEnds(t *testing.T) {
	t.Parallel()
	r := newRoad()
	r.give(0, 1)
	r.pace(t, 0, 0)
	if len(r.slept) != 0 {
		t.Errorf("without a line it slept %v", r.slept)
	}
	r.give(0, 0)
	r.lanes.wait = 10 * time.Second
	r.hold(t, "a", "default", nil)
	begin := r.now
	r.pace(t, 0, 0)
	if took := r.now.Sub(begin); took != 50*time.Second {
		t.Errorf("with all slots taken it ended after %v", took)
	}
	r.full = errors.New("the function ends")
	begin = r.now
	r.pace(t, 0, 0)
	if took := r.now.Sub(begin); took != 10*time.Second {
		t.Errorf("beyond its function it ended after %v", took)
	}
	r.full = nil
	r.give(0, 1)
	r.pace(t, 1, 0)
	if left, err := r.store.Waiters(t.Context(), "default", r.now, 1); err != nil || len(left) != 1 {
		t.Errorf("an owner leaves the line when it was empty for long: %v, %v", left, err)
	}
	for range 3 {
		r.now = r.now.Add(relay.KeepEmpty)
		r.give(0, 1)
		r.pace(t, 0, 0)
	}
	if left, err := r.store.Waiters(t.Context(), "default", r.now.Add(time.Hour), 1); err != nil || len(left) != 0 {
		t.Errorf("still in line: %v, %v", left, err)
	}
}

// TestFaultsOfPaceAreReportedAndCostTheOthersNothing breaks one call while two owners wait.
func TestFaultsOfPaceAreReportedAndCostTheOthersNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op, want string
		sent     int // with the fault once, and all slots there
		freed    int
	}{
		{"Waiters", "find owners in line", 0, 0},
		{"InLine", "read line", 1, 0},
		{"Units", "read meter", 1, 0},
		{"Served", "move owner in line", 2, 0},
		{"Emptied", "leave line", 2, 0},
		{"Retake", "take ticket of job", 1, 1},
		{"Send", "send job", 1, 1},
	} {
		t.Run(c.op, func(t *testing.T) {
			t.Parallel()
			r := newRoad()
			r.PaceFor = 0
			r.hold(t, "a", "default", func(j *job.Job) { j.Owner = "a" })
			r.hold(t, "b", "default", func(j *job.Job) { j.Owner = "b" })
			if c.op == "Emptied" {
				gone := r.hold(t, "c", "default", func(j *job.Job) { j.Owner = "c" })
				if _, err := r.store.Amend(t.Context(), gone.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, r.now) }); err != nil {
					t.Fatal(err)
				}
			}
			r.give(0, 9)
			r.script[c.op] = faulty.Refuse
			got, err := r.Pace(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || got.Sent != c.sent || len(r.lanes.freed) != c.freed {
				t.Errorf("got %+v, %v, %d slots given back", got, err, len(r.lanes.freed))
			}
		})
	}
	r := newRoad()
	r.PaceFor = 0
	r.hold(t, "a", "default", nil)
	for _, c := range []struct {
		edit func()
		want string
	}{
		{func() { r.lanes.openErr = errors.New("no row") }, "ask the limiter: no row"},
		{func() { r.lanes.openErr, r.lanes.err = nil, errors.New("no write") }, "book slots: no write"},
		{func() { r.lanes.err, r.needs = nil, errors.New("no point") }, "look for an answer: no point"},
	} {
		c.edit()
		r.give(0, 1)
		if got, err := r.Pace(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || got.Sent != 0 {
			t.Errorf("got %+v, %v, want %s", got, err, c.want)
		}
	}
	r.needs = nil
	r.give(0, 1)
	r.pace(t, 1, 0)
}

// TestAJobThatLeavesTheLineMeanwhileGivesItsSlotBack: another relay was quicker.
func TestAJobThatLeavesTheLineMeanwhileGivesItsSlotBack(t *testing.T) {
	t.Parallel()
	r := newRoad()
	j := r.hold(t, "a", "default", nil)
	r.NeedsCall = func(ctx context.Context, _ *job.Job) (bool, error) {
		_, err := r.store.Amend(ctx, j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, r.now) })
		return true, err
	}
	r.give(0, 1)
	r.PaceFor = 0
	r.pace(t, 0, 0)
	if len(r.lanes.freed) != 1 || r.lanes.freed[0].Job != j.ID || r.queues.Depth("default") != 0 {
		t.Errorf("freed %+v", r.lanes.freed)
	}
	// A slot that another relay took meanwhile leaves the job in line.
	k := r.hold(t, "b", "default", nil)
	r.NeedsCall = func(context.Context, *job.Job) (bool, error) { r.lanes.other = nil; return true, nil }
	r.give(0, 1)
	r.pace(t, 0, 0)
	if row := r.row(t, k.ID); !row.AwaitsSlot || row.Ticket != 1 {
		t.Errorf("row %+v", row)
	}
}

// TestHowLateTheRelayIs counts jobs that it sends, not those that stand in line.
func TestHowLateTheRelayIs(t *testing.T) {
	t.Parallel()
	r := newRoad()
	r.queued(t, "paced", "paced")
	r.now = r.now.Add(20 * time.Minute)
	plain := r.queued(t, "plain", "plain")
	r.now = plain.Look.Add(3 * time.Minute)
	if got, err := r.Sweep(t.Context()); err != nil || got.Oldest != 3*time.Minute || got.Lined != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestALineThatCannotBeJoinedIsTriedAgain, and stops no other job.
func TestALineThatCannotBeJoinedIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRoad()
	r.queued(t, "paced", "paced")
	plain := r.queued(t, "plain", "plain")
	r.now = plain.Look
	r.script["Amend"] = faulty.Refuse
	got, err := r.Sweep(t.Context())
	if err == nil || !strings.Contains(err.Error(), "stand in line") || got.Sent != 1 || got.Lined != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	r.sweep(t, relay.Swept{Seen: 1, Lined: 1})
}

// TestARowThatHasMovedOnJoinsNoLine: the index is a hint.
func TestARowThatHasMovedOnJoinsNoLine(t *testing.T) {
	t.Parallel()
	r := newRoad()
	j := r.queued(t, "paced", "paced")
	r.now = j.Look
	r.Store = snooping{r.Store, func() {
		if _, err := r.store.Amend(t.Context(), j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, r.now) }); err != nil {
			t.Error(err)
		}
	}}
	r.sweep(t, relay.Swept{Seen: 1})
}

// snooping runs something between the reading of rows and what is done with them.
type snooping struct {
	relay.Store

	between func()
}

func (s snooping) Peek(ctx context.Context, hints []relay.Hint, now time.Time) ([]job.Job, error) {
	seen, err := s.Store.Peek(ctx, hints, now)
	if len(seen) > 0 {
		s.between()
	}
	return seen, err
}

package storetest

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/relay"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// all is more rows than the rules leave in any list.
const all = 1000

// pending returns the events of some jobs that are still to be told, in the store's
// order, whenever each is due: a rule may let a job die long after every other.
func pending(t *testing.T, s Store, jobs ...string) []job.Event {
	t.Helper()
	return slices.DeleteFunc(pendingAt(t, s, time.Time{}), func(e job.Event) bool { return !slices.Contains(jobs, e.Job) })
}

// pendingAt returns the events of all lanes that are due at a time, lane by lane; the zero
// time means all.
func pendingAt(t *testing.T, s Store, now time.Time) (events []job.Event) {
	t.Helper()
	for lane := range 1 + job.UserLanes {
		for after := ""; ; {
			page, next, err := s.Pending(context.Background(), lane, now, after, all)
			if err != nil {
				t.Fatalf("pending: %v", err)
			}
			events = append(events, page...)
			if after = next; next == "" {
				break
			}
		}
	}
	return events
}

// eventRules: a death is written down with what tells of it, or not at all.
func eventRules() []rule {
	return []rule{
		{"each death leaves one event, whoever writes it", deathsAreEvents},
		{"a job that dies again leaves an event of its new life", diesAgain},
		{"events are pending in the order in which they are due", eventsInOrder},
		{"an event that was delivered is gone, and marking it twice is once", deliveredOnce},
	}
}

// deathsAreEvents: an event is written with what it tells, so that no crash can come
// between; and whatever is not a death leaves none.
func deathsAreEvents(t *testing.T, s Store) {
	deaths := map[string]bool{"failure": true, "no attempt": true, "dead letter": true, "forgotten": true}
	for name, end := range ends() {
		j := accepted(t, s, nil)
		if got := pending(t, s, j.ID); len(got) != 0 {
			t.Fatalf("%s: events %+v of an open job", name, got)
		}
		end(t, s, j)
		got, dead := pending(t, s, j.ID), row(t, s, j.ID)
		switch {
		case !deaths[name]:
			if len(got) != 0 {
				t.Errorf("%s: events %+v", name, got)
			}
			continue
		case len(got) != 1:
			t.Errorf("%s: %d events", name, len(got))
			continue
		case name == "forgotten": // its row tells another end now
			dead.Finished = got[0].At
		}
		if want := []job.Event{job.Death(&dead)}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v\nwant %+v", name, got, want)
		}
	}
}

// diesAgain: each generation dies once, so each has an event of its own.
func diesAgain(t *testing.T, s Store) {
	dead := died(t, s, "u-"+id(t), start())
	again := amend(t, s, dead.ID, rerunAt(later()), "")
	claim(t, s, request(again.Message(), "x", again.Deadline), job.Carrier)
	got := pending(t, s, dead.ID)
	if len(got) != 2 || got[0].Generation != 0 || got[1].Generation != 1 || got[0].ID == got[1].ID || got[1].Code != job.DeadlinePassed {
		t.Errorf("got %+v", got)
	}
}

// eventsInOrder: listeners read them like a log.
func eventsInOrder(t *testing.T, s Store) {
	var ids, want []string
	for _, second := range []int{3, 1, 4, 2, 5} {
		ids = append(ids, died(t, s, "u-"+id(t), start().Add(time.Duration(second)*time.Second)).ID)
	}
	for _, i := range []int{1, 3, 0, 2, 4} {
		want = append(want, ids[i])
	}
	var got []string
	for _, e := range pending(t, s, ids...) {
		got = append(got, e.Job)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if few, next, err := s.Pending(context.Background(), job.OperatorLane, later(), "", 2); err != nil || len(few) > 2 || next == "" {
		t.Errorf("%d of at most 2, next %q, %v", len(few), next, err)
	}
}

// deliveredOnce: an event that was delivered leaves the list, and marking it again is harmless.
func deliveredOnce(t *testing.T, s Store) {
	dead := died(t, s, "u-"+id(t), start())
	event := job.Death(&dead)
	for range 2 {
		if err := s.MarkDelivered(context.Background(), event.ID, later()); err != nil {
			t.Fatalf("mark delivered: %v", err)
		}
		if got := pending(t, s, dead.ID); len(got) != 0 {
			t.Errorf("still pending: %+v", got)
		}
	}
	if err := s.MarkDelivered(context.Background(), id(t)+".0.dead", later()); err != nil {
		t.Errorf("an event that is gone: %v", err)
	}
}

// lapsed finds a job among the skipped ones whose look passed.
func lapsed(t *testing.T, s Store, jobID string, now time.Time) (relay.Hint, bool) {
	t.Helper()
	hints, err := s.Lapsed(context.Background(), now, all)
	if err != nil {
		t.Fatalf("lapsed: %v", err)
	}
	i := slices.IndexFunc(hints, func(h relay.Hint) bool { return h.ID == jobID })
	if i < 0 {
		return relay.Hint{}, false
	}
	return hints[i], true
}

// promiseRules: skipped jobs come back in time, late ones die, slots are kept.
func promiseRules() []rule {
	return []rule{
		{"a skipped job lapses when its owner has new units, and not before", lapsesInTime},
		{"a skipped job that runs again does not lapse", lapsesNoMore},
		{"a skipped job that is put behind lapses at its new look", lapsesLater},
		{"a job that has not started at the end of max_wait dies, and runs before", lateDies},
		{"an attempt that was given back is no start", givenBackIsLate},
		{"an attempt that ended is a start", startedInTime},
		{"a full plan of data points refuses the pair, and counts no repetition", pointsAreCounted},
	}
}

// skips stores a job and has it skipped at start.
func skips(t *testing.T, s Store) job.Job {
	t.Helper()
	j := accepted(t, s, limited("u-"+id(t), 0))
	return claim(t, s, request(j.Message(), "x", start()), job.Skip)
}

// lapsesInTime: not before the owner has new units, and then at once.
func lapsesInTime(t *testing.T, s Store) {
	j := skips(t, s)
	units := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC) // the next month's
	if !j.Look.Equal(units) || !reflect.DeepEqual(row(t, s, j.ID), j) {
		t.Errorf("skipped %+v\nstored %+v", j, row(t, s, j.ID))
	}
	if _, early := lapsed(t, s, j.ID, units.Add(-time.Millisecond)); early {
		t.Error("lapsed before there are units")
	}
	if h, ok := lapsed(t, s, j.ID, units); !ok || !h.Look.Equal(units) {
		t.Errorf("hint %+v, %v", h, ok)
	}
	if _, open := hint(t, s, j.ID, units); open {
		t.Error("a skipped job is among the open ones")
	}
}

// lapsesNoMore: a job that was made up is not made up again.
func lapsesNoMore(t *testing.T, s Store) {
	for _, again := range []func(job.Job, time.Time) (job.Job, error){
		func(j job.Job, now time.Time) (job.Job, error) { return job.MadeUp(j, Timing(), now) },
		func(j job.Job, now time.Time) (job.Job, error) { return job.Rerun(j, Timing(), now) },
		func(j job.Job, now time.Time) (job.Job, error) {
			return job.Upgraded(j, job.Plan{Tier: "pro", Limit: 9}, Timing(), now)
		},
	} {
		j := skips(t, s)
		next := amend(t, s, j.ID, func(j job.Job) (job.Job, error) { return again(j, j.Look) }, "")
		if got := row(t, s, j.ID); !reflect.DeepEqual(got, next) || got.State != job.Queued {
			t.Errorf("row %+v\nwant %+v", got, next)
		}
		if _, ok := lapsed(t, s, j.ID, j.Look.AddDate(1, 0, 0)); ok {
			t.Errorf("still lapsed: %+v", next)
		}
		if _, ok := hint(t, s, j.ID, next.Look); !ok {
			t.Errorf("not among the open ones: %+v", next)
		}
	}
}

// lapsesLater: it stands behind the others that are due.
func lapsesLater(t *testing.T, s Store) {
	j := skips(t, s)
	now := j.Look.Add(time.Hour)
	next := amend(t, s, j.ID, func(j job.Job) (job.Job, error) { return job.MadeUpLater(j, now) }, "")
	if got := row(t, s, j.ID); !reflect.DeepEqual(got, next) || !got.Look.Equal(now) {
		t.Errorf("row %+v\nwant %+v", got, next)
	}
	if _, early := lapsed(t, s, j.ID, now.Add(-time.Millisecond)); early {
		t.Error("lapsed before its new look")
	}
	if h, ok := lapsed(t, s, j.ID, now); !ok || !h.Look.Equal(now) {
		t.Errorf("hint %+v, %v", h, ok)
	}
}

// startBy makes a job one that must start within a minute.
func startBy(j *job.Job) { j.StartBy = start().Add(time.Minute) }

// lateDies: a promise to start in time that cannot be kept any more ends the job.
func lateDies(t *testing.T, s Store) {
	j := accepted(t, s, startBy)
	if _, ok := hint(t, s, j.ID, j.StartBy); !ok {
		t.Error("nobody looks at the end of max_wait")
	}
	dead := claim(t, s, request(j.Message(), "x", j.StartBy), job.Carrier)
	if got := row(t, s, j.ID); dead.Code != job.MaxWaitExceeded || !reflect.DeepEqual(got, dead) || got.State != job.Dead || got.Attempts != 0 {
		t.Errorf("claimed %+v\nstored %+v", dead, got)
	}
	if got := pending(t, s, j.ID); len(got) != 1 || got[0].Code != job.MaxWaitExceeded {
		t.Errorf("events %+v", got)
	}
	inTime := accepted(t, s, startBy)
	held := claim(t, s, request(inTime.Message(), "y", inTime.StartBy.Add(-time.Millisecond)), job.Run)
	if got := row(t, s, inTime.ID); !reflect.DeepEqual(got, held) || held.Attempts != 1 {
		t.Errorf("claimed %+v\nstored %+v", held, got)
	}
}

// givenBackIsLate: an attempt that was given back was no start.
func givenBackIsLate(t *testing.T, s Store) {
	held := running(t, s, startBy)
	full := &job.Error{Code: job.Limited, Message: "full", RetryAfter: 20 * time.Second, Slot: start().Add(20 * time.Second)}
	next := job.GivenBack(held, full, Timing(), start())
	conclude(t, s, &held, next, worker.Written)
	if got := row(t, s, held.ID); !reflect.DeepEqual(got, next) || !got.Slot.Equal(full.Slot) {
		t.Errorf("row %+v\nwant %+v", got, next)
	}
	if dead := claim(t, s, request(next.Message(), "x", next.StartBy), job.Carrier); dead.Code != job.MaxWaitExceeded {
		t.Errorf("claimed %+v", dead)
	}
}

// startedInTime: who has started keeps running, however long it takes.
func startedInTime(t *testing.T, s Store) {
	held := running(t, s, startBy)
	conclude(t, s, &held, job.Failed(held, job.Errorf(job.ProviderUnavailable, "503"), Timing(), 0, job.Carried{}, report(start())), worker.Written)
	if again := claim(t, s, request(held.Message(), "x", later()), job.Run); again.Attempts != 2 || again.Exceptions != 1 {
		t.Errorf("claimed %+v", again)
	}
}

// pointsAreCounted fills a free plan. A refused pair leaves neither row, and who asks
// for the last one again is told that it is there.
func pointsAreCounted(t *testing.T, s Store) {
	owner, limit := "u-"+id(t), usage.Free.PointLimit()
	pair := func() (point.Point, job.Job) {
		p, j := newPoint(t), newJob(t, limited(owner, 10))
		p.Owner, j.Point = owner, p.ID
		return p, j
	}
	var p point.Point
	var j job.Job
	for i := range limit {
		p, j = pair()
		if _, _, existed, err := s.AcceptPoint(context.Background(), &p, &j); err != nil || existed {
			t.Fatalf("point %d: existed %v, %v", i+1, existed, err)
		}
	}
	// A client that repeats its request comes later, and must not be counted a second time.
	p.CreatedAt = p.CreatedAt.Add(time.Second)
	if _, got, existed, err := s.AcceptPoint(context.Background(), &p, &j); err != nil || !existed || got.ID != j.ID {
		t.Errorf("the last one again: existed %v, %v", existed, err)
	}
	p, j = pair()
	_, _, existed, err := s.AcceptPoint(context.Background(), &p, &j)
	_, noPoint := s.Point(context.Background(), p.ID)
	_, noJob := s.Job(context.Background(), j.ID)
	if existed || job.CodeOf(err) != job.LimitExceeded || job.CodeOf(noPoint) != job.NotFound || job.CodeOf(noJob) != job.NotFound {
		t.Errorf("one too many: %v; it left %v, %v", err, noPoint, noJob)
	}
	m, err := s.Meter(context.Background(), owner, usage.PointKey(usage.Free, time.Time{}, start()))
	if err != nil || m != (job.Meter{Taken: limit, Used: limit}) {
		t.Errorf("meter %+v, %v", m, err)
	}
}

// paceRules are what the relay leans on.
func paceRules() []rule {
	return []rule{
		{"peek reads the rows that may be sent, in the order of the hints", peeks},
		{"retake books the slot in the row, and the claim keeps it", retakesWithSlot},
		{"a letter of a job that waits for its slot is kept", keepsSlotted},
	}
}

// peeks: the hints are old news: only rows that are still as they say count.
func peeks(t *testing.T, s Store) {
	var jobs []job.Job
	for i := range 5 {
		jobs = append(jobs, accepted(t, s, func(j *job.Job) { j.Due = start().Add(time.Duration(i) * time.Hour) }))
	}
	now := start().Add(24 * time.Hour)
	hints := []relay.Hint{{ID: id(t), Look: start()}}
	for _, i := range []int{4, 0, 3, 1, 2} {
		hints = append(hints, relay.Hint{ID: jobs[i].ID, Look: jobs[i].Look})
	}
	claim(t, s, request(jobs[1].Message(), "x", now.Add(-time.Second)), job.Run) // somebody works on it
	hints[3].Look = hints[3].Look.Add(-time.Second)                              // 3 was looked at meanwhile
	got, err := s.Peek(context.Background(), hints, now)
	if want := []job.Job{jobs[4], jobs[0], jobs[2]}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if got, err = s.Peek(context.Background(), nil, now); err != nil || len(got) != 0 {
		t.Errorf("without hints: %+v, %v", got, err)
	}
}

// retakesWithSlot: the slot must reach the worker, and the look must lie behind it.
func retakesWithSlot(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	slot := j.Look.Add(37 * time.Second)
	got, ok, err := s.Retake(context.Background(), &j, slot, Timing(), j.Look)
	if want := job.Resent(j, slot, Timing(), j.Look); err != nil || !ok || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(row(t, s, j.ID), want) {
		t.Fatalf("got %+v, %v, %v\nstored %+v\nwant %+v", got, ok, err, row(t, s, j.ID), want)
	}
	held := claim(t, s, request(got.Message(), "x", slot), job.Run)
	if stored := row(t, s, j.ID); !held.Slot.Equal(slot) || !reflect.DeepEqual(stored, held) {
		t.Errorf("claimed %+v\nstored %+v", held, stored)
	}
}

// keepsSlotted: a release writes the slot that it comes back with.
func keepsSlotted(t *testing.T, s Store) {
	held := running(t, s, nil)
	next := job.GivenBack(held, &job.Error{Code: job.Limited, RetryAfter: time.Minute, Slot: start().Add(time.Minute)}, Timing(), start())
	conclude(t, s, &held, next, worker.Written)
	bury(t, s, held.Message(), later(), deadletter.Pending)
	claim(t, s, request(held.Message(), "old", later()), job.Drop)
}

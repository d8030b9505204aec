package gate_test

import (
	"strings"
	"testing"
	"time"

	"orbitq/internal/gate"
	"orbitq/internal/job"
	"orbitq/internal/limit"
)

var _ gate.Store = (*shelf)(nil)

// made are calls of another job that were allowed.
func made(all ...time.Time) (lane []limit.Booking) {
	for _, at := range all {
		lane = append(lane, limit.Booking{At: at, Job: limit.Tag("other"), Owner: limit.Tag("other"), Made: true})
	}
	return lane
}

// booked is a slot of the job "j".
func booked(at time.Time) []limit.Booking {
	return []limit.Booking{{At: at, Job: limit.Tag("j"), Owner: limit.Tag("o")}}
}

// pass is what the job "j" shows.
func pass(slot time.Time, patience time.Duration) limit.Pass {
	return limit.Pass{Job: "j", Owner: "o", Slot: slot, Patience: patience}
}

func TestEnterWaitsForItsSlot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		row   limit.Row
		pass  limit.Pass
		slept time.Duration
	}{
		{"an unused limiter", limit.Row{}, pass(time.Time{}, 0), 0},
		{"a slot within its patience", limit.Row{Shared: made(start().Add(-60500 * time.Millisecond))}, pass(time.Time{}, limit.Patience), time.Second},
		{"a slot that was booked for it", limit.Row{Shared: booked(start().Add(time.Second))}, pass(start().Add(time.Second), limit.Patience), time.Second},
		{"its slot is now", limit.Row{Shared: booked(start())}, pass(start(), 0), 0},
		{"a patient worker", limit.Row{Shared: made(start().Add(-51500 * time.Millisecond))}, pass(time.Time{}, 15*time.Second), 10 * time.Second},
	} {
		b := newBench(single)
		b.shelf.put(t, c.row)
		if err := b.Enter(t.Context(), &c.pass); err != nil || b.now.Sub(start()) != c.slept || !c.pass.Slot.IsZero() || c.pass.Calls != 1 {
			t.Errorf("%s: %v after %v, pass %+v", c.name, err, b.now.Sub(start()), c.pass)
		}
		if got := b.shelf.row(t).Budget.Requests; got != 1 {
			t.Errorf("%s: %d requests are counted", c.name, got)
		}
	}
}

// TestRefusals: each says when to come again, and only a booked slot is named.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		row  limit.Row
		pass limit.Pass
		code job.Code
		wait time.Duration
		slot time.Duration // from start; zero for none
	}{
		{"no slot", limit.Row{Shared: made(start())}, pass(time.Time{}, limit.Patience), job.Limited, 61500 * time.Millisecond, 0},
		{"a slot a little later than it would wait", limit.Row{Shared: made(start().Add(-59500 * time.Millisecond))}, pass(time.Time{}, limit.Patience), job.Limited, 2 * time.Second, 0},
		{"a booked slot is later", limit.Row{Shared: booked(start().Add(40 * time.Second))}, pass(start().Add(40*time.Second), limit.Patience), job.Limited, 40 * time.Second, 40 * time.Second},
		{"the breaker is open: spread behind its end", limit.Row{Breaker: limit.Breaker{Until: start().Add(time.Minute)}}, pass(time.Time{}, 0), job.BreakerOpen, 75 * time.Second, 0},
		{"a probe is under way", limit.Row{Breaker: limit.Breaker{Until: start(), Probe: start().Add(10 * time.Second)}}, pass(time.Time{}, 0), job.BreakerOpen, 25 * time.Second, 0},
		{"the month is over", limit.Row{Budget: limit.Budget{Month: "2026-03", Closed: true}}, pass(time.Time{}, 0), job.ProviderQuota, limit.NextMonth(start()).Sub(start()), 0},
	} {
		b := newBench(single)
		b.shelf.put(t, c.row)
		e := refused(t, b.Enter(t.Context(), &c.pass), c.code)
		if e.RetryAfter != c.wait || e.Slot.IsZero() != (c.slot == 0) || c.slot > 0 && !e.Slot.Equal(start().Add(c.slot)) {
			t.Errorf("%s: after %v at %v", c.name, e.RetryAfter, e.Slot)
		}
		if len(b.slept) != 0 || c.pass.Calls != 0 {
			t.Errorf("%s: slept %v, %d calls", c.name, b.slept, c.pass.Calls)
		}
		if err := b.Flush(t.Context()); err != nil || b.shelf.row(t).Budget.Requests != 0 {
			t.Errorf("%s: %d requests are counted, %v", c.name, b.shelf.row(t).Budget.Requests, err)
		}
	}
}

// TestWorking: no token is fetched while the breaker is open, which costs no write.
func TestWorking(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	if err := b.Working(t.Context()); err != nil {
		t.Error(err)
	}
	b.shelf.put(t, limit.Row{Breaker: limit.Breaker{Until: start().Add(time.Minute)}})
	b.now = b.now.Add(time.Second)
	if e := refused(t, b.Working(t.Context()), job.BreakerOpen); e.RetryAfter != 74*time.Second || b.shelf.writes != 0 {
		t.Errorf("after %v, %d writes", e.RetryAfter, b.shelf.writes)
	}
	b.now = b.now.Add(time.Minute) // half open: one has to try
	if err := b.Working(t.Context()); err != nil {
		t.Error(err)
	}
	b.now, b.shelf.readErr = b.now.Add(time.Minute), errGone
	refused(t, b.Working(t.Context()), job.Throttled)
}

// TestABreakerThatOpensMeanwhile: a call that has slept for long is not made, and its
// request is given back.
func TestABreakerThatOpensMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBench(single)
	b.shelf.put(t, limit.Row{Shared: made(start().Add(-51500 * time.Millisecond))})
	b.onSleep = func() {
		row := b.shelf.row(t)
		row.Breaker = limit.Breaker{Until: b.now.Add(time.Minute)}
		b.shelf.put(t, row)
	}
	p := pass(time.Time{}, 15*time.Second)
	refused(t, b.Enter(t.Context(), &p), job.BreakerOpen)
	if err := b.Flush(t.Context()); err != nil || b.shelf.row(t).Budget.Requests != 0 {
		t.Errorf("%d requests are counted, %v", b.shelf.row(t).Budget.Requests, err)
	}
}

// TestTheSpreadIsShort: a deployment with compressed times must not wait thirty
// seconds for a breaker that is open for six.
func TestTheSpreadIsShort(t *testing.T) {
	t.Parallel()
	b := newBench(func(p *limit.Policy) { p.Period = 6 * time.Second })
	b.shelf.put(t, limit.Row{Breaker: limit.Breaker{Until: start().Add(4 * time.Second)}})
	if e := refused(t, b.Enter(t.Context(), &limit.Pass{}), job.BreakerOpen); e.RetryAfter != 7*time.Second {
		t.Errorf("come again after %v", e.RetryAfter)
	}
}

// TestALostSlotIsBookedAgain: a write that takes longer than a slot may be used would
// put its call into the next window.
func TestALostSlotIsBookedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	b.shelf.latency = 501 * time.Millisecond
	b.shelf.between = func(n int) {
		if n == 3 {
			b.shelf.latency = 0
		}
	}
	b.shelf.advance = func(time.Duration) { b.now = b.now.Add(b.shelf.latency) } // as it is after between
	if err := b.Enter(t.Context(), &limit.Pass{}); err != nil || b.shelf.writes != 3 || len(b.shelf.row(t).Shared) != 1 || b.shelf.row(t).Budget.Requests != 1 {
		t.Errorf("%v after %d writes, row %+v: what was lost is given back", err, b.shelf.writes, b.shelf.row(t))
	}
	b = newBench(nil)
	b.shelf.latency = 501 * time.Millisecond
	e := refused(t, b.Enter(t.Context(), &limit.Pass{}), job.Limited)
	if !e.Slot.IsZero() || e.RetryAfter != 30*time.Second || b.shelf.writes != 4 {
		t.Errorf("after %v at %v, %d writes", e.RetryAfter, e.Slot, b.shelf.writes)
	}
}

// TestWhatCannotBeWrittenIsNotTheJobsFault.
func TestWhatCannotBeWrittenIsNotTheJobsFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		edit   func(*bench)
		words  string
		writes int
	}{
		{"the row cannot be read", func(b *bench) { b.shelf.readErr = errGone }, "read the limiter's row", 0},
		{"the row cannot be written", func(b *bench) { b.shelf.writeErr = errGone }, "write the limiter's row", 1},
		{"the reply is lost", func(b *bench) { b.shelf.replyErr = errGone }, "write the limiter's row", 1},
		{"somebody is always quicker", func(b *bench) { b.shelf.taken = true }, "changed 12 times", 12},
		{"the time is over between two tries", func(b *bench) { b.shelf.taken, b.sleepErr = true, errGone }, "write the limiter's row", 1},
		{"the time is over before the slot", func(b *bench) { b.sleepErr = errGone }, "before its slot came", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(nil)
			c.edit(b)
			e := refused(t, b.Enter(t.Context(), &limit.Pass{}), job.Throttled)
			if !strings.Contains(e.Message, c.words) || !e.Slot.IsZero() || b.shelf.writes != c.writes {
				t.Errorf("%d writes, %v", b.shelf.writes, e)
			}
			// The relay waits for no slot.
			if slots, err := b.Reserve(t.Context(), []limit.Want{{Job: "k", Owner: "o"}}, nil); !strings.Contains(c.words, "slot") && (job.CodeOf(err) != job.Throttled || slots != nil) {
				t.Errorf("reserve: %v, %v", slots, err)
			}
		})
	}
}

// TestLostRacesAreTriedAgainFurtherApart.
func TestLostRacesAreTriedAgainFurtherApart(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	b.shelf.between = func(n int) {
		if n <= 3 { // another worker books in between
			b.shelf.put(t, limit.Row{Shared: made(start())})
		}
	}
	if err := b.Enter(t.Context(), &limit.Pass{}); err != nil {
		t.Fatal(err)
	}
	if row := b.shelf.row(t); row.Version != 4 || len(row.Shared) != 2 || b.shelf.lost != 3 {
		t.Errorf("%d lost, row %+v", b.shelf.lost, row)
	}
	if want := []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond}; len(b.slept) < 3 || b.slept[0] != want[0] || b.slept[1] != want[1] || b.slept[2] != want[2] {
		t.Errorf("slept %v", b.slept)
	}
}

// TestALostReplyCostsNothing: what may have gone through is given back by the next write, on
// the row as it is.
func TestALostReplyCostsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(single)
	b.shelf.replyErr = errGone
	p := pass(time.Time{}, 0)
	refused(t, b.Enter(t.Context(), &p), job.Throttled)
	if row := b.shelf.row(t); len(row.Shared) != 1 || row.Budget.Requests != 1 {
		t.Fatalf("the write went through: %+v", row)
	}
	b.shelf.replyErr = nil
	if err := b.Enter(t.Context(), &p); err != nil {
		t.Error(err)
	}
	if row := b.shelf.row(t); len(row.Shared) != 1 || row.Budget.Requests != 1 {
		t.Errorf("after another call: %+v", row)
	}
}

// TestReserve books for jobs in line, gives back what is not needed, and what may have been
// booked by a write whose reply was lost.
func TestReserve(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	wants := []limit.Want{{Job: "a", Owner: "o"}, {Job: "b", Owner: "o", High: true}, {Job: "c", Owner: "o"}}
	slots, err := b.Reserve(t.Context(), wants, []string{"o"})
	if err != nil || len(slots) != 3 || !slots[0].Equal(start().Add(limit.Travel)) || !slots[1].Equal(slots[0]) || !slots[2].After(slots[0]) {
		t.Errorf("got %v, %v", slots, err)
	}
	if row := b.shelf.row(t); b.shelf.writes != 1 || row.Budget.Requests != 0 || row.Pending("o") != 3 {
		t.Errorf("%d writes, %+v", b.shelf.writes, row)
	}
	b.Free(wants[0], slots[0])
	b.Free(wants[1], time.Time{}) // had none
	err = b.Flush(t.Context())
	if row := b.shelf.row(t); err != nil || row.Pending("o") != 2 {
		t.Errorf("%v, row %+v", err, row)
	}
	b.shelf.replyErr = errGone
	_, err = b.Reserve(t.Context(), []limit.Want{{Job: "d", Owner: "p"}}, nil)
	refused(t, err, job.Throttled)
	b.shelf.replyErr = nil
	err = b.Flush(t.Context())
	if row := b.shelf.row(t); err != nil || row.Pending("p") != 0 {
		t.Errorf("%v, row %+v", err, row)
	}
	if o, err := b.Opening(t.Context()); err != nil || o.Shared != 2 || o.Reserved != 2 || !o.At.Equal(b.now) {
		t.Errorf("opening %+v, %v", o, err)
	}
	b.now, b.shelf.readErr = b.now.Add(time.Minute), errGone
	_, err = b.Opening(t.Context())
	refused(t, err, job.Throttled)
}

// TestRoomIsCountedByLane: what was sent will come and book, so it counts until the
// row shows that it did.
func TestRoomIsCountedByLane(t *testing.T) {
	t.Parallel()
	b := newBench(func(p *limit.Policy) { p.Shared, p.Reserved = 2, 1 })
	room := func(high, want bool) {
		t.Helper()
		if got := b.Room(t.Context(), high, "o"); got != want {
			t.Errorf("room %v, want %v", got, want)
		}
	}
	for _, want := range []bool{true, true, false} {
		room(false, want)
	}
	for _, want := range []bool{true, true, true, false} {
		room(true, want)
	}
	if b.shelf.writes != 0 || b.shelf.reads != 1 {
		t.Errorf("%d writes, %d reads", b.shelf.writes, b.shelf.reads)
	}
	// The first one came and booked: one is left, and what was sent is forgotten.
	if err := b.Enter(t.Context(), &limit.Pass{}); err != nil {
		t.Fatal(err)
	}
	room(false, true)
	room(false, false)
	b.now = b.now.Add(2 * time.Minute) // the row is read again, and the same: who was sent is still on the way
	room(false, true)
	room(false, false)
	b.shelf.put(t, limit.Row{Breaker: limit.Breaker{Until: b.now.Add(time.Hour)}})
	b.now = b.now.Add(time.Second)
	room(true, false)
	b.shelf.readErr = errGone
	b.now = b.now.Add(time.Second)
	room(true, true) // without an answer it says yes
}

// TestLook: the row is read once a second, whoever asks.
func TestLook(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	b.shelf.put(t, limit.Row{Breaker: limit.Breaker{Until: start()}, Budget: limit.Budget{Month: "2026-03", Requests: 2500}})
	for range 3 {
		got, err := b.Look(t.Context())
		if err != nil || got.Breaker != "half_open" || got.Spent != 25 || !got.At.Equal(start()) || got.Row.Version != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	b.now = b.now.Add(time.Second - 1)
	if _, err := b.Look(t.Context()); err != nil || b.shelf.reads != 1 {
		t.Errorf("%d reads, %v", b.shelf.reads, err)
	}
	b.now = b.now.Add(1)
	if _, err := b.Look(t.Context()); err != nil || b.shelf.reads != 2 || b.shelf.writes != 0 {
		t.Errorf("%d reads, %d writes, %v", b.shelf.reads, b.shelf.writes, err)
	}
	b.shelf.readErr = errGone
	b.now = b.now.Add(time.Minute)
	_, err := b.Look(t.Context())
	refused(t, err, job.Throttled)
}

// TestANewMonthIsWrittenByWhoeverLooks: the budget of the month before is no news.
func TestANewMonthIsWrittenByWhoeverLooks(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	b.shelf.put(t, limit.Row{Budget: limit.Budget{Month: "2026-02", Requests: 9999, Closed: true}})
	if err := b.Enter(t.Context(), &limit.Pass{}); err != nil {
		t.Fatal(err)
	}
	if got := b.shelf.row(t).Budget; got != (limit.Budget{Month: "2026-03", Requests: 1}) {
		t.Errorf("budget %+v", got)
	}
}

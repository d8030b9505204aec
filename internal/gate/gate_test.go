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

func TestEnterWaitsForItsSlot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		row   limit.Row
		pass  limit.Pass
		slept time.Duration
	}{
		{"a free door", limit.Row{}, limit.Pass{}, 0},
		{"a slot within its patience", limit.Row{Shared: []time.Time{start().Add(-65 * time.Second)}}, limit.Pass{Patience: limit.Patience}, time.Second},
		{"a slot that it booked before", limit.Row{Shared: []time.Time{start().Add(time.Second)}}, limit.Pass{Slot: start().Add(time.Second), Patience: limit.Patience}, time.Second},
		{"its slot is now", limit.Row{Shared: []time.Time{start()}}, limit.Pass{Slot: start()}, 0},
		{"a patient worker", limit.Row{Shared: []time.Time{start().Add(-56 * time.Second)}}, limit.Pass{Patience: 15 * time.Second}, 10 * time.Second},
	} {
		b := newBench(single)
		b.shelf.put(t, c.row)
		if err := b.Enter(t.Context(), &c.pass); err != nil || b.now.Sub(start()) != c.slept || !c.pass.Slot.IsZero() {
			t.Errorf("%s: %v after %v, pass %+v", c.name, err, b.now.Sub(start()), c.pass)
		}
	}
}

// TestRefusals: each says when to come again, and only a booked slot is named.
func TestRefusals(t *testing.T) {
	t.Parallel()
	full := limit.Row{Shared: []time.Time{start().Add(20 * time.Minute)}}
	for _, c := range []struct {
		name string
		row  limit.Row
		pass limit.Pass
		code job.Code
		wait time.Duration
		slot time.Duration // from start; zero for none
	}{
		{"its slot is later", limit.Row{Shared: []time.Time{start()}}, limit.Pass{Patience: limit.Patience}, job.Limited, 66 * time.Second, 66 * time.Second},
		{"its slot is a little later than it would wait", limit.Row{Shared: []time.Time{start().Add(-64 * time.Second)}}, limit.Pass{Patience: limit.Patience}, job.Limited, 2 * time.Second, 2 * time.Second},
		{"a booked slot is later", full, limit.Pass{Slot: start().Add(40 * time.Second), Patience: limit.Patience}, job.Limited, 40 * time.Second, 40 * time.Second},
		{"no slot within the horizon: spread over half of it", full, limit.Pass{}, job.Limited, 675 * time.Second, 0},
		{"the breaker is open: spread behind its end", limit.Row{Breaker: limit.Breaker{Until: start().Add(time.Minute)}}, limit.Pass{}, job.BreakerOpen, 75 * time.Second, 0},
		{"a probe is under way", limit.Row{Breaker: limit.Breaker{Until: start(), Probe: start().Add(10 * time.Second)}}, limit.Pass{}, job.BreakerOpen, 25 * time.Second, 0},
		{"the month is over", limit.Row{Budget: limit.Budget{Month: "2026-03", Closed: true}}, limit.Pass{}, job.ProviderQuota, limit.NextMonth(start()).Sub(start()), 0},
	} {
		b := newBench(single)
		b.shelf.put(t, c.row)
		e := refused(t, b.Enter(t.Context(), &c.pass), c.code)
		if e.RetryAfter != c.wait || e.Slot.IsZero() != (c.slot == 0) || c.slot > 0 && !e.Slot.Equal(start().Add(c.slot)) {
			t.Errorf("%s: after %v at %v", c.name, e.RetryAfter, e.Slot)
		}
		if len(b.slept) != 0 {
			t.Errorf("%s: slept %v", c.name, b.slept)
		}
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
	b.shelf.latency = 5001 * time.Millisecond
	b.shelf.between = func(n int) {
		if n == 3 {
			b.shelf.latency = 0
		}
	}
	b.shelf.advance = func(time.Duration) { b.now = b.now.Add(b.shelf.latency) } // as it is after between
	if err := b.Enter(t.Context(), &limit.Pass{}); err != nil || b.shelf.writes != 3 || len(b.shelf.row(t).Shared) != 3 {
		t.Errorf("%v after %d writes, row %+v", err, b.shelf.writes, b.shelf.row(t))
	}
	b = newBench(nil)
	b.shelf.latency = 5001 * time.Millisecond
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
			// Whoever books for others waits for no slot.
			if slots, err := b.Reserve(t.Context(), false, 1); !strings.Contains(c.words, "slot") && (job.CodeOf(err) != job.Throttled || slots != nil) {
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
			b.shelf.put(t, limit.Row{Shared: []time.Time{start()}})
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

// TestALostReplyLosesASlotAndNoMore: what went through is seen at the next write, and
// booked by nobody else.
func TestALostReplyLosesASlotAndNoMore(t *testing.T) {
	t.Parallel()
	b := newBench(single)
	b.shelf.replyErr = errGone
	refused(t, b.Enter(t.Context(), &limit.Pass{}), job.Throttled)
	b.shelf.replyErr = nil
	e := refused(t, b.Enter(t.Context(), &limit.Pass{}), job.Limited)
	if want := start().Add(66 * time.Second); e.Slot.Sub(want).Abs() > time.Second || b.shelf.lost != 1 {
		t.Errorf("slot %v, %d lost races", e.Slot, b.shelf.lost)
	}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	slots, err := b.Reserve(t.Context(), false, 25)
	if err != nil || len(slots) != 25 || !slots[23].Equal(start()) || !slots[24].Equal(start().Add(66*time.Second)) {
		t.Errorf("got %v, %v", slots, err)
	}
	if high, err := b.Reserve(t.Context(), true, 3); err != nil || len(high) != 3 || !high[2].Equal(start()) {
		t.Errorf("high got %v, %v", high, err)
	}
	if b.shelf.writes != 2 || b.shelf.row(t).Budget.Requests != 28 {
		t.Errorf("%d writes, %+v", b.shelf.writes, b.shelf.row(t).Budget)
	}
}

// TestRoomIsCountedByLane: what was sent will come and book, so it counts until the
// row shows that it did.
func TestRoomIsCountedByLane(t *testing.T) {
	t.Parallel()
	b := newBench(func(p *limit.Policy) { p.Shared, p.Reserved = 2, 1 })
	room := func(high, want bool) {
		t.Helper()
		if got := b.Room(t.Context(), high); got != want {
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

package limit_test

import (
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/limit"
)

func start() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// small returns a policy of a few calls, so that every lane is full soon.
func small(t *rapid.T) limit.Policy {
	return limit.Policy{
		Shared: rapid.IntRange(1, 5).Draw(t, "shared"), Reserved: rapid.IntRange(0, 3).Draw(t, "reserved"), Window: 10 * time.Second,
		Usable: time.Duration(rapid.IntRange(0, 4000).Draw(t, "usable")) * time.Millisecond,
	}
}

// crowded demands that no stretch of a length holds more than so many moments.
func crowded(t *rapid.T, what string, all []time.Time, most int, length time.Duration) {
	slices.SortFunc(all, time.Time.Compare)
	for i := most; i < len(all); i++ {
		if between := all[i].Sub(all[i-most]); between < length {
			t.Fatalf("%s: %d calls within %v, allowed are %d in %v", what, most+1, between, most, length)
		}
	}
}

// callers is a limiter with those that use it, each at the worst moment.
type callers struct {
	t            *rapid.T
	p            limit.Policy
	row          limit.Row
	shared, both []time.Time
	waiting      []limit.Pass // with a slot that the relay booked
	allowed      int          // calls that were made
	jobs         int
}

// name names another job: a job makes no two calls at one time.
func (c *callers) name() string {
	c.jobs++
	return strconv.Itoa(c.jobs)
}

// enter lets a pass ask, and makes its call as late as it may be.
func (c *callers) enter(pass limit.Pass, clock time.Time) {
	row, g := c.p.Enter(c.row, &pass, clock)
	c.row = row
	if g.Refusal != limit.Granted || g.Booked.At.IsZero() {
		return
	}
	if rapid.IntRange(0, 4).Draw(c.t, "lost") == 0 { // the answer came too late, or the worker died
		c.row = c.p.Undo(c.row, g.Booked, clock)
		return
	}
	late := rapid.SampledFrom([]time.Duration{0, c.p.Lag()}).Draw(c.t, "late")
	travel := rapid.SampledFrom([]time.Duration{0, limit.Travel}).Draw(c.t, "travel")
	at := g.Slot.Add(late + travel)
	c.both = append(c.both, at)
	if !slices.Contains(row.Reserved, g.Booked) {
		c.shared = append(c.shared, at)
	}
	c.allowed++
}

// book books for jobs in line; some of them come to use their slot, and some do not.
func (c *callers) book(n int, clock time.Time) {
	var wants []limit.Want
	for range n {
		wants = append(wants, limit.Want{
			Job: c.name(), Owner: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(c.t, "owner"), High: rapid.Bool().Draw(c.t, "high"),
		})
	}
	row, slots := c.p.Reserve(c.row, wants, nil, clock)
	c.row = row
	for i, slot := range slots {
		if !slot.IsZero() {
			c.waiting = append(c.waiting, limit.Pass{Job: wants[i].Job, Owner: wants[i].Owner, High: wants[i].High, Slot: slot, Patience: limit.Patience})
		}
	}
}

// TestNoWindowHoldsMoreThanTheAllowance lets callers with skewed clocks take slots, and
// use those that were booked for them, at the worst moments.
func TestNoWindowHoldsMoreThanTheAllowance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &callers{t: t, p: small(t)}
		now := start()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 500, 3000, 12_000, 40_000}).Draw(t, "pass")) * time.Millisecond)
			clock := now.Add(time.Duration(rapid.IntRange(-500, 500).Draw(t, "skew")) * time.Millisecond)
			switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
			case kind == 0:
				c.book(rapid.IntRange(0, 8).Draw(t, "n"), clock)
			case kind == 1 && len(c.waiting) > 0:
				i := rapid.IntRange(0, len(c.waiting)-1).Draw(t, "which")
				pass := c.waiting[i]
				if !now.Before(pass.Slot.Add(-pass.Patience)) {
					c.waiting = slices.Delete(c.waiting, i, i+1)
					c.enter(pass, clock)
				}
			default:
				c.enter(limit.Pass{
					Job: c.name(), Owner: "a", High: rapid.Bool().Draw(t, "high"), Patience: limit.Patience, Calls: rapid.IntRange(0, 1).Draw(t, "calls"),
				}, clock)
			}
		}
		crowded(t, "all", c.both, c.p.Shared+c.p.Reserved, c.p.Window)
		crowded(t, "shared", c.shared, c.p.Shared, c.p.Window)
		if month := c.row.Budget.Requests; month != c.allowed {
			t.Fatalf("%d requests are counted, %d calls were made", month, c.allowed)
		}
	})
}

// TestALongLineMovesAtFullSpeed: safe would also be a limiter that grants nothing.
func TestALongLineMovesAtFullSpeed(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	var row limit.Row
	calls := 0
	for now := start(); now.Before(start().Add(time.Hour)); now = now.Add(100 * time.Millisecond) {
		var g limit.Grant
		if row, g = p.Enter(row, &limit.Pass{Job: "j", Owner: "a"}, now); g.Refusal == limit.Granted {
			calls++
		}
	}
	// The first burst of 24 is followed by 24 in each 61.5 s.
	if least := 24 * 3500 / 62; calls < least {
		t.Errorf("%d calls in an hour, want %d at least", calls, least)
	}
	if kept := len(row.Shared); kept > p.Shared+4 {
		t.Errorf("the log keeps %d calls", kept)
	}
}

// TestALapsedBookingIsNoCall: its place is free for others, and its request was never counted.
func TestALapsedBookingIsNoCall(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	p.Shared, p.Reserved = 1, 0
	row, slots := p.Reserve(limit.Row{}, []limit.Want{{Job: "a", Owner: "o"}}, nil, start())
	row, second := p.Reserve(row, []limit.Want{{Job: "b", Owner: "o"}}, nil, start())
	if slots = append(slots, second...); !slots[0].Equal(start().Add(limit.Travel)) || !slots[1].Equal(slots[0].Add(p.Usable+61500*time.Millisecond)) {
		t.Fatalf("slots %v: the second one is free a window after the first may be used", slots)
	}
	lapsed := slots[0].Add(p.Usable + time.Millisecond)
	next, g := p.Enter(row, &limit.Pass{Job: "a", Owner: "o", Slot: slots[0]}, lapsed)
	if g.Refusal != limit.TooFull || next.Budget.Requests != 0 {
		t.Errorf("a job that came too late for its slot got %+v, %d requests are counted", g, next.Budget.Requests)
	}
	row, _ = p.Reserve(limit.Row{}, []limit.Want{{Job: "a", Owner: "o"}}, nil, start())
	if next, g := p.Enter(row, &limit.Pass{Job: "c", Owner: "o"}, lapsed); g.Refusal != limit.Granted || !g.Slot.Equal(lapsed) || next.Budget.Requests != 1 {
		t.Errorf("another job got %+v, %d requests are counted", g, next.Budget.Requests)
	}
}

// TestTheRowIsNotChangedInPlace: a decision that is not written must leave no trace.
func TestTheRowIsNotChangedInPlace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &callers{t: t, p: small(t)}
		now := start()
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 9000).Draw(t, "pass")) * time.Millisecond)
			before := limit.Row{
				Shared: slices.Clone(c.row.Shared), Reserved: slices.Clone(c.row.Reserved), Waiting: slices.Clone(c.row.Waiting),
				Budget: c.row.Budget, Breaker: c.row.Breaker,
			}
			seen := c.row
			c.book(rapid.IntRange(0, 4).Draw(t, "n"), now)
			c.enter(limit.Pass{Job: "j", Owner: "a", Returns: true}, now)
			c.p.Opening(seen, now)
			c.p.Open(seen, true, "a", 3, now)
			if !reflect.DeepEqual(seen, before) {
				t.Fatalf("the row became %+v\nfrom %+v", seen, before)
			}
		}
	})
}

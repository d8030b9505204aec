package limit_test

import (
	"reflect"
	"slices"
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
		Usable:  time.Duration(rapid.IntRange(0, 4000).Draw(t, "usable")) * time.Millisecond,
		Horizon: time.Duration(rapid.IntRange(0, 60).Draw(t, "horizon")) * time.Second,
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

// TestNoWindowHoldsMoreThanTheAllowance lets callers with skewed clocks book slots and
// use each at the worst moment: at its beginning or at its end, at once or only after
// all the time that a call may travel.
func TestNoWindowHoldsMoreThanTheAllowance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, now := small(t), start()
		var row limit.Row
		var shared, both []time.Time
		use := func(slots []time.Time, high bool) {
			for _, slot := range slots {
				late := rapid.SampledFrom([]time.Duration{0, p.Usable}).Draw(t, "late")
				travel := rapid.SampledFrom([]time.Duration{0, limit.Travel}).Draw(t, "travel")
				both = append(both, slot.Add(late+travel))
				if !high {
					shared = append(shared, both[len(both)-1])
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 500, 3000, 12_000, 40_000}).Draw(t, "pass")) * time.Millisecond)
			clock := now.Add(time.Duration(rapid.IntRange(-1000, 1000).Draw(t, "skew")) * time.Millisecond)
			high := rapid.Bool().Draw(t, "high")
			if rapid.Bool().Draw(t, "enter") {
				var g limit.Grant
				row, g = p.Enter(row, &limit.Pass{High: high, Patience: limit.Patience}, clock)
				if g.Refusal == limit.Granted {
					use([]time.Time{g.Slot}, high)
				}
				continue
			}
			next, slots := p.Reserve(row, high, rapid.IntRange(0, 8).Draw(t, "n"), clock)
			row = next
			use(slots, high)
		}
		crowded(t, "all", both, p.Shared+p.Reserved, p.Window)
		crowded(t, "others", shared, p.Shared, p.Window)
	})
}

// TestBooking holds every booking against what its caller may rely on.
func TestBooking(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, now := small(t), start()
		var row limit.Row
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "pass")) * time.Millisecond)
			high, n := rapid.Bool().Draw(t, "high"), rapid.IntRange(0, 8).Draw(t, "n")
			before := limit.Row{Shared: slices.Clone(row.Shared), Reserved: slices.Clone(row.Reserved)}
			wait := p.Wait(&row, high, now)
			next, slots := p.Book(row, high, n, now)
			for _, promise := range []struct {
				name string
				kept bool
			}{
				{"the row that was decided upon is left alone", reflect.DeepEqual(row, before)},
				{"slots come in order", slices.IsSortedFunc(slots, time.Time.Compare)},
				{"no slot is in the past", len(slots) == 0 || !slots[0].Before(now)},
				{"no slot is beyond the horizon", len(slots) == 0 || slots[len(slots)-1].Sub(now) <= p.Horizon},
				{"the first slot is as far away as was said", len(slots) == 0 || slots[0].Sub(now) == wait},
				{"there are fewer only beyond the horizon", len(slots) == n || p.Wait(&next, high, now) > p.Horizon},
				{"a booking brings no slot nearer", p.Wait(&next, high, now) >= wait},
				{"others leave the reserved lane alone", high || reflect.DeepEqual(next.Reserved, row.Reserved)},
				{"a lane keeps no more than counts", len(next.Shared) <= p.Shared && len(next.Reserved) <= p.Reserved},
				{"lanes are in order", slices.IsSortedFunc(next.Shared, time.Time.Compare) && slices.IsSortedFunc(next.Reserved, time.Time.Compare)},
				{"the high lane is never slower", p.Wait(&row, true, now) <= p.Wait(&row, false, now)},
			} {
				if !promise.kept {
					t.Fatalf("%s: %v for %d (high %v) at %v\nbefore %+v\nafter %+v", promise.name, slots, n, high, now, row, next)
				}
			}
			row = next
		}
	})
}

// TestALongQueueMovesAtFullSpeed: safe would also be a limiter that grants nothing.
func TestALongQueueMovesAtFullSpeed(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	p.Horizon = 24 * time.Hour
	apart := p.Window + p.Usable + limit.Travel
	_, slots := p.Book(limit.Row{}, false, 100*p.Shared, start())
	for i, slot := range slots {
		if farthest := float64(i/p.Shared+1) * apart.Seconds(); slot.Sub(start()).Seconds() > farthest || i < p.Shared && !slot.Equal(start()) {
			t.Fatalf("slot %d is %v away", i, slot.Sub(start()))
		}
		// Who waits anyway comes evenly, not in a burst.
		if step := apart / time.Duration(p.Shared); i > p.Shared && slot.Sub(slots[i-1]) < step {
			t.Fatalf("slot %d is %v after the one before, want %v", i, slot.Sub(slots[i-1]), step)
		}
	}
	if len(slots) != 100*p.Shared {
		t.Errorf("%d slots", len(slots))
	}
}

// TestTheReservedLane: the high queue has what others left it, and its own besides.
func TestTheReservedLane(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	row, slots := p.Book(limit.Row{}, false, 1000, start())
	if got := p.Free(&row, false, start()); got != 0 || !slots[p.Shared].After(start()) {
		t.Errorf("%d free after the others took all", got)
	}
	if got := p.Free(&row, true, start()); got != p.Reserved {
		t.Errorf("%d free for the high queue, want %d", got, p.Reserved)
	}
	fresh := limit.Row{}
	if others, high := p.Free(&fresh, false, start()), p.Free(&fresh, true, start()); others != 24 || high != 30 {
		t.Errorf("an unused limiter has %d and %d free", others, high)
	}
	p.Reserved = 0
	if got := p.Free(&row, true, start()); got != 0 {
		t.Errorf("%d free in a lane of no size", got)
	}
	if wait := p.Wait(&fresh, true, start()); wait != 0 {
		t.Errorf("without a lane of its own the high queue waits %v", wait)
	}
	p.Shared = 0
	if next, slots := p.Book(limit.Row{}, true, 3, start()); len(slots) != 0 || !reflect.DeepEqual(next, limit.Row{}) {
		t.Errorf("no lane at all gave %v", slots)
	}
}

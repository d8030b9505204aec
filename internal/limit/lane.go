package limit

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"
)

// Tag shortens an id or an owner for the row: 36 bits of its hash, 6 characters. Two
// owners with one tag would share a turn, two jobs nothing: a booking is found by job
// and time.
func Tag(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:6]
}

// bookings is a lane: its bookings by time.
type bookings []Booking

// add puts a booking into the lane.
func (b *bookings) add(one Booking) {
	at, _ := slices.BinarySearchFunc(*b, one, func(x, y Booking) int {
		return cmp.Or(x.At.Compare(y.At), -1) // behind those of the same time
	})
	*b = slices.Insert(slices.Clone(*b), at, one)
}

// count returns how many bookings of the lane are of a kind.
func (b *bookings) count(is func(Booking) bool) (n int) {
	for _, one := range *b {
		if is(one) {
			n++
		}
	}
	return n
}

// pending reports whether a booking's call is still to be allowed.
func (b Booking) pending() bool { return !b.Made }

// lanes of a row.
type laneName bool

const (
	sharedLane   laneName = false
	reservedLane laneName = true
)

// lane returns a lane of the row.
func (r *Row) lane(n laneName) *bookings {
	if n == reservedLane {
		return (*bookings)(&r.Reserved)
	}
	return (*bookings)(&r.Shared)
}

// placed is a booking with its lane.
type placed struct {
	Booking

	lane laneName
}

// pending returns the booking that waits for a job's call at a time, nil for none.
func (r *Row) pending(job string, at time.Time) *placed {
	if at.IsZero() {
		return nil
	}
	for _, n := range []laneName{sharedLane, reservedLane} {
		for _, b := range *r.lane(n) {
			if b.pending() && b.Job == job && b.At.Equal(at) {
				return &placed{b, n}
			}
		}
	}
	return nil
}

// pendings returns how many calls are booked and not yet allowed.
func (r *Row) pendings() int { return r.count(Booking.pending) }

// count returns how many bookings of both lanes are of a kind.
func (r *Row) count(is func(Booking) bool) int {
	return r.lane(sharedLane).count(is) + r.lane(reservedLane).count(is)
}

// without returns the row without one booking that is equal to b, and whether it had one.
func (r *Row) without(b Booking) (Row, bool) {
	next := *r
	for _, n := range []laneName{sharedLane, reservedLane} {
		lane := *next.lane(n)
		i := slices.IndexFunc(lane, func(x Booking) bool {
			return x.At.Equal(b.At) && x.Job == b.Job && x.Owner == b.Owner && x.Made == b.Made
		})
		if i >= 0 {
			*next.lane(n) = slices.Delete(slices.Clone(lane), i, i+1)
			return next, true
		}
	}
	return next, false
}

// remember is how much longer than needed a call stays in the log: the clock of the next
// decision may be behind that of this one.
const remember = 2 * Travel

// at returns the row at now: of this month, without lapsed bookings, calls that no window
// can hold any more, and owners that do not wait any longer.
func (p Policy) at(r Row, now time.Time) Row {
	r.Budget = r.Budget.At(now)
	over := func(b Booking) bool {
		if b.Made {
			return !b.At.Add(p.windowSpacing() + remember).After(now)
		}
		return b.At.Add(p.usable()).Before(now)
	}
	if slices.ContainsFunc(r.Shared, over) {
		r.Shared = slices.DeleteFunc(slices.Clone(r.Shared), over)
	}
	if slices.ContainsFunc(r.Reserved, over) {
		r.Reserved = slices.DeleteFunc(slices.Clone(r.Reserved), over)
	}
	gone := func(w Waiter) bool { return !w.Until.After(now) }
	if slices.ContainsFunc(r.Waiting, gone) {
		r.Waiting = slices.DeleteFunc(slices.Clone(r.Waiting), gone)
	}
	return r
}

// latest returns the latest time at which a booking's call may be allowed.
func (p Policy) latest(b Booking) time.Time {
	if b.Made {
		return b.At
	}
	return b.At.Add(p.usable())
}

// size returns how many calls a lane may hold in a window.
func (p Policy) size(n laneName) int {
	if n == reservedLane {
		return p.Reserved
	}
	return p.Shared
}

// next returns the next free slot of a lane: the earliest time s, not before now, at which
// fewer than the lane's size of other calls can be allowed later than s - windowSpacing. A window
// that holds the new call begins after s - windowSpacing + Lag + Travel, so it holds at most size
// calls, whichever of the pending bookings are used and when.
//
// Calls that have to wait for their slots do not come in a burst, which the provider may
// clip.
func (p Policy) next(r *Row, n laneName, now time.Time) time.Time {
	if free := p.free(r, n, now); free.After(now) {
		return p.steady(r, n, free)
	}
	return now
}

// booking returns the next slot of a lane for a job in line, whose message needs a moment to
// be there.
func (p Policy) booking(r *Row, n laneName, now time.Time) time.Time {
	return p.steady(r, n, p.free(r, n, now.Add(Travel)))
}

// steady returns the next slot of a lane that is free from a time on: not all at once even
// where several are free.
func (p Policy) steady(r *Row, n laneName, free time.Time) time.Time {
	if lane := *r.lane(n); len(lane) > 0 {
		return later(free, lane[len(lane)-1].At.Add(p.gap(n)))
	}
	return free
}

// free returns the time, not before now, from which a lane has room for another call.
func (p Policy) free(r *Row, n laneName, now time.Time) time.Time {
	lane, size := *r.lane(n), p.size(n)
	if size == 0 {
		return now.Add(2 * p.Window) // a lane without slots has none that could be waited for
	}
	if len(lane) < size {
		return now
	}
	latest := make([]time.Time, 0, len(lane))
	for _, b := range lane {
		latest = append(latest, p.latest(b))
	}
	slices.SortFunc(latest, func(x, y time.Time) int { return y.Compare(x) })
	return later(latest[size-1].Add(p.windowSpacing()), now)
}

// first returns the lane of the first slot that a queue may have, and the slot. What a lane's
// slot is, slotOf says: next for a call, booking for a job in line.
func (p Policy) first(r *Row, high bool, now time.Time, slotOf func(*Row, laneName, time.Time) time.Time) (laneName, time.Time) {
	slot := slotOf(r, sharedLane, now)
	if high && p.Reserved > 0 {
		if s := slotOf(r, reservedLane, now); !s.After(slot) {
			return reservedLane, s
		}
	}
	return sharedLane, slot
}

// Wait returns how long the next slot of a queue is away.
func (p Policy) Wait(r Row, high bool, now time.Time) time.Duration {
	r = p.at(r, now)
	_, slot := p.first(&r, high, now, p.next)
	return slot.Sub(now)
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

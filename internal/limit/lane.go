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
			if !b.Made && b.Job == job && b.At.Equal(at) {
				return &placed{b, n}
			}
		}
	}
	return nil
}

// pendings returns how many calls are booked and not yet allowed.
func (r *Row) pendings() (n int) {
	for _, lane := range [][]Booking{r.Shared, r.Reserved} {
		for _, b := range lane {
			if !b.Made {
				n++
			}
		}
	}
	return n
}

// without returns the row without one booking that is equal to b.
func (r *Row) without(b placed) Row {
	next := *r
	for _, n := range []laneName{sharedLane, reservedLane} {
		lane := *next.lane(n)
		i := slices.IndexFunc(lane, func(x Booking) bool {
			return x.At.Equal(b.At) && x.Job == b.Job && x.Owner == b.Owner && x.Made == b.Made
		})
		if i >= 0 {
			*next.lane(n) = slices.Delete(slices.Clone(lane), i, i+1)
			return next
		}
	}
	return next
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
			return !b.At.Add(p.apart() + remember).After(now)
		}
		return b.At.Add(p.Usable).Before(now)
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
	return b.At.Add(p.Usable)
}

// size returns how many calls a lane may hold in a window.
func (p Policy) size(n laneName) int {
	if n == reservedLane {
		return p.Reserved
	}
	return p.Shared
}

// next returns the next free slot of a lane: the earliest time s, not before now, at which
// fewer than the lane's size of other calls can be allowed later than s - apart. A window
// that holds the new call begins after s - apart + Lag + Travel, so it holds at most size
// calls, whichever of the pending bookings are used and when.
//
// Calls that have to wait for their slots do not come in a burst, which the provider may
// clip.
func (p Policy) next(r *Row, n laneName, now time.Time) time.Time {
	if free := p.free(r, n, now); free.After(now) {
		return p.steady(r, n, now)
	}
	return now
}

// booking returns the next slot of a lane for a job in line, whose message needs a moment to
// be there.
func (p Policy) booking(r *Row, n laneName, now time.Time) time.Time {
	return p.steady(r, n, now.Add(Travel))
}

// steady returns the next slot of a lane, not before now, and not all at once even where
// several are free.
func (p Policy) steady(r *Row, n laneName, now time.Time) time.Time {
	slot := later(p.free(r, n, now), now)
	if lane := *r.lane(n); len(lane) > 0 {
		return later(slot, lane[len(lane)-1].At.Add(p.gap(n)))
	}
	return slot
}

// free returns the time from which a lane has room for another call.
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
	return latest[size-1].Add(p.apart())
}

// firstBooking returns the lane of the next slot for a job in line, and the slot.
func (p Policy) firstBooking(r *Row, high bool, now time.Time) (laneName, time.Time) {
	slot := p.booking(r, sharedLane, now)
	if high && p.Reserved > 0 {
		if s := p.booking(r, reservedLane, now); !s.After(slot) {
			return reservedLane, s
		}
	}
	return sharedLane, slot
}

// first returns the lane of the next free slot of a queue, and the slot.
func (p Policy) first(r *Row, high bool, now time.Time) (laneName, time.Time) {
	slot := p.next(r, sharedLane, now)
	if high {
		if s := p.next(r, reservedLane, now); !s.After(slot) {
			return reservedLane, s
		}
	}
	return sharedLane, slot
}

// Wait returns how long the next slot of a queue is away.
func (p Policy) Wait(r Row, high bool, now time.Time) time.Duration {
	r = p.at(r, now)
	_, slot := p.first(&r, high, now)
	return slot.Sub(now)
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

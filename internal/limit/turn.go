package limit

import (
	"slices"
	"time"
)

// Waiter is an owner whose jobs wait for a slot.
type Waiter struct {
	Owner string    // tag
	Until time.Time // known to wait until then
}

// known is how long an owner with a job in line is known to wait: until the relay has said
// so again, with the second in which other processes do not see it.
func (p Policy) known() time.Duration { return ahead*p.Spacing() + p.usable() + 2*Travel }

// maxWaiters bounds the owners that the row knows to wait, so that the row stays small. With
// more owners than that each one's equal share is about one slot anyway.
const maxWaiters = 16

// waits returns the waiters with an owner that waits until a time; when there are too many,
// the ones that are known for the shortest time go.
func waits(all []Waiter, owner string, until time.Time) []Waiter {
	all = slices.DeleteFunc(slices.Clone(all), func(w Waiter) bool {
		if w.Owner == owner {
			until = later(until, w.Until)
		}
		return w.Owner == owner
	})
	all = append(all, Waiter{owner, until})
	slices.SortStableFunc(all, func(a, b Waiter) int { return b.Until.Compare(a.Until) })
	return all[:min(len(all), maxWaiters)]
}

// waits reports whether an owner waits.
func (r *Row) waits(owner string) bool {
	return slices.ContainsFunc(r.Waiting, func(w Waiter) bool { return w.Owner == owner })
}

// others returns how many other owners wait.
func (r *Row) others(owner string, now time.Time) (n int) {
	for _, w := range r.Waiting {
		if w.Owner != owner && w.Until.After(now) {
			n++
		}
	}
	return n
}

// turn reports whether an owner may take a slot for a call that did not wait in line: always
// while no other owner waits, else as long as it has less than an equal share of the lane.
func (p Policy) turn(r *Row, lane laneName, owner string, slot, now time.Time) bool {
	others := r.others(owner, now)
	if others == 0 {
		return true
	}
	share := (p.size(lane) + others) / (others + 1) // rounded up
	return r.held(lane, owner, slot.Add(-p.windowSpacing())) < share
}

// held returns how many slots of a lane an owner has after a time.
func (r *Row) held(lane laneName, owner string, after time.Time) int {
	return r.lane(lane).count(func(b Booking) bool { return b.Owner == owner && b.At.After(after) })
}

// Want is a job that waits in line for a slot.
type Want struct {
	Job, Owner string
	High       bool
}

// bookable returns how many slots may be booked now at all, and how long it is until some
// may: none while the breaker is open, one for its probe, and none beyond the month.
func (p Policy) bookable(r *Row, now time.Time) (n int, wait time.Duration) {
	n = p.Shared + p.Reserved
	switch r.Breaker.State(now) {
	case "open":
		return 0, r.Breaker.Until.Sub(now)
	case "half_open":
		if r.Breaker.Probe.After(now) || r.pendings() > 0 {
			return 0, p.Spacing()
		}
		n = 1
	}
	n = min(n, p.Left(r.Budget, n+r.pendings(), now)-r.pendings())
	if n <= 0 {
		return 0, NextMonth(now).Sub(now)
	}
	return n, 0
}

// Opening says how many slots can be booked now for jobs in line.
type Opening struct {
	Row      Row
	At       time.Time
	Reserved int           // of the lane for the high queue alone
	Shared   int           // of the lane that every queue may use
	Wait     time.Duration // until the next one can be booked
}

// Opening returns how many slots can be booked now.
func (p Policy) Opening(r Row, now time.Time) Opening {
	r = p.at(r, now)
	o := Opening{Row: r, At: now}
	most, wait := p.bookable(&r, now)
	if o.Wait = wait; most == 0 {
		return o
	}
	o.Wait = p.Window
	count := func(lane laneName) (n int) {
		if p.size(lane) == 0 {
			return 0
		}
		for ; n < most; n++ {
			slot := p.booking(&r, lane, now)
			if !p.mayBook(&r, lane, slot, now) {
				o.Wait = min(o.Wait, max(p.gap(lane), slot.Sub(now)-ahead*p.Spacing()))
				break
			}
			r.lane(lane).add(Booking{At: slot})
		}
		return n
	}
	o.Reserved, o.Shared = count(reservedLane), count(sharedLane)
	return o
}

// Reserve books slots for jobs in line, in their order, and notes which owners wait. A job
// for which there is none gets the zero time.
func (p Policy) Reserve(r Row, wants []Want, waiting []string, now time.Time) (Row, []time.Time) {
	r = p.at(r, now)
	for _, owner := range waiting {
		r.Waiting = waits(r.Waiting, Tag(owner), now.Add(p.known()))
	}
	most, _ := p.bookable(&r, now)
	slots := make([]time.Time, len(wants))
	for i, w := range wants {
		lane, slot := p.first(&r, w.High, now, p.booking)
		if most == 0 || !p.mayBook(&r, lane, slot, now) {
			continue
		}
		r.lane(lane).add(Booking{At: slot, Job: Tag(w.Job), Owner: Tag(w.Owner)})
		slots[i] = slot
		most--
	}
	return r, slots
}

// Pending returns how many slots are booked for jobs of an owner and not used yet.
func (r *Row) Pending(owner string) int {
	tag := Tag(owner)
	return r.count(func(b Booking) bool { return b.pending() && b.Owner == tag })
}

// Weight returns how many slots an owner of a tier gets in a turn.
func (p Policy) Weight(tier string) int { return max(1, p.Weights[tier]) }

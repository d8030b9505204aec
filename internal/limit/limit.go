// Package limit is the pure core of what the provider grants: so many calls in
// any window, so many in a month, and none at all while it is broken.
//
// It promises that a decision is one function from a row to the next row, so that
// a store can write it on the condition that the row is still the one that was read,
// and all workers of all queues share one truth. Four things live in that row:
//
//   - the window: a log of bookings. One allowance is split in two lanes: shared,
//     open to every queue, and reserved, for the high queue alone; both together
//     never exceed the allowance.
//   - the owners that wait for a slot: while there are others, an owner may take a
//     slot without waiting only below an equal share.
//   - the breaker: after so many failures within a period no call is made, until
//     one probe succeeds. The probe is a lease, so that a crash cannot leave the
//     breaker half open for ever.
//   - the budget: requests and processing units of the calendar month.
//
// A booking is pending until its call is allowed. A pending booking may be used in
// [At, At + Usable]; after that it lapses, and its place in the window is free again.
// An allowed call is made at its At, at most Lag later. No other booking can bring
// the number of calls in any Window above the allowance, however late each pending
// one is used: see next.
//
// An example with the default policy (24 + 6 calls in 60 s): 24 jobs of the default
// queue arrive at once and call at 0 s. The 25th gets its slot at 61.5 s (60 s, half a
// second from the decision to the call, one second on the way), the 26th 2.56 s later,
// and so on, evenly. A job of the high queue meanwhile gets one of the six reserved
// slots at once.
//
// A request of the month counts when its call is allowed, in the same write. What was
// allowed and not made is given back by Undo.
//
// The package refuses I/O, contexts, clocks and randomness.
package limit

import (
	"fmt"
	"slices"
	"time"
)

// Policy is what the provider grants and what we make of it, fixed per deployment.
type Policy struct {
	Shared   int            // calls per window that every queue may make
	Reserved int            // calls per window for the high queue alone
	Window   time.Duration  // any stretch of this length
	Usable   time.Duration  // a pending booking may be used this long after its time, and at least Travel
	Weights  map[string]int // slots per turn by tier; 1 for a tier that is not there

	Exceptions int           // failures that open the breaker
	Period     time.Duration // within which they count, and for which it stays open
	Probe      time.Duration // how long one probe may take

	Requests int     // calls per calendar month, 0 for no limit
	Units    float64 // processing units per calendar month, 0 for no limit
}

// DefaultPolicy returns the throttle of the queue that orbitq replaces (30 calls in
// 60 s, 10 exceptions in 5 min) and the free monthly allowance of the provider.
// Source: domain brief 3.6.
func DefaultPolicy() Policy {
	return Policy{
		Shared: 24, Reserved: 6, Window: time.Minute, Usable: 5 * time.Second,
		Exceptions: 10, Period: 5 * time.Minute, Probe: 30 * time.Second,
		Requests: 10000, Units: 10000,
	}
}

// Travel is how much later a call may reach the provider than its worker looked at
// the clock, and how far the clocks of two workers may disagree. Neither shrinks
// when a deployment's times are compressed.
const Travel = time.Second

// Lag returns the longest time from a granted slot to its call: half a second for a window
// of a minute, and at least a tenth of one. A caller that is later has to ask again.
func (p Policy) Lag() time.Duration { return max(p.Window/120, 100*time.Millisecond) }

// usable returns how long after its time a pending booking may be used: as long as the policy
// says, and at least Travel. A message is late by what the machine does, which does not shrink
// either when a deployment's times are compressed.
func (p Policy) usable() time.Duration { return max(p.Usable, Travel) }

// windowSpacing is how far bookings are apart that lie one lane size from each other.
func (p Policy) windowSpacing() time.Duration { return p.Window + p.Lag() + Travel }

// Spacing returns the time between two slots of the shared lane while calls wait for
// slots; the window for a lane without slots.
func (p Policy) Spacing() time.Duration { return p.windowSpacing() / time.Duration(max(1, p.Shared)) }

// Gap returns the shortest time between two slots of the shared lane while calls wait for
// slots: half the time that is between them on average. What was missed is caught up at
// this speed; more would be a burst, which comes again a window later, with no call in
// between.
func (p Policy) Gap() time.Duration { return p.gap(sharedLane) }

// gap returns it for a lane.
func (p Policy) gap(n laneName) time.Duration {
	return p.windowSpacing() / time.Duration(2*max(1, p.size(n)))
}

// ahead is how many slots of a lane the relay books before they are used: a message is on
// its way meanwhile, and a new owner waits for so many calls at most.
const ahead = 3

// mayBook reports whether the relay may book a slot of a lane now: one of the next few, or
// one for which a message must be sent at once to be there in time.
func (p Policy) mayBook(r *Row, n laneName, slot, now time.Time) bool {
	if !slot.After(now.Add(2 * Travel)) {
		return true
	}
	return r.lane(n).count(Booking.pending) < ahead && !slot.After(now.Add(ahead*p.windowSpacing()/time.Duration(max(1, p.size(n)))))
}

// Booking is one slot of a lane.
type Booking struct {
	At    time.Time // earliest time of the call; of an allowed call its time
	Job   string    // tag of the job that it is for; of an allowed call the tag of the call
	Owner string    // tag of the job's owner
	Made  bool      // the call was allowed
}

// Row is the state of the provider's limiter.
type Row struct {
	Version  int // grows with every write
	Shared   []Booking
	Reserved []Booking
	Waiting  []Waiter
	Breaker  Breaker
	Budget   Budget
}

// Pass is what a job shows to the limiter: which lane it may use, the slot that was
// booked for it, and who it is for the records.
type Pass struct {
	High     bool          // may use the reserved lane
	Slot     time.Time     // booked by the relay; zero for none, and once it is used
	Patience time.Duration // how long its worker would rather wait than come again
	Returns  bool          // comes again by itself after the wait of a refusal: a step of a chain or batch
	Calls    int           // made by this attempt so far
	Job      string
	Owner    string
	Point    string
	Attempt  int
}

// call returns the tag of the call that is asked for: two calls of one job are two, also in
// the same millisecond.
func (p *Pass) call() string { return Tag(fmt.Sprintf("%s %d %d", p.Job, p.Attempt, p.Calls)) }

// Patience is how long a worker of a queue waits for its slot: delays of SQS are
// whole seconds, so a message may come up to a second before its time.
const Patience = 1500 * time.Millisecond

// patience returns how long a call waits for its slot. An attempt that has made a call
// waits a third of the window for the next: to come again would repeat the first call,
// and under load for ever.
func (p Policy) patience(pass *Pass) time.Duration {
	if pass.Calls > 0 {
		return max(pass.Patience, p.Window/3)
	}
	return pass.Patience
}

// Refusal says why no call may be made now.
type Refusal int

// The refusals.
const (
	Granted   Refusal = iota // the slot of the grant may be used
	TooFull                  // no slot for this owner within its patience
	Broken                   // the breaker is open
	MonthOver                // the month's budget is used up
)

// Grant is the answer to a pass: a slot, or why there is none and how long to wait.
type Grant struct {
	Slot    time.Time
	Refusal Refusal
	Wait    time.Duration
	Booked  Booking // what an allowed call holds in the row, for Undo
}

// Enter decides about one call. A slot that was booked for the job is used if it still
// can be; if its time is further away than the caller waits, it is kept. Without one
// the call gets the next slot if that is within its patience and it is its owner's turn.
// An allowed call counts as a request of the month.
func (p Policy) Enter(r Row, pass *Pass, now time.Time) (Row, Grant) {
	r = p.at(r, now)
	tag := Tag(pass.Job)
	held := r.pending(tag, pass.Slot)
	left := p.Left(r.Budget, r.pendings()+1, now)
	if left == 0 || held == nil && left <= r.pendings() {
		return r, Grant{Refusal: MonthOver, Wait: NextMonth(now).Sub(now)}
	}
	breaker, probe, wait := p.Admit(r.Breaker, now)
	if wait > 0 {
		return r, Grant{Refusal: Broken, Wait: wait}
	}
	if held != nil && held.At.Sub(now) > p.patience(pass) {
		return r, Grant{Slot: held.At, Wait: held.At.Sub(now)}
	}
	booked := Booking{Job: pass.call(), Owner: Tag(pass.Owner), Made: true}
	if held != nil {
		booked.At = later(held.At, now)
		r, _ = r.without(held.Booking)
		r.lane(held.lane).add(booked)
	} else {
		lane, slot := p.first(&r, pass.High, now, p.next)
		if slot.Sub(now) > p.patience(pass) || pass.Calls == 0 && !p.turn(&r, lane, booked.Owner, slot, now) {
			return p.refuse(r, pass, slot, now)
		}
		booked.At = slot
		r.lane(lane).add(booked)
	}
	r.Budget.Requests++
	if probe {
		r.Breaker = breaker
	}
	return r, Grant{Slot: booked.At, Wait: max(0, booked.At.Sub(now)), Booked: booked}
}

// refuse refuses a call that has no slot, and notes that its owner waits. A step of a chain
// or batch is told when to come again, and its owner's steps are spread at the owner's
// share of the slots: forty steps that come again at once would each be refused many times.
func (p Policy) refuse(r Row, pass *Pass, slot, now time.Time) (Row, Grant) {
	wait := slot.Sub(now)
	owner := Tag(pass.Owner)
	if !pass.Returns && !r.waits(owner) {
		r.Waiting = waits(r.Waiting, owner, now.Add(p.known()))
	}
	if pass.Returns {
		next := now
		for _, w := range r.Waiting {
			if w.Owner == owner {
				next = later(next, w.Until)
			}
		}
		next = next.Add(p.Spacing() * time.Duration(1+r.others(owner, now)))
		r.Waiting = waits(r.Waiting, owner, next)
		wait = max(wait-p.patience(pass), next.Sub(now))
	}
	return r, Grant{Refusal: TooFull, Wait: max(wait, time.Second)}
}

// Open reports whether an owner's call that comes now would find a slot within Patience,
// beside those that were let in before the row says so. It does not pass jobs of the same
// owner that stand in line. The month is not asked: a job that
// it has no request for is told so, and parked, by its worker.
func (p Policy) Open(r Row, high bool, owner string, sent int, now time.Time) bool {
	r = p.at(r, now)
	if r.Breaker.State(now) == "open" || r.waits(Tag(owner)) {
		return false
	}
	r.Shared, r.Reserved = slices.Clone(r.Shared), slices.Clone(r.Reserved)
	for range sent {
		lane, slot := p.first(&r, high, now, p.next)
		r.lane(lane).add(Booking{At: slot, Made: true})
	}
	lane, slot := p.first(&r, high, now, p.next)
	return slot.Sub(now) <= Patience && p.turn(&r, lane, Tag(owner), slot, now)
}

// Undo returns the row without a call that was allowed and not made: its place in the
// window and its request are free again. A booking that is not there was never written.
func (p Policy) Undo(r Row, b Booking, now time.Time) Row {
	r = p.at(r, now)
	next, had := r.without(b)
	if had && b.Made && next.Budget.Requests > 0 {
		next.Budget.Requests--
	}
	return next
}

// Report returns the row after a call came back.
func (p Policy) Report(r Row, c *Call, now time.Time) Row {
	r.Budget = r.Budget.At(now)
	r.Budget.Units += c.Units
	switch c.Verdict {
	case Answered:
		r.Breaker = p.Succeeded(r.Breaker)
	case Failed:
		r.Breaker = p.Failed(r.Breaker, false, now)
	case Rejected:
		r.Breaker = p.Failed(r.Breaker, true, now)
	case UsedUp:
		r.Budget.Closed = true
	case Throttled:
	}
	return r
}

// Package limit is the pure core of what the provider grants: so many calls in
// any window, so many in a month, and none at all while it is broken.
//
// It promises that a decision is one function from a row to the next row, so that
// a store can write it on the condition that nobody was quicker, and all workers
// of all queues share one truth. Three things live in that row:
//
//   - the window: a sliding log of the newest slots. One allowance is split in two
//     lanes: shared, open to every queue, and reserved, for the high queue alone;
//     both together never exceed the allowance.
//   - the breaker: after so many failures within a period no call is made, until
//     one probe succeeds. The probe is a lease, so that a crash cannot leave the
//     breaker half open for ever.
//   - the budget: requests and processing units of the calendar month.
//
// A slot is a moment, not a call: whoever books one may call in [slot, slot +
// Usable], and has to book again when it comes later. Slots of one lane are
// therefore Window + Usable + Travel apart, lane size by lane size, and then no Window holds more calls than the allowance, however late each
// of them uses its slot.
//
// An example with the default policy (24 + 6 calls in 60 s, usable for 5 s): 24 jobs
// of the default queue arrive at once and get slots at 0 s. The 25th gets its slot at
// 66 s (60 + 5 + 1 for the way), the 26th 2.75 s later, and so on, evenly. A job of
// the high queue meanwhile gets one of the six reserved slots at once. After about
// 330 slots the horizon of 15 min is full: whoever comes then books nothing, and waits
// in the table until the relay finds room for it.
//
// In the worst case each of the first 24 uses its slot as late as it may, at 5 s, and
// reaches the provider at 6 s; the 25th call cannot begin before 66 s. The window
// from 6 s to 66 s holds 24 calls and no more.
//
// The package refuses I/O, contexts, clocks and randomness.
package limit

import (
	"slices"
	"time"
)

// Policy is what the provider grants and what we make of it, fixed per deployment.
type Policy struct {
	Shared   int           // calls per window that every queue may make
	Reserved int           // calls per window for the high queue alone
	Window   time.Duration // any stretch of this length
	Usable   time.Duration // a slot may be used this long after its time
	Horizon  time.Duration // no slot is booked further ahead

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
		Shared: 24, Reserved: 6, Window: time.Minute, Usable: 5 * time.Second, Horizon: 15 * time.Minute,
		Exceptions: 10, Period: 5 * time.Minute, Probe: 30 * time.Second,
		Requests: 10000, Units: 10000,
	}
}

// Travel is how much later a call may reach the provider than its worker looked at
// the clock, and how far the clocks of two workers may disagree. Neither shrinks
// when a deployment's times are compressed.
const Travel = time.Second

// apart is how far slots are apart that lie one lane size from each other.
func (p Policy) apart() time.Duration { return p.Window + p.Usable + Travel }

// Row is the state of the provider's door.
type Row struct {
	Version  int         // grows with every write
	Shared   []time.Time // newest slots of the shared lane, oldest first
	Reserved []time.Time // newest slots of the reserved lane, oldest first
	Breaker  Breaker
	Budget   Budget
}

// Pass is what a job shows at the door: which lane it may use, the slot that it
// booked before, and who it is for the records.
type Pass struct {
	High     bool          // may use the reserved lane
	Slot     time.Time     // booked earlier; zero once used
	Patience time.Duration // how long its worker would rather wait than come again
	Job      string
	Owner    string
	Point    string
	Attempt  int
}

// Patience is how long a worker of a queue waits for its slot: delays of SQS are
// whole seconds, so a message may come up to a second before its time.
const Patience = 1500 * time.Millisecond

// Refusal says why no call may be made now.
type Refusal int

// The refusals.
const (
	Granted   Refusal = iota // the slot of the grant may be used
	TooFull                  // no slot within the horizon
	Broken                   // the breaker is open
	MonthOver                // the month's budget is used up
)

// Grant is the answer to a pass: a slot, or why there is none and how long to wait.
type Grant struct {
	Slot    time.Time
	Refusal Refusal
	Wait    time.Duration
}

// Enter decides about one call. A slot that was booked before is used if it still
// can be; otherwise the pass gets the next one, which may be later than the caller
// can wait: then it comes back with it. Each booked slot counts as a request of
// the month, whether it is used or not: the provider counts failed calls, too.
func (p Policy) Enter(r Row, pass *Pass, now time.Time) (Row, Grant) {
	r.Budget = r.Budget.At(now)
	held := !pass.Slot.IsZero() && !now.After(pass.Slot.Add(p.Usable))
	if p.Left(r.Budget, 1, now) == 0 && !held || r.Budget.Closed {
		return r, Grant{Refusal: MonthOver, Wait: NextMonth(now).Sub(now)}
	}
	breaker, probe, wait := p.Admit(r.Breaker, now)
	if wait > 0 {
		return r, Grant{Refusal: Broken, Wait: wait}
	}
	slot := pass.Slot
	if !held {
		next, slots := p.Book(r, pass.High, 1, now)
		if len(slots) == 0 {
			return r, Grant{Refusal: TooFull, Wait: p.Wait(&r, pass.High, now)}
		}
		next.Budget.Requests++
		r, slot = next, slots[0]
	}
	if probe && slot.Sub(now) <= pass.Patience {
		r.Breaker = breaker
	}
	return r, Grant{Slot: slot, Wait: max(0, slot.Sub(now))}
}

// Reserve books slots for messages that are about to be sent, as many of n as the
// door allows: none while the breaker is open, one while it waits for a probe.
func (p Policy) Reserve(r Row, high bool, n int, now time.Time) (Row, []time.Time) {
	r.Budget = r.Budget.At(now)
	switch r.Breaker.State(now) {
	case "open":
		return r, nil
	case "half_open":
		n = min(n, 1)
	}
	next, slots := p.Book(r, high, p.Left(r.Budget, n, now), now)
	next.Budget.Requests += len(slots)
	return next, slots
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

// Book returns the row with n more slots, and the slots in order. Beyond the
// horizon nothing is booked: then there are fewer than n.
func (p Policy) Book(r Row, high bool, n int, now time.Time) (Row, []time.Time) {
	r.Shared, r.Reserved = slices.Clone(r.Shared), slices.Clone(r.Reserved)
	var slots []time.Time
	for len(slots) < n {
		lane, size, slot := p.first(&r, high, now)
		if slot.Sub(now) > p.Horizon {
			break
		}
		*lane = noted(*lane, slot, size)
		slots = append(slots, slot)
	}
	return r, slots
}

// first returns the lane of the next free slot of a queue, the lane's size, and the
// slot.
func (p Policy) first(r *Row, high bool, now time.Time) (lane *[]time.Time, size int, slot time.Time) {
	lane, size, slot = &r.Shared, p.Shared, p.next(r.Shared, p.Shared, now)
	if !high {
		return lane, size, slot
	}
	if s := p.next(r.Reserved, p.Reserved, now); !s.After(slot) {
		return &r.Reserved, p.Reserved, s
	}
	return lane, size, slot
}

// next returns the next free slot of a lane of the given size. Slots in the future
// are spread evenly: who waits anyway need not come in a burst, which the provider
// may clip.
func (p Policy) next(lane []time.Time, size int, now time.Time) time.Time {
	if size == 0 {
		return now.Add(p.Horizon + 1) // a lane without slots has none within any horizon
	}
	if len(lane) < size {
		return now
	}
	free := lane[len(lane)-size].Add(p.apart())
	if !free.After(now) {
		return now
	}
	if spread := lane[len(lane)-1].Add(p.apart() / time.Duration(size)); spread.After(free) {
		return spread
	}
	return free
}

// noted returns a lane with one more slot in order, and only the newest keep.
func noted(lane []time.Time, slot time.Time, keep int) []time.Time {
	at, _ := slices.BinarySearchFunc(lane, slot, time.Time.Compare)
	for at < len(lane) && lane[at].Equal(slot) {
		at++
	}
	lane = slices.Insert(lane, at, slot)
	return lane[max(0, len(lane)-keep):]
}

// Free returns how many slots of a queue can be had within Patience.
func (p Policy) Free(r *Row, high bool, now time.Time) int {
	p.Horizon = Patience
	_, slots := p.Book(*r, high, p.Shared+p.Reserved, now)
	return len(slots)
}

// Wait returns how long the next slot of a queue is away.
func (p Policy) Wait(r *Row, high bool, now time.Time) time.Duration {
	_, _, slot := p.first(r, high, now)
	return slot.Sub(now)
}

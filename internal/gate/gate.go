// Package gate is the use case of the provider's limiter: every call of every worker
// asks it, and every sender may ask it how full it is.
//
// It promises that no call is made without a slot of the limiter, none while the
// breaker is open but its probe, and none beyond the month's budget; and that no
// backlog can make jobs run in circles: a job that finds no slot waits in the table,
// where the relay books for one owner after the other.
//
// The limiter is one versioned row. Its writes are grouped: calls that ask while a
// write is under way are decided upon by the next one, so that a batch of jobs gets its
// slots in one or two writes. What calls came to travels with the next write, or with
// Flush at the end of a batch.
//
// One call, step by step:
//
//  1. The adapter of the provider shows the job's pass to Enter.
//  2. A slot that the relay booked for the job is used if its time is now. Otherwise the
//     call gets the next slot if that is near, and if no other owner waits for it. The
//     same write counts the month's request.
//  3. The worker sleeps until its slot. The error of a call that got none says when to
//     come again, or leaves the job to the relay.
//  4. The clock is looked at once more, and the call is made. A call that is too late for
//     its slot is not: its slot and its request are given back, and it asks again.
//  5. Left takes note of what the call came to: the breaker hears of failures, the budget
//     of units, and the record is kept under the job.
//
// It refuses to fail a job for its own sake: a refusal is an error whose code
// means "released, no attempt lost".
package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// Store keeps the door's row and the records of calls.
type Store interface {
	// Door returns the row; a missing one is the zero row.
	Door(ctx context.Context) (limit.Row, error)
	// SaveDoor writes the row if the stored one still has the version before it;
	// otherwise it returns the stored row and false.
	SaveDoor(ctx context.Context, next limit.Row) (limit.Row, bool, error)
	// RecordCalls keeps records of calls.
	RecordCalls(ctx context.Context, calls []limit.Call) error
}

// Config has the parts of a Gate.
type Config struct {
	Store  Store
	Policy limit.Policy
	Now    func() time.Time
	Jitter func() float64 // random in [0, 1)
	// Sleep waits for a time, or returns why it could not.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Gate is the door, one per process.
type Gate struct {
	Config

	mu      sync.Mutex
	row     limit.Row // as last read or written
	read    time.Time // when that was
	asking  []*question
	busy    bool         // somebody is writing
	lent    map[bool]int // messages sent on the strength of row, by lane
	reports []report     // not yet in the row
	records []limit.Call // not yet recorded
}

// New returns a Gate.
func New(c Config) *Gate { return &Gate{Config: c, lent: map[bool]int{}} }

// Limits of one write of the row.
const (
	maxTries = 12                    // against other workers
	pause    = 20 * time.Millisecond // the longest before the second try
	stale    = time.Second           // a row that is older is read again
	maxWait  = 5 * time.Second       // for one decision
	spread   = 30 * time.Second      // over which jobs come back after an outage
)

// report is news for the row: what a call came to, or a slot that is given back.
type report struct {
	call *limit.Call
	undo limit.Booking
}

// question is one decision that a caller waits for.
type question struct {
	decide func(limit.Row, time.Time) limit.Row
	booked func() []limit.Booking // what the decision took, for a caller that does not use it; nil for nothing
	left   bool                   // the caller did not wait for the answer
	err    error
	done   chan struct{}
}

// maxSlots is how many slots one call may lose because the answer to its booking
// came too late to use them.
const maxSlots = 4

// Enter returns when the call may be made, or an error with a code of class
// Release: the job waits for its turn, or comes again at the time that the error names.
//
// The clock is looked at again at the very end: the decision may have waited for the
// writes of others, and a slot that is over would put its call into the next window.
func (g *Gate) Enter(ctx context.Context, pass *limit.Pass) error {
	for range maxSlots {
		var grant limit.Grant
		asked := *pass // of its own: a decision may outlast the caller
		err := g.ask(ctx, func(r limit.Row, now time.Time) limit.Row {
			r, grant = g.Policy.Enter(r, &asked, now)
			return r
		}, func() []limit.Booking { return []limit.Booking{grant.Booked} })
		if err != nil {
			return busy(err, g.Jitter())
		}
		if e := g.refusal(grant); e != nil {
			return e
		}
		if err := g.await(ctx, grant); err != nil {
			g.giveBack(grant.Booked)
			return err
		}
		if !g.Now().After(grant.Slot.Add(g.Policy.Lag())) {
			pass.Slot = time.Time{}
			pass.Calls++
			return nil
		}
		g.giveBack(grant.Booked)
	}
	return refuse(job.Limited, time.Duration(g.Jitter()*float64(g.Policy.Window)), "slots passed before they could be used")
}

// await sleeps until a slot. After a long sleep the provider may have failed meanwhile.
func (g *Gate) await(ctx context.Context, grant limit.Grant) error {
	if err := g.Sleep(ctx, max(0, grant.Slot.Sub(g.Now()))); err != nil {
		return job.Errorf(job.Throttled, "the attempt ended before its slot came: %w", err)
	}
	if grant.Wait > limit.Patience {
		return g.Working(ctx)
	}
	return nil
}

// busy lets a job come again soon when the row could not be written: a row that others
// write is free again in a moment, not in a minute.
func busy(err error, jitter float64) error {
	if coded, ok := errors.AsType[*job.Error](err); ok && coded.Code == job.Throttled {
		coded.RetryAfter = time.Duration((1 + 4*jitter) * float64(time.Second))
	}
	return err
}

// Working returns nil unless the breaker is open. It is asked before a request that takes
// no slot, because it does not go to the provider's interface: the fetch of a token.
func (g *Gate) Working(ctx context.Context) error {
	s, err := g.Look(ctx)
	if err != nil {
		return err
	}
	if s.Breaker == "open" {
		return g.refusal(limit.Grant{Refusal: limit.Broken, Wait: s.Row.Breaker.Until.Sub(s.At)})
	}
	return nil
}

// giveBack has slots freed by the next write, in which no call was or will be made.
func (g *Gate) giveBack(all ...limit.Booking) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.undo(all...)
}

// undo does what giveBack does for a caller that holds mu. A booking without a time is none.
func (g *Gate) undo(all ...limit.Booking) {
	for _, b := range all {
		if !b.At.IsZero() {
			g.reports = append(g.reports, report{undo: b})
		}
	}
}

// refusal returns why the caller has to come again, or nil if the grant's slot is
// near enough to wait for.
func (g *Gate) refusal(grant limit.Grant) error {
	switch grant.Refusal {
	case limit.TooFull:
		return refuse(job.Limited, grant.Wait, "every slot of the limiter is taken, or other owners are first")
	case limit.Broken:
		return refuse(job.BreakerOpen, grant.Wait+time.Duration(g.Jitter()*float64(min(spread, g.Policy.Period))), "the provider failed too often; calls pause")
	case limit.MonthOver:
		return refuse(job.ProviderQuota, grant.Wait, "the month's budget of provider calls is used up")
	case limit.Granted:
	}
	if grant.Booked.At.IsZero() { // its message came before its slot
		e := refuse(job.Limited, grant.Wait, "waits for its slot at "+grant.Slot.UTC().Format(time.RFC3339))
		e.Slot = grant.Slot
		return e
	}
	return nil
}

// refuse returns a refusal.
func refuse(code job.Code, wait time.Duration, why string) *job.Error {
	e := job.Errorf(code, "%s", why)
	e.RetryAfter = wait
	return e
}

// Left takes note of what a call came to.
func (g *Gate) Left(c limit.Call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !c.Cached {
		g.reports = append(g.reports, report{call: &c})
	}
	c.Sequence = len(g.records)
	g.records = append(g.records, c)
}

// maxRecords is how many records wait for a table that does not take them.
const maxRecords = 1000

// keep gives records back that could not be written, for the next Flush; the oldest
// are dropped when there are too many.
func (g *Gate) keep(records []limit.Call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.records = append(records, g.records...)
	g.records = g.records[max(0, len(g.records)-maxRecords):]
}

// Reserve books slots for jobs in line, in their order; a job for which there is none gets
// the zero time. The owners that wait are noted, so that others do not pass them.
func (g *Gate) Reserve(ctx context.Context, wants []limit.Want, waiting []string) ([]time.Time, error) {
	var slots []time.Time
	err := g.ask(ctx, func(r limit.Row, now time.Time) limit.Row {
		r, slots = g.Policy.Reserve(r, wants, waiting, now)
		return r
	}, func() (taken []limit.Booking) {
		for i, slot := range slots {
			taken = append(taken, booked(wants[i], slot))
		}
		return taken
	})
	if err != nil {
		return nil, err
	}
	return slots, nil
}

// Opening says how many slots can be booked now for jobs in line; it is at most a second old.
func (g *Gate) Opening(ctx context.Context) (limit.Opening, error) {
	s, err := g.Look(ctx)
	if err != nil {
		return limit.Opening{}, err
	}
	return g.Policy.Opening(s.Row, s.At), nil
}

// Free gives a slot back that was booked for a job in line and is not needed.
func (g *Gate) Free(w limit.Want, slot time.Time) { g.giveBack(booked(w, slot)) }

// booked is the booking of a job in line; none for the zero time.
func booked(w limit.Want, slot time.Time) limit.Booking {
	return limit.Booking{At: slot, Job: limit.Tag(w.Job), Owner: limit.Tag(w.Owner)}
}

// Room reports whether a message of an owner that is sent now would find a slot, and
// counts it if so. It saves receives and books nothing: without an answer it says yes,
// and other processes are seen with a second's delay.
func (g *Gate) Room(ctx context.Context, high bool, owner string) bool {
	if _, err := g.Look(ctx); err != nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.Policy.Open(g.row, high, owner, g.lent[high], g.Now()) {
		return false
	}
	g.lent[high]++
	return true
}

// Status is the door as people and alarms want to see it.
type Status struct {
	Row     limit.Row
	At      time.Time
	Breaker string
	Spent   float64 // of the month's budget, in percent
}

// Look returns the door's state, at most a second old.
func (g *Gate) Look(ctx context.Context) (Status, error) {
	if err := g.ask(ctx, func(r limit.Row, _ time.Time) limit.Row { return r }, nil); err != nil {
		return Status{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.Now()
	return Status{Row: g.row, At: now, Breaker: g.row.Breaker.State(now), Spent: g.Policy.Spent(g.row.Budget, now)}, nil
}

// Flush writes what calls came to since the last write, and their records. It is
// called at the end of a batch.
func (g *Gate) Flush(ctx context.Context) error {
	g.mu.Lock()
	records, pending := g.records, len(g.reports) > 0
	g.records = nil
	g.mu.Unlock()
	if len(records) == 0 && !pending {
		return nil
	}
	err := g.ask(ctx, func(r limit.Row, _ time.Time) limit.Row { return r }, nil)
	if recordErr := g.Store.RecordCalls(ctx, records); recordErr != nil && err == nil {
		err = fmt.Errorf("record calls: %w", recordErr)
		g.keep(records)
	}
	return err
}

// Package gate is the use case of the one door to the provider: every call of
// every worker passes it, and every sender may ask it how full it is.
//
// It promises that no call is made without a slot of the limiter, none while the
// breaker is open but its probe, and none beyond the month's budget; and that no
// backlog can make jobs run in circles: a job that finds the door full either
// books a slot and comes back at its time, or waits in the table, where the relay
// books for as many as the horizon holds.
//
// The door is one versioned row. Its writes are grouped: whoever asks while a
// write is under way is decided upon by the next one, so that a batch of jobs
// books its slots in one or two writes. What calls came to travels with the next
// write, or with Flush at the end of a batch.
//
// One call, step by step:
//
//  1. The adapter of the provider shows the job's pass to Enter.
//  2. A slot that was booked before is used if its time is now. Otherwise the next
//     slot is booked; so is the month's request that goes with it.
//  3. A slot that is near is waited for, one that is far is returned in the error:
//     the worker writes it into the job's row and sends the message that arrives at it.
//  4. The clock is looked at once more, and the call is made.
//  5. Left takes note of what it came to: the breaker hears of failures, the budget of
//     units, and the record is kept under the job.
//
// Senders use the same row the other way round. The relay books for those that wait
// in the table and sends each message to arrive at its slot; accepting only asks
// whether there is room, because it must not cost a write.
//
// It refuses to fail a job for its own sake: a refusal is an error whose code
// means "released, no attempt lost", and it says when to come again.
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
	reports []limit.Call // not yet in the row
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

// question is one decision that somebody waits for.
type question struct {
	decide func(limit.Row, time.Time) limit.Row
	err    error
	done   chan struct{}
}

// maxSlots is how many slots one call may lose because the answer to its booking
// came too late to use them.
const maxSlots = 4

// Enter returns when the call may be made, or an error with a code of class
// Release that says when to come again; with a slot in it, that slot is booked.
//
// The clock is looked at again at the very end: the decision may have waited for the
// writes of others, and a slot that is over would put its call into the next window.
func (g *Gate) Enter(ctx context.Context, pass *limit.Pass) error {
	for range maxSlots {
		var grant limit.Grant
		err := g.ask(ctx, func(r limit.Row, now time.Time) limit.Row {
			r, grant = g.Policy.Enter(r, pass, now)
			return r
		})
		if busy, ok := errors.AsType[*job.Error](err); ok && busy.Code == job.Throttled {
			// A row that others write is free again in a moment, not in a minute.
			busy.RetryAfter = time.Duration((1 + 4*g.Jitter()) * float64(time.Second))
		}
		if err != nil {
			return err
		}
		if e := g.refusal(grant, pass); e != nil {
			return e
		}
		pass.Slot = time.Time{} // used up by this call, or lost
		if err := g.Sleep(ctx, max(0, grant.Slot.Sub(g.Now()))); err != nil {
			return job.Errorf(job.Throttled, "the attempt ended before its slot came: %w", err)
		}
		if !g.Now().After(grant.Slot.Add(g.Policy.Usable)) {
			return nil
		}
	}
	return refuse(job.Limited, time.Duration(g.Jitter()*float64(g.Policy.Window)), "slots passed before they could be used")
}

// refusal returns why the caller has to come again, or nil if the grant's slot is
// near enough to wait for.
func (g *Gate) refusal(grant limit.Grant, pass *limit.Pass) error {
	switch grant.Refusal {
	case limit.TooFull:
		// Spread over half the horizon: they ask again at different times.
		return refuse(job.Limited, time.Duration((1+g.Jitter())/2*float64(g.Policy.Horizon)), "every slot of the next minutes is booked")
	case limit.Broken:
		return refuse(job.BreakerOpen, grant.Wait+time.Duration(g.Jitter()*float64(min(spread, g.Policy.Period))), "the provider failed too often; calls pause")
	case limit.MonthOver:
		return refuse(job.ProviderQuota, grant.Wait, "the month's budget of provider calls is used up")
	case limit.Granted:
	}
	if grant.Wait > pass.Patience {
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
		g.reports = append(g.reports, c)
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

// Reserve books slots for messages that are about to be sent, as many of n as the
// door allows.
func (g *Gate) Reserve(ctx context.Context, high bool, n int) ([]time.Time, error) {
	var slots []time.Time
	err := g.ask(ctx, func(r limit.Row, now time.Time) limit.Row {
		r, slots = g.Policy.Reserve(r, high, n, now)
		return r
	})
	if err != nil {
		return nil, err // what was not written is not booked
	}
	return slots, nil
}

// Room reports whether a message that is sent now would find a slot, and counts it
// if so. It is a courtesy that saves receives, not a booking: without an answer it
// says yes, and other processes are seen with a second's delay.
func (g *Gate) Room(ctx context.Context, high bool) bool {
	if _, err := g.Look(ctx); err != nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.Now()
	if g.row.Breaker.State(now) == "open" || g.lent[high] >= g.Policy.Free(&g.row, high, now) {
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
	if err := g.ask(ctx, func(r limit.Row, _ time.Time) limit.Row { return r }); err != nil {
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
	err := g.ask(ctx, func(r limit.Row, _ time.Time) limit.Row { return r })
	if recordErr := g.Store.RecordCalls(ctx, records); recordErr != nil && err == nil {
		err = fmt.Errorf("record calls: %w", recordErr)
		g.keep(records)
	}
	return err
}

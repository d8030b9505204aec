package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// Waiter is an owner with jobs in line at a queue.
type Waiter struct {
	Owner string
	Turn  time.Time // of its last turn; zero for none since it joined the line
}

// KeepEmpty is how long an owner without jobs stays in line: longer than an index takes to
// show a job that has just joined.
const KeepEmpty = time.Minute

// Line holds the jobs that wait for a slot of the limiter, by queue and owner.
type Line interface {
	// Waiters returns up to n owners in line at a queue whose turn has come, the one whose
	// last turn is longest ago first.
	Waiters(ctx context.Context, queue string, now time.Time, n int) ([]Waiter, error)
	// InLine returns up to n jobs of an owner in line at a queue, the oldest first.
	InLine(ctx context.Context, queue, owner string, n int) ([]job.Job, error)
	// Served takes note that an owner had its turn, and when the next one may come.
	Served(ctx context.Context, queue, owner string, next time.Time) error
	// Emptied takes note that an owner had no job in line: after KeepEmpty it is taken out.
	Emptied(ctx context.Context, queue, owner string, next, now time.Time) error
	// Units returns the meter that counts a job's unit and the limit of its owner's plan;
	// Unlimited for a job that needs no unit, or has one.
	Units(ctx context.Context, j *job.Job, now time.Time) (m job.Meter, limit int, err error)
}

// Pacer books slots of the provider's limiter.
type Pacer interface {
	// Opening says how many slots can be booked now.
	Opening(ctx context.Context) (limit.Opening, error)
	// Reserve books slots for jobs, in their order; a job for which there is none gets the
	// zero time. The owners that wait go before calls that did not stand in line.
	Reserve(ctx context.Context, wants []limit.Want, waiting []string) ([]time.Time, error)
	// Free gives a slot back that is not needed.
	Free(w limit.Want, slot time.Time)
}

// queues in the order in which an owner's jobs are sent.
func queues() []string { return []string{"high", "default", "low"} }

// Paced counts what Pace did.
type Paced struct {
	Sent   int // messages with a slot
	Free   int // messages of jobs that need none
	Turns  int // how often slots were given out
	Owners int // most owners in line at one time
}

// Pace sends jobs in line to their slots, as long as there are any and at most for PaceFor.
// It gives slots out one by one, shortly before their time, so that a job that needs none
// (its answer is known, its owner has no unit, it was cancelled) holds none, and an owner
// who comes new has a turn at once. It sleeps from slot to slot.
//
// Slots go to the owner whose turn is longest ago. A turn is one slot, or as many as the
// weight of the owner's tier says.
func (r *Relay) Pace(ctx context.Context) (Paced, error) {
	var total Paced
	var errs []error
	end := r.Now().Add(r.PaceFor)
	begun := map[string]int{} // slots of turns that are not over, by owner
	for idle := 0; idle < 2 && len(errs) < 10; {
		t := &turn{Relay: r, owners: map[string]*inLine{}, known: total.Owners > 0, begun: begun}
		wait, err := t.run(ctx)
		if err != nil {
			errs = append(errs, err)
		}
		total.Sent += t.sent
		total.Free += t.free
		total.Turns++
		total.Owners = max(total.Owners, len(t.owners))
		switch {
		case len(t.owners) > 0 || t.closed:
			idle = 0
		case total.Owners == 0:
			return total, errors.Join(errs...) // the usual case: no job is in line
		default:
			idle++ // an index may be late: look once more
		}
		if !r.Now().Add(wait).Before(end) {
			break
		}
		if err := r.Sleep(ctx, wait); err != nil {
			break // the time of the function is over
		}
	}
	return total, errors.Join(errs...)
}

// turn gives out the slots that can be booked at one moment.
type turn struct {
	*Relay

	now     time.Time
	opening limit.Opening
	owners  map[string]*inLine
	begun   map[string]int
	known   bool // there were owners in line a moment ago
	closed  bool // there are, and no slot can be booked now
	turns   int
	sent    int
	free    int
}

// inLine is an owner in one turn.
type inLine struct {
	name   string
	last   time.Time // of its turns
	queues []string  // where it is in line, in the order of queues
	jobs   []job.Job // read and not picked yet, of queues[0]
	weight int       // slots of a turn
	ended  bool      // its turn has ended
	units  int       // that jobs of a limited owner may still take; -1 for not known yet
	picked map[string]int
	over   bool // nothing more to pick in this turn
	next   time.Time
}

// run books and sends, and returns when there is more to do.
func (t *turn) run(ctx context.Context) (time.Duration, error) {
	var err error
	if t.opening, err = t.Pacer.Opening(ctx); err != nil {
		return t.Limit.Spacing(), fmt.Errorf("ask the limiter: %w", err)
	}
	t.now = t.opening.At
	full := t.opening.Reserved+t.opening.Shared == 0
	if !full || !t.known {
		if err := t.find(ctx); err != nil {
			return t.Limit.Spacing(), err
		}
	}
	if full {
		t.closed = t.known || len(t.owners) > 0
		return max(t.opening.Wait, time.Millisecond), nil
	}
	if len(t.owners) == 0 {
		return 2 * t.Limit.Spacing(), nil
	}
	picked, free, err := t.pick(ctx)
	errs := []error{err}
	for i := range free {
		if sent, err := t.resend(ctx, &free[i], time.Time{}); err != nil {
			errs = append(errs, err)
		} else if sent {
			t.free++
		}
	}
	errs = append(errs, t.book(ctx, picked), t.note(ctx))
	err = errors.Join(errs...)
	switch {
	case t.free > 0:
		return time.Millisecond, err // those behind them may need a slot
	case len(picked) == 0 && t.opening.Shared == 0:
		return max(t.opening.Wait, time.Millisecond), err
	default:
		return t.Limit.Gap(), err
	}
}

// find reads the owners whose turn may be now.
func (t *turn) find(ctx context.Context) error {
	for _, queue := range queues() {
		waiters, err := t.Line.Waiters(ctx, queue, t.now, t.opening.Reserved+t.opening.Shared+spareOwners)
		if err != nil {
			return fmt.Errorf("find owners in line: %w", err)
		}
		for _, w := range waiters {
			o := t.owners[w.Owner]
			if o == nil {
				o = &inLine{name: w.Owner, weight: 1, units: -1, picked: map[string]int{}, next: t.now}
				t.owners[w.Owner] = o
			}
			o.queues = append(o.queues, queue)
			if w.Turn.After(o.last) {
				o.last = w.Turn
			}
		}
	}
	return nil
}

// Sizes of a turn.
const (
	spareOwners = 8  // owners that are read beyond the slots: some have nothing to send
	readAhead   = 10 // jobs of an owner that are read at once
	maxFree     = 50 // messages without a slot
)

// pick chooses the jobs for the slots of this turn, and those that need none.
func (t *turn) pick(ctx context.Context) (wants, free []job.Job, err error) {
	reserved, shared := t.opening.Reserved, t.opening.Shared
	var errs []error
	for reserved+shared > 0 && len(free) < maxFree {
		o := t.first()
		if o == nil {
			break
		}
		if o.queues[0] != "high" && shared == 0 {
			o.over = true
			continue
		}
		some, err := t.read(ctx, o)
		if err != nil {
			errs = append(errs, err)
			o.over = true
		}
		if !some {
			continue
		}
		j := &o.jobs[0]
		need, err := t.needs(ctx, o, j)
		if err != nil {
			errs = append(errs, err)
			o.over = true
			continue
		}
		switch need {
		case needsUnit:
			// Its jobs wait in line, where they cost nothing, until a unit is given back.
			o.over, o.next = true, t.now.Add(t.Timing.QuotaWait)
			continue
		case needsNothing:
			free = append(free, *j)
		case needsSlot:
			wants = append(wants, *j)
			t.count(o)
			if j.Queue == "high" && reserved > 0 {
				reserved--
			} else {
				shared--
			}
		}
		o.picked[j.Queue]++
		o.jobs = o.jobs[1:]
	}
	return wants, free, errors.Join(errs...)
}

// count counts a slot of an owner, and ends its turn after the last one.
func (t *turn) count(o *inLine) {
	t.begun[o.name]++
	if t.begun[o.name] < o.weight {
		return
	}
	delete(t.begun, o.name)
	t.turns++
	o.ended, o.last = true, t.now.Add(time.Duration(t.turns)) // behind all others
}

// first returns the owner whose turn it is.
func (t *turn) first() *inLine {
	var best *inLine
	for _, o := range t.owners {
		if o.over || best != nil && o.compare(best) >= 0 {
			continue
		}
		best = o
	}
	return best
}

// compare orders owners by whose turn comes first.
func (o *inLine) compare(b *inLine) int {
	return cmp.Or(o.last.Compare(b.last), cmp.Compare(o.name, b.name))
}

// read reads the next jobs of an owner, if there are none at hand. False means that there are
// none at this queue, and that its next one has to be asked.
func (t *turn) read(ctx context.Context, o *inLine) (some bool, err error) {
	if len(o.jobs) > 0 {
		return true, nil
	}
	queue := o.queues[0]
	jobs, err := t.Line.InLine(ctx, queue, o.name, o.picked[queue]+readAhead)
	if err != nil {
		return false, fmt.Errorf("read line: %w", err)
	}
	// What was picked in this turn is still in line.
	o.jobs = jobs[min(o.picked[queue], len(jobs)):]
	if len(o.jobs) > 0 {
		o.weight = t.Limit.Weight(o.jobs[0].Tier)
		return true, nil
	}
	if o.queues = o.queues[1:]; len(o.queues) == 0 {
		o.over = true
	}
	if o.picked[queue] > 0 {
		return false, nil
	}
	if err := t.Line.Emptied(ctx, queue, o.name, t.now.Add(2*t.Limit.Spacing()), t.now); err != nil {
		return false, fmt.Errorf("leave line: %w", err)
	}
	return false, nil
}

// need is what a job in line needs before its message is sent.
type need int

const (
	needsSlot    need = iota
	needsUnit         // its owner's last units are taken by other jobs
	needsNothing      // it will make no call: skipped, buried, or answered from what is known
)

// needs says what a job needs.
func (t *turn) needs(ctx context.Context, o *inLine, j *job.Job) (need, error) {
	if j.Doomed(t.now) || !t.Policies[j.Kind].Paced {
		return needsNothing, nil
	}
	m, limit, err := t.Line.Units(ctx, j, t.now)
	if err != nil {
		return needsSlot, fmt.Errorf("read meter: %w", err)
	}
	if limit != job.Unlimited {
		if o.units < 0 {
			// Jobs that are on their way take a unit when they arrive.
			o.units = max(0, limit-m.Taken-t.opening.Row.Pending(o.name))
		}
		switch {
		case job.JudgeQuota(m, limit) == job.UsedUp:
			return needsNothing, nil
		case o.units == 0:
			return needsUnit, nil
		}
	}
	calls, err := t.NeedsCall(ctx, j)
	if err != nil {
		return needsSlot, fmt.Errorf("look for an answer: %w", err)
	}
	if limit != job.Unlimited {
		o.units--
	}
	if !calls {
		return needsNothing, nil
	}
	return needsSlot, nil
}

// book books slots for jobs and sends their messages, so that each arrives at its slot.
func (t *turn) book(ctx context.Context, jobs []job.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	wants := make([]limit.Want, len(jobs))
	for i := range jobs {
		wants[i] = limit.Want{Job: jobs[i].ID, Owner: jobs[i].Owner, High: jobs[i].Queue == "high"}
	}
	slots, err := t.Pacer.Reserve(ctx, wants, t.waiting())
	if err != nil {
		return fmt.Errorf("book slots: %w", err)
	}
	var errs []error
	for i := range jobs {
		if slots[i].IsZero() {
			continue // another relay was quicker: it stays in line
		}
		sent, err := t.resend(ctx, &jobs[i], slots[i])
		if err != nil {
			errs = append(errs, err)
		}
		if !sent {
			t.Pacer.Free(wants[i], slots[i])
			continue
		}
		t.sent++
	}
	return errors.Join(errs...)
}

// waiting returns the owners that wait for a slot, in the order of their turns.
func (t *turn) waiting() []string {
	var all []*inLine
	for _, o := range t.owners {
		if len(o.queues) > 0 && !o.next.After(t.now) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, (*inLine).compare)
	names := make([]string, len(all))
	for i, o := range all {
		names[i] = o.name
	}
	return names
}

// note moves the owners that had a turn behind the others, and those that have no unit
// to a later time.
func (t *turn) note(ctx context.Context) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(t.owners)) {
		o := t.owners[name]
		for _, queue := range queues() {
			blocked := o.next.After(t.now) && len(o.queues) > 0 && o.queues[0] == queue
			if !blocked && (o.picked[queue] == 0 || !o.ended) {
				continue
			}
			if err := t.Line.Served(ctx, queue, name, o.next); err != nil {
				errs = append(errs, fmt.Errorf("move owner in line: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

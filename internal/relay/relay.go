// Package relay is the use case that repeats what a crash left undone: jobs that
// were accepted but never sent, that are due, or whose worker died.
//
// It promises never to act on an index row: the index only hints, and each send
// is allowed by a conditional update of the job's own row, which takes a new
// ticket and moves the next look. Two relays at once are therefore harmless.
//
// It refuses to hurry: the look doubles with every resend, one sweep sends a
// bounded number, and a message whose job calls the provider is sent only with a
// slot of the limiter, to arrive at that slot. A backlog can neither multiply its
// own messages nor be received in vain; it waits in the table.
//
// One sweep does, in this order:
//
//  1. each shard of the open index is asked for rows whose look passed, the rows
//     themselves are read in one request, and those that may be resent are kept;
//  2. those of the high queue first, slots are booked for all that call the provider,
//     in one write; who gets none is left for a later sweep and costs nothing more;
//  3. each of the others takes a ticket, and its message is sent;
//  4. jobs that were skipped until their owner had new units get a new generation.
package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitq/internal/job"
)

// Shards is the number of partitions of the open index.
const Shards = 16

// Hint is a row of the open index: a job that somebody should look at.
type Hint struct {
	ID   string
	Look time.Time
}

// Store finds jobs and takes tickets.
type Store interface {
	// Due returns up to n jobs of a shard whose look passed, the oldest first.
	Due(ctx context.Context, shard int, now time.Time, n int) ([]Hint, error)
	// Peek returns the rows of those hinted jobs that may be resent (see
	// job.MayResend) and whose look is still the hint's, in the order of the hints.
	Peek(ctx context.Context, hints []Hint, now time.Time) ([]job.Job, error)
	// Retake takes a new ticket for a job, with a slot (zero for none), if its row
	// is still the one that was seen.
	Retake(ctx context.Context, seen *job.Job, slot time.Time, t job.Timing, now time.Time) (job.Job, bool, error)
}

// Skipped finds jobs that were skipped until their owner has new units.
type Skipped interface {
	// Lapsed returns up to n skipped jobs whose look passed, the oldest first.
	Lapsed(ctx context.Context, now time.Time, n int) ([]Hint, error)
	// Amend replaces a job's row by what decide says about it.
	Amend(ctx context.Context, id string, decide func(job.Job) (job.Job, error)) (job.Job, error)
}

// Sender sends a job's message to its queue.
type Sender interface {
	Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error
}

// Pacer books slots of the provider's limiter.
type Pacer interface {
	// Reserve books up to n slots; fewer mean that the rest must wait.
	Reserve(ctx context.Context, high bool, n int) ([]time.Time, error)
}

// Config has the parts of a Relay.
type Config struct {
	Store    Store
	Skipped  Skipped
	Sender   Sender
	Pacer    Pacer
	Policies map[string]job.Policy // of the kinds, by name: whose messages need a slot
	Now      func() time.Time
	Timing   job.Timing
	PerTurn  int // most sends per shard and sweep; default 50
}

// Relay sweeps the open index.
type Relay struct {
	Config
}

// New returns a Relay.
func New(c Config) *Relay {
	if c.PerTurn == 0 {
		c.PerTurn = 50
	}
	return &Relay{Config: c}
}

// Swept counts what a sweep did.
type Swept struct {
	Seen   int           // index rows whose look passed
	Sent   int           // messages sent
	Paced  int           // jobs left for a later sweep, because the limiter has no slot for them
	MadeUp int           // skipped jobs that run again
	Oldest time.Duration // how late the latest look came, of jobs that need no slot or had one
}

// sweep is the state of one Sweep.
type sweep struct {
	total Swept
	full  map[bool]bool // lanes without a slot left, by "high"
	errs  []error
}

// Sweep looks at every shard once. One broken shard or send does not keep the
// others back; the errors come together at the end.
func (r *Relay) Sweep(ctx context.Context) (Swept, error) {
	s := &sweep{full: map[bool]bool{}}
	// Not always the same shard first: when slots are few, the last would starve.
	first := int(r.Now().Unix()/60) % Shards
	for i := range Shards {
		r.shard(ctx, s, (first+i)%Shards)
	}
	// Behind those that wait: on the 1st, jobs that will only be skipped again would book
	// the whole month before jobs that have waited for it.
	r.makeUp(ctx, s)
	return s.total, errors.Join(s.errs...)
}

// shard sends again what is due in one partition of the index.
func (r *Relay) shard(ctx context.Context, s *sweep, n int) {
	now := r.Now()
	hints, err := r.Store.Due(ctx, n, now, r.PerTurn)
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("find due jobs of shard %d: %w", n, err))
		return
	}
	if len(hints) == 0 {
		return
	}
	s.total.Seen += len(hints)
	seen, err := r.Store.Peek(ctx, hints, now)
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("read due jobs of shard %d: %w", n, err))
		return
	}
	for _, high := range []bool{true, false} {
		r.lane(ctx, s, high, seen)
	}
}

// lane sends the jobs of one lane of the limiter: those that call the provider as
// far as there are slots, the others at once, and so those that will only be buried.
func (r *Relay) lane(ctx context.Context, s *sweep, high bool, seen []job.Job) {
	var paced []*job.Job
	for i := range seen {
		switch j := &seen[i]; {
		case (j.Queue == "high") != high:
		case r.Policies[j.Kind].Paced && !j.Doomed(r.Now()):
			paced = append(paced, j)
		default:
			r.resend(ctx, s, j, time.Time{})
		}
	}
	var slots []time.Time
	if len(paced) > 0 && !s.full[high] {
		var err error
		if slots, err = r.Pacer.Reserve(ctx, high, len(paced)); err != nil {
			s.errs = append(s.errs, fmt.Errorf("book slots: %w", err))
		}
	}
	s.full[high] = s.full[high] || len(slots) < len(paced)
	for i, j := range paced {
		if i < len(slots) {
			r.resend(ctx, s, j, slots[i])
			continue
		}
		s.total.Paced++
	}
}

// resend takes a ticket and sends the message that carries it, so that it arrives
// at its slot.
func (r *Relay) resend(ctx context.Context, s *sweep, seen *job.Job, slot time.Time) {
	now := r.Now()
	s.total.Oldest = max(s.total.Oldest, now.Sub(seen.Look))
	j, ok, err := r.Store.Retake(ctx, seen, slot, r.Timing, now)
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("take ticket of job %s: %w", seen.ID, err))
	}
	if err != nil || !ok {
		return
	}
	// Whole seconds, rounded down: early is waited for, late loses the slot.
	delay := max(slot.Sub(now), 0).Truncate(time.Second)
	if err := r.Sender.Send(ctx, j.Queue, j.Message(), delay); err != nil {
		s.errs = append(s.errs, fmt.Errorf("send job %s: %w", j.ID, err))
		return
	}
	s.total.Sent++
}

// makeUp lets skipped jobs run whose owners have new units. They are sent like all
// that wait for a slot.
func (r *Relay) makeUp(ctx context.Context, s *sweep) {
	now := r.Now()
	hints, err := r.Skipped.Lapsed(ctx, now, r.PerTurn)
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("find skipped jobs: %w", err))
	}
	for _, h := range hints {
		_, err := r.Skipped.Amend(ctx, h.ID, func(j job.Job) (job.Job, error) { return job.MadeUp(j, r.Timing, now) })
		switch code := job.CodeOf(err); {
		case err == nil:
			s.total.MadeUp++
		case code == job.StateConflict, code == job.NotFound:
			// The row has moved on since the index was written.
		case code == job.UniqueHeld:
			r.makeUpLater(ctx, s, h.ID)
		default:
			s.errs = append(s.errs, fmt.Errorf("make up job %s: %w", h.ID, err))
			r.makeUpLater(ctx, s, h.ID)
		}
	}
}

// makeUpLater puts a job that could not be made up behind the others: as many of them as a
// sweep looks at would hide all others.
func (r *Relay) makeUpLater(ctx context.Context, s *sweep, id string) {
	_, err := r.Skipped.Amend(ctx, id, func(j job.Job) (job.Job, error) { return job.MadeUpLater(j, r.Now()) })
	if code := job.CodeOf(err); err != nil && code != job.StateConflict && code != job.NotFound {
		s.errs = append(s.errs, fmt.Errorf("put job %s behind: %w", id, err))
	}
}

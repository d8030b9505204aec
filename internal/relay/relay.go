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
//  2. those that call the provider join the line for a slot; each of the others takes a
//     ticket, and its message is sent;
//  3. jobs that were skipped until their owner had new units get a new generation.
//
// Pace serves the line beside it: slots go round between the owners that wait.
package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
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

// Config has the parts of a Relay.
type Config struct {
	Store    Store
	Skipped  Skipped
	Sender   Sender
	Line     Line
	Pacer    Pacer
	Policies map[string]job.Policy // of the kinds, by name: whose messages need a slot
	// NeedsCall reports whether a job will call the provider, as far as is known.
	NeedsCall func(ctx context.Context, j *job.Job) (bool, error)
	Limit     limit.Policy
	PaceFor   time.Duration // how long Pace serves the line; the next sweep begins meanwhile
	Sleep     func(ctx context.Context, d time.Duration) error
	Now       func() time.Time
	Timing    job.Timing
	PerTurn   int // most sends per shard and sweep; default 50
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
	Lined  int           // jobs that joined the line for a slot of the limiter
	MadeUp int           // skipped jobs that run again
	Oldest time.Duration // how late the latest look came, of jobs that need no slot
}

// sweep is the state of one Sweep.
type sweep struct {
	total Swept
	errs  []error
}

// Sweep looks at every shard once. One broken shard or send does not keep the
// others back; the errors come together at the end.
func (r *Relay) Sweep(ctx context.Context) (Swept, error) {
	s := &sweep{}
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
	for i := range seen {
		j := &seen[i]
		if r.Policies[j.Kind].Paced && !j.Doomed(now) {
			r.line(ctx, s, j)
			continue
		}
		s.total.Oldest = max(s.total.Oldest, now.Sub(j.Look))
		sent, err := r.resend(ctx, j, time.Time{})
		if err != nil {
			s.errs = append(s.errs, err)
		}
		if sent {
			s.total.Sent++
		}
	}
}

// line lets a job stand in line for a slot of the limiter, unless its row has moved on.
func (r *Relay) line(ctx context.Context, s *sweep, seen *job.Job) {
	now := r.Now()
	_, err := r.Skipped.Amend(ctx, seen.ID, func(j job.Job) (job.Job, error) {
		if j.AwaitsSlot || !j.Look.Equal(seen.Look) || !job.MayResend(&j, now) {
			return j, job.Errorf(job.StateConflict, "the job has moved on")
		}
		return job.InLine(j, now), nil
	})
	switch job.CodeOf(err) {
	case job.StateConflict, job.NotFound:
	default:
		if err != nil {
			s.errs = append(s.errs, fmt.Errorf("let job %s stand in line: %w", seen.ID, err))
			return
		}
		s.total.Lined++
	}
}

// lead is how long before its slot a message comes at least. Delays are whole seconds, so it
// comes up to a second earlier: a worker waits for no longer than that.
const lead = limit.Patience - time.Second

// resend takes a ticket and sends the message that carries it, so that it arrives
// at its slot. False means that no message was sent.
func (r *Relay) resend(ctx context.Context, seen *job.Job, slot time.Time) (bool, error) {
	now := r.Now()
	j, ok, err := r.Store.Retake(ctx, seen, slot, r.Timing, now)
	if err != nil {
		return false, fmt.Errorf("take ticket of job %s: %w", seen.ID, err)
	}
	if !ok {
		return false, nil
	}
	// Whole seconds, and at least lead before the slot: early is waited for, late loses it.
	delay := max(slot.Add(-lead).Sub(now), 0).Truncate(time.Second)
	if err := r.Sender.Send(ctx, j.Queue, j.Message(), delay); err != nil {
		return false, fmt.Errorf("send job %s: %w", j.ID, err)
	}
	return true, nil
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

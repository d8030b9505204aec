// Package relay is the use case that repeats what a crash left undone: jobs that
// were accepted but never sent, that are due, or whose worker died.
//
// It promises never to act on an index row: the index only hints, and each send
// is allowed by a conditional update of the job's own row, which takes a new
// ticket and moves the next look. Two relays at once are therefore harmless.
//
// It refuses to hurry: the look doubles with every resend, and one sweep sends
// a bounded number, so that a backlog cannot multiply its own messages.
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
	// Retake takes a new ticket for the hinted job if it may be resent (see
	// job.MayResend) and its look is still the hint's.
	Retake(ctx context.Context, h Hint, t job.Timing, now time.Time) (job.Job, bool, error)
}

// Sender sends a job's message to its queue.
type Sender interface {
	Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error
}

// Config has the parts of a Relay.
type Config struct {
	Store   Store
	Sender  Sender
	Now     func() time.Time
	Timing  job.Timing
	PerTurn int // most sends per shard and sweep; default 50
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
	Seen int // index rows whose look passed
	Sent int // messages sent
}

// Sweep looks at every shard once. One broken shard or send does not keep the
// others back; the errors come together at the end.
func (r *Relay) Sweep(ctx context.Context) (Swept, error) {
	var total Swept
	var errs []error
	for shard := range Shards {
		hints, err := r.Store.Due(ctx, shard, r.Now(), r.PerTurn)
		if err != nil {
			errs = append(errs, fmt.Errorf("find due jobs of shard %d: %w", shard, err))
			continue
		}
		for _, h := range hints {
			total.Seen++
			sent, err := r.resend(ctx, h)
			if err != nil {
				errs = append(errs, err)
			}
			if sent {
				total.Sent++
			}
		}
	}
	return total, errors.Join(errs...)
}

// resend takes a ticket and sends the message that carries it.
func (r *Relay) resend(ctx context.Context, h Hint) (bool, error) {
	j, ok, err := r.Store.Retake(ctx, h, r.Timing, r.Now())
	if err != nil {
		return false, fmt.Errorf("take ticket of job %s: %w", h.ID, err)
	}
	if !ok {
		return false, nil
	}
	if err := r.Sender.Send(ctx, j.Queue, j.Message(), 0); err != nil {
		return false, fmt.Errorf("send job %s: %w", h.ID, err)
	}
	return true, nil
}

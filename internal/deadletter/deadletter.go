// Package deadletter is the use case around jobs that failed: the reconciler keeps
// the dead letter queue and the table telling the same story, the operator is a
// person's hand on dead jobs and on those that are still open.
//
// The reconciler promises that every dead letter is recorded once with its payload and
// reason, that the queue at rest holds exactly one message per dead job (so that
// the console's redrive works), and that a message it did not record is never
// deleted. It has no event source mapping: a consumer would compete with the
// console. A sweep holds what it receives until its end, so that it sees each
// message once, and never runs beside a move task.
//
// What becomes of a letter:
//
//	carries a dead job of this generation and ticket   stays; the console may redrive it
//	its job moved on, or died with another message     deleted
//	its job is open and it has the newest ticket       buries the job, stays
//	its job is open and it has an older ticket         stays for now: it may be the only copy
//	names no job or no send of it, or is none of ours  recorded as poison, stays
//
// Source: contract G of the reliability notes, with the corrections of the
// protocol (tickets decide, never counts or clocks).
package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitq/internal/job"
)

// Letter is one message of the dead letter queue.
type Letter struct {
	MessageID string
	Receipt   string
	Body      string
	Sent      time.Time // SentTimestamp
	Receives  int
	Source    string // ARN of the queue that gave up on it
}

// Fate is what the store says about a letter.
type Fate int

// The fates of a letter.
const (
	Recorded Fate = iota // it carries a dead job, or is recorded as poison: it stays
	Surplus              // its job moved on: it may be deleted
	Pending              // its job is still open elsewhere: it stays for now
	Orphan               // it names a job, or a send of one, that does not exist: recorded as poison
)

// FateOf says what a letter with message m is when it does not end the job of
// row j.
func FateOf(j *job.Job, m job.Message) Fate {
	switch {
	case j.NeverSent(m):
		return Orphan
	case job.IsSurplus(j, m):
		return Surplus
	case j.State == job.Dead && m.Generation == j.Generation:
		return Recorded
	default:
		return Pending
	}
}

// Store records letters.
type Store interface {
	// Bury ends the job that the message carries, if it still does (see
	// job.MayBury), and says what the letter is now.
	Bury(ctx context.Context, m job.Message, l Letter, now time.Time) (Fate, error)
	// RecordPoison keeps a letter that carries no job, once.
	RecordPoison(ctx context.Context, l Letter, reason string, now time.Time) error
}

// Poison is a recorded letter that carries no job.
type Poison struct {
	Letter Letter
	Reason string
	At     time.Time // when it was recorded
}

// Poisons lists recorded letters that carry no job.
type Poisons interface {
	// Poisoned returns the newest up to n.
	Poisoned(ctx context.Context, n int) ([]Poison, error)
}

// Queue is the dead letter queue.
type Queue interface {
	// Moving reports whether a move task is emptying the queue.
	Moving(ctx context.Context) (bool, error)
	// Receive takes up to ten letters and hides them while the sweep lasts.
	Receive(ctx context.Context) ([]Letter, error)
	Delete(ctx context.Context, receipt string) error
	// Return makes a letter visible again at once.
	Return(ctx context.Context, receipt string) error
}

// Reconciler sweeps the dead letter queue.
type Reconciler struct {
	store Store
	queue Queue
	now   func() time.Time
}

// New returns a Reconciler.
func New(s Store, q Queue, now func() time.Time) *Reconciler {
	return &Reconciler{store: s, queue: q, now: now}
}

// Swept counts what a sweep did.
type Swept struct {
	Seen     int
	Recorded int
	Deleted  int
	Moving   bool // a move task is running: the sweep stopped
}

// sweep is the state of one Sweep.
type sweep struct {
	total Swept
	seen  map[string]bool      // message ids
	dead  map[job.Message]bool // carriers of dead jobs that this sweep holds
	held  []Letter             // given back at the end
	errs  []error
}

// Sweep looks at every letter once, until the queue is empty, a letter comes a
// second time, a move task starts, or half of ctx's time is over. What stays is given back at the
// end, not in between: it would come again within the sweep.
func (r *Reconciler) Sweep(ctx context.Context) (Swept, error) {
	s := &sweep{seen: map[string]bool{}, dead: map[job.Message]bool{}}
	// What is received has to be given back in time, too: a sweep that is killed would
	// hide its letters from the console until their visibility timeout.
	began := r.now()
	deadline, limited := ctx.Deadline()
	for more := true; more && ctx.Err() == nil && (!limited || r.now().Sub(began) < deadline.Sub(began)/2); {
		more = r.page(ctx, s)
	}
	giveBack := context.WithoutCancel(ctx)
	for _, l := range s.held {
		if err := r.queue.Return(giveBack, l.Receipt); err != nil {
			s.errs = append(s.errs, fmt.Errorf("give letter back: %w", err))
		}
	}
	return s.total, errors.Join(s.errs...)
}

// page receives and judges the next letters, unless a move task is running: both
// would take messages from each other. It reports whether there may be more.
func (r *Reconciler) page(ctx context.Context, s *sweep) bool {
	moving, err := r.queue.Moving(ctx)
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("look for move tasks: %w", err))
		return false
	}
	if moving {
		s.total.Moving = true
		return false
	}
	letters, err := r.queue.Receive(ctx)
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("receive dead letters: %w", err))
		return false
	}
	more := len(letters) > 0
	for _, l := range letters {
		if s.seen[l.MessageID] {
			more = false
			continue
		}
		s.seen[l.MessageID] = true
		r.one(ctx, s, l)
	}
	return more
}

// one judges a letter: surplus is deleted, anything else is held until the end.
func (r *Reconciler) one(ctx context.Context, s *sweep, l Letter) {
	s.total.Seen++
	fate, err := r.judge(ctx, s, l)
	if err == nil && fate == Surplus {
		if err = r.queue.Delete(ctx, l.Receipt); err == nil {
			s.total.Deleted++
			return
		}
		err = fmt.Errorf("delete letter: %w", err)
	}
	if err != nil {
		s.errs = append(s.errs, err)
	} else if fate == Recorded {
		s.total.Recorded++
	}
	s.held = append(s.held, l)
}

// twin reports whether the sweep already holds a letter that carries the same dead
// job. A message that somebody sent twice dies twice; one of the two is enough for a
// redrive, and the other would revive nothing. Another message of the job is none: it
// carries a later death, if a person has retried the job while the sweep went on.
func (s *sweep) twin(m job.Message) bool {
	known := s.dead[m]
	s.dead[m] = true
	return known
}

// judge records a letter and says what becomes of it.
func (r *Reconciler) judge(ctx context.Context, s *sweep, l Letter) (Fate, error) {
	m, err := job.DecodeMessage(l.Body)
	if err != nil {
		return r.poison(ctx, l, err.Error())
	}
	fate, err := r.store.Bury(ctx, m, l, r.now())
	if err != nil {
		return Pending, fmt.Errorf("bury job %s: %w", m.Job, err)
	}
	if fate == Orphan {
		return r.poison(ctx, l, "no job "+m.Job+", or none of its sends has this number")
	}
	if fate == Recorded && s.twin(m) {
		return Surplus, nil
	}
	return fate, nil
}

// poison records a letter that carries no job.
func (r *Reconciler) poison(ctx context.Context, l Letter, reason string) (Fate, error) {
	if err := r.store.RecordPoison(ctx, l, reason, r.now()); err != nil {
		return Pending, fmt.Errorf("record poison: %w", err)
	}
	return Recorded, nil
}

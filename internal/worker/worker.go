// Package worker is the use case behind every delivery of a job's message:
// claim, run the kind under a deadline, settle, and say what becomes of the
// message.
//
// It promises that a message is acknowledged only when nothing is left to do
// for it: its job is final, or a newer message carries the job. Whatever else
// happens (a live lease elsewhere, a lost lease, an error of the store), the
// message is kept and comes back by its visibility timeout. Effects are made
// once, because only the holder of the lease can settle, in one transaction.
//
// What becomes of a delivery:
//
//	final, older generation, old ticket    acknowledged
//	released: limiter, breaker, quota      a new message or none, then acknowledged
//	settled                                acknowledged
//	failed, attempts left                  kept, hidden until the backoff is over
//	dead, and this message carries it      kept, visible at once: SQS moves it
//	live lease, lost lease, store error    kept, comes back by visibility
//	not ours                               kept, visible at once: SQS moves it
//	too little time left                   kept, nothing was done
//
// It refuses to log: Handle returns what happened, the entry logs it once.
package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/quality"
	"orbitq/internal/satellite"
)

// Kind is one kind of job.
type Kind interface {
	// Name is the kind's name in requests and rows.
	Name() string
	// Policy says how its jobs are tried.
	Policy() job.Policy
	// Run does the work. It may run more than once for one job, so it must not
	// have effects of its own: effects are in the Result, and settled once.
	Run(ctx context.Context, j *job.Job) (Result, error)
}

// Result is how a run ended: an outcome, and at most one thing that is settled with it.
type Result struct {
	Outcome  job.Outcome
	Analysis *satellite.Analysis
	Quality  *quality.Record
	Notice   *job.Notice
	Again    bool // the outcome may still change: look again later
}

// Settlement is what a store did with the end of an attempt.
type Settlement int

// The answers of a store to Settle and Conclude.
const (
	Written    Settlement = iota // the row says so now
	Superseded                   // the row is final already: a duplicate, or an earlier reply that was lost
	LeaseLost                    // somebody else holds the job: nothing was changed
	Duplicate                    // another job's analysis of the same revision exists: nothing was changed
)

// NotMine says what it means that row is not under the caller's lease any more.
// A dead row is not reported as superseded: the message may be the one that
// carries it, and must reach the dead letter queue.
func NotMine(row *job.Job) Settlement {
	if row.State.Open() || row.State == job.Dead {
		return LeaseLost
	}
	return Superseded
}

// Store holds the job rows.
type Store interface {
	// Claim takes the job for the message, or says why not. See job.Judge.
	Claim(ctx context.Context, r job.ClaimRequest) (job.Claim, error)
	// Settle writes, in one transaction, the ended row, the analysis and the
	// billed unit, if held's lease is still the row's.
	Settle(ctx context.Context, held, ended *job.Job, a *satellite.Analysis) (Settlement, error)
	// Record writes, in one transaction, the ended row and what the owner is not billed
	// for: the quality of a reading, or a notice with the events that tell of it.
	Record(ctx context.Context, held, ended *job.Job, q *quality.Record, n *job.Notice) (Settlement, error)
	// Conclude writes a row that ends the attempt without an effect, if held's
	// lease is still the row's; a final row gives a reserved unit back.
	Conclude(ctx context.Context, held, next *job.Job) (Settlement, error)
}

// Queue holds the messages.
type Queue interface {
	// Send sends a message to the named queue (high, default, low) after a delay.
	Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error
	// Hide makes a delivery visible again after d; zero is at once.
	Hide(ctx context.Context, source, receipt string, d time.Duration) error
}

// Config has the parts of a Worker.
type Config struct {
	Store       Store
	Queue       Queue
	Kinds       []Kind
	Now         func() time.Time
	Token       func() string  // a new random lease token
	Jitter      func() float64 // random in [0, 1)
	Timing      job.Timing
	LeaseMargin time.Duration // a lease outlives the function's deadline by this
	StopMargin  time.Duration // work stops this long before the deadline, at most a fifth of the time; default 2 s
	Version     string        // of this release, kept with each attempt
}

// Worker runs jobs.
type Worker struct {
	Config
	kinds map[string]Kind
}

// New returns a Worker.
func New(c Config) *Worker {
	if c.StopMargin == 0 {
		c.StopMargin = 2 * time.Second
	}
	kinds := make(map[string]Kind, len(c.Kinds))
	for _, k := range c.Kinds {
		kinds[k.Name()] = k
	}
	return &Worker{Config: c, kinds: kinds}
}

// Delivery is one receive of one message.
type Delivery struct {
	MessageID string
	Source    string // name of the queue it came from
	Receipt   string
	Body      string
	Sent      time.Time // SentTimestamp of the message
	Receives  int       // ApproximateReceiveCount
	RequestID string    // of the Lambda invocation
	Inline    bool      // no message: the job runs in the process of who asks for it
	Brief     bool      // whoever asks has less time than the job's queue would give it
}

// carried returns what buries the job if this delivery carries it to death; without
// a message nothing does.
func (d *Delivery) carried(m job.Message) job.Carried {
	if d.Inline {
		return job.Carried{}
	}
	return job.Carried{Ticket: m.Ticket, Sent: d.Sent}
}

// Handled is what became of a delivery.
type Handled struct {
	Keep   bool // true: the message must come back
	Action string
	Job    job.Job
	Err    error // what went wrong, for the log; the disposition already regards it
}

// Handle works on one delivery until its message may be acknowledged or must be
// kept. ctx carries the function's deadline.
func (w *Worker) Handle(ctx context.Context, d Delivery) Handled {
	m, err := job.DecodeMessage(d.Body)
	if err != nil {
		// At once, until SQS has counted enough receives: it can never run, and a
		// person should see it in the dead letter queue today.
		h := w.hide(ctx, d, job.Job{}, "poison", 0)
		h.Err = errors.Join(err, h.Err)
		return h
	}
	now := w.Now()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = now.Add(time.Minute)
	}
	left := deadline.Sub(now)
	margin := min(w.StopMargin, left/5)
	if left < w.StopMargin {
		return Handled{Keep: true, Action: "handed back", Job: job.Job{ID: m.Job}}
	}
	carried := d.carried(m)
	claim, err := w.Store.Claim(ctx, job.ClaimRequest{
		Message: m, Now: now, Carried: carried,
		Lease: job.Lease{Token: w.Token(), Until: deadline.Add(w.LeaseMargin)},
	})
	if err != nil {
		return Handled{Keep: true, Action: "claim failed", Job: job.Job{ID: m.Job}, Err: fmt.Errorf("claim job: %w", err)}
	}
	if claim.Verdict == job.Run {
		return w.run(ctx, d, carried, claim.Job, deadline.Add(-margin))
	}
	return w.dispose(ctx, d, claim, now)
}

// dispose turns the verdict of a claim that did not run into a disposition.
func (w *Worker) dispose(ctx context.Context, d Delivery, c job.Claim, now time.Time) Handled {
	switch c.Verdict {
	case job.Drop:
		return Handled{Action: "dropped", Job: c.Job}
	case job.Skip:
		return Handled{Action: "skipped", Job: c.Job}
	case job.Wait, job.Revive:
		return w.resend(ctx, c.Job, now)
	case job.NotYet:
		return w.hide(ctx, d, c.Job, "not yet due", c.Job.Due.Sub(now))
	case job.Carrier:
		return w.hide(ctx, d, c.Job, "dead", 0)
	case job.Orphan:
		return w.hide(ctx, d, c.Job, "orphan", 0)
	case job.Run, job.Hold, job.Spent, job.Expired, job.Late:
	}
	return Handled{Keep: true, Action: "held elsewhere", Job: c.Job}
}

// run does one attempt and settles it.
func (w *Worker) run(ctx context.Context, d Delivery, carried job.Carried, held job.Job, stop time.Time) Handled {
	policy := w.policy(held.Kind)
	if limit := w.Now().Add(policy.Timeout); policy.Timeout > 0 && limit.Before(stop) {
		stop = limit
	}
	runCtx, cancel := context.WithDeadline(ctx, stop)
	result, err := w.attempt(runCtx, &held)
	timedOut := errors.Is(runCtx.Err(), context.DeadlineExceeded)
	cancel()
	report := job.Report{Now: w.Now(), Version: w.Version, RequestID: d.RequestID}
	if err != nil {
		return w.fail(ctx, d, carried, held, fault(err, timedOut), report)
	}
	if next, later := job.Postponed(held, result.Outcome, w.Timing, report.Now); result.Again && later {
		return w.release(ctx, &held, next, report.Now)
	}
	ended := job.Ended(held, result.Outcome, report)
	s, err := w.settle(ctx, &held, &ended, &result, report.Now)
	if err == nil && s == Duplicate {
		return w.conclude(ctx, &held, job.Ended(held, job.AlreadyDone, report))
	}
	return settled(s, err, ended)
}

// settle writes the ended row with what the run came to.
func (w *Worker) settle(ctx context.Context, held, ended *job.Job, r *Result, now time.Time) (s Settlement, err error) {
	switch {
	case r.Analysis != nil:
		r.Analysis.Job, r.Analysis.CreatedAt = held.ID, now
		s, err = w.Store.Settle(ctx, held, ended, r.Analysis)
	case r.Quality != nil || r.Notice != nil:
		s, err = w.Store.Record(ctx, held, ended, r.Quality, r.Notice)
	default:
		s, err = w.Store.Conclude(ctx, held, ended)
	}
	if err != nil {
		return s, fmt.Errorf("write result: %w", err)
	}
	return s, nil
}

// policy returns how jobs of a kind are tried; an unknown kind has none of its own.
func (w *Worker) policy(kind string) job.Policy {
	if k, ok := w.kinds[kind]; ok {
		return k.Policy()
	}
	return job.Policy{}
}

// attempt runs the kind; a panic is a failed attempt of this job alone.
func (w *Worker) attempt(ctx context.Context, held *job.Job) (r Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = job.Errorf(job.Internal, "panic: %v", p)
		}
	}()
	k, ok := w.kinds[held.Kind]
	if !ok {
		return Result{}, job.Errorf(job.UnknownKind, "no kind %q in this release", held.Kind)
	}
	r, err = k.Run(ctx, held)
	if err != nil {
		return Result{}, fmt.Errorf("run %s: %w", held.Kind, err)
	}
	return r, nil
}

// fail settles a failed attempt: released, retrying or dead.
func (w *Worker) fail(ctx context.Context, d Delivery, c job.Carried, held job.Job, f *job.Error, r job.Report) Handled {
	if d.Brief && f.Code == job.AttemptTimeout {
		// Only the request was too short for it; in its queue it has more time.
		return w.release(ctx, &held, job.Released(held, "", "took longer than its request; goes on in its queue", 0, w.Timing, r.Now), r.Now)
	}
	if f.Code.Class() == job.Release {
		return w.release(ctx, &held, job.GivenBack(held, f, w.Timing, r.Now), r.Now)
	}
	next := job.Failed(held, f, w.Timing.For(w.policy(held.Kind)), w.Jitter(), c, r)
	h := w.conclude(ctx, &held, next)
	if h.Err != nil || h.Job.State != next.State {
		return h
	}
	wait := time.Duration(0)
	if next.State == job.Retrying {
		wait = next.Due.Sub(r.Now)
	}
	h = w.hide(ctx, d, next, string(next.State), wait)
	h.Err = errors.Join(f, h.Err)
	return h
}

// release lets a job wait, and sends the message that brings it back.
func (w *Worker) release(ctx context.Context, held *job.Job, next job.Job, now time.Time) Handled {
	h := w.conclude(ctx, held, next)
	if h.Action != string(job.Waiting) {
		return h
	}
	return w.resend(ctx, next, now)
}

// conclude writes the end of an attempt without an effect.
func (w *Worker) conclude(ctx context.Context, held *job.Job, next job.Job) Handled {
	s, err := w.Store.Conclude(ctx, held, &next)
	return settled(s, err, next)
}

// settled turns a settlement into a disposition. An error keeps the message: the
// store has already read back what it could.
func settled(s Settlement, err error, next job.Job) Handled {
	if err != nil {
		// Nobody knows which row there is now, so none is named.
		return Handled{Keep: true, Action: "settle failed", Job: job.Job{ID: next.ID}, Err: fmt.Errorf("settle job: %w", err)}
	}
	switch s {
	case Written:
		keep := next.State == job.Retrying || next.State == job.Dead
		return Handled{Keep: keep, Action: string(next.State), Job: next}
	case Superseded:
		return Handled{Action: "already final", Job: job.Job{ID: next.ID}}
	case LeaseLost, Duplicate:
	}
	// Never acknowledged: if the other holder crashed, this may be the only copy.
	return Handled{Keep: true, Action: "lease lost", Job: job.Job{ID: next.ID}}
}

// resend sends the message of a released or revived job. The old one is
// acknowledged even when the send fails, because the row already has a newer
// ticket and the relay repeats the send. A job that waits longer than a message
// can is left to the relay altogether.
func (w *Worker) resend(ctx context.Context, j job.Job, now time.Time) Handled {
	if j.Parked() {
		return Handled{Action: string(j.State), Job: j}
	}
	err := w.Queue.Send(ctx, j.Queue, j.Message(), max(j.Due.Sub(now), 0)) // a revived job is due at once
	if err != nil {
		err = fmt.Errorf("send released job: %w", err)
	}
	return Handled{Action: string(j.State), Job: j, Err: err}
}

// hide keeps a message and sets when it comes back; if that fails it comes back
// by its visibility timeout, only later.
func (w *Worker) hide(ctx context.Context, d Delivery, j job.Job, action string, wait time.Duration) Handled {
	err := w.Queue.Hide(ctx, d.Source, d.Receipt, max(wait, 0))
	if err != nil {
		err = fmt.Errorf("hide message: %w", err)
	}
	return Handled{Keep: true, Action: action, Job: j, Err: err}
}

// fault gives an error of a run its code.
func fault(err error, timedOut bool) *job.Error {
	coded, ok := errors.AsType[*job.Error](err)
	if timedOut && (!ok || coded.Code.Class() == job.Retry) {
		// What another attempt would mend anyway is told by its cause; a refusal
		// or a release stays one, however late it came.
		return job.Errorf(job.AttemptTimeout, "attempt ran into the function's deadline: %w", err)
	}
	if ok {
		return coded
	}
	return job.Errorf(job.Internal, "%w", err)
}

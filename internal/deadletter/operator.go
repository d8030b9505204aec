package deadletter

import (
	"context"
	"fmt"
	"slices"
	"time"

	"orbitq/internal/job"
)

// Limits of one request.
const (
	MaxPage  = 100
	MaxRetry = 200 // jobs per bulk retry: the request must end within its timeout
	maxPages = 10  // of the index per bulk retry: a filter may mean few of many
)

// Rows holds the job rows that people act on.
type Rows interface {
	// Amend replaces a job's row by what decide says about it.
	Amend(ctx context.Context, id string, decide func(job.Job) (job.Job, error)) (job.Job, error)
	// Dead returns up to n dead jobs of an owner after a position ("" for the
	// start), the latest death first, and the position after the last one.
	Dead(ctx context.Context, owner, after string, n int) ([]job.Job, string, error)
	// Jobs returns up to n of an owner's jobs after a position, the newest first,
	// and the position after the last one.
	Jobs(ctx context.Context, owner string, group job.Group, after string, n int) ([]job.Job, string, error)
}

// Sender sends a job's message to its queue.
type Sender interface {
	Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error
}

// Flows restarts the chain or batch that a dead job belongs to.
type Flows interface {
	// Restart lets an owner's chain or batch go on with what failed.
	Restart(ctx context.Context, owner string, f job.Flow) error
}

// OperatorConfig has the parts of an Operator.
type OperatorConfig struct {
	Rows       Rows
	Operations Operations
	Sender     Sender
	Flows      Flows
	Now        func() time.Time
	Entropy    func() [10]byte
	Timing     job.Timing
}

// Operator is a person's hand on jobs: cancel one, retry or forget dead ones.
//
// Each of these is one decision on the job's row, written only if the row is still
// the one that was decided upon; a retry then sends a message with a ticket of its
// own, and the relay repeats a send that never happened. Jobs of other owners are
// refused as if they did not exist.
type Operator struct {
	OperatorConfig
}

// NewOperator returns an Operator.
func NewOperator(c OperatorConfig) *Operator { return &Operator{OperatorConfig: c} }

// Cancel takes an open job back. A worker that is running it is not stopped, but
// cannot settle any more; the provider call, if it was made, is not billed.
func (o *Operator) Cancel(ctx context.Context, owner, id string) (job.Job, error) {
	return o.amend(ctx, owner, id, func(j job.Job) (job.Job, error) { return job.Cancel(j, o.Now()) })
}

// Forget makes a dead job a tombstone.
func (o *Operator) Forget(ctx context.Context, owner, id string) (job.Job, error) {
	return o.amend(ctx, owner, id, func(j job.Job) (job.Job, error) { return job.Forget(j, o.Now()) })
}

// Retry runs a dead or skipped job again, as a new generation. A message that
// could not be sent is not a failure: the relay sends it.
func (o *Operator) Retry(ctx context.Context, owner, id string) (job.Job, error) {
	driven := job.Flow("")
	j, err := o.amend(ctx, owner, id, func(j job.Job) (job.Job, error) {
		if driven = ""; j.State == job.Dead && j.Flow != "" {
			driven = j.Flow
			return j, nil
		}
		return job.Rerun(j, o.Timing, o.Now())
	})
	if err != nil {
		return job.Job{}, err
	}
	if driven != "" {
		return o.restart(ctx, j)
	}
	_ = o.Sender.Send(ctx, j.Queue, j.Message(), 0) // the relay repeats it
	return j, nil
}

// restart runs a dead job again through the chain or batch that drives it: a message would
// make it run in two places.
func (o *Operator) restart(ctx context.Context, j job.Job) (job.Job, error) {
	if err := o.Flows.Restart(ctx, j.Owner, j.Flow); err != nil {
		return job.Job{}, fmt.Errorf("restart %s: %w", j.Flow, err)
	}
	return o.amend(ctx, j.Owner, j.ID, func(now job.Job) (job.Job, error) {
		if now.State != job.Dead || now.Generation != j.Generation {
			return now, nil // its execution was quicker
		}
		return job.Restarted(now, o.Timing, o.Now())
	})
}

// Snooze puts an open job off that waits for its turn.
func (o *Operator) Snooze(ctx context.Context, owner, id string, wait time.Duration) (job.Job, error) {
	now := o.Now()
	j, err := o.amend(ctx, owner, id, func(j job.Job) (job.Job, error) { return job.Snooze(j, wait, o.Timing, now) })
	if err != nil || j.Parked() || j.Flow != "" {
		return j, err
	}
	_ = o.Sender.Send(ctx, j.Queue, j.Message(), max(j.Due.Sub(now), 0)) // the relay repeats it
	return j, nil
}

// amend changes a job of the owner.
func (o *Operator) amend(ctx context.Context, owner, id string, decide func(job.Job) (job.Job, error)) (job.Job, error) {
	if !job.ValidID(id) {
		return job.Job{}, job.Errorf(job.NotFound, "no job %q", id)
	}
	j, err := o.Rows.Amend(ctx, id, func(j job.Job) (job.Job, error) {
		if j.Owner != owner {
			return j, job.Errorf(job.NotFound, "no job %q", id)
		}
		return decide(j)
	})
	switch {
	case err == nil:
		return j, nil
	case job.CodeOf(err) == job.NotFound:
		// Said here for both, so that no word tells another's job from none.
		return job.Job{}, job.Errorf(job.NotFound, "no job %q", id)
	default:
		return job.Job{}, fmt.Errorf("amend job: %w", err)
	}
}

// Filter says which dead jobs are meant; empty fields match everything.
type Filter struct {
	Code  job.Code
	Print string // fingerprint
	Queue string
	Since time.Time // died at this time or later
	Until time.Time // died before this time
}

// matches reports whether the filter means the job.
func (f Filter) matches(j *job.Job) bool {
	return (f.Code == "" || j.Code == f.Code) && (f.Queue == "" || j.Queue == f.Queue) && (f.Print == "" || j.Print == f.Print) &&
		!j.Finished.Before(f.Since) && (f.Until.IsZero() || j.Finished.Before(f.Until))
}

// Failures lists dead jobs; it can do nothing else, so that a read API may have it.
type Failures struct {
	rows Rows
}

// NewFailures returns the list of a table's dead jobs.
func NewFailures(r Rows) *Failures { return &Failures{rows: r} }

// List returns up to n dead jobs of the owner that the filter means, and the
// position of the rest. One page of the index is read: with a filter there may be
// fewer jobs, or none, and still a rest.
func (l *Failures) List(ctx context.Context, owner string, f Filter, after string, n int) ([]job.Job, string, error) {
	found, next, err := l.rows.Dead(ctx, owner, after, n)
	if err != nil {
		return nil, "", fmt.Errorf("list dead jobs: %w", err)
	}
	meant := make([]job.Job, 0, len(found))
	for i := range found {
		if f.matches(&found[i]) {
			meant = append(meant, found[i])
		}
	}
	return meant, next, nil
}

// Bulk is what was done with many, or would be.
type Bulk struct {
	Matched int
	Done    int
	Next    string // position of the jobs that were not looked at, empty for none
}

// RetryMany retries the owner's dead jobs that the filter means, up to MaxRetry. A
// job that changed meanwhile is passed over: somebody else was quicker.
func (o *Operator) RetryMany(ctx context.Context, owner string, f Filter, after string, dryRun bool) (Bulk, error) {
	return o.each(after, MaxRetry, dryRun, o.deadOf(ctx, owner, f), func(id string) (job.Job, error) { return o.Retry(ctx, owner, id) })
}

// Flush forgets the owner's dead jobs that the filter means, up to MaxRetry.
func (o *Operator) Flush(ctx context.Context, owner string, f Filter, after string, dryRun bool) (Bulk, error) {
	return o.each(after, MaxRetry, dryRun, o.deadOf(ctx, owner, f), func(id string) (job.Job, error) { return o.Forget(ctx, owner, id) })
}

// MakeUp runs the owner's skipped jobs again under the plan that the owner has now.
// They are sent by the relay, as slots of the limiter allow. Those of many pages are
// made up page by page: the rest has a position.
func (o *Operator) MakeUp(ctx context.Context, owner string, p job.Plan, after string, dryRun bool) (Bulk, error) {
	skipped := func(after string, n int) ([]job.Job, string, error) {
		found, next, err := o.Rows.Jobs(ctx, owner, job.Skipped.Group(), after, n)
		if err != nil {
			return nil, "", fmt.Errorf("list jobs: %w", err)
		}
		return slices.DeleteFunc(found, func(j job.Job) bool { return j.State != job.Skipped }), next, nil
	}
	return o.each(after, maxPages*MaxPage, dryRun, skipped, func(id string) (job.Job, error) {
		return o.amend(ctx, owner, id, func(j job.Job) (job.Job, error) { return job.Upgraded(j, p, o.Timing, o.Now()) })
	})
}

// page returns up to n jobs after a position, and the position of the rest.
type page func(after string, n int) ([]job.Job, string, error)

// deadOf lists the owner's dead jobs that the filter means.
func (o *Operator) deadOf(ctx context.Context, owner string, f Filter) page {
	return func(after string, n int) ([]job.Job, string, error) {
		return NewFailures(o.Rows).List(ctx, owner, f, after, n)
	}
}

// each does the same with every job of a list, up to most of them. A job that has
// changed since it was listed, or whose unique key is taken, is passed over.
func (*Operator) each(after string, most int, dryRun bool, list page, act func(id string) (job.Job, error)) (Bulk, error) {
	total := Bulk{Next: after}
	for pages := 0; pages < maxPages && total.Matched < most; pages++ {
		found, next, err := list(total.Next, min(MaxPage, most-total.Matched))
		if err != nil {
			return total, err
		}
		total.Next = next
		for i := range found {
			total.Matched++
			if dryRun {
				continue
			}
			_, err := act(found[i].ID)
			switch code := job.CodeOf(err); {
			case err == nil:
				total.Done++
			case code != job.StateConflict && code != job.UniqueHeld:
				return total, err
			}
		}
		if next == "" {
			break
		}
	}
	return total, nil
}

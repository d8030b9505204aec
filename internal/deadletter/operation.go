package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"orbitq/internal/job"
)

// Sizes of an operation's steps.
const (
	canaryFirst  = 5   // jobs of the first step
	canaryFactor = 4   // each further step is so many times larger
	MaxRate      = 200 // jobs of the largest step, which is a minute's: their ids live in one row
)

// Limits of a sweep over operations.
const (
	// MaxRunning is the most operations of one owner that run at a time. Each more would only
	// make the others of its owner slower.
	MaxRunning = 10
	// maxOpen is the most running operations that one sweep reads.
	maxOpen = 1000
	// advanceFor is how long a sweep goes on beginning steps; the largest step takes some
	// seconds more. The function of the relay has other things to do in its 50 s.
	advanceFor = 10 * time.Second
)

// Operation is a retry of many that goes on by itself, step by step, and can be
// watched and aborted. The relay's schedule drives it: one step a minute.
//
// A step is: look how the jobs of the last step ended; choose the next ones from the
// list of failures, from the latest death backwards; write all of that; retry them.
// Only jobs that were dead when the operation began are meant, so that a failure which
// returns is not retried again by the same operation.
//
// Two drivers at once are harmless, because the second one's write is refused before
// it retries anything. A crash between the write and the retries leaves jobs chosen
// and dead; their generation tells, and the next step retries them.
// As a canary it retries five jobs, looks how they end, then
// four times as many, and so on; it stops when a job fails again the way it did
// before, because then nothing has been repaired.
type Operation struct {
	ID       string
	Owner    string
	Filter   Filter
	Canary   bool
	Rate     int // most jobs per step, one step a sweep
	State    OperationState
	Reason   string // why it stopped
	Step     int
	Cursor   string  // position of the rest in the list of failures; empty before the first step
	AtEnd    bool    // no failures are left to retry
	Watched  []Watch // retried in the current step, not final yet
	Retried  int
	Mended   int // of those, ended well
	Returned int // of those, dead again, or dead still
	Created  time.Time
	Updated  time.Time
	Version  int // grows with every write
}

// OperationState is where an operation stands.
type OperationState string

// The states of an operation.
const (
	OperationRunning OperationState = "running"
	OperationDone    OperationState = "done"
	OperationStopped OperationState = "stopped" // by itself: a failure returned
	OperationAborted OperationState = "aborted" // by its owner
)

// Watch is a job that an operation retried, with the failure that it had.
type Watch struct {
	Job        string
	Print      string
	Generation int // before the retry: a row that still has it was not retried yet
}

// Operations keeps operations.
type Operations interface {
	// SaveOperation writes an operation if the stored one has the version before
	// it; the first version is 1. False means that somebody was quicker.
	SaveOperation(ctx context.Context, o *Operation) (bool, error)
	// Operation returns one by id, or a NotFound error.
	Operation(ctx context.Context, id string) (Operation, error)
	// OpenOperations returns the ids of up to n running ones, the longest without a step first.
	OpenOperations(ctx context.Context, n int) ([]string, error)
	// CountOperations counts an owner's running ones, up to n.
	CountOperations(ctx context.Context, owner string, n int) (int, error)
	// Job returns a job by id, or a NotFound error.
	Job(ctx context.Context, id string) (job.Job, error)
}

// Start begins an operation; the next sweep of Advance does its first step. An owner with
// MaxRunning of them is refused. The count comes from an index, so that starts at the same
// moment may pass the limit by a few; Advance is fair between owners all the same.
func (o *Operator) Start(ctx context.Context, op Operation) (Operation, error) {
	now := o.Now()
	running, err := o.Operations.CountOperations(ctx, op.Owner, MaxRunning)
	if err != nil {
		return Operation{}, fmt.Errorf("count operations: %w", err)
	}
	if running >= MaxRunning {
		return Operation{}, job.Errorf(job.LimitExceeded, "%d operations of yours are running, which is the most at a time; abort one or wait for its end", running)
	}
	op.ID, op.State, op.Version = job.NewID(now, o.Entropy()), OperationRunning, 1
	op.Created, op.Updated = now, now
	if op.Rate == 0 || op.Rate > MaxRate {
		op.Rate = MaxRate
	}
	// What dies from now on is not meant: it would be retried for ever.
	if op.Filter.Until.IsZero() || op.Filter.Until.After(now) {
		op.Filter.Until = now
	}
	if _, err := o.Operations.SaveOperation(ctx, &op); err != nil {
		return Operation{}, fmt.Errorf("save operation: %w", err)
	}
	return op, nil
}

// Find returns an operation of the owner.
func (o *Operator) Find(ctx context.Context, owner, id string) (Operation, error) {
	if !job.ValidID(id) {
		return Operation{}, job.Errorf(job.NotFound, "no operation %q", id)
	}
	op, err := o.Operations.Operation(ctx, id)
	if job.CodeOf(err) == job.NotFound || err == nil && op.Owner != owner {
		return Operation{}, job.Errorf(job.NotFound, "no operation %q", id)
	}
	if err != nil {
		return Operation{}, fmt.Errorf("read operation: %w", err)
	}
	return op, nil
}

// Abort ends a running operation; jobs that it retried go on. Aborting twice is once.
func (o *Operator) Abort(ctx context.Context, owner, id string) (Operation, error) {
	for range maxPages {
		op, err := o.Find(ctx, owner, id)
		if err != nil || op.State == OperationAborted {
			return op, err
		}
		if op.State != OperationRunning {
			return Operation{}, job.Errorf(job.StateConflict, "the operation is %s already", op.State)
		}
		op.State, op.Updated = OperationAborted, o.Now()
		op.Version++
		ok, err := o.Operations.SaveOperation(ctx, &op)
		if err != nil {
			return Operation{}, fmt.Errorf("save operation: %w", err)
		}
		if ok {
			return op, nil
		}
	}
	return Operation{}, job.Errorf(job.Unavailable, "the operation changes too fast; ask again")
}

// Advance does a step of the running operations, and returns how many there are. It begins
// with the one whose last step is the longest ago, so that a sweep goes on where the last one
// ended; each owner has one step before any has a second one. An operation that fails does
// not keep the others back.
func (o *Operator) Advance(ctx context.Context) (int, error) {
	ids, err := o.Operations.OpenOperations(ctx, maxOpen)
	if err != nil {
		return 0, fmt.Errorf("find operations: %w", err)
	}
	var errs []error
	began, round := o.Now(), ids
	for len(round) > 0 {
		served := map[string]bool{} // owners that had their step in this round
		var later []string
		for _, id := range round {
			if o.Now().Sub(began) >= advanceFor {
				return len(ids), errors.Join(errs...)
			}
			waits, err := o.step(ctx, id, served)
			if err != nil {
				errs = append(errs, fmt.Errorf("advance operation %s: %w", id, err))
			}
			if waits {
				later = append(later, id)
			}
		}
		round = later
	}
	return len(ids), errors.Join(errs...)
}

// step does the next step of an operation, unless its owner has had one in this round: then
// it waits for the next round.
func (o *Operator) step(ctx context.Context, id string, served map[string]bool) (waits bool, err error) {
	op, err := o.Operations.Operation(ctx, id)
	switch {
	case err != nil || op.State != OperationRunning:
		return false, err //nolint:wrapcheck // wrapped by the caller
	case served[op.Owner]:
		return true, nil
	}
	served[op.Owner] = true
	return false, o.advance(ctx, op)
}

// advance looks at the jobs of the last step and begins the next one. The new state is
// written before the jobs are retried, so that two drivers cannot both choose; what
// a crash in between left undone, the next step sees by the generations, and does.
func (o *Operator) advance(ctx context.Context, op Operation) error {
	next, err := o.watch(ctx, &op)
	if err != nil {
		return err
	}
	if op.State == OperationStopped {
		// What a crash left undone stays so: those jobs are as dead as they were.
		op.Watched = slices.DeleteFunc(op.Watched, func(w Watch) bool { return slices.Contains(next, w.Job) })
		op.Returned, next = op.Returned+len(next), nil
	}
	if op.State == OperationRunning && (!op.Canary || len(op.Watched) == 0) {
		chosen, err := o.choose(ctx, &op)
		if err != nil {
			return err
		}
		next = append(next, chosen...)
	}
	if op.State == OperationRunning && op.AtEnd && len(op.Watched) == 0 {
		op.State = OperationDone
	}
	op.Updated = o.Now()
	op.Version++
	ok, err := o.Operations.SaveOperation(ctx, &op)
	if err != nil || !ok {
		return err //nolint:wrapcheck // wrapped by the caller
	}
	var refused []string
	for _, id := range next {
		// Somebody else may have been quicker; the watch sees how the job ends.
		_, err := o.Retry(ctx, op.Owner, id)
		switch code := job.CodeOf(err); {
		case err == nil, code == job.UniqueHeld, code == job.NotFound:
		case code == job.StateConflict:
			refused = append(refused, id)
		default:
			return err
		}
	}
	return o.giveUp(ctx, &op, refused)
}

// giveUp stops watching jobs that are as dead as they were and cannot be retried: steps of
// a chain or batch that takes no restart. The operation would wait for them for ever.
func (o *Operator) giveUp(ctx context.Context, op *Operation, refused []string) error {
	before := len(op.Watched)
	var kept []Watch
	for _, w := range op.Watched {
		if !slices.Contains(refused, w.Job) {
			kept = append(kept, w)
			continue
		}
		j, err := o.Operations.Job(ctx, w.Job)
		if err != nil && job.CodeOf(err) != job.NotFound {
			return fmt.Errorf("read job: %w", err)
		}
		if err == nil && (j.Flow == "" || j.State != job.Dead || j.Generation != w.Generation) {
			kept = append(kept, w) // it has moved on
		}
	}
	if len(kept) == before {
		return nil
	}
	op.Watched, op.Returned = kept, op.Returned+before-len(kept)
	op.Version++
	_, err := o.Operations.SaveOperation(ctx, op) // if another step was quicker, the next one gives up
	return err                                    //nolint:wrapcheck // wrapped by the caller
}

// watch counts how the retried jobs ended, and returns those that were chosen but
// not retried yet. For a canary a failure that returned is the end.
func (o *Operator) watch(ctx context.Context, op *Operation) ([]string, error) {
	var open []Watch
	var undone []string
	for _, w := range op.Watched {
		j, err := o.Operations.Job(ctx, w.Job)
		switch {
		case job.CodeOf(err) == job.NotFound:
			op.Mended++ // final for so long that its row is gone
		case err != nil:
			return nil, fmt.Errorf("read job: %w", err)
		case j.State == job.Dead && j.Generation == w.Generation:
			open, undone = append(open, w), append(undone, w.Job)
		case j.State.Open():
			open = append(open, w)
		case j.State != job.Dead:
			op.Mended++
		default:
			op.Returned++
			if op.Canary && j.Print == w.Print && op.State == OperationRunning {
				op.State = OperationStopped
				op.Reason = "job " + j.ID + " failed again: " + string(j.Code) + " " + j.Reason
			}
		}
	}
	op.Watched = open
	return undone, nil
}

// choose takes the jobs of the next step from the list of failures.
func (o *Operator) choose(ctx context.Context, op *Operation) ([]string, error) {
	size := op.Rate
	if op.Canary {
		size = canaryFirst
		for range op.Step {
			size = min(size*canaryFactor, op.Rate)
		}
		size = min(size, op.Rate)
	}
	size = min(size, MaxRate-len(op.Watched))
	var chosen []job.Job
	failures := NewFailures(o.Rows)
	for pages := 0; pages < maxPages && len(chosen) < size && !op.AtEnd; pages++ {
		page, next, err := failures.List(ctx, op.Owner, op.Filter, op.Cursor, min(MaxPage, size-len(chosen)))
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, page...)
		op.Cursor, op.AtEnd = next, next == ""
	}
	ids := make([]string, len(chosen))
	for i := range chosen {
		j := &chosen[i]
		ids[i] = j.ID
		op.Watched = append(op.Watched, Watch{Job: j.ID, Print: j.Print, Generation: j.Generation})
	}
	op.Retried += len(chosen)
	if len(chosen) > 0 {
		op.Step++
	}
	return ids, nil
}

package flow

import (
	"context"
	"fmt"
	"time"

	"orbitq/internal/job"
)

// run does what can be done now for the next step of a track, and returns the row of its
// job: final, or not due yet, or held by somebody else.
func (f *Flow) run(ctx context.Context, t *job.Track, j job.Job, requestID string) (row job.Job, note, err error) {
	row, err = f.accepted(ctx, t, j)
	if err != nil {
		return row, nil, err
	}
	if !ready(&row, f.Now()) {
		return row, nil, nil
	}
	// The worker core claims the row first. If another execution was quicker, it runs nothing,
	// and the row says who holds it.
	ran, note := f.Runner.RunStep(ctx, &row, requestID)
	if ran.State != "" {
		return ran, note, nil //nolint:wrapcheck // a note is for the log, not an error
	}
	// Nobody knows what became of the run: the row does. A lost reply of a settlement looks
	// like a failure and may be a success.
	row, err = f.Jobs.Job(ctx, row.ID)
	if err != nil {
		return row, note, fmt.Errorf("read step: %w", err) //nolint:wrapcheck // a note is for the log, not an error
	}
	// Still ready means that nothing was claimed. That is an error of ours, which Retry
	// repeats; as an answer without a wait it would make the execution turn on the spot.
	switch stuck := ready(&row, f.Now()); {
	case stuck && note == nil:
		return row, nil, job.Errorf(job.Throttled, "the step did not run: too little time was left")
	case stuck:
		return row, note, job.Errorf(job.Throttled, "the step did not run: %w", note) //nolint:wrapcheck // a note is for the log, not an error
	}
	return row, note, nil //nolint:wrapcheck // a note is for the log, not an error
}

// ready reports whether a job's attempt may begin.
func ready(j *job.Job, now time.Time) bool {
	return j.State.Open() && !j.LeaseLive(now) && !j.Due.After(now)
}

// accepted returns the row of a step's job: a new one, or the one that is there. One that
// ended in an earlier round is revived.
func (f *Flow) accepted(ctx context.Context, t *job.Track, j job.Job) (job.Job, error) {
	if t.State == job.TrackRunning {
		// Mostly there already, and a read costs half of what a refused write does.
		row, err := f.Jobs.Job(ctx, j.ID)
		if err == nil || job.CodeOf(err) != job.NotFound {
			return f.renewed(ctx, t, row, err)
		}
	}
	// The first visit writes at once, without a read before: mostly it is the first.
	fresh := f.fresh(j)
	row, _, err := f.Jobs.Accept(ctx, &fresh)
	return f.renewed(ctx, t, row, err)
}

// fresh returns the row of a step's job as it is accepted.
func (f *Flow) fresh(j job.Job) job.Job {
	policy := f.Policies[j.Kind]
	if j.MaxAttempts = policy.Tries; j.MaxAttempts == 0 {
		j.MaxAttempts = f.Tries
	}
	// A kind that asks no provider must not be held up, or skipped, by a plan that counts
	// requests to it.
	if policy.Free {
		j.Free, j.Limit = true, job.Unlimited
	}
	return job.Accepted(j, f.Now(), f.Timing.RetryUntil, f.Timing.Resend)
}

// renewed revives the row of a step that ended in an earlier round.
func (f *Flow) renewed(ctx context.Context, t *job.Track, row job.Job, err error) (job.Job, error) {
	if err != nil {
		return row, fmt.Errorf("accept step: %w", err)
	}
	if !t.Renewed(&row) {
		return row, nil
	}
	row, err = f.Jobs.Amend(ctx, row.ID, func(j job.Job) (job.Job, error) {
		if !t.Renewed(&j) {
			return j, nil // another visit was quicker
		}
		// A new generation, as a retry by a person is: attempts begin anew, and the history
		// keeps what happened before.
		return job.Restarted(j, f.Timing, f.Now())
	})
	if err != nil {
		return row, fmt.Errorf("restart step: %w", err)
	}
	return row, nil
}

// stop takes a step back that has not started, and returns the row of its job. One that
// runs is left alone: what has begun is counted. A step that has no job yet gets one that
// is cancelled from the start, because only the row of the job can decide between whoever
// stops it and whoever is about to start it. For the same reason one that ended in an
// earlier round is cancelled in a generation of its own, by one write: were it revived by
// one and cancelled by another, a crash in between would leave it open, and nobody drives
// the steps of what has ended.
func (f *Flow) stop(ctx context.Context, t *job.Track, j job.Job) (job.Job, error) {
	never, err := job.Cancel(f.fresh(j), f.Now())
	if err != nil {
		return never, fmt.Errorf("cancel step: %w", err)
	}
	row, existed, err := f.Jobs.Accept(ctx, &never)
	if err != nil {
		return row, fmt.Errorf("accept step: %w", err)
	}
	if !existed || !row.State.Open() && !t.Renewed(&row) {
		return row, nil
	}
	row, err = f.Jobs.Amend(ctx, row.ID, func(j job.Job) (job.Job, error) {
		if t.Renewed(&j) {
			return job.Stopped(j, f.Timing, f.Now())
		}
		// Ended or started between the two requests: what has begun is counted.
		// A later generation than the track knows belongs to a round that came behind the
		// one that was taken back.
		if !j.State.Open() || j.LeaseLive(f.Now()) || j.Generation > t.Least {
			return j, nil
		}
		return job.Cancel(j, f.Now())
	})
	if err != nil {
		return row, fmt.Errorf("cancel step: %w", err)
	}
	return row, nil
}

// again returns how long to wait before a job that is open can go on: whole seconds, at
// least one, because that is what a Wait state knows.
func again(j *job.Job, now time.Time) time.Duration {
	// A job that somebody holds can go on at the end of the lease, when its worker is lost. If
	// that ends earlier, nothing is gained by coming back in between.
	at := j.Due
	if j.LeaseLive(now) {
		at = j.LeaseUntil
	}
	wait := at.Sub(now)
	if whole := wait.Truncate(time.Second); whole < wait {
		wait = whole + time.Second
	}
	return max(wait, time.Second)
}

package trigger

import (
	"context"
	"log/slog"
	"time"
)

// An asynchronous invocation is tried this often when the function fails, and given up when it is this old.
const (
	tries  = 3
	maxAge = 6 * time.Hour
)

// deliver invokes the target until it succeeds or is given up. The next firing looks at the first try only: waiting for
// another one is not running.
func (s *Scheduler) deliver(ctx context.Context, r *rule, run int, at time.Time) {
	defer r.end(run)
	payload, err := r.payload(at)
	if err != nil {
		s.log.ErrorContext(ctx, "schedule", slog.String("rule", r.Name), slog.String("error", err.Error()))
		return
	}
	failures, throttles := 0, 0
	for {
		_, functionError, err := r.Invoke(ctx, payload)
		r.end(run)
		if err == nil && functionError == "" || ctx.Err() != nil {
			return
		}
		// Lambda's two kinds of trouble: the function ran and failed, or it could not be run.
		var wait time.Duration
		if err != nil {
			throttles++
			wait = min(5*time.Minute, time.Second<<min(throttles-1, 9))
			functionError = err.Error()
		} else {
			failures++
			wait = time.Duration(failures) * time.Minute
		}
		// The event is too old or was tried often enough: on AWS it would go to a dead letter target, or nowhere.
		log := s.log.With(slog.String("rule", r.Name), slog.String("error", functionError))
		if failures == tries || time.Since(at) > s.compress(maxAge) {
			log.WarnContext(ctx, "scheduled invocation given up")
			return
		}
		log.WarnContext(ctx, "scheduled invocation failed, it will be tried again", slog.Duration("wait", s.compress(wait)))
		if !sleepUntil(ctx, time.Now().Add(s.compress(wait))) {
			return
		}
	}
}

// compress is a duration of AWS as it is here; never nothing, so that a great speed does not become a busy loop.
func (s *Scheduler) compress(d time.Duration) time.Duration {
	return max(time.Millisecond, time.Duration(float64(d)/s.speed))
}

// sleepUntil waits for a moment; false means that the context ended first.
func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitq/internal/job"
)

// RunNow works on an accepted job whose message was not sent, in the caller's own
// process, and returns its row as it then stands. It is the same claim, run and
// settlement as a delivery's, so that a synchronous job is fenced, counted and
// billed like any other.
//
// What does not end here goes the usual way: a job that waits or retries gets its
// message, and one whose time is over is given back without losing the attempt. If
// this process dies, the relay finds the job. A job that dies here has no dead
// letter, because no message carried it; its row lists it among the failures.
//
// The error says what went wrong on the way; the row already regards it.
func (w *Worker) RunNow(ctx context.Context, j *job.Job) (job.Job, error) {
	inline := *w
	inline.Queue = unhidden{w.Queue}
	h := inline.Handle(ctx, Delivery{Body: j.Message().Encode(), Inline: true, Brief: true})
	row := h.Job
	if row.State == "" {
		row = *j // nothing was written, or nobody knows: the message is the next to ask
	}
	if !h.Keep || row.State == job.Dead {
		return row, h.Err
	}
	delay := time.Duration(0)
	if row.State == job.Retrying {
		delay = max(row.Due.Sub(w.Now()), 0)
	}
	if err := w.Queue.Send(ctx, j.Queue, row.Message(), delay); err != nil {
		return row, errors.Join(h.Err, fmt.Errorf("send job that did not end: %w", err))
	}
	return row, h.Err
}

// RunStep works on a job that a chain or batch drives, and returns its row as it then
// stands; a row without a state says that nobody knows, and must be read. Nothing is sent:
// whoever drives the job comes again when it is due. It is the same claim, run and
// settlement as a delivery's.
//
// The error says what went wrong on the way; the row already regards it.
func (w *Worker) RunStep(ctx context.Context, j *job.Job, requestID string) (job.Job, error) {
	inline := *w
	inline.Queue = silent{}
	h := inline.Handle(ctx, Delivery{Body: j.Message().Encode(), Inline: true, RequestID: requestID})
	return h.Job, h.Err
}

// unhidden is a queue for a job without a delivery: there is nothing to hide.
type unhidden struct{ Queue }

// Hide implements Queue.
func (unhidden) Hide(context.Context, string, string, time.Duration) error { return nil }

// silent is a queue for a job that no message carries.
type silent struct{}

// Send implements Queue.
func (silent) Send(context.Context, string, job.Message, time.Duration) error { return nil }

// Hide implements Queue.
func (silent) Hide(context.Context, string, string, time.Duration) error { return nil }

package faulty

import (
	"context"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// Queue is the work queues as one process sees them.
type Queue struct {
	Inner   worker.Queue
	Process *Process
}

// Send implements worker.Queue.
func (q *Queue) Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error {
	return do(q.Process, "Send", func() error { return q.Inner.Send(ctx, queue, m, delay) })
}

// Hide implements worker.Queue.
func (q *Queue) Hide(ctx context.Context, source, receipt string, d time.Duration) error {
	return do(q.Process, "Hide", func() error { return q.Inner.Hide(ctx, source, receipt, d) })
}

// Deliver returns how often a received batch is handed out: SQS promises at
// least once, and now and then means it.
func Deliver(p Plan) int {
	if p.Next("Deliver") == Twice {
		return 2
	}
	return 1
}

// DeadLetters is the dead letter queue as one process sees it.
type DeadLetters struct {
	Inner   deadletter.Queue
	Process *Process
}

// Moving implements deadletter.Queue.
func (d *DeadLetters) Moving(ctx context.Context) (bool, error) {
	return read(d.Process, "Moving", func() (bool, error) { return d.Inner.Moving(ctx) })
}

// Receive implements deadletter.Queue.
func (d *DeadLetters) Receive(ctx context.Context) ([]deadletter.Letter, error) {
	return call(d.Process, "Receive", func() ([]deadletter.Letter, error) { return d.Inner.Receive(ctx) })
}

// Delete implements deadletter.Queue.
func (d *DeadLetters) Delete(ctx context.Context, receipt string) error {
	return do(d.Process, "Delete", func() error { return d.Inner.Delete(ctx, receipt) })
}

// Return implements deadletter.Queue.
func (d *DeadLetters) Return(ctx context.Context, receipt string) error {
	return do(d.Process, "Return", func() error { return d.Inner.Return(ctx, receipt) })
}

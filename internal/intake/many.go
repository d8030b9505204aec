package intake

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"orbitq/internal/job"
)

// MaxMany is the most jobs of one request: they must be accepted within its
// timeout.
const MaxMany = 500

// atOnce is how many jobs of a request are accepted at the same time.
const atOnce = 16

// BulkSender sends many messages in few requests.
type BulkSender interface {
	// SendMany sends messages to the named queue; the errors are in the order of
	// the messages, nil for those that were sent.
	SendMany(ctx context.Context, queue string, all []Outgoing) []error
}

// Outgoing is one message of many.
type Outgoing struct {
	Message job.Message
	Delay   time.Duration
}

// Wish is one job of a request for many.
type Wish struct {
	Dispatch

	Body []byte // as it arrived, for the key's comparison
	Err  error  // the edge could not read it: the others are accepted all the same
}

// Answer is what became of one wish.
type Answer struct {
	Accepted

	Err error
}

// DispatchMany accepts each job on its own: there is no promise across them, and
// the answers are in the order of the wishes. With an Idempotency-Key each has an
// id of its own, made of the request's key and its place, so that a repeated request
// accepts only what the first one did not. Messages that could not be sent are
// left to the relay.
func (in *Intake) DispatchMany(ctx context.Context, r Request, wishes []Wish) []Answer {
	answers := make([]Answer, len(wishes))
	var all sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i := range wishes {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			answers[i] = in.one(ctx, r, i, &wishes[i])
		})
	}
	all.Wait()
	in.sendMany(ctx, answers)
	return answers
}

// one accepts the i-th wish.
func (in *Intake) one(ctx context.Context, r Request, i int, w *Wish) Answer {
	if w.Err != nil {
		return Answer{Err: w.Err}
	}
	r.Body = w.Body
	// Not a part of the key: that may be as long as a key can be, and belong to a single request, too.
	a, err := in.accept(ctx, r, "POST /v1/jobs:batch-dispatch#"+strconv.Itoa(i), w.Dispatch)
	return Answer{Accepted: a, Err: err}
}

// sendMany sends the messages of all jobs that were accepted just now, queue by
// queue.
func (in *Intake) sendMany(ctx context.Context, answers []Answer) {
	now := in.Now()
	waiting := map[string][]*Answer{}
	for i := range answers {
		a := &answers[i]
		if a.Err == nil && !a.Repeated && !a.Job.Parked() {
			waiting[a.Job.Queue] = append(waiting[a.Job.Queue], a)
		}
	}
	for queue, these := range waiting {
		out := make([]Outgoing, len(these))
		for i, a := range these {
			out[i] = Outgoing{Message: a.Job.Message(), Delay: max(a.Job.Due.Sub(now), 0)}
		}
		for i, err := range in.Bulk.SendMany(ctx, queue, out) {
			if err != nil {
				these[i].SendErr = fmt.Errorf("send job %s: %w", these[i].Job.ID, err)
			}
		}
	}
}

// Package queuetest is the conformance suite of the queues: what every queue must
// do, the one in memory and SQS alike.
//
// It holds only promises that the job protocol leans on: delay, visibility,
// receive counts, the move to the dead letter queue, and what a redrive does to a
// message. Order is not among them.
package queuetest

import (
	"context"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// Visibility is the visibility timeout of a queue under test; MaxReceives its
// redrive policy.
const (
	Visibility  = 2 * time.Second
	MaxReceives = 3
)

// Bench is an empty work queue named "default" with its dead letter queue.
type Bench interface {
	worker.Queue
	// Now receives what is visible this moment, up to ten.
	Now(t *testing.T) []worker.Delivery
	// Soon lets time pass until something is visible, at most for the given
	// time, and receives it.
	Soon(t *testing.T, within time.Duration) []worker.Delivery
	// Acknowledge deletes a delivery.
	Acknowledge(t *testing.T, d *worker.Delivery)
	// Dead is the dead letter queue.
	Dead() deadletter.Queue
	// Redrive moves all dead letters back, as the console does, and waits for it.
	Redrive(t *testing.T)
}

// message returns a message for a ticket.
func message(ticket int) job.Message {
	return job.Message{Version: job.MessageVersion, Job: job.DerivedID("queuetest"), Generation: 2, Ticket: ticket}
}

// Run holds a queue against every rule; open makes an empty bench.
func Run(t *testing.T, open func(t *testing.T) Bench) {
	t.Helper()
	rules := []struct {
		name string
		test func(t *testing.T, b Bench)
	}{
		{"a sent message arrives unchanged, with its first receive counted", arrives},
		{"a delayed message is not visible before its time", delayed},
		{"a received message is hidden, and comes back with a higher count", comesBack},
		{"hide sets when a message comes back", hidden},
		{"an acknowledged message is gone", acknowledged},
		{"after the last receive SQS moves it to the dead letters, body and sent time unchanged", diesAfterReceives},
		{"a returned letter is visible at once, a deleted one is gone", returned},
		{"a redriven message has a later sent time and a count of one", redriven},
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.test(t, open(t))
		})
	}
}

// send puts one message into the queue.
func send(t *testing.T, b Bench, delay time.Duration) {
	t.Helper()
	if err := b.Send(context.Background(), "default", message(7), delay); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// one returns the only delivery there is.
func one(t *testing.T, got []worker.Delivery) *worker.Delivery {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("got %d deliveries, want 1", len(got))
	}
	return &got[0]
}

// arrives: whatever else a queue does, it carries.
func arrives(t *testing.T, b Bench) {
	send(t, b, 0)
	d := one(t, b.Soon(t, 5*time.Second))
	m, err := job.DecodeMessage(d.Body)
	if err != nil || m != message(7) || d.Receives != 1 || d.Sent.IsZero() || d.MessageID == "" {
		t.Errorf("got %+v, message %+v, %v", d, m, err)
	}
}

// delayed: a release relies on its message not coming early; it is what keeps
// jobs from asking a provider that said "later".
func delayed(t *testing.T, b Bench) {
	send(t, b, 2*time.Second)
	if got := b.Now(t); len(got) != 0 {
		t.Fatalf("visible at once: %+v", got)
	}
	one(t, b.Soon(t, 10*time.Second))
}

// comesBack: the one retry that needs no code of ours, for every kind of crash.
func comesBack(t *testing.T, b Bench) {
	send(t, b, 0)
	first := one(t, b.Soon(t, 5*time.Second))
	if got := b.Now(t); len(got) != 0 {
		t.Fatalf("visible while received: %+v", got)
	}
	second := one(t, b.Soon(t, 10*time.Second))
	if second.Receives != 2 || !second.Sent.Equal(first.Sent) || second.MessageID != first.MessageID {
		t.Errorf("first %+v\nsecond %+v", first, second)
	}
}

// hidden: the backoff is a visibility, and death is a visibility of zero.
func hidden(t *testing.T, b Bench) {
	send(t, b, 0)
	d := one(t, b.Soon(t, 5*time.Second))
	if err := b.Hide(context.Background(), d.Source, d.Receipt, 0); err != nil {
		t.Fatal(err)
	}
	d = one(t, b.Now(t))
	if err := b.Hide(context.Background(), d.Source, d.Receipt, time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := b.Soon(t, 2*Visibility); len(got) != 0 {
		t.Errorf("came back within the hour: %+v", got)
	}
}

// acknowledged: nothing comes back that was said to be done.
func acknowledged(t *testing.T, b Bench) {
	send(t, b, 0)
	b.Acknowledge(t, one(t, b.Soon(t, 5*time.Second)))
	if got := b.Soon(t, 2*Visibility); len(got) != 0 {
		t.Errorf("came back: %+v", got)
	}
}

// kill receives a message until SQS moves it, and returns the last delivery and
// the letter.
func kill(t *testing.T, b Bench) (*worker.Delivery, *deadletter.Letter) {
	t.Helper()
	send(t, b, 0)
	var last *worker.Delivery
	for range MaxReceives {
		last = one(t, b.Soon(t, 10*time.Second))
		if err := b.Hide(context.Background(), last.Source, last.Receipt, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Soon(t, time.Second); len(got) != 0 {
		t.Fatalf("received more often than %d times: %+v", MaxReceives, got)
	}
	for range 10 {
		letters, err := b.Dead().Receive(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(letters) == 1 {
			return last, &letters[0]
		}
	}
	t.Fatal("no letter in the dead letter queue")
	return nil, nil
}

// diesAfterReceives: the sent time stays through the move, which is how the row
// knows the letter again.
func diesAfterReceives(t *testing.T, b Bench) {
	last, l := kill(t, b)
	if l.Body != last.Body || !l.Sent.Equal(last.Sent) || l.Receives <= MaxReceives {
		t.Errorf("last %+v\nletter %+v", last, l)
	}
	if moving, err := b.Dead().Moving(context.Background()); err != nil || moving {
		t.Errorf("moving %v, %v", moving, err)
	}
}

// returned: a sweep gives back what it held, or the console would find nothing.
func returned(t *testing.T, b Bench) {
	ctx := context.Background()
	_, l := kill(t, b)
	if err := b.Dead().Return(ctx, l.Receipt); err != nil {
		t.Fatal(err)
	}
	again, err := b.Dead().Receive(ctx)
	if err != nil || len(again) != 1 || again[0].MessageID != l.MessageID {
		t.Fatalf("got %+v, %v", again, err)
	}
	if err := b.Dead().Delete(ctx, again[0].Receipt); err != nil {
		t.Fatal(err)
	}
	b.Redrive(t)
	if got := b.Soon(t, time.Second); len(got) != 0 {
		t.Errorf("a deleted letter was moved: %+v", got)
	}
}

// redriven: a later sent time is the only proof that a person asked for it.
func redriven(t *testing.T, b Bench) {
	last, l := kill(t, b)
	if err := b.Dead().Return(context.Background(), l.Receipt); err != nil {
		t.Fatal(err)
	}
	b.Redrive(t)
	d := one(t, b.Soon(t, 10*time.Second))
	if d.Body != last.Body || !d.Sent.After(last.Sent) || d.Receives != 1 {
		t.Errorf("died as %+v\nredriven %+v", last, d)
	}
}

package memqueue_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/queuetest"
	"orbitq/internal/worker"
)

// clock is a virtual clock.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is memqueue under a virtual clock.
type bench struct {
	*memqueue.Queues
	clock *clock
}

func (b bench) Now(*testing.T) []worker.Delivery { return b.Receive("default", 10) }

func (b bench) Soon(_ *testing.T, within time.Duration) []worker.Delivery {
	for step := time.Duration(0); ; step += 100 * time.Millisecond {
		if got := b.Receive("default", 10); len(got) > 0 || step >= within {
			return got
		}
		b.clock.advance(100 * time.Millisecond)
	}
}

func (b bench) Acknowledge(_ *testing.T, d *worker.Delivery) {
	b.Queues.Acknowledge(d.Source, d.Receipt)
}

func (b bench) Dead() deadletter.Queue { return b.Queues.Dead() }

func (b bench) Redrive(*testing.T) {
	b.clock.advance(time.Millisecond)
	b.Queues.Dead().Redrive()
}

func open(*testing.T) queuetest.Bench {
	c := &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	return bench{clock: c, Queues: memqueue.New(memqueue.Config{
		Now: c.Now, Visibility: queuetest.Visibility, MaxReceives: queuetest.MaxReceives, Names: []string{"default"},
	})}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, open)
}

func TestUnknownQueueIsRefused(t *testing.T) {
	t.Parallel()
	b, _ := open(t).(bench)
	if err := b.Send(context.Background(), "none", job.Message{}, 0); job.CodeOf(err) != job.Internal {
		t.Errorf("got %v", err)
	}
	if err := b.Hide(context.Background(), "default", "r9", 0); err == nil {
		t.Error("a receipt that never was is valid")
	}
}

func TestDepthAndNextVisible(t *testing.T) {
	t.Parallel()
	b, _ := open(t).(bench)
	if _, ok := b.NextVisible(); ok {
		t.Error("an empty queue has a next message")
	}
	for _, delay := range []time.Duration{time.Minute, time.Second} {
		if err := b.SendBody("default", "x", delay); err != nil {
			t.Fatal(err)
		}
	}
	next, ok := b.NextVisible()
	if want := b.clock.Now().Add(time.Second); !ok || !next.Equal(want) || b.Depth("default") != 2 {
		t.Errorf("next %v, want %v; depth %d", next, want, b.Depth("default"))
	}
}

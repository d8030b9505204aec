package memqueue_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/memqueue"
)

const (
	propertyVisibility = 10 * time.Second
	propertyReceives   = 2
)

// expected is what must be true of one message, whatever the order of deliveries.
type expected struct {
	queue    string    // where it was sent to
	sent     time.Time // of this life: a redrive stamps it anew
	visible  time.Time // not to be received before
	receives int
	receipt  string // of the newest receive
	dead     bool   // it is among the dead letters for certain
}

// spent: the next receive that looks at it moves it. Which of several that is depends
// on the order, so a spent message may be dead without being known to be.
func (e *expected) spent() bool { return e.receives >= propertyReceives }

// home is the queue that the newest receipt belongs to.
func (e *expected) home() string {
	if e.dead {
		return "dead"
	}
	return e.queue
}

// model says of every message that was sent and not acknowledged what must become of
// it. It knows no order: it is asked about messages by their body.
type model struct {
	queues *memqueue.Queues
	clock  *clock
	sent   int
	all    map[string]*expected // by body
	stale  map[string]bool      // receipts that are not valid any more
}

func newModel() *model {
	c := &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	return &model{
		clock: c, all: map[string]*expected{}, stale: map[string]bool{},
		queues: memqueue.New(memqueue.Config{
			Now: c.Now, Visibility: propertyVisibility, MaxReceives: propertyReceives, Names: []string{"high", "default"},
		}),
	}
}

// bodies are the messages that fit, in an order that repeats.
func (m *model) bodies(fit func(*expected) bool) []string {
	var found []string
	for body, e := range m.all {
		if fit(e) {
			found = append(found, body)
		}
	}
	slices.Sort(found)
	return found
}

// isDue reports whether its time has come.
func (m *model) isDue(e *expected) bool { return !m.clock.Now().Before(e.visible) }

func queueName(r *rapid.T) string {
	return rapid.SampledFrom([]string{"default", "default", "default", "high"}).Draw(r, "queue")
}

// Send puts a message with a body of its own into a queue.
func (m *model) Send(r *rapid.T) {
	delay := rapid.SampledFrom([]time.Duration{0, 0, 0, time.Second, time.Minute}).Draw(r, "delay")
	m.sent++
	body, now := "body-"+strconv.Itoa(m.sent), m.clock.Now()
	e := &expected{queue: queueName(r), sent: now, visible: now.Add(delay)}
	if err := m.queues.SendBody(e.queue, body, delay); err != nil {
		r.Fatalf("send: %v", err)
	}
	m.all[body] = e
}

// Receive takes what is visible of a work queue: never what is hidden, spent or gone,
// and all that is due if there is room for it.
func (m *model) Receive(r *rapid.T) {
	m.wait(r)
	queue, room := queueName(r), rapid.SampledFrom([]int{1, 2, 10, 10}).Draw(r, "room")
	due := m.bodies(func(e *expected) bool { return e.queue == queue && !e.dead && !e.spent() && m.isDue(e) })
	spent := m.bodies(func(e *expected) bool { return e.queue == queue && !e.dead && e.spent() && m.isDue(e) })
	got := m.queues.Receive(queue, room)
	if len(got) != min(room, len(due)) {
		r.Fatalf("%d received with room for %d and %d due", len(got), room, len(due))
	}
	for _, d := range got {
		e := m.all[d.Body]
		if !slices.Contains(due, d.Body) || !m.isDue(e) {
			r.Fatalf("%+v is not to be received now: %+v", d, e)
		}
		m.take(e, d.Receipt)
		if d.Source != queue || d.Receives != e.receives || !d.Sent.Equal(e.sent) {
			r.Fatalf("got %+v, want %+v", d, e)
		}
	}
	if len(got) == room {
		return // it may not have looked at all of them
	}
	for _, body := range spent {
		e := m.all[body]
		m.void(e)
		e.dead, e.visible = true, m.clock.Now()
	}
}

// take notes a receive: the message is hidden, and its older receipt is void.
func (m *model) take(e *expected, receipt string) {
	m.void(e)
	e.receives, e.receipt, e.visible = e.receives+1, receipt, m.clock.Now().Add(propertyVisibility)
}

// void notes that the newest receipt is not valid any more.
func (m *model) void(e *expected) {
	if e.receipt != "" {
		m.stale[e.receipt] = true
	}
	e.receipt = ""
}

// Letters receives dead letters: only spent messages, and those that must be there.
func (m *model) Letters(r *rapid.T) {
	m.wait(r)
	must := m.bodies(func(e *expected) bool { return e.dead && m.isDue(e) })
	letters, err := m.queues.Dead().Receive(context.Background())
	if err != nil || len(letters) < min(10, len(must)) {
		r.Fatalf("%d letters, at least %d are there, %v", len(letters), len(must), err)
	}
	for _, l := range letters {
		e := m.all[l.Body]
		if e == nil || !e.spent() || !m.isDue(e) {
			r.Fatalf("%+v is no letter that may be seen now: %+v", l, e)
		}
		m.void(e)
		e.dead = true
		m.take(e, l.Receipt)
		if l.Source != e.queue || l.Receives != e.receives || !l.Sent.Equal(e.sent) {
			r.Fatalf("got %+v, want %+v", l, e)
		}
	}
}

// received draws a message whose newest receipt must still be valid. The receipt of a
// spent message is until it may be moved.
func (m *model) received(r *rapid.T) (string, *expected) {
	all := m.bodies(func(e *expected) bool { return e.receipt != "" && (e.dead || !e.spent() || !m.isDue(e)) })
	if len(all) == 0 {
		r.Skip("no message is received just now")
	}
	body := rapid.SampledFrom(all).Draw(r, "message")
	return body, m.all[body]
}

// Acknowledge ends the life of a message.
func (m *model) Acknowledge(r *rapid.T) {
	body, e := m.received(r)
	m.queues.Acknowledge(e.home(), e.receipt)
	m.void(e)
	delete(m.all, body)
}

// Hide moves the moment at which a received message comes back.
func (m *model) Hide(r *rapid.T) {
	_, e := m.received(r)
	d := rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(r, "hide")
	if err := m.queues.Hide(context.Background(), e.home(), e.receipt, d); err != nil {
		r.Fatalf("hide %+v: %v", e, err)
	}
	e.visible = m.clock.Now().Add(d)
}

// Stale shows receipts that are not valid any more: they must do nothing.
func (m *model) Stale(r *rapid.T) {
	for receipt := range m.stale {
		for _, queue := range []string{"high", "default", "dead"} {
			if err := m.queues.Hide(context.Background(), queue, receipt, 0); err == nil {
				r.Fatalf("the old receipt %s hides a message of %s", receipt, queue)
			}
			m.queues.Acknowledge(queue, receipt)
		}
	}
}

// Redrive moves the visible letters back: a new life with all its receives.
func (m *model) Redrive(r *rapid.T) {
	m.wait(r)
	must := m.bodies(func(e *expected) bool { return e.dead && m.isDue(e) })
	moved := m.queues.Dead().Redrive()
	for _, body := range must {
		if !slices.Contains(moved, body) {
			r.Fatalf("%s was not moved, only %v", body, moved)
		}
	}
	for _, body := range moved {
		e := m.all[body]
		if e == nil || !e.spent() || !m.isDue(e) {
			r.Fatalf("%s is moved and should not be: %+v", body, e)
		}
		m.void(e)
		e.dead, e.receives, e.sent, e.visible = false, 0, m.clock.Now(), m.clock.Now()
	}
}

// wait lets time pass, mostly as much as brings back what was received.
func (m *model) wait(r *rapid.T) {
	m.clock.advance(rapid.SampledFrom([]time.Duration{0, time.Second, propertyVisibility, propertyVisibility}).Draw(r, "wait"))
}

// Check demands that no message is lost or doubled: each is in exactly one queue.
func (m *model) Check(r *rapid.T) {
	if got := m.queues.Depth("high") + m.queues.Depth("default") + m.queues.Depth("dead"); got != len(m.all) {
		r.Fatalf("the queues hold %d messages, want %d", got, len(m.all))
	}
}

// drain acknowledges whatever can be received until nothing is left, and returns the
// bodies: what was never acknowledged must come again.
func (m *model) drain(r *rapid.T) []string {
	var seen []string
	for range 4 * propertyReceives * (len(m.all) + 1) {
		m.clock.advance(time.Minute)
		for _, queue := range []string{"high", "default"} {
			for _, d := range m.queues.Receive(queue, 3) {
				seen = append(seen, d.Body)
				m.queues.Acknowledge(d.Source, d.Receipt)
			}
		}
		letters, err := m.queues.Dead().Receive(context.Background())
		if err != nil {
			r.Fatalf("receive letters: %v", err)
		}
		for _, l := range letters {
			seen = append(seen, l.Body)
			if err := m.queues.Dead().Delete(context.Background(), l.Receipt); err != nil {
				r.Fatalf("delete letter: %v", err)
			}
		}
	}
	slices.Sort(seen)
	return seen
}

func TestEveryMessageIsDeliveredUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		m := newModel()
		r.Repeat(rapid.StateMachineActions(m))
		want := m.bodies(func(*expected) bool { return true })
		if got := m.drain(r); !slices.Equal(got, want) {
			r.Fatalf("drained %v, want %v", got, want)
		}
	})
}

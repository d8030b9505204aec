// Package memqueue is SQS in memory under a virtual clock: visibility timeout,
// delay, receive counts, and the move to a dead letter queue.
//
// It promises what queuetest demands of every queue, and nothing beyond what SQS
// promises: at least one delivery, in no order (here: the order is by time, so
// that seeded runs repeat). It is the twin for simulations and tests.
package memqueue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/relay"
	"orbitq/internal/worker"
)

// Compile-time proof that the queues serve every use case.
var (
	_ intake.Sender     = (*Queues)(nil)
	_ intake.BulkSender = (*Queues)(nil)
	_ relay.Sender      = (*Queues)(nil)
	_ worker.Queue      = (*Queues)(nil)
	_ deadletter.Queue  = (*DeadLetters)(nil)
)

// Config sets a Queues up.
type Config struct {
	Now         func() time.Time
	Visibility  time.Duration // of a received message
	MaxReceives int           // a message received this often moves to the dead letters
	Names       []string      // of the work queues
}

// message is one message at rest or in flight.
type message struct {
	id       string
	body     string
	sent     time.Time
	visible  time.Time
	receives int
	receipt  string
	source   string
}

// Queues are work queues with one dead letter queue.
type Queues struct {
	Config
	mu   sync.Mutex
	all  map[string][]*message // by queue name; "dead" is the dead letter queue
	next int
}

// deadName is the name of the dead letter queue among the queues.
const deadName = "dead"

// New returns empty queues.
func New(c Config) *Queues {
	q := &Queues{Config: c, all: map[string][]*message{deadName: nil}}
	for _, n := range c.Names {
		q.all[n] = nil
	}
	return q
}

// Send implements the senders.
func (q *Queues) Send(_ context.Context, queue string, m job.Message, delay time.Duration) error {
	return q.SendBody(queue, m.Encode(), delay)
}

// SendMany implements intake.BulkSender.
func (q *Queues) SendMany(ctx context.Context, queue string, all []intake.Outgoing) []error {
	errs := make([]error, len(all))
	for i := range all {
		errs[i] = q.Send(ctx, queue, all[i].Message, all[i].Delay)
	}
	return errs
}

// SendBody puts any body into a queue, as a stranger could.
func (q *Queues) SendBody(queue, body string, delay time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.all[queue]; !ok {
		return job.Errorf(job.Internal, "no queue named %q", queue)
	}
	now := q.Now()
	q.all[queue] = append(q.all[queue], &message{
		id: q.number("m"), body: body, sent: now, visible: now.Add(delay), source: queue,
	})
	return nil
}

// Receive takes up to n visible messages of a work queue, as the event source
// mapping does. A message that was received too often moves to the dead letters
// instead, as SQS does at the receive after the last allowed one.
func (q *Queues) Receive(queue string, n int) []worker.Delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.Now()
	kept := q.all[queue][:0] // in place: nobody else holds the slice
	var out []worker.Delivery
	for _, m := range q.all[queue] {
		if len(out) == n || now.Before(m.visible) {
			kept = append(kept, m)
			continue
		}
		if m.receives >= q.MaxReceives {
			m.visible, m.receipt = now, ""
			q.all[deadName] = append(q.all[deadName], m)
			continue
		}
		q.take(m, now)
		kept = append(kept, m)
		out = append(out, worker.Delivery{
			MessageID: m.id, Source: queue, Receipt: m.receipt, Body: m.body, Sent: m.sent, Receives: m.receives,
		})
	}
	clear(q.all[queue][len(kept):])
	q.all[queue] = kept
	return out
}

// take marks a message as received.
func (q *Queues) take(m *message, now time.Time) {
	m.receives++
	m.receipt = q.number("r")
	m.visible = now.Add(q.Visibility)
}

// Hide implements worker.Queue.
func (q *Queues) Hide(_ context.Context, source, receipt string, d time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, m := q.find(source, receipt)
	if m == nil {
		return fmt.Errorf("receipt %s of %s is not valid any more", receipt, source)
	}
	m.visible = q.Now().Add(d)
	return nil
}

// Acknowledge deletes a received message. As on SQS, an old receipt is not an
// error.
func (q *Queues) Acknowledge(source, receipt string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i, m := q.find(source, receipt); m != nil {
		q.all[source] = slices.Delete(q.all[source], i, i+1)
	}
}

// find returns the message with a receipt; newest receipts only.
func (q *Queues) find(queue, receipt string) (int, *message) {
	for i, m := range q.all[queue] {
		if m.receipt == receipt && receipt != "" {
			return i, m
		}
	}
	return 0, nil
}

// Depth returns how many messages a queue holds, visible or not.
func (q *Queues) Depth(queue string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.all[queue])
}

// NextVisible returns when the next message of any work queue becomes visible,
// and false if there is none: a simulation may jump there.
func (q *Queues) NextVisible() (time.Time, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var next time.Time
	some := false
	for _, name := range q.Names {
		for _, m := range q.all[name] {
			if !some || m.visible.Before(next) {
				next, some = m.visible, true
			}
		}
	}
	return next, some
}

// number returns a new id.
func (q *Queues) number(prefix string) string {
	q.next++
	return prefix + strconv.Itoa(q.next)
}

// DeadLetters is the dead letter queue of q.
type DeadLetters struct {
	q *Queues
}

// Dead returns the dead letter queue.
func (q *Queues) Dead() *DeadLetters { return &DeadLetters{q: q} }

// Moving implements deadletter.Queue: Redrive is atomic here.
func (*DeadLetters) Moving(context.Context) (bool, error) { return false, nil }

// Receive implements deadletter.Queue.
func (d *DeadLetters) Receive(context.Context) ([]deadletter.Letter, error) {
	d.q.mu.Lock()
	defer d.q.mu.Unlock()
	now := d.q.Now()
	var out []deadletter.Letter
	for _, m := range d.q.all[deadName] {
		if len(out) == 10 {
			break
		}
		if !now.Before(m.visible) {
			d.q.take(m, now)
			out = append(out, deadletter.Letter{
				MessageID: m.id, Receipt: m.receipt, Body: m.body, Sent: m.sent, Receives: m.receives, Source: m.source,
			})
		}
	}
	return out, nil
}

// Delete implements deadletter.Queue.
func (d *DeadLetters) Delete(_ context.Context, receipt string) error {
	d.q.Acknowledge(deadName, receipt)
	return nil
}

// Return implements deadletter.Queue.
func (d *DeadLetters) Return(ctx context.Context, receipt string) error {
	return d.q.Hide(ctx, deadName, receipt, 0)
}

// Redrive moves every visible dead letter back to the queue it came from, as the
// console's redrive does: with a new SentTimestamp and a receive count of zero.
// It returns their bodies.
func (d *DeadLetters) Redrive() []string {
	d.q.mu.Lock()
	defer d.q.mu.Unlock()
	now := d.q.Now()
	var moved []string
	kept := d.q.all[deadName][:0]
	for _, m := range d.q.all[deadName] {
		if now.Before(m.visible) {
			kept = append(kept, m)
			continue
		}
		m.sent, m.visible, m.receives, m.receipt = now, now, 0, ""
		d.q.all[m.source] = append(d.q.all[m.source], m)
		moved = append(moved, m.body)
	}
	clear(d.q.all[deadName][len(kept):])
	d.q.all[deadName] = kept
	return moved
}

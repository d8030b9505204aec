package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"orbitq/internal/job"
)

// Deliver delivers one event now instead of with the next sweep, and takes note of what came
// of it as a sweep does. It returns why the event was not delivered: a sweep tries it again,
// unless it is given up.
func (o *Outbox) Deliver(ctx context.Context, e job.Event) error {
	s := newSweep(o.Now())
	cause, err := o.attempt(ctx, s, e)
	o.save(ctx, s)
	return errors.Join(append(s.errs, cause, err)...)
}

// deliver delivers an event of a sweep. A receiver of a user that is down is no error: the
// function would be reported as failing for a day.
func (o *Outbox) deliver(ctx context.Context, s *sweep, e job.Event) error {
	cause, err := o.attempt(ctx, s, e)
	if code := job.CodeOf(cause); cause != nil && code != job.WebhookFailed && code != job.WebhookRefused {
		err = errors.Join(fmt.Errorf("deliver event %s: %w", e.ID, cause), err)
	}
	return err
}

// attempt delivers an event and marks it. It returns why the delivery failed, and what failed
// beside it.
func (o *Outbox) attempt(ctx context.Context, s *sweep, e job.Event) (cause, err error) {
	host, send, cause := o.Notifier.Notification(ctx, e)
	if cause == nil && host != "" {
		if next, open := o.admit(ctx, s, e.Owner, host); open {
			return o.blocked(ctx, s, &e, next)
		}
	}
	if cause == nil {
		cause = o.send(ctx, send)
		o.answered(s, e.Owner, host, cause)
	}
	if cause != nil {
		s.count(func(t *Swept) { t.Failed++ })
		return cause, o.failed(ctx, &e, cause)
	}
	if err := o.Store.MarkDelivered(ctx, e.ID, o.Now()); err != nil {
		return nil, fmt.Errorf("mark event %s: %w", e.ID, err)
	}
	s.count(func(t *Swept) { t.Delivered++ })
	return nil, nil
}

// send sends an event within its time.
func (o *Outbox) send(ctx context.Context, send func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	return send(ctx)
}

// failed takes note of a delivery that failed.
func (o *Outbox) failed(ctx context.Context, e *job.Event, cause error) error {
	code, wish := job.CodeOf(cause), time.Duration(0)
	if coded, ok := errors.AsType[*job.Error](cause); ok {
		wish = coded.RetryAfter
	}
	next, _ := e.NextTry(code, wish, o.Now())
	if err := o.Store.MarkFailed(ctx, e.ID, cause.Error(), next, o.Now()); err != nil {
		return fmt.Errorf("put off event %s: %w", e.ID, err)
	}
	return nil
}

// blocked puts off an event whose receiver is left alone, or gives it up if that has lasted
// for a day.
func (o *Outbox) blocked(ctx context.Context, s *sweep, e *job.Event, next time.Time) (cause, err error) {
	cause = job.Errorf(job.WebhookFailed, "its receiver has failed too often and is left alone for a while")
	if _, again := e.NextTry(job.WebhookFailed, 0, o.Now()); !again {
		s.count(func(t *Swept) { t.Failed++ })
		return cause, o.failed(ctx, e, cause)
	}
	o.postpone(ctx, s, e, next)
	return cause, nil
}

// admit asks a receiver's breaker. The owner's breakers are read once in a sweep; if they
// cannot be read, none is known to be open.
func (o *Outbox) admit(ctx context.Context, s *sweep, owner, host string) (next time.Time, open bool) {
	s.mu.Lock()
	b, known := s.receivers[owner]
	s.mu.Unlock()
	if !known {
		read, err := o.Receivers.Receivers(ctx, owner)
		if err != nil {
			s.fail(fmt.Errorf("read receivers: %w", err))
		}
		b = maps.Clone(read)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, known := s.receivers[owner]; known {
		b = other // another worker was quicker
	} else if b == nil {
		b = Breakers{}
	}
	s.receivers[owner] = b
	return b.admit(host, o.Now())
}

// answered tells a receiver's breaker what came of a delivery.
func (o *Outbox) answered(s *sweep, owner, host string, cause error) {
	if host == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.receivers[owner]
	switch code := job.CodeOf(cause); {
	case cause == nil || code == job.WebhookRefused: // who refuses has answered
		if b.answered(host) {
			s.changed[owner] = true
		}
	case code == job.WebhookFailed:
		b.failed(host, o.Now())
		s.changed[owner] = true
	}
}

// save keeps what the sweep learned of receivers. Two sweeps at once may each lose what the
// other learned, which costs a delivery that fails once more.
func (o *Outbox) save(ctx context.Context, s *sweep) {
	owners := slices.Sorted(maps.Keys(s.changed))
	o.each(len(owners), func(i int) bool {
		if err := o.Receivers.SaveReceivers(ctx, owners[i], s.receivers[owners[i]], o.Now()); err != nil {
			s.fail(fmt.Errorf("save receivers: %w", err))
		}
		return true
	})
}

package trigger

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Waits after failed polls double between these, as an engine that restarts needs moments and not seconds.
const (
	shortestWait = 50 * time.Millisecond
	longestWait  = 5 * time.Second
)

// poll receives batches until the context ends; work is the context of the invocations, which outlives it so that a
// stop does not abandon what is nearly done. A poll that fails, because an engine restarts or a role forbids it, is
// repeated more and more slowly.
func (m *Mapping) poll(ctx, work context.Context) {
	wait := shortestWait
	for m.enter(ctx) {
		batch, err := m.next(ctx)
		if len(batch) == 0 {
			m.exit()
		} else {
			m.deliveries.Go(func() {
				defer m.exit()
				m.deliver(work, batch)
			})
		}
		if err == nil || ctx.Err() != nil {
			wait = shortestWait
			continue
		}
		m.cfg.Log.WarnContext(ctx, "poll", slog.String("queue", m.cfg.QueueARN), slog.String("error", err.Error()), slog.Duration("wait", wait))
		sleep(ctx, wait)
		wait = min(2*wait, longestWait)
	}
}

// enter waits for room for an invocation and for the mapping to be enabled; false means that the context ended. Room
// comes first: what waits for room while the mapping is paused must not poll when room appears.
func (m *Mapping) enter(ctx context.Context) bool {
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if !m.gate.enter(ctx) {
		<-m.slots
		return false
	}
	return true
}

// exit frees what a poll or its invocation held.
func (m *Mapping) exit() {
	m.gate.leave()
	<-m.slots
}

// next waits for a batch. Without a window it is what one poll brings, as on Lambda: a message never waits for others.
func (m *Mapping) next(ctx context.Context) ([]events.SQSMessage, error) {
	batch, err := m.receive(ctx, m.cfg.BatchSize, m.cfg.LongPoll)
	if err != nil || len(batch) == 0 || m.cfg.MaximumBatchingWindow <= 0 {
		return batch, err
	}
	return m.fill(ctx, batch, time.Now().Add(m.cfg.MaximumBatchingWindow))
}

// fill receives until the batch is full or the window has passed. A failed poll does not lose what is in the batch.
func (m *Mapping) fill(ctx context.Context, batch []events.SQSMessage, end time.Time) ([]events.SQSMessage, error) {
	size := 0
	for i := range batch {
		size += len(batch[i].Body)
	}
	for len(batch) < m.cfg.BatchSize && size < payloadLimit {
		left := time.Until(end)
		if left <= 0 {
			return batch, nil
		}
		more, err := m.receive(ctx, m.cfg.BatchSize-len(batch), min(left, m.cfg.LongPoll))
		if err != nil {
			return batch, err
		}
		for i := range more {
			size += len(more[i].Body)
		}
		batch = append(batch, more...)
	}
	return batch, nil
}

// receive polls the queue once.
func (m *Mapping) receive(ctx context.Context, most int, wait time.Duration) ([]events.SQSMessage, error) {
	batch, err := m.cfg.Queue.Receive(ctx, min(receiveLimit, most), wait)
	if err != nil {
		return batch, fmt.Errorf("receive: %w", err)
	}
	return batch, nil
}

// sleep waits, but not beyond the context.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

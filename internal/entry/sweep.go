package entry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/flow"
	"orbitq/internal/gate"
	"orbitq/internal/job"
	"orbitq/internal/outbox"
	"orbitq/internal/relay"
)

// Sweep returns the handler of the dead letter reconciler. Schedule and alarm
// start it alike: neither event says anything that the queue does not say
// better, so both are ignored. A failed sweep fails the function, so that its
// error metric rises; the next minute tries again.
func Sweep(r *deadletter.Reconciler, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		swept, err := r.Sweep(ctx)
		logSweep(ctx, log, "dead letters swept", err, slog.Int("seen", swept.Seen),
			slog.Int("recorded", swept.Recorded), slog.Int("deleted", swept.Deleted), slog.Bool("moving", swept.Moving))
		if err != nil {
			return fmt.Errorf("sweep dead letters: %w", err)
		}
		return nil
	}
}

// RelayParts are the use cases of the relay's schedule.
type RelayParts struct {
	Relay    *relay.Relay
	Operator *deadletter.Operator
	Flow     *flow.Flow
	Outbox   *outbox.Outbox
	Gate     *gate.Gate
}

// Relay returns the handler of the relay's schedule. It fails as Sweep does.
// It also does the next step of retries of many, asks after silent executions, and beside
// all that delivers events and serves the line of jobs that wait for a slot of the limiter:
// receivers that never answer take its time, but not that of the jobs.
func Relay(p RelayParts, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		var (
			delivered  outbox.Swept
			deliverErr error
			paced      relay.Paced
			paceErr    error
			beside     sync.WaitGroup
			pacing     sync.WaitGroup
		)
		beside.Go(func() { delivered, deliverErr = p.Outbox.Sweep(ctx) })
		pacing.Go(func() { paced, paceErr = p.Relay.Pace(ctx) })
		swept, err := p.Relay.Sweep(ctx)
		operations, stepErr := p.Operator.Advance(ctx)
		flows, flowErr := p.Flow.Sweep(ctx)
		beside.Wait()
		err = errors.Join(err, deliverErr, stepErr, flowErr)
		attrs := append([]slog.Attr{
			slog.Int("seen", swept.Seen), slog.Int("sent", swept.Sent), slog.Int("lined", swept.Lined),
			slog.Int("made_up", swept.MadeUp), slog.Int("operations", operations), slog.Int("delivered", delivered.Delivered),
			slog.Int("undelivered", delivered.Failed), slog.Int("postponed", delivered.Postponed),
			slog.Int("flows", flows.Seen), slog.Int("resumed", flows.Resumed),
		}, metrics(time.Now(), map[string]float64{
			"RelaySent": float64(swept.Sent), "RelayLined": float64(swept.Lined), "OldestLookSeconds": swept.Oldest.Seconds(),
		})...)
		logSweep(ctx, log, "open jobs swept", err, attrs...)
		pacing.Wait()
		paceErr = errors.Join(paceErr, p.Gate.Flush(ctx))
		if paced.Owners > 0 || paceErr != nil {
			logSweep(ctx, log, "line served", paceErr, append([]slog.Attr{
				slog.Int("sent", paced.Sent), slog.Int("free", paced.Free), slog.Int("turns", paced.Turns), slog.Int("owners", paced.Owners),
			}, metrics(time.Now(), map[string]float64{"RelayPaced": float64(paced.Sent + paced.Free)})...)...)
		}
		if err = errors.Join(err, paceErr); err != nil {
			return fmt.Errorf("sweep open jobs: %w", err)
		}
		return nil
	}
}

// logSweep writes the one line of a sweep. A failed one is logged with what it
// did all the same: Lambda writes the error of a handler nowhere, and the counts
// say how much is still to do.
func logSweep(ctx context.Context, log *slog.Logger, what string, err error, attrs ...slog.Attr) {
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("code", string(job.CodeOf(err))), slog.String("error", err.Error()))
	}
	log.LogAttrs(ctx, level, what, attrs...)
}

package entry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/flow"
	"orbitq/internal/job"
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

// Relay returns the handler of the relay's schedule. It fails as Sweep does.
// It also does the next step of every retry of many, and asks after silent executions.
func Relay(r *relay.Relay, op *deadletter.Operator, f *flow.Flow, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		swept, err := r.Sweep(ctx)
		operations, stepErr := op.Advance(ctx)
		flows, flowErr := f.Sweep(ctx)
		err = errors.Join(err, stepErr, flowErr)
		attrs := append([]slog.Attr{
			slog.Int("seen", swept.Seen), slog.Int("sent", swept.Sent), slog.Int("paced", swept.Paced),
			slog.Int("made_up", swept.MadeUp), slog.Int("told", swept.Told), slog.Int("operations", operations),
			slog.Int("flows", flows.Seen), slog.Int("resumed", flows.Resumed),
		}, metrics(time.Now(), map[string]float64{
			"RelaySent": float64(swept.Sent), "RelayPaced": float64(swept.Paced), "OldestLookSeconds": swept.Oldest.Seconds(),
		})...)
		logSweep(ctx, log, "open jobs swept", err, attrs...)
		if err != nil {
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

package entry

import (
	"context"
	"fmt"
	"log/slog"

	"orbitq/internal/deadletter"
	"orbitq/internal/relay"
)

// Sweep returns the handler of the dead letter reconciler. Schedule and alarm
// start it alike: neither event says anything that the queue does not say
// better, so both are ignored.
func Sweep(r *deadletter.Reconciler, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		swept, err := r.Sweep(ctx)
		if err != nil {
			return fmt.Errorf("sweep dead letters: %w", err)
		}
		log.LogAttrs(ctx, slog.LevelInfo, "dead letters swept", slog.Int("seen", swept.Seen),
			slog.Int("recorded", swept.Recorded), slog.Int("deleted", swept.Deleted), slog.Bool("moving", swept.Moving))
		return nil
	}
}

// Relay returns the handler of the relay's schedule.
func Relay(r *relay.Relay, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		swept, err := r.Sweep(ctx)
		if err != nil {
			return fmt.Errorf("sweep open jobs: %w", err)
		}
		log.LogAttrs(ctx, slog.LevelInfo, "open jobs swept", slog.Int("seen", swept.Seen), slog.Int("sent", swept.Sent))
		return nil
	}
}

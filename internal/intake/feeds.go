package intake

import (
	"context"
	"fmt"

	"orbitq/internal/job"
)

// Feeds are the pollers between the work queues and their workers.
type Feeds interface {
	// SetEnabled pauses (false) or resumes a queue's feed, and returns its state.
	SetEnabled(ctx context.Context, queue string, enabled bool) (string, error)
}

// SetQueue pauses or resumes a queue, and returns the state of its feed. Messages
// of a paused queue stay where they are; jobs are accepted as before.
func (in *Intake) SetQueue(ctx context.Context, queue string, enabled bool) (string, error) {
	if _, broken := checkQueue(queue, nil); queue == "" || len(broken) > 0 {
		return "", job.Errorf(job.NotFound, "no queue %q", queue)
	}
	state, err := in.Feeds.SetEnabled(ctx, queue, enabled)
	if err != nil {
		return "", fmt.Errorf("change queue: %w", err)
	}
	return state, nil
}

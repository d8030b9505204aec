package query

import (
	"context"
	"fmt"
)

// Depth is how many messages a queue holds, approximately, as SQS counts them.
type Depth struct {
	Waiting  int // to be received
	InFlight int // received, not deleted yet
	Delayed  int // sent for later
}

// Queues shows the work queues.
type Queues interface {
	// Depth returns how many messages the named queue holds; "dead" is the dead
	// letter queue.
	Depth(ctx context.Context, queue string) (Depth, error)
}

// Feeds shows the pollers between the work queues and their workers.
type Feeds interface {
	// Feed returns the state of a queue's feed: enabled, disabled, or on the way.
	Feed(ctx context.Context, queue string) (string, error)
}

// Line is one queue as it stands.
type Line struct {
	Queue string
	Depth Depth
	Feed  string // empty for the dead letter queue, which nothing feeds from
}

// Lines returns the work queues, the most urgent first, and the dead letter queue.
func Lines(ctx context.Context, q Queues, f Feeds) ([]Line, error) {
	var all []Line
	for _, name := range []string{"high", "default", "low", "dead"} {
		depth, err := q.Depth(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("read depth of queue %s: %w", name, err)
		}
		l := Line{Queue: name, Depth: depth}
		if name != "dead" {
			if l.Feed, err = f.Feed(ctx, name); err != nil {
				return nil, fmt.Errorf("read feed of queue %s: %w", name, err)
			}
		}
		all = append(all, l)
	}
	return all, nil
}

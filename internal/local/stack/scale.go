package stack

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"orbitq/internal/local/cfn"
)

// What compression leaves alone.
const (
	// timeoutFloor is the shortest timeout that compression leaves, in seconds: work is not compressed, only waits are.
	// The timeout of a function that a queue feeds is one, because the queue hides messages as long as six of them.
	timeoutFloor = 5
	// visibilityFactor keeps a queue's visibility timeout this many function timeouts long, as AWS advises.
	visibilityFactor = 6
)

// compress divides the times of a template. Schedules are divided by their scheduler. Whole seconds, which is all that
// SQS and Lambda know, are rounded up.
func compress(t *cfn.Stack, speed float64) error {
	if speed <= 1 {
		return nil
	}

	timeouts := map[string]int{}

	for i := range t.Functions {
		f := &t.Functions[i]
		if slices.ContainsFunc(t.Mappings, func(m cfn.Mapping) bool { return m.Function == f.Name }) {
			f.Timeout = min(f.Timeout, max(timeoutFloor, divide(f.Timeout, speed)))
		}

		timeouts[f.Name] = f.Timeout

		for name, value := range f.Env {
			if !strings.HasSuffix(name, "_SECONDS") {
				continue
			}

			shorter, err := divideList(value, speed)
			if err != nil {
				return fmt.Errorf("function %s: variable %s: %w", f.Name, name, err)
			}

			f.Env[name] = shorter
		}
	}

	for i := range t.Queues {
		q := &t.Queues[i]
		// A queue that nobody polls may hide messages for a second; one that feeds a function must hide them while the
		// function may still be running.
		least := 1

		for _, m := range t.Mappings {
			if m.QueueARN == q.ARN {
				least = max(least, visibilityFactor*timeouts[m.Function])
			}
		}

		q.VisibilityTimeout = min(q.VisibilityTimeout, max(least, divide(q.VisibilityTimeout, speed)))
		q.Delay = divide(q.Delay, speed)
	}

	return nil
}

// divide rounds up: a wait of half a second is a second, never none.
func divide(seconds int, speed float64) int { return int(math.Ceil(float64(seconds) / speed)) }

// divideList divides numbers that are separated by commas; fractions are fine in variables.
func divideList(list string, speed float64) (string, error) {
	parts := strings.Split(list, ",")
	for i, part := range parts {
		seconds, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return "", fmt.Errorf("read seconds: %w", err)
		}

		parts[i] = strconv.FormatFloat(seconds/speed, 'g', 6, 64)
	}

	return strings.Join(parts, ","), nil
}

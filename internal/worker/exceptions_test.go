package worker_test

import (
	"context"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// TestMaxExceptions: of a kind's ten attempts only two may fail by an error of their
// own. Attempts that timed out, were lost or were sent away say nothing about the job.
func TestMaxExceptions(t *testing.T) {
	t.Parallel()
	const lost = job.AttemptLost // the worker of this attempt never reports
	for _, c := range []struct {
		name       string
		codes      []job.Code
		attempts   int
		exceptions int
		dead       bool
	}{
		{"one", []job.Code{job.Internal}, 1, 1, false},
		{"two", []job.Code{job.Internal, job.ProviderUnavailable}, 2, 2, true},
		{"timeouts do not count", []job.Code{job.AttemptTimeout, job.AttemptTimeout, job.AttemptTimeout}, 3, 0, false},
		{"releases do not count, nor cost an attempt", []job.Code{job.Limited, job.Throttled, job.ProviderRateLimit}, 0, 0, false},
		{"lost attempts do not count", []job.Code{lost, lost, job.Internal}, 3, 1, false},
		{"two among others", []job.Code{job.AttemptTimeout, job.Internal, job.Limited, lost, job.Internal}, 4, 2, true},
		{"one refusal is enough", []job.Code{job.InvalidRequest}, 1, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var code job.Code
			b := newBench(t, func(context.Context, *job.Job) (worker.Result, error) {
				return worker.Result{}, &job.Error{Code: code, Message: "told to", RetryAfter: time.Second}
			})
			b.policy = job.Policy{Exceptions: 2}
			j := b.accept(func(j *job.Job) { j.MaxAttempts = 10 })
			for i, next := range c.codes {
				if code = next; next == lost {
					row := b.row(j.ID)
					b.claim(&row, b.now)
					b.now = b.now.Add(time.Minute) // its lease ends
					continue
				}
				b.bring(j.ID)
				b.deliver()
				if row := b.row(j.ID); row.State == job.Dead && i < len(c.codes)-1 {
					t.Fatalf("dead after %v: %+v", c.codes[:i+1], row)
				}
				b.now = b.now.Add(time.Hour)
			}
			row := b.row(j.ID)
			if (row.State == job.Dead) != c.dead || row.Attempts != c.attempts || row.Exceptions != c.exceptions {
				t.Errorf("%s after %d attempts and %d exceptions, want %d and %d", row.State, row.Attempts, row.Exceptions, c.attempts, c.exceptions)
			}
			if last := c.codes[len(c.codes)-1]; c.dead && row.Code != last {
				t.Errorf("died of %s, want %s", row.Code, last)
			}
		})
	}
}

// bring sends the job's message if none is left, as the relay does.
func (b *bench) bring(id string) {
	b.t.Helper()
	if b.queues.Depth("default") == 0 {
		row := b.row(id)
		b.send(row.Message())
	}
}

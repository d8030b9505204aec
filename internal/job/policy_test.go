package job_test

import (
	"testing"
	"time"

	"orbitq/internal/job"
)

// TestMaxExceptions lets a kind allow fewer errors of its own than attempts: timeouts and lost workers cost attempts, but
// are no exceptions.
func TestMaxExceptions(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	timing := job.DefaultTiming().For(job.Policy{Exceptions: 2, Backoff: []time.Duration{time.Second}})
	for _, c := range []struct {
		name  string
		codes []job.Code
		dead  bool
	}{
		{"one exception", []job.Code{job.ProviderUnavailable}, false},
		{"two exceptions", []job.Code{job.ProviderUnavailable, job.Internal}, true},
		{"three timeouts", []job.Code{job.AttemptTimeout, job.AttemptTimeout, job.AttemptTimeout}, false},
		{"timeouts between", []job.Code{job.AttemptTimeout, job.Internal, job.AttemptTimeout, job.Internal}, true},
		{"every attempt", []job.Code{job.AttemptTimeout, job.AttemptTimeout, job.AttemptTimeout, job.AttemptTimeout, job.AttemptTimeout}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			j := job.Accepted(job.Job{ID: "j", Kind: "enrich", MaxAttempts: 5, Limit: job.Unlimited}, now, time.Hour, time.Minute)
			for i, code := range c.codes {
				if j.State == job.Dead {
					t.Fatalf("dead after %d attempts", i)
				}
				held := job.Claimed(j, job.Lease{Token: "t", Until: now.Add(time.Minute)}, now)
				j = job.Failed(held, job.Errorf(code, "why"), timing, 0, job.Carried{Ticket: 1}, job.Report{Now: now})
				if j.State == job.Retrying && j.Due.Sub(now) != time.Second {
					t.Errorf("due in %v: the kind's own backoff is a second", j.Due.Sub(now))
				}
			}
			if (j.State == job.Dead) != c.dead {
				t.Errorf("%s after %v", j.State, c.codes)
			}
		})
	}
}

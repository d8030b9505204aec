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

// TestWaitingForASlotCostsNoDeadline holds a job back for longer than its deadline: it may still run when its turn comes.
func TestWaitingForASlotCostsNoDeadline(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	timing := job.DefaultTiming()
	j := job.InLine(job.Accepted(job.Job{ID: "j", Kind: "enrich", MaxAttempts: 3, Limit: job.Unlimited}, now, 24*time.Hour, 15*time.Minute), now)
	first := j.Deadline
	turn := now.Add(16 * 24 * time.Hour) // the 1st
	j = job.Resent(j, turn.Add(10*time.Second), timing, turn)
	r := job.ClaimRequest{Message: j.Message(), Now: j.Slot}
	if got := job.Judge(&j, &r); got != job.Run {
		t.Errorf("judged %d, deadline %v", got, j.Deadline)
	}
	if want := first.Add(j.Slot.Sub(now)); !j.Deadline.Equal(want) {
		t.Errorf("deadline %v, want %v: a day from its turn", j.Deadline, want)
	}
	// Sent again because nobody answered: that time counts.
	again := job.Resent(j, time.Time{}, timing, j.Look)
	if !again.Deadline.Equal(j.Deadline) {
		t.Errorf("deadline moved to %v", again.Deadline)
	}
}

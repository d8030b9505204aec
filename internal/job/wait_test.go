package job_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
)

func TestBackoffFor(t *testing.T) {
	t.Parallel()
	timing := job.DefaultTiming()
	for _, c := range []struct {
		attempt int
		jitter  float64
		want    time.Duration
	}{
		{1, 0, 10 * time.Second},
		{1, 0.5, 10500 * time.Millisecond},
		{2, 0, 30 * time.Second},
		{3, 0, time.Minute},
		{4, 0, time.Minute},
		{100, 0.999, 65994 * time.Millisecond},
		{0, 0, 10 * time.Second},
		{-1, 0, 10 * time.Second},
	} {
		if got := timing.BackoffFor(c.attempt, c.jitter); got != c.want {
			t.Errorf("attempt %d, jitter %v: got %v, want %v", c.attempt, c.jitter, got, c.want)
		}
	}
	if got := (job.Timing{}).BackoffFor(1, 0.5); got != 0 {
		t.Errorf("without steps: %v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		n, jitter := rapid.IntRange(1, 20).Draw(t, "attempt"), rapid.Float64Range(0, 0.9999).Draw(t, "jitter")
		got, base := timing.BackoffFor(n, jitter), timing.BackoffFor(n, 0)
		if got < base || got >= base+base/10 || base > timing.BackoffFor(n+1, 0) || base > time.Minute {
			t.Fatalf("attempt %d: %v, base %v", n, got, base)
		}
	})
}

func TestReleaseFor(t *testing.T) {
	t.Parallel()
	timing := job.DefaultTiming()
	for _, c := range []struct {
		name  string
		fault job.Error
		want  time.Duration
	}{
		{"the provider said nothing", job.Error{Code: job.ProviderRateLimit}, time.Minute},
		{"nonsense", job.Error{Code: job.ProviderRateLimit, RetryAfter: -time.Second}, time.Minute},
		{"a wish", job.Error{Code: job.ProviderRateLimit, RetryAfter: 3398 * time.Millisecond}, 3398 * time.Millisecond},
		{"too short", job.Error{Code: job.ProviderRateLimit, RetryAfter: time.Millisecond}, time.Second},
		{"too long", job.Error{Code: job.ProviderRateLimit, RetryAfter: time.Hour}, job.MaxDelay},
		{"the last moment of a month", job.Error{Code: job.ProviderQuota, RetryAfter: time.Microsecond}, time.Second},
		{"a month's quota is waited for", job.Error{Code: job.ProviderQuota, RetryAfter: 200 * time.Hour}, 200 * time.Hour},
		{"a quota without a time", job.Error{Code: job.ProviderQuota}, time.Minute},
	} {
		if got := timing.ReleaseFor(&c.fault); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTheWaitForAUnitGrows(t *testing.T) {
	t.Parallel()
	timing, asked := job.DefaultTiming(), 0
	j := job.Accepted(job.Job{MaxAttempts: 3}, start(), 24*time.Hour, time.Hour)
	last := time.Duration(0)
	for now := start(); now.Before(start().AddDate(0, 0, 1)); asked++ {
		j = job.WaitingForQuota(j, timing, now)
		wait := j.Due.Sub(now)
		if wait < max(last, timing.QuotaWait) || wait > job.MaxDelay || j.Parked() {
			t.Fatalf("wait %d is %v after %v", asked, wait, last)
		}
		last, now = wait, j.Due
	}
	if asked > 150 || j.Attempts != 0 {
		t.Errorf("asked %d times in a day, %d attempts", asked, j.Attempts)
	}
}

func TestResendAfterDoublesToACap(t *testing.T) {
	t.Parallel()
	for n, want := range []int{1, 2, 4, 8, 16, 32, 32, 32} {
		if got := job.ResendAfter(time.Minute, n); got != time.Duration(want)*time.Minute {
			t.Errorf("resend %d: got %v, want %d min", n, got, want)
		}
	}
}

func TestAcceptedLater(t *testing.T) {
	t.Parallel()
	now := start()
	for _, c := range []struct {
		name   string
		due    time.Time
		state  job.State
		first  time.Time
		look   time.Time
		parked bool
	}{
		{"at once", time.Time{}, job.Queued, now, now.Add(15 * time.Minute), false},
		{"in the past", now.Add(-1), job.Queued, now, now.Add(15 * time.Minute), false},
		{"soon: its message waits", now.Add(job.MaxDelay), job.Scheduled, now.Add(job.MaxDelay), now.Add(2 * job.MaxDelay), false},
		{"later: the relay sends it", now.Add(job.MaxDelay + 1), job.Scheduled, now.Add(job.MaxDelay + 1), now.Add(job.MaxDelay + 1), true},
	} {
		j := job.Accepted(job.Job{Due: c.due}, now, 24*time.Hour, 15*time.Minute)
		if j.State != c.state || !j.Deadline.Equal(c.first.Add(24*time.Hour)) || !j.Look.Equal(c.look) || j.Parked() != c.parked || j.Ticket != 1 {
			t.Errorf("%s: %+v", c.name, j)
		}
	}
}

// TestReasonsTellTheLastFailure: whoever reads why a job is dead must not have to
// look for the cause elsewhere.
func TestReasonsTellTheLastFailure(t *testing.T) {
	t.Parallel()
	j := job.Job{State: job.Retrying, Attempts: 3, MaxAttempts: 3, Deadline: start(), Code: job.ProviderTimeout, Reason: "no answer after 20 s"}
	for _, v := range []job.Verdict{job.Spent, job.Expired} {
		if code, reason := job.Unrunnable(&j, v); !strings.Contains(reason, "PROVIDER_TIMEOUT no answer after 20 s") || code == "" {
			t.Errorf("%s: %s", code, reason)
		}
	}
	dead := job.BuriedUnreported(j, job.Message{Ticket: 4}, start(), 9, start())
	if dead.Code != job.NoWorkerReport || !strings.Contains(dead.Reason, "after 9 receives") || !strings.Contains(dead.Reason, "PROVIDER_TIMEOUT") || dead.DeadTicket != 4 {
		t.Errorf("buried %+v", dead)
	}
	fresh := job.Job{State: job.Queued, Deadline: start()}
	if _, reason := job.Unrunnable(&fresh, job.Expired); strings.Contains(reason, "last failure") {
		t.Errorf("a failure that never was: %s", reason)
	}
}

func TestHistoryRemembersLostAttempts(t *testing.T) {
	t.Parallel()
	now := start()
	j := job.Accepted(job.Job{MaxAttempts: 9}, now, 24*time.Hour, time.Hour)
	for range 5 {
		j = job.Claimed(j, job.Lease{Token: "t", Until: now.Add(time.Minute)}, now)
		now = now.Add(time.Hour)
	}
	if len(j.History) != job.HistorySize {
		t.Fatalf("history %+v", j.History)
	}
	for i, a := range j.History {
		if a.Number != i+2 || a.Code != job.AttemptLost || a.Ended.Sub(a.Started) != time.Minute {
			t.Errorf("entry %d: %+v", i, a)
		}
	}
	if !job.HeldBy(&j, &j) {
		t.Error("a holder does not hold")
	}
	taken := job.Claimed(j, job.Lease{Token: "u", Until: now}, now)
	if job.HeldBy(&taken, &j) {
		t.Error("a zombie holds")
	}
}

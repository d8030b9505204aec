package sim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/usage"
)

// TestManyDeliveriesHaveTheEffectOfOne compares the end of a life whose every
// message is delivered once with those where it is delivered again and again.
func TestManyDeliveriesHaveTheEffectOfOne(t *testing.T) {
	t.Parallel()
	end := func(deliveries int) (string, job.Job) {
		s := newScene(t, 5, faulty.Script{})
		s.answer = once(job.Errorf(job.ProviderUnavailable, "503"))
		c := s.accept("")
		for range 6 {
			for _, name := range queueNames() {
				batch := s.queues.Receive(name, 10)
				for range deliveries {
					if len(batch) > 0 {
						s.invoke(batch)
					}
				}
			}
			s.finish()
			s.advance(7 * time.Minute)
		}
		s.end(1, 2, 0, job.Success)
		j := s.row(c)
		return fmt.Sprintf("%s %s, %d attempts, ticket %d, %v, meter %v", j.State, j.Outcome, j.Attempts, j.Ticket, j.History[0].Code, s.oracle.units), j
	}
	want, _ := end(1)
	for _, n := range []int{2, 3, 7} {
		if got, j := end(n); got != want {
			t.Errorf("%d deliveries: %s, want %s\n%+v", n, got, want, j)
		}
	}
}

// TestOneBadMessageSparesTheOthers: nine good messages of a batch are done and
// deleted, whatever the tenth is.
func TestOneBadMessageSparesTheOthers(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"not ours", `{"v":9}`, job.Message{Version: 1, Job: job.DerivedID("none"), Ticket: 1}.Encode()} {
		s := newScene(t, 20, faulty.Script{})
		for range 5 {
			s.accept("")
		}
		if err := s.queues.SendBody("default", body, 0); err != nil {
			t.Fatal(err)
		}
		s.poison = append(s.poison, body)
		for range 4 {
			s.accept("")
		}
		s.work()
		if s.queues.Depth("default") != 1 || s.calls != 9 || s.invocations != 10 {
			t.Errorf("%q: %d messages stay, %d calls, %d invocations", body, s.queues.Depth("default"), s.calls, s.invocations)
		}
		want := make([]job.Outcome, 9)
		for i := range want {
			want[i] = job.Success
		}
		s.end(9, 9, 1, want...)
	}
}

// TestAWaitOverTheEndOfACycle: the unit was taken in March, the job ends in April,
// and March pays.
func TestAWaitOverTheEndOfACycle(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1, faulty.Script{})
	s.now = time.Date(2100, 3, 31, 23, 59, 0, 0, time.UTC)
	s.answer = once(&job.Error{Code: job.ProviderQuota, Message: "403", RetryAfter: 2 * time.Hour})
	s.accept("")
	s.work()
	march, april := usage.MeterKey(usage.Free, time.Time{}, s.now), usage.MeterKey(usage.Free, time.Time{}, s.now.AddDate(0, 0, 1))
	if m := s.oracle.units[meter{"user", march}]; m != (job.Meter{Taken: 1}) {
		t.Fatalf("March before the end: %+v", m)
	}
	s.advance(time.Hour)
	s.accept("") // has a unit of April at once
	s.end(2, 3, 0, job.Success, job.Success)
	for _, key := range []string{march, april} {
		if m := s.oracle.units[meter{"user", key}]; m != (job.Meter{Taken: 1, Used: 1}) {
			t.Errorf("%s: %+v", key, m)
		}
	}
}

// TestConsoleAndOwnerAtOnce redrives the letter of a dead job while its owner
// retries it, in either order: it runs once more, not twice.
func TestConsoleAndOwnerAtOnce(t *testing.T) {
	t.Parallel()
	for _, ownerFirst := range []bool{true, false} {
		s := newScene(t, 5, faulty.Script{})
		s.answer = once(job.Errorf(job.InvalidRequest, "400"))
		c := s.accept("")
		s.end(0, 1, 1, "")
		s.advance(time.Hour)
		s.redrive()
		p := s.process(requestTime)
		if ownerFirst {
			p.spawn(requestTime, func(ctx context.Context) { _, _ = p.operator.Retry(ctx, "user", c.job) })
		}
		s.deliver("default", 10)
		if !ownerFirst {
			p.spawn(requestTime, func(ctx context.Context) { _, _ = p.operator.Retry(ctx, "user", c.job) })
		}
		s.finish()
		s.end(1, 2, 0, job.Success)
		if j := s.row(c); j.Generation != 1 || j.Attempts != 1 {
			t.Errorf("owner first %v: %+v", ownerFirst, j)
		}
	}
}

// TestClocksApart: five minutes between the clocks of two functions may cost a
// second call of the provider, and nothing else.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-5 * time.Minute, -time.Minute, time.Minute, 5 * time.Minute} {
		s := newScene(t, 5, faulty.Script{})
		s.oracle.skew = 10 * time.Minute
		s.accept("")
		batch := s.queues.Receive("default", 1)
		s.invoke(batch)
		s.resume(0)
		s.resume(0) // the first worker has claimed, by a right clock
		s.apart = skew
		s.invoke(batch)
		s.apart = 0
		s.finish()
		most := 1
		if skew > timeout+leaseMargin {
			most = 2
		}
		calls := s.calls
		if calls != most {
			t.Errorf("skew %v: %d calls, want %d", skew, calls, most)
		}
		s.end(1, calls, 0, job.Success)
	}
}

package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

const never = time.Duration(-1)

// TestFirstDelivery: how each way for an attempt to end shows in the answer, the
// row, the meter and the queue.
func TestFirstDelivery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		run    kind
		edit   func(*job.Job)
		keep   bool
		action string
		state  job.State
		meter  job.Meter
		back   time.Duration // until a message is visible
	}{
		{"success", succeed, nil, false, "succeeded", job.Succeeded, job.Meter{Taken: 1, Used: 1}, never},
		{"nothing to see", ending(job.Clouded, false), nil, false, "succeeded", job.Succeeded, job.Meter{}, never},
		{"nothing to see yet: parked without a message", ending(job.NotYetAvailable, true), nil, false, "waiting", job.Waiting, job.Meter{Taken: 1}, never},
		{"looked often enough", ending(job.Clouded, true), func(j *job.Job) { j.Passes = 3 }, false, "succeeded", job.Succeeded, job.Meter{}, never},
		{"provider down", failing(job.ProviderUnavailable), nil, true, "retrying", job.Retrying, job.Meter{Taken: 1}, 10500 * time.Millisecond},
		{"a defect of ours", func(context.Context, *job.Job) (worker.Result, error) { return worker.Result{}, errors.New("odd") }, nil, true, "retrying", job.Retrying, job.Meter{Taken: 1}, 10500 * time.Millisecond},
		{"a panic", func(context.Context, *job.Job) (worker.Result, error) { panic("defect") }, nil, true, "retrying", job.Retrying, job.Meter{Taken: 1}, 10500 * time.Millisecond},
		{"our request is wrong", failing(job.InvalidRequest), nil, true, "dead", job.Dead, job.Meter{}, 0},
		{"the last attempt", failing(job.ProviderUnavailable), func(j *job.Job) { j.MaxAttempts = 1 }, true, "dead", job.Dead, job.Meter{}, 0},
		{"a kind of a later release", succeed, func(j *job.Job) { j.Kind = "new" }, true, "dead", job.Dead, job.Meter{}, 0},
		{"slow down", failing(job.ProviderRateLimit), nil, false, "waiting", job.Waiting, job.Meter{Taken: 1}, time.Minute},
		{"slow down for a while", func(context.Context, *job.Job) (worker.Result, error) {
			return worker.Result{}, &job.Error{Code: job.ProviderRateLimit, RetryAfter: 3398 * time.Millisecond}
		}, nil, false, "waiting", job.Waiting, job.Meter{Taken: 1}, 3398 * time.Millisecond},
		{"the month is used up: parked", func(context.Context, *job.Job) (worker.Result, error) {
			return worker.Result{}, &job.Error{Code: job.ProviderQuota, RetryAfter: 100 * time.Hour}
		}, nil, false, "waiting", job.Waiting, job.Meter{Taken: 1}, never},
		{"no unit left", succeed, func(j *job.Job) { j.Limit = 0 }, false, "skipped", job.Skipped, job.Meter{}, never},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.run)
			j := b.accept(c.edit)
			h := b.deliver()
			if h.Keep != c.keep || h.Action != c.action || h.Job.ID != j.ID {
				t.Errorf("keep %v, %q, %v", h.Keep, h.Action, h.Err)
			}
			if row := b.row(j.ID); row.State != c.state || b.meter() != c.meter {
				t.Errorf("meter %+v, row %+v", b.meter(), row)
			}
			if b.back() != c.back {
				t.Errorf("a message is visible after %v, want %v", b.back(), c.back)
			}
		})
	}
}

func TestAttemptsAreRemembered(t *testing.T) {
	t.Parallel()
	b := newBench(t, failing(job.ProviderUnavailable))
	j := b.accept(nil)
	for i, state := range []job.State{job.Retrying, job.Retrying, job.Dead} {
		if h := b.deliver(); string(state) != h.Action || job.CodeOf(h.Err) != job.ProviderUnavailable {
			t.Fatalf("attempt %d: %q, %v", i+1, h.Action, h.Err)
		}
		b.now = b.now.Add(2 * time.Minute)
	}
	row := b.row(j.ID)
	if row.Code != job.ProviderUnavailable || row.DeadTicket != 1 || len(row.History) != 3 {
		t.Fatalf("got %+v", row)
	}
	for i, a := range row.History {
		if a.Number != i+1 || a.Code != job.ProviderUnavailable || a.Version != "v1" || a.RequestID != "request-1" {
			t.Errorf("attempt %+v", a)
		}
	}
	for range 5 { // receives without a run, up to the eighth
		if h := b.deliver(); h.Action != "dead" || !h.Keep {
			t.Fatalf("got %q", h.Action)
		}
	}
	if got := b.queues.Receive("default", 1); len(got) != 0 || b.queues.Depth("dead") != 1 {
		t.Errorf("received %v, %d dead letters", got, b.queues.Depth("dead"))
	}
	if b.runs != 3 {
		t.Errorf("%d runs", b.runs)
	}
}

// TestMessagesThatDoNotRun: what becomes of every other message, and that the
// kind never sees it.
func TestMessagesThatDoNotRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		run    kind
		meet   func(b *bench)
		keep   bool
		action string
	}{
		{"of a job that ended", succeed, func(b *bench) { b.send(b.first().Message()) }, false, "dropped"},
		{"released, and sent anew: the old one", failing(job.ProviderRateLimit), func(b *bench) { b.send(b.first().Message()) }, false, "dropped"},
		{"too early after a failure", failing(job.ProviderUnavailable), func(b *bench) { b.send(b.first().Message()) }, true, "not yet due"},
		{"of a job that somebody runs", succeed, func(b *bench) {
			j := b.accept(nil)
			b.claim(&j, b.now)
		}, true, "held elsewhere"},
		{"that carries a dead job", failing(job.InvalidRequest), func(b *bench) { b.first() }, true, "dead"},
		{"another copy of a dead job's", failing(job.InvalidRequest), func(b *bench) {
			j := b.accept(nil)
			sent, ok, err := b.store.Retake(b.t.Context(), &j, time.Time{}, job.DefaultTiming(), j.Look)
			if err != nil || !ok {
				b.t.Fatal(ok, err)
			}
			b.deliver()
			b.queues.Receive("default", 1)
			b.send(sent.Message())
		}, false, "dropped"},
		{"with a ticket that was never sent, of a job for tomorrow", succeed, func(b *bench) {
			j := b.accept(func(j *job.Job) { j.Due = b.now.Add(24 * time.Hour) })
			b.queues.Receive("default", 1)
			m := j.Message()
			m.Ticket = 99
			b.send(m)
		}, true, "orphan"},
		{"of no job", succeed, func(b *bench) { b.send(job.Message{Version: 1, Job: job.DerivedID("none"), Ticket: 1}) }, true, "orphan"},
		{"of nobody", succeed, func(b *bench) {
			if err := b.queues.SendBody("default", "{}", 0); err != nil {
				b.t.Fatal(err)
			}
		}, true, "poison"},
		{"when the table cannot be reached", succeed, func(b *bench) {
			b.accept(nil)
			b.script["Claim"] = faulty.Refuse
		}, true, "claim failed"},
		{"while the last unit is reserved", failing(job.ProviderUnavailable), func(b *bench) {
			b.accept(func(j *job.Job) { j.Limit = 1 })
			b.deliver()
			b.accept(func(j *job.Job) { j.Limit = 1 })
		}, false, "waiting"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.run)
			c.meet(b)
			b.runs = 0
			if h := b.deliver(); h.Keep != c.keep || h.Action != c.action || b.runs != 0 {
				t.Errorf("keep %v, %q after %d runs: %v", h.Keep, h.Action, b.runs, h.Err)
			}
		})
	}
}

// TestFaultsWhileSettling: the message is kept, or acknowledged only because a
// newer one or the relay carries the job.
func TestFaultsWhileSettling(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		run    kind
		op     string
		fault  faulty.Fault
		keep   bool
		action string
		state  job.State
	}{
		{"settle refused", succeed, "Settle", faulty.Refuse, true, "settle failed", job.Running},
		{"settle done, reply lost", succeed, "Settle", faulty.LoseReply, true, "settle failed", job.Succeeded},
		{"conclude refused", failing(job.ProviderUnavailable), "Conclude", faulty.Refuse, true, "settle failed", job.Running},
		{"death done, reply lost", failing(job.InvalidRequest), "Conclude", faulty.LoseReply, true, "settle failed", job.Dead},
		{"release refused", failing(job.ProviderRateLimit), "Conclude", faulty.Refuse, true, "settle failed", job.Running},
		{"release done, reply lost", failing(job.ProviderRateLimit), "Conclude", faulty.LoseReply, true, "settle failed", job.Waiting},
		{"released, but not sent: the relay will", failing(job.ProviderRateLimit), "Send", faulty.Refuse, false, "waiting", job.Waiting},
		{"retrying, but not hidden: it comes later", failing(job.ProviderUnavailable), "Hide", faulty.Refuse, true, "retrying", job.Retrying},
		{"dead, but not shown: it dies later", failing(job.InvalidRequest), "Hide", faulty.Refuse, true, "dead", job.Dead},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.run)
			j := b.accept(nil)
			b.script[c.op] = c.fault
			h := b.deliver()
			if h.Keep != c.keep || h.Action != c.action || h.Err == nil {
				t.Errorf("keep %v, %q, %v", h.Keep, h.Action, h.Err)
			}
			if got := b.row(j.ID); got.State != c.state {
				t.Errorf("row %+v", got)
			}
			if b.meter().Used > 1 {
				t.Errorf("meter %+v", b.meter())
			}
		})
	}
}

// TestLostLeases: while a worker works, its job goes on without it.
func TestLostLeases(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		meanwhile func(b *bench, j *job.Job)
		keep      bool
		action    string
	}{
		{"another worker took it and still runs", func(b *bench, j *job.Job) { b.claim(j, b.now.Add(time.Hour)) }, true, "lease lost"},
		{"another worker took it and finished", func(b *bench, j *job.Job) {
			held := b.claim(j, b.now.Add(time.Hour))
			ended := job.Ended(held, job.Clouded, job.Report{Now: b.now})
			if _, err := b.store.Conclude(b.t.Context(), &held, &ended); err != nil {
				b.t.Fatal(err)
			}
		}, false, "already final"},
		{"its owner cancelled it", func(b *bench, j *job.Job) {
			if _, err := b.store.Amend(b.t.Context(), j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, b.now) }); err != nil {
				b.t.Fatal(err)
			}
		}, false, "already final"},
		{"another worker took it and failed for good: this may be the carrier", func(b *bench, j *job.Job) {
			held := b.claim(j, b.now.Add(time.Hour))
			dead := job.Failed(held, job.Errorf(job.InvalidRequest, "400"), job.DefaultTiming(), 0, job.Carried{Ticket: 1, Sent: b.now}, job.Report{Now: b.now})
			if _, err := b.store.Conclude(b.t.Context(), &held, &dead); err != nil {
				b.t.Fatal(err)
			}
		}, true, "lease lost"},
	} {
		for _, end := range []kind{succeed, ending(job.Clouded, false), failing(job.ProviderUnavailable), failing(job.ProviderRateLimit), ending(job.Clouded, true)} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				var b *bench
				var after job.Job
				b = newBench(t, func(ctx context.Context, j *job.Job) (worker.Result, error) {
					c.meanwhile(b, j)
					after = b.row(j.ID) //nolint:contextcheck // the test's own look, not the job's
					return end(ctx, j)
				})
				j := b.accept(nil)
				if h := b.deliver(); h.Keep != c.keep || h.Action != c.action {
					t.Errorf("keep %v, %q, %v", h.Keep, h.Action, h.Err)
				}
				if got := b.row(j.ID); got.State != after.State || got.Lease != after.Lease || b.meter().Used > 0 {
					t.Errorf("the zombie wrote %+v over %+v", got, after)
				}
			})
		}
	}
}

func TestSecondJobOfOnePointIsAlreadyDone(t *testing.T) {
	t.Parallel()
	b := newBench(t, succeed) // it does not look for an analysis before it runs
	b.accept(nil)
	b.deliver()
	second := b.accept(func(j *job.Job) { j.ID = job.DerivedID("second") })
	h := b.deliver()
	if row := b.row(second.ID); h.Keep || row.Outcome != job.AlreadyDone || row.State != job.Succeeded || b.meter() != (job.Meter{Taken: 1, Used: 1}) {
		t.Errorf("%+v, meter %+v, row %+v", h, b.meter(), row)
	}
}

func TestRedrivenMessageRevivesItsJob(t *testing.T) {
	t.Parallel()
	b := newBench(t, failing(job.InvalidRequest))
	j := b.accept(nil)
	for b.queues.Depth("dead") == 0 {
		for _, d := range b.queues.Receive("default", 1) {
			b.worker.Handle(t.Context(), d)
		}
	}
	b.now = b.now.Add(time.Hour)
	b.queues.Dead().Redrive()
	h := b.deliver()
	row := b.row(j.ID)
	if h.Keep || h.Action != "queued" || row.Generation != 1 || row.Attempts != 0 || b.back() != 0 || b.queues.Depth("default") != 1 {
		t.Errorf("%+v, back after %v, row %+v", h, b.back(), row)
	}
}

// TestTimeOfAnAttempt runs on a clock of its own: an attempt is stopped before
// the function is, and a message that comes too late is not begun.
func TestTimeOfAnAttempt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		left    time.Duration
		action  string
		stopped time.Duration
	}{
		{"two seconds before the end", time.Minute, "retrying", 58 * time.Second},
		{"a fifth of a short time", 5 * time.Second, "retrying", 4 * time.Second},
		{"too late to begin", time.Second, "handed back", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				b := newBench(t, func(ctx context.Context, _ *job.Job) (worker.Result, error) {
					<-ctx.Done()
					return worker.Result{}, ctx.Err()
				})
				b.now = began
				b.accept(nil)
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				h := b.worker.Handle(ctx, b.queues.Receive("default", 1)[0])
				if took := time.Since(began); h.Action != c.action || took != c.stopped || !h.Keep {
					t.Errorf("%q after %v: %v", h.Action, took, h.Err)
				}
				if h.Action == "retrying" && (job.CodeOf(h.Err) != job.AttemptTimeout || !strings.Contains(h.Err.Error(), "deadline")) {
					t.Errorf("got %v", h.Err)
				}
			})
		})
	}
}

func TestNotMine(t *testing.T) {
	t.Parallel()
	for _, s := range job.States() {
		want := worker.Superseded
		if s.Open() || s == job.Dead {
			want = worker.LeaseLost
		}
		if got := worker.NotMine(&job.Job{State: s}); got != want {
			t.Errorf("%s: got %d, want %d", s, got, want)
		}
	}
}

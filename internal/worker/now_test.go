package worker_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// sendingAway fails with a refusal of the limiter, with a slot or without.
func sendingAway(wait time.Duration, slot bool) func(b *bench) kind {
	return func(b *bench) kind {
		return func(context.Context, *job.Job) (worker.Result, error) {
			f := &job.Error{Code: job.Limited, Message: "full", RetryAfter: wait}
			if slot {
				f.Slot = b.now.Add(wait)
			}
			return worker.Result{}, f
		}
	}
}

// plainly ignores the bench.
func plainly(k kind) func(*bench) kind { return func(*bench) kind { return k } }

// benchFor returns a bench whose kind needs it.
func benchFor(t *testing.T, run func(b *bench) kind) *bench {
	t.Helper()
	var b *bench
	b = newBench(t, func(ctx context.Context, j *job.Job) (worker.Result, error) { return run(b)(ctx, j) })
	return b
}

// unsent stores a job whose message is not sent.
func (b *bench) unsent(edit func(*job.Job)) job.Job {
	b.t.Helper()
	j := b.accept(edit)
	for _, d := range b.queues.Receive("default", 10) {
		b.queues.Acknowledge("default", d.Receipt)
	}
	return j
}

// TestRunNow: whatever a synchronous run comes to, the answer is the row as it
// stands, and what did not end has one message.
func TestRunNow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		run    func(*bench) kind
		edit   func(*job.Job)
		script faulty.Script
		answer job.State     // of the answer
		stored job.State     // in the table
		code   job.Code      // of the error, empty for none
		back   time.Duration // until a message is visible
		meter  job.Meter
	}{
		{"success", plainly(succeed), nil, faulty.Script{}, job.Succeeded, job.Succeeded, "", never, job.Meter{Taken: 1, Used: 1}},
		{"nothing to see", plainly(ending(job.Clouded, false)), nil, faulty.Script{}, job.Succeeded, job.Succeeded, "", never, job.Meter{}},
		{"nothing to see yet: parked", plainly(ending(job.Clouded, true)), nil, faulty.Script{}, job.Waiting, job.Waiting, "", never, job.Meter{Taken: 1}},
		{"no unit left", plainly(succeed), func(j *job.Job) { j.Limit = 0 }, faulty.Script{}, job.Skipped, job.Skipped, "", never, job.Meter{}},
		{"a failure that another attempt may mend", plainly(failing(job.ProviderUnavailable)), nil, faulty.Script{}, job.Retrying, job.Retrying, job.ProviderUnavailable, 10500 * time.Millisecond, job.Meter{Taken: 1}},
		{"death: there is no letter, and none is hidden", plainly(failing(job.InvalidRequest)), nil, faulty.Script{"Hide": faulty.Refuse}, job.Dead, job.Dead, job.InvalidRequest, never, job.Meter{}},
		{"the provider says when", plainly(failing(job.ProviderRateLimit)), nil, faulty.Script{}, job.Waiting, job.Waiting, "", time.Minute, job.Meter{Taken: 1}},
		{"its slot is later than it may wait", sendingAway(30900*time.Millisecond, true), nil, faulty.Script{}, job.Waiting, job.Waiting, "", 30 * time.Second, job.Meter{Taken: 1}},
		{"there is no slot: the relay sends it", sendingAway(5*time.Minute, false), nil, faulty.Script{}, job.Waiting, job.Waiting, "", never, job.Meter{Taken: 1}},
		{"it has no attempt left", plainly(succeed), func(j *job.Job) { j.MaxAttempts = 0 }, faulty.Script{}, job.Dead, job.Dead, "", never, job.Meter{}},
		{"the claim is refused", plainly(succeed), nil, faulty.Script{"Claim": faulty.Refuse}, job.Queued, job.Queued, job.Throttled, 0, job.Meter{}},
		{"the claim's reply is lost", plainly(succeed), nil, faulty.Script{"Claim": faulty.LoseReply}, job.Queued, job.Running, job.Internal, 0, job.Meter{Taken: 1}},
		{"the settlement is refused: nobody may call it done", plainly(succeed), nil, faulty.Script{"Settle": faulty.Refuse}, job.Queued, job.Running, job.Throttled, 0, job.Meter{Taken: 1}},
		{"the settlement's reply is lost", plainly(succeed), nil, faulty.Script{"Settle": faulty.LoseReply}, job.Queued, job.Succeeded, job.Internal, 0, job.Meter{Taken: 1, Used: 1}},
		{"the release is refused: its ticket was not given out", plainly(failing(job.ProviderRateLimit)), nil, faulty.Script{"Conclude": faulty.Refuse}, job.Queued, job.Running, job.Throttled, 0, job.Meter{Taken: 1}},
		{"its message cannot be sent: the relay will", plainly(failing(job.ProviderUnavailable)), nil, faulty.Script{"Send": faulty.Refuse}, job.Retrying, job.Retrying, job.ProviderUnavailable, never, job.Meter{Taken: 1}},
		{"released, and not sent: the relay will", plainly(failing(job.ProviderRateLimit)), nil, faulty.Script{"Send": faulty.Refuse}, job.Waiting, job.Waiting, job.Throttled, never, job.Meter{Taken: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := benchFor(t, c.run)
			j := b.unsent(c.edit)
			maps.Copy(b.script, c.script)
			got, err := b.worker.RunNow(t.Context(), &j)
			if got.State != c.answer || got.ID != j.ID || (err != nil) != (c.code != "") || err != nil && job.CodeOf(err) != c.code {
				t.Errorf("answer %+v, %v", got, err)
			}
			row := b.row(j.ID)
			if row.State != c.stored || b.meter() != c.meter || got.Ticket > row.Ticket {
				t.Errorf("meter %+v, row %+v", b.meter(), row)
			}
			if b.back() != c.back {
				t.Errorf("a message is visible after %v, want %v", b.back(), c.back)
			}
			if row.State == job.Dead && (row.DeadTicket != 0 || !row.DeadSent.IsZero()) {
				t.Errorf("a message carries %+v", row)
			}
		})
	}
}

// TestRunNowIsFenced: another copy of the job may be under way.
func TestRunNowIsFenced(t *testing.T) {
	t.Parallel()
	b := newBench(t, succeed)
	j := b.unsent(nil)
	b.claim(&j, b.now)
	if got, err := b.worker.RunNow(t.Context(), &j); err != nil || got.State != job.Running || b.runs != 0 {
		t.Errorf("%d runs, %+v, %v", b.runs, got, err)
	}
	b = benchFor(t, func(b *bench) kind {
		return func(ctx context.Context, j *job.Job) (worker.Result, error) {
			b.claim(j, b.now.Add(time.Hour)) //nolint:contextcheck // another worker's
			return succeed(ctx, j)
		}
	})
	j = b.unsent(nil)
	if got, err := b.worker.RunNow(t.Context(), &j); err != nil || got.State != job.Queued || b.row(j.ID).State != job.Running || b.meter().Used != 0 {
		t.Errorf("answer %+v, %v; row %+v", got, err, b.row(j.ID))
	}
	b = newBench(t, succeed)
	j = b.unsent(nil)
	if _, err := b.store.Amend(t.Context(), j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, b.now) }); err != nil {
		t.Fatal(err)
	}
	if got, err := b.worker.RunNow(t.Context(), &j); err != nil || got.State != job.Cancelled || b.back() != never {
		t.Errorf("cancelled before: %+v, %v", got, err)
	}
}

// TestRunNowThatTakesTooLong goes on in its queue, where it has more time; neither an
// attempt nor an exception is lost. One that has no time at all is not begun.
func TestRunNowThatTakesTooLong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		left   time.Duration
		state  job.State
		ticket int
	}{
		{"stopped in time", 25 * time.Second, job.Waiting, 2},
		{"not begun", time.Second, job.Queued, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(ctx context.Context, _ *job.Job) (worker.Result, error) {
					<-ctx.Done()
					return worker.Result{}, job.Errorf(job.ProviderTimeout, "no answer: %w", ctx.Err())
				})
				b.now = time.Now()
				j := b.unsent(nil)
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				got, err := b.worker.RunNow(ctx, &j)
				row := b.row(j.ID)
				if err != nil || got.State != c.state || row.State != c.state || row.Attempts != 0 || row.Exceptions != 0 || len(row.History) != 0 {
					t.Errorf("answer %+v, %v\nrow %+v", got, err, row)
				}
				ds := b.queues.Receive("default", 10)
				if len(ds) != 1 {
					t.Fatalf("%d messages", len(ds))
				}
				if m, err := job.DecodeMessage(ds[0].Body); err != nil || m.Ticket != c.ticket {
					t.Errorf("message %+v, %v", m, err)
				}
			})
		})
	}
}

// TestPolicies: a kind may wait longer, give up earlier and take less time than the
// deployment's jobs.
func TestPolicies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		policy job.Policy
		run    kind
		fails  int
		state  job.State
		back   time.Duration // until the message is visible, after the last failure
	}{
		{"the deployment's", job.Policy{}, failing(job.Internal), 2, job.Retrying, 31500 * time.Millisecond},
		{"waits of its own", job.Policy{Backoff: []time.Duration{time.Hour}}, failing(job.Internal), 2, job.Retrying, 63 * time.Minute},
		{"one exception is enough", job.Policy{Exceptions: 1}, failing(job.Internal), 1, job.Dead, 0},
		{"two exceptions", job.Policy{Exceptions: 2}, failing(job.Internal), 2, job.Dead, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.run)
			b.policy = c.policy
			j := b.accept(nil)
			for n := range c.fails {
				if n > 0 {
					b.now = b.now.Add(b.back())
				}
				b.deliver()
			}
			if row := b.row(j.ID); row.State != c.state || row.Attempts != c.fails || row.Exceptions != c.fails || b.back() != c.back {
				t.Errorf("back after %v, row %+v", b.back(), row)
			}
		})
	}
}

// TestTheTimeOfAKind ends an attempt before the function does, never after.
func TestTheTimeOfAKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ timeout, took time.Duration }{
		{5 * time.Second, 5 * time.Second}, {time.Hour, 58 * time.Second}, {0, 58 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			b := newBench(t, func(ctx context.Context, _ *job.Job) (worker.Result, error) {
				<-ctx.Done()
				return worker.Result{}, errors.New("stopped")
			})
			b.policy, b.now = job.Policy{Timeout: c.timeout, Exceptions: 1}, began
			j := b.accept(nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			h := b.worker.Handle(ctx, b.queues.Receive("default", 1)[0])
			// A timeout is no exception, so that one of those would not have ended it.
			if row := b.row(j.ID); time.Since(began) != c.took || row.State != job.Retrying || row.Exceptions != 0 || job.CodeOf(h.Err) != job.AttemptTimeout {
				t.Errorf("timeout %v: after %v, row %+v", c.timeout, time.Since(began), row)
			}
		})
	}
}

// TestGivenBack: a job with a slot comes back a little before it; one without waits in
// the table, and its message is gone.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		run  func(*bench) kind
		back time.Duration
		slot bool
	}{
		{"with a slot", sendingAway(61_999*time.Millisecond, true), 61 * time.Second, true},
		{"with a slot within the second", sendingAway(600*time.Millisecond, true), 0, true},
		{"without a slot", sendingAway(10*time.Minute, false), never, false},
		{"throttled by the table", plainly(failing(job.Throttled)), time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := benchFor(t, c.run)
			j := b.accept(nil)
			h := b.deliver()
			row := b.row(j.ID)
			if h.Keep || h.Action != "waiting" || row.Attempts != 0 || row.Slot.IsZero() == c.slot || row.Ticket != 2 || b.back() != c.back {
				t.Errorf("%q, back after %v, row %+v", h.Action, b.back(), row)
			}
			if c.back == never && !job.MayResend(&row, row.Due) {
				t.Errorf("the relay does not see %+v when it is due", row)
			}
		})
	}
}

// TestALateJobIsBuried: max_wait passed, and its message goes to the dead letters.
func TestALateJobIsBuried(t *testing.T) {
	t.Parallel()
	b := newBench(t, succeed)
	j := b.accept(func(j *job.Job) { j.StartBy = b.now.Add(time.Minute) })
	b.now = b.now.Add(time.Minute)
	if h := b.deliver(); !h.Keep || h.Action != "dead" || b.runs != 0 || b.back() != 0 {
		t.Errorf("%+v after %d runs, back after %v", h, b.runs, b.back())
	}
	if row := b.row(j.ID); row.Code != job.MaxWaitExceeded || row.DeadTicket != 1 {
		t.Errorf("row %+v", row)
	}
}

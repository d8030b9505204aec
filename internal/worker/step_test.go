package worker_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/worker"
)

// noting ends with the quality of the job's point, of some revision.
func noting(revision int) kind {
	return func(_ context.Context, j *job.Job) (worker.Result, error) {
		return worker.Result{Outcome: job.Analysed, Quality: &quality.Record{Point: j.Point, Revision: revision, Score: 85, AutoApproved: true}}, nil
	}
}

// telling ends with a message.
func telling(_ context.Context, j *job.Job) (worker.Result, error) {
	return worker.Result{Outcome: job.Notified, Notice: &job.Notice{ID: "n", Owner: j.Owner, Title: "first"}}, nil
}

// TestRunStep: whatever a step comes to, the answer is its row, or no row where nobody
// knows; and nothing is sent.
func TestRunStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		run    kind
		edit   func(*job.Job)
		script faulty.Script
		answer job.State // empty for a row that must be read
		stored job.State
		code   job.Code // of the note, empty for none
	}{
		{"success", succeed, nil, faulty.Script{}, job.Succeeded, job.Succeeded, ""},
		{"quality", noting(1), nil, faulty.Script{}, job.Succeeded, job.Succeeded, ""},
		{"a message", telling, nil, faulty.Script{}, job.Succeeded, job.Succeeded, ""},
		{"no unit left", succeed, func(j *job.Job) { j.Limit = 0 }, faulty.Script{}, job.Skipped, job.Skipped, ""},
		{"a failure that another attempt may mend", failing(job.ProviderUnavailable), nil, faulty.Script{"Hide": faulty.Refuse}, job.Retrying, job.Retrying, job.ProviderUnavailable},
		{"death", failing(job.InvalidRequest), nil, faulty.Script{}, job.Dead, job.Dead, job.InvalidRequest},
		{"the provider says when", failing(job.ProviderRateLimit), nil, faulty.Script{"Send": faulty.Refuse}, job.Waiting, job.Waiting, ""},
		{"nothing to see yet", ending(job.Clouded, true), nil, faulty.Script{}, job.Waiting, job.Waiting, ""},
		{"it has no attempt left", succeed, func(j *job.Job) { j.MaxAttempts = 0 }, faulty.Script{}, job.Dead, job.Dead, ""},
		{"the claim is refused", succeed, nil, faulty.Script{"Claim": faulty.Refuse}, "", job.Queued, job.Throttled},
		{"the settlement is refused", succeed, nil, faulty.Script{"Settle": faulty.Refuse}, "", job.Running, job.Throttled},
		{"the record is refused", noting(1), nil, faulty.Script{"Record": faulty.Refuse}, "", job.Running, job.Throttled},
		{"the record's reply is lost", telling, nil, faulty.Script{"Record": faulty.LoseReply}, "", job.Succeeded, job.Internal},
		{"the release is refused", failing(job.ProviderRateLimit), nil, faulty.Script{"Conclude": faulty.Refuse}, "", job.Running, job.Throttled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.run)
			if _, _, _, err := b.store.AcceptPoint(t.Context(), &point.Point{ID: job.DerivedID("point"), Revision: 1}, &job.Job{Limit: job.Unlimited, Tier: "enterprise"}); err != nil {
				t.Fatal(err)
			}
			j := b.unsent(c.edit)
			maps.Copy(b.script, c.script)
			got, err := b.worker.RunStep(t.Context(), &j, "execution-1")
			if got.State != c.answer || got.ID != j.ID || (err != nil) != (c.code != "") || err != nil && job.CodeOf(err) != c.code {
				t.Errorf("answer %+v, %v", got, err)
			}
			row := b.row(j.ID)
			if row.State != c.stored || row.DeadTicket != 0 || b.back() != never || len(b.script) != len(leftOf(c.script)) {
				t.Errorf("row %+v, a message after %v, script %v", row, b.back(), b.script)
			}
			if n := len(row.History); n > 0 && row.History[n-1].RequestID != "execution-1" {
				t.Errorf("attempts %+v", row.History)
			}
		})
	}
}

// leftOf returns the faults that no step may meet: it has no queue.
func leftOf(s faulty.Script) faulty.Script {
	left := maps.Clone(s)
	maps.DeleteFunc(left, func(op string, _ faulty.Fault) bool { return op != "Send" && op != "Hide" })
	return left
}

// TestWhatIsRecorded comes with the end of its job, once.
func TestWhatIsRecorded(t *testing.T) {
	t.Parallel()
	b := newBench(t, noting(1))
	p := point.Point{ID: job.DerivedID("point"), Revision: 1, Status: point.Pending}
	if _, _, _, err := b.store.AcceptPoint(t.Context(), &p, &job.Job{Tier: "enterprise"}); err != nil {
		t.Fatal(err)
	}
	j := b.accept(nil)
	if h := b.deliver(); h.Keep || h.Action != "succeeded" || b.row(j.ID).Outcome != job.Analysed || b.meter() != (job.Meter{}) {
		t.Errorf("%+v, meter %+v", h, b.meter())
	}
	q, err := b.store.Quality(t.Context(), p.ID, 1)
	if err != nil || q == nil || q.Score != 85 {
		t.Errorf("got %+v, %v", q, err)
	}
	if now, err := b.store.Point(t.Context(), p.ID); err != nil || now.Status != point.Approved {
		t.Errorf("got %+v, %v", now, err)
	}
	for name, run := range map[string]kind{"an older revision": noting(0), "the same message": telling} {
		b := newBench(t, run)
		if _, _, _, err := b.store.AcceptPoint(t.Context(), &p, &job.Job{Tier: "enterprise"}); err != nil {
			t.Fatal(err)
		}
		if err := b.store.PutNotice(t.Context(), &job.Notice{ID: "n", Owner: "u", Title: "before"}); err != nil {
			t.Fatal(err)
		}
		j := b.accept(nil)
		if h := b.deliver(); h.Keep || b.row(j.ID).Outcome != job.AlreadyDone || b.meter() != (job.Meter{}) {
			t.Errorf("%s: %+v, meter %+v", name, h, b.meter())
		}
		if n, err := b.store.Notice(t.Context(), "u", "n"); err != nil || n.Title != "before" {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

// TestAStepIsFenced: another visit may be under way, and one that was too slow settles
// nothing.
func TestAStepIsFenced(t *testing.T) {
	t.Parallel()
	b := newBench(t, telling)
	j := b.unsent(nil)
	b.claim(&j, b.now)
	if got, err := b.worker.RunStep(t.Context(), &j, ""); err != nil || got.State != job.Running || got.Lease != "other" || b.runs != 0 {
		t.Errorf("%d runs, %+v, %v", b.runs, got, err)
	}
	b = benchFor(t, func(b *bench) kind {
		return func(ctx context.Context, j *job.Job) (worker.Result, error) {
			b.claim(j, b.now.Add(time.Hour)) //nolint:contextcheck // another worker's
			return telling(ctx, j)
		}
	})
	j = b.unsent(nil)
	if got, err := b.worker.RunStep(t.Context(), &j, ""); err != nil || got.State != "" || b.row(j.ID).State != job.Running {
		t.Errorf("answer %+v, %v", got, err)
	}
	if _, err := b.store.Notice(t.Context(), "u", "n"); job.CodeOf(err) != job.NotFound {
		t.Errorf("it was told: %v", err)
	}
	// Without time nothing is begun.
	b = newBench(t, telling)
	j = b.unsent(nil)
	ctx, cancel := context.WithDeadline(t.Context(), b.now.Add(time.Second))
	defer cancel()
	if got, err := b.worker.RunStep(ctx, &j, ""); err != nil || got.State != "" || b.runs != 0 || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("answer %+v, %v", got, err)
	}
}

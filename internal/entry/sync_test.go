package entry_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// inline is the worker in the process of the write API. It asks for the bench's clock and kind when it runs.
func (b *bench) inline() *worker.Worker {
	return worker.New(worker.Config{
		Store: b.store, Queue: &unseen{b.sender}, Now: func() time.Time { return b.now }, Token: func() string { return "lease" },
		Kinds:  []worker.Kind{kind(func(ctx context.Context, j *job.Job) (worker.Result, error) { return b.run(ctx, j) })},
		Jitter: func() float64 { return 0 }, Timing: job.DefaultTiming(), LeaseMargin: 30 * time.Second, Version: "0.1.0+7",
	})
}

// unseen is the queue of a worker that gets no deliveries: there is nothing to hide.
type unseen struct{ *sender }

func (*unseen) Hide(context.Context, string, string, time.Duration) error { return nil }

// ran is the job of an answer to a synchronous dispatch.
type ran struct {
	ID, State, Outcome string
	Attempts           int
	Duplicate          bool
	Error              struct{ Code string }
	NextAt             *time.Time `json:"next_at"`
}

// sync dispatches a job and waits for it.
func (b *bench) sync(t *testing.T, pointID, more string, headers map[string]string) answer {
	t.Helper()
	return b.do(t, call{
		method: http.MethodPost, path: "/v1/jobs", owner: ann, headers: headers, body: `{"kind":"enrich","mode":"sync","data_point_id":"` + pointID + `"` + more + `}`,
	})
}

// fails is a run that ends with an error of a code.
func fails(code job.Code, after time.Duration) kind {
	return func(context.Context, *job.Job) (worker.Result, error) {
		e := job.Errorf(code, "provider said no")
		e.RetryAfter = after
		return worker.Result{}, e
	}
}

// The answer is the end of the job where it has one. What goes on gets its message, and only that.
func TestSynchronousJob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		run              kind
		status           int
		state, code      string
		attempts, onward int // messages sent for what comes next
		next             time.Duration
	}{
		{"succeeds", done, 200, "succeeded", "", 1, 0, 0},
		{"dies", fails(job.InvalidRequest, 0), 200, "dead", "INVALID_REQUEST", 1, 0, 0},
		{"fails for now", fails(job.ProviderUnavailable, 0), 202, "retrying", "PROVIDER_UNAVAILABLE", 1, 1, 10 * time.Second},
		{"is sent away", fails(job.ProviderRateLimit, 90*time.Second), 202, "waiting", "PROVIDER_RATE_LIMIT", 0, 1, 90 * time.Second},
		{"panics", func(context.Context, *job.Job) (worker.Result, error) { panic("boom") }, 202, "retrying", "INTERNAL", 1, 1, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.run = c.run
			b.now = time.Now().UTC().Truncate(time.Millisecond) // a run's deadline is a real one
			pointID, _ := b.seed(t, ann)
			before := len(b.sender.sent)
			var got ran
			answer := b.sync(t, pointID, "", nil)
			answer.into(t, c.status, &got)
			if got.State != c.state || got.Attempts != c.attempts || got.Error.Code != c.code || answer.headers["location"] != "/v1/jobs/"+got.ID {
				t.Errorf("%+v at %s", got, answer.headers["location"])
			}
			if c.next > 0 && (got.NextAt == nil || !got.NextAt.Equal(b.now.Add(c.next))) {
				t.Errorf("next at %v, want %s later", got.NextAt, c.next)
			}
			if n := len(b.sender.sent) - before; n != c.onward {
				t.Errorf("%d messages, want %d", n, c.onward)
			}
			warned := strings.Contains(b.log.String(), `"msg":"synchronous job","stack":"orbitq-dev","job":"`+got.ID+`","code":"`+c.code+`"`)
			if failed := c.code != "" && c.attempts > 0; warned != failed {
				t.Errorf("warned %v: %s", warned, b.log)
			}
			b.log.clean(t, plantedToken, plantedNote, ann)
		})
	}
}

// A job that takes too long costs its caller 25 s and no more: it is given back, without losing an attempt.
func TestSynchronousJobThatTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t)
		pointID, _ := b.seed(t, ann)
		b.now = time.Now().UTC() // the clock of the bubble, by which deadlines are kept; it starts in 2000
		before := len(b.sender.sent)
		b.run = func(ctx context.Context, _ *job.Job) (worker.Result, error) {
			<-ctx.Done()
			b.now = time.Now().UTC()
			return worker.Result{}, ctx.Err()
		}
		began := time.Now()
		var got ran
		b.sync(t, pointID, "", nil).into(t, http.StatusAccepted, &got)
		if took := time.Since(began); took != 25*time.Second {
			t.Errorf("answered after %s", took)
		}
		if !job.State(got.State).Open() || len(b.sender.sent) != before+1 || b.sender.sent[before].message.Job != got.ID {
			t.Errorf("%+v, sent %+v", got, b.sender.sent[before:])
		}
	})
}

// A repeated request runs nothing: it answers with the job as it is.
func TestSynchronousJobRepeated(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.now = time.Now().UTC().Truncate(time.Millisecond)
	runs := 0
	b.run = func(ctx context.Context, j *job.Job) (worker.Result, error) {
		runs++
		return done(ctx, j)
	}
	pointID, _ := b.seed(t, ann)
	key := map[string]string{"idempotency-key": "once"}
	first, again := b.sync(t, pointID, "", key), b.sync(t, pointID, "", key)
	if runs != 1 || again.status != http.StatusOK || again.body != first.body || strings.Contains(again.body, "duplicate") {
		t.Errorf("%d runs, first %s, again %s", runs, first.body, again.body)
	}
	// Neither does one whose unique key is held: it answers with the job that holds it, and says so.
	var held, got ran
	b.do(t, call{method: "POST", path: "/v1/jobs", owner: ann, body: wish(pointID, `,"unique_key":"k"`)}).into(t, http.StatusAccepted, &held)
	b.sync(t, pointID, `,"unique_key":"k"`, nil).into(t, http.StatusAccepted, &got)
	if runs != 1 || got.ID != held.ID || !got.Duplicate || held.Duplicate {
		t.Errorf("%d runs, held %+v, got %+v", runs, held, got)
	}
}

package worker_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// visibility is the visibility timeout of the bench's queues.
const visibility = 6 * time.Minute

// kind is a kind of job that a test writes down.
type kind func(ctx context.Context, j *job.Job) (worker.Result, error)

func (kind) Name() string { return "enrich" }

func (kind) Policy() job.Policy { return job.Policy{} }

func (k kind) Run(ctx context.Context, j *job.Job) (worker.Result, error) { return k(ctx, j) }

// ruled is a kind with the policy of its bench.
type ruled struct {
	kind

	bench *bench
}

func (r ruled) Policy() job.Policy { return r.bench.policy }

// bench is a worker on the memory table and queues, under a clock that stands.
type bench struct {
	t      *testing.T
	store  *memstore.Store
	queues *memqueue.Queues
	worker *worker.Worker
	policy job.Policy
	now    time.Time
	script faulty.Script // what happens to the worker's calls
	runs   int           // of the kind
	claims int
}

// newBench returns a bench whose jobs do what run says. Its clock stands in 2100,
// so that no deadline passes by itself.
func newBench(t *testing.T, run kind) *bench {
	t.Helper()
	b := &bench{t: t, store: memstore.New(job.DefaultTiming()), now: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), script: faulty.Script{}}
	b.queues = memqueue.New(memqueue.Config{
		Now: func() time.Time { return b.now }, Visibility: visibility, MaxReceives: 8, Names: []string{"default"},
	})
	p := &faulty.Process{Plan: b.script}
	counted := kind(func(ctx context.Context, j *job.Job) (worker.Result, error) {
		b.runs++
		return run(ctx, j)
	})
	b.worker = worker.New(worker.Config{
		Store: &faulty.Store{Table: b.store, Process: p}, Queue: &faulty.Queue{Inner: b.queues, Process: p},
		Kinds: []worker.Kind{ruled{counted, b}}, Now: func() time.Time { return b.now }, Jitter: func() float64 { return 0.5 },
		Token:  func() string { b.claims++; return fmt.Sprintf("token-%d", b.claims) },
		Timing: job.DefaultTiming(), LeaseMargin: 30 * time.Second, Version: "v1",
	})
	return b
}

// accept stores a job and sends its message.
func (b *bench) accept(edit func(*job.Job)) job.Job {
	b.t.Helper()
	j := job.Job{
		ID: job.DerivedID(b.t.Name(), strconv.Itoa(b.queues.Depth("default"))), Kind: "enrich", Owner: "u", Tier: "free", Limit: 10,
		Queue: "default", Point: job.DerivedID("point"), Revision: 1, MaxAttempts: 3,
	}
	if edit != nil {
		edit(&j)
	}
	j = job.Accepted(j, b.now, 24*time.Hour, 15*time.Minute)
	if _, _, err := b.store.Accept(b.t.Context(), &j); err != nil {
		b.t.Fatal(err)
	}
	b.send(j.Message())
	return j
}

func (b *bench) send(m job.Message) {
	b.t.Helper()
	if err := b.queues.Send(b.t.Context(), "default", m, 0); err != nil {
		b.t.Fatal(err)
	}
}

// deliver hands the only visible message to the worker and does what it says.
func (b *bench) deliver() worker.Handled {
	b.t.Helper()
	batch := b.queues.Receive("default", 10)
	if len(batch) != 1 {
		b.t.Fatalf("%d messages are visible, want 1", len(batch))
	}
	batch[0].RequestID = "request-1"
	h := b.worker.Handle(b.t.Context(), batch[0])
	if !h.Keep {
		b.queues.Acknowledge(batch[0].Source, batch[0].Receipt)
	}
	return h
}

// first accepts a job and delivers its message once.
func (b *bench) first() *job.Job {
	b.t.Helper()
	j := b.accept(nil)
	b.deliver()
	return &j
}

// claim lets somebody else take a job at a time.
func (b *bench) claim(j *job.Job, now time.Time) job.Job {
	b.t.Helper()
	c, err := b.store.Claim(b.t.Context(), job.ClaimRequest{Message: j.Message(), Now: now, Lease: job.Lease{Token: "other", Until: now.Add(time.Minute)}})
	if err != nil || c.Verdict != job.Run {
		b.t.Fatal(c.Verdict, err)
	}
	return c.Job
}

// row reads a job.
func (b *bench) row(id string) job.Job {
	b.t.Helper()
	j, err := b.store.Job(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return j
}

// meter reads the usage row of the bench's owner.
func (b *bench) meter() job.Meter {
	b.t.Helper()
	m, err := b.store.Meter(b.t.Context(), "u", usage.MeterKey(usage.Free, time.Time{}, b.now))
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// back returns when the next message is visible again, from now; -1 for never.
func (b *bench) back() time.Duration {
	next, ok := b.queues.NextVisible()
	if !ok {
		return -1
	}
	return next.Sub(b.now)
}

// succeed ends with a full analysis.
func succeed(_ context.Context, j *job.Job) (worker.Result, error) {
	d := satellite.Day{ValidFraction: 1}
	for i := range d.Indices {
		d.Indices[i] = &satellite.Stats{Mean: 0.5}
	}
	a := satellite.Result(d, &point.Point{ID: j.Point, Revision: j.Revision}, 60)
	return worker.Result{Outcome: a.Outcome(), Analysis: &a}, nil
}

// failing fails with a code.
func failing(code job.Code) kind {
	return func(context.Context, *job.Job) (worker.Result, error) {
		return worker.Result{}, job.Errorf(code, "told to")
	}
}

// ending ends with an outcome that has no analysis.
func ending(o job.Outcome, again bool) kind {
	return func(context.Context, *job.Job) (worker.Result, error) {
		return worker.Result{Outcome: o, Again: again}, nil
	}
}

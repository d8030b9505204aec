package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
)

// bench is a reconciler on the memory table and queue.
type bench struct {
	t      *testing.T
	store  *memstore.Store
	queues *memqueue.Queues
	sweeps *deadletter.Reconciler
	now    time.Time
	script faulty.Script
}

func newBench(t *testing.T, wrap func(deadletter.Queue) deadletter.Queue) *bench {
	t.Helper()
	b := &bench{t: t, store: memstore.New(job.DefaultTiming()), now: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), script: faulty.Script{}}
	b.queues = memqueue.New(memqueue.Config{Now: func() time.Time { return b.now }, Visibility: time.Minute, MaxReceives: 1, Names: []string{"default"}})
	p := &faulty.Process{Plan: b.script}
	var q deadletter.Queue = &faulty.DeadLetters{Inner: b.queues.Dead(), Process: p}
	if wrap != nil {
		q = wrap(q)
	}
	b.sweeps = deadletter.New(&faulty.Store{Table: b.store, Process: p}, q, func() time.Time { return b.now })
	return b
}

// letter brings a body to the dead letters, as SQS does after the last receive.
func (b *bench) letter(body string) {
	b.t.Helper()
	if err := b.queues.SendBody("default", body, 0); err != nil {
		b.t.Fatal(err)
	}
	b.queues.Receive("default", 1)
	b.now = b.now.Add(time.Hour)
	b.queues.Receive("default", 1)
}

// accept stores a job.
func (b *bench) accept(name string) job.Job {
	b.t.Helper()
	j := job.Accepted(job.Job{ID: job.DerivedID(name), Queue: "default", MaxAttempts: 3, Limit: job.Unlimited}, b.now, 24*time.Hour, time.Hour)
	if _, _, err := b.store.Accept(b.t.Context(), &j); err != nil {
		b.t.Fatal(err)
	}
	return j
}

// claim lets a worker take a job now.
func (b *bench) claim(j *job.Job) job.Job {
	b.t.Helper()
	c, err := b.store.Claim(b.t.Context(), job.ClaimRequest{Message: j.Message(), Now: b.now, Lease: job.Lease{Token: "t", Until: b.now.Add(2 * time.Hour)}})
	if err != nil || c.Verdict != job.Run {
		b.t.Fatal(c.Verdict, err)
	}
	return c.Job
}

// conclude ends an attempt.
func (b *bench) conclude(held, next job.Job) {
	b.t.Helper()
	if _, err := b.store.Conclude(b.t.Context(), &held, &next); err != nil {
		b.t.Fatal(err)
	}
}

// sweep sweeps once and demands the counts and how many letters stay, all visible.
func (b *bench) sweep(want deadletter.Swept, stay int) {
	b.t.Helper()
	got, err := b.sweeps.Sweep(b.t.Context())
	if err != nil || got != want {
		b.t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	b.stay(stay)
}

// stay demands that n letters stay, all visible at once.
func (b *bench) stay(n int) {
	b.t.Helper()
	if depth, visible := b.queues.Depth("dead"), len(b.queues.Dead().Redrive()); depth != n || visible != n {
		b.t.Errorf("%d letters stay, %d visible, want %d", depth, visible, n)
	}
}

func TestLetters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		bring func(b *bench) string // returns the id of the job to look at
		want  deadletter.Swept
		stay  int
		state job.State
	}{
		{"of a job that no worker reported", func(b *bench) string {
			j := b.accept("a")
			b.letter(j.Message().Encode())
			return j.ID
		}, deadletter.Swept{Seen: 1, Recorded: 1}, 1, job.Dead},
		{"of a job that somebody works on", func(b *bench) string {
			j := b.accept("a")
			b.claim(&j)
			b.letter(j.Message().Encode())
			return j.ID
		}, deadletter.Swept{Seen: 1}, 1, job.Running},
		{"an older one of an open job may be the only copy", func(b *bench) string {
			j := b.accept("a")
			held := b.claim(&j)
			b.conclude(held, job.Released(held, job.ProviderRateLimit, "429", time.Minute, job.DefaultTiming(), b.now))
			b.letter(j.Message().Encode())
			return j.ID
		}, deadletter.Swept{Seen: 1}, 1, job.Waiting},
		{"of a job that ended", func(b *bench) string {
			j := b.accept("a")
			held := b.claim(&j)
			b.conclude(held, job.Ended(held, job.Clouded, job.Report{Now: b.now}))
			b.letter(j.Message().Encode())
			return j.ID
		}, deadletter.Swept{Seen: 1, Deleted: 1}, 0, job.Succeeded},
		{"the carrier of a dead job, and another copy", func(b *bench) string {
			j := b.accept("a")
			sent, ok, err := b.store.Retake(b.t.Context(), &j, time.Time{}, job.DefaultTiming(), j.Look)
			if err != nil || !ok {
				b.t.Fatal(ok, err)
			}
			held := b.claim(&j)
			dead := job.Failed(held, job.Errorf(job.InvalidRequest, "400"), job.DefaultTiming(), 0, job.Carried{Ticket: 1, Sent: b.now}, job.Report{Now: b.now})
			b.conclude(held, dead)
			b.letter(j.Message().Encode())
			b.letter(sent.Message().Encode())
			return j.ID
		}, deadletter.Swept{Seen: 2, Recorded: 1, Deleted: 1}, 1, job.Dead},
		{"of a job that ended, with a number that no send had", func(b *bench) string {
			j := b.accept("a")
			held := b.claim(&j)
			b.conclude(held, job.Ended(held, job.Clouded, job.Report{Now: b.now}))
			m := j.Message()
			m.Ticket = 99
			b.letter(m.Encode())
			return j.ID
		}, deadletter.Swept{Seen: 1, Recorded: 1}, 1, job.Succeeded},
		{"of a forgotten job", func(b *bench) string {
			j := b.accept("a")
			held := b.claim(&j)
			b.conclude(held, job.Failed(held, job.Errorf(job.InvalidRequest, "400"), job.DefaultTiming(), 0, job.Carried{Ticket: 1}, job.Report{Now: b.now}))
			if _, err := b.store.Amend(b.t.Context(), j.ID, func(j job.Job) (job.Job, error) { return job.Forget(j, b.now) }); err != nil {
				b.t.Fatal(err)
			}
			b.letter(j.Message().Encode())
			return j.ID
		}, deadletter.Swept{Seen: 1, Deleted: 1}, 0, job.Forgotten},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			id := c.bring(b)
			b.sweep(c.want, c.stay)
			if j, err := b.store.Job(t.Context(), id); err != nil || j.State != c.state {
				t.Errorf("state %s, %v", j.State, err)
			}
		})
	}
}

func TestLettersOfNobodyAreRecordedAndStay(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	orphan := job.Message{Version: 1, Job: job.DerivedID("none"), Ticket: 1}.Encode()
	b.letter("not ours")
	b.letter(orphan)
	for range 2 { // the second sweep records nothing new
		if got, err := b.sweeps.Sweep(t.Context()); err != nil || got != (deadletter.Swept{Seen: 2, Recorded: 2}) {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	b.stay(2)
	all, err := b.store.Poisoned(t.Context(), 100)
	if err != nil || len(all) != 2 {
		t.Fatalf("recorded %v, %v", all, err)
	}
	for _, p := range all {
		want := "POISON: message is not JSON"
		if p.Letter.Body == orphan {
			want = "no job " + job.DerivedID("none")
		}
		if !strings.HasPrefix(p.Reason, want) || p.Letter.Source != "default" || p.Letter.Receives < 2 || p.Letter.Sent.IsZero() {
			t.Errorf("recorded %+v", p)
		}
	}
}

func TestManyLettersAreSeenOnceAndHeldToTheEnd(t *testing.T) {
	t.Parallel()
	var inner *watched
	b := newBench(t, func(q deadletter.Queue) deadletter.Queue {
		inner = &watched{Queue: q}
		return inner
	})
	for i := range 25 {
		j := b.accept(fmt.Sprint("job", i))
		b.letter(j.Message().Encode())
	}
	b.sweep(deadletter.Swept{Seen: 25, Recorded: 25}, 25)
	if inner.returnedEarly {
		t.Error("a letter was given back while the sweep went on: it would come again")
	}
}

// watched notices a letter that is given back before the last receive.
type watched struct {
	deadletter.Queue
	returned, returnedEarly bool
}

func (q *watched) Receive(ctx context.Context) ([]deadletter.Letter, error) {
	q.returnedEarly = q.returnedEarly || q.returned
	return q.Queue.Receive(ctx)
}

func (q *watched) Return(ctx context.Context, receipt string) error {
	q.returned = true
	return q.Queue.Return(ctx, receipt)
}

// again hands every letter out for ever, as a queue does whose letters become
// visible faster than they are looked at.
type again struct {
	deadletter.Queue
	receives int
}

func (q *again) Receive(context.Context) ([]deadletter.Letter, error) {
	q.receives++
	return []deadletter.Letter{{MessageID: "m", Receipt: fmt.Sprint("r", q.receives), Body: "x"}}, nil
}

func (*again) Return(context.Context, string) error { return nil }

func TestALetterSeenTwiceEndsTheSweep(t *testing.T) {
	t.Parallel()
	var q *again
	b := newBench(t, func(inner deadletter.Queue) deadletter.Queue {
		q = &again{Queue: inner}
		return q
	})
	got, err := b.sweeps.Sweep(t.Context())
	if err != nil || got.Seen != 1 || q.receives != 2 {
		t.Errorf("got %+v after %d receives, %v", got, q.receives, err)
	}
}

// moving is a queue that a move task begins to empty after some pages.
type moving struct {
	deadletter.Queue
	after int
}

func (q *moving) Moving(context.Context) (bool, error) {
	q.after--
	return q.after < 0, nil
}

func TestNeverBesideAMoveTask(t *testing.T) {
	t.Parallel()
	for _, after := range []int{0, 1} {
		b := newBench(t, func(q deadletter.Queue) deadletter.Queue { return &moving{q, after} })
		for i := range 15 {
			j := b.accept(fmt.Sprint("job", i))
			b.letter(j.Message().Encode())
		}
		b.sweep(deadletter.Swept{Seen: 10 * after, Recorded: 10 * after, Moving: true}, 15)
	}
}

func TestFaultsLoseNoLetter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op   string
		want string
		stay int // letters after the broken sweep, of a poison, a dead job and a finished one
		seen int
	}{
		{"Moving", "look for move tasks", 3, 0},
		{"Receive", "receive dead letters", 3, 0},
		{"Bury", "bury job", 2, 3},
		{"RecordPoison", "record poison", 2, 3},
		{"Delete", "delete letter", 3, 3},
		{"Return", "give letter back", 2, 3},
	} {
		t.Run(c.op, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			dead, ended := b.accept("dead"), b.accept("ended")
			held := b.claim(&ended)
			b.conclude(held, job.Ended(held, job.Clouded, job.Report{Now: b.now}))
			b.letter("not ours")
			b.letter(dead.Message().Encode())
			b.letter(ended.Message().Encode())
			b.script[c.op] = faulty.Refuse
			got, err := b.sweeps.Sweep(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || got.Seen != c.seen || b.queues.Depth("dead") != c.stay {
				t.Errorf("got %+v, %v; %d letters stay", got, err, b.queues.Depth("dead"))
			}
			b.now = b.now.Add(time.Hour) // what could not be given back comes back by itself
			if _, err := b.sweeps.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.stay(2)
			if j, err := b.store.Job(t.Context(), dead.ID); err != nil || j.State != job.Dead || j.Code != job.NoWorkerReport {
				t.Errorf("row %+v, %v", j, err)
			}
			if all, err := b.store.Poisoned(t.Context(), 100); err != nil || len(all) != 1 {
				t.Errorf("poison %v, %v", all, err)
			}
		})
	}
}

func TestACancelledSweepGivesBackWhatItHolds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, func(q deadletter.Queue) deadletter.Queue { return &cancelling{q, cancel} })
	for i := range 15 {
		j := b.accept(fmt.Sprint("job", i))
		b.letter(j.Message().Encode())
	}
	got, err := b.sweeps.Sweep(ctx)
	if err != nil || got.Seen != 10 || !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("got %+v, %v", got, err)
	}
	b.stay(15)
}

// cancelling ends the sweep's time with its first page.
type cancelling struct {
	deadletter.Queue
	cancel func()
}

func (q *cancelling) Receive(ctx context.Context) ([]deadletter.Letter, error) {
	defer q.cancel()
	return q.Queue.Receive(ctx)
}

func (q *cancelling) Return(ctx context.Context, receipt string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return q.Queue.Return(ctx, receipt)
}

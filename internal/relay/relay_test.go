package relay_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
	"orbitq/internal/relay"
)

// bench is a relay on the memory table and queue.
type bench struct {
	*relay.Relay
	store  *memstore.Store
	queues *memqueue.Queues
	now    time.Time
	script faulty.Script
}

func newBench(perTurn int) *bench {
	b := &bench{store: memstore.New(job.DefaultTiming()), now: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), script: faulty.Script{}}
	b.queues = memqueue.New(memqueue.Config{Now: func() time.Time { return b.now }, Visibility: time.Minute, MaxReceives: 8, Names: []string{"default"}})
	p := &faulty.Process{Plan: b.script}
	b.Relay = relay.New(relay.Config{
		Store: &faulty.Store{Table: b.store, Process: p}, Skipped: b.store, Sender: &faulty.Queue{Inner: b.queues, Process: p},
		Now: func() time.Time { return b.now }, Timing: job.DefaultTiming(), PerTurn: perTurn,
	})
	return b
}

// accept stores a job whose message was never sent.
func (b *bench) accept(t *testing.T, name string) job.Job {
	t.Helper()
	j := job.Accepted(job.Job{ID: job.DerivedID(name), Queue: "default", MaxAttempts: 3, Limit: job.Unlimited}, b.now, 24*time.Hour, 15*time.Minute)
	if _, _, err := b.store.Accept(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	return j
}

// sweep sweeps once and demands the counts.
func (b *bench) sweep(t *testing.T, seen, sent int) {
	t.Helper()
	got, err := b.Sweep(t.Context())
	got.Oldest = 0 // has a test of its own
	if err != nil || got.Seen != seen || got.Sent != sent {
		t.Errorf("got %+v, %v, want %d seen, %d sent", got, err, seen, sent)
	}
}

func TestSendsWhatNobodySent(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	j := b.accept(t, "a")
	b.sweep(t, 0, 0)
	b.now = j.Look
	b.sweep(t, 1, 1)
	b.sweep(t, 0, 0) // its next look is later
	ds := b.queues.Receive("default", 10)
	if len(ds) != 1 {
		t.Fatalf("%d messages", len(ds))
	}
	if m, err := job.DecodeMessage(ds[0].Body); err != nil || m.Job != j.ID || m.Ticket != 2 {
		t.Errorf("sent %+v, %v", m, err)
	}
}

func TestLooksLessAndLessOften(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	j := b.accept(t, "a")
	at := j.Look
	for _, minutes := range []int{30, 60, 120, 240, 480, 480} {
		b.now = at
		b.sweep(t, 1, 1)
		at = at.Add(time.Duration(minutes) * time.Minute)
		b.now = at.Add(-1)
		b.sweep(t, 0, 0)
	}
}

func TestLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	running, ended := b.accept(t, "running"), b.accept(t, "ended")
	b.now = running.Look
	for _, j := range []job.Job{running, ended} {
		c, err := b.store.Claim(t.Context(), job.ClaimRequest{Message: j.Message(), Now: b.now, Lease: job.Lease{Token: "t", Until: b.now.Add(time.Minute)}})
		if err != nil || c.Verdict != job.Run {
			t.Fatal(c.Verdict, err)
		}
		if j.ID == ended.ID {
			done := job.Ended(c.Job, job.Clouded, job.Report{Now: b.now})
			if _, err := b.store.Conclude(t.Context(), &c.Job, &done); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.sweep(t, 1, 0) // the hint is only a hint: the lease is live
	b.now = b.now.Add(time.Minute)
	b.sweep(t, 1, 1) // its worker is gone
}

func TestOneSweepIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(1)
	shards := map[int]int{}
	var look time.Time
	for i := range 26 {
		j := b.accept(t, strconv.Itoa(i))
		shards[job.Shard(j.ID, relay.Shards)]++
		look = j.Look
	}
	b.now = look
	b.sweep(t, len(shards), len(shards)) // one of each shard
}

func TestTwoRelaysSendOnce(t *testing.T) {
	t.Parallel()
	b := newBench(0)
	j := b.accept(t, "a")
	b.now = j.Look
	hints, err := b.store.Due(t.Context(), job.Shard(j.ID, relay.Shards), b.now, 10)
	if err != nil || len(hints) != 1 {
		t.Fatal(hints, err)
	}
	b.sweep(t, 1, 1)
	if _, ok, err := b.store.Retake(t.Context(), &j, time.Time{}, job.DefaultTiming(), b.now); ok || err != nil {
		t.Errorf("the other relay took it, too: %v", err)
	}
}

// TestFaultsAreReportedAndStopNobodyElse breaks one call of a sweep over two jobs.
func TestFaultsAreReportedAndStopNobodyElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op   string
		seen int
		sent int
		want string
	}{
		{"Due", 1, 1, "find due jobs of shard"},
		{"Retake", 2, 1, "take ticket of job"},
		{"Send", 2, 1, "send job"},
	} {
		t.Run(c.op, func(t *testing.T) {
			t.Parallel()
			b := newBench(0)
			b.accept(t, "a")
			j := b.accept(t, "c")
			b.now = j.Look
			b.Store = broken{b.Store, c.op, job.Shard(j.ID, relay.Shards)}
			if c.op != "Due" {
				b.script[c.op] = faulty.Refuse
			}
			got, err := b.Sweep(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || got != (relay.Swept{Seen: c.seen, Sent: c.sent}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// broken cannot read one shard.
type broken struct {
	relay.Store
	op    string
	shard int
}

func (s broken) Due(ctx context.Context, shard int, now time.Time, n int) ([]relay.Hint, error) {
	if s.op == "Due" && shard == s.shard {
		return nil, errors.New("unreachable")
	}
	return s.Store.Due(ctx, shard, now, n)
}

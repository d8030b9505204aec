package flow_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// waiting accepts a batch whose items all wait for their next attempt.
func (b *bench) waiting(n int) string {
	b.t.Helper()
	b.acts["enrich"] = failing(job.ProviderUnavailable)
	id := b.batch(n, func(w *flow.BatchWish) { w.AllowFailures = true }).ID
	for i := range n {
		if _, err := b.VisitItem(b.t.Context(), id, pointID(i+1), "r"); err != nil {
			b.t.Fatal(err)
		}
	}
	return id
}

// TestACancelOfManyItemsIsBounded: the request has 29 seconds, and the sweep does the rest.
func TestACancelOfManyItemsIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	n := 400
	id := b.waiting(n)
	b.Now = func() time.Time { b.now = b.now.Add(20 * time.Millisecond); return b.now }
	began := b.now
	got, err := b.CancelBatch(t.Context(), owner, id)
	if took := b.now.Sub(began); err != nil || got.Closed || took > 16*time.Second {
		t.Fatalf("cancelled in %v: %+v, %v", took, got, err)
	}
	if c := b.counts(id); c.Cancelled == 0 || c.Running == 0 {
		t.Fatalf("%+v, want some that are stopped and some that are left", c)
	}
	sweeps := 0
	for ; !b.batchRow(id).Closed && sweeps < 10; sweeps++ {
		b.now = b.now.Add(time.Minute)
		if _, err := b.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if end := b.batchRow(id); !end.Closed || end.Ended.Cancelled != n || len(b.exec.names) != 1 {
		t.Errorf("after %d sweeps a minute apart: %+v, executions %v", sweeps, end, b.exec.names)
	}
}

// TestAStopThatACrashCutIsGoneOnWith soon: what it left might wait for days.
func TestAStopThatACrashCutIsGoneOnWith(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		stop func(b *bench, id string) error
	}{
		{"cancelled", func(b *bench, id string) error {
			_, err := b.CancelBatch(b.t.Context(), owner, id)
			return err
		}},
		{"failed", func(b *bench, id string) error {
			b.acts["enrich "+pointID(3)] = failing(job.InvalidRequest)
			_, err := b.VisitItem(b.t.Context(), id, pointID(3), "r")
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.acts["enrich"] = failing(job.ProviderRateLimit)
			id := b.batch(3, nil).ID
			for i := range 2 {
				if _, err := b.VisitItem(t.Context(), id, pointID(i+1), "r"); err != nil {
					t.Fatal(err)
				}
			}
			b.seam.broken["Items"] = errNo
			if err := c.stop(b, id); err == nil {
				t.Fatal("the stop was not cut")
			}
			delete(b.seam.broken, "Items")
			b.now = b.now.Add(time.Minute)
			b.sweep(flow.Swept{Seen: 1})
			if got := b.batchRow(id); !got.Closed {
				t.Errorf("a minute later: %+v", got)
			}
		})
	}
}

// crowd lets nobody accept a job before so many are there.
type crowd struct {
	flow.Jobs

	mu   sync.Mutex
	need int
	here int
	open chan struct{}
}

func (c *crowd) Accept(ctx context.Context, j *job.Job) (job.Job, bool, error) {
	c.mu.Lock()
	if c.here++; c.here == c.need {
		close(c.open)
	}
	c.mu.Unlock()
	select {
	case <-c.open:
		return c.Jobs.Accept(ctx, j)
	case <-ctx.Done():
		return job.Job{}, false, ctx.Err()
	}
}

// TestItemsAreStoppedSideBySide: one after the other, 5,000 take minutes.
func TestItemsAreStoppedSideBySide(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.waiting(20)
	config := b.Config
	config.Batches, config.Items, config.Beside = b.store, b.store, 8
	config.Jobs = &crowd{Jobs: b.store, need: 8, open: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if got, err := flow.New(config).CancelBatch(ctx, owner, id); err != nil || !got.Closed || got.Ended.Cancelled != 20 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestASweepEndsInTime: the function has 50 seconds, and other things to do in them.
func TestASweepEndsInTime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	n := 30
	for i := range n {
		if _, _, err := b.StartChain(t.Context(), request("", ""), flow.ChainWish{Point: b.points(owner, i+1, 1)[0]}); err != nil {
			t.Fatal(err)
		}
	}
	b.now = b.now.Add(time.Hour)
	b.Now = func() time.Time { b.now = b.now.Add(500 * time.Millisecond); return b.now }
	seen := 0
	for sweeps := 1; seen < n; sweeps++ {
		began := b.now
		s, err := b.Sweep(t.Context())
		if took := b.now.Sub(began); err != nil || s.Seen == 0 || took > 17*time.Second {
			t.Fatalf("sweep %d took %v: %+v, %v", sweeps, took, s, err)
		}
		seen += s.Seen
	}
	if seen != n {
		t.Errorf("%d of %d chains were asked after", seen, n)
	}
}

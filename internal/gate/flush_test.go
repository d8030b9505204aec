package gate_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// TestFlushWritesOnce: what calls came to is in the row and in the records, once.
func TestFlushWritesOnce(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	if err := b.Flush(t.Context()); err != nil || b.shelf.writes+b.shelf.reads+len(b.shelf.records) != 0 {
		t.Errorf("nothing happened, and %d writes, %v", b.shelf.writes, err)
	}
	b.Left(limit.Call{Job: "a", Verdict: limit.Failed, Units: 0.5})
	b.Left(limit.Call{Job: "a", Verdict: limit.Answered, Units: 0.25})
	b.Left(limit.Call{Job: "b", Cached: true, Verdict: limit.Failed, Units: 8}) // saved: it says nothing about the provider
	if b.shelf.writes != 0 {
		t.Error("a report was written alone")
	}
	for range 2 {
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	row := b.shelf.row(t)
	if b.shelf.writes != 1 || row.Budget.Units != 0.75 || len(row.Breaker.Failures) != 1 {
		t.Errorf("%d writes, row %+v", b.shelf.writes, row)
	}
	if len(b.shelf.records) != 1 || len(b.shelf.records[0]) != 3 {
		t.Fatalf("records %+v", b.shelf.records)
	}
	for i, c := range b.shelf.records[0] {
		if c.Sequence != i {
			t.Errorf("record %d has number %d", i, c.Sequence)
		}
	}
	b.Left(limit.Call{Cached: true})
	if err := b.Flush(t.Context()); err != nil || b.shelf.writes != 1 || len(b.shelf.records) != 2 {
		t.Errorf("a saved call: %d writes, %d records, %v", b.shelf.writes, len(b.shelf.records), err)
	}
}

// TestReportsTravelWithTheNextWrite: a worker that asks again writes what the call
// before came to, and a breaker that opens keeps it out.
func TestReportsTravelWithTheNextWrite(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	if err := b.Enter(t.Context(), &limit.Pass{}); err != nil {
		t.Fatal(err)
	}
	b.Left(limit.Call{Verdict: limit.Rejected, Units: 0.5})
	refused(t, b.Enter(t.Context(), &limit.Pass{}), job.BreakerOpen)
	row := b.shelf.row(t)
	if b.shelf.writes != 2 || row.Breaker.State(start()) != "open" || row.Budget.Units != 0.5 || row.Budget.Requests != 1 {
		t.Errorf("%d writes, row %+v", b.shelf.writes, row)
	}
}

// TestReportsSurviveABrokenTable: they are written by the next who can, once.
func TestReportsSurviveABrokenTable(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	b.Left(limit.Call{Verdict: limit.Failed, Units: 0.5})
	b.shelf.writeErr, b.shelf.recordErr = errGone, errors.New("no records")
	err := b.Flush(t.Context())
	refused(t, err, job.Throttled) // the first that went wrong
	b.shelf.writeErr = nil
	b.Left(limit.Call{Verdict: limit.Failed, Units: 0.5})
	if err = b.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "record calls: no records") {
		t.Errorf("got %v", err)
	}
	b.shelf.recordErr = nil
	if err = b.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if row := b.shelf.row(t); row.Budget.Units != 1 || len(row.Breaker.Failures) != 2 || b.shelf.writes != 2 {
		t.Errorf("%d writes, row %+v", b.shelf.writes, row)
	}
}

// TestReportsCountOnceInALostRace: all is decided again on the row of the winner.
func TestReportsCountOnceInALostRace(t *testing.T) {
	t.Parallel()
	b := newBench(nil)
	b.Left(limit.Call{Verdict: limit.Failed, Units: 0.5})
	b.shelf.between = func(n int) {
		if n == 1 {
			b.shelf.put(t, limit.Row{Budget: limit.Budget{Month: "2026-03", Requests: 7, Units: 1}})
		}
	}
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if row := b.shelf.row(t); row.Budget != (limit.Budget{Month: "2026-03", Requests: 7, Units: 1.5}) || len(row.Breaker.Failures) != 1 {
		t.Errorf("row %+v", row)
	}
}

// TestManyAskersFewWrites: forty at once are decided upon in two writes: the first
// alone, the others together while it writes.
func TestManyAskersFewWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.latency = 10 * time.Millisecond
		g := bubbleGate(s, nil)
		var wg sync.WaitGroup
		var mu sync.Mutex
		in, slots := 0, map[time.Time]int{}
		for range 40 {
			wg.Go(func() {
				err := g.Enter(t.Context(), &limit.Pass{High: true})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					in++
					return
				}
				slots[refused(t, err, job.Limited).Slot]++
			})
		}
		wg.Wait()
		if s.writes > 3 || s.reads != 1 || s.lost != 0 || in != 30 {
			t.Errorf("%d in after %d writes, %d reads, %d lost", in, s.writes, s.reads, s.lost)
		}
		for slot, n := range slots {
			if n > 2 || slot.IsZero() { // two lanes may have one moment in common
				t.Errorf("%v was given to %d", slot, n)
			}
		}
	})
}

// TestTwoProcessesBookNoSlotTwice: two gates on one row of one slot at a time.
func TestTwoProcessesBookNoSlotTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.latency = 7 * time.Millisecond
		edit := func(p *limit.Policy) { p.Shared, p.Reserved, p.Horizon = 1, 0, 24*time.Hour }
		var wg sync.WaitGroup
		var mu sync.Mutex
		var slots []time.Time
		for n := range 2 {
			g := bubbleGate(s, edit)
			for i := range 25 {
				wg.Go(func() {
					time.Sleep(time.Duration(i*n) * time.Millisecond)
					got, err := g.Reserve(t.Context(), i%2 == 0, 1)
					mu.Lock()
					defer mu.Unlock()
					if err != nil || len(got) != 1 {
						t.Errorf("got %v, %v", got, err)
					}
					slots = append(slots, got...)
				})
			}
		}
		wg.Wait()
		seen := map[time.Time]bool{}
		for _, slot := range slots {
			if seen[slot] {
				t.Errorf("%v was booked twice", slot)
			}
			seen[slot] = true
		}
		if len(seen) != 50 || s.lost == 0 || s.row(t).Budget.Requests != 50 {
			t.Errorf("%d slots, %d lost races, row %+v", len(seen), s.lost, s.row(t).Budget)
		}
	})
}

// TestWhoGivesUpKeepsNobody: a caller's deadline ends its own wait alone, also that of
// the caller who writes for all.
func TestWhoGivesUpKeepsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.latency = time.Second
		g := bubbleGate(s, nil)
		short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		errs := make([]error, 3)
		for i, ctx := range []context.Context{short, t.Context(), short} {
			wg.Go(func() { errs[i] = g.Enter(ctx, &limit.Pass{}) })
			synctest.Wait()
		}
		wg.Wait()
		refused(t, errs[2], job.Throttled)
		if errs[1] != nil {
			t.Errorf("who waited got %v", errs[1])
		}
		if s.row(t).Budget.Requests != 3 {
			t.Errorf("row %+v", s.row(t))
		}
	})
}

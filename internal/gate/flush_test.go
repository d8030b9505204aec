package gate_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

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
				slots[refused(t, err, job.Limited).Slot]++ // the zero time: none has booked
			})
		}
		wg.Wait()
		if s.writes > 3 || s.reads != 1 || s.lost != 0 || in != 30 {
			t.Errorf("%d in after %d writes, %d reads, %d lost", in, s.writes, s.reads, s.lost)
		}
		if slots[time.Time{}] != 10 {
			t.Errorf("slots of those that were refused: %v", slots)
		}
	})
}

// TestTwoProcessesBookNoSlotTwice: two gates on one row.
func TestTwoProcessesBookNoSlotTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.latency = 7 * time.Millisecond
		edit := func(p *limit.Policy) { p.Shared, p.Reserved, p.Window = 25, 0, 24*time.Hour }
		var wg sync.WaitGroup
		var mu sync.Mutex
		in := 0
		for n := range 2 {
			g := bubbleGate(s, edit)
			for i := range 25 {
				wg.Go(func() {
					time.Sleep(time.Duration(i*n) * time.Millisecond)
					err := g.Enter(t.Context(), &limit.Pass{Job: strconv.Itoa(100*n + i)})
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						in++
						return
					}
					refused(t, err, job.Limited)
				})
			}
		}
		wg.Wait()
		if row := s.row(t); in != 25 || s.lost == 0 || row.Budget.Requests != 25 || len(row.Shared) != 25 {
			t.Errorf("%d calls, %d lost races, row %+v", in, s.lost, row.Budget)
		}
	})
}

// TestABudgetOfCalls: whatever fails on the way, the requests that are counted in the end are
// the calls that were made.
func TestABudgetOfCalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(func(p *limit.Policy) { p.Shared = 1000 })
		calls := 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			b.now = b.now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(rt, "pass")) * time.Millisecond)
			b.shelf.latency = time.Duration(rapid.SampledFrom([]int{0, 20, 700}).Draw(rt, "latency")) * time.Millisecond
			b.shelf.writeErr, b.shelf.replyErr, b.sleepErr = nil, nil, nil
			switch rapid.IntRange(0, 8).Draw(rt, "fault") {
			case 0:
				b.shelf.writeErr = errGone
			case 1:
				b.shelf.replyErr = errGone
			case 2:
				b.sleepErr = errGone
			}
			calls++
			p := limit.Pass{Job: strconv.Itoa(calls), Owner: "o", Patience: limit.Patience}
			if err := b.Enter(t.Context(), &p); err != nil {
				calls--
			} else {
				b.Left(limit.Call{Units: 0.1})
			}
			if rapid.Bool().Draw(rt, "flush") {
				_ = b.Flush(t.Context())
			}
		}
		b.shelf.writeErr, b.shelf.replyErr = nil, nil
		if err := b.Flush(t.Context()); err != nil {
			rt.Fatal(err)
		}
		if got := b.shelf.row(t).Budget.Requests; got != calls {
			rt.Fatalf("%d requests are counted, %d calls were made", got, calls)
		}
	})
}

// TestWaitersDoNotPoll: ten calls that wait for slots sleep until their time.
func TestWaitersDoNotPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.latency = 5 * time.Millisecond
		edit := func(p *limit.Policy) { p.Shared, p.Reserved = 10, 0 }
		for i := range 10 { // ten processes, and what they wait for is a window away
			if err := bubbleGate(s, edit).Enter(t.Context(), &limit.Pass{Job: strconv.Itoa(i), Owner: "o"}); err != nil {
				t.Fatal(err)
			}
		}
		before := s.reads + s.writes
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if err := bubbleGate(s, edit).Enter(t.Context(), &limit.Pass{Job: strconv.Itoa(100 + i), Owner: "o", Patience: 2 * time.Minute}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		requests := s.reads + s.writes - before
		t.Logf("ten calls wait for their slots with %d table requests", requests)
		if requests > 150 { // a lost race is another write
			t.Errorf("%d table requests", requests)
		}
	})
}

// TestWhoGivesUpKeepsNobody: a caller's deadline ends its own wait alone, also that of
// the caller who writes for all.
func TestWhoGivesUpKeepsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.latency = 400 * time.Millisecond
		g := bubbleGate(s, nil)
		short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
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
		calls := 0
		for _, err := range errs {
			if err == nil {
				calls++
			}
		}
		if err := g.Flush(t.Context()); err != nil || s.row(t).Budget.Requests != calls {
			t.Errorf("%d calls, row %+v, %v: what the others had is given back", calls, s.row(t), err)
		}
	})
}

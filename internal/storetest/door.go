package storetest

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// doorRules: the limiter's row is written by one writer at a time, whose lost
// replies are his own.
func doorRules() []rule {
	return []rule{
		{"the limiter's row is kept whole, and written by one who read it only", doorIsVersioned},
		{"the calls of a job are kept, the oldest first", callsOfAJob},
		{"a cached answer is kept until its end, and replaced", cacheEnds},
	}
}

// doorIsVersioned is the only rule about the door: the row is one for the table.
func doorIsVersioned(t *testing.T, s Store) {
	ctx := context.Background()
	if got, err := s.Door(ctx); err != nil || !reflect.DeepEqual(got, limit.Row{}) {
		t.Fatalf("before the first write: %+v, %v", got, err)
	}
	at := func(n int) time.Time { return start().Add(time.Duration(n) * time.Millisecond) }
	first := limit.Row{
		Version: 1, Shared: []limit.Booking{booked(at(1)), booked(at(2)), {At: at(2), Job: "job-01", Owner: "own-er"}}, Reserved: []limit.Booking{booked(at(3))},
		Waiting: []limit.Waiter{{Owner: "own-er", Until: at(8)}, {Owner: "_other", Until: at(-7)}},
		Breaker: limit.Breaker{Failures: []time.Time{at(4), at(5)}, Until: at(6), Probe: at(7)},
		Budget:  limit.Budget{Month: "2026-03", Requests: 7, Units: 1.375, Closed: true},
	}
	saveDoor(t, s, first, true)
	second := limit.Row{Version: 2, Shared: []limit.Booking{booked(at(9))}}
	saveDoor(t, s, second, true)
	for _, version := range []int{1, 2, 4} { // behind, of the same version, ahead
		lost := first
		lost.Version = version
		if got := saveDoor(t, s, lost, false); !reflect.DeepEqual(got, second) {
			t.Errorf("version %d met %+v\nwant %+v", version, got, second)
		}
	}
	// Two who decide the same in the same moment have not booked the same slot: only
	// one of them has it.
	same := limit.Row{Version: 3, Shared: []limit.Booking{booked(at(9)), booked(at(10))}}
	won := 0
	for range 2 {
		if _, ok, err := s.SaveDoor(ctx, same); err != nil {
			t.Fatal(err)
		} else if ok {
			won++
		}
	}
	if got, err := s.Door(ctx); won != 1 || err != nil || !reflect.DeepEqual(got, same) {
		t.Errorf("%d of 2 wrote the same row: %+v, %v", won, got, err)
	}
	if won := crowdAtTheDoor(t, s, 4); won != 1 {
		t.Errorf("%d of 10 wrote version 4", won)
	}
}

// booked is an allowed call.
func booked(at time.Time) limit.Booking {
	return limit.Booking{At: at, Job: "abc-_9", Owner: "XYZ000", Made: true}
}

// saveDoor writes the row and demands an answer.
func saveDoor(t *testing.T, s Store, next limit.Row, want bool) limit.Row {
	t.Helper()
	got, ok, err := s.SaveDoor(context.Background(), next)
	if err != nil || ok != want || ok && !reflect.DeepEqual(got, next) {
		t.Fatalf("save of version %d: %v, %v, %+v", next.Version, ok, err, got)
	}
	return got
}

// crowdAtTheDoor writes one version from ten sides.
func crowdAtTheDoor(t *testing.T, s Store, version int) int {
	t.Helper()
	wrote := make([]bool, 10)
	var wg sync.WaitGroup
	for i := range wrote {
		wg.Go(func() {
			_, ok, err := s.SaveDoor(context.Background(), limit.Row{Version: version, Shared: []limit.Booking{booked(start())}})
			if err != nil {
				t.Errorf("save: %v", err)
			}
			wrote[i] = ok
		})
	}
	wg.Wait()
	return len(slices.DeleteFunc(wrote, func(ok bool) bool { return !ok }))
}

// callsOfAJob records more calls than fit into one request, the last ones first.
func callsOfAJob(t *testing.T, s Store) {
	ctx, jobID := context.Background(), id(t)
	var calls []limit.Call
	for i := range 30 {
		calls = append(calls, limit.Call{
			At: start().Add(time.Duration(i) * time.Second), Took: 1500 * time.Millisecond, Type: limit.Enrichment, Cached: i == 3, Status: 200 + i,
			Code: "PROVIDER_UNAVAILABLE", Units: 0.125, Job: jobID, Owner: "u", Point: "p", Attempt: 1 + i/10,
		})
	}
	backwards := append([]limit.Call{{At: start(), Job: id(t), Type: limit.Search}}, calls...)
	slices.Reverse(backwards)
	if err := s.RecordCalls(ctx, backwards); err != nil {
		t.Fatalf("record calls: %v", err)
	}
	if got, err := s.Calls(ctx, jobID); err != nil || !reflect.DeepEqual(got, calls) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, calls)
	}
	if err := s.RecordCalls(ctx, nil); err != nil {
		t.Errorf("no calls: %v", err)
	}
	if got, err := s.Calls(ctx, id(t)); err != nil || got == nil || len(got) != 0 {
		t.Errorf("a job without calls: %+v, %v", got, err)
	}
	held := running(t, s, nil) // its own row is none of its calls
	if got, err := s.Calls(ctx, held.ID); err != nil || len(got) != 0 {
		t.Errorf("a job without calls: %+v, %v", got, err)
	}
}

// cacheEnds keeps a fortnight of days, some without an index.
func cacheEnds(t *testing.T, s Store) {
	ctx, key, end := context.Background(), "hash-"+id(t), start().Add(time.Hour)
	if _, ok, err := s.Cached(ctx, key, start()); ok || err != nil {
		t.Fatalf("before anything was kept: %v, %v", ok, err)
	}
	series := satellite.Series{PUSpent: 0.25, RequestID: "r"}
	for i := range 14 {
		d := satellite.Day{Date: satellite.DayOf(start()).AddDate(0, 0, -i), CloudFraction: 0.1 * float64(i), ValidFraction: 1 / 3.0}
		for n := range i % 5 {
			d.Indices[n] = &satellite.Stats{Mean: 1 / float64(n+3), Min: -1, Max: 1, StDev: 0.1, SampleCount: 144, NoDataCount: n}
		}
		series.Days = append(series.Days, d)
	}
	keep(t, s, key, series, end)
	if got, ok, err := s.Cached(ctx, key, end.Add(-time.Millisecond)); !ok || err != nil || !reflect.DeepEqual(got, series) {
		t.Errorf("got %+v, %v, %v\nwant %+v", got, ok, err, series)
	}
	if _, ok, err := s.Cached(ctx, key, end); ok || err != nil {
		t.Errorf("at its end: %v, %v", ok, err)
	}
	later := satellite.Series{Days: series.Days[:1], RequestID: "later"}
	keep(t, s, key, later, end.Add(time.Hour))
	if got, ok, err := s.Cached(ctx, key, end); !ok || err != nil || !reflect.DeepEqual(got, later) {
		t.Errorf("replaced: %+v, %v, %v", got, ok, err)
	}
}

// keep keeps a series.
func keep(t *testing.T, s Store, key string, series satellite.Series, until time.Time) {
	t.Helper()
	if err := s.Keep(context.Background(), key, series, until); err != nil {
		t.Fatalf("keep: %v", err)
	}
}

// bookRules: what was billed and asked can be read again, by its owner alone.
func bookRules() []rule {
	return []rule{
		{"the ledger is an owner's billed analyses, newest first, page by page, each once", ledgerPages},
		{"the newest dead letters without a job are listed first, as they were recorded first", poisonList},
	}
}

// ledgerPages bills five jobs in pages of two, beside another owner's and beside one
// that was free.
func ledgerPages(t *testing.T, s Store) {
	owner := "u-" + id(t)
	other := running(t, s, nil)
	settle(t, s, &other, start(), worker.Written)
	free := running(t, s, func(j *job.Job) { j.Owner = owner })
	conclude(t, s, &free, job.Ended(free, job.Clouded, report(start())), worker.Written)
	var want []satellite.Analysis
	for i := range 5 {
		held := running(t, s, func(j *job.Job) { j.Owner = owner })
		now := start().Add(time.Duration(i) * time.Second)
		settle(t, s, &held, now, worker.Written)
		want = append([]satellite.Analysis{*analysis(&held, now)}, want...)
	}
	var got []satellite.Analysis
	for after, pages := "", 0; pages < 4; pages++ {
		page, next, err := s.Ledger(context.Background(), owner, after, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("page of %d, %v", len(page), err)
		}
		got = append(got, page...)
		if after = next; next == "" {
			break
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if none, next, err := s.Ledger(context.Background(), "u-"+id(t), "", 2); err != nil || len(none) != 0 || next != "" {
		t.Errorf("an owner without bills: %+v, %q, %v", none, next, err)
	}
}

// poisonList records letters of a later year than the other rules, so that they are
// the newest.
func poisonList(t *testing.T, s Store) {
	ctx, at := context.Background(), start().AddDate(1, 0, 0)
	var want []deadletter.Poison
	for i := range 3 {
		l := deadletter.Letter{MessageID: "m" + strconv.Itoa(i), Body: "not ours " + id(t), Sent: at.Add(-time.Hour), Receives: 9 + i, Source: "arn:q"}
		p := deadletter.Poison{Letter: l, Reason: "why " + strconv.Itoa(i), At: at.Add(time.Duration(i) * time.Second)}
		for _, repeat := range []time.Duration{0, time.Hour} { // every sweep meets it again
			if err := s.RecordPoison(ctx, p.Letter, p.Reason, p.At.Add(repeat)); err != nil {
				t.Fatalf("record poison: %v", err)
			}
		}
		want = append([]deadletter.Poison{p}, want...)
	}
	for n := 1; n <= 3; n++ {
		if got, err := s.Poisoned(ctx, n); err != nil || len(got) != n || !reflect.DeepEqual(got, want[:n]) {
			t.Errorf("%d newest: got %+v, %v\nwant %+v", n, got, err, want[:n])
		}
	}
}

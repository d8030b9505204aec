package kinds_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/satellite"
)

// shelf is a cache whose calls may fail.
type shelf struct {
	series map[string]satellite.Series
	until  map[string]time.Time
	getErr error
	putErr error
}

func (s *shelf) Cached(_ context.Context, key string, now time.Time) (satellite.Series, bool, error) {
	kept, ok := s.series[key]
	return kept, ok && now.Before(s.until[key]), s.getErr
}

func (s *shelf) Keep(_ context.Context, key string, kept satellite.Series, until time.Time) error {
	if s.putErr == nil {
		s.series[key], s.until[key] = kept, until
	}
	return s.putErr
}

// memory is a Remembering over answers, under a clock that a test moves.
type memory struct {
	kinds.Remembering

	shelf   *shelf
	imagery *imagery
	clock   time.Time
	saved   []limit.Call
}

func newMemory(answers ...answer) *memory {
	m := &memory{
		shelf:   &shelf{series: map[string]satellite.Series{}, until: map[string]time.Time{}},
		imagery: &imagery{answers: answers}, clock: now(),
	}
	m.Remembering = kinds.Remembering{
		Provider: m.imagery, Cache: m.shelf, Now: func() time.Time { return m.clock },
		Left: func(c limit.Call) { m.saved = append(m.saved, c) },
	}
	return m
}

// place and then are what most questions here are about; then is long published.
func place() satellite.Area { return satellite.AreaAround(55.7, 12.5, 12) }

func then() satellite.Window {
	return satellite.Window{From: now().AddDate(0, 0, -45), To: now().AddDate(0, 0, -35)}
}

func pass() *limit.Pass { return &limit.Pass{Job: "j", Owner: "o", Point: "p", Attempt: 2} }

// ask asks and demands whether the answer comes from memory.
func (m *memory) ask(t *testing.T, a satellite.Area, w satellite.Window, cached bool) satellite.Series {
	t.Helper()
	calls, saved := len(m.imagery.windows), len(m.saved)
	got, err := m.Statistics(t.Context(), pass(), a, w)
	if err != nil || got.Cached != cached {
		t.Errorf("got %+v, %v", got, err)
	}
	if called, noted := len(m.imagery.windows)-calls, len(m.saved)-saved; (called == 0) != cached || called+noted != 1 {
		t.Errorf("%d calls and %d saved ones, want one in all", called, noted)
	}
	return got
}

func TestOneQuestionIsAskedOnce(t *testing.T) {
	t.Parallel()
	m := newMemory(series([3]int{0, 100, 7}))
	first := m.ask(t, place(), then(), false)
	again := m.ask(t, place(), then(), true)
	again.Cached = false
	if !reflect.DeepEqual(first, again) {
		t.Errorf("first %+v\nagain %+v", first, again)
	}
	want := limit.Call{At: now(), Type: limit.Enrichment, Cached: true, Status: 200, Job: "j", Owner: "o", Point: "p", Attempt: 2}
	if !reflect.DeepEqual(m.saved, []limit.Call{want}) || m.saved[0].Credits() != 0 || m.saved[0].Units != 0 {
		t.Errorf("saved %+v", m.saved)
	}
}

// TestAnotherQuestionIsAnother: place, accuracy and both ends of the window count.
func TestAnotherQuestionIsAnother(t *testing.T) {
	t.Parallel()
	w := then()
	good := series([3]int{0, 100, 7})
	m := newMemory(good, good, good, good, good, good)
	m.ask(t, place(), w, false)
	m.ask(t, satellite.AreaAround(55.7001, 12.5, 12), w, false)
	m.ask(t, satellite.AreaAround(55.7, 12.5001, 12), w, false)
	m.ask(t, satellite.AreaAround(55.7, 12.5, 400), w, false)
	m.ask(t, place(), satellite.Window{From: w.From.AddDate(0, 0, -1), To: w.To}, false)
	m.ask(t, place(), satellite.Window{From: w.From, To: w.To.AddDate(0, 0, 1)}, false)
	m.ask(t, place(), w, true)
}

// TestHowLongAnAnswerIsKept: an hour while images of its window may still come, for
// ever but not quite afterwards.
func TestHowLongAnAnswerIsKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		ago  time.Duration // since the window ended
		kept time.Duration
	}{
		{"a window in the past", 240 * time.Hour, 30 * 24 * time.Hour},
		{"just published", 72 * time.Hour, 30 * 24 * time.Hour},
		{"perhaps not yet", 72*time.Hour - 1, time.Hour},
		{"a window that is open", -24 * time.Hour, time.Hour},
	} {
		good := series([3]int{0, 100, 7})
		m := newMemory(good, good)
		w := satellite.Window{From: now().AddDate(0, 0, -20), To: now().Add(-c.ago)}
		m.ask(t, place(), w, false)
		m.clock = now().Add(c.kept - 1)
		m.ask(t, place(), w, true)
		m.clock = now().Add(c.kept)
		m.ask(t, place(), w, false)
		if t.Failed() {
			t.Fatal(c.name)
		}
	}
}

// TestWhatMayBeBetterNextTimeIsNotKept.
func TestWhatMayBeBetterNextTimeIsNotKept(t *testing.T) {
	t.Parallel()
	holes := series([3]int{0, 100, 7})
	holes.series.Failed = 1
	for name, a := range map[string]answer{"holes": holes, "no day at all": series(), "only failed days": failed()} {
		m := newMemory(a, a)
		m.ask(t, place(), then(), false)
		m.ask(t, place(), then(), false)
		if len(m.shelf.series) != 0 {
			t.Errorf("%s: kept %+v", name, m.shelf.series)
		}
	}
}

// TestABrokenCacheIsAnEmptyOne: the job does not suffer.
func TestABrokenCacheIsAnEmptyOne(t *testing.T) {
	t.Parallel()
	good := series([3]int{0, 100, 7})
	m := newMemory(good, good, good)
	m.shelf.putErr = errors.New("unreachable")
	m.ask(t, place(), then(), false)
	m.shelf.putErr = nil
	m.ask(t, place(), then(), false)
	m.shelf.getErr = errors.New("unreachable") // what it says besides is not to be trusted
	m.ask(t, place(), then(), false)
	m.shelf.getErr = nil
	m.ask(t, place(), then(), true)
}

// TestAFailedCallKeepsItsCode, and nothing is kept of it.
func TestAFailedCallKeepsItsCode(t *testing.T) {
	t.Parallel()
	full := &job.Error{Code: job.Limited, Message: "full", RetryAfter: time.Minute, Slot: now().Add(time.Minute)}
	m := newMemory(answer{series: series([3]int{0, 100, 7}).series, err: full})
	got, err := m.Statistics(t.Context(), pass(), place(), then())
	coded, ok := errors.AsType[*job.Error](err)
	if !ok || coded != full || !strings.Contains(err.Error(), "ask for statistics") {
		t.Errorf("got %v", err)
	}
	if !reflect.DeepEqual(got, satellite.Series{}) || len(m.shelf.series)+len(m.saved) != 0 {
		t.Errorf("got %+v, kept %+v, saved %+v", got, m.shelf.series, m.saved)
	}
}

// TestTheCatalogIsNotRemembered: a new image may be in it any time.
func TestTheCatalogIsNotRemembered(t *testing.T) {
	t.Parallel()
	m := newMemory()
	for range 2 {
		if _, err := m.Seen(t.Context(), pass(), place(), then()); err != nil {
			t.Error(err)
		}
	}
	if m.imagery.catalogs != 2 || len(m.saved) != 0 {
		t.Errorf("%d looks, saved %+v", m.imagery.catalogs, m.saved)
	}
}

// TestARememberedEnrichmentIsFree: it has an analysis like any other, and one whose
// second window alone is asked for costs one enrichment.
func TestARememberedEnrichmentIsFree(t *testing.T) {
	t.Parallel()
	narrow, wide := series([3]int{3, 40, 7}), series([3]int{-9, 90, 7})
	m := newMemory(narrow, wide, wide)
	e := &kinds.Enrich{Points: &points{point: at(40)}, Imagery: m, Now: now}
	run := func() *satellite.Analysis {
		t.Helper()
		got, err := e.Run(t.Context(), &job.Job{Point: "p", Revision: 3})
		if err != nil || got.Outcome != job.Success || got.Analysis == nil || got.Analysis.DayOffset != -9 {
			t.Fatalf("got %+v, %v", got, err)
		}
		return got.Analysis
	}
	if a := run(); a.PUSpent != 0.5 || a.Credits != 1 {
		t.Errorf("two calls cost %v units, %v credits", a.PUSpent, a.Credits)
	}
	if a := run(); a.PUSpent != 0 || a.Credits != 0 || a.RequestID != "r" {
		t.Errorf("no call cost %v units, %v credits; request %q", a.PUSpent, a.Credits, a.RequestID)
	}
	for key, s := range m.shelf.series {
		if s.Days[0].Date.Equal(wide.series.Days[0].Date) {
			delete(m.shelf.series, key)
		}
	}
	if a := run(); a.PUSpent != 0.25 || a.Credits != 1 {
		t.Errorf("one call of two cost %v units, %v credits", a.PUSpent, a.Credits)
	}
}

// watched remembers what a job showed at the door.
type watched struct {
	*imagery

	passes []limit.Pass
}

func (w *watched) Statistics(ctx context.Context, p *limit.Pass, a satellite.Area, win satellite.Window) (satellite.Series, error) {
	w.passes = append(w.passes, *p)
	p.Slot = time.Time{} // as the gate does
	return w.imagery.Statistics(ctx, p, a, win)
}

// TestOneSlotIsForOneCall: the second window shows a pass without it.
func TestOneSlotIsForOneCall(t *testing.T) {
	t.Parallel()
	slot := now().Add(time.Second)
	for _, c := range []struct {
		queue    string
		patience time.Duration
		high     bool
		want     time.Duration
	}{{"high", 0, true, limit.Patience}, {"default", 0, false, limit.Patience}, {"low", 9 * time.Second, false, 9 * time.Second}} {
		w := &watched{imagery: &imagery{answers: []answer{series(), series([3]int{-9, 90, 7})}}}
		e := &kinds.Enrich{Points: &points{point: at(40)}, Imagery: w, Now: now, Patience: c.patience}
		if _, err := e.Run(t.Context(), &job.Job{ID: "j", Owner: "o", Point: "p", Queue: c.queue, Attempts: 2, Slot: slot}); err != nil {
			t.Error(err)
		}
		first := limit.Pass{High: c.high, Slot: slot, Patience: c.want, Job: "j", Owner: "o", Point: "p", Attempt: 2}
		second := first
		second.Slot = time.Time{}
		if !reflect.DeepEqual(w.passes, []limit.Pass{first, second}) {
			t.Errorf("queue %s: showed %+v", c.queue, w.passes)
		}
	}
	if got := (&kinds.Enrich{}).Policy(); !reflect.DeepEqual(got, job.Policy{Paced: true, Before: []string{kinds.AnalyzeName, kinds.NotifyName}}) {
		t.Errorf("policy %+v", got)
	}
}

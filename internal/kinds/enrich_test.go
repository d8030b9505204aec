package kinds_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
)

func now() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// points is one point, with or without its analysis.
type points struct {
	point    point.Point
	analysis *satellite.Analysis
	err      error
}

func (p *points) Subject(context.Context, string, int) (point.Point, *satellite.Analysis, error) {
	return p.point, p.analysis, p.err
}

// answer is what the provider says to one call.
type answer struct {
	series satellite.Series
	err    error
}

// imagery answers calls in order, and remembers them.
type imagery struct {
	answers []answer
	seen    bool
	seenErr error

	windows  []satellite.Window
	areas    []satellite.Area
	catalogs int
}

func (i *imagery) Statistics(_ context.Context, _ *limit.Pass, a satellite.Area, w satellite.Window) (satellite.Series, error) {
	i.areas, i.windows = append(i.areas, a), append(i.windows, w)
	next := i.answers[0]
	i.answers = i.answers[1:]
	return next.series, next.err
}

// Known implements kinds.Imagery: nothing is.
func (i *imagery) Known(context.Context, satellite.Area, satellite.Window) (satellite.Series, bool) {
	return satellite.Series{}, false
}

func (i *imagery) Seen(context.Context, *limit.Pass, satellite.Area, satellite.Window) (bool, error) {
	i.catalogs++
	return i.seen, i.seenErr
}

// at returns a reading in Copenhagen some days ago.
func at(daysAgo int) point.Point {
	return point.Point{ID: "p", Latitude: new(55.7072), Longitude: new(12.5704), Accuracy: 12, CollectedAt: now().AddDate(0, 0, -daysAgo), Revision: 3}
}

// series is an answer with days: each has an offset to the reading of forty days
// ago, a share of valid pixels, and a number of indices.
func series(days ...[3]int) answer {
	s := satellite.Series{PUSpent: 0.25, RequestID: "r"}
	for _, d := range days {
		day := satellite.Day{Date: satellite.DayOf(now().AddDate(0, 0, -40+d[0])), ValidFraction: float64(d[1]) / 100}
		for i := range d[2] {
			day.Indices[i] = &satellite.Stats{Mean: 0.5}
		}
		s.Days = append(s.Days, day)
	}
	return answer{series: s}
}

func failed() answer { return answer{series: satellite.Series{Failed: 2}} }

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		point    point.Point
		answers  []answer
		seen     bool
		want     job.Outcome
		again    bool
		calls    int
		catalogs int
	}{
		{"an image of the day", at(40), []answer{series([3]int{0, 100, 7})}, false, job.Success, false, 1, 0},
		{"some indices", at(40), []answer{series([3]int{1, 80, 5})}, false, job.Partial, false, 1, 0},
		{"only in the wider window", at(40), []answer{series(), series([3]int{-12, 90, 7})}, false, job.Success, false, 2, 0},
		{"clouds in the narrow one, sun in the wider", at(40), []answer{series([3]int{0, 10, 7}), series([3]int{0, 10, 7}, [3]int{9, 90, 7})}, false, job.Success, false, 2, 0},
		{"clouds everywhere, for ever", at(40), []answer{series([3]int{0, 0, 0}), series([3]int{0, 0, 0})}, true, job.Clouded, false, 2, 0},
		{"clouds so far", at(5), []answer{series([3]int{35, 10, 7}), series([3]int{35, 10, 7})}, false, job.Clouded, true, 2, 0},
		{"no image, known place", at(40), []answer{series(), series()}, true, job.NoAcquisition, false, 2, 1},
		{"no image, open sea", at(40), []answer{series(), series()}, false, job.OutOfCoverage, false, 2, 1},
		{"no image yet: the catalog need not be asked", at(5), []answer{series(), series()}, false, job.NotYetAvailable, true, 2, 0},
		{"today", at(0), nil, false, job.NotYetAvailable, true, 0, 0},
		{"before the mission", at(365 * 12), nil, false, job.PreMission, false, 0, 0},
		{"without a place", point.Point{CollectedAt: now().AddDate(0, 0, -40)}, nil, false, job.NoLocation, false, 0, 0},
		{"near the pole", point.Point{Latitude: new(89.9), Longitude: new(0.0), CollectedAt: now().AddDate(0, 0, -40)}, nil, false, job.OutOfCoverage, false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := &imagery{answers: c.answers, seen: c.seen}
			e := &kinds.Enrich{Points: &points{point: c.point}, Imagery: i, Now: now}
			got, err := e.Run(t.Context(), &job.Job{Point: "p", Revision: 3})
			if err != nil || got.Outcome != c.want || got.Again != c.again {
				t.Errorf("got %+v, %v", got, err)
			}
			if len(i.windows) != c.calls || i.catalogs != c.catalogs {
				t.Errorf("%d calls and %d looks into the catalog, want %d and %d", len(i.windows), i.catalogs, c.calls, c.catalogs)
			}
			if (got.Analysis != nil) != c.want.Analysed() {
				t.Errorf("%s with analysis %+v", got.Outcome, got.Analysis)
			}
		})
	}
}

func TestAnalysisNamesItsOrigin(t *testing.T) {
	t.Parallel()
	i := &imagery{answers: []answer{series([3]int{3, 40, 7}), series([3]int{3, 40, 7}, [3]int{-9, 90, 7})}}
	e := &kinds.Enrich{Points: &points{point: at(40)}, Imagery: i, Now: now}
	got, err := e.Run(t.Context(), &job.Job{Point: "p", Revision: 3})
	if err != nil || got.Analysis == nil {
		t.Fatal(got, err)
	}
	a := got.Analysis
	if a.Point != "p" || a.Revision != 3 || a.DayOffset != -9 || a.TemporalQuality != "acceptable" || a.HalfSide != 60 || a.RequestID != "r" || a.ScriptVersion != satellite.ScriptVersion {
		t.Errorf("got %+v", a)
	}
	if a.PUSpent != 0.5 {
		t.Errorf("spent %v: both calls cost", a.PUSpent)
	}
	if i.areas[0] != satellite.AreaAround(55.7072, 12.5704, 12) || i.areas[0] != i.areas[1] {
		t.Errorf("asked for %+v", i.areas)
	}
	if want := satellite.Windows(at(40).CollectedAt, now()); i.windows[0] != want[0] || i.windows[1] != want[1] {
		t.Errorf("asked for %v, want %v", i.windows, want)
	}
}

func TestDoneOrGoneNeedsNoCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		points *points
		want   job.Outcome
	}{
		{"another job did it", &points{point: at(40), analysis: &satellite.Analysis{Job: "other"}}, job.AlreadyDone},
		{"the point was deleted", &points{err: job.Errorf(job.NotFound, "no data point")}, job.PointDeleted},
	} {
		i := &imagery{}
		e := &kinds.Enrich{Points: c.points, Imagery: i, Now: now}
		got, err := e.Run(t.Context(), &job.Job{})
		if err != nil || got.Outcome != c.want || got.Analysis != nil || got.Again || len(i.windows)+i.catalogs > 0 {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestErrorsKeepTheirCode(t *testing.T) {
	t.Parallel()
	limited := &job.Error{Code: job.ProviderRateLimit, Message: "429", RetryAfter: 3398 * time.Millisecond}
	for _, c := range []struct {
		name    string
		points  *points
		imagery *imagery
		want    job.Code
	}{
		{"the table", &points{err: job.Errorf(job.Throttled, "slow down")}, &imagery{}, job.Throttled},
		{"the table, without a code", &points{err: errors.New("odd")}, &imagery{}, job.Internal},
		{"the first call", &points{point: at(40)}, &imagery{answers: []answer{{err: limited}}}, job.ProviderRateLimit},
		{"the second call", &points{point: at(40)}, &imagery{answers: []answer{series(), {err: limited}}}, job.ProviderRateLimit},
		{"some days failed, and nothing else will do", &points{point: at(40)}, &imagery{answers: []answer{failed()}}, job.ProviderUnavailable},
		{"some days failed in the wider window", &points{point: at(40)}, &imagery{answers: []answer{series(), failed()}}, job.ProviderUnavailable},
		{"the catalog", &points{point: at(40)}, &imagery{answers: []answer{series(), series()}, seenErr: limited}, job.ProviderRateLimit},
	} {
		e := &kinds.Enrich{Points: c.points, Imagery: c.imagery, Now: now}
		got, err := e.Run(t.Context(), &job.Job{})
		if job.CodeOf(err) != c.want || got.Outcome != "" || got.Analysis != nil {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if coded, ok := errors.AsType[*job.Error](err); ok && coded.Code == job.ProviderRateLimit && coded.RetryAfter != limited.RetryAfter {
			t.Errorf("%s: the provider's wish is lost", c.name)
		}
	}
}

func TestFailedDaysDoNotHideAGoodOne(t *testing.T) {
	t.Parallel()
	good := series([3]int{0, 100, 7})
	good.series.Failed = 3
	e := &kinds.Enrich{Points: &points{point: at(40)}, Imagery: &imagery{answers: []answer{good}}, Now: now}
	if got, err := e.Run(t.Context(), &job.Job{}); err != nil || got.Outcome != job.Success {
		t.Errorf("got %+v, %v", got, err)
	}
	if e.Name() != kinds.EnrichName {
		t.Errorf("name %q", e.Name())
	}
}

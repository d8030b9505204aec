package kinds_test

import (
	"errors"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
)

// TestWhatNeedsNoCall: jobs that make no call wait for no slot of the limiter.
func TestWhatNeedsNoCall(t *testing.T) {
	t.Parallel()
	gone, down := job.Errorf(job.NotFound, "gone"), errors.New("unreachable")
	for _, c := range []struct {
		name   string
		points points
		kept   *satellite.Series // of the first window
		getErr error             // of the cache
		want   bool
		err    error
	}{
		{"nothing is known", points{point: at(40)}, nil, nil, true, nil},
		{"the point is gone", points{err: gone}, nil, nil, false, nil},
		{"the point cannot be read", points{err: down}, nil, nil, true, down},
		{"it is analysed already", points{point: at(40), analysis: &satellite.Analysis{}}, nil, nil, false, nil},
		{"too early for an image", points{point: at(0)}, nil, nil, false, nil},
		{"the answer is kept", points{point: at(40)}, new(series([3]int{0, 90, 7}).series), nil, false, nil},
		{"what is kept has no usable day: the wider window is asked for", points{point: at(40)}, new(series([3]int{0, 10, 7}).series), nil, true, nil},
		{"the cache cannot be read", points{point: at(40)}, new(series([3]int{0, 90, 7}).series), down, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			if c.kept != nil {
				m.imagery.answers = []answer{{series: *c.kept}}
				area := satellite.AreaAround(*c.points.point.Latitude, *c.points.point.Longitude, c.points.point.Accuracy)
				m.ask(t, area, satellite.Windows(c.points.point.CollectedAt, now())[0], false)
			}
			m.shelf.getErr = c.getErr
			e := &kinds.Enrich{Points: &c.points, Imagery: m, Now: now}
			got, err := e.NeedsCall(t.Context(), &job.Job{Kind: kinds.EnrichName, Point: "p", Revision: 3})
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("needs a call: %v, %v; want %v, %v", got, err, c.want, c.err)
			}
			if c.points.err == nil && c.points.analysis == nil && e.AsksProvider(t.Context(), kinds.EnrichName, &c.points.point) != c.want {
				t.Error("the point alone says otherwise")
			}
		})
	}
	e := &kinds.Enrich{Now: now}
	if e.AsksProvider(t.Context(), kinds.EnrichName, &point.Point{CollectedAt: now().Add(-time.Hour)}) {
		t.Error("a reading without a place asks the provider")
	}
	if some, err := e.NeedsCall(t.Context(), &job.Job{Kind: "another"}); !some || err != nil || !e.AsksProvider(t.Context(), "another", &point.Point{}) {
		t.Errorf("nothing is known of another kind: %v, %v", some, err)
	}
}

package cdse_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"orbitq/internal/local/cdse"
	"orbitq/internal/local/scene"
)

// noon is an instant of August 2025.
func noon(day int) time.Time {
	return time.Date(2025, 8, day, 12, 0, 0, 0, time.UTC)
}

// asked is a request about a place in a span of days of 2025.
func asked(lon, lat float64, from, to string) body {
	return request(fullScript(), box60(lon, lat), "OGC/1.3/CRS84").
		with("aggregation.timeRange.from", from+"T00:00:00Z").with("aggregation.timeRange.to", to+"T00:00:00Z")
}

// forest has a clear and a clouded pass on one day, and snow later.
func forest() cdse.Place {
	return cdse.Place{Name: "forest", Lat: 55.7, Lon: 12.5, Passes: []cdse.Pass{
		{At: noon(15), Cover: scene.Vegetation, CloudCover: 10},
		{At: noon(15).Add(2 * time.Hour), Cover: scene.Cloud, CloudCover: 90},
		{At: noon(20), Cover: scene.Snow, CloudCover: 20},
	}}
}

func (s *service) places(t *testing.T, places ...cdse.Place) {
	t.Helper()
	if err := s.server.SetPlaces(places...); err != nil {
		t.Fatal(err)
	}
}

// TestAPlaceAnswersOnItsDays: each day with a pass is an interval, with the pixels that were said to be there.
func TestAPlaceAnswersOnItsDays(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.places(t, forest())
	got, header := s.ask(t, asked(12.5, 55.7, "2025-08-08", "2025-08-23"))
	if got.Status != "OK" || len(got.Data) != 2 {
		t.Fatalf("answer %+v", got)
	}
	forestDay, snowDay := got.Data[0], got.Data[1]
	if forestDay.Interval.From != "2025-08-15T00:00:00Z" || snowDay.Interval.From != "2025-08-20T00:00:00Z" {
		t.Errorf("days %v, %v", forestDay.Interval, snowDay.Interval)
	}
	ndvi := forestDay.Outputs["indices"].Bands["ndvi"].Stats
	if mean := ndvi.mean(t); mean < 0.8 || mean > 0.9 || ndvi.SampleCount != 144 || ndvi.NoDataCount != 0 {
		t.Errorf("forest %+v", ndvi)
	}
	if snow := snowDay.Outputs["quality"].Bands["snow"].Stats; snow.mean(t) != 1 {
		t.Errorf("snow %+v", snow)
	}
	// Two acquisitions cost what two cost, and the clouded pass of the first day is not shown.
	if pu := header.Get("x-processingunits-spent"); !strings.HasPrefix(pu, "0.1066666") {
		t.Errorf("cost %s", pu)
	}
}

// TestWhereAPlaceDoesNotAnswer asks beside it, outside of its days, below its clouds, and before it is published.
func TestWhereAPlaceDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	late := cdse.Place{Name: "late", Lat: 0, Lon: 0, Passes: []cdse.Pass{
		{At: noon(15), Cover: scene.Bare, Published: s.clock.read().Add(time.Hour)},
	}}
	s.places(t, forest(), late)
	cases := []struct {
		name string
		ask  body
		days int
	}{
		{"its edge", asked(12.519, 55.719, "2025-08-08", "2025-08-23"), 2},
		{"beside it", asked(12.521, 55.7, "2025-08-08", "2025-08-23"), 0},
		{"north of it", asked(12.5, 55.721, "2025-08-08", "2025-08-23"), 0},
		{"between its days", asked(12.5, 55.7, "2025-08-16", "2025-08-20"), 0},
		{"one day", asked(12.5, 55.7, "2025-08-15", "2025-08-16"), 1},
		{"less cloud", asked(12.5, 55.7, "2025-08-08", "2025-08-23").with("input.data", []any{map[string]any{
			"type": "sentinel-2-l2a", "dataFilter": map[string]any{"maxCloudCoverage": 15},
		}}), 1},
		{"not yet published", asked(0, 0, "2025-08-08", "2025-08-23"), 0},
	}
	for _, c := range cases {
		if got, _ := s.ask(t, c.ask); len(got.Data) != c.days || got.Status != "OK" {
			t.Errorf("%s: %d days, %s; want %d", c.name, len(got.Data), got.Status, c.days)
		}
	}
	s.clock.advance(time.Hour)
	s.login(t)
	if got, _ := s.ask(t, asked(0, 0, "2025-08-08", "2025-08-23")); len(got.Data) != 1 {
		t.Errorf("published: %+v", got)
	}
	s.places(t)
	if got, _ := s.ask(t, asked(0, 0, "2025-08-08", "2025-08-23")); len(got.Data) != 0 {
		t.Errorf("taken away: %+v", got)
	}
}

// TestTheCatalogKnowsPlaces: every pass is a feature whose name says that it is made up.
func TestTheCatalogKnowsPlaces(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.places(t, forest(), cdse.Place{Name: "south", Lat: -16.8, Lon: 179.9998, Passes: []cdse.Pass{{At: noon(1), Cover: scene.Water}}})
	year := `{"collections":["sentinel-2-l2a"],"datetime":"2025-01-01T00:00:00Z/2025-12-31T00:00:00Z"`
	got := s.search(t, year+`,"bbox":[12.49,55.69,12.51,55.71]}`)
	if len(got.Features) != 3 || !strings.Contains(string(got.Features[0]), `"id":"STAND-IN_forest_20250815T120000"`) {
		t.Errorf("features %s", got.Features)
	}
	if got := s.search(t, year+`,"bbox":[12.49,55.69,12.51,55.71],"distinct":"date"}`); len(got.Features) != 2 || string(got.Features[1]) != `"2025-08-20"` {
		t.Errorf("dates %s", got.Features)
	}
	got = s.search(t, year+`,"bbox":[179.99,-16.81,180,-16.79]}`)
	var f struct {
		BBox       [4]float64
		Properties map[string]any
	}
	if len(got.Features) != 1 || json.Unmarshal(got.Features[0], &f) != nil || f.Properties["proj:epsg"] != 32760.0 || f.BBox[1] != -16.8-cdse.PlaceReach {
		t.Errorf("feature %s", got.Features)
	}
	if got := s.search(t, year+`,"bbox":[13,55,14,56]}`); len(got.Features) != 0 {
		t.Errorf("elsewhere %s", got.Features)
	}
}

// TestFaultsOfSeveralDays: all fail, or a neighbour of them fails and they stay.
func TestFaultsOfSeveralDays(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.places(t, forest())
	for _, c := range []struct {
		kind      cdse.FaultKind
		from, to  string
		status    string
		good, bad int
	}{
		{cdse.FaultFailed, "2025-08-08", "2025-08-23", "FAILED", 0, 2},
		{cdse.FaultPartial, "2025-08-08", "2025-08-23", "PARTIAL", 2, 1},
		{cdse.FaultPartial, "2025-08-14", "2025-08-21", "PARTIAL", 2, 1},
		{cdse.FaultEmpty, "2025-08-08", "2025-08-23", "OK", 0, 0},
	} {
		s.faults(t, cdse.Fault{Kind: c.kind})
		res := s.post(t, cdse.StatisticsPath, asked(12.5, 55.7, c.from, c.to).json(t))
		var got answer
		if err := json.Unmarshal(res.body, &got); err != nil || res.status != http.StatusOK {
			t.Fatalf("%s: %d %s", c.kind, res.status, res.body)
		}
		bad := 0
		for i, d := range got.Data {
			if d.Error != nil {
				bad++
			}
			if i > 0 && d.Interval.From <= got.Data[i-1].Interval.From {
				t.Errorf("%s: the intervals are not in order", c.kind)
			}
		}
		if got.Status != c.status || bad != c.bad || len(got.Data)-bad != c.good {
			t.Errorf("%s from %s: %s with %d of %d failed", c.kind, c.from, got.Status, bad, len(got.Data))
		}
	}
}

// TestBadPlacesAreRefusedAndTheOldOnesStay tells a mistake in a table from a place without images.
func TestBadPlacesAreRefusedAndTheOldOnesStay(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.places(t, forest())
	pass := []cdse.Pass{{At: noon(15), Cover: scene.Bare}}
	for _, p := range []cdse.Place{
		{Lat: 1, Lon: 1, Passes: pass},
		{Name: "no passes", Lat: 1, Lon: 1},
		{Name: "latitude", Lat: 91, Passes: pass},
		{Name: "longitude", Lon: -181, Passes: pass},
		{Name: "no time", Passes: []cdse.Pass{{Cover: scene.Bare}}},
		{Name: "no pixels", Passes: []cdse.Pass{{At: noon(15), Cover: scene.Shadow}}},
	} {
		if err := s.server.SetPlaces(forest(), p); err == nil {
			t.Errorf("%+v was taken", p)
		}
	}
	if got, _ := s.ask(t, asked(12.5, 55.7, "2025-08-15", "2025-08-16")); len(got.Data) != 1 {
		t.Errorf("the old place is gone: %+v", got)
	}
}

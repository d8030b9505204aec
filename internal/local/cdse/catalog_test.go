package cdse_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"orbitq/internal/local/cdse"
)

type searchAnswer struct {
	Type     string            `json:"type"`
	Features []json.RawMessage `json:"features"`
	Context  struct {
		Next, Limit, Returned int
	} `json:"context"`
}

func (s *service) search(t *testing.T, text string) searchAnswer {
	t.Helper()
	res := s.post(t, cdse.CatalogPath, text)
	var got searchAnswer
	if err := json.Unmarshal(res.body, &got); err != nil || res.status != http.StatusOK {
		t.Fatalf("search %s: %d %s", text, res.status, res.body)
	}
	if got.Type != "FeatureCollection" || got.Context.Returned != len(got.Features) || got.Features == nil {
		t.Errorf("search %s: %s", text, res.body)
	}
	return got
}

// searchFor completes a search of the scene's year with further members.
func searchFor(members string) string {
	return `{"collections":["sentinel-2-l2a"],"datetime":"2020-01-01T00:00:00Z/2020-12-31T00:00:00Z"` + members + `}`
}

func TestTheFeature(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.search(t, searchFor(`,"bbox":[-11.3,25.0,-11.2,25.1],"fields":{"include":["id"]}`))
	if len(got.Features) != 1 || got.Context.Limit != 10 || got.Context.Next != 0 {
		t.Fatalf("answer %+v", got)
	}
	var f struct {
		ID, Type, Collection string
		BBox                 [4]float64
		Geometry             struct {
			Type        string
			Coordinates [][][2]float64
		}
		Properties map[string]any
	}
	if err := json.Unmarshal(got.Features[0], &f); err != nil {
		t.Fatal(err)
	}
	if f.ID != "S2A_MSIL2A_20200219T112111_N0214_R037_T29RKH_20200219T123947.SAFE" || f.Type != "Feature" || f.Collection != "sentinel-2-l2a" {
		t.Errorf("feature %s", got.Features[0])
	}
	ring := f.Geometry.Coordinates[0]
	if f.Geometry.Type != "Polygon" || len(ring) != 5 || ring[0] != ring[4] {
		t.Errorf("geometry %+v", f.Geometry)
	}
	p := f.Properties
	if p["datetime"] != "2020-02-19T11:34:25Z" || p["eo:cloud_cover"] != 4.051854 || p["platform"] != "sentinel-2a" || p["proj:epsg"] != 32629.0 {
		t.Errorf("properties %v", p)
	}
}

func TestSearches(t *testing.T) {
	t.Parallel()
	s := start(t)
	with := func(members string) string { return searchFor("," + members) }
	at := func(when string) string { return `{"collections":["sentinel-2-l2a"],"datetime":"` + when + `"}` }
	cases := []struct {
		name, body string
		found      int
	}{
		{"everywhere", searchFor(""), 1},
		{"box around", with(`"bbox":[-180,-90,180,90]`), 1},
		{"box at a corner", with(`"bbox":[-10.96,24.8,-10.9,24.85]`), 1},
		{"box in the footprint's box, not in the footprint", with(`"bbox":[-11.471,24.8341,-11.4705,24.8345]`), 0},
		{"box across, no corner inside", with(`"bbox":[-12,25,-10,25.01]`), 1},
		{"box elsewhere", with(`"bbox":[12,55,13,56]`), 0},
		{"point", with(`"intersects":{"type":"Point","coordinates":[-11.2,25.0]}`), 1},
		{"point elsewhere", with(`"intersects":{"type":"Point","coordinates":[12.5,55.7]}`), 0},
		{"line through", with(`"intersects":{"type":"LineString","coordinates":[[-12,25],[-10,25.1]]}`), 1},
		{"line that would only touch if closed", with(`"intersects":{"type":"LineString","coordinates":[[-12,24],[-12,26],[-10,26]]}`), 0},
		{"polygon", with(`"intersects":{"type":"Polygon","coordinates":[[[-12,24],[-10,24],[-10,26],[-12,24]]]}`), 1},
		{"polygons", with(`"intersects":{"type":"MultiPolygon","coordinates":[[[[1,1],[2,1],[2,2],[1,1]]],[[[-12,24],[-10,24],[-10,26],[-12,24]]]]}`), 1},
		{"instant", at("2020-02-19T11:34:25.405Z"), 1},
		{"other instant", at("2020-02-19T11:34:26Z"), 0},
		{"until", at("../2020-02-19T12:00:00Z"), 1},
		{"since", at("2020-02-19T12:00:00Z/.."), 0},
		{"before", at("2020-01-01T00:00:00Z/2020-02-19T00:00:00Z"), 0},
		{"cloud below", with(`"filter":"eo:cloud_cover < 5","filter-lang":"cql2-text"`), 1},
		{"cloud too low", with(`"filter":"eo:cloud_cover<=4"`), 0},
		{"cloud above", with(`"filter":"eo:cloud_cover > 4.05"`), 1},
		{"cloud at least", with(`"filter":"eo:cloud_cover >= 4.051854"`), 1},
		{"cloud exactly", with(`"filter":"eo:cloud_cover = 4"`), 0},
		{"no filter", with(`"filter":""`), 1},
		{"next page", with(`"next":1`), 0},
		{"far page", with(`"next":999,"limit":1`), 0},
	}
	for _, c := range cases {
		if got := s.search(t, c.body); len(got.Features) != c.found {
			t.Errorf("%s: %d features, want %d", c.name, len(got.Features), c.found)
		}
	}
}

func TestDistinctDates(t *testing.T) {
	t.Parallel()
	got := start(t).search(t, searchFor(`,"distinct":"date"`))
	if len(got.Features) != 1 || string(got.Features[0]) != `"2020-02-19"` {
		t.Errorf("features %s", got.Features)
	}
}

func TestBadSearches(t *testing.T) {
	t.Parallel()
	s := start(t)
	with := func(members string) string { return searchFor("," + members) }
	for _, c := range []struct{ name, body, parameter string }{
		{"no collections", `{"datetime":"2020-01-01T00:00:00Z/.."}`, "collections"},
		{"other collection", `{"datetime":"2020-01-01T00:00:00Z/..","collections":["sentinel-2-l2a","sentinel-1-grd"]}`, "collections"},
		{"no time", `{"collections":["sentinel-2-l2a"]}`, "datetime"},
		{"open time", `{"collections":["sentinel-2-l2a"],"datetime":"../.."}`, "datetime"},
		{"bad time", `{"collections":["sentinel-2-l2a"],"datetime":"2020"}`, "datetime"},
		{"backwards", `{"collections":["sentinel-2-l2a"],"datetime":"2020-01-02T00:00:00Z/2020-01-01T00:00:00Z"}`, "datetime"},
		{"limit 0", with(`"limit":0`), "limit"},
		{"limit 101", with(`"limit":101`), "limit"},
		{"next", with(`"next":-1`), "next"},
		{"box", with(`"bbox":[1,2,3]`), "bbox"},
		{"box beyond", with(`"bbox":[179,0,181,1]`), "bbox"},
		{"both areas", with(`"bbox":[1,2,3,4],"intersects":{"type":"Point","coordinates":[1,2]}`), "bbox"},
		{"geometry", with(`"intersects":{"type":"Circle","coordinates":[1,2]}`), "intersects"},
		{"geometry of text", with(`"intersects":"here"`), "intersects"},
		{"empty polygon", with(`"intersects":{"type":"Polygon","coordinates":[]}`), "intersects"},
		{"short ring", with(`"intersects":{"type":"Polygon","coordinates":[[[1,2],[3,4]]]}`), "intersects"},
		{"empty line", with(`"intersects":{"type":"LineString","coordinates":[]}`), "intersects"},
		{"distinct", with(`"distinct":"month"`), "distinct"},
		{"filter", with(`"filter":"platform = 'x'"`), "filter"},
		{"json filter", with(`"filter":{"op":"<"}`), "filter"},
	} {
		res := s.post(t, cdse.CatalogPath, c.body)
		p := res.problem(t)
		if res.status != 400 || len(p.Error.Errors) == 0 || !strings.HasPrefix(p.Error.Errors[0].Parameter, c.parameter) {
			t.Errorf("%s: %d %s", c.name, res.status, res.body)
		}
	}
}

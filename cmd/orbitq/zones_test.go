package main

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"orbitq/internal/client"
)

func TestZonesOf(t *testing.T) {
	t.Parallel()
	const ring = `[[20,10],[21,10],[21,11]]`
	corners := [][2]float64{{20, 10}, {21, 10}, {21, 11}}
	named := func(names ...string) []client.Zone {
		var all []client.Zone
		for _, name := range names {
			all = append(all, client.Zone{Name: name, Ring: corners})
		}
		return all
	}
	polygon := `{"type":"Polygon","coordinates":[` + ring + `]}`
	for _, c := range []struct {
		name, in string
		want     []client.Zone
		fault    string // in the error
	}{
		{"a list of ours", `[{"name":"a","ring":` + ring + `}]`, named("a"), ""},
		{"what the command shows", `{"id":"dunes","zones":[{"name":"a","ring":` + ring + `}]}`, named("a"), ""},
		{"a polygon", polygon, named("zone 1"), ""},
		{"many polygons", `{"type":"MultiPolygon","coordinates":[[` + ring + `],[` + ring + `]]}`, named("zone 1", "zone 2"), ""},
		{"a feature with a name", `{"type":"Feature","properties":{"name":"north"},"geometry":` + polygon + `}`, named("north"), ""},
		{"a name that is a number", `{"type":"Feature","properties":{"name":7},"geometry":` + polygon + `}`, named("zone 1"), ""},
		{
			"features", `{"type":"FeatureCollection","features":[{"type":"Feature","properties":null,"geometry":` + polygon +
				`},{"type":"Feature","properties":{"name":"b"},"geometry":{"type":"GeometryCollection","geometries":[` + polygon + `]}}]}`, named("zone 1", "b"), "",
		},
		{"an altitude", `{"type":"Polygon","coordinates":[[[20,10,300],[21,10,300],[21,11]]]}`, named("zone 1"), ""},
		{"no features", `{"type":"FeatureCollection","features":[]}`, nil, ""},

		{"a hole", `{"type":"Polygon","coordinates":[` + ring + `,` + ring + `]}`, nil, "one ring, without holes, not of 2 rings"},
		{"no ring", `{"type":"Polygon","coordinates":[]}`, nil, "not of 0 rings"},
		{"no coordinates", `{"type":"Polygon"}`, nil, "decode polygon"},
		{"coordinates of something else", `{"type":"MultiPolygon","coordinates":[` + ring + `]}`, nil, "decode polygons"},
		{"half a position", `{"type":"Polygon","coordinates":[[[20]]]}`, nil, "a position has no longitude and latitude"},
		{"a line", `{"type":"LineString","coordinates":` + ring + `}`, nil, `not a "LineString"`},
		{"a feature of nothing", `{"type":"Feature","geometry":null}`, nil, "a feature has no geometry"},
		{"not finite", `{"type":"Polygon","coordinates":[[[1e999,0]]]}`, nil, "decode polygon"},
		{"no number", `[{"name":"a","ring":[[NaN,0]]}]`, nil, "decode list of zones"},
		{"nothing", ``, nil, "decode zones"},
		{"a word", `dunes`, nil, "decode zones"},
	} {
		got, err := zonesOf([]byte(c.in))
		if c.fault == "" && (err != nil || !reflect.DeepEqual(got, c.want)) {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, got, err, c.want)
		}
		if c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: got %v, want it to say %q", c.name, err, c.fault)
		}
	}
}

// What is shown can be set again, whatever it is.
func TestZonesComeBack(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 11))
	for range 300 {
		z := client.Zones{CampaignID: "dunes"}
		for range 1 + rng.IntN(4) {
			zone := client.Zone{Name: string(rune('a' + rng.IntN(26)))}
			for range 3 + rng.IntN(9) {
				zone.Ring = append(zone.Ring, [2]float64{360*rng.Float64() - 180, math.Round(1e7*(180*rng.Float64()-90)) / 1e7})
			}
			z.Zones = append(z.Zones, zone)
		}
		raw, err := json.Marshal(z)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		if got, err := zonesOf(raw); err != nil || !reflect.DeepEqual(got, z.Zones) {
			t.Fatalf("got %+v, %v, want %+v", got, err, z.Zones)
		}
	}
}

func TestZonesAreShownWithTheirBox(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []client.Zone
		want string
	}{
		{"none", nil, "no zones: readings of dunes may be anywhere\n"},
		{"one", []client.Zone{{Name: "n", Ring: [][2]float64{{-11.5, 25}, {-11, 25.25}, {-11.25, 24}}}}, "ZONE  CORNERS  LATITUDE     LONGITUDE\nn     3        24 to 25.25  -11.5 to -11\n"},
	} {
		var out strings.Builder
		if err := writeZones(&out, &client.Zones{CampaignID: "dunes", Zones: c.in}); err != nil || out.String() != c.want {
			t.Errorf("%s: got\n%s, %v, want\n%s", c.name, &out, err, c.want)
		}
	}
}

package cdse

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestMomentsEqualTheNaiveFormulas compares the running sums with the textbook over the written-out sample.
func TestMomentsEqualTheNaiveFormulas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var m moments
		var kept []float64
		total := 0
		for range rapid.IntRange(0, 20).Draw(t, "values") {
			value := rapid.OneOf(rapid.Float64Range(-3, 3), rapid.Just(math.NaN()), rapid.Just(math.Inf(1))).Draw(t, "value")
			count, masked := rapid.IntRange(1, 50).Draw(t, "count"), rapid.Bool().Draw(t, "masked")
			m.add(value, count, masked)
			total += count
			for range count {
				if !masked && !math.IsNaN(value) && !math.IsInf(value, 0) {
					kept = append(kept, value)
				}
			}
		}
		got := m.stats()
		if got.SampleCount != total || got.NoDataCount != total-len(kept) {
			t.Fatalf("counts %+v of %d, %d kept", got, total, len(kept))
		}
		compareNaive(t, got, kept)
	})
}

func compareNaive(t *rapid.T, got bandStats, kept []float64) {
	if len(kept) == 0 {
		if !math.IsNaN(float64(got.Mean)) || !math.IsNaN(float64(got.Min)) || !math.IsNaN(float64(got.StDev)) {
			t.Fatalf("nothing kept gives %+v", got)
		}
		return
	}
	sum, squares := 0.0, 0.0
	for _, v := range kept {
		sum += v
	}
	mean := sum / float64(len(kept))
	for _, v := range kept {
		squares += (v - mean) * (v - mean)
	}
	want := map[string][2]float64{
		"mean": {float64(got.Mean), mean}, "stDev": {float64(got.StDev), math.Sqrt(squares / float64(len(kept)))},
		"min": {float64(got.Min), slices.Min(kept)}, "max": {float64(got.Max), slices.Max(kept)},
	}
	for name, pair := range want {
		if math.Abs(pair[0]-pair[1]) > 1e-9 {
			t.Fatalf("%s = %v, want %v", name, pair[0], pair[1])
		}
	}
}

// TestIntervalsEqualTheirEnumeration compares the search with a walk through all intervals of the range.
func TestIntervalsEqualTheirEnumeration(t *testing.T) {
	t.Parallel()
	base := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	moment := func(t *rapid.T, name string) time.Time {
		return base.Add(time.Duration(rapid.IntRange(0, 24*400).Draw(t, name)) * time.Hour)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom([]period{{days: 1}, {days: 3}, {days: 10}, {days: 14}, {months: 1}, {months: 5}, {hours: 36 * time.Hour}}).Draw(t, "period")
		last := rapid.SampledFrom([]string{lastSkip, lastShorten, lastExtend}).Draw(t, "last")
		whole, instant := span{moment(t, "from"), moment(t, "to")}, moment(t, "instant")
		if !whole.From.Before(whole.To) {
			return
		}
		got, ok := intervalAt(whole, p, last, instant)
		want, found := walk(whole, p, last, instant)
		if ok != found || ok && got != want {
			t.Fatalf("interval %v %v, want %v %v", got, ok, want, found)
		}
	})
}

func walk(whole span, p period, last string, instant time.Time) (span, bool) {
	for k := 0; p.after(whole.From, k).Before(whole.To); k++ {
		s := span{p.after(whole.From, k), p.after(whole.From, k+1)}
		if s.To.After(whole.To) {
			switch last {
			case lastSkip:
				continue
			case lastShorten:
				s.To = whole.To
			}
		}
		if s.holds(instant) {
			return s, true
		}
	}
	return span{}, false
}

// TestCoverageEqualsCounting lays a random raster over the scene's own zone and counts by plain division.
func TestCoverageEqualsCounting(t *testing.T) {
	t.Parallel()
	s, err := New(Config{ClientID: "a", ClientSecret: "b"})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		west, south := rapid.Float64Range(250_000, 303_000).Draw(t, "west"), rapid.Float64Range(2_748_000, 2_801_000).Draw(t, "south")
		box := [4]float64{west, south, west + rapid.Float64Range(1, 5000).Draw(t, "dx"), south + rapid.Float64Range(1, 5000).Draw(t, "dy")}
		width, height := rapid.IntRange(1, 30).Draw(t, "width"), rapid.IntRange(1, 30).Draw(t, "height")
		want := map[int]int{}
		for i := range width * height {
			x := box[0] + (float64(i%width)+0.5)*(box[2]-box[0])/float64(width)
			y := box[3] - (float64(i/width)+0.5)*(box[3]-box[1])/float64(height)
			want[plainPixel(x, y)]++
		}
		got := cover(s.scene, transverse{s.scene.Zone()}, box, width, height)
		if got.total != width*height || got.hit() != (want[outside] < width*height) {
			t.Fatalf("coverage %+v, want %v", got, want)
		}
		for pixel, n := range want {
			if got.counts[pixel] != n {
				t.Fatalf("pixel %d occurs %d times, want %d", pixel, got.counts[pixel], n)
			}
		}
	})
}

func plainPixel(x, y float64) int {
	if x < 251180 || x >= 302380 || y <= 2748820 || y > 2800020 {
		return outside
	}
	return int((2800020-y)/200)*256 + int((x-251180)/200)
}

// TestTouchingIsNeverMissed throws triangles at a square: a common point, found by sampling, must be noticed, and
// bounding boxes that are apart must not be.
func TestTouchingIsNeverMissed(t *testing.T) {
	t.Parallel()
	square := ring{{0, 0}, {10, 0}, {10, 10}, {0, 10}}
	corner := rapid.Custom(func(t *rapid.T) lonLat {
		return lonLat{rapid.Float64Range(-10, 20).Draw(t, "x"), rapid.Float64Range(-10, 20).Draw(t, "y")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := corner.Draw(t, "a"), corner.Draw(t, "b"), corner.Draw(t, "c")
		touches := shape{{outer: ring{a, b, c, a}, closed: true}}.touches(square)
		common := false
		const steps = 40
		for i := range steps + 1 {
			for j := range steps + 1 - i {
				u, v := float64(i)/steps, float64(j)/steps
				x, y := a[0]+u*(b[0]-a[0])+v*(c[0]-a[0]), a[1]+u*(b[1]-a[1])+v*(c[1]-a[1])
				common = common || x > 1e-6 && x < 10-1e-6 && y > 1e-6 && y < 10-1e-6
			}
		}
		if common && !touches {
			t.Fatalf("triangle %v %v %v is missed", a, b, c)
		}
		const gap = 1e-6 // closer than this, rounding decides
		apart := max(a[0], b[0], c[0]) < -gap || min(a[0], b[0], c[0]) > 10+gap || max(a[1], b[1], c[1]) < -gap || min(a[1], b[1], c[1]) > 10+gap
		if touches && apart {
			t.Fatalf("triangle %v %v %v is apart", a, b, c)
		}
	})
}

// TestFaultPlanEqualsItsDescription replays a call sequence against the sentence that documents the rules.
func TestFaultPlanEqualsItsDescription(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules := make([]Fault, rapid.IntRange(0, 4).Draw(t, "rules"))
		for i := range rules {
			rules[i] = Fault{
				Kind:     rapid.SampledFrom([]FaultKind{FaultRateLimit, FaultUnavailable, FaultQuota}).Draw(t, "kind"),
				Endpoint: rapid.SampledFrom([]string{"", EndpointToken, EndpointStatistics}).Draw(t, "endpoint"),
				Nth:      rapid.IntRange(0, 4).Draw(t, "nth"), Count: rapid.IntRange(0, 3).Draw(t, "count"),
			}
		}
		p := plan{rules: rules, seen: make([]int, len(rules))}
		matched := make([]int, len(rules))
		for range 12 {
			endpoint := rapid.SampledFrom([]string{EndpointToken, EndpointStatistics}).Draw(t, "call")
			want := FaultKind("")
			for i, rule := range rules {
				if rule.Endpoint != "" && rule.Endpoint != endpoint {
					continue
				}
				matched[i]++
				first := max(1, rule.Nth)
				if want == "" && matched[i] >= first && (rule.Count == 0 || matched[i] <= first+rule.Count-1) {
					want = rule.Kind
				}
			}
			if got := p.next(endpoint, nil).Kind; got != want {
				t.Fatalf("call to %s suffers %q, want %q", endpoint, got, want)
			}
		}
	})
}

func TestNumbersAreJSON(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{0: "0", 0.25: "0.25", -1e-9: "-1e-9", math.Inf(1): ""} {
		raw, err := json.Marshal(number(value))
		if string(raw) != want || (err == nil) != (want != "") {
			t.Errorf("%v is written as %s (%v), want %s", value, raw, err, want)
		}
	}
	if raw, err := json.Marshal(number(math.NaN())); err != nil || string(raw) != `"NaN"` {
		t.Errorf("NaN is written as %s (%v)", raw, err)
	}
}

func TestPeriods(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]period{
		"P1D": {days: 1}, "P30D": {days: 30}, "P2W": {days: 14}, "P1M": {months: 1}, "PT24H": {hours: 24 * time.Hour}, "PT100H": {hours: 100 * time.Hour},
	} {
		if got, ok := parsePeriod(text); !ok || got != want {
			t.Errorf("%s is %+v (%v), want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "P", "1D", "P0D", "P-1D", "P1.5D", "PT23H", "PT1440M", "P1DT1H", "p1d", "P1D ", "P1Y", "P99999D", "P1H", "PT1D"} {
		if got, ok := parsePeriod(text); ok {
			t.Errorf("%q is accepted as %+v", text, got)
		}
	}
}

func TestReferenceSystems(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", "http://www.opengis.net/def/crs/OGC/1.3/CRS84", "https://www.opengis.net/def/crs/EPSG/0/4326",
		"http://www.opengis.net/def/crs/EPSG/0/3857", "http://www.opengis.net/def/crs/EPSG/0/32601", "http://www.opengis.net/def/crs/EPSG/0/32760",
	} {
		if system, ok := parseCRS(name); !ok || system == nil {
			t.Errorf("%q is unknown", name)
		}
	}
	for _, name := range []string{
		"EPSG:4326", "http://www.opengis.net/def/crs/EPSG/0/4258", "http://www.opengis.net/def/crs/EPSG/0/32700",
		"http://www.opengis.net/def/crs/EPSG/0/99999", "http://www.opengis.net/def/crs/EPSG/0/4326/", "ftp://www.opengis.net/def/crs/EPSG/0/4326",
	} {
		if _, ok := parseCRS(name); ok {
			t.Errorf("%q is accepted", name)
		}
	}
}

// TestPositionsOfEverySystem takes one place, Copenhagen's park, through each of them.
func TestPositionsOfEverySystem(t *testing.T) {
	t.Parallel()
	for name, xy := range map[string][2]float64{
		"OGC/1.3/CRS84": {12.5704, 55.7072}, "EPSG/0/4326": {12.5704, 55.7072},
		"EPSG/0/32632": {724305.63765, 6179269.53997}, "EPSG/0/3857": {1399330.527068, 7500346.903770},
	} {
		system, ok := parseCRS("http://www.opengis.net/def/crs/" + name)
		if !ok {
			t.Fatalf("%s is unknown", name)
		}
		lon, lat := system.lonLat(xy[0], xy[1])
		if math.Abs(lon-12.5704) > 1e-7 || math.Abs(lat-55.7072) > 1e-7 {
			t.Errorf("%s: %v, %v", name, lon, lat)
		}
	}
}

func TestTheCallLogIsBounded(t *testing.T) {
	t.Parallel()
	j := newJournal()
	for i := range keepCalls + 5 {
		j.add(Call{Endpoint: EndpointToken, Status: i})
	}
	if len(j.list) > keepCalls || j.list[len(j.list)-1].Status != keepCalls+4 || j.counts[EndpointToken] != keepCalls+5 {
		t.Errorf("%d calls kept, %d counted", len(j.list), j.counts[EndpointToken])
	}
	for i := 1; i < len(j.list); i++ {
		if j.list[i].Status != j.list[i-1].Status+1 {
			t.Fatalf("call %d is followed by %d", j.list[i-1].Status, j.list[i].Status)
		}
	}
}

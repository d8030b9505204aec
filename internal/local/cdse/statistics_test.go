package cdse_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"orbitq/internal/local/cdse"
)

// script wraps a body of evaluatePixel that sees the sample as s and returns one FLOAT32 output "o" of one band.
func script(value, mask string) string {
	return fmt.Sprintf(`//VERSION=3
function setup() { return {input: ["B04", "SCL", "dataMask"], output: [{id: "o", bands: 1}, {id: "dataMask", bands: 1}]}; }
function evaluatePixel(s) { return {o: [%s], dataMask: [%s]}; }`, value, mask)
}

func TestOneIntervalPerAcquisition(t *testing.T) {
	t.Parallel()
	s := start(t)
	const day = "2020-02-19T00:00:00Z"
	cases := []struct {
		name, from, to, of, last string
		want                     string // the interval, or empty
	}{
		{"days", "2020-02-12T00:00:00Z", "2020-02-27T00:00:00Z", "P1D", "", day + " 2020-02-20T00:00:00Z"},
		{"the day alone", day, "2020-02-20T00:00:00Z", "P1D", "", day + " 2020-02-20T00:00:00Z"},
		{"the day before", "2020-02-18T00:00:00Z", day, "P1D", "", ""},
		{"the day after", "2020-02-20T00:00:00Z", "2020-02-21T00:00:00Z", "P1D", "", ""},
		{"cut by the end", day, "2020-02-19T23:59:59Z", "P1D", "", ""},
		{"cut, shortened", day, "2020-02-19T23:59:59Z", "P1D", "SHORTEN", day + " 2020-02-19T23:59:59Z"},
		{"cut before the image", day, "2020-02-19T10:00:00Z", "P1D", "SHORTEN", ""},
		{"cut, extended", day, "2020-02-19T10:00:00Z", "P1D", "EXTEND", day + " 2020-02-20T00:00:00Z"},
		{"from noon", "2020-02-17T12:00:00Z", "2020-02-22T12:00:00Z", "P1D", "", "2020-02-18T12:00:00Z 2020-02-19T12:00:00Z"},
		{"ten days", "2020-02-01T00:00:00Z", "2020-03-01T00:00:00Z", "P10D", "", "2020-02-11T00:00:00Z 2020-02-21T00:00:00Z"},
		{"ten days, skipped", "2020-02-01T00:00:00Z", "2020-02-20T00:00:00Z", "P10D", "SKIP", ""},
		{"weeks", "2020-02-03T00:00:00Z", "2020-03-02T00:00:00Z", "P2W", "", "2020-02-17T00:00:00Z 2020-03-02T00:00:00Z"},
		{"months", "2019-12-01T00:00:00Z", "2020-06-01T00:00:00Z", "P1M", "", "2020-02-01T00:00:00Z 2020-03-01T00:00:00Z"},
		{"hours", "2020-02-18T00:00:00Z", "2020-02-22T00:00:00Z", "PT48H", "", "2020-02-18T00:00:00Z 2020-02-20T00:00:00Z"},
		{"offset", "2020-02-19T02:00:00+02:00", "2020-02-20T02:00:00+02:00", "P1D", "", day + " 2020-02-20T00:00:00Z"},
		{"all time", "0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "P1D", "", day + " 2020-02-20T00:00:00Z"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := request(script("1", "1"), clearBox, epsg29).
				with("aggregation.timeRange.from", c.from).with("aggregation.timeRange.to", c.to).
				with("aggregation.aggregationInterval.of", c.of)
			if c.last != "" {
				b.with("aggregation.aggregationInterval.lastIntervalBehavior", c.last)
			}
			got, _ := s.ask(t, b)
			found := ""
			if len(got.Data) == 1 {
				found = got.Data[0].Interval.From + " " + got.Data[0].Interval.To
			}
			if got.Status != "OK" || found != c.want || len(got.Data) > 1 {
				t.Errorf("interval %q of %+v, want %q", found, got, c.want)
			}
		})
	}
}

func TestNothingThere(t *testing.T) {
	t.Parallel()
	s := start(t)
	cloudy := request(fullScript(), clearBox, epsg29).with("input.data", []any{map[string]any{
		"type": "sentinel-2-l2a", "dataFilter": map[string]any{"maxCloudCoverage": 4},
	}})
	for name, b := range map[string]body{
		"Copenhagen":         request(fullScript(), box60(12.5704, 55.7072), "OGC/1.3/CRS84"),
		"antipodes":          request(fullScript(), box60(168.8, -25), "OGC/1.3/CRS84"),
		"other zone":         request(fullScript(), clearBox, "EPSG/0/32633"),
		"south":              request(fullScript(), clearBox, "EPSG/0/32729"),
		"too much cloud":     cloudy,
		"just west of scene": request(fullScript(), "[251060,2787860,251180,2787980]", epsg29),
	} {
		res := s.post(t, cdse.StatisticsPath, b.json(t))
		if res.status != http.StatusOK || string(res.body) != `{"status":"OK","data":[]}` {
			t.Errorf("%s: %d %s", name, res.status, res.body)
		}
		if pu := res.header.Get("X-Processingunits-Spent"); pu != "0.01" {
			t.Errorf("%s: cost %q, want the floor 0.01", name, pu)
		}
	}
}

// TestEveryReferenceSystemMeetsTheSamePixels describes one area around the middle of a pixel in five ways.
func TestEveryReferenceSystemMeetsTheSamePixels(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.server.Scene().PickPoints(0, 3)[1]
	want := s.stats(t, fullScript(), box60(p.Lon, p.Lat), "OGC/1.3/CRS84").Data[0].Outputs["indices"].Bands
	e, n := s.server.Scene().Center(p.Pixel)
	const r = 6378137
	mx, my := p.Lon*math.Pi/180*r, math.Asinh(math.Tan(p.Lat*math.Pi/180))*r
	zone28 := s.server.Scene().Zone()
	zone28.Number = 28
	e28, n28 := zone28.Forward(p.Lon, p.Lat)
	square := func(x, y float64) string { return fmt.Sprintf("[%f,%f,%f,%f]", x-60, y-60, x+60, y+60) }
	for crs, box := range map[string]string{
		"EPSG/0/4326": box60(p.Lon, p.Lat), "EPSG/0/32629": square(e, n), "EPSG/0/3857": square(mx, my), "EPSG/0/32628": square(e28, n28),
	} {
		got := s.stats(t, fullScript(), box, crs)
		for name, band := range want {
			if g := got.Data[0].Outputs["indices"].Bands[name].Stats; string(g.Mean) != string(band.Stats.Mean) {
				t.Errorf("%s: %s is %s, want %s", crs, name, g.Mean, band.Stats.Mean)
			}
		}
	}
}

// TestTheEdgeOfTheScene covers it half; the outside half has no data and reads as zeros.
func TestTheEdgeOfTheScene(t *testing.T) {
	t.Parallel()
	s := start(t)
	const box = "[302320,2787860,302440,2787980]"
	masked := s.stats(t, script("s.B04", "s.dataMask"), box, epsg29).Data[0].Outputs["o"].Bands["B0"].Stats
	if masked.SampleCount != 144 || masked.NoDataCount != 72 || masked.mean(t) <= 0 || string(masked.StDev) != "0" {
		t.Errorf("masked: %+v", masked)
	}
	raw := s.stats(t, script("s.B04 + s.SCL", "1"), box, epsg29).Data[0].Outputs["o"].Bands["B0"].Stats
	if string(raw.Min) != "0" || raw.NoDataCount != 0 || raw.mean(t) <= 0 {
		t.Errorf("raw: %+v", raw)
	}
}

// TestStatisticsOfAKnownDistribution uses the sample values of two pixels in known proportion.
func TestStatisticsOfAKnownDistribution(t *testing.T) {
	t.Parallel()
	s := start(t)
	bands := readRasters(t)
	a, b := bands.reflectance(t, "B04", 100, 60), bands.reflectance(t, "B04", 101, 60)
	if a == b {
		t.Fatal("the two pixels have to differ")
	}
	got := s.stats(t, script("s.B04", "s.dataMask"), "[271350,2787860,271390,2787980]", epsg29).Data[0].Outputs["o"].Bands["B0"].Stats
	mean := 0.75*a + 0.25*b // columns at 3.33 m: nine west of the edge at 271380, three east of it
	dev := math.Sqrt(0.75*(a-mean)*(a-mean) + 0.25*(b-mean)*(b-mean))
	for name, pair := range map[string][2]float64{
		"mean": {number(t, got.Mean), mean}, "stDev": {number(t, got.StDev), dev},
		"min": {number(t, got.Min), math.Min(a, b)}, "max": {number(t, got.Max), math.Max(a, b)},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-7 {
			t.Errorf("%s = %v, want %v", name, pair[0], pair[1])
		}
	}
}

func number(t *testing.T, raw json.RawMessage) float64 {
	t.Helper()
	return stat{Mean: raw}.mean(t)
}

func TestMasksAndValues(t *testing.T) {
	t.Parallel()
	s := start(t)
	cases := []struct {
		name, value, mask string
		mean              string
		noData            int
	}{
		{"plain", "0.5", "1", "0.5", 0},
		{"rounded to 32 bits", "0.1", "1", "0.10000000149011612", 0},
		{"masked", "0.5", "0", `"NaN"`, 144},
		{"mask is NaN", "0.5", "NaN", `"NaN"`, 144},
		{"mask is true", "0.5", "true", "0.5", 0},
		{"mask is a fraction", "0.5", "0.3", "0.5", 0},
		{"value is NaN", "0 / 0", "1", `"NaN"`, 144},
		{"value is infinite", "1 / 0", "1", `"NaN"`, 144},
		{"value is undefined", "undefined", "1", `"NaN"`, 144},
		{"value is a text", "'0.25'", "1", "0.25", 0},
	}
	for _, c := range cases {
		got := s.stats(t, script(c.value, c.mask), clearBox, epsg29).Data[0].Outputs
		st := got["o"].Bands["B0"].Stats
		if string(st.Mean) != c.mean || st.NoDataCount != c.noData || st.SampleCount != 144 {
			t.Errorf("%s: %s, %d of %d without data", c.name, st.Mean, st.NoDataCount, st.SampleCount)
		}
		if c.noData == 144 && (string(st.Min) != `"NaN"` || string(st.Max) != `"NaN"` || string(st.StDev) != `"NaN"`) {
			t.Errorf("%s: %+v", c.name, st)
		}
		if _, shown := got["dataMask"]; shown {
			t.Errorf("%s: the mask is an output", c.name)
		}
	}
}

func TestMaskPerOutput(t *testing.T) {
	t.Parallel()
	s := start(t)
	const source = `//VERSION=3
function setup() { return {input: ["B04"], output: [{id: "a", bands: 2}, {id: "b", bands: ["x"]}, {id: "dataMask", bands: ["b", "a"]}]}; }
function evaluatePixel() { return {a: [1, 2], b: [3], dataMask: [0, 1]}; }`
	out := s.stats(t, source, clearBox, epsg29).Data[0].Outputs
	if string(out["a"].Bands["B1"].Stats.Mean) != "2" || string(out["b"].Bands["x"].Stats.Mean) != `"NaN"` {
		t.Errorf("outputs %+v", out)
	}
}

func TestUnitsOfTheInput(t *testing.T) {
	t.Parallel()
	s := start(t)
	const source = `//VERSION=3
function setup() { return {input: [{bands: ["B04", "SCL"], units: ["%s", "DN"]}],
  output: [{id: "o", bands: 2}, {id: "dataMask", bands: 1}]}; }
function evaluatePixel(s) { return {o: [s.B04, s.SCL], dataMask: [1]}; }`
	dn := s.stats(t, fmt.Sprintf(source, "DN"), clearBox, epsg29).Data[0].Outputs["o"].Bands
	reflectance := s.stats(t, fmt.Sprintf(source, "REFLECTANCE"), clearBox, epsg29).Data[0].Outputs["o"].Bands
	want := readRasters(t).reflectance(t, "B04", 100, 60)
	if math.Abs(dn["B0"].Stats.mean(t)-want*10000) > 1e-9 || math.Abs(reflectance["B0"].Stats.mean(t)-want) > 1e-7 {
		t.Errorf("DN %s, reflectance %s, want %v", dn["B0"].Stats.Mean, reflectance["B0"].Stats.Mean, want)
	}
	if string(dn["B1"].Stats.Mean) != "5" || string(reflectance["B1"].Stats.Mean) != "5" {
		t.Errorf("SCL is %s and %s, want bare soil 5", dn["B1"].Stats.Mean, reflectance["B1"].Stats.Mean)
	}
}

func TestBadScripts(t *testing.T) {
	t.Parallel()
	s, hasty := start(t), startWith(t, 100*time.Millisecond)
	const head = "//VERSION=3\n"
	setup := func(input, output string) string {
		return head + "function setup() { return {input: " + input + ", output: " + output + "}; } function evaluatePixel() { return {}; }"
	}
	const mask = `{id: "dataMask", bands: 1}`
	cases := []struct{ name, script, code, message string }{
		{"no version", "return [1]", "RENDERER_EXCEPTION", "VERSION=3"},
		{"syntax", head + "function (", "RENDERER_EXCEPTION", "SyntaxError"},
		{"throws at once", head + "null.x", "RENDERER_EXCEPTION", "TypeError"},
		{"throws per pixel", script("nothing.x", "1"), "RENDERER_EXCEPTION", "ReferenceError"},
		{"wrong length", strings.Replace(script("1", "1"), "o: [1]", "o: [1, 2]", 1), "RENDERER_EXCEPTION", "1 bands but"},
		{"unknown band", setup(`["B01"]`, `[{bands: 1}, `+mask+`]`), "COMMON_BAD_PAYLOAD", `Band "B01" is not available`},
		{"unknown units", setup(`[{bands: ["B04"], units: "KELVIN"}]`, `[{bands: 1}, `+mask+`]`), "COMMON_BAD_PAYLOAD", "no units"},
		{"reflectance of SCL", setup(`[{bands: ["SCL"], units: "REFLECTANCE"}]`, `[{bands: 1}, `+mask+`]`), "COMMON_BAD_PAYLOAD", "no units"},
		{"no mask", setup(`["B04"]`, `[{bands: 1}]`), "COMMON_BAD_PAYLOAD", "`dataMask` is required"},
		{"only a mask", setup(`["B04"]`, `[`+mask+`]`), "COMMON_BAD_PAYLOAD", "needs one band"},
		{"mask of another name", setup(`["B04"]`, `[{id: "a", bands: 1}, {id: "b", bands: 1}, {id: "dataMask", bands: ["a", "c"]}]`), "COMMON_BAD_PAYLOAD", "needs one band"},
		{"mask too wide", setup(`["B04"]`, `[{id: "a", bands: 1}, {id: "dataMask", bands: ["a", "c"]}]`), "COMMON_BAD_PAYLOAD", "needs one band"},
		{"orbit", head + `function setup() { return {input: ["B04"], mosaicking: "ORBIT", output: [` + mask + `]}; } function evaluatePixel() {}`, "RENDERER_EXCEPTION", "ORBIT is not supported"},
		{"endless setup", head + "function setup() { for (;;) {} } function evaluatePixel() {}", "RENDERER_EXCEPTION", "out of time"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := s
			if c.name == "endless setup" {
				server = hasty
			}
			res := server.post(t, cdse.StatisticsPath, request(c.script, clearBox, epsg29).json(t))
			p := res.problem(t)
			if res.status != http.StatusBadRequest || p.Error.Code != c.code || !strings.Contains(p.Error.Message, c.message) {
				t.Errorf("%d %s", res.status, res.body)
			}
		})
	}
}

func TestAScriptThatDoesNotEndFailsItsInterval(t *testing.T) {
	t.Parallel()
	s := startWith(t, 300*time.Millisecond)
	began := time.Now()
	got := s.stats(t, script("(() => { for (;;) {} })()", "1"), clearBox, epsg29)
	if got.Status != "FAILED" || len(got.Data) != 1 || got.Data[0].Error == nil || got.Data[0].Error.Type != "TIMEOUT" {
		t.Errorf("answer %+v", got)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestCost(t *testing.T) {
	t.Parallel()
	s := start(t)
	uint8s := strings.Replace(script("1", "1"), `{id: "o", bands: 1}`, `{id: "o", bands: 1, sampleType: "UINT8"}`, 1)
	for _, c := range []struct {
		name string
		body body
		want float64
	}{
		{"enrichment", request(fullScript(), clearBox, epsg29), 0.01 * 8 / 3 * 2},
		{"two bands, 32 bits", request(script("1", "1"), clearBox, epsg29), 0.01 * 2 / 3 * 2},
		{"two bands, 8 bits: the floor", request(uint8s, clearBox, epsg29), 0.01},
		{"512 x 512", request(uint8s, clearBox, epsg29).with("aggregation.width", 512).with("aggregation.height", 512), 2.0 / 3},
		{"default size", request(uint8s, clearBox, epsg29).with("aggregation.width", nil).with("aggregation.height", nil), 0.25 * 2 / 3},
		{"by step", request(uint8s, clearBox, epsg29).with("aggregation.width", nil).with("aggregation.height", nil).with("aggregation.resx", 0.5).with("aggregation.resy", 0.25), 240.0 * 480 / 262144 * 2 / 3},
	} {
		_, header := s.ask(t, c.body)
		var got float64
		if _, err := fmt.Sscan(header.Get("X-Processingunits-Spent"), &got); err != nil || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %q, want %v", c.name, header.Get("X-Processingunits-Spent"), c.want)
		}
	}
}

func TestPlainCalculationsAreAccepted(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := request(fullScript(), clearBox, epsg29).with("calculations.default", map[string]any{})
	if got, _ := s.ask(t, b); len(got.Data) != 1 {
		t.Errorf("answer %+v", got)
	}
}

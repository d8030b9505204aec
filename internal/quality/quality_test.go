package quality_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/satellite"
)

func collected() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// clean returns an input that no rule flags, after one change.
func clean(edit func(*quality.Input)) quality.Input {
	in := quality.Input{
		Point: point.Point{
			ID: "p1", Latitude: new(55.7), Longitude: new(12.5), Accuracy: 5, Value: 20,
			CollectedAt: collected(), CalibratedAt: collected().AddDate(0, 0, -10),
			MetricID: "temperature", CampaignID: "c1", Revision: 3,
		},
		Zones:    []quality.Zone{box("city", 12, 55, 13, 56)},
		Peers:    []float64{18, 18, 18, 19, 19, 19, 20, 20, 20, 21, 21, 21, 22, 22, 22},
		Analysis: &satellite.Analysis{TemporalQuality: "good", DayOffset: 5, Day: satellite.Day{ValidFraction: 0.9}},
		Outcome:  job.Success,
		Now:      collected().Add(time.Hour),
	}
	if edit != nil {
		edit(&in)
	}
	return in
}

// box returns a closed rectangle.
func box(name string, west, south, east, north float64) quality.Zone {
	return quality.Zone{Name: name, Ring: [][2]float64{{west, south}, {east, south}, {east, north}, {west, north}, {west, south}}}
}

func analyze(edit func(*quality.Input)) quality.Record {
	return quality.Analyze(clean(edit), quality.DefaultConfig())
}

// named returns the flag of a type, if the record has it.
func named(r *quality.Record, kind string) (quality.Flag, bool) {
	at := slices.IndexFunc(r.Flags, func(f quality.Flag) bool { return f.Type == kind })
	if at < 0 {
		return quality.Flag{}, false
	}
	return r.Flags[at], true
}

// kinds lists the flags of a record as "type severity".
func kinds(r *quality.Record) string {
	var all []string
	for _, f := range r.Flags {
		all = append(all, f.Type+" "+string(f.Severity))
	}
	return strings.Join(all, ", ")
}

func TestCleanRecord(t *testing.T) {
	t.Parallel()
	got := analyze(func(in *quality.Input) { in.Now = in.Now.In(time.FixedZone("", 3600)) })
	want := quality.Record{
		Point: "p1", Revision: 3, RuleVersion: quality.RuleVersion, Flags: []quality.Flag{}, Score: 100,
		Recommendation: quality.Approve, Outcome: job.Success, At: collected().Add(time.Hour),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestScoreAndRecommendation(t *testing.T) {
	t.Parallel()
	type in = *quality.Input
	everything := func(i in) {
		i.Point.Accuracy, i.Point.Value, i.Point.MetricID = 500, 1e6, "temperature"
		i.Point.CalibratedAt = collected().AddDate(-1, 0, 0)
		i.Zones = []quality.Zone{box("elsewhere", 1, 1, 2, 2)}
		i.Analysis = nil
	}
	for _, c := range []struct {
		name      string
		edit      func(in)
		wantScore int
		want      quality.Recommendation
		wantFlags string
	}{
		{"nothing", nil, 100, quality.Approve, ""},
		{"a warning", func(i in) { i.Analysis = nil }, 85, quality.Review, "satellite_context_weak warning"},
		{"two warnings", func(i in) { i.Analysis = nil; i.Point.Accuracy = 60 }, 70, quality.Review, "high_gps_error warning, satellite_context_weak warning"},
		{"an error", func(i in) { i.Point.Accuracy = 81 }, 60, quality.Reject, "high_gps_error error"},
		{"an error before a warning", func(i in) { i.Point.Accuracy = 81; i.Analysis = nil }, 45, quality.Reject, "high_gps_error error, satellite_context_weak warning"},
		{"no place: no flag, but a person", func(i in) { i.Point.Latitude = nil }, 100, quality.Review, ""},
		{"no place and an error", func(i in) { i.Point.Longitude = nil; i.Point.Accuracy = 81 }, 60, quality.Reject, "high_gps_error error"},
		{"all at once: not below 0, in the order of the rules", everything, 0, quality.Reject, "high_gps_error error, statistical_outlier warning, outside_zone error, unexpected_range warning, calibration_overdue warning, satellite_context_weak warning"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := analyze(c.edit)
			if got := kinds(&r); got != c.wantFlags || r.Score != c.wantScore || r.Recommendation != c.want {
				t.Errorf("got %d %s %q, want %d %s %q", r.Score, r.Recommendation, got, c.wantScore, c.want, c.wantFlags)
			}
		})
	}
}

func TestAutoApproval(t *testing.T) {
	t.Parallel()
	type in = *quality.Input
	for _, c := range []struct {
		name string
		on   bool
		edit func(in)
		want bool
	}{
		{"off by default", false, nil, false},
		{"clean and fine", true, nil, true},
		{"finest", true, func(i in) { i.Point.Accuracy = 0.01 }, true},
		{"just fine enough", true, func(i in) { i.Point.Accuracy = 10 }, true},
		{"just not", true, func(i in) { i.Point.Accuracy = 10.01 }, false},
		{"typed coordinates", true, func(i in) { i.Point.Accuracy = 0 }, false},
		{"typed minus zero", true, func(i in) { i.Point.Accuracy = math.Copysign(0, -1) }, false},
		{"accuracy is no number", true, func(i in) { i.Point.Accuracy = math.NaN() }, false},
		{"a warning", true, func(i in) { i.Analysis = nil }, false},
		{"no place", true, func(i in) { i.Point.Latitude = nil }, false},
		{"a place that is no number", true, func(i in) { i.Point.Latitude = new(math.NaN()) }, false},
		{"a place off the globe", true, func(i in) { i.Point.Longitude = new(180.1) }, false},
		{"a value that is no number", true, func(i in) { i.Point.Value = math.NaN() }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := quality.DefaultConfig()
			config.AutoApprove = c.on
			if got := quality.Analyze(clean(c.edit), config).AutoApproved; got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestSenselessSettingsTakeTheirDefaults(t *testing.T) {
	t.Parallel()
	bad := func(x float64) quality.Config {
		return quality.Config{Warning: x, Error: x, Fine: x, Fence: x, CalibrationAge: -1, Peers: -1, PeerWindow: -1}
	}
	for _, edit := range []func(*quality.Input){
		nil,
		func(in *quality.Input) { in.Point.Accuracy = 50 },
		func(in *quality.Input) { in.Point.Accuracy = 51 },
		func(in *quality.Input) { in.Point.Accuracy = 81 },
		func(in *quality.Input) { in.Point.Value = 24.01 },
		func(in *quality.Input) { in.Point.CalibratedAt = collected().AddDate(0, 0, -91) },
		func(in *quality.Input) { in.Peers = in.Peers[:9]; in.Point.Value = 40 },
	} {
		want := analyze(edit)
		for _, config := range []quality.Config{{}, bad(math.NaN()), bad(math.Inf(1)), bad(-1)} {
			if got := quality.Analyze(clean(edit), config); !reflect.DeepEqual(got, want) {
				t.Errorf("%+v: got %+v, want %+v", config, got, want)
			}
		}
	}
}

func TestSettingsCount(t *testing.T) {
	t.Parallel()
	config := quality.Config{
		Warning: 1, Error: 2, Fine: 3, Fence: 4, CalibrationAge: time.Hour, Peers: 2, PeerWindow: time.Hour, AutoApprove: true,
	}
	edit := func(in *quality.Input) {
		in.Point.Accuracy, in.Point.Value, in.Peers = 1.5, 30, []float64{20, 21}
	}
	r := quality.Analyze(clean(edit), config)
	if got, want := kinds(&r), "high_gps_error warning, statistical_outlier warning, calibration_overdue warning"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	config.Warning, config.Peers, config.CalibrationAge = 1.6, 3, 24*time.Hour*11
	if r := quality.Analyze(clean(edit), config); !r.AutoApproved {
		t.Errorf("got %+v, want it approved", r)
	}
}

func TestHumanFlagTypes(t *testing.T) {
	t.Parallel()
	got := quality.HumanFlagTypes()
	if want := []string{"manual_review", "suspicious_value", "data_quality", "duplicate_reading"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got[0] = "changed"
	if quality.HumanFlagTypes()[0] != "manual_review" {
		t.Error("a caller can change the list of the others")
	}
}

// TestRecordAsJSON pins the names under which records are stored.
func TestRecordAsJSON(t *testing.T) {
	t.Parallel()
	r := analyze(func(in *quality.Input) { in.Point.Accuracy = 50.01; in.Analysis = nil; in.Outcome = job.Clouded })
	r.Job = "j1"
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"point":"p1","revision":3,"rule_version":"2026-11.1","flags":[` +
		`{"type":"high_gps_error","reason":"GPS accuracy of 50.01 m is worse than 50 m","severity":"warning","automatic":true,"flagged_at":"2026-03-15T13:00:00Z","details":{"accuracy":50.01,"limit":50}},` +
		`{"type":"satellite_context_weak","reason":"no satellite analysis: CLOUDED","severity":"warning","automatic":true,"flagged_at":"2026-03-15T13:00:00Z"}` +
		`],"score":70,"recommendation":"review","auto_approved":false,"outcome":"CLOUDED","at":"2026-03-15T13:00:00Z","job":"j1"}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	empty, err := json.Marshal(analyze(nil))
	if err != nil || !strings.Contains(string(empty), `"flags":[]`) {
		t.Errorf("got %s, %v, want an empty list of flags", empty, err)
	}
}

// wild draws a number of any kind, often a nasty one.
func wild(r *rand.Rand) float64 {
	nasty := []float64{
		math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), math.MaxFloat64, -math.MaxFloat64,
		math.SmallestNonzeroFloat64, 50, 80, 10, 90, -90, 180, -180, 1, 0.5, 1e300, point.MaxValue, -point.MaxValue,
	}
	switch r.IntN(3) {
	case 0:
		return nasty[r.IntN(len(nasty))]
	case 1:
		return math.Round(r.NormFloat64()*1e4) / 100
	default:
		return math.Float64frombits(r.Uint64())
	}
}

// drawn returns an input of wild numbers.
func drawn(r *rand.Rand) quality.Input {
	metrics := []string{"temperature", "co2", "soil_ph", "whatever", ""}
	in := clean(func(in *quality.Input) {
		p := &in.Point
		p.Latitude, p.Longitude = new(wild(r)), new(wild(r))
		p.Accuracy, p.Value, p.MetricID = wild(r), wild(r), metrics[r.IntN(len(metrics))]
		p.CalibratedAt = collected().Add(-time.Duration(r.Int64()))
		in.Peers, in.Zones = nil, nil
		for range r.IntN(30) {
			in.Peers = append(in.Peers, wild(r))
		}
		for range r.IntN(3) {
			z := quality.Zone{Name: "z"}
			for range r.IntN(6) {
				z.Ring = append(z.Ring, [2]float64{wild(r), wild(r)})
			}
			in.Zones = append(in.Zones, z)
		}
		in.Analysis.Day = satellite.Day{CloudFraction: wild(r), SnowFraction: wild(r), WaterFraction: wild(r), ValidFraction: wild(r)}
		in.Analysis.TemporalQuality = []string{"good", "poor"}[r.IntN(2)]
	})
	return in
}

// TestAnyInput draws inputs of any numbers. The record is the same each time and
// for each order of the peers, changes nothing that it was given, can be stored,
// and approves nothing that is not a number.
func TestAnyInput(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	config := quality.DefaultConfig()
	config.AutoApprove = true
	seen := map[string]int{}
	for range 5000 {
		in := drawn(r)
		peers := slices.Clone(in.Peers)
		first := quality.Analyze(in, config)
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("store %+v: %v", first, err)
		}
		if !slices.EqualFunc(peers, in.Peers, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
			t.Fatal("the peers were changed")
		}
		r.Shuffle(len(in.Peers), func(i, j int) { in.Peers[i], in.Peers[j] = in.Peers[j], in.Peers[i] })
		if again, err := json.Marshal(quality.Analyze(in, config)); err != nil || string(again) != string(text) {
			t.Fatalf("again %s, %v\nfirst %s", again, err, text)
		}
		consistent(t, &in, &first)
		for _, f := range first.Flags {
			seen[f.Type]++
		}
	}
	if len(seen) != 7 {
		t.Errorf("flags drawn: %v, want all seven types", seen)
	}
}

// consistent checks what holds for every record.
func consistent(t *testing.T, in *quality.Input, r *quality.Record) {
	t.Helper()
	types := map[string]bool{}
	for _, f := range r.Flags {
		if types[f.Type] || !f.Automatic || f.Reason == "" || !f.At.Equal(in.Now) || slices.Contains(quality.HumanFlagTypes(), f.Type) {
			t.Fatalf("flag %+v", f)
		}
		types[f.Type] = true
		for name, x := range f.Details {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("%s: %s is %v", f.Type, name, x)
			}
		}
	}
	sound := !math.IsNaN(in.Point.Value-in.Point.Value) && in.Point.Accuracy >= 0 && !math.IsInf(in.Point.Accuracy, 0) &&
		math.Abs(*in.Point.Latitude) <= 90 && math.Abs(*in.Point.Longitude) <= 180
	if r.Score < 0 || r.Score > 100 || !sound && r.Recommendation == quality.Approve || r.AutoApproved && (r.Score < 100 || r.Recommendation != quality.Approve) {
		t.Fatalf("%+v of %+v", r, in.Point)
	}
}

package quality_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/satellite"
)

// TestRulesAtTheirBounds has each rule just in and just out.
func TestRulesAtTheirBounds(t *testing.T) {
	t.Parallel()
	type in = *quality.Input
	accuracy := func(x float64) func(in) { return func(i in) { i.Point.Accuracy = x } }
	value := func(metric string, x float64) func(in) {
		return func(i in) { i.Point.MetricID, i.Point.Value, i.Peers = metric, x, nil }
	}
	calibrated := func(before time.Duration) func(in) {
		return func(i in) { i.Point.CalibratedAt = collected().Add(-before) }
	}
	offset := func(days int) func(in) {
		return func(i in) { i.Analysis.DayOffset, i.Analysis.TemporalQuality = days, satellite.TemporalQuality(days) }
	}
	cover := func(metric string, water, snow float64) func(in) {
		return func(i in) {
			i.Point.MetricID = metric
			i.Analysis.Day.WaterFraction, i.Analysis.Day.SnowFraction = water, snow
		}
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		name string
		edit func(in)
		want string
	}{
		{"accuracy 0 is typed, not bad", accuracy(0), ""},
		{"accuracy at the warning", accuracy(50), ""},
		{"accuracy over the warning", accuracy(50.01), "high_gps_error warning"},
		{"accuracy at the error", accuracy(80), "high_gps_error warning"},
		{"accuracy over the error", accuracy(80.01), "high_gps_error error"},
		{"worst accuracy", accuracy(point.MaxAccuracy), "high_gps_error error"},
		{"accuracy is no number", accuracy(math.NaN()), "high_gps_error error"},
		{"accuracy infinite", accuracy(math.Inf(1)), "high_gps_error error"},
		{"accuracy negative", accuracy(-1), "high_gps_error error"},

		{"coldest", value("temperature", -40), ""},
		{"colder", value("temperature", -40.01), "unexpected_range warning"},
		{"hottest", value("temperature", 50), ""},
		{"hotter", value("temperature", 50.01), "unexpected_range warning"},
		{"unknown metric", value("temperament", 1e6), ""},
		{"no metric", value("", -1e6), ""},
		{"metric without range", value("soil_ph", 1e6), ""},
		{"value is no number", value("temperature", math.NaN()), "unexpected_range warning"},
		{"value infinite, metric without range", value("", math.Inf(-1)), "unexpected_range warning"},

		{"calibrated 90 days before", calibrated(90 * day), ""},
		{"a moment more", calibrated(90*day + 1), "calibration_overdue warning"},
		{"calibrated at the reading", calibrated(0), ""},
		{"calibrated after the reading", calibrated(-400 * day), ""},
		{"calibration unknown", func(i in) { i.Point.CalibratedAt = time.Time{} }, ""},
		{"calibrated centuries before", func(i in) { i.Point.CalibratedAt = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC) }, "calibration_overdue warning"},
		{"an analysis years later makes no sensor worse", func(i in) { i.Now = i.Now.AddDate(9, 0, 0) }, ""},

		{"image 14 days before", offset(-14), ""},
		{"image 15 days before", offset(-15), "satellite_context_weak warning"},
		{"image 14 days after", offset(14), ""},
		{"image 15 days after", offset(15), "satellite_context_weak warning"},
		{"no image", func(i in) { i.Analysis = nil }, "satellite_context_weak warning"},

		{"soil half under water", cover("soil_ph", 0.5, 0), ""},
		{"soil mostly under water", cover("soil_ph", 0.5001, 0), "land_cover_mismatch warning"},
		{"plants half under snow", cover("vegetation_height", 0, 0.5), ""},
		{"plants mostly under snow", cover("vegetation_height", 0, 0.5001), "land_cover_mismatch warning"},
		{"half under either", cover("crop_yield", 0.2, 0.3), ""},
		{"more under both together than one alone", cover("crop_yield", 0.3, 0.3), "land_cover_mismatch warning"},
		{"air over a lake", cover("temperature", 1, 0), ""},
		{"unknown metric on a lake", cover("fish", 1, 0), ""},
		{"share of snow is no number", cover("soil_ph", 0.5, math.NaN()), ""},
		{"share below 0 does not make up for water", cover("soil_ph", 0.6, -0.5), "land_cover_mismatch warning"},
		{"a ground metric without image", func(i in) { i.Point.MetricID = "soil_ph"; i.Analysis = nil }, "satellite_context_weak warning"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := analyze(c.edit)
			if got := kinds(&r); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestOutliers has the golden vector of domain brief 5.1 for peers (18..22 three
// times, 35 flagged) and the bounds of its fences. Floor-indexed quartiles, as
// the original had them, and interpolated ones agree there (19 and 21).
func TestOutliers(t *testing.T) {
	t.Parallel()
	golden := clean(nil).Peers
	decimals := []float64{0.04, 0.04, 0.04, 0.04, 0.04, 0.16, 0.16, 0.16, 0.16, 0.16} // in binary, the fences come out within -0.14 and 0.34
	for _, c := range []struct {
		name  string
		peers []float64
		value float64
		want  bool
	}{
		{"golden vector", golden, 35, true},
		{"on the upper fence", golden, 24, false},
		{"over it", golden, 24.01, true},
		{"on the lower fence", golden, 16, false},
		{"under it", golden, 15.99, true},
		{"ten peers are enough", golden[:10], 35, true},
		{"nine are not", golden[:9], 35, false},
		{"nine and one that is no number are not", append(golden[:9:9], math.NaN()), 35, false},
		{"nor nine and an infinite one", append(golden[:9:9], math.Inf(1)), 35, false},
		{"no peers", nil, 35, false},
		{"on a lower fence of decimals", decimals, -0.14, false},
		{"under it, of decimals", decimals, -0.15, true},
		{"on an upper fence of decimals", decimals, 0.34, false},
		{"over it, of decimals", decimals, 0.35, true},
		{"peers agree with the value", []float64{7, 7, 7, 7, 7, 7, 7, 7, 7, 7}, 7, false},
		{"peers agree, the value does not", []float64{7, 7, 7, 7, 7, 7, 7, 7, 7, 7}, 7.01, true},
		{"peers of any size", []float64{-1e308, -1e308, -1e308, -1e308, -1e308, 1e308, 1e308, 1e308, 1e308, 1e308}, 35, false},
		{"the value is no number", golden, math.NaN(), false},
		{"the value is infinite", golden, math.Inf(1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := analyze(func(in *quality.Input) { in.Peers, in.Point.Value = c.peers, c.value })
			if _, got := named(&r, quality.StatisticalOutlier); got != c.want {
				t.Errorf("got %v, want %v: %+v", got, c.want, r.Flags)
			}
		})
	}
}

// TestGoldenBatch is the other vector of domain brief 5.1: {10..20, 100, -50}
// gives quartiles 12 and 18 and fences 3 and 27 by both definitions, because
// with 13 values the interpolated ranks are whole numbers. They differ with ten
// values: see TestPercentile.
func TestGoldenBatch(t *testing.T) {
	t.Parallel()
	peers := []float64{10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 100, -50}
	for _, c := range []struct {
		value float64
		want  bool
	}{{100, true}, {-50, true}, {3, false}, {27, false}, {2.99, true}, {27.01, true}} {
		r := analyze(func(in *quality.Input) { in.Peers, in.Point.Value = peers, c.value })
		f, got := named(&r, quality.StatisticalOutlier)
		if got != c.want {
			t.Errorf("%v: got %v, want %v", c.value, got, c.want)
		}
		want := map[string]float64{"value": c.value, "q1": 12, "q3": 18, "iqr": 6, "lower": 3, "upper": 27, "n": 13}
		if got && !reflect.DeepEqual(f.Details, want) {
			t.Errorf("got %v, want %v", f.Details, want)
		}
	}
}

func TestFlagsExplainThemselves(t *testing.T) {
	t.Parallel()
	type in = *quality.Input
	type numbers = map[string]float64
	for _, c := range []struct {
		name, kind string
		edit       func(in)
		want       string
		details    numbers
	}{
		{
			"accuracy", quality.HighGPSError, func(i in) { i.Point.Accuracy = 81.5 },
			"GPS accuracy of 81.5 m is worse than 80 m",
			numbers{"accuracy": 81.5, "limit": 80},
		},
		{
			"accuracy that is no number", quality.HighGPSError, func(i in) { i.Point.Accuracy = math.NaN() },
			"GPS accuracy is no radius",
			numbers{},
		},
		{
			"outlier", quality.StatisticalOutlier, func(i in) { i.Point.Value = 35 },
			"value 35 lies outside 16 to 24, where 15 approved readings put it",
			numbers{"value": 35, "q1": 19, "q3": 21, "iqr": 2, "lower": 16, "upper": 24, "n": 15},
		},
		{
			"zone", quality.OutsideZone, func(i in) { i.Point.Latitude = new(10.0) },
			"place lies in none of the campaign's zones",
			numbers{"zones": 1},
		},
		{
			"range", quality.UnexpectedRange, func(i in) { i.Point.Value = 60.25 },
			"value 60.25 is not within -40 to 50 of temperature",
			numbers{"value": 60.25, "min": -40, "max": 50},
		},
		{
			"calibration", quality.CalibrationOverdue, func(i in) { i.Point.CalibratedAt = collected().Add(-100 * 24 * time.Hour) },
			"sensor was calibrated more than 90 days before the reading",
			numbers{"age_days": 100, "limit_days": 90},
		},
		{
			"no image", quality.SatelliteContextWeak, func(i in) { i.Analysis = nil; i.Outcome = job.UserQuotaExceeded },
			"no satellite analysis: USER_QUOTA_EXCEEDED", nil,
		},
		{
			"no image, nobody knows why", quality.SatelliteContextWeak, func(i in) { i.Analysis = nil; i.Outcome = "" },
			"no satellite analysis", nil,
		},
		{
			"image of another time", quality.SatelliteContextWeak, func(i in) {
				i.Analysis = &satellite.Analysis{DayOffset: -15, TemporalQuality: "poor", Day: satellite.Day{CloudFraction: 0.25, ValidFraction: math.NaN()}}
			},
			"satellite image was taken 15 days from the reading",
			numbers{"day_offset": -15, "cloud_fraction": 0.25},
		},
		{
			"land cover", quality.LandCoverMismatch, func(i in) {
				i.Point.MetricID = "soil_moisture"
				i.Analysis.Day.WaterFraction, i.Analysis.Day.SnowFraction = 0.7, 0.125
			},
			"soil_moisture was measured where the satellite sees 82.5 % water or snow",
			numbers{"water_fraction": 0.7, "snow_fraction": 0.125},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := analyze(c.edit)
			f, found := named(&r, c.kind)
			if !found || f.Reason != c.want || !reflect.DeepEqual(f.Details, c.details) {
				t.Errorf("got %v %+v, want %q %v", found, f, c.want, c.details)
			}
		})
	}
}

func TestMinusZeroIsZero(t *testing.T) {
	t.Parallel()
	zero := math.Copysign(0, -1)
	r := analyze(func(in *quality.Input) { in.Point.Value, in.Point.MetricID = zero, "co2" })
	f, _ := named(&r, quality.UnexpectedRange)
	if v, ok := f.Details["value"]; !ok || math.Signbit(v) || !strings.HasPrefix(f.Reason, "value 0 ") {
		t.Errorf("got %+v, want 0 without a sign", f)
	}
}

func TestMetricOf(t *testing.T) {
	t.Parallel()
	type metric = quality.Metric
	for _, want := range []metric{
		{ID: "aqi", Min: 0, Max: 500, Ranged: true},
		{ID: "temperature", Min: -40, Max: 50, Ranged: true},
		{ID: "humidity", Min: 0, Max: 100, Ranged: true},
		{ID: "noise", Min: 30, Max: 120, Ranged: true},
		{ID: "pm25", Min: 0, Max: 500, Ranged: true},
		{ID: "pm10", Min: 0, Max: 600, Ranged: true},
		{ID: "co2", Min: 300, Max: 5000, Ranged: true},
		{ID: "soil_moisture", Ground: true},
		{ID: "soil_temperature", Ground: true},
		{ID: "soil_ph", Ground: true},
		{ID: "vegetation_height", Ground: true},
		{ID: "crop_yield", Ground: true},
		{ID: "water_ph"},
		{ID: "Temperature"}, // ids are exact
		{ID: ""},
	} {
		if got := quality.MetricOf(want.ID); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

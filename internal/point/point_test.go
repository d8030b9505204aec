package point_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
	"orbitq/internal/point"
)

func now() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// reading returns a good reading after one change.
func reading(edit func(*point.Input)) point.Input {
	in := point.Input{Latitude: new(55.7), Longitude: new(12.5), Value: new(1.0)}
	if edit != nil {
		edit(&in)
	}
	return in
}

func TestRules(t *testing.T) {
	t.Parallel()
	type in = *point.Input
	for _, c := range []struct {
		name string
		edit func(in)
		want string // "field rule", empty when it is accepted
	}{
		{"only what must be there", func(in) {}, ""},
		{"no latitude", func(i in) { i.Latitude = nil }, "latitude required"},
		{"no longitude", func(i in) { i.Longitude = nil }, "longitude required"},
		{"no value", func(i in) { i.Value = nil }, "value required"},
		{"Null Island: zero is a value", func(i in) { i.Latitude, i.Longitude, i.Value = new(0.0), new(0.0), new(0.0) }, ""},
		{"north pole", func(i in) { i.Latitude = new(90.0) }, ""},
		{"beyond it", func(i in) { i.Latitude = new(math.Nextafter(90, 91)) }, "latitude range"},
		{"south pole", func(i in) { i.Latitude = new(-90.0) }, ""},
		{"beyond it, too", func(i in) { i.Latitude = new(-91.0) }, "latitude range"},
		{"date line, east", func(i in) { i.Longitude = new(180.0) }, ""},
		{"date line, west", func(i in) { i.Longitude = new(-180.0) }, ""},
		{"over the date line", func(i in) { i.Longitude = new(-180.01) }, "longitude range"},
		{"over it eastwards", func(i in) { i.Longitude = new(180.0000001) }, "longitude range"},
		{"swapped coordinates are formally valid", func(i in) { i.Latitude, i.Longitude = new(12.5704), new(55.7072) }, ""},
		{"latitude NaN", func(i in) { i.Latitude = new(math.NaN()) }, "latitude finite"},
		{"longitude infinite", func(i in) { i.Longitude = new(math.Inf(-1)) }, "longitude finite"},
		{"value infinite", func(i in) { i.Value = new(math.Inf(1)) }, "value finite"},
		{"accuracy NaN", func(i in) { i.Accuracy = new(math.NaN()) }, "accuracy finite"},
		{"largest value", func(i in) { i.Value = new(point.MaxValue) }, ""},
		{"smallest value", func(i in) { i.Value = new(-point.MaxValue) }, ""},
		{"value too large", func(i in) { i.Value = new(100_000_000.0) }, "value range"},
		{"value too small", func(i in) { i.Value = new(-99_999_999.995) }, "value range"},
		{"typed coordinates have accuracy 0", func(i in) { i.Accuracy = new(0.0) }, ""},
		{"negative accuracy", func(i in) { i.Accuracy = new(-0.01) }, "accuracy range"},
		{"worst accuracy", func(i in) { i.Accuracy = new(point.MaxAccuracy) }, ""},
		{"accuracy too large", func(i in) { i.Accuracy = new(1e6) }, "accuracy range"},
		{"collected now", func(i in) { i.CollectedAt = new(now()) }, ""},
		{"a clock that runs fast", func(i in) { i.CollectedAt = new(now().Add(point.FutureSkew)) }, ""},
		{"in the future", func(i in) { i.CollectedAt = new(now().Add(point.FutureSkew + 1)) }, "collected_at not_future"},
		{"2030", func(i in) { i.CollectedAt = new(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)) }, "collected_at not_future"},
		{"leap day", func(i in) { i.CollectedAt = new(time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)) }, ""},
		{"before the mission is a valid reading", func(i in) { i.CollectedAt = new(time.Date(2014, 6, 1, 0, 0, 0, 0, time.UTC)) }, ""},
		{"year 0", func(i in) { i.CollectedAt = new(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)) }, "collected_at range"},
		{"calibrated today", func(i in) { i.CalibratedAt = new(now()) }, ""},
		{"calibrated tomorrow", func(i in) { i.CalibratedAt = new(now().AddDate(0, 0, 1)) }, "calibration_at not_future"},
		{"longest notes, in characters", func(i in) { i.Notes = strings.Repeat("\u00e6", point.MaxNotes) }, ""},
		{"notes too long", func(i in) { i.Notes = strings.Repeat("a", point.MaxNotes+1) }, "notes max_length"},
		{"notes are no text", func(i in) { i.Notes = "\xff" }, "notes utf8"},
		{"longest device model", func(i in) { i.DeviceModel = strings.Repeat("d", point.MaxDeviceModel) }, ""},
		{"device model too long", func(i in) { i.DeviceModel = strings.Repeat("d", point.MaxDeviceModel+1) }, "device_model max_length"},
		{"longest sensor type", func(i in) { i.SensorType = strings.Repeat("s", point.MaxSensorType) }, ""},
		{"sensor type too long", func(i in) { i.SensorType = strings.Repeat("s", point.MaxSensorType+1) }, "sensor_type max_length"},
		{"metric too long", func(i in) { i.MetricID = strings.Repeat("m", point.MaxReference+1) }, "metric_id max_length"},
		{"campaign too long", func(i in) { i.CampaignID = strings.Repeat("c", point.MaxReference+1) }, "campaign_id max_length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, broken := point.New(reading(c.edit), now())
			switch {
			case c.want == "" && len(broken) == 0 && p.HasLocation():
			case c.want != "" && len(broken) == 1 && broken[0].Field+" "+broken[0].Rule == c.want && broken[0].Detail != "":
			default:
				t.Errorf("got %+v, want %q", broken, c.want)
			}
		})
	}
}

func TestEveryBrokenRuleIsNamed(t *testing.T) {
	t.Parallel()
	_, broken := point.New(point.Input{Accuracy: new(-1.0), Notes: "\xff"}, now())
	var got []string
	for _, v := range broken {
		got = append(got, v.Field)
	}
	if want := []string{"latitude", "longitude", "value", "accuracy", "notes"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNewFillsAndRounds(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 7200)
	p, broken := point.New(reading(func(i *point.Input) {
		i.Latitude, i.Longitude = new(55.12345678), new(-12.98765432)
		i.Value, i.Accuracy = new(3.14159), new(4.999)
		i.CollectedAt, i.CalibratedAt = new(time.Date(2026, 3, 1, 2, 0, 0, 0, zone)), new(time.Date(2026, 1, 1, 1, 0, 0, 0, zone))
		i.MetricID, i.CampaignID, i.DeviceModel, i.SensorType, i.Notes = "m", "c", "d", "s", "n"
	}), now())
	want := point.Point{
		Latitude: new(55.1234568), Longitude: new(-12.9876543), Value: 3.14, Accuracy: 5,
		CollectedAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), CalibratedAt: time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC),
		MetricID: "m", CampaignID: "c", DeviceModel: "d", SensorType: "s", Notes: "n", Revision: 1, CreatedAt: now(), Status: point.Pending,
	}
	if len(broken) > 0 || !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, %v\nwant %+v", p, broken, want)
	}
	p, _ = point.New(reading(nil), now())
	if !p.CollectedAt.Equal(now()) || p.Accuracy != 0 || !p.CalibratedAt.IsZero() {
		t.Errorf("defaults: %+v", p)
	}
}

func TestHasLocation(t *testing.T) {
	t.Parallel()
	for _, p := range []point.Point{{}, {Latitude: new(1.0)}, {Longitude: new(1.0)}} {
		if p.HasLocation() {
			t.Errorf("%+v has a location", p)
		}
	}
}

// TestWhatIsAcceptedIsLegal draws any numbers: what New returns keeps every rule,
// also after rounding, and what New refuses names a rule that is really broken.
func TestWhatIsAcceptedIsLegal(t *testing.T) {
	t.Parallel()
	number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-200, 200), rapid.SampledFrom([]float64{
		math.NaN(), math.Inf(1), math.Inf(-1), 0, 90, -90, 180, -180, point.MaxValue, -point.MaxValue, math.Nextafter(point.MaxValue, 1e9),
	}))
	rapid.Check(t, func(t *rapid.T) {
		lat, lon, value := number.Draw(t, "lat"), number.Draw(t, "lon"), number.Draw(t, "value")
		legal := math.Abs(lat) <= 90 && math.Abs(lon) <= 180 && math.Abs(value) <= point.MaxValue
		p, broken := point.New(point.Input{Latitude: &lat, Longitude: &lon, Value: &value}, now())
		if legal != (len(broken) == 0) {
			t.Fatalf("legal %v, broken %v", legal, broken)
		}
		if legal && (math.Abs(*p.Latitude) > 90 || math.Abs(*p.Longitude) > 180 || math.Abs(p.Value) > point.MaxValue ||
			math.Abs(*p.Latitude-lat) > 5e-8+1e-12 || math.Abs(*p.Longitude-lon) > 5e-8+1e-12) {
			t.Fatalf("rounding left the range or the place: %+v", p)
		}
		if err := job.Invalid(broken...); !legal && !strings.HasPrefix(err.Message, broken[0].Field) {
			t.Fatalf("message %q", err.Message)
		}
	})
}

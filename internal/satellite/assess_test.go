package satellite_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
)

func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

// at returns a reading at a place and time.
func at(lat, lon float64, collected time.Time) point.Point {
	return point.Point{ID: "p", Latitude: new(lat), Longitude: new(lon), CollectedAt: collected, Revision: 2}
}

func TestBefore(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	old := now.AddDate(0, 0, -30)
	for _, c := range []struct {
		name string
		p    point.Point
		want job.Outcome
	}{
		{"an ordinary reading is asked for", at(55.7, 12.5, old), ""},
		{"no latitude", point.Point{Longitude: new(1.0), CollectedAt: old}, job.NoLocation},
		{"no longitude", point.Point{Latitude: new(1.0), CollectedAt: old}, job.NoLocation},
		{"Null Island is a place", at(0, 0, old), ""},
		{"before the mission", at(55.7, 12.5, date(2014, 6, 1)), job.PreMission},
		{"a moment before it", at(55.7, 12.5, date(2015, 7, 4).Add(-time.Nanosecond)), job.PreMission},
		{"its first day", at(55.7, 12.5, date(2015, 7, 4)), ""},
		{"near the pole", at(89.9, 0, old), job.OutOfCoverage},
		{"Antarctica", at(-75, 0, old), job.OutOfCoverage},
		{"just now", at(55.7, 12.5, now), job.NotYetAvailable},
		{"a clock that runs fast", at(55.7, 12.5, now.Add(5*time.Minute)), job.NotYetAvailable},
		{"a day ago", at(55.7, 12.5, now.Add(-satellite.PublishDelay)), ""},
		{"a moment less", at(55.7, 12.5, now.Add(-satellite.PublishDelay+1)), job.NotYetAvailable},
		{"polar night is covered", at(78.2232, 15.6267, date(2025, 12, 15)), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := satellite.Before(&c.p, now); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWithoutImage(t *testing.T) {
	t.Parallel()
	collected := date(2026, 1, 10)
	closed := date(2026, 1, 27) // 16 days after, and a day to publish
	for _, c := range []struct {
		name      string
		images    int
		now       time.Time
		inCatalog bool
		want      job.Outcome
	}{
		{"all under cloud", 3, closed, true, job.Clouded},
		{"under cloud, window open", 1, collected.AddDate(0, 0, 3), false, job.Clouded},
		{"nothing yet", 0, closed.Add(-1), true, job.NotYetAvailable},
		{"nothing, and the place is known", 0, closed, true, job.NoAcquisition},
		{"nothing, and the place is not", 0, closed, false, job.OutOfCoverage},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := satellite.WithoutImage(c.images, collected, c.now, c.inCatalog); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		collected, now time.Time
		want           [2]satellite.Window
	}{
		{"seven days, then fifteen, the last day included", time.Date(2025, 8, 15, 10, 0, 0, 0, time.UTC), date(2026, 1, 1), [2]satellite.Window{
			{date(2025, 8, 8), date(2025, 8, 23)}, {date(2025, 7, 31), date(2025, 8, 31)},
		}},
		{"never after today", date(2025, 8, 15), time.Date(2025, 8, 18, 23, 0, 0, 0, time.UTC), [2]satellite.Window{
			{date(2025, 8, 8), date(2025, 8, 19)}, {date(2025, 7, 31), date(2025, 8, 19)},
		}},
		{"never before the mission", date(2015, 7, 6), date(2026, 1, 1), [2]satellite.Window{
			{date(2015, 7, 4), date(2015, 7, 14)}, {date(2015, 7, 4), date(2015, 7, 22)},
		}},
		{"over a leap day", date(2024, 2, 29), date(2026, 1, 1), [2]satellite.Window{
			{date(2024, 2, 22), date(2024, 3, 8)}, {date(2024, 2, 14), date(2024, 3, 16)},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := satellite.Windows(c.collected, c.now)
			if len(got) != 2 || got[0] != c.want[0] || got[1] != c.want[1] {
				t.Errorf("got %v\nwant %v", got, c.want)
			}
		})
	}
	if w := satellite.CoverageWindow(date(2025, 12, 15), date(2026, 12, 1)); w.To.Sub(w.From) < 365*24*time.Hour {
		t.Errorf("polar night would be taken for the open sea: %v", w)
	}
}

// day returns a day with an index and a share of valid pixels.
func day(offset int, valid float64, indices int) satellite.Day {
	d := satellite.Day{Date: date(2025, 8, 15).AddDate(0, 0, offset), ValidFraction: valid}
	for i := range indices {
		d.Indices[i] = &satellite.Stats{Mean: 0.5}
	}
	return d
}

func TestChoose(t *testing.T) {
	t.Parallel()
	collected := time.Date(2025, 8, 15, 23, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		days []satellite.Day
		want int // position, -1 for none
	}{
		{"no day", nil, -1},
		{"the nearest", []satellite.Day{day(-4, 1, 7), day(2, 0.6, 7), day(5, 1, 7)}, 1},
		{"its own day, however late the reading", []satellite.Day{day(1, 1, 7), day(0, 0.5, 7)}, 1},
		{"half of the pixels is enough", []satellite.Day{day(0, satellite.MinValidFraction, 7)}, 0},
		{"less is not", []satellite.Day{day(0, 0.49, 7), day(6, 0.9, 7)}, 1},
		{"the clearer of two", []satellite.Day{day(-2, 0.7, 7), day(2, 0.8, 7)}, 1},
		{"the earlier of two alike", []satellite.Day{day(2, 0.8, 7), day(-2, 0.8, 7)}, 1},
		{"valid pixels without any value", []satellite.Day{day(0, 1, 0)}, -1},
		{"one index is enough", []satellite.Day{day(0, 1, 1)}, 0},
		{"all under cloud", []satellite.Day{day(0, 0, 0), day(3, 0.1, 7)}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := satellite.Choose(c.days, collected)
			if ok != (c.want >= 0) || ok && got != c.days[c.want] {
				t.Errorf("got %+v, %v", got, ok)
			}
		})
	}
}

func TestChoiceDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) satellite.Day {
			return day(rapid.IntRange(-15, 15).Draw(t, "offset"), float64(rapid.IntRange(0, 10).Draw(t, "valid"))/10, rapid.IntRange(0, 7).Draw(t, "indices"))
		}), 0, 12, func(d satellite.Day) time.Time { return d.Date }).Draw(t, "days")
		first, ok := satellite.Choose(days, date(2025, 8, 15))
		again, same := satellite.Choose(rapid.Permutation(days).Draw(t, "order"), date(2025, 8, 15))
		if ok != same || first != again {
			t.Fatalf("%+v against %+v", first, again)
		}
	})
}

func TestResult(t *testing.T) {
	t.Parallel()
	p := at(55.7, 12.5, time.Date(2025, 8, 15, 23, 59, 0, 0, time.UTC))
	for _, c := range []struct {
		offset, indices int
		quality         string
		outcome         job.Outcome
	}{
		{0, 7, "excellent", job.Success},
		{-3, 7, "excellent", job.Success},
		{4, 6, "good", job.Partial},
		{-7, 1, "good", job.Partial},
		{8, 7, "acceptable", job.Success},
		{14, 7, "acceptable", job.Success},
		{-15, 7, "poor", job.Success},
	} {
		a := satellite.Result(day(c.offset, 1, c.indices), &p, 60)
		if a.DayOffset != c.offset || a.TemporalQuality != c.quality || a.Outcome() != c.outcome ||
			a.Point != "p" || a.Revision != 2 || a.HalfSide != 60 || a.ScriptVersion != satellite.ScriptVersion {
			t.Errorf("offset %d: %+v", c.offset, a)
		}
	}
}

// TestEveryReadingHasOneOutcome joins the two decisions: whatever the provider
// knows, exactly one outcome of the domain comes out, and waiting ones only while
// something can still appear.
func TestEveryReadingHasOneOutcome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := date(2026, 3, 15)
		collected := now.Add(-time.Duration(rapid.Int64Range(0, int64(20*365*24*time.Hour)).Draw(t, "age")))
		p := at(rapid.Float64Range(-90, 90).Draw(t, "lat"), 0, collected)
		got := satellite.Before(&p, now)
		if got == "" {
			got = satellite.WithoutImage(rapid.IntRange(0, 2).Draw(t, "images"), collected, now, rapid.Bool().Draw(t, "known"))
		}
		if got == job.NotYetAvailable && !satellite.WindowOpen(collected, now) {
			t.Fatalf("waits for an image of %v at %v", collected, now)
		}
		if got.Billable() || got.Analysed() {
			t.Fatalf("%s is billed without an image", got)
		}
	})
}

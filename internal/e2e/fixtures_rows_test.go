package e2e_test

import (
	"math"
	"testing"

	"orbitq/internal/job"
)

// silentRows are the fixtures that must end without any call to the provider.
func silentRows() []fixture {
	return []fixture{
		{name: "10_near_the_pole", lat: 89.9, lon: 0, at: of("2025-07-01T12:00"), outcome: job.OutOfCoverage},
		{name: "16_before_the_mission", lat: parkLat, lon: parkLon, at: of("2014-06-01T12:00"), outcome: job.PreMission},
	}
}

// fixtureRows are the fixtures of one reading each.
func fixtureRows() []fixture {
	return []fixture{
		{
			name: "01_faelledparken", lat: parkLat, lon: parkLon, at: of("2025-08-15T10:00"), outcome: job.Success, statistics: 1,
			holds: func(t *testing.T, got result) { t.Helper(); between(t, got, ndvi, 0.4, 1) },
		},
		{
			name: "02_gribskov", lat: 55.985, lon: 12.305, at: of("2025-06-20T09:30"), outcome: job.Success, statistics: 1,
			holds: func(t *testing.T, got result) {
				t.Helper()
				between(t, got, ndvi, 0.7, 1)
				between(t, got, msi, 0, 0.8)
			},
		},
		{
			// The share of water is what a mismatch of the land cover would be told by.
			name: "03_esrum_lake", lat: 56.013, lon: 12.374, at: of("2025-07-10T11:00"), outcome: job.Success, statistics: 1, offset: 2,
			holds: func(t *testing.T, got result) {
				t.Helper()
				between(t, got, ndvi, -1, 0)
				if a := got.analyses[0]; a.WaterFraction < 0.99 || a.SnowFraction != 0 {
					t.Errorf("water %v, snow %v", a.WaterFraction, a.SnowFraction)
				}
			},
		},
		{
			name: "05_raabjerg_mile", lat: 57.65, lon: 10.405, at: of("2025-07-01T12:00"), outcome: job.Success, statistics: 1, offset: -3,
			holds: func(t *testing.T, got result) { t.Helper(); between(t, got, ndvi, -0.1, 0.2) },
		},
		{
			name: "06_street_with_poor_gps", lat: streetLat, lon: streetLon, accuracy: 150, at: of("2025-08-16T14:00"),
			outcome: job.Success, statistics: 1, offset: -1, holds: squareOf300Metres,
		},
		{name: "07_aarhus_in_december", lat: aarhusLat, lon: aarhusLon, at: of("2025-12-15T12:00"), outcome: job.Clouded, statistics: 2},
		{
			name: "08_ilulissat_ice", lat: 69.2, lon: -49.9, at: of("2025-04-15T15:00"), outcome: job.Success, statistics: 1, offset: -1,
			holds: func(t *testing.T, got result) {
				t.Helper()
				between(t, got, ndvi, -0.1, 0.1)
				if a := got.analyses[0]; a.SnowFraction < 0.9 || a.WaterFraction != 0 {
					t.Errorf("snow %v, water %v", a.SnowFraction, a.WaterFraction)
				}
			},
		},
		// In December there is none within 15 days, but the catalog knows the place from July.
		{name: "09_longyearbyen_polar_night", lat: 78.2232, lon: 15.6267, at: of("2025-12-15T12:00"), outcome: job.NoAcquisition, statistics: 2, catalog: 1},
		{name: "09_longyearbyen_in_july", lat: 78.2232, lon: 15.6267, at: of("2025-07-15T12:00"), outcome: job.Success, statistics: 1},
		{name: "11_mid_atlantic", lat: 45, lon: -30, at: of("2025-07-01T12:00"), outcome: job.OutOfCoverage, statistics: 2, catalog: 1},
		{name: "12_null_island", lat: 0, lon: 0, at: of("2025-07-01T12:00"), outcome: job.OutOfCoverage, statistics: 2, catalog: 1},
		{
			name: "13_taveuni_at_180_degrees", lat: -16.8, lon: 179.9998, at: of("2025-08-01T12:00"), outcome: job.Success, statistics: 1, offset: 2,
			holds: insideTheWorld,
		},
		// Formally valid; a check of the zone would expose the swap, no image exists there.
		{name: "14_swapped_copenhagen", lat: parkLon, lon: parkLat, at: of("2025-08-15T10:00"), outcome: job.OutOfCoverage, statistics: 2, catalog: 1},
		// The nearest image is of 2 March, and February has 29 days.
		{name: "17_leap_day", lat: parkLat, lon: parkLon, at: of("2024-02-29T12:00"), outcome: job.Success, statistics: 1, offset: 2},
	}
}

// Positions in the fixed order of the indices.
const (
	ndvi = 0
	msi  = 4
)

// between holds the mean of an index, and each of its pixels.
func between(t *testing.T, got result, index int, low, high float64) {
	t.Helper()
	s := got.analyses[0].Indices.InOrder()[index]
	if s == nil || s.Min < low || s.Max > high || s.Mean <= low || s.Mean >= high {
		t.Errorf("index %d is %+v, want it between %v and %v", index, s, low, high)
	}
}

// squareOf300Metres holds the area of a reading with an accuracy of 150 m, which is
// also what a high GPS error would be told by.
func squareOf300Metres(t *testing.T, got result) {
	t.Helper()
	b := got.asked[0].BBox
	north, east := (b[3]-b[1])*111_320, (b[2]-b[0])*111_320*math.Cos(streetLat*math.Pi/180)
	if math.Abs(north-300) > 0.1 || math.Abs(east-300) > 0.1 || got.analyses[0].HalfSideM != 150 {
		t.Errorf("area of %.2f m by %.2f m, analysis says %v", east, north, got.analyses[0].HalfSideM)
	}
}

// insideTheWorld holds that no longitude left -180..180, and that the box still
// reaches the edge that the reading lies at.
func insideTheWorld(t *testing.T, got result) {
	t.Helper()
	b := got.asked[0].BBox
	if b[2] != 180 || b[0] < 179.99 || b[0] >= b[2] {
		t.Errorf("asked about longitudes %v to %v", b[0], b[2])
	}
}

// sendSilent sends the readings that need no provider, and waits for their ends.
func (w *world) sendSilent(t *testing.T) []*reading {
	t.Helper()
	all := w.sendAll(t, silentRows())
	for _, r := range all {
		ended(t, r.c, r.created.JobID)
	}
	return all
}

// mustBeSilent holds that nobody has asked the provider yet, not even for a token.
func (w *world) mustBeSilent(t *testing.T) {
	t.Helper()
	if calls := w.Provider().Calls().List; len(calls) != 0 {
		t.Errorf("%d calls to the provider for readings that need none, the first %+v", len(calls), calls[0])
	}
}

package e2e_test

import (
	"time"

	"orbitq/internal/local/cdse"
	"orbitq/internal/local/scene"
)

// The places of the fixtures.
const (
	parkLat, parkLon         = 55.7072, 12.5704 // Fælledparken, Copenhagen
	streetLat, streetLon     = 55.6761, 12.5683 // central Copenhagen
	aarhusLat, aarhusLon     = 56.15, 10.2
	bornholmLat, bornholmLon = 55.12, 14.9
)

// passes are acquisitions of one cover, at the usual hour of each day.
func passes(cover scene.Class, cloud float64, days ...string) []cdse.Pass {
	var all []cdse.Pass
	for _, day := range days {
		all = append(all, cdse.Pass{At: of(day + "T10:40"), Cover: cover, CloudCover: cloud})
	}
	return all
}

// fixturePlaces says which images exist where. It is a stand-in, made up so that each
// case can happen: no such image was taken on these days, and the pixels were seen in
// Western Sahara (bare soil, cloud) and Brazil (vegetation, water); snow is a textbook
// reflectance. The numbers of an analysis are therefore real, but not of the place.
func fixturePlaces(now time.Time) []cdse.Place {
	today := now.Truncate(24 * time.Hour)
	ago := func(days int) time.Time { return today.AddDate(0, 0, -days).Add(10*time.Hour + 40*time.Minute) }
	park := append(passes(scene.Vegetation, 5, "2024-03-02", "2025-08-15"), passes(scene.Cloud, 95, "2025-08-10", "2025-08-18")...)
	return []cdse.Place{
		{Name: "park", Lat: parkLat, Lon: parkLon, Passes: park},
		{Name: "gribskov", Lat: 55.985, Lon: 12.305, Passes: passes(scene.Vegetation, 8, "2025-06-20", "2025-06-22")},
		{Name: "esrum", Lat: 56.013, Lon: 12.374, Passes: passes(scene.Water, 3, "2025-07-12")},
		{Name: "lolland", Lat: 54.82, Lon: 11.35, Passes: append(passes(scene.Vegetation, 0, "2025-05-20"), passes(scene.Bare, 0, "2025-09-11")...)},
		{Name: "raabjerg", Lat: 57.65, Lon: 10.405, Passes: passes(scene.Bare, 2, "2025-06-28", "2025-07-07")},
		// The nearest day is clouded, the next on either side is not: the earlier is nearer.
		{Name: "street", Lat: streetLat, Lon: streetLon, Passes: append(passes(scene.Bare, 10, "2025-08-15", "2025-08-18"), passes(scene.Cloud, 90, "2025-08-16")...)},
		{Name: "aarhus", Lat: aarhusLat, Lon: aarhusLon, Passes: append(
			passes(scene.Cloud, 100, "2025-12-03", "2025-12-14", "2025-12-16", "2025-12-24"),
			cdse.Pass{At: ago(3), Cover: scene.Cloud, CloudCover: 100}, cdse.Pass{At: ago(1), Cover: scene.Cloud, CloudCover: 99})},
		{Name: "ilulissat", Lat: 69.2, Lon: -49.9, Passes: passes(scene.Snow, 1, "2025-04-14")},
		// Several passes a day near the pole; the least clouded one is shown.
		{Name: "longyearbyen", Lat: 78.2232, Lon: 15.6267, Passes: []cdse.Pass{
			{At: of("2025-07-15T11:17"), Cover: scene.Cloud, CloudCover: 80},
			{At: of("2025-07-15T12:07"), Cover: scene.Bare, CloudCover: 12},
			{At: of("2025-07-15T12:57"), Cover: scene.Cloud, CloudCover: 60},
		}},
		{Name: "taveuni", Lat: -16.8, Lon: 179.9998, Passes: passes(scene.Vegetation, 30, "2025-08-03")},
		{Name: "bornholm", Lat: bornholmLat, Lon: bornholmLon, Passes: []cdse.Pass{{At: ago(1), Cover: scene.Bare}}},
		{Name: "bornholm-late", Lat: bornholmLat + 0.1, Lon: bornholmLon, Passes: []cdse.Pass{{At: ago(2), Cover: scene.Bare, Published: now.Add(lateBy)}}},
	}
}

// lateBy is how long after the start the late image is published: after the first
// looks for it, before the last.
const lateBy = 7 * time.Second

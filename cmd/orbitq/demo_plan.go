package main

import (
	"fmt"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/scene"
)

// sample is a point of the demo with what must become of it.
type sample struct {
	name  string
	point client.NewPoint
	want  string // an outcome, or the code of a refusal
}

// Where the samples come from, beside the scene itself. With the six single cases there are 25.
const (
	clearSamples  = 15
	cloudSamples  = 4
	seasonsAway   = 90 * 24 * time.Hour // far outside any window, near enough for the catalog to know the place
	degreesOut    = 2.0                 // from the middle of the scene, which spans half a degree
	wideAccuracy  = 250                 // metres: the square grows to 500 m and covers several pixels
	beforeMission = "2014-06-01T12:00:00Z"
)

// plan returns the points of the demo. All but the outlier and the invalid one lie inside the scene, and what becomes
// of each follows from the pixels under it and from its date, not from this table.
func plan(s *scene.Scene, now time.Time) ([]sample, error) {
	early, err := time.Parse(time.RFC3339, beforeMission)
	if err != nil {
		return nil, fmt.Errorf("read date: %w", err)
	}
	bare := s.PickPoints(scene.Bare, clearSamples+4)
	cloud := s.PickPoints(scene.Cloud, cloudSamples)
	if len(bare) < clearSamples+4 || len(cloud) < cloudSamples {
		return nil, fmt.Errorf("pick points: the scene has %d clear and %d clouded places", len(bare), len(cloud))
	}
	// Places come in a fixed order, so every run shows the same table but for its times.
	all := make([]sample, 0, clearSamples+cloudSamples+6)
	for i, p := range bare[:clearSamples] {
		// Two weeks around the acquisition, and squares of 120 to 180 m.
		days, accuracy := i%13-6, float64(i*6)
		at := s.Sensed().AddDate(0, 0, days)
		all = append(all, sample{fmt.Sprintf("clear %+dd", days), reading(p, at, accuracy), string(job.Success)})
	}
	for i, p := range cloud {
		clouded := reading(p, s.Sensed(), 0)
		clouded.Queue = []string{"high", "default", "low"}[i%3] // every queue has a part in it
		all = append(all, sample{fmt.Sprintf("cloud %d", i+1), clouded, string(job.Clouded)})
	}
	// The rest are cases of which one is enough. The last one is refused before it becomes a job.
	rest := bare[clearSamples:]
	outside := rest[0]
	outside.Lon += degreesOut
	wrong := reading(rest[1], s.Sensed(), 0)
	wrong.Latitude = 91
	return append(
		all,
		sample{"wide square", reading(rest[0], s.Sensed(), wideAccuracy), string(job.Success)},
		sample{"outside", reading(outside, s.Sensed(), 0), string(job.OutOfCoverage)},
		sample{"other season", reading(rest[1], s.Sensed().Add(-seasonsAway), 0), string(job.NoAcquisition)},
		sample{"before 2015", reading(rest[2], early, 0), string(job.PreMission)},
		sample{"today", reading(rest[3], now.Add(-time.Minute), 0), string(job.NotYetAvailable)},
		sample{"latitude 91", wrong, string(job.InvalidField)},
	), nil
}

// reading is a point at a place and time; its value is beside the point here. Seconds are as exact as people's clocks,
// and the day is all that an enrichment looks at.
func reading(p scene.Point, at time.Time, accuracy float64) client.NewPoint {
	at = at.UTC().Truncate(time.Second)
	return client.NewPoint{
		Latitude: p.Lat, Longitude: p.Lon, Accuracy: accuracy, Value: 21.5, CollectedAt: &at, MetricID: "temperature", CampaignID: "demo",
	}
}

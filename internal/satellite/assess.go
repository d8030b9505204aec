package satellite

import (
	"math"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
)

// MinValidFraction is the share of usable pixels that a day needs to count.
const MinValidFraction = 0.5

// PublishDelay is how long after the overpass an image may still be missing.
const PublishDelay = 24 * time.Hour

// day is one calendar day.
const day = 24 * time.Hour

// MissionStart is the first day with surface reflectance: 2015-07-04.
func MissionStart() time.Time { return time.Date(2015, 7, 4, 0, 0, 0, 0, time.UTC) }

// Window is a span of days, To being the day after the last one.
type Window struct {
	From, To time.Time
}

// DayOf returns midnight UTC of the day on which t lies.
func DayOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// Windows returns what to ask for, in this order: seven days around the
// reading, then fifteen. Both are cut to days on which an image can exist.
func Windows(collected, now time.Time) []Window {
	return []Window{around(collected, now, 7), around(collected, now, 15)}
}

// CoverageWindow returns the year around the reading in which the catalog must
// hold an image if the place is covered at all: polar night lasts months.
func CoverageWindow(collected, now time.Time) Window { return around(collected, now, 183) }

// around returns the window of n days on both sides of the reading.
func around(collected, now time.Time, n int) Window {
	d := DayOf(collected)
	w := Window{From: d.AddDate(0, 0, -n), To: d.AddDate(0, 0, n+1)}
	if w.From.Before(MissionStart()) {
		w.From = MissionStart()
	}
	if tomorrow := DayOf(now).Add(day); w.To.After(tomorrow) {
		w.To = tomorrow
	}
	return w
}

// Before returns the outcome that needs no provider call, or "" when the
// provider must be asked.
func Before(p *point.Point, now time.Time) job.Outcome {
	switch {
	case !p.HasLocation():
		return job.NoLocation
	case p.CollectedAt.Before(MissionStart()):
		return job.PreMission
	case !Covered(*p.Latitude):
		return job.OutOfCoverage
	case p.CollectedAt.Add(PublishDelay).After(now):
		// An image of the reading's own day cannot be published yet; an older
		// one would be stored for ever in its place.
		return job.NotYetAvailable
	default:
		return ""
	}
}

// Choose returns the day that is nearest to the reading among those with enough
// valid pixels; of two at the same distance the clearer one, then the earlier.
func Choose(days []Day, collected time.Time) (Day, bool) {
	best := -1
	for i := range days {
		if days[i].ValidFraction < MinValidFraction || days[i].finite() == 0 {
			continue
		}
		if best < 0 || nearer(&days[i], &days[best], DayOf(collected)) {
			best = i
		}
	}
	if best < 0 {
		return Day{}, false
	}
	return days[best], true
}

// nearer reports whether a is the better choice than b for the reading's day.
func nearer(a, b *Day, target time.Time) bool {
	da, db := a.Date.Sub(target).Abs(), b.Date.Sub(target).Abs()
	if da != db {
		return da < db
	}
	if a.ValidFraction != b.ValidFraction {
		return a.ValidFraction > b.ValidFraction
	}
	return a.Date.Before(b.Date)
}

// WithoutImage returns the outcome of a reading for which no day could be
// chosen: clouded when there were images, not yet available while the window is
// still open, else depending on whether the catalog knows the place at all.
func WithoutImage(images int, collected, now time.Time, inCatalog bool) job.Outcome {
	switch {
	case images > 0:
		return job.Clouded
	case WindowOpen(collected, now):
		return job.NotYetAvailable
	case inCatalog:
		return job.NoAcquisition
	default:
		return job.OutOfCoverage
	}
}

// WindowOpen reports whether an image of the widest window may still appear.
func WindowOpen(collected, now time.Time) bool {
	return DayOf(collected).AddDate(0, 0, 16).Add(PublishDelay).After(now)
}

// Result returns the analysis of the chosen day; the caller adds whose it is.
func Result(d Day, p *point.Point, half int) Analysis {
	offset := int(math.Round(d.Date.Sub(DayOf(p.CollectedAt)).Hours() / 24))
	return Analysis{
		Point: p.ID, Revision: p.Revision, Day: d, Partial: d.finite() < IndexCount,
		DayOffset: offset, TemporalQuality: TemporalQuality(offset),
		HalfSide: half, ScriptVersion: ScriptVersion,
	}
}

// Outcome returns what a job that produced the analysis ends with.
func (a *Analysis) Outcome() job.Outcome {
	if a.Partial {
		return job.Partial
	}
	return job.Success
}

// TemporalQuality grades the distance between image and reading, in days.
func TemporalQuality(offset int) string {
	if offset < 0 {
		offset = -offset
	}
	switch {
	case offset <= 3:
		return "excellent"
	case offset <= 7:
		return "good"
	case offset <= 14:
		return "acceptable"
	default:
		return "poor"
	}
}

// finite counts the indices that have a value.
func (d *Day) finite() int {
	n := 0
	for _, s := range d.Indices {
		if s != nil {
			n++
		}
	}
	return n
}

package quality

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"orbitq/internal/job"
)

// Limits of a zone.
const (
	MinCorners  = 3
	MaxCorners  = 500 // without the repeated first corner of a closed ring
	MaxZoneName = 100 // characters
)

// Zone is an area of a campaign: what the ring encloses, and its border.
//
// Between two corners the border is straight on the map and takes the shorter
// way around the globe, so that a ring may cross 180 degrees: an edge that is
// wider than 180 degrees needs a corner in between.
type Zone struct {
	Name string       `json:"name"`
	Ring [][2]float64 `json:"ring"` // longitude, latitude in degrees; the first corner may be repeated at the end
}

// CheckZone returns every rule that the zone breaks.
func CheckZone(z Zone) []job.Violation {
	var broken []job.Violation
	switch {
	case strings.TrimSpace(z.Name) == "":
		broken = append(broken, job.Violation{Field: "name", Rule: "required", Detail: "must be given"})
	case utf8.RuneCountInString(z.Name) > MaxZoneName:
		broken = append(broken, job.Violation{Field: "name", Rule: "max_length", Detail: "must have at most " + strconv.Itoa(MaxZoneName) + " characters"})
	default:
		broken = job.CheckName("name", z.Name)
	}
	corners := z.corners()
	ring := checkRing(corners)
	if len(ring) == 0 {
		ring = checkShape(corners)
	}
	return append(broken, ring...)
}

// corners returns the ring without the repeated first corner of a closed one.
func (z Zone) corners() [][2]float64 {
	if n := len(z.Ring); n > 1 && z.Ring[0] == z.Ring[n-1] {
		return z.Ring[:n-1]
	}
	return z.Ring
}

// checkRing returns the first rule that the corners break, as they build on
// each other.
func checkRing(corners [][2]float64) []job.Violation {
	refuse := func(field, rule, detail string) []job.Violation {
		return []job.Violation{{Field: field, Rule: rule, Detail: detail}}
	}
	if len(corners) > MaxCorners {
		return refuse("ring", "max_items", "must have at most "+strconv.Itoa(MaxCorners)+" corners")
	}
	for i, c := range corners {
		field := "ring[" + strconv.Itoa(i) + "]"
		if !finite(c[0]) || !finite(c[1]) {
			return refuse(field, "finite", "must have finite numbers")
		}
		if !within(c[0], 180) || !within(c[1], 90) {
			return refuse(field, "range", "must have a longitude from -180 to 180, then a latitude from -90 to 90")
		}
	}
	if distinct(corners) < MinCorners {
		return refuse("ring", "min_items", "must have at least "+strconv.Itoa(MinCorners)+" distinct corners")
	}
	if turns(corners) {
		return refuse("ring", "pole", "must not run around a pole; an edge takes the shorter way, add corners to one that is wider than 180 degrees")
	}
	return nil
}

// within reports whether x is a number from -limit to limit.
func within(x, limit float64) bool { return math.Abs(x) <= limit }

// distinct counts places, up to MinCorners; 180 degrees east and west are the same.
func distinct(corners [][2]float64) int {
	places := make([][2]float64, 0, MinCorners)
	for _, c := range corners {
		if c[0] == -180 {
			c[0] = 180
		}
		if !slices.Contains(places, c) && len(places) < MinCorners {
			places = append(places, c)
		}
	}
	return len(places)
}

// turns reports whether the ring goes once around the globe instead of back to
// its start: it then has no inside on a map.
func turns(corners [][2]float64) bool {
	sum, last := 0.0, corners[len(corners)-1]
	for _, c := range corners {
		sum += shorter(last[0], c[0])
		last = c
	}
	return math.Abs(sum) > 180
}

// shorter returns the difference of two longitudes by the shorter way, -180..180.
func shorter(from, to float64) float64 { return math.Remainder(to-from, 360) }

// contains reports whether a place lies in the zone, which must have passed
// checkRing. Of a ring that crosses itself, which CheckZone once accepted, inside is what an odd
// number of edges separates from the outside. The ring is unrolled into a plane whose origin is the place;
// a wide ring may meet the place there one turn to the east or west.
func (z Zone) contains(lon, lat float64) bool {
	corners := z.corners()
	plane := make([][2]float64, len(corners))
	last, x := lon, 0.0
	for i, c := range corners {
		x += shorter(last, c[0])
		last = c[0]
		plane[i] = [2]float64{x, c[1] - lat}
	}
	return encloses(plane, 0) || encloses(plane, 360) || encloses(plane, -360)
}

// encloses reports whether the ring encloses the place (at, 0) or has it on its
// border, by counting the edges east of it.
func encloses(ring [][2]float64, at float64) bool {
	inside := false
	a := ring[len(ring)-1]
	for _, b := range ring {
		if touches(a[0]-at, a[1], b[0]-at, b[1]) {
			return true
		}
		if (a[1] > 0) != (b[1] > 0) && a[0]+(b[0]-a[0])*a[1]/(a[1]-b[1]) > at {
			inside = !inside
		}
		a = b
	}
	return inside
}

// borderWidth is the distance in degrees at which a place is on the border: a
// place on a slanting border is stored beside it, by up to half the diagonal of
// the 1e-7 degrees (about 1 cm) to which point.New rounds.
const borderWidth = 0.75e-7

// touches reports whether the origin lies on the edge from (ax, ay) to (bx, by).
// On an edge of no length the nearest point would be 0/0 of the way: share makes
// that the start.
func touches(ax, ay, bx, by float64) bool {
	dx, dy := bx-ax, by-ay
	f := share(-(ax*dx + ay*dy) / (dx*dx + dy*dy))
	return math.Hypot(ax+f*dx, ay+f*dy) <= borderWidth
}

package quality

import (
	"math"
	"slices"

	"orbitq/internal/job"
)

// checkShape returns what is wrong with the shape of a ring that passed checkRing: it encloses an
// area, and its edges meet at their corners alone. A ring that crosses itself is nearly always one
// whose corners are in the wrong order, and then encloses what its owner did not mean. The cost is n²/2 for n
// corners, of which checkRing allows MaxCorners.
//
// Zones that were stored before this rule are still used: see contains.
func checkShape(corners [][2]float64) []job.Violation {
	plane := unrolled(corners)
	switch {
	case flat(plane):
		return []job.Violation{{Field: "ring", Rule: "area", Detail: "must enclose an area: its corners are on one line"}}
	case meets(plane):
		return []job.Violation{{Field: "ring", Rule: "simple", Detail: "must not cross or touch itself; an area with a hole needs two zones"}}
	}
	return nil
}

// unrolled returns a ring on a plane, where each edge takes the shorter way around the globe and
// no corner follows itself.
func unrolled(corners [][2]float64) [][2]float64 {
	plane := make([][2]float64, 0, len(corners))
	last, x := corners[0][0], corners[0][0]
	for _, c := range corners {
		x += shorter(last, c[0])
		last = c[0]
		plane = append(plane, [2]float64{x, c[1]})
	}
	plane = slices.Compact(plane)
	if n := len(plane); n > 1 && plane[0] == plane[n-1] {
		return plane[:n-1] // such as 180 degrees east, then west
	}
	return plane
}

// flat reports whether all corners are on one line, or as near to it as coordinates can tell.
func flat(plane [][2]float64) bool {
	a := plane[0]
	far, length := a, 0.0
	for _, p := range plane {
		if d := math.Hypot(p[0]-a[0], p[1]-a[1]); d > length {
			far, length = p, d
		}
	}
	return !slices.ContainsFunc(plane, func(p [2]float64) bool { return math.Abs(side(a, far, p)) > borderWidth*length })
}

// meets reports whether two edges of a ring have a point in common that is not the corner between
// them, or the ring is wider than the globe, where it lies over itself.
func meets(plane [][2]float64) bool {
	n := len(plane)
	west, east := plane[0][0], plane[0][0]
	for i, a := range plane {
		west, east = min(west, a[0]), max(east, a[0])
		b := plane[(i+1)%n]
		if c := plane[(i+2)%n]; side(a, b, c) == 0 && (a[0]-b[0])*(c[0]-b[0])+(a[1]-b[1])*(c[1]-b[1]) > 0 {
			return true // the next edge goes back on this one
		}
		for k := i + 2; k < n && (i > 0 || k < n-1); k++ { // the last edge is the first one's neighbour
			if meet(a, b, plane[k], plane[(k+1)%n]) {
				return true
			}
		}
	}
	return east-west > 360
}

// meet reports whether the edges a-b and c-d have a point in common.
func meet(a, b, c, d [2]float64) bool {
	ca, cb, ac, ad := side(c, d, a), side(c, d, b), side(a, b, c), side(a, b, d)
	if (ca > 0) != (cb > 0) && (ac > 0) != (ad > 0) && ca != 0 && cb != 0 && ac != 0 && ad != 0 {
		return true
	}
	return ca == 0 && onEdge(c, d, a) || cb == 0 && onEdge(c, d, b) || ac == 0 && onEdge(a, b, c) || ad == 0 && onEdge(a, b, d)
}

// side is positive for a place on the left of the way from a to b, and 0 on its line.
func side(a, b, p [2]float64) float64 {
	return (b[0]-a[0])*(p[1]-a[1]) - (b[1]-a[1])*(p[0]-a[0])
}

// onEdge reports whether a place on the line of a and b is not beyond them.
func onEdge(a, b, p [2]float64) bool {
	return p[0] >= min(a[0], b[0]) && p[0] <= max(a[0], b[0]) && p[1] >= min(a[1], b[1]) && p[1] <= max(a[1], b[1])
}

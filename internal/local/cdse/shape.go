package cdse

import (
	"encoding/json"
	"slices"
)

// lonLat is longitude and latitude. Shapes live on the plane of degrees, and holes are ignored: a search answers
// which scenes may touch an area, so a little too much is right and too little is wrong.
type lonLat = [2]float64

// ring is a sequence of positions; a closed one also bounds an area.
type ring []lonLat

// part is a point, a line or an area.
type part struct {
	outer ring
	// closed adds the edge from the last position to the first, and the area within.
	closed bool
}

// shape is a union of parts.
type shape []part

// parseShape reads a GeoJSON geometry.
func parseShape(raw json.RawMessage) (shape, bool) {
	var geometry struct {
		Type        string          `json:"type"`
		Coordinates json.RawMessage `json:"coordinates"`
	}
	if json.Unmarshal(raw, &geometry) != nil {
		return nil, false
	}
	// Each type nests its positions one level deeper than the one before.
	decode := func(into any) bool { return json.Unmarshal(geometry.Coordinates, into) == nil }
	var (
		point    lonLat
		line     ring
		polygon  []ring
		polygons [][]ring
		ok       bool
	)
	switch geometry.Type {
	case "Point":
		ok = decode(&point)
		return shape{{outer: ring{point}}}, ok
	case "LineString":
		ok = decode(&line)
		return shape{{outer: line}}, ok && len(line) > 0
	case "Polygon":
		ok = decode(&polygon)
		polygons = [][]ring{polygon}
	case "MultiPolygon":
		ok = decode(&polygons)
	}
	var s shape
	// Only the outer ring is kept; a ring has at least three corners and repeats the first.
	for _, rings := range polygons {
		if len(rings) == 0 || len(rings[0]) < 4 {
			return nil, false
		}
		s = append(s, part{outer: rings[0], closed: true})
	}
	return s, ok && len(s) > 0
}

// touches tells whether any part shares a place with the area inside a ring.
func (s shape) touches(area ring) bool {
	return slices.ContainsFunc(s, func(p part) bool {
		// A corner in the area, the area around a corner of the other, or edges that cross without any corner inside.
		return slices.ContainsFunc(p.outer, area.holds) ||
			p.closed && slices.ContainsFunc(area, p.outer.holds) ||
			p.crosses(area)
	})
}

// bounds is the box around the ring: west, south, east, north.
func (r ring) bounds() [4]float64 {
	box := [4]float64{r[0][0], r[0][1], r[0][0], r[0][1]}
	for _, p := range r {
		box[0], box[1] = min(box[0], p[0]), min(box[1], p[1])
		box[2], box[3] = max(box[2], p[0]), max(box[3], p[1])
	}
	return box
}

// holds is the even-odd rule.
func (r ring) holds(p lonLat) bool {
	// Every edge that passes above or below the position on one side turns the answer.
	inside := false
	for i, a := range r {
		b := r[(i+1)%len(r)]
		if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < (b[0]-a[0])*(p[1]-a[1])/(b[1]-a[1])+a[0] {
			inside = !inside
		}
	}
	return inside
}

// crosses tells whether an edge of the part crosses an edge of the ring. An open line has no closing edge.
func (p part) crosses(area ring) bool {
	for i, a := range p.outer {
		if i == len(p.outer)-1 && !p.closed {
			break
		}
		b := p.outer[(i+1)%len(p.outer)]
		for j := range area {
			if segmentsCross(a, b, area[j], area[(j+1)%len(area)]) {
				return true
			}
		}
	}
	return false
}

// segmentsCross tells whether pq and rs cross in a proper point.
func segmentsCross(p, q, r, s lonLat) bool {
	return side(p, q, r) != side(p, q, s) && side(r, s, p) != side(r, s, q)
}

// side tells whether p lies left of the line from a to b.
func side(a, b, p lonLat) bool {
	return (b[0]-a[0])*(p[1]-a[1]) > (b[1]-a[1])*(p[0]-a[0])
}

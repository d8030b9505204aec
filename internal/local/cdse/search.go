package cdse

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// searchBody is the JSON of a catalog search.
type searchBody struct {
	BBox        []float64       `json:"bbox"`
	Intersects  json.RawMessage `json:"intersects"`
	Datetime    string          `json:"datetime"`
	Collections []string        `json:"collections"`
	Limit       *int            `json:"limit"`
	Next        int             `json:"next"` // from the context of the previous answer
	Distinct    string          `json:"distinct"`
	Filter      json.RawMessage `json:"filter"`
}

// search is a checked catalog search; zero times are open ends.
type search struct {
	// area is nil for the whole world.
	area        shape
	from, to    time.Time
	limit, next int
	distinct    bool
	// cloud is the only property that can be filtered by.
	cloud cloudFilter
}

// decodeSearch checks a body and reports everything that is wrong with it at once.
func decodeSearch(raw []byte) (search, error) {
	var body searchBody
	if err := decodeJSON(raw, &body); err != nil {
		return search{}, err
	}
	// As with the other service, every fault is collected; zero values stand in for what was wrong.
	var v violations
	q := search{limit: 10, next: body.Next, distinct: body.Distinct == "date"}
	if body.Distinct != "" && !q.distinct {
		v.addf("distinct", "Only distinct \"date\" is supported here.")
	}
	if body.Limit != nil {
		q.limit = *body.Limit
	}
	if q.limit < 1 || q.limit > 100 {
		v.addf("limit", "Has to be within 1..100.")
	}
	if q.next < 0 {
		v.addf("next", "Must not be negative.")
	}
	if len(body.Collections) == 0 || slices.ContainsFunc(body.Collections, func(c string) bool { return c != collection }) {
		v.addf("collections", "Has to be [%q], the only collection here.", collection)
	}
	q.readArea(&v, body)
	q.from, q.to = readRange(&v, body.Datetime)
	q.cloud = readFilter(&v, body.Filter)
	return q, v.err()
}

// readArea takes a box or a geometry, or neither, which searches the whole world.
func (q *search) readArea(v *violations, body searchBody) {
	if body.BBox != nil && body.Intersects != nil {
		v.addf("bbox", "Only one of bbox and intersects can be set.")
		return
	}
	if body.BBox != nil {
		box, fault := readBox(body.BBox)
		if fault != "" || outOfWorld(geographic{}, box) {
			v.addf("bbox", "Has to be [west, south, east, north] in degrees.")
			return
		}
		q.area = shape{{outer: ring{{box[0], box[1]}, {box[2], box[1]}, {box[2], box[3]}, {box[0], box[3]}}, closed: true}}
	}
	if body.Intersects != nil {
		area, ok := parseShape(body.Intersects)
		if !ok {
			v.addf("intersects", "Has to be a GeoJSON Point, LineString, Polygon or MultiPolygon.")
		}
		q.area = area
	}
}

// readRange takes "from/to", either end open as "..", or a single instant. Both ends belong to the range.
func readRange(v *violations, text string) (from, to time.Time) {
	// A single instant is a range of no length; an open end stays the zero time.
	first, last, both := strings.Cut(text, "/")
	if !both {
		last = first
	}
	if text == "" || first == ".." && last == ".." {
		v.addf("datetime", "Parameter `datetime` is required.")
		return from, to
	}
	if first != ".." {
		from = readInstant(v, "datetime", first)
	}
	if last != ".." {
		to = readInstant(v, "datetime", last)
	}
	if !to.IsZero() && to.Before(from) {
		v.addf("datetime", "The interval ends before it begins.")
	}
	return from, to
}

// cloudFilter is a comparison of the cloud cover with a limit; the zero value admits everything.
type cloudFilter struct {
	operator string
	limit    float64
}

// readFilter understands the one filter that clients of this collection use, in CQL2 text.
func readFilter(v *violations, raw json.RawMessage) cloudFilter {
	// The value is CQL2 text, or an object in CQL2 JSON, which is refused below like any other filter.
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil && text == "" {
		return cloudFilter{}
	}
	match := regexp.MustCompile(`^\s*eo:cloud_cover\s*(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)\s*$`).FindStringSubmatch(text)
	if match == nil {
		v.addf("filter", "Only a comparison of eo:cloud_cover in CQL2 text is supported here.")
		return cloudFilter{}
	}
	limit, err := strconv.ParseFloat(match[2], 64)
	if err != nil {
		v.addf("filter", "%q is not a number.", match[2])
	}
	return cloudFilter{match[1], limit}
}

// admits applies the comparison.
func (f cloudFilter) admits(cover float64) bool {
	switch f.operator {
	case "<":
		return cover < f.limit
	case "<=":
		return cover <= f.limit
	case ">":
		return cover > f.limit
	case ">=":
		return cover >= f.limit
	case "=":
		return cover == f.limit
	}
	return true
}

package cdse

import (
	"context"
	"slices"
	"time"
)

// catalogAnswer is a STAC feature collection.
type catalogAnswer struct {
	Type     string         `json:"type"`
	Features []any          `json:"features"` // features, or dates when distinct ones were asked for
	Links    []catalogLink  `json:"links"`
	Context  catalogContext `json:"context"`
}

// catalogLink is a STAC link.
type catalogLink struct {
	Href string `json:"href"`
	Rel  string `json:"rel"`
	Type string `json:"type"`
}

// catalogContext tells how to go on: Next is the value for the next request's member of that name.
type catalogContext struct {
	Next     int `json:"next,omitempty"`
	Limit    int `json:"limit"`
	Returned int `json:"returned"`
}

// feature is a STAC item; it has no assets, because nothing can be downloaded here.
type feature struct {
	Version    string            `json:"stac_version"`
	Type       string            `json:"type"`
	ID         string            `json:"id"`
	BBox       [4]float64        `json:"bbox"`
	Geometry   polygonBody       `json:"geometry"`
	Properties featureProperties `json:"properties"`
	Collection string            `json:"collection"`
	Links      []catalogLink     `json:"links"`
	Assets     map[string]any    `json:"assets"`
}

// polygonBody is a GeoJSON polygon.
type polygonBody struct {
	Type        string     `json:"type"`
	Coordinates [][]lonLat `json:"coordinates"`
}

// featureProperties are the members that searches and clients look at.
type featureProperties struct {
	// Datetime is cut to seconds, as the catalog shows it; searches compare the exact instant.
	Datetime      time.Time `json:"datetime"`
	Platform      string    `json:"platform"`
	Instruments   []string  `json:"instruments"`
	Constellation string    `json:"constellation"`
	GSD           int       `json:"gsd"`
	CloudCover    float64   `json:"eo:cloud_cover"`
	// EPSG is the code of the pixel grid.
	EPSG int `json:"proj:epsg"`
}

// catalog answers a search. Members that only shape the answer (fields) are ignored: every property is returned.
func (s *Server) catalog(_ context.Context, r request) (reply, error) {
	search, err := decodeSearch(r.body)
	if err != nil {
		return reply{}, err
	}
	var found []any
	for _, a := range s.published() {
		if r.fault.Kind != FaultEmpty && search.finds(&a) {
			found = append(found, search.item(&a))
		}
	}
	if search.distinct {
		found = slices.Compact(found) // dates, in order
	}
	return reply{body: page(found, search.limit, search.next)}, nil
}

// page cuts the answer out of everything found.
func page(found []any, limit, next int) catalogAnswer {
	// Beyond the last page there is an empty page, no error.
	start := min(next, len(found))
	end := min(start+limit, len(found))
	answer := catalogAnswer{
		Type: "FeatureCollection", Features: append([]any{}, found[start:end]...),
		Links:   []catalogLink{{Href: CatalogPath, Rel: "self", Type: jsonMedia}},
		Context: catalogContext{Limit: limit, Returned: end - start},
	}
	if end < len(found) {
		answer.Context.Next = end
		answer.Links = append(answer.Links, catalogLink{Href: CatalogPath, Rel: "next", Type: jsonMedia})
	}
	return answer
}

// finds tells whether the search is about the acquisition.
func (q *search) finds(a *acquisition) bool {
	if !q.from.IsZero() && a.sensed.Before(q.from) || !q.to.IsZero() && a.sensed.After(q.to) {
		return false
	}
	// Cloud and area last; any condition that is absent holds.
	if !q.cloud.admits(a.cloud) {
		return false
	}
	return q.area == nil || q.area.touches(a.outline)
}

// outline is the footprint of the scene as an area.
func (s *Server) outline() ring {
	var r ring
	for _, corner := range s.scene.Footprint() {
		r = append(r, corner)
	}
	return r
}

// item is an acquisition as a feature, or as its date when distinct dates are wanted.
func (q *search) item(a *acquisition) any {
	if q.distinct {
		return a.sensed.Format(time.DateOnly)
	}
	// GeoJSON rings are closed by repeating the first corner.
	closed := append(slices.Clone(a.outline), a.outline[0])
	return feature{
		Version: "1.0.0", Type: "Feature", ID: a.id, BBox: a.outline.bounds(),
		Geometry: polygonBody{Type: "Polygon", Coordinates: [][]lonLat{closed}},
		Properties: featureProperties{
			Datetime: a.sensed.Truncate(time.Second), Platform: "sentinel-2a", Instruments: []string{"msi"},
			Constellation: "sentinel-2", GSD: 10, CloudCover: a.cloud, EPSG: a.epsg,
		},
		Collection: collection, Links: []catalogLink{}, Assets: map[string]any{},
	}
}

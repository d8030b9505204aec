package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"orbitq/internal/client"
)

// geo is any object of GeoJSON (RFC 7946), or our own list of zones: a reader that takes both needs no flag that says
// which it is.
type geo struct {
	Zones []client.Zone `json:"zones"` // ours

	Type        string          `json:"type"`
	Features    []geo           `json:"features"`
	Geometry    *geo            `json:"geometry"`
	Geometries  []geo           `json:"geometries"`
	Coordinates json.RawMessage `json:"coordinates"`
	Properties  map[string]any  `json:"properties"`
}

// zonesOf reads zones: a list of ours, an object with one, or GeoJSON with polygons. What else is in GeoJSON is refused and
// not skipped: a point in a file of zones is a mistake that somebody should see.
func zonesOf(raw []byte) ([]client.Zone, error) {
	if len(raw) > 0 && raw[0] == '[' {
		var zones []client.Zone
		if err := json.Unmarshal(raw, &zones); err != nil {
			return nil, fmt.Errorf("decode list of zones: %w", err)
		}
		return zones, nil
	}
	var g geo
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, fmt.Errorf("decode zones: %w", err)
	}
	if g.Type == "" {
		return g.Zones, nil
	}
	var zones []client.Zone
	return zones, g.collect("", &zones)
}

// collect adds the polygons of an object. A zone is named after the feature that it is of, or counted.
func (g *geo) collect(name string, zones *[]client.Zone) error {
	if own, ok := g.Properties["name"].(string); ok {
		name = own
	}
	switch g.Type {
	case "FeatureCollection", "GeometryCollection":
		for _, part := range append(g.Features, g.Geometries...) {
			if err := part.collect(name, zones); err != nil {
				return err
			}
		}
		return nil
	case "Feature":
		if g.Geometry == nil {
			return errors.New("a feature has no geometry")
		}
		return g.Geometry.collect(name, zones)
	case "Polygon":
		var rings [][][]float64
		if err := json.Unmarshal(g.Coordinates, &rings); err != nil {
			return fmt.Errorf("decode polygon: %w", err)
		}
		return addPolygons(name, zones, rings)
	case "MultiPolygon":
		var polygons [][][][]float64
		if err := json.Unmarshal(g.Coordinates, &polygons); err != nil {
			return fmt.Errorf("decode polygons: %w", err)
		}
		return addPolygons(name, zones, polygons...)
	default:
		return fmt.Errorf("a zone is a Polygon or MultiPolygon, not a %q", g.Type)
	}
}

// addPolygons adds polygons as zones.
func addPolygons(name string, zones *[]client.Zone, polygons ...[][][]float64) error {
	for _, rings := range polygons {
		// A hole would be dropped in silence, and readings in it would pass.
		if len(rings) != 1 {
			return fmt.Errorf("a zone is a polygon of one ring, without holes, not of %d rings", len(rings))
		}
		zone := client.Zone{Name: name}
		if name == "" {
			zone.Name = fmt.Sprintf("zone %d", len(*zones)+1)
		}
		for _, position := range rings[0] {
			if len(position) < 2 {
				return errors.New("a position has no longitude and latitude")
			}
			zone.Ring = append(zone.Ring, [2]float64{position[0], position[1]}) // an altitude says nothing here
		}
		*zones = append(*zones, zone)
	}
	return nil
}

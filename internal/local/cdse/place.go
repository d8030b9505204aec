package cdse

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"orbitq/internal/local/scene"
)

// Place is a square that the scene does not show, with acquisitions that are made up: day, hour and cloud cover are
// the caller's word, and the ground is a patch of real pixels that were seen elsewhere (scene.Patch). It lets a test
// say "a forest, seen on that day"; what it answers is no statement about the place on the map.
type Place struct {
	Name     string
	Lat, Lon float64 // the middle; the square reaches PlaceReach degrees to each side
	Passes   []Pass
}

// Pass is one acquisition of a place.
type Pass struct {
	At    time.Time
	Cover scene.Class // what the ground, or the cloud over it, looks like
	// CloudCover is what the catalog says of the whole tile, in percent.
	CloudCover float64
	// Published is when the service first shows it; the zero time is "always".
	Published time.Time
}

// PlaceReach is half the side of a place, in degrees: about 2 km.
const PlaceReach = 0.02

// ground is where pixels come from: the scene, or a patch.
type ground interface {
	DN(band string, pixel int) uint16
	Valid(pixel int) bool
}

// acquisition is one image: the scene's own, or one of a place.
type acquisition struct {
	id      string
	sensed  time.Time
	cloud   float64 // percent
	outline ring
	epsg    int
	// place and patch are unset for the scene, which knows its pixels by position.
	place *Place
	patch scene.Patch
	// published hides it before.
	published time.Time
}

// atlas holds the acquisitions of places.
type atlas struct {
	mu  sync.Mutex
	all []acquisition
}

// SetPlaces replaces the places; without any, the scene is all there is.
func (s *Server) SetPlaces(places ...Place) error {
	var all []acquisition
	for _, p := range places {
		if p.Name == "" || len(p.Passes) == 0 || math.Abs(p.Lat) > 90 || math.Abs(p.Lon) > 180 {
			return fmt.Errorf("set place %q at %v, %v: it needs a name, a position and passes", p.Name, p.Lat, p.Lon)
		}
		for _, pass := range p.Passes {
			made, err := s.acquired(p, pass)
			if err != nil {
				return fmt.Errorf("set place %q: %w", p.Name, err)
			}
			all = append(all, made)
		}
	}
	s.atlas.mu.Lock()
	defer s.atlas.mu.Unlock()
	s.atlas.all = all
	return nil
}

// acquired makes one acquisition of a place.
func (s *Server) acquired(p Place, pass Pass) (acquisition, error) {
	if pass.At.IsZero() {
		return acquisition{}, errors.New("a pass has no time")
	}
	patch, ok := s.scene.Patch(pass.Cover)
	if !ok {
		return acquisition{}, fmt.Errorf("there are no pixels of class %d", pass.Cover)
	}
	west, east := p.Lon-PlaceReach, p.Lon+PlaceReach
	south, north := p.Lat-PlaceReach, p.Lat+PlaceReach
	// The name says that no such product exists.
	return acquisition{
		id: "STAND-IN_" + p.Name + "_" + pass.At.UTC().Format("20060102T150405"), sensed: pass.At.UTC(), cloud: pass.CloudCover,
		outline: ring{{west, north}, {east, north}, {east, south}, {west, south}}, epsg: zoneOf(p.Lon, p.Lat),
		place: &p, patch: patch, published: pass.Published,
	}, nil
}

// zoneOf is the EPSG code of the UTM zone of a position, without the exceptions of Norway and Svalbard.
func zoneOf(lon, lat float64) int {
	code := 32601 + min(int((lon+180)/6), 59)
	if lat < 0 {
		code += 100
	}
	return code
}

// published lists what the service shows now, by time: the scene, and the places' acquisitions.
func (s *Server) published() []acquisition {
	all := []acquisition{{
		id: s.scene.Product(), sensed: s.scene.Sensed(), cloud: s.scene.CloudCover(), outline: s.outline(),
		epsg: epsgNorth + s.scene.Zone().Number,
	}}
	now := s.cfg.Clock()
	s.atlas.mu.Lock()
	defer s.atlas.mu.Unlock()
	for _, a := range s.atlas.all {
		if !a.published.After(now) {
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b acquisition) int { return cmp.Or(a.sensed.Compare(b.sensed), cmp.Compare(a.id, b.id)) })
	return all
}

// epsgNorth is what the codes of the northern UTM zones count from.
const epsgNorth = 32600

// cover lays the raster of a request over an acquisition. A place is hit as a whole, by the middle of the box: its
// pixels have no position, so they are laid out one after the other, again and again.
func (s *Server) cover(a *acquisition, req statRequest) (ground, coverage) {
	if a.place == nil {
		return s.scene, cover(s.scene, req.crs, req.box, req.width, req.height)
	}
	lon, lat := req.crs.lonLat((req.box[0]+req.box[2])/2, (req.box[1]+req.box[3])/2)
	if math.Abs(lon-a.place.Lon) > PlaceReach || math.Abs(lat-a.place.Lat) > PlaceReach {
		return nil, coverage{}
	}
	area := coverage{counts: map[int]int{}, total: req.width * req.height}
	for i := range area.total {
		area.counts[i%a.patch.Pixels()]++
	}
	return a.patch, area
}

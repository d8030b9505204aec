package cdse

import (
	"math"
	"regexp"
	"strconv"

	"orbitq/internal/local/scene"
)

// crs is a coordinate reference system a request may use.
type crs interface {
	// locate is the pixel of the scene that holds a position.
	locate(s *scene.Scene, x, y float64) (pixel int, ok bool)
	// lonLat is the geodetic position.
	lonLat(x, y float64) (lon, lat float64)
}

// parseCRS understands the OGC addresses of CRS84, EPSG 4326, 3857 and the UTM zones; an empty name is CRS84.
func parseCRS(name string) (crs, bool) {
	switch name {
	case "", "http://www.opengis.net/def/crs/OGC/1.3/CRS84", "https://www.opengis.net/def/crs/OGC/1.3/CRS84":
		return geographic{}, true
	}
	// Short forms such as EPSG:4326 are refused by the service as well.
	match := regexp.MustCompile(`^https?://www\.opengis\.net/def/crs/EPSG/0/(\d{4,5})$`).FindStringSubmatch(name)
	if match == nil {
		return nil, false
	}
	code, err := strconv.Atoi(match[1])
	if err != nil {
		return nil, false
	}
	// Codes without a UTM zone behind them are unknown, the polar ones among them.
	switch code {
	case 4326:
		return geographic{}, true
	case 3857:
		return webMercator{}, true
	}
	zone, ok := scene.FromEPSG(code)
	return transverse{zone}, ok
}

// geographic is longitude and latitude; the service takes EPSG 4326 in this order too.
type geographic struct{}

func (geographic) locate(s *scene.Scene, x, y float64) (int, bool) { return s.PixelAt(x, y) }

func (geographic) lonLat(x, y float64) (float64, float64) { return x, y }

// webMercator is the spherical projection of web maps.
type webMercator struct{}

func (m webMercator) locate(s *scene.Scene, x, y float64) (int, bool) {
	return s.PixelAt(m.lonLat(x, y))
}

func (webMercator) lonLat(x, y float64) (float64, float64) {
	const radius = 6378137
	return x / radius * 180 / math.Pi, math.Atan(math.Sinh(y/radius)) * 180 / math.Pi
}

// transverse is a UTM zone. Positions in the scene's own zone meet the grid without a detour over degrees.
type transverse struct{ zone scene.Zone }

func (t transverse) locate(s *scene.Scene, x, y float64) (int, bool) {
	if t.zone == s.Zone() {
		return s.PixelAtUTM(x, y)
	}
	return s.PixelAt(t.zone.Inverse(x, y))
}

func (t transverse) lonLat(x, y float64) (float64, float64) { return t.zone.Inverse(x, y) }

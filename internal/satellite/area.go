package satellite

import "math"

// Sizes of the area around a point, in metres. Up to 512 m a side, a request
// costs the provider's smallest step.
const (
	MinHalfSide = 60
	MaxHalfSide = 250
	PixelSize   = 10
)

// Latitudes between which Sentinel-2 looks at land, in degrees. Source: domain
// brief 3.8.
const (
	SouthernLimit = -56.0
	NorthernLimit = 83.0
)

// metresPerDegree is the length of one degree of latitude.
const metresPerDegree = 111_320.0

// Area is the square that is asked for, in CRS84 degrees and pixels.
type Area struct {
	West, South, East, North float64
	Width, Height            int // pixels of PixelSize
	HalfSide                 int // metres
}

// AreaAround returns the square around a place: half a side is the reading's
// accuracy in metres, clamped to 60..250 and rounded up to 10. A square that
// would cross 180 degrees is shifted onto the side of the point, so that no
// longitude leaves -180..180. Latitudes beyond the coverage have no area (the
// cosine goes to zero there): callers check Covered first.
func AreaAround(lat, lon, accuracy float64) Area {
	half := math.Ceil(min(max(accuracy, MinHalfSide), MaxHalfSide)/PixelSize) * PixelSize
	dLat := half / metresPerDegree
	dLon := half / (metresPerDegree * math.Cos(lat*math.Pi/180))
	west, east := lon-dLon, lon+dLon
	if east > 180 {
		west, east = 180-2*dLon, 180
	}
	if west < -180 {
		west, east = -180, -180+2*dLon
	}
	pixels := int(2 * half / PixelSize)
	return Area{
		West: degrees(west), South: degrees(lat - dLat), East: degrees(east), North: degrees(lat + dLat),
		Width: pixels, Height: pixels, HalfSide: int(half),
	}
}

// Covered reports whether the satellite looks at the latitude at all.
func Covered(lat float64) bool { return lat >= SouthernLimit && lat <= NorthernLimit }

// degrees rounds to 7 decimals (1 cm), so that equal places give equal requests.
func degrees(x float64) float64 { return math.Round(x*1e7) / 1e7 }

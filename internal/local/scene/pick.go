package scene

import (
	"math"
	"slices"
)

// Class groups the codes of the scene classification (SCL) by what they mean for an enrichment.
type Class int

// The classes that PickPoints knows.
const (
	Clear      Class = iota // vegetation (4) or bare soil (5)
	Vegetation              // 4
	Bare                    // 5
	Water                   // 6
	Cloud                   // medium and high probability cloud, cirrus (8, 9, 10)
	Shadow                  // 3
	Snow                    // 11
)

// Point is a place in the middle of one pixel.
type Point struct {
	// Lon and Lat are rounded to 6 decimals, about 0.1 m.
	Lon, Lat float64
	// Pixel is the index in the scene: row = Pixel / 256, column = Pixel % 256.
	Pixel int
	// SCL is the pixel's class.
	SCL int
}

// Codes are the SCL codes of the class.
func (c Class) Codes() []int {
	switch c {
	case Clear:
		return []int{4, 5}
	case Vegetation:
		return []int{4}
	case Bare:
		return []int{5}
	case Water:
		return []int{6}
	case Cloud:
		return []int{8, 9, 10}
	case Shadow:
		return []int{3}
	case Snow:
		return []int{11}
	}
	return nil
}

// PickPoints returns up to n places of the class, always the same ones, spread evenly over the scene from north to
// south. A square of up to 180 m around such a place touches no other pixel.
func (s *Scene) PickPoints(class Class, n int) []Point {
	all := s.ofClass(class)
	n = min(n, len(all))
	points := make([]Point, 0, max(n, 0))
	for i := range n {
		// The middle of the i-th of n equal parts of the list.
		points = append(points, s.point(all[(2*i+1)*len(all)/(2*n)]))
	}
	return points
}

// Histogram counts the pixels of every SCL code that occurs.
func (s *Scene) Histogram() map[int]int {
	counts := map[int]int{}
	for _, code := range s.bands["SCL"] {
		counts[int(code)]++
	}
	return counts
}

// ofClass lists the usable pixels of a class in row order.
func (s *Scene) ofClass(class Class) []int {
	codes := class.Codes()
	var found []int
	for pixel, code := range s.bands["SCL"] {
		if slices.Contains(codes, int(code)) && s.complete(pixel) {
			found = append(found, pixel)
		}
	}
	return found
}

// complete tells whether every band holds a value.
func (s *Scene) complete(pixel int) bool {
	for band := range s.bands {
		if s.DN(band, pixel) == 0 {
			return false
		}
	}
	return true
}

// point describes the middle of a pixel.
func (s *Scene) point(pixel int) Point {
	lon, lat := s.zone.Inverse(s.Center(pixel))
	return Point{Lon: round6(lon), Lat: round6(lat), Pixel: pixel, SCL: int(s.DN("SCL", pixel))}
}

// round6 keeps the six decimals that a person would type.
func round6(v float64) float64 { return math.Round(v*1e6) / 1e6 }

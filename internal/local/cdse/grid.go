package cdse

import (
	"maps"
	"slices"

	"orbitq/internal/local/scene"
)

// outside stands for every output pixel that the scene does not cover.
const outside = -1

// coverage says how often each pixel of the scene occurs in a requested area, nearest neighbour.
type coverage struct {
	counts map[int]int // by pixel, or under outside
	total  int         // all output pixels
}

// cover lays width x height output pixels over the box and finds the source of each one's centre.
func cover(s *scene.Scene, c crs, box [4]float64, width, height int) coverage {
	counts := map[int]int{}
	stepX, stepY := (box[2]-box[0])/float64(width), (box[3]-box[1])/float64(height)
	for row := range height {
		y := box[3] - (float64(row)+0.5)*stepY
		for col := range width {
			pixel, ok := c.locate(s, box[0]+(float64(col)+0.5)*stepX, y)
			if !ok {
				pixel = outside
			}
			counts[pixel]++
		}
	}
	return coverage{counts: counts, total: width * height}
}

// hit tells whether any output pixel lies on the scene.
func (c coverage) hit() bool { return c.total > c.counts[outside] }

// pixels are the sources in ascending order, outside first, so that a run is repeatable.
func (c coverage) pixels() []int { return slices.Sorted(maps.Keys(c.counts)) }

package cdse

import (
	"math"
	"strconv"
)

// processingUnits is what a statistical request costs: 512 x 512 pixels of three bands are one unit per acquisition,
// doubled for 32-bit output, with a floor for small areas and one for the whole request. The mask band is free.
func processingUnits(width, height int, setup scriptSetup, acquisitions int) float64 {
	// The small-area floor is 0.25 square kilometres at 10 m, the request floor is that of the Statistical API.
	const unit, smallest, floor = 512 * 512, 0.01, 0.01
	cost := math.Max(float64(width)*float64(height)/unit, smallest)
	cost *= float64(paidBands(setup)) / 3 * float64(acquisitions)
	// One 32-bit output makes the whole request count double.
	for _, out := range setup.Outputs {
		if out.ID != maskID && out.sampleType == sampleFloat32 {
			cost *= 2
			break
		}
	}
	return math.Max(cost, floor)
}

// paidBands counts the distinct input bands without the mask.
func paidBands(setup scriptSetup) int {
	bands := map[string]bool{}
	for _, in := range setup.Inputs {
		if in.Band != maskBand {
			bands[in.Band] = true
		}
	}
	return len(bands)
}

// costHeader is the response header that names the units spent.
const costHeader = "x-processingunits-spent"

// formatUnits writes the header's value without losing digits.
func formatUnits(units float64) string { return strconv.FormatFloat(units, 'g', -1, 64) }

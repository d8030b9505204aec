package cdse

import (
	"math"
	"slices"
)

// The units an evalscript may ask for, and the band that has none.
const (
	unitsDN          = "DN"
	unitsReflectance = "REFLECTANCE"
	classBand        = "SCL"
)

// compute runs the script on every pixel of the area and gathers the statistics of its outputs.
func (s *Server) compute(one shot, run *scriptRun, masked bool) (map[string]statOutput, error) {
	setup := run.setup
	// One accumulator per band; the mask output gets some too, which publish leaves out.
	sums := make([][]moments, len(setup.Outputs))
	for i, out := range setup.Outputs {
		sums[i] = make([]moments, len(out.Bands))
	}
	sample := make([]float64, len(setup.Inputs))
	for _, pixel := range one.area.pixels() {
		s.sample(sample, setup.Inputs, one.ground, pixel)
		values, err := run.Evaluate(sample)
		if err != nil {
			return nil, err
		}
		// A pixel stands for all output pixels that show it.
		for i := range setup.Outputs {
			hidden := masked || !counts(setup, values, i)
			for b, value := range values[i] {
				sums[i][b].add(value, one.area.counts[pixel], hidden)
			}
		}
	}
	return publish(setup, sums), nil
}

// sample reads the input bands of a pixel. Outside of the scene every band is 0, the mask included.
func (s *Server) sample(into []float64, inputs []scriptInput, from ground, pixel int) {
	for i, in := range inputs {
		switch {
		// Outside of the scene every digital number is 0, so only the mask needs a look.
		case in.Band == maskBand:
			into[i] = 0
			if from.Valid(pixel) {
				into[i] = 1
			}
		case in.Band == classBand || in.Units == unitsDN:
			into[i] = float64(from.DN(in.Band, pixel))
		default:
			into[i] = float64(from.DN(in.Band, pixel)) * s.scene.Scale()
		}
	}
}

// counts tells whether the mask lets the pixel into the statistics of an output.
func counts(setup scriptSetup, values [][]float64, output int) bool {
	// One band masks everything; several are found by the name of the output they belong to.
	mask := setup.Mask()
	bands := setup.Outputs[mask].Bands
	if len(bands) == 1 {
		return visible(values[mask][0])
	}
	band := slices.Index(bands, setup.Outputs[output].ID)
	return band >= 0 && visible(values[mask][band])
}

// visible reads a mask value: 0 and NaN hide the pixel.
func visible(v float64) bool { return v != 0 && !math.IsNaN(v) }

// publish shapes the sums into the answer's outputs.
func publish(setup scriptSetup, sums [][]moments) map[string]statOutput {
	outputs := map[string]statOutput{}
	for i, out := range setup.Outputs {
		if out.ID == maskBand {
			continue
		}
		bands := map[string]statBand{}
		for b, name := range out.Bands {
			bands[name] = statBand{sums[i][b].stats()}
		}
		outputs[out.ID] = statOutput{bands}
	}
	return outputs
}

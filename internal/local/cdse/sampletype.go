package cdse

import "math"

// sampleType is the number format of an output.
type sampleType string

// The sample types of the service. AUTO stretches 0..1 to 0..255.
const (
	sampleFloat32 sampleType = "FLOAT32"
	sampleUint8   sampleType = "UINT8"
	sampleInt8    sampleType = "INT8"
	sampleUint16  sampleType = "UINT16"
	sampleInt16   sampleType = "INT16"
	sampleAuto    sampleType = "AUTO"
)

// parseSampleType finds the type that a script names.
func parseSampleType(value any) (sampleType, bool) {
	name, _ := value.(string)
	switch kind := sampleType(name); kind {
	case sampleFloat32, sampleUint8, sampleInt8, sampleUint16, sampleInt16, sampleAuto:
		return kind, true
	}
	return "", false
}

// Round brings a value into the type: the nearest number it can hold, clamped to its range. NaN stays NaN, so that
// the statistics can leave it out.
func (t sampleType) Round(v float64) float64 {
	switch t {
	case sampleUint8:
		return clamp(v, 0, math.MaxUint8)
	case sampleInt8:
		return clamp(v, math.MinInt8, math.MaxInt8)
	case sampleUint16:
		return clamp(v, 0, math.MaxUint16)
	case sampleInt16:
		return clamp(v, math.MinInt16, math.MaxInt16)
	case sampleAuto:
		return clamp(v*math.MaxUint8, 0, math.MaxUint8)
	case sampleFloat32:
	}
	return float64(float32(v))
}

// clamp rounds half away from zero and stays within the bounds; NaN passes.
func clamp(v, low, high float64) float64 { return math.Min(math.Max(math.Round(v), low), high) }

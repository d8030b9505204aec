package evalscript

import "math"

// SampleType is the number format of an output.
type SampleType string

// The sample types of the service. AUTO stretches 0..1 to 0..255.
const (
	Float32 SampleType = "FLOAT32"
	Uint8   SampleType = "UINT8"
	Int8    SampleType = "INT8"
	Uint16  SampleType = "UINT16"
	Int16   SampleType = "INT16"
	Auto    SampleType = "AUTO"
)

// parseSampleType finds the type that a script names.
func parseSampleType(value any) (SampleType, bool) {
	name, _ := value.(string)
	switch kind := SampleType(name); kind {
	case Float32, Uint8, Int8, Uint16, Int16, Auto:
		return kind, true
	}
	return "", false
}

// Round brings a value into the type: the nearest number it can hold, clamped to its range. NaN stays NaN, so that
// the statistics can leave it out.
func (t SampleType) Round(v float64) float64 {
	switch t {
	case Uint8:
		return clamp(v, 0, math.MaxUint8)
	case Int8:
		return clamp(v, math.MinInt8, math.MaxInt8)
	case Uint16:
		return clamp(v, 0, math.MaxUint16)
	case Int16:
		return clamp(v, math.MinInt16, math.MaxInt16)
	case Auto:
		return clamp(v*math.MaxUint8, 0, math.MaxUint8)
	case Float32:
	}
	return float64(float32(v))
}

// clamp rounds half away from zero and stays within the bounds; NaN passes.
func clamp(v, low, high float64) float64 { return math.Min(math.Max(math.Round(v), low), high) }

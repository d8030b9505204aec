package evalscript

import (
	"fmt"
	"slices"
	"strconv"
)

// MaskID is the output that says which pixels count.
const MaskID = "dataMask"

// Setup is the answer of a script's setup function.
type Setup struct {
	// Inputs are in the order of the script, and so are the values of a sample.
	Inputs  []Input
	Outputs []Output
}

// Input is one band that the script reads.
type Input struct {
	Band  string
	Units string // REFLECTANCE, DN or empty for the band's default
}

// Output is one named array that evaluatePixel returns.
type Output struct {
	// ID names the output in the answer; dataMask is special.
	ID string
	// Bands are the names, B0, B1, ... when the script gives a number.
	Bands      []string
	SampleType SampleType
}

// Mask is the index of the dataMask output, or -1.
func (s Setup) Mask() int {
	return slices.IndexFunc(s.Outputs, func(o Output) bool { return o.ID == MaskID })
}

// parseSetup reads the exported object. Absent mosaicking is SIMPLE: one value per pixel and interval.
func parseSetup(answer any) (Setup, error) {
	// Objects are exported as maps, arrays as slices; functions and dates are neither.
	object, ok := answer.(map[string]any)
	if !ok {
		return Setup{}, &Error{"setup() has to return an object"}
	}
	if mode, set := object["mosaicking"]; set && mode != "SIMPLE" {
		return Setup{}, &Error{fmt.Sprintf("mosaicking %v is not supported here, only SIMPLE", mode)}
	}
	inputs, err := parseInputs(object["input"])
	if err != nil {
		return Setup{}, err
	}
	outputs, err := parseOutputs(object["output"])
	return Setup{Inputs: inputs, Outputs: outputs}, err
}

// parseInputs takes the short form ["B04", ...] and the long form [{bands: [...], units: ...}].
func parseInputs(value any) ([]Input, error) {
	var inputs []Input
	for _, item := range list(value) {
		switch v := item.(type) {
		case string:
			inputs = append(inputs, Input{Band: v})
		case map[string]any:
			more, err := parseInput(v)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, more...)
		default:
			return nil, &Error{fmt.Sprintf("setup().input holds %v, want band names or objects", item)}
		}
	}
	if len(inputs) == 0 {
		return nil, &Error{"setup().input names no bands"}
	}
	return inputs, nil
}

// parseInput reads one long form; a single unit holds for all of its bands.
func parseInput(object map[string]any) ([]Input, error) {
	bands, err := names(object["bands"], "setup().input.bands")
	if err != nil {
		return nil, err
	}
	// metadata, datasource and other members are allowed and mean nothing here.
	units, err := names(object["units"], "setup().input.units")
	if err != nil {
		return nil, err
	}
	if len(units) > 1 && len(units) != len(bands) {
		return nil, &Error{fmt.Sprintf("setup().input.units holds %d units for %d bands", len(units), len(bands))}
	}
	inputs := make([]Input, 0, len(bands))
	for i, band := range bands {
		in := Input{Band: band}
		if len(units) > 0 {
			in.Units = units[min(i, len(units)-1)]
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

// parseOutputs takes one object or a list of them; every id may occur once.
func parseOutputs(value any) ([]Output, error) {
	var outputs []Output
	for _, item := range list(value) {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, &Error{fmt.Sprintf("setup().output holds %v, want objects", item)}
		}
		out, err := parseOutput(object)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(outputs, func(o Output) bool { return o.ID == out.ID }) {
			return nil, &Error{fmt.Sprintf("setup().output names %q twice", out.ID)}
		}
		outputs = append(outputs, out)
	}
	if len(outputs) == 0 {
		return nil, &Error{"setup().output is missing"}
	}
	return outputs, nil
}

// parseOutput reads one output. The defaults are the Statistical API's: id "default", type FLOAT32.
func parseOutput(object map[string]any) (Output, error) {
	// nodataValue and the like only matter to images.
	out := Output{ID: "default", SampleType: Float32}
	if id, set := object["id"]; set {
		text, ok := id.(string)
		if !ok || text == "" {
			return out, &Error{fmt.Sprintf("setup().output.id is %v, want a name", id)}
		}
		out.ID = text
	}
	if name, set := object["sampleType"]; set {
		kind, ok := parseSampleType(name)
		if !ok {
			return out, &Error{fmt.Sprintf("setup().output.sampleType %v is unknown", name)}
		}
		out.SampleType = kind
	}
	var err error
	out.Bands, err = bandNames(object["bands"])
	return out, err
}

// maxBands is the most bands an output may have; it keeps a typing error from becoming a large allocation.
const maxBands = 1000

// bandNames takes a number (bands B0, B1, ...) or a list of names.
func bandNames(value any) ([]string, error) {
	// The engine exports whole numbers as int64, whatever way the script wrote them.
	if n, ok := value.(int64); ok {
		if n < 1 || n > maxBands {
			return nil, &Error{fmt.Sprintf("setup().output.bands is %d, want 1..%d", n, maxBands)}
		}
		bands := make([]string, n)
		for i := range bands {
			bands[i] = "B" + strconv.Itoa(i)
		}
		return bands, nil
	}
	bands, err := names(value, "setup().output.bands")
	if err == nil && len(bands) == 0 {
		err = &Error{"setup().output.bands is missing"}
	}
	return bands, err
}

// list makes one element a list of one.
func list(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{value}
}

// names reads a list of non-empty texts without repetitions (units may repeat).
func names(value any, field string) ([]string, error) {
	items := list(value)
	out := make([]string, 0, len(items))
	for _, item := range items {
		text, ok := item.(string)
		if !ok || text == "" {
			return nil, &Error{fmt.Sprintf("%s holds %v, want names", field, item)}
		}
		if slices.Contains(out, text) && field != "setup().input.units" {
			return nil, &Error{fmt.Sprintf("%s names %q twice", field, text)}
		}
		out = append(out, text)
	}
	return out, nil
}

package cdse

import (
	"fmt"
	"slices"
	"strconv"
)

// maskID is the output that says which pixels count.
const maskID = "dataMask"

// scriptSetup is the answer of a script's setup function.
type scriptSetup struct {
	// Inputs are in the order of the script, and so are the values of a sample.
	Inputs  []scriptInput
	Outputs []scriptOutput
}

// scriptInput is one band that the script reads.
type scriptInput struct {
	Band  string
	Units string // REFLECTANCE, DN or empty for the band's default
}

// scriptOutput is one named array that evaluatePixel returns.
type scriptOutput struct {
	// ID names the output in the answer; dataMask is special.
	ID string
	// Bands are the names, B0, B1, ... when the script gives a number.
	Bands      []string
	sampleType sampleType
}

// Mask is the index of the dataMask output, or -1.
func (s scriptSetup) Mask() int {
	return slices.IndexFunc(s.Outputs, func(o scriptOutput) bool { return o.ID == maskID })
}

// parseSetup reads the exported object. Absent mosaicking is SIMPLE: one value per pixel and interval.
func parseSetup(answer any) (scriptSetup, error) {
	// Objects are exported as maps, arrays as slices; functions and dates are neither.
	object, ok := answer.(map[string]any)
	if !ok {
		return scriptSetup{}, &scriptError{"setup() has to return an object"}
	}
	if mode, set := object["mosaicking"]; set && mode != "SIMPLE" {
		return scriptSetup{}, &scriptError{fmt.Sprintf("mosaicking %v is not supported here, only SIMPLE", mode)}
	}
	inputs, err := parseInputs(object["input"])
	if err != nil {
		return scriptSetup{}, err
	}
	outputs, err := parseOutputs(object["output"])
	return scriptSetup{Inputs: inputs, Outputs: outputs}, err
}

// parseInputs takes the short form ["B04", ...] and the long form [{bands: [...], units: ...}].
func parseInputs(value any) ([]scriptInput, error) {
	var inputs []scriptInput
	for _, item := range list(value) {
		switch v := item.(type) {
		case string:
			inputs = append(inputs, scriptInput{Band: v})
		case map[string]any:
			more, err := parseInput(v)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, more...)
		default:
			return nil, &scriptError{fmt.Sprintf("setup().input holds %v, want band names or objects", item)}
		}
	}
	if len(inputs) == 0 {
		return nil, &scriptError{"setup().input names no bands"}
	}
	return inputs, nil
}

// parseInput reads one long form; a single unit holds for all of its bands.
func parseInput(object map[string]any) ([]scriptInput, error) {
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
		return nil, &scriptError{fmt.Sprintf("setup().input.units holds %d units for %d bands", len(units), len(bands))}
	}
	inputs := make([]scriptInput, 0, len(bands))
	for i, band := range bands {
		in := scriptInput{Band: band}
		if len(units) > 0 {
			in.Units = units[min(i, len(units)-1)]
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

// parseOutputs takes one object or a list of them; every id may occur once.
func parseOutputs(value any) ([]scriptOutput, error) {
	var outputs []scriptOutput
	for _, item := range list(value) {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, &scriptError{fmt.Sprintf("setup().output holds %v, want objects", item)}
		}
		out, err := parseOutput(object)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(outputs, func(o scriptOutput) bool { return o.ID == out.ID }) {
			return nil, &scriptError{fmt.Sprintf("setup().output names %q twice", out.ID)}
		}
		outputs = append(outputs, out)
	}
	if len(outputs) == 0 {
		return nil, &scriptError{"setup().output is missing"}
	}
	return outputs, nil
}

// parseOutput reads one output. The defaults are the Statistical API's: id "default", type FLOAT32.
func parseOutput(object map[string]any) (scriptOutput, error) {
	// nodataValue and the like only matter to images.
	out := scriptOutput{ID: "default", sampleType: sampleFloat32}
	if id, set := object["id"]; set {
		text, ok := id.(string)
		if !ok || text == "" {
			return out, &scriptError{fmt.Sprintf("setup().output.id is %v, want a name", id)}
		}
		out.ID = text
	}
	if name, set := object["sampleType"]; set {
		kind, ok := parseSampleType(name)
		if !ok {
			return out, &scriptError{fmt.Sprintf("setup().output.sampleType %v is unknown", name)}
		}
		out.sampleType = kind
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
			return nil, &scriptError{fmt.Sprintf("setup().output.bands is %d, want 1..%d", n, maxBands)}
		}
		bands := make([]string, n)
		for i := range bands {
			bands[i] = "B" + strconv.Itoa(i)
		}
		return bands, nil
	}
	bands, err := names(value, "setup().output.bands")
	if err == nil && len(bands) == 0 {
		err = &scriptError{"setup().output.bands is missing"}
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
			return nil, &scriptError{fmt.Sprintf("%s holds %v, want names", field, item)}
		}
		if slices.Contains(out, text) && field != "setup().input.units" {
			return nil, &scriptError{fmt.Sprintf("%s names %q twice", field, text)}
		}
		out = append(out, text)
	}
	return out, nil
}

package cdse

import (
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/dop251/goja"
)

// Evaluate calls evaluatePixel with one value per input band and returns one slice per output, in the order of the
// setup, rounded to the sample type of the output.
func (r *scriptRun) Evaluate(sample []float64) ([][]float64, error) {
	// A fresh object each time: a script may change or keep what it is given.
	object := r.vm.NewObject()
	for i, value := range sample {
		if err := object.Set(r.setup.Inputs[i].Band, value); err != nil {
			return nil, fmt.Errorf("build sample: %w", err)
		}
	}
	answer, err := r.evaluate(goja.Undefined(), object, r.vm.NewObject())
	if err != nil {
		return nil, translate(err)
	}
	// The second argument (scenes) exists but is empty: with SIMPLE mosaicking there is nothing to tell.
	out := make([][]float64, len(r.setup.Outputs))
	var fault error
	thrown := r.guard(func() { fault = r.collect(answer, out) })
	if thrown != nil {
		return nil, thrown
	}
	return out, fault
}

// collect reads the returned object; a script with a single output may return the bare array.
func (r *scriptRun) collect(answer goja.Value, out [][]float64) error {
	object, ok := answer.(*goja.Object)
	if !ok {
		return &scriptError{fmt.Sprintf("evaluatePixel() returned %v, want an object with one array per output", answer)}
	}
	// With dataMask mandatory this form never occurs in statistics, but it is valid evalscript.
	if len(out) == 1 && isArray(object) {
		values, err := r.array(object, r.setup.Outputs[0])
		out[0] = values
		return err
	}
	for i, declared := range r.setup.Outputs {
		values, err := r.array(object.Get(declared.ID), declared)
		if err != nil {
			return err
		}
		out[i] = values
	}
	return nil
}

// array reads the values of one output. The length is checked before anything is read, so that an absurd array costs
// nothing; values are converted as JavaScript converts them to numbers.
func (r *scriptRun) array(value goja.Value, declared scriptOutput) ([]float64, error) {
	object, ok := value.(*goja.Object)
	if !ok || !isArray(object) {
		return nil, &scriptError{fmt.Sprintf("evaluatePixel() returned no array for output %q", declared.ID)}
	}
	if n := object.Get("length").ToInteger(); n != int64(len(declared.Bands)) {
		return nil, &scriptError{fmt.Sprintf("output %q has %d bands but evaluatePixel() returned %d values",
			declared.ID, len(declared.Bands), n)}
	}
	values := make([]float64, len(declared.Bands))
	for i := range values {
		values[i] = math.NaN() // a hole in the array
		if v := object.Get(strconv.Itoa(i)); v != nil {
			values[i] = declared.sampleType.Round(v.ToFloat())
		}
	}
	return values, nil
}

// isArray also holds for typed arrays.
func isArray(object *goja.Object) bool { return object.ExportType().Kind() == reflect.Slice }

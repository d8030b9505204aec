package cdse

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

const header = "//VERSION=3\n"

func run(t *testing.T, source string) (*scriptRun, error) {
	t.Helper()
	program, err := compileScript(source)
	if err != nil {
		return nil, err
	}
	r, err := program.Start(t.Context(), 5*time.Second)
	if err == nil {
		t.Cleanup(r.Close)
	}
	return r, err
}

// setup builds a script around the object that setup returns.
func setup(object string) string {
	return header + "function setup() { return " + object + "; } function evaluatePixel(s) { return {}; }"
}

func TestSetup(t *testing.T) {
	t.Parallel()
	one := []scriptOutput{{ID: "default", Bands: []string{"B0"}, sampleType: sampleFloat32}}
	plain := []scriptInput{{Band: "B04"}}
	cases := []struct {
		name, object string
		inputs       []scriptInput
		outputs      []scriptOutput
	}{
		{"short", `{input: ["B04", "B08"], output: {bands: 1}}`, []scriptInput{{Band: "B04"}, {Band: "B08"}}, one},
		{"long", `{input: [{bands: ["B04"]}], output: [{bands: 1}]}`, plain, one},
		{"one band", `{input: "B04", output: {bands: 1}}`, plain, one},
		{"computed number of bands", `{input: "B04", output: {bands: 6 / 6}}`, plain, one},
		{"simple mosaicking", `{input: ["B04"], output: {bands: 1}, mosaicking: "SIMPLE"}`, plain, one},
		{"units for all", `{input: [{bands: ["B04", "B08"], units: "DN"}], output: {bands: 1}}`, []scriptInput{{"B04", "DN"}, {"B08", "DN"}}, one},
		{"units for each", `{input: [{bands: ["B04", "SCL"], units: ["REFLECTANCE", "DN"]}], output: {bands: 1}}`, []scriptInput{{"B04", "REFLECTANCE"}, {"SCL", "DN"}}, one},
		{"equal units", `{input: [{bands: ["B04", "B08"], units: ["DN", "DN"]}], output: {bands: 1}}`, []scriptInput{{"B04", "DN"}, {"B08", "DN"}}, one},
		{"names and types", `{input: ["B04"], output: [{id: "a", bands: ["x", "y"], sampleType: "UINT8"}, {id: "dataMask", bands: 2}]}`, plain, []scriptOutput{
			{ID: "a", Bands: []string{"x", "y"}, sampleType: sampleUint8}, {ID: "dataMask", Bands: []string{"B0", "B1"}, sampleType: sampleFloat32},
		}},
	}
	for _, c := range cases {
		r, err := run(t, setup(c.object))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := r.setup; !reflect.DeepEqual(got, scriptSetup{Inputs: c.inputs, Outputs: c.outputs}) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestMaskIsFound(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]int{
		`{input: ["B04"], output: [{bands: 1}, {id: "dataMask", bands: 1}]}`: 1,
		`{input: ["B04"], output: {bands: 1}}`:                               -1,
	} {
		r, err := run(t, setup(object))
		if err != nil || r.setup.Mask() != want {
			t.Errorf("%s: %v, want %d", object, err, want)
		}
	}
}

func TestRefusedScripts(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, source, message string }{
		{"empty", "", "VERSION=3"},
		{"old version", "//VERSION=2\n", "VERSION=3"},
		{"version too late", "let a;\n//VERSION=3", "VERSION=3"},
		{"version 30", "//VERSION=30", "VERSION=3"},
		{"syntax", header + "function setup( {", "SyntaxError"},
		{"top level throws", header + "throw new Error('no')", "Error: no"},
		{"no setup", header + "function evaluatePixel() {}", "setup is not defined"},
		{"no evaluatePixel", header + "function setup() {}", "evaluatePixel is not defined"},
		{"setup is a value", header + "var setup = 3; function evaluatePixel() {}", "setup is not defined"},
		{"setup throws", header + "function setup() { return x; } function evaluatePixel() {}", "ReferenceError"},
		{"setup recurses", header + "function setup() { return setup(); } function evaluatePixel() {}", "stack"},
		{"a getter throws", setup(`{get input() { throw new Error("trap"); }}`), "trap"},
		{"nothing", setup("undefined"), "has to return an object"},
		{"null", setup("null"), "has to return an object"},
		{"no input", setup(`{output: {bands: 1}}`), "names no bands"},
		{"input of numbers", setup(`{input: [4], output: {bands: 1}}`), "want band names"},
		{"bands of numbers", setup(`{input: [{bands: [4]}], output: {bands: 1}}`), "want names"},
		{"band twice", setup(`{input: [{bands: ["B04", "B04"]}], output: {bands: 1}}`), "twice"},
		{"too few units", setup(`{input: [{bands: ["B02", "B03", "B04"], units: ["DN", "DN"]}], output: {bands: 1}}`), "2 units for 3"},
		{"units of numbers", setup(`{input: [{bands: ["B02"], units: 5}], output: {bands: 1}}`), "want names"},
		{"no output", setup(`{input: ["B04"]}`), "output is missing"},
		{"output of text", setup(`{input: ["B04"], output: "x"}`), "want objects"},
		{"no bands", setup(`{input: ["B04"], output: {}}`), "bands is missing"},
		{"zero bands", setup(`{input: ["B04"], output: {bands: 0}}`), "want 1..1000"},
		{"half a band", setup(`{input: ["B04"], output: {bands: 0.5}}`), "want names"},
		{"many bands", setup(`{input: ["B04"], output: {bands: 1e9}}`), "want 1..1000"},
		{"id of number", setup(`{input: ["B04"], output: {id: 5, bands: 1}}`), "want a name"},
		{"id twice", setup(`{input: ["B04"], output: [{bands: 1}, {id: "default", bands: 1}]}`), "twice"},
		{"sample type", setup(`{input: ["B04"], output: {bands: 1, sampleType: "FLOAT64"}}`), "unknown"},
		{"tile", setup(`{input: ["B04"], output: {bands: 1}, mosaicking: "TILE"}`), "TILE is not supported"},
	}
	for _, c := range cases {
		_, err := run(t, c.source)
		var fault *scriptError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v, want %q", c.name, err, c.message)
		}
	}
}

// pixel builds a script with two inputs and the outputs "a" (two bands) and "b" (one) that returns an expression.
func pixel(expression string) string {
	return header + `const setup = () => ({input: ["B04", "B08"], output: [{id: "a", bands: 2}, {id: "b", bands: 1, sampleType: "UINT8"}]});
const evaluatePixel = s => (` + expression + `);`
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, expression string
		want             [][]float64
	}{
		{"samples", `{a: [s.B04, s.B08], b: [s.B04 + s.B08]}`, [][]float64{{2, 5}, {7}}},
		{"typed arrays", `{a: new Float32Array([1, 2]), b: Uint8Array.of(3)}`, [][]float64{{1, 2}, {3}}},
		{"booleans and text", `{a: [true, "4"], b: [null]}`, [][]float64{{1, 4}, {0}}},
		{"more outputs than declared", `{a: [1, 2], b: [3], c: "x"}`, [][]float64{{1, 2}, {3}}},
		{"rounding", `{a: [0.5, 1e300], b: [254.5]}`, [][]float64{{0.5, math.Inf(1)}, {255}}},
	}
	for _, c := range cases {
		r, err := run(t, pixel(c.expression))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got, err := r.Evaluate([]float64{2, 5}); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v (%v), want %v", c.name, got, err, c.want)
		}
	}
}

func TestAHoleIsNotANumber(t *testing.T) {
	t.Parallel()
	r, err := run(t, pixel(`{a: [, undefined], b: [1]}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Evaluate([]float64{0, 0})
	if err != nil || !math.IsNaN(got[0][0]) || !math.IsNaN(got[0][1]) {
		t.Errorf("%v (%v)", got, err)
	}
}

func TestASingleOutputMayBeABareArray(t *testing.T) {
	t.Parallel()
	r, err := run(t, header+`function setup() { return {input: ["B04"], output: {bands: 2}}; } function evaluatePixel(s) { return [s.B04, 1]; }`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Evaluate([]float64{7}); err != nil || !reflect.DeepEqual(got, [][]float64{{7, 1}}) {
		t.Errorf("%v (%v)", got, err)
	}
}

func TestBadAnswersOfAPixel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, expression, message string }{
		{"nothing", `undefined`, "want an object"},
		{"a number", `5`, "want an object"},
		{"an array for two outputs", `[1, 2, 3]`, `no array for output "a"`},
		{"an output is missing", `{a: [1, 2]}`, `no array for output "b"`},
		{"an output is a number", `{a: [1, 2], b: 3}`, `no array for output "b"`},
		{"an output is an object", `{a: [1, 2], b: {0: 1, length: 1}}`, `no array for output "b"`},
		{"too few values", `{a: [1], b: [1]}`, "has 2 bands but evaluatePixel() returned 1"},
		{"a huge array", `{a: new Array(4294967295), b: [1]}`, "returned 4294967295"},
		{"it throws", `s.B04.x.y`, "TypeError"},
		{"a value throws", `{a: [{valueOf() { throw new Error("trap"); }}, 1], b: [1]}`, "trap"},
		{"a getter throws", `({get a() { throw new Error("trap"); }})`, "trap"},
		{"a symbol", `{a: [Symbol("x"), 1], b: [1]}`, "TypeError"},
	} {
		r, err := run(t, pixel(c.expression))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		_, err = r.Evaluate([]float64{2, 5})
		var fault *scriptError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v, want %q", c.name, err, c.message)
		}
		if _, again := r.Evaluate([]float64{2, 5}); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: the second time %v", c.name, again)
		}
	}
}

func TestTimeIsBounded(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"top level":        header + "for (;;) {}",
		"setup":            header + "function setup() { for (;;) {} } function evaluatePixel() {}",
		"a getter":         setup(`{get input() { for (;;) {} }}`),
		"catching it":      header + "for (;;) { try { for (;;) {} } catch (e) {} }",
		"a pixel":          pixel(`(() => { for (;;) {} })()`),
		"a value of pixel": pixel(`{a: [{valueOf() { for (;;) {} }}, 1], b: [1]}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := compileScript(source)
			if err != nil {
				t.Fatal(err)
			}
			r, err := program.Start(t.Context(), 50*time.Millisecond)
			if err == nil {
				defer r.Close()
				_, err = r.Evaluate([]float64{1, 2})
			}
			if !errors.Is(err, errScriptTimeout) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestACancelledRunIsNoTimeout(t *testing.T) {
	t.Parallel()
	program, err := compileScript(header + "for (;;) {}")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := program.Start(ctx, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestRunsShareNothing(t *testing.T) {
	t.Parallel()
	program, err := compileScript(header + `let n = 0;
function setup() { return {input: ["B04"], output: {bands: 1}}; }
function evaluatePixel() { return [++n]; }`)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := program.Start(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Evaluate([]float64{0}); err != nil || got[0][0] != 1 {
			t.Errorf("%v (%v)", got, err)
		}
		r.Close()
	}
}

func TestSampleTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind     sampleType
		in, want float64
	}{
		{sampleFloat32, 0.1, 0.10000000149011612},
		{sampleFloat32, -1e-50, 0},
		{sampleUint8, 1.5, 2},
		{sampleUint8, -3, 0},
		{sampleUint8, 300, 255},
		{sampleUint8, math.Inf(1), 255},
		{sampleInt8, -200, -128},
		{sampleInt8, 127.4, 127},
		{sampleUint16, 70000, 65535},
		{sampleInt16, -40000, -32768},
		{sampleInt16, 12.4, 12},
		{sampleAuto, 0.5, 128},
		{sampleAuto, 2, 255},
		{sampleAuto, -1, 0},
	} {
		if got := c.kind.Round(c.in); got != c.want {
			t.Errorf("%s of %v = %v, want %v", c.kind, c.in, got, c.want)
		}
		if got := c.kind.Round(math.NaN()); !math.IsNaN(got) {
			t.Errorf("%s of NaN = %v", c.kind, got)
		}
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	cache := newScriptCache(2)
	first, err := cache.Get(header + "1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := cache.Get(header + "1"); err != nil || again != first {
		t.Errorf("compiled again (%v)", err)
	}
	if _, err := cache.Get(header + "("); err == nil {
		t.Error("a wrong script is cached")
	}
	for _, text := range []string{"2", "3", "4"} {
		if _, err := cache.Get(header + text); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := cache.Get(header + "1"); err != nil || again == first {
		t.Errorf("a full cache keeps everything (%v)", err)
	}
}

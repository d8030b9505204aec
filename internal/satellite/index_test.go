package satellite_test

import (
	"math"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"pgregory.net/rapid"

	"orbitq/internal/satellite"
)

// vectors are the golden vectors of the domain brief 2.2, computed for it.
func vectors() []struct {
	name string
	in   satellite.Reflectance
	want [satellite.IndexCount]float64
} {
	return []struct {
		name string
		in   satellite.Reflectance
		want [satellite.IndexCount]float64
	}{
		{"dense canopy", satellite.Reflectance{.03, .06, .03, .09, .42, .44, .18}, [7]float64{.8667, .4194, .6471, .7091, .4286, .6158, .7500}},
		{"bare soil", satellite.Reflectance{.09, .12, .16, .19, .24, .26, .32}, [7]float64{.2000, -.1034, .1163, .1311, 1.3333, .1333, .3333}},
		{"water", satellite.Reflectance{.06, .05, .03, .03, .02, .02, .01}, [7]float64{-.2000, .3333, -.2000, -.0333, .5000, -.0273, -.4286}},
		{"snow", satellite.Reflectance{.90, .89, .88, .86, .85, .82, .10}, [7]float64{-.0173, .7826, -.0058, -.1974, .1176, -.0202, -.0230}},
	}
}

func TestGoldenVectors(t *testing.T) {
	t.Parallel()
	script := newScript(t)
	for _, v := range vectors() {
		got, ok := satellite.Indices(v.in)
		pixel := script.pixel(v.in, 4, 1)
		if !ok || pixel.DataMask != [2]float64{1, 1} {
			t.Errorf("%s: ok %v, mask %v", v.name, ok, pixel.DataMask)
		}
		for i, name := range satellite.IndexNames() {
			if math.Abs(got[i]-v.want[i]) > 0.00005+1e-9 {
				t.Errorf("%s: %s is %.5f, want %.4f", v.name, name, got[i], v.want[i])
			}
			if pixel.Indices[i] != got[i] {
				t.Errorf("%s: the script says %s is %v, the reference %v", v.name, name, pixel.Indices[i], got[i])
			}
		}
	}
	if _, ok := satellite.Indices(satellite.Reflectance{}); ok {
		t.Error("a pixel without data has indices")
	}
	if p := script.pixel(satellite.Reflectance{}, 0, 0); p.DataMask != [2]float64{0, 0} {
		t.Errorf("a pixel without data has mask %v", p.DataMask)
	}
}

func TestClampsAndZeroDenominators(t *testing.T) {
	t.Parallel()
	script := newScript(t)
	for _, c := range []struct {
		name  string
		in    satellite.Reflectance
		valid bool
		index int
		want  float64
	}{
		{"evi above one", satellite.Reflectance{B02: .3, B03: .1, B04: .1, B05: .1, B08: .9, B8A: .5, B11: .1}, true, 3, 1},
		{"evi below minus one", satellite.Reflectance{B02: .4, B03: .1, B04: .4, B05: .1, B08: .05, B8A: .5, B11: .1}, true, 3, -1},
		{"msi over three", satellite.Reflectance{B02: .1, B03: .1, B04: .1, B05: .1, B08: .1, B8A: .5, B11: .9}, true, 4, 3},
		{"nothing in near infrared", satellite.Reflectance{B02: .1, B03: .1, B04: .1, B05: .1, B8A: .5, B11: .9}, false, 0, 0},
		{"nothing in B8A and B11", satellite.Reflectance{B02: .1, B03: .1, B04: .1, B05: .1, B08: .5}, false, 0, 0},
		{"denominator of evi is zero", satellite.Reflectance{B02: .2, B03: .1, B04: 0, B05: .1, B08: .5, B8A: .5, B11: .1}, false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := satellite.Indices(c.in)
			if ok != c.valid || ok && math.Abs(got[c.index]-c.want) > 1e-9 {
				t.Errorf("got %v, %v", got, ok)
			}
		})
		if p := script.pixel(c.in, 4, 1); (p.DataMask[0] == 1) != c.valid {
			t.Errorf("%s: the script's mask is %v", c.name, p.DataMask)
		}
	}
}

// TestScriptEqualsReference runs the script that the provider gets on random
// pixels: indices, masks and shares must be what the reference says.
func TestScriptEqualsReference(t *testing.T) {
	t.Parallel()
	script := newScript(t)
	band := rapid.OneOf(rapid.Float64Range(0, 1.2), rapid.SampledFrom([]float64{0, 0.1, 0.5, 1}))
	hidden := map[int]bool{0: true, 1: true, 3: true, 8: true, 9: true, 10: true}
	cloud := map[int]bool{3: true, 8: true, 9: true, 10: true}
	rapid.Check(t, func(t *rapid.T) {
		r := satellite.Reflectance{
			B02: band.Draw(t, "B02"), B03: band.Draw(t, "B03"), B04: band.Draw(t, "B04"), B05: band.Draw(t, "B05"),
			B08: band.Draw(t, "B08"), B8A: band.Draw(t, "B8A"), B11: band.Draw(t, "B11"),
		}
		scl, mask := rapid.IntRange(0, 11).Draw(t, "SCL"), rapid.IntRange(0, 1).Draw(t, "dataMask")
		want, ok := satellite.Indices(r)
		valid := ok && mask == 1 && !hidden[scl]
		got := script.pixel(r, scl, mask)
		if got.DataMask != [2]float64{flag(valid), float64(mask)} {
			t.Fatalf("mask %v, valid %v", got.DataMask, valid)
		}
		if valid && got.Indices != want {
			t.Fatalf("got %v, want %v", got.Indices, want)
		}
		if got.Quality != [3]float64{flag(cloud[scl]), flag(scl == 11), flag(scl == 6)} {
			t.Fatalf("SCL %d: quality %v", scl, got.Quality)
		}
	})
}

func TestSetupNamesTheIndicesInOrder(t *testing.T) {
	t.Parallel()
	script := newScript(t)
	var setup struct {
		Input []struct {
			Bands []string `json:"bands"`
		} `json:"input"`
		Output []struct {
			ID    string `json:"id"`
			Bands []any  `json:"bands"`
		} `json:"output"`
	}
	v, err := script.vm.RunString("setup()")
	if err != nil || script.vm.ExportTo(v, &setup) != nil {
		t.Fatalf("setup: %v", err)
	}
	names := satellite.IndexNames()
	for i, band := range setup.Output[0].Bands {
		if band != names[i] {
			t.Errorf("band %d is %v, want %s", i, band, names[i])
		}
	}
	if len(setup.Output[0].Bands) != satellite.IndexCount || setup.Output[2].ID != "dataMask" || len(setup.Input[0].Bands) != 9 {
		t.Errorf("setup %+v", setup)
	}
	if !strings.HasPrefix(satellite.Evalscript(), "//VERSION=3\n") {
		t.Error("the script does not name its version first")
	}
}

// script is the evalscript in a JavaScript engine. It is for one goroutine.
type script struct {
	vm   *goja.Runtime
	eval goja.Callable
	t    *testing.T
}

// pixel is what the script returns for one pixel.
type pixel struct {
	Indices  [7]float64
	Quality  [3]float64
	DataMask [2]float64
}

func newScript(t *testing.T) *script {
	t.Helper()
	vm := goja.New()
	vm.SetFieldNameMapper(goja.TagFieldNameMapper("json", true))
	if _, err := vm.RunString(satellite.Evalscript()); err != nil {
		t.Fatalf("load script: %v", err)
	}
	eval, ok := goja.AssertFunction(vm.Get("evaluatePixel"))
	if !ok {
		t.Fatal("no function evaluatePixel")
	}
	return &script{vm: vm, eval: eval, t: t}
}

func (s *script) pixel(r satellite.Reflectance, scl, mask int) pixel {
	s.t.Helper()
	v, err := s.eval(goja.Undefined(), s.vm.ToValue(map[string]any{
		"B02": r.B02, "B03": r.B03, "B04": r.B04, "B05": r.B05, "B08": r.B08, "B8A": r.B8A, "B11": r.B11, "SCL": scl, "dataMask": mask,
	}))
	if err != nil {
		s.t.Fatalf("run script: %v", err)
	}
	var p pixel
	for name, into := range map[string][]float64{"indices": p.Indices[:], "quality": p.Quality[:], "dataMask": p.DataMask[:]} {
		list := v.ToObject(s.vm).Get(name).ToObject(s.vm)
		for i := range into {
			into[i] = list.Get(string(rune('0' + i))).ToFloat()
		}
	}
	return p
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

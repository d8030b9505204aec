package cdse_test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"strconv"
	"testing"

	"orbitq/internal/local/scene"
)

// rasters are the bands read straight from the image files, sharing no code with the server.
type rasters map[string]image.Image

func readRasters(t *testing.T) rasters {
	t.Helper()
	out := rasters{}
	for _, band := range []string{"B02", "B03", "B04", "B05", "B08", "B8A", "B11", "SCL"} {
		file, err := os.Open("../scene/data/" + band + ".png")
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		out[band] = img
	}
	return out
}

func (r rasters) reflectance(t *testing.T, band string, col, row int) float64 {
	t.Helper()
	gray, ok := r[band].At(col, row).(color.Gray16)
	if !ok {
		t.Fatalf("band %s is not 16 bit", band)
	}
	return float64(gray.Y) / 10000
}

// seven are the indices of one pixel, written down anew from their definitions.
func (r rasters) seven(t *testing.T, col, row int) map[string]float64 {
	t.Helper()
	b := func(name string) float64 { return r.reflectance(t, name, col, row) }
	blue, green, red, edge := b("B02"), b("B03"), b("B04"), b("B05")
	nir, narrow, swir := b("B08"), b("B8A"), b("B11")
	return map[string]float64{
		"ndvi":  (nir - red) / (nir + red),
		"ndmi":  (narrow - swir) / (narrow + swir),
		"ndre":  (nir - edge) / (nir + edge),
		"evi":   math.Max(-1, math.Min(1, 2.5*(nir-red)/(nir+6*red-7.5*blue+1))),
		"msi":   math.Min(3, swir/nir),
		"savi":  1.5 * (nir - red) / (nir + red + 0.5),
		"gndvi": (nir - green) / (nir + green),
	}
}

// TestMeansEqualAnIndependentComputation asks for boxes in the scene's own zone that cover known pixels with known
// weights, so that the oracle needs no projection.
func TestMeansEqualAnIndependentComputation(t *testing.T) {
	t.Parallel()
	s := start(t)
	bands := readRasters(t)
	cases := []struct {
		name        string
		col, row    int // of the pixel whose north-west corner is the reference
		west, south float64
		weights     map[[2]int]int // by offset in pixels; 12 x 12 output pixels of 10 m
	}{
		{"inside one pixel", 100, 60, 40, -160, map[[2]int]int{{0, 0}: 144}},
		{"another", 7, 250, 40, -160, map[[2]int]int{{0, 0}: 144}},
		{"two columns", 100, 60, 140, -160, map[[2]int]int{{0, 0}: 72, {1, 0}: 72}},
		{"four pixels", 31, 200, 150, -230, map[[2]int]int{{0, 0}: 45, {1, 0}: 63, {0, 1}: 15, {1, 1}: 21}},
		{"last pixel", 255, 255, 80, -200, map[[2]int]int{{0, 0}: 144}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x, y := 251180+200*float64(c.col)+c.west, 2800020-200*float64(c.row)+c.south
			got := s.stats(t, fullScript(), fmt.Sprintf("[%v,%v,%v,%v]", x, y, x+120, y+120), "EPSG/0/32629")
			want := map[string]float64{}
			for offset, n := range c.weights {
				for name, v := range bands.seven(t, c.col+offset[0], c.row+offset[1]) {
					want[name] += v * float64(n) / 144
				}
			}
			compareSeven(t, got, want)
		})
	}
}

func compareSeven(t *testing.T, got answer, want map[string]float64) {
	t.Helper()
	if got.Status != "OK" || len(got.Data) != 1 {
		t.Fatalf("answer is %+v", got)
	}
	for name, mean := range want {
		stats := got.Data[0].Outputs["indices"].Bands[name].Stats
		if math.Abs(stats.mean(t)-mean) > 1e-6 {
			t.Errorf("%s = %v, want %v", name, stats.mean(t), mean)
		}
		if stats.SampleCount != 144 || stats.NoDataCount != 0 {
			t.Errorf("%s: %d samples, %d without data", name, stats.SampleCount, stats.NoDataCount)
		}
	}
}

// TestPickedPointsEqualTheImages goes through degrees: the box around a picked point shows that pixel alone.
func TestPickedPointsEqualTheImages(t *testing.T) {
	t.Parallel()
	s := start(t)
	bands := readRasters(t)
	for _, class := range []scene.Class{scene.Clear, scene.Cloud} {
		for _, p := range s.server.Scene().PickPoints(class, 12) {
			t.Run(strconv.Itoa(p.Pixel), func(t *testing.T) {
				t.Parallel()
				s.comparePoint(t, bands, class, p)
			})
		}
	}
}

func (s *service) comparePoint(t *testing.T, bands rasters, class scene.Class, p scene.Point) {
	t.Helper()
	got := s.stats(t, fullScript(), box60(p.Lon, p.Lat), "OGC/1.3/CRS84")
	cloud := got.Data[0].Outputs["quality"].Bands["cloud"].Stats
	ndvi := got.Data[0].Outputs["indices"].Bands["ndvi"].Stats
	if class == scene.Cloud {
		if cloud.mean(t) != 1 || string(ndvi.Mean) != `"NaN"` || ndvi.NoDataCount != 144 || ndvi.SampleCount != 144 {
			t.Errorf("cloudy point %+v: cloud %s, ndvi %+v", p, cloud.Mean, ndvi)
		}
		return
	}
	if cloud.mean(t) != 0 {
		t.Errorf("clear point %+v has cloud %s", p, cloud.Mean)
	}
	compareSeven(t, got, bands.seven(t, p.Pixel%256, p.Pixel/256))
}

// mean decodes a finite mean.
func (s stat) mean(t *testing.T) float64 {
	t.Helper()
	var v float64
	if err := json.Unmarshal(s.Mean, &v); err != nil {
		t.Fatalf("mean is %s: %v", s.Mean, err)
	}
	return v
}

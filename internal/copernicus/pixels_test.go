package copernicus_test

import (
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"orbitq/internal/limit"
	"orbitq/internal/local/scene"
	"orbitq/internal/satellite"
)

// rasters are the bands read straight from the image files.
type rasters map[string]image.Image

func readRasters(t *testing.T) rasters {
	t.Helper()
	all := rasters{}
	for _, band := range []string{"B02", "B03", "B04", "B05", "B08", "B8A", "B11"} {
		file, err := os.Open("../local/scene/data/" + band + ".png")
		if err != nil {
			t.Fatal(err)
		}
		all[band], err = png.Decode(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// seven computes the indices of a pixel from the numbers in the files, by the formulas of the domain and nothing else.
func (r rasters) seven(t *testing.T, pixel int) [satellite.IndexCount]float64 {
	t.Helper()
	b := func(name string) float64 {
		gray, ok := r[name].At(pixel%256, pixel/256).(color.Gray16)
		if !ok {
			t.Fatalf("band %s is not 16 bit", name)
		}
		return float64(gray.Y) * 0.0001
	}
	nir, red := b("B08"), b("B04")
	return [satellite.IndexCount]float64{
		(nir - red) / (nir + red),
		(b("B8A") - b("B11")) / (b("B8A") + b("B11")),
		(nir - b("B05")) / (nir + b("B05")),
		math.Min(1, math.Max(-1, 2.5*(nir-red)/(nir+6*red-7.5*b("B02")+1))),
		math.Min(3, b("B11")/nir),
		1.5 * (nir - red) / (nir + red + 0.5),
		(nir - b("B03")) / (nir + b("B03")),
	}
}

// The whole way, request to answer, against the pixels themselves: one call per place, all seven indices to 1e-6.
func TestStatisticsEqualThePixels(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	client, bands := b.client(b.table), readRasters(t)
	places := 0
	for _, class := range []scene.Class{scene.Clear, scene.Water, scene.Cloud, scene.Shadow} { // those that the scene has
		for _, p := range b.provider.Scene().PickPoints(class, 8) {
			places++
			series, err := client.Statistics(t.Context(), &limit.Pass{}, satellite.AreaAround(p.Lat, p.Lon, 0), week())
			if err != nil || len(series.Days) != 1 || series.Failed != 0 {
				t.Fatalf("point %+v: %+v, %v", p, series, err)
			}
			day := series.Days[0]
			if !day.Date.Equal(sensed()) || series.PUSpent <= 0 {
				t.Errorf("point %+v: day %s, %g units", p, day.Date, series.PUSpent)
			}
			hidden := class == scene.Cloud || class == scene.Shadow
			compareDay(t, p, day, bands.seven(t, p.Pixel), hidden)
			if (day.CloudFraction == 1) != hidden || (day.WaterFraction == 1) != (class == scene.Water) || day.SnowFraction != 0 {
				t.Errorf("point %+v: cloud %g, water %g, snow %g", p, day.CloudFraction, day.WaterFraction, day.SnowFraction)
			}
		}
	}
	if places < 16 {
		t.Errorf("only %d places", places)
	}
	b.calls(t, 1, places, 0)
}

func compareDay(t *testing.T, p scene.Point, day satellite.Day, want [satellite.IndexCount]float64, hidden bool) {
	t.Helper()
	if valid := map[bool]float64{false: 1, true: 0}[hidden]; day.ValidFraction != valid {
		t.Errorf("point %+v: valid fraction %g, want %g", p, day.ValidFraction, valid)
	}
	for i, name := range satellite.IndexNames() {
		got := day.Indices[i]
		if hidden {
			if got != nil {
				t.Errorf("point %+v: %s is %+v under cloud", p, name, got)
			}
			continue
		}
		if got == nil {
			t.Errorf("point %+v: no %s", p, name)
			continue
		}
		for what, value := range map[string]float64{"mean": got.Mean - want[i], "min": got.Min - want[i], "max": got.Max - want[i], "st_dev": got.StDev} {
			if math.Abs(value) > 1e-6 {
				t.Errorf("point %+v: %s of %s is off by %g", p, what, name, value)
			}
		}
		if got.SampleCount != 144 || got.NoDataCount != 0 {
			t.Errorf("point %+v: %s has %d samples, %d without data", p, name, got.SampleCount, got.NoDataCount)
		}
	}
}

// A large area holds several pixels: the mean lies between the extremes, and the counts are those of all pixels.
func TestLargeAreaHasSpread(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	p := b.provider.Scene().PickPoints(scene.Clear, 1)[0]
	area := satellite.AreaAround(p.Lat, p.Lon, 1000) // clamped
	series, err := b.client(b.table).Statistics(t.Context(), &limit.Pass{}, area, week())
	if err != nil || len(series.Days) != 1 {
		t.Fatalf("%+v, %v", series, err)
	}
	for i, s := range series.Days[0].Indices {
		if s == nil || s.Min > s.Mean || s.Mean > s.Max || s.StDev < 0 || s.SampleCount != area.Width*area.Height || area.Width != 2*satellite.MaxHalfSide/satellite.PixelSize {
			t.Errorf("%s is %+v", satellite.IndexNames()[i], s)
		}
	}
}

// What the provider does for places and days without the scene: OK and no interval.
func TestNoImage(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	client := b.client(b.table)
	later := satellite.Window{From: sensed().AddDate(0, 0, 1), To: sensed().AddDate(0, 0, 16)}
	for name, ask := range map[string]struct {
		area   satellite.Area
		window satellite.Window
	}{
		"another place": {satellite.AreaAround(55.7, 12.57, 0), week()},
		"another time":  {somewhere(t), later},
	} {
		series, err := client.Statistics(t.Context(), &limit.Pass{}, ask.area, ask.window)
		if err != nil || len(series.Days) != 0 || series.Failed != 0 {
			t.Errorf("%s: %+v, %v", name, series, err)
		}
	}
}

func TestSeen(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	client := b.client(b.table)
	day := satellite.Window{From: sensed(), To: sensed().AddDate(0, 0, 1)}
	for i, c := range []struct {
		area   satellite.Area
		window satellite.Window
		want   bool
	}{
		{somewhere(t), week(), true},
		{somewhere(t), day, true},
		{somewhere(t), satellite.Window{From: day.To, To: day.To.AddDate(1, 0, 0)}, false},
		{satellite.AreaAround(55.7, 12.57, 0), week(), false},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			if got, err := client.Seen(t.Context(), &limit.Pass{}, c.area, c.window); err != nil || got != c.want {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

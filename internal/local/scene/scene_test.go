package scene_test

import (
	"math"
	"testing"
	"time"

	"orbitq/internal/local/scene"
)

func load(t *testing.T) *scene.Scene {
	t.Helper()
	s, err := scene.Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheGridLiesWhereItsDescriptionSays(t *testing.T) {
	t.Parallel()
	s := load(t)
	corners := [4][2]float64{{251180, 2800020}, {302380, 2800020}, {302380, 2748820}, {251180, 2748820}}
	for i, want := range s.Footprint() {
		lon, lat := s.Zone().Inverse(corners[i][0], corners[i][1])
		if math.Abs(lon-want[0]) > 6e-7 || math.Abs(lat-want[1]) > 6e-7 {
			t.Errorf("corner %d is at %.7f,%.7f, described as %v", i, lon, lat, want)
		}
	}
}

func TestPixelAt(t *testing.T) {
	t.Parallel()
	s := load(t)
	cases := []struct {
		name           string
		easting, north float64
		pixel          int
		inside         bool
	}{
		{"first pixel, its corner", 251180, 2800020, 0, true},
		{"first pixel, its end", 251379.9, 2799820.1, 0, true},
		{"next column", 251380, 2800020, 1, true},
		{"next row", 251180, 2799820, 256, true},
		{"last pixel", 302379.9, 2748820.1, 65535, true},
		{"west of it", 251179.9, 2800000, 0, false},
		{"north of it", 251200, 2800020.1, 0, false},
		{"east of it", 302380, 2800000, 0, false},
		{"south of it", 251200, 2748820, 0, false},
		{"not a number", math.NaN(), 2748820, 0, false},
	}
	for _, c := range cases {
		if pixel, ok := s.PixelAtUTM(c.easting, c.north); ok != c.inside || pixel != c.pixel {
			t.Errorf("%s: %d %v, want %d %v", c.name, pixel, ok, c.pixel, c.inside)
		}
	}
}

func TestPixelAtFindsEveryCentre(t *testing.T) {
	t.Parallel()
	s := load(t)
	for pixel := range s.Pixels() {
		lon, lat := s.Zone().Inverse(s.Center(pixel))
		if got, ok := s.PixelAt(lon, lat); !ok || got != pixel {
			t.Fatalf("centre of %d is in %d (%v)", pixel, got, ok)
		}
	}
}

func TestPixelAtRefusesTheRestOfTheWorld(t *testing.T) {
	t.Parallel()
	s := load(t)
	for _, p := range [][2]float64{{12.57, 55.7}, {169, -25}, {-11.2, -25}, {180, 0}, {0, 90}, {-11.2, 100}, {math.NaN(), 25}} {
		if pixel, ok := s.PixelAt(p[0], p[1]); ok {
			t.Errorf("%v is in pixel %d", p, pixel)
		}
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	s := load(t)
	if want := time.Date(2020, 2, 19, 11, 34, 25, 405e6, time.UTC); !s.Sensed().Equal(want) {
		t.Errorf("sensed %v, want %v", s.Sensed(), want)
	}
	if s.Attribution() != "Contains modified Copernicus Sentinel data 2020" {
		t.Errorf("attribution is %q", s.Attribution())
	}
	if s.Scale() != 0.0001 || s.CloudCover() != 4.051854 || s.Pixels() != 65536 {
		t.Errorf("scale %v, cloud %v, pixels %d", s.Scale(), s.CloudCover(), s.Pixels())
	}
	if b := s.Bounds(); b != [4]float64{-11.471234, 24.834062, -10.955636, 25.303664} {
		t.Errorf("bounds %v", b)
	}
	if !s.HasBand("B8A") || s.HasBand("B01") || s.DN("B01", 5) != 0 || s.DN("B02", -1) != 0 || s.DN("B02", 65536) != 0 {
		t.Error("a band is invented or lost")
	}
}

func TestPickPoints(t *testing.T) {
	t.Parallel()
	s := load(t)
	for class := scene.Clear; class <= scene.Snow; class++ {
		points := s.PickPoints(class, 40)
		if again := s.PickPoints(class, 40); len(again) != len(points) || len(points) > 0 && again[0] != points[0] {
			t.Errorf("class %d: not the same points again", class)
		}
		seen := map[int]bool{}
		for _, p := range points {
			if seen[p.Pixel] {
				t.Errorf("class %d: pixel %d twice", class, p.Pixel)
			}
			seen[p.Pixel] = true
			checkAlone(t, s, class, p)
		}
	}
	if got := s.PickPoints(scene.Clear, 40); len(got) != 40 {
		t.Errorf("%d clear points, want 40", len(got))
	}
	if got := s.PickPoints(scene.Class(99), 3); len(got) != 0 {
		t.Errorf("unknown class has points %v", got)
	}
	if got := s.PickPoints(scene.Clear, -1); len(got) != 0 {
		t.Errorf("a negative number gives points %v", got)
	}
}

// checkAlone demands that the corners of a 180 m square around the point stay in its pixel.
func checkAlone(t *testing.T, s *scene.Scene, class scene.Class, p scene.Point) {
	t.Helper()
	match := false
	for _, code := range class.Codes() {
		match = match || code == p.SCL && int(s.DN("SCL", p.Pixel)) == code
	}
	if !match {
		t.Errorf("point %+v is not of class %d", p, class)
	}
	dLat := 90 / 111320.0
	dLon := dLat / math.Cos(p.Lat*math.Pi/180)
	for _, q := range [][2]float64{{-dLon, -dLat}, {-dLon, dLat}, {dLon, -dLat}, {dLon, dLat}} {
		if got, ok := s.PixelAt(p.Lon+q[0], p.Lat+q[1]); !ok || got != p.Pixel {
			t.Errorf("corner %v of %+v falls into pixel %d", q, p, got)
		}
	}
}

func TestHistogramCountsEveryPixel(t *testing.T) {
	t.Parallel()
	s := load(t)
	sum := 0
	for code, n := range s.Histogram() {
		t.Logf("SCL %d: %d pixels", code, n)
		sum += n
	}
	if sum != s.Pixels() {
		t.Errorf("counted %d of %d", sum, s.Pixels())
	}
}

func TestValidMeansSeen(t *testing.T) {
	t.Parallel()
	s := load(t)
	for pixel := range s.Pixels() {
		seen := false
		for _, b := range []string{"B02", "B03", "B04", "B05", "B08", "B8A", "B11"} {
			seen = seen || s.DN(b, pixel) != 0
		}
		if s.Valid(pixel) != seen {
			t.Fatalf("pixel %d: valid %v, seen %v", pixel, s.Valid(pixel), seen)
		}
	}
	if s.Valid(-1) {
		t.Error("a pixel outside is valid")
	}
}

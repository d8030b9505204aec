package satellite_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"orbitq/internal/satellite"
)

func TestAreaAround(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		lat, lon, acc float64
		half          int
		west, east    float64 // to 4 decimals
	}{
		{"equator", 0, 0, 0, 60, -0.0005, 0.0005},
		{"park in Copenhagen", 55.7072, 12.5704, 0, 60, 12.5694, 12.5714},
		{"street in Copenhagen with a bad fix", 55.6761, 12.5683, 150, 150, 12.5659, 12.5707},
		{"rounded up to a pixel", 55, 12, 61, 70, 11.9989, 12.0011},
		{"never larger than the cheapest step", 55, 12, 10_000, 250, 11.9961, 12.0039},
		{"Fiji: shifted to this side of the date line", -16.8, 179.9998, 0, 60, 179.9989, 180},
		{"and to that side", -16.8, -179.9998, 0, 60, -180, -179.9989},
		{"far north", 83, 20, 0, 60, 19.9956, 20.0044},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := satellite.AreaAround(c.lat, c.lon, c.acc)
			if a.HalfSide != c.half || math.Abs(a.West-c.west) > 5e-5 || math.Abs(a.East-c.east) > 5e-5 {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestAreaIsASquareOnTheEarth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lat := rapid.Float64Range(satellite.SouthernLimit, satellite.NorthernLimit).Draw(t, "lat")
		lon := rapid.Float64Range(-180, 180).Draw(t, "lon")
		acc := rapid.Float64Range(0, 2000).Draw(t, "accuracy")
		a := satellite.AreaAround(lat, lon, acc)
		if a.West < -180 || a.East > 180 || a.West >= a.East || a.South >= a.North {
			t.Fatalf("left the coordinates: %+v", a)
		}
		if lon < a.West-1e-7 || lon > a.East+1e-7 || lat < a.South || lat > a.North {
			t.Fatalf("the place is outside: %+v", a)
		}
		if a.Width != a.Height || a.Width*satellite.PixelSize != 2*a.HalfSide || a.HalfSide < 60 || a.HalfSide > 250 || a.HalfSide%10 != 0 {
			t.Fatalf("pixels: %+v", a)
		}
		if acc <= 250 && float64(a.HalfSide) < acc {
			t.Fatalf("smaller than the accuracy: %+v", a)
		}
		const metres = 111_320
		side := float64(2 * a.HalfSide)
		ns, we := (a.North-a.South)*metres, (a.East-a.West)*metres*math.Cos(lat*math.Pi/180)
		if math.Abs(ns-side) > 0.05 || math.Abs(we-side) > 0.05 {
			t.Fatalf("%v m by %v m, want %v", ns, we, side)
		}
	})
}

func TestCovered(t *testing.T) {
	t.Parallel()
	for lat, want := range map[float64]bool{-90: false, -56.001: false, -56: true, 0: true, 83: true, 83.001: false, 89.9: false} {
		if satellite.Covered(lat) != want {
			t.Errorf("latitude %v: covered %v", lat, !want)
		}
	}
}

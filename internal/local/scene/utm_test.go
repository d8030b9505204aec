package scene_test

import (
	"math"
	"testing"

	"orbitq/internal/local/scene"
)

// The expected values are PROJ's (9.x, EPSG:4326 to EPSG:326zz/327zz), printed to 0.01 mm.
func known() []struct {
	code           int
	lon, lat       float64
	easting, north float64
} {
	return []struct {
		code           int
		lon, lat       float64
		easting, north float64
	}{
		{32629, -11.471234, 25.296019, 251179.96791, 2800019.95603},
		{32629, -10.955636, 24.841548, 302380.00260, 2748820.00675},
		{32629, -9, 0, 500000, 0},
		{32629, -7.5, 60.25, 583029.66026, 6680197.33844},
		{32629, -3, 45, 972891.79127, 5000491.00546},
		{32632, 12.5704, 55.7072, 724305.63765, 6179269.53997},
		{32632, 9, 54, 500000, 5983521.66199},
		{32733, 18.4241, -33.9249, 816557.79560, 6240887.99557},
		{32701, 179.9998, -16.8, 180189.64692, 8140148.04262},
		{32701, -177.5, -16.8, 446721.68737, 8142502.55338},
	}
}

func TestForwardAgreesWithProjToTheMillimetre(t *testing.T) {
	t.Parallel()
	for _, k := range known() {
		zone, ok := scene.FromEPSG(k.code)
		if !ok {
			t.Fatalf("EPSG:%d is not a zone", k.code)
		}
		e, n := zone.Forward(k.lon, k.lat)
		if math.Abs(e-k.easting) > 1e-3 || math.Abs(n-k.north) > 1e-3 {
			t.Errorf("EPSG:%d %v,%v = %.5f %.5f, want %.5f %.5f", k.code, k.lon, k.lat, e, n, k.easting, k.north)
		}
	}
}

func TestInverseAgreesWithProj(t *testing.T) {
	t.Parallel()
	for _, k := range known() {
		zone, _ := scene.FromEPSG(k.code)
		lon, lat := zone.Inverse(k.easting, k.north)
		if math.Abs(lon-k.lon) > 1e-8 || math.Abs(lat-k.lat) > 1e-8 {
			t.Errorf("EPSG:%d %v %v = %.9f,%.9f, want %v,%v", k.code, k.easting, k.north, lon, lat, k.lon, k.lat)
		}
	}
}

func TestInverseUndoesForward(t *testing.T) {
	t.Parallel()
	for zone := 1; zone <= 60; zone += 7 {
		z := scene.Zone{Number: zone}
		for lat := -80.0; lat <= 84; lat += 4 {
			for d := -9.0; d <= 9; d += 1.5 {
				lon := float64(6*zone-183) + d
				gotLon, gotLat := z.Inverse(z.Forward(lon, lat))
				if math.Abs(math.Remainder(gotLon-lon, 360)) > 1e-9 || math.Abs(gotLat-lat) > 1e-9 {
					t.Fatalf("zone %d: %v,%v came back as %v,%v", zone, lon, lat, gotLon, gotLat)
				}
			}
		}
	}
}

func TestFromEPSG(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]scene.Zone{
		32601: {Number: 1}, 32660: {Number: 60}, 32701: {Number: 1, South: true}, 32760: {Number: 60, South: true},
	} {
		if got, ok := scene.FromEPSG(code); !ok || got != want {
			t.Errorf("FromEPSG(%d) = %v %v, want %v", code, got, ok, want)
		}
	}
	for _, code := range []int{0, 4326, 3857, 32600, 32661, 32700, 32761} {
		if got, ok := scene.FromEPSG(code); ok {
			t.Errorf("FromEPSG(%d) = %v, want none", code, got)
		}
	}
}

func TestNearKnowsTheDateLine(t *testing.T) {
	t.Parallel()
	zone := scene.Zone{Number: 1}
	for lon, want := range map[float64]bool{179.9: true, -179.9: true, 120: false, 0: false, -120: true, 124: true} {
		if got := zone.Near(lon); got != want {
			t.Errorf("Near(%v) = %v, want %v", lon, got, want)
		}
	}
}

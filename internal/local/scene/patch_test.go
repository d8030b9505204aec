package scene_test

import (
	"strings"
	"testing"

	"orbitq/internal/local/scene"
)

// Each patch has the look that its class is known for, in every single pixel.
func TestPatchesLookLikeTheirClass(t *testing.T) {
	t.Parallel()
	s := load(t)
	cases := []struct {
		name   string
		class  scene.Class
		real   bool
		pixels int
		looks  func(ndvi, ndsi float64) bool // green or not, bright in the visible against short-wave infrared
	}{
		{"vegetation", scene.Vegetation, true, 16, func(ndvi, _ float64) bool { return ndvi > 0.8 }},
		{"water", scene.Water, true, 16, func(ndvi, ndsi float64) bool { return ndvi < 0 && ndsi > 0 }},
		{"bare soil", scene.Bare, true, 16, func(ndvi, ndsi float64) bool { return ndvi > 0 && ndvi < 0.2 && ndsi < 0 }},
		{"cloud", scene.Cloud, true, 16, func(ndvi, _ float64) bool { return ndvi < 0.2 }},
		{"snow", scene.Snow, false, 1, func(ndvi, ndsi float64) bool { return ndvi > -0.1 && ndvi < 0.1 && ndsi > 0.4 }},
	}
	for _, c := range cases {
		p, ok := s.Patch(c.class)
		if !ok || p.Pixels() != c.pixels || strings.HasPrefix(p.Source(), "real pixels: ") != c.real {
			t.Errorf("%s: %v, %d pixels, source %q", c.name, ok, p.Pixels(), p.Source())
		}
		for i := range p.Pixels() {
			dn := func(band string) float64 { return float64(p.DN(band, i)) }
			ndvi := (dn("B08") - dn("B04")) / (dn("B08") + dn("B04"))
			ndsi := (dn("B03") - dn("B11")) / (dn("B03") + dn("B11"))
			if !p.Valid(i) || !c.looks(ndvi, ndsi) {
				t.Errorf("%s, pixel %d: NDVI %.3f, NDSI %.3f", c.name, i, ndvi, ndsi)
			}
			match := false
			for _, code := range c.class.Codes() {
				match = match || int(p.DN("SCL", i)) == code
			}
			if !match {
				t.Errorf("%s, pixel %d has class %d", c.name, i, p.DN("SCL", i))
			}
		}
		if p.Valid(-1) || p.Valid(p.Pixels()) || p.DN("B02", -1) != 0 || p.DN("B02", p.Pixels()) != 0 || p.DN("B01", 0) != 0 {
			t.Errorf("%s: a pixel or a band is invented", c.name)
		}
	}
	if p, ok := s.Patch(scene.Shadow); ok {
		t.Errorf("shadow, which nothing here shows, has %d pixels", p.Pixels())
	}
}

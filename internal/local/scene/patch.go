package scene

import (
	"encoding/json"
	"fmt"
)

// Patch is a handful of pixels of one class that belong to no place. It stands in for the ground of places that the
// acquisition does not show; whoever lays it somewhere has to say so, because the pixels were seen elsewhere.
type Patch struct {
	bands  map[string][]uint16
	source string
	size   int
}

// patchPixels is how many pixels of the acquisition make a patch.
const patchPixels = 16

// Patch returns pixels of a class: of the acquisition where it shows the class (bare soil, cloud), else the ones that
// come along in patches.json. False means that there are none of that class.
func (s *Scene) Patch(class Class) (Patch, bool) {
	// What is embedded is only there because the acquisition lacks it.
	if p, ok := s.patches[class]; ok {
		return p, true
	}
	points := s.PickPoints(class, patchPixels)
	p := Patch{bands: map[string][]uint16{}, source: "real pixels: " + s.Product(), size: len(points)}
	for band := range s.bands {
		for _, at := range points {
			p.bands[band] = append(p.bands[band], s.DN(band, at.Pixel))
		}
	}
	return p, p.size > 0
}

// Pixels is the number of pixels.
func (p Patch) Pixels() int { return p.size }

// Source says where the pixels come from, in a sentence for people.
func (p Patch) Source() string { return p.source }

// DN is the digital number of a pixel, 0 where there is none, on the scale of the scene.
func (p Patch) DN(band string, pixel int) uint16 {
	values := p.bands[band]
	if pixel < 0 || pixel >= len(values) {
		return 0
	}
	return values[pixel]
}

// Valid tells whether there is such a pixel; all pixels of a patch have been seen.
func (p Patch) Valid(pixel int) bool { return pixel >= 0 && pixel < p.size }

// patchFile is patches.json: the numbers of each patch are rows of pixels in the order of the bands.
type patchFile struct {
	Bands   []string `json:"bands"`
	Patches []struct {
		Class   string     `json:"class"`
		SCL     uint16     `json:"scl"`
		Source  string     `json:"source"`
		Numbers [][]uint16 `json:"numbers"`
	} `json:"patches"`
}

// loadPatches reads the embedded patches.
func loadPatches() (map[Class]Patch, error) {
	raw, err := files.ReadFile("data/patches.json")
	if err != nil {
		return nil, fmt.Errorf("read patches: %w", err)
	}
	var f patchFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("decode patches: %w", err)
	}
	names := map[string]Class{"vegetation": Vegetation, "water": Water, "snow": Snow}
	all := map[Class]Patch{}
	for _, p := range f.Patches {
		made := Patch{bands: map[string][]uint16{}, source: p.Source, size: len(p.Numbers)}
		for _, pixel := range p.Numbers {
			if len(pixel) != len(f.Bands) {
				return nil, fmt.Errorf("decode patches: a pixel of %s has %d numbers", p.Class, len(pixel))
			}
			for i, band := range f.Bands {
				made.bands[band] = append(made.bands[band], pixel[i])
			}
			made.bands["SCL"] = append(made.bands["SCL"], p.SCL)
		}
		class, ok := names[p.Class]
		if !ok {
			return nil, fmt.Errorf("decode patches: class %q is unknown", p.Class)
		}
		all[class] = made
	}
	return all, nil
}

package cdse_test

import (
	"encoding/json"
	"fmt"
	"image/color"
	"math"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"orbitq/internal/local/cdse"
)

// expected are the statistics of one band, from the written-out list of its values.
type expected struct {
	min, max, mean, dev float64
	samples, noData     int
}

func summarise(values []float64, samples int) expected {
	e := expected{samples: samples, noData: samples - len(values)}
	if len(values) == 0 {
		return e
	}
	for _, v := range values {
		e.mean += v / float64(len(values))
	}
	for _, v := range values {
		e.dev += (v - e.mean) * (v - e.mean) / float64(len(values))
	}
	e.dev = math.Sqrt(e.dev)
	e.min, e.max = slices.Min(values), slices.Max(values)
	return e
}

// area walks a box of the scene's zone pixel by pixel of the output and collects the values straight from the images.
func (r rasters) area(t *testing.T, box [4]float64, width, height int) map[string]expected {
	t.Helper()
	lists := map[string][]float64{}
	for i := range width * height {
		x := box[0] + (float64(i%width)+0.5)*(box[2]-box[0])/float64(width)
		y := box[3] - (float64(i/width)+0.5)*(box[3]-box[1])/float64(height)
		col, row := int(math.Floor((x-251180)/200)), int(math.Floor((2800020-y)/200))
		if col < 0 || row < 0 || col > 255 || row > 255 {
			continue
		}
		class := r["SCL"].At(col, row).(color.Gray).Y
		cloud := 0.0
		if class >= 8 && class <= 10 {
			cloud = 1
		}
		lists["cloud"] = append(lists["cloud"], cloud)
		if cloud == 1 || class == 3 || class < 2 {
			continue
		}
		for name, v := range r.seven(t, col, row) {
			lists[name] = append(lists[name], v)
		}
	}
	out := map[string]expected{}
	for _, name := range []string{"ndvi", "ndmi", "ndre", "evi", "msi", "savi", "gndvi", "cloud"} {
		out[name] = summarise(lists[name], width*height)
	}
	return out
}

// TestRandomAreasEqualTheImages asks for boxes of any size anywhere on and around the scene, clouds and edges included,
// and compares every statistic of every index.
func TestRandomAreasEqualTheImages(t *testing.T) {
	t.Parallel()
	s := start(t)
	bands := readRasters(t)
	rapid.Check(t, func(rt *rapid.T) {
		west, south := rapid.Float64Range(250_500, 302_000).Draw(rt, "west"), rapid.Float64Range(2_748_000, 2_799_500).Draw(rt, "south")
		box := [4]float64{west, south, west + rapid.Float64Range(10, 3000).Draw(rt, "dx"), south + rapid.Float64Range(10, 3000).Draw(rt, "dy")}
		width, height := rapid.IntRange(1, 24).Draw(rt, "width"), rapid.IntRange(1, 24).Draw(rt, "height")
		text := fmt.Sprintf("[%v,%v,%v,%v]", box[0], box[1], box[2], box[3])
		got, _ := s.ask(t, request(fullScript(), text, epsg29).with("aggregation.width", width).with("aggregation.height", height))
		want := bands.area(t, box, width, height)
		if want["cloud"].noData == width*height {
			if len(got.Data) != 0 {
				rt.Fatalf("an area outside has data %+v", got.Data)
			}
			return
		}
		for name, e := range want {
			output := "indices"
			if name == "cloud" {
				output = "quality"
			}
			checkBand(rt, name, got.Data[0].Outputs[output].Bands[name].Stats, e)
		}
	})
}

func checkBand(t *rapid.T, name string, got stat, want expected) {
	if got.SampleCount != want.samples || got.NoDataCount != want.noData {
		t.Fatalf("%s: %d samples, %d without data; want %+v", name, got.SampleCount, got.NoDataCount, want)
	}
	for _, pair := range []struct {
		name string
		raw  json.RawMessage
		want float64
	}{{"min", got.Min, want.min}, {"max", got.Max, want.max}, {"mean", got.Mean, want.mean}, {"stDev", got.StDev, want.dev}} {
		if want.noData == want.samples {
			if string(pair.raw) != `"NaN"` {
				t.Fatalf("%s %s = %s without any data", name, pair.name, pair.raw)
			}
			continue
		}
		var v float64
		if err := json.Unmarshal(pair.raw, &v); err != nil || math.Abs(v-pair.want) > 1e-6 {
			t.Fatalf("%s %s = %s, want %v", name, pair.name, pair.raw, pair.want)
		}
	}
}

// TestTheWholeAnswer keeps one answer member by member: a client may be developed against the file.
func TestTheWholeAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	want, err := os.ReadFile("testdata/statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	res := s.post(t, cdse.StatisticsPath, request(fullScript(), "[271320,2787860,271440,2787980]", epsg29).json(t))
	var got, kept any
	if err := json.Unmarshal(res.body, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &kept); err != nil {
		t.Fatal(err)
	}
	if where := differ("", got, kept); where != "" {
		t.Errorf("the answer differs at %s: %s", where, res.body)
	}
}

// differ names the first place where two decoded answers are not the same. Numbers may differ in their last digits,
// because some processors fuse multiplication and addition.
func differ(path string, a, b any) string {
	switch a := a.(type) {
	case map[string]any:
		other, ok := b.(map[string]any)
		if !ok || len(a) != len(other) {
			return path + "{}"
		}
		for key, value := range a {
			if where := differ(path+"/"+key, value, other[key]); where != "" {
				return where
			}
		}
		return ""
	case []any:
		other, ok := b.([]any)
		if !ok || len(a) != len(other) {
			return path + "[]"
		}
		for i, value := range a {
			if where := differ(fmt.Sprintf("%s/%d", path, i), value, other[i]); where != "" {
				return where
			}
		}
		return ""
	case float64:
		if other, ok := b.(float64); ok && math.Abs(a-other) < 1e-9 {
			return ""
		}
		return path
	}
	if a != b {
		return path
	}
	return ""
}

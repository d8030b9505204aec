// Package scene holds one real Sentinel-2 acquisition: 256 x 256 pixels of 200 m from the L2A product
// S2A_MSIL2A_20200219T112111 (tile 29RKH, Western Sahara), seven reflectance bands and the scene classification.
//
// It promises the pixels as they came: digital numbers without any correction, addressed by a row-major index (row 0
// is the northern edge), and the positions of those pixels in WGS 84 and in the scene's own UTM zone. The data is part
// of the binary, so no file is looked for at run time. Contains modified Copernicus Sentinel data 2020.
//
// It refuses to resample: a position belongs to the pixel it falls in, and a position outside belongs to none.
//
// Beside the acquisition there are patches: a few pixels each of vegetation, water and snow, which the desert of the
// acquisition lacks. They have no position, and each says where it comes from.
package scene

import (
	"bytes"
	"embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"strconv"
	"strings"
	"time"
)

//go:embed data/*.png data/scene.json data/patches.json data/ATTRIBUTION
var files embed.FS

// Scene is the acquisition; it is immutable and safe for concurrent use.
type Scene struct {
	meta    meta
	zone    Zone
	bands   map[string][]uint16
	patches map[Class]Patch
}

// meta is scene.json, the description that came with the pixels. Easting and Northing are the outer corner of the
// north-western pixel, and Corners is the outline in degrees.
type meta struct {
	Name     string            `json:"scene"`
	Product  string            `json:"product"`
	Sensed   time.Time         `json:"datetime"`
	CRS      string            `json:"crs"`
	Width    int               `json:"width"`
	Height   int               `json:"height"`
	Pixel    float64           `json:"pixel_size_m"`
	Easting  float64           `json:"origin_easting_m"`
	Northing float64           `json:"origin_northing_m"`
	Corners  [4][2]float64     `json:"corner_lonlat_nw_ne_se_sw"`
	Scale    float64           `json:"reflectance_scale"`
	Cloud    float64           `json:"scene_cloud_cover_percent"`
	Bands    map[string]string `json:"bands"`
	Credit   string            `json:"attribution"`
}

// Load decodes the embedded scene; it costs a few tens of milliseconds, so share the result.
func Load() (*Scene, error) {
	raw, err := files.ReadFile("data/scene.json")
	if err != nil {
		return nil, fmt.Errorf("read scene description: %w", err)
	}
	s := &Scene{bands: map[string][]uint16{}}
	if err := json.Unmarshal(raw, &s.meta); err != nil {
		return nil, fmt.Errorf("decode scene description: %w", err)
	}
	code, err := strconv.Atoi(strings.TrimPrefix(s.meta.CRS, "EPSG:"))
	if err != nil {
		return nil, fmt.Errorf("read scene projection: %w", err)
	}
	zone, ok := FromEPSG(code)
	if !ok {
		return nil, fmt.Errorf("read scene projection: EPSG:%d is not a UTM zone", code)
	}
	s.zone = zone
	if s.patches, err = loadPatches(); err != nil {
		return nil, err
	}
	for band, file := range s.meta.Bands {
		if s.bands[band], err = s.decode("data/" + file); err != nil {
			return nil, fmt.Errorf("decode band %s: %w", band, err)
		}
	}
	return s, nil
}

// decode reads one band as row-major digital numbers.
func (s *Scene) decode(name string) ([]uint16, error) {
	raw, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read image: %w", err)
	}
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("decode image: %w", err)
	}
	if img.Bounds() != image.Rect(0, 0, s.meta.Width, s.meta.Height) {
		return nil, fmt.Errorf("decode image: size is %v", img.Bounds())
	}
	out := make([]uint16, s.Pixels())
	switch gray := img.(type) {
	case *image.Gray16:
		for i := range out {
			out[i] = binary.BigEndian.Uint16(gray.Pix[2*i:])
		}
	case *image.Gray: // the colour model's own conversion would stretch 8 bits to 16
		for i := range out {
			out[i] = uint16(gray.Pix[i])
		}
	default:
		return nil, fmt.Errorf("decode image: unexpected pixel type %T", img)
	}
	return out, nil
}

// Product is the name of the L2A product the pixels come from.
func (s *Scene) Product() string { return s.meta.Product }

// Sensed is the instant of the acquisition in UTC.
func (s *Scene) Sensed() time.Time { return s.meta.Sensed }

// CloudCover is the cloud share of the scene in percent, as its catalog entry says.
func (s *Scene) CloudCover() float64 { return s.meta.Cloud }

// Attribution is the credit line that every use of the pixels has to show.
func (s *Scene) Attribution() string { return s.meta.Credit }

// Zone is the UTM zone of the pixel grid.
func (s *Scene) Zone() Zone { return s.zone }

// Pixels is the number of pixels; indices run from 0 to Pixels()-1.
func (s *Scene) Pixels() int { return s.meta.Width * s.meta.Height }

// HasBand tells whether the scene holds the band (B02, B03, B04, B05, B08, B8A, B11 or SCL).
func (s *Scene) HasBand(band string) bool { return s.bands[band] != nil }

// DN is the digital number of a pixel; an unknown band or a pixel outside reads as 0, the no-data value.
func (s *Scene) DN(band string, pixel int) uint16 {
	values := s.bands[band]
	if pixel < 0 || pixel >= len(values) {
		return 0
	}
	return values[pixel]
}

// Scale turns a digital number into reflectance.
func (s *Scene) Scale() float64 { return s.meta.Scale }

// Valid tells whether the pixel was seen: some reflectance band is not 0.
func (s *Scene) Valid(pixel int) bool {
	for band := range s.bands {
		if band != "SCL" && s.DN(band, pixel) != 0 {
			return true
		}
	}
	return false
}

// Footprint is the outline as lon/lat corners: north-west, north-east, south-east, south-west.
func (s *Scene) Footprint() [4][2]float64 { return s.meta.Corners }

// Bounds is the lon/lat box around the footprint: west, south, east, north.
func (s *Scene) Bounds() [4]float64 {
	box := [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, c := range s.meta.Corners {
		box[0], box[1] = math.Min(box[0], c[0]), math.Min(box[1], c[1])
		box[2], box[3] = math.Max(box[2], c[0]), math.Max(box[3], c[1])
	}
	return box
}

// PixelAtUTM is the pixel that holds a position of the scene's own zone.
func (s *Scene) PixelAtUTM(easting, northing float64) (pixel int, ok bool) {
	col := math.Floor((easting - s.meta.Easting) / s.meta.Pixel)
	row := math.Floor((s.meta.Northing - northing) / s.meta.Pixel)
	inside := col >= 0 && row >= 0 && col < float64(s.meta.Width) && row < float64(s.meta.Height)
	if !inside { // also the answer for NaN
		return 0, false
	}
	return int(row)*s.meta.Width + int(col), true
}

// PixelAt is the pixel that holds a geodetic position.
func (s *Scene) PixelAt(lon, lat float64) (pixel int, ok bool) {
	if !s.zone.Near(lon) || math.Abs(lat) > 90 {
		return 0, false
	}
	return s.PixelAtUTM(s.zone.Forward(lon, lat))
}

// Center is the position of a pixel's middle in the scene's zone.
func (s *Scene) Center(pixel int) (easting, northing float64) {
	row, col := pixel/s.meta.Width, pixel%s.meta.Width
	return s.meta.Easting + (float64(col)+0.5)*s.meta.Pixel, s.meta.Northing - (float64(row)+0.5)*s.meta.Pixel
}

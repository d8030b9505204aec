package cdse

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"time"
)

// collection is the only data set served.
const collection = "sentinel-2-l2a"

// The service's limits of the output raster.
const (
	maxSide     = 2500
	defaultSide = 256
)

// statBody is the JSON of a statistical request. Members not named here are ignored, as the service does.
type statBody struct {
	Input struct {
		Bounds boundsBody `json:"bounds"`
		Data   []dataBody `json:"data"`
	} `json:"input"`
	Aggregation  *aggregationBody           `json:"aggregation"`
	Calculations map[string]json.RawMessage `json:"calculations"`
}

// boundsBody is the area; longitude comes first in every system of degrees.
type boundsBody struct {
	BBox       []float64       `json:"bbox"`
	Geometry   json.RawMessage `json:"geometry"`
	Properties struct {
		CRS string `json:"crs"`
	} `json:"properties"`
}

// dataBody is a data source with its filters.
type dataBody struct {
	Type       string `json:"type"`
	DataFilter struct {
		MosaickingOrder  string   `json:"mosaickingOrder"`
		MaxCloudCoverage *float64 `json:"maxCloudCoverage"`
	} `json:"dataFilter"`
	Processing struct {
		Upsampling   string `json:"upsampling"`
		Downsampling string `json:"downsampling"`
	} `json:"processing"`
}

// aggregationBody is when, how often, at which raster and by which script. Sizes are floats to tell a wrong number
// from a wrong type.
type aggregationBody struct {
	TimeRange *struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"timeRange"`
	Interval *struct {
		Of   string `json:"of"`
		Last string `json:"lastIntervalBehavior"`
	} `json:"aggregationInterval"`
	Width      *float64 `json:"width"`
	Height     *float64 `json:"height"`
	ResX       *float64 `json:"resx"`
	ResY       *float64 `json:"resy"`
	Evalscript string   `json:"evalscript"`
}

// statRequest is a checked statistical request.
type statRequest struct {
	// crs and box are the area, width and height the raster laid over it.
	crs           crs
	box           [4]float64
	width, height int
	// whole is cut into intervals of the length every; last says what becomes of an incomplete one.
	whole span
	every period
	last  string
	// maxCloud is the most cloud in percent that a scene may have.
	maxCloud float64
	// script is the evalscript's source.
	script string
}

// decodeStat checks a body and reports everything that is wrong with it at once.
func decodeStat(raw []byte) (statRequest, error) {
	var body statBody
	if err := decodeJSON(raw, &body); err != nil {
		return statRequest{}, err
	}
	// From here on every check adds to the list instead of returning, and zero values stand in for what was wrong.
	var v violations
	req := statRequest{maxCloud: 100, last: lastSkip}
	req.readBounds(&v, body.Input.Bounds)
	req.readData(&v, body.Input.Data)
	if body.Aggregation == nil {
		v.addf("aggregation", "Parameter `aggregation` is required.")
		return statRequest{}, v.err()
	}
	req.readTime(&v, *body.Aggregation)
	req.readSize(&v, *body.Aggregation)
	if req.script = body.Aggregation.Evalscript; req.script == "" {
		v.addf("aggregation->evalscript", "Parameter `evalscript` is required.")
	}
	checkCalculations(&v, body.Calculations)
	return req, v.err()
}

// decodeJSON reads exactly one value.
func decodeJSON(raw []byte, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return newError(400, codeBadPayload, "Request body should be non-empty.")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if err := decoder.Decode(into); err != nil {
		return newError(400, codeBadPayload, "Failed to parse the request: "+err.Error())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return newError(400, codeBadPayload, "Failed to parse the request: more than one JSON value")
	}
	return nil
}

// readBounds reads the reference system and the box.
func (r *statRequest) readBounds(v *violations, b boundsBody) {
	system, ok := parseCRS(b.Properties.CRS)
	if !ok {
		v.addf("input->bounds->properties->crs", "Unsupported coordinate reference system %q.", b.Properties.CRS)
	}
	r.crs = system
	if len(b.Geometry) > 0 && string(b.Geometry) != "null" {
		v.addf("input->bounds->geometry", "Geometry is not supported here, only `bbox`.")
		return
	}
	// The box is checked against the world only when both it and its system make sense.
	box, fault := readBox(b.BBox)
	if fault != "" {
		v.addf("input->bounds->bbox", "%s", fault)
	}
	r.box = box
	if ok && fault == "" && outOfWorld(system, box) {
		v.addf("input->bounds->bbox", "Bounding box is outside of the valid range of its coordinate system.")
	}
}

// readBox checks west, south, east, north.
func readBox(values []float64) (box [4]float64, fault string) {
	if len(values) != len(box) {
		return box, "Parameter `bbox` has to be an array of four numbers."
	}
	copy(box[:], values)
	if box[0] >= box[2] || box[1] >= box[3] {
		return box, "Bounding box has to be given as [minX, minY, maxX, maxY] and must not be empty."
	}
	return box, ""
}

// outOfWorld checks degrees; projected systems reach as far as they like.
func outOfWorld(system crs, box [4]float64) bool {
	_, degrees := system.(geographic)
	return degrees && (box[0] < -180 || box[2] > 180 || box[1] < -90 || box[3] > 90)
}

// readData reads the only data source and its filters. Cloud cover is that of the whole scene, as in the service.
func (r *statRequest) readData(v *violations, data []dataBody) {
	if len(data) != 1 {
		v.addf("input->data", "Parameter `data` has to hold exactly one data source.")
		return
	}
	d := data[0]
	if d.Type != collection {
		v.addf("input->data[0]->type", "Collection %q is not available, only %q.", d.Type, collection)
	}
	if !slices.Contains([]string{"", "mostRecent", "leastRecent", "leastCC"}, d.DataFilter.MosaickingOrder) {
		v.addf("input->data[0]->dataFilter->mosaickingOrder", "Unknown order %q.", d.DataFilter.MosaickingOrder)
	}
	// The scene is the only candidate, so the order is checked but has nothing to choose from.
	if c := d.DataFilter.MaxCloudCoverage; c != nil {
		if *c < 0 || *c > 100 {
			v.addf("input->data[0]->dataFilter->maxCloudCoverage", "Has to be within 0..100.")
		}
		r.maxCloud = *c
	}
	for _, sampling := range []string{d.Processing.Upsampling, d.Processing.Downsampling} {
		if sampling != "" && sampling != "NEAREST" {
			v.addf("input->data[0]->processing", "Resampling %q is not supported here, only NEAREST.", sampling)
		}
	}
}

// readTime reads the range and how it is cut into intervals.
func (r *statRequest) readTime(v *violations, a aggregationBody) {
	if a.TimeRange == nil {
		v.addf("aggregation->timeRange", "Parameter `timeRange` is required.")
		return
	}
	r.whole = span{
		From: readInstant(v, "aggregation->timeRange->from", a.TimeRange.From),
		To:   readInstant(v, "aggregation->timeRange->to", a.TimeRange.To),
	}
	if len(v.list) == 0 && !r.whole.From.Before(r.whole.To) {
		v.addf("aggregation->timeRange", "Parameter `from` has to be before `to`.")
	}
	if a.Interval == nil {
		v.addf("aggregation->aggregationInterval", "Parameter `aggregationInterval` is required.")
		return
	}
	every, ok := parsePeriod(a.Interval.Of)
	if !ok {
		v.addf("aggregation->aggregationInterval->of", "%q is not a duration of at least one day.", a.Interval.Of)
	}
	r.every = every
	if a.Interval.Last != "" {
		r.last = a.Interval.Last
	}
	if !slices.Contains([]string{lastSkip, lastShorten, lastExtend}, r.last) {
		v.addf("aggregation->aggregationInterval->lastIntervalBehavior", "Unknown behaviour %q.", r.last)
	}
}

// readInstant reads an RFC 3339 time and makes it UTC.
func readInstant(v *violations, parameter, text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		v.addf(parameter, "%q is not an ISO 8601 instant such as 2020-02-19T00:00:00Z.", text)
	}
	return t.UTC()
}

// readSize takes the raster either as width and height or as resx and resy.
func (r *statRequest) readSize(v *violations, a aggregationBody) {
	// Neither is fine too: the service's default is 256 x 256.
	bySize, byStep := a.Width != nil || a.Height != nil, a.ResX != nil || a.ResY != nil
	if bySize && byStep {
		v.addf("aggregation", "Only width and height or resx and resy can be set at the same time.")
		return
	}
	if byStep {
		r.width = readStep(v, "resx", "width", a.ResX, r.box[2]-r.box[0])
		r.height = readStep(v, "resy", "height", a.ResY, r.box[3]-r.box[1])
		return
	}
	r.width = readSide(v, "width", a.Width)
	r.height = readSide(v, "height", a.Height)
}

// readSide reads a width or a height.
func readSide(v *violations, name string, value *float64) int {
	if value == nil {
		return defaultSide
	}
	if *value != math.Trunc(*value) || *value < 1 || *value > maxSide {
		v.addf("aggregation->"+name, "`%s = %v` has to be a whole number within 1..%d.", name, *value, maxSide)
		return 0
	}
	return int(*value)
}

// readStep turns a resolution in units of the system into a number of pixels, at least one.
func readStep(v *violations, name, side string, step *float64, extent float64) int {
	if step == nil || *step <= 0 {
		v.addf("aggregation->"+name, "Parameter `%s` has to be a positive number.", name)
		return 0
	}
	pixels := math.Max(1, math.Round(extent / *step))
	if pixels > maxSide {
		v.addf("aggregation->"+name, "`%s = %.0f`, calculated from %s, is larger than allowed %d.", side, pixels, name, maxSide)
		return 0
	}
	return int(pixels)
}

// checkCalculations accepts the plain statistics only: histograms and percentiles are not computed here.
func checkCalculations(v *violations, calculations map[string]json.RawMessage) {
	// Clients send an empty object per output, or for "default", when they want nothing special.
	for id, raw := range calculations {
		var wanted map[string]json.RawMessage
		if err := json.Unmarshal(raw, &wanted); err != nil {
			v.addf("calculations->"+id, "Has to be an object.")
			continue
		}
		for name := range wanted {
			v.addf("calculations->"+id+"->"+name, "Calculation `%s` is not supported here.", name)
		}
	}
}

// maskBand is the input band that tells seen pixels from unseen ones; the output of the same name is mandatory.
const maskBand = maskID

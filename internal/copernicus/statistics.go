package copernicus

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/satellite"
)

// crs84 is longitude, latitude in WGS84.
const crs84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"

// collection is the surface reflectance product.
const collection = "sentinel-2-l2a"

// The request of the Statistical API; see domain brief 3.4.
type (
	statisticsRequest struct {
		Input       input       `json:"input"`
		Aggregation aggregation `json:"aggregation"`
	}
	input struct {
		Bounds bounds `json:"bounds"`
		Data   []data `json:"data"`
	}
	bounds struct {
		BBox       [4]float64        `json:"bbox"`
		Properties map[string]string `json:"properties"`
	}
	data struct {
		Type       string         `json:"type"`
		DataFilter map[string]any `json:"dataFilter"`
		Processing map[string]any `json:"processing"`
	}
	aggregation struct {
		TimeRange           timeRange         `json:"timeRange"`
		AggregationInterval map[string]string `json:"aggregationInterval"`
		Width               int               `json:"width"`
		Height              int               `json:"height"`
		Evalscript          string            `json:"evalscript"`
	}
	timeRange struct {
		From time.Time `json:"from"`
		To   time.Time `json:"to"`
	}
)

// The answer of the Statistical API; see domain brief 3.5.
type (
	statisticsAnswer struct {
		Status string     `json:"status"`
		Data   []interval `json:"data"`
	}
	interval struct {
		Interval timeRange         `json:"interval"`
		Outputs  map[string]output `json:"outputs"`
		Error    *intervalError    `json:"error"`
	}
	intervalError struct {
		Type string `json:"type"`
	}
	output struct {
		Bands map[string]band `json:"bands"`
	}
	band struct {
		Stats bandStats `json:"stats"`
	}
	bandStats struct {
		// Pointers, because absent is not zero.
		Min         *number `json:"min"`
		Max         *number `json:"max"`
		Mean        *number `json:"mean"`
		StDev       *number `json:"stDev"`
		SampleCount int     `json:"sampleCount"`
		NoDataCount int     `json:"noDataCount"`
	}
)

// number is a JSON number, or one of the strings that the provider sends for
// values that JSON cannot hold.
type number float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	text := string(b)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return errors.New("a value is not a number")
	}
	*n = number(f)
	return nil
}

// maxAgain is how many days that failed are asked for again at once.
const maxAgain = 3

// Statistics implements kinds.Imagery: one request for the whole window. Days
// that the provider could not compute are asked for once more, alone.
func (c *Client) Statistics(ctx context.Context, pass *limit.Pass, a satellite.Area, w satellite.Window) (satellite.Series, error) {
	series, failed, err := c.statistics(ctx, pass, a, w)
	if err != nil || len(failed) == 0 {
		return series, err
	}
	if len(failed) > maxAgain {
		// So many at once are an outage; each would cost a request of the month.
		series.Failed = len(failed)
		return series, nil
	}
	for _, day := range failed {
		again, still, err := c.statistics(ctx, pass, a, day)
		if err != nil {
			return satellite.Series{}, err
		}
		series.PUSpent += again.PUSpent
		series.Days = append(series.Days, again.Days...)
		series.Failed += len(still)
	}
	return series, nil
}

// statistics sends one request; the windows that failed come back for another.
func (c *Client) statistics(ctx context.Context, pass *limit.Pass, a satellite.Area, w satellite.Window) (satellite.Series, []satellite.Window, error) {
	got, err := c.ask(ctx, pass, limit.Enrichment, "/api/v1/statistics", question(a, w))
	if err != nil {
		return satellite.Series{}, nil, err
	}
	var s statisticsAnswer
	if err := json.Unmarshal(got.body, &s); err != nil {
		return satellite.Series{}, nil, unreadable("statistics", err)
	}
	days, failed, err := s.read(w)
	if err != nil {
		return satellite.Series{}, nil, err
	}
	return satellite.Series{
		Days: days, PUSpent: spent(got.header.Get("x-processingunits-spent")), RequestID: clip(got.header.Get("x-request-id")),
	}, failed, nil
}

// read sorts the intervals of an answer into days, and windows to ask for again.
func (s *statisticsAnswer) read(w satellite.Window) (days []satellite.Day, failed []satellite.Window, err error) {
	if most := int(w.To.Sub(w.From).Hours() / 24); len(s.Data) > most {
		// Each failed interval costs a request of its own, so their number is not
		// the provider's to choose.
		return nil, nil, job.Errorf(job.ProviderUnavailable, "statistics have %d intervals for %d days", len(s.Data), most)
	}
	for i := range s.Data {
		iv := &s.Data[i]
		at := satellite.Window{From: iv.Interval.From.UTC(), To: iv.Interval.To.UTC()}
		if at.From.Before(w.From) || at.To.After(w.To) || !at.From.Before(at.To) {
			return nil, nil, job.Errorf(job.ProviderUnavailable, "statistics have an interval that was not asked for")
		}
		switch {
		case iv.Error == nil:
			d, err := iv.day()
			if err != nil {
				return nil, nil, err
			}
			days = append(days, d)
		case iv.Error.Type == "BAD_REQUEST":
			return nil, nil, job.Errorf(job.InvalidRequest, "provider refused the interval from %s", at.From.Format(time.DateOnly))
		default:
			failed = append(failed, at)
		}
	}
	if s.Status != "OK" && len(failed) == 0 {
		// Something is missing and the answer does not say what: taken as it is, it
		// could pass for "no image".
		return nil, nil, job.Errorf(job.ProviderUnavailable, "provider answered with status %q", clip(s.Status))
	}
	return days, failed, nil
}

// question returns the request body.
func question(a satellite.Area, w satellite.Window) statisticsRequest {
	return statisticsRequest{
		Input: input{
			Bounds: boundsOf(a),
			Data: []data{{
				Type: collection,
				// Cloud metadata is per tile of 110 km: it says nothing about
				// 120 m, so nothing is filtered by it.
				DataFilter: map[string]any{"mosaickingOrder": "leastCC", "maxCloudCoverage": 100},
				Processing: map[string]any{"harmonizeValues": true},
			}},
		},
		Aggregation: aggregation{
			TimeRange:           timeRange{From: w.From, To: w.To},
			AggregationInterval: map[string]string{"of": "P1D"},
			Width:               a.Width, Height: a.Height,
			Evalscript: satellite.Evalscript(),
		},
	}
}

// boundsOf returns an area as west, south, east, north.
func boundsOf(a satellite.Area) bounds {
	return bounds{BBox: [4]float64{a.West, a.South, a.East, a.North}, Properties: map[string]string{"crs": crs84}}
}

// day reads one interval. A band that is missing, or counts pixels that cannot
// be, is an error: as a value of zero it would be stored, and believed.
func (iv *interval) day() (satellite.Day, error) {
	d := satellite.Day{Date: satellite.DayOf(iv.Interval.From)}
	indices, quality := iv.Outputs["indices"].Bands, iv.Outputs["quality"].Bands
	for i, name := range satellite.IndexNames() {
		b, ok := indices[name]
		if !ok || !b.Stats.plausible() {
			return satellite.Day{}, job.Errorf(job.ProviderUnavailable, "statistics have no usable %s", name)
		}
		d.Indices[i] = b.Stats.finite()
	}
	for name, share := range map[string]*float64{"cloud": &d.CloudFraction, "snow": &d.SnowFraction, "water": &d.WaterFraction} {
		b, ok := quality[name]
		if !ok || !b.Stats.plausible() {
			return satellite.Day{}, job.Errorf(job.ProviderUnavailable, "statistics have no usable %s", name)
		}
		*share = b.Stats.share()
	}
	// One mask serves all seven indices, so any of them counts for all.
	first := indices[satellite.IndexNames()[0]].Stats
	d.ValidFraction = float64(first.SampleCount-first.NoDataCount) / float64(first.SampleCount)
	return d, nil
}

// plausible reports whether the counts can be those of an area.
func (b *bandStats) plausible() bool {
	return b.SampleCount > 0 && b.NoDataCount >= 0 && b.NoDataCount <= b.SampleCount
}

// finite returns the statistics, or nil when no pixel had a value.
func (b *bandStats) finite() *satellite.Stats {
	if b.SampleCount <= b.NoDataCount {
		return nil
	}
	for _, n := range []*number{b.Mean, b.Min, b.Max, b.StDev} {
		if n == nil || math.IsNaN(float64(*n)) || math.IsInf(float64(*n), 0) {
			return nil
		}
	}
	return &satellite.Stats{
		Mean: float64(*b.Mean), Min: float64(*b.Min), Max: float64(*b.Max), StDev: float64(*b.StDev),
		SampleCount: b.SampleCount, NoDataCount: b.NoDataCount,
	}
}

// share returns the mean of a band of zeros and ones, 0 without pixels. It is
// clamped because a float may come out a hair above 1, which is no share.
func (b *bandStats) share() float64 {
	if s := b.finite(); s != nil {
		return min(max(s.Mean, 0), 1)
	}
	return 0
}

// spent reads the processing units of a call; without the header it is 0, as
// nothing else may depend on it: the public documentation does not promise it.
func spent(header string) float64 {
	f, err := strconv.ParseFloat(header, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
		return 0
	}
	return f
}

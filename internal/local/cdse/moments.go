package cdse

import (
	"encoding/json"
	"math"
)

// moments accumulates the statistics of one output band.
type moments struct {
	min, max, mean, m2 float64
	valid, total       int
}

// add takes a value that occurs count times. A masked or non-finite value only counts as no data.
func (m *moments) add(value float64, count int, masked bool) {
	m.total += count
	if masked || math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	if m.valid == 0 {
		m.min, m.max = value, value
	}
	m.min, m.max = math.Min(m.min, value), math.Max(m.max, value)
	// West's update for weighted values: no sums of squares that could cancel out.
	before := float64(m.valid)
	m.valid += count
	delta := value - m.mean
	m.mean += delta * float64(count) / float64(m.valid)
	m.m2 += delta * delta * before * float64(count) / float64(m.valid)
}

// stats is the public form.
func (m *moments) stats() bandStats {
	// Masked pixels still count as samples.
	s := bandStats{SampleCount: m.total, NoDataCount: m.total - m.valid}
	if m.valid == 0 {
		nan := number(math.NaN())
		s.Min, s.Max, s.Mean, s.StDev = nan, nan, nan, nan
		return s
	}
	s.Min, s.Max, s.Mean = number(m.min), number(m.max), number(m.mean)
	s.StDev = number(math.Sqrt(m.m2 / float64(m.valid)))
	return s
}

// bandStats is the stats object of a band in the answer.
type bandStats struct {
	Min         number `json:"min"`
	Max         number `json:"max"`
	Mean        number `json:"mean"`
	StDev       number `json:"stDev"`
	SampleCount int    `json:"sampleCount"`
	NoDataCount int    `json:"noDataCount"`
}

// number is a float that is written as the string "NaN" when it is none, as the service does.
type number float64

// MarshalJSON writes the number or "NaN".
func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte(`"NaN"`), nil
	}
	return json.Marshal(float64(n)) //nolint:wrapcheck // a finite float cannot fail
}

// Package satellite is the pure core of the enrichment: which pixels to ask
// for, what the seven indices are, and what a provider's answer means.
//
// It promises: an area that never leaves the coordinate system, a window that
// never asks for a day that cannot exist, and exactly one outcome for every
// answer. It refuses I/O; the evalscript that computes the indices at the
// provider is data of this package, because it is the same formulas.
//
// Source of every formula, limit and rule: domain brief 2.2 to 2.5 and 3.8.
package satellite

import (
	_ "embed"
	"fmt"
	"time"
)

// ScriptVersion names the evalscript; it changes with every change of the
// numbers that the script returns, and is stored with each analysis.
const ScriptVersion = "2026-11.1"

// Source is the product that every analysis comes from.
const Source = "Sentinel-2 L2A"

//go:embed evalscript.js
var evalscript string

// Evalscript returns the script (VERSION=3) that the provider runs per pixel.
func Evalscript() string { return evalscript }

// IndexCount is the number of indices.
const IndexCount = 7

// IndexNames returns the names of the seven indices in their fixed order, which
// is also the order of the bands of the evalscript's output "indices".
func IndexNames() [IndexCount]string {
	return [IndexCount]string{"ndvi", "ndmi", "ndre", "evi", "msi", "savi", "gndvi"}
}

// Stats are the statistics of one index over the valid pixels of the area.
type Stats struct {
	Mean, Min, Max, StDev float64 // of the index, without unit
	SampleCount           int     // pixels of the area
	NoDataCount           int     // of these, masked
}

// Day is what the provider says about one acquisition day.
type Day struct {
	Date          time.Time          // midnight UTC
	Indices       [IndexCount]*Stats // nil where no pixel has a value
	CloudFraction float64            // share of the area under cloud or shadow, 0..1
	SnowFraction  float64            // 0..1
	WaterFraction float64            // 0..1
	ValidFraction float64            // share of pixels that passed the mask, 0..1
}

// Series is one answer of the provider.
type Series struct {
	Days      []Day   // acquisition days in the window, those without an image absent
	Failed    int     // intervals that the provider could not compute this time
	PUSpent   float64 // processing units of the call
	RequestID string  // of the provider, for its support
	Cached    bool    // answered from memory, without a call
}

// Analysis is the result that is stored for one revision of a point.
type Analysis struct {
	Job             string
	Point           string
	Revision        int
	Day             Day
	Partial         bool // some index has no value
	DayOffset       int  // acquisition day minus day of the reading
	TemporalQuality string
	HalfSide        int     // metres
	PUSpent         float64 // processing units
	Credits         float64 // what it costs its owner's account; 0 from the cache
	RequestID       string
	ScriptVersion   string
	CreatedAt       time.Time
}

// Entry returns where the analysis stands in its owner's ledger: by time, then by
// point, as text that sorts.
func (a *Analysis) Entry() string {
	return fmt.Sprintf("%013d#%s#%d", a.CreatedAt.UnixMilli(), a.Point, a.Revision)
}

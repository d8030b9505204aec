// Package quality is the pure core of the quality analysis: which flags a field
// reading gets, what it scores, and what a reviewer is advised to do.
//
// It promises: the same input gives the same record, flag by flag and in the
// same order, whatever the order of the peers; every number in a record is
// finite, so that it can be stored as JSON; and nothing needs the satellite,
// because a reading must be judged on the day when no image exists, too. A
// number that is none is never in favour of a reading: it is flagged or sends
// the reading to a person.
//
// A record advises; it changes no status. Approving without a person is off
// unless it is configured, and then wants a reading without any flag whose
// place a receiver measured: typed coordinates have accuracy 0 and do not
// qualify.
//
// The score is 100 less 40 for each error and 15 for each warning, at least 0.
// It orders a reviewer's list and decides nothing: the recommendation comes
// from the severities alone. It is "reject" with any error, "review" with any
// warning or without a place, else "approve".
//
// It refuses I/O, clocks and choosing peers: callers bring the values.
//
// Source of every rule and limit: domain brief 1.1, 5.1 and 5.3.
package quality

import (
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
)

// RuleVersion names the rule set; it changes with every change of what the same
// input gives, and is stored with each record.
const RuleVersion = "2026-11.1"

// Severity says how much a flag weighs.
type Severity string

// The severities of automatic flags.
const (
	Warning Severity = "warning" // a person should look
	Error   Severity = "error"   // the reading should not be used as it is
)

// The types of automatic flags, in the order in which a record has them.
const (
	HighGPSError         = "high_gps_error"         // the place is known too roughly
	StatisticalOutlier   = "statistical_outlier"    // far from what others measured
	OutsideZone          = "outside_zone"           // in none of the campaign's zones
	UnexpectedRange      = "unexpected_range"       // no value that the metric takes
	CalibrationOverdue   = "calibration_overdue"    // the sensor was calibrated long before
	SatelliteContextWeak = "satellite_context_weak" // no image, or one of another time
	LandCoverMismatch    = "land_cover_mismatch"    // a soil metric on water or snow
)

// The types of flags that people set.
const (
	ManualReview     = "manual_review"
	SuspiciousValue  = "suspicious_value"
	DataQuality      = "data_quality"
	DuplicateReading = "duplicate_reading"
)

// HumanFlagTypes returns the types that a person may set, in a form's order.
// The rules never set them, so a new record cannot overwrite what a person said.
func HumanFlagTypes() []string {
	return []string{ManualReview, SuspiciousValue, DataQuality, DuplicateReading}
}

// Flag is one doubt about a reading.
type Flag struct {
	Type      string             `json:"type"`
	Reason    string             `json:"reason"` // for people, in English
	Severity  Severity           `json:"severity"`
	Automatic bool               `json:"automatic"` // false: a person set it
	At        time.Time          `json:"flagged_at"`
	Details   map[string]float64 `json:"details,omitempty"` // finite numbers only
}

// Input is all that a reading is judged by. Nothing in it is changed.
type Input struct {
	Point    point.Point
	Zones    []Zone              // of the point's campaign; none: it has no borders
	Peers    []float64           // approved values of the same campaign and metric, other points, collected up to Config.PeerWindow earlier
	Analysis *satellite.Analysis // of the same revision of the point; nil: none
	Outcome  job.Outcome         // of the enrichment; may be empty
	Now      time.Time           // becomes the time of the flags; no rule looks at it
}

// Recommendation is the advice to a reviewer.
type Recommendation string

// The recommendations.
const (
	Approve Recommendation = "approve"
	Review  Recommendation = "review"
	Reject  Recommendation = "reject"
)

// Record is the result that is stored for one revision of a point.
type Record struct {
	Point          string         `json:"point"`
	Revision       int            `json:"revision"`
	RuleVersion    string         `json:"rule_version"`
	Flags          []Flag         `json:"flags"` // never nil
	Score          int            `json:"score"` // 0..100
	Recommendation Recommendation `json:"recommendation"`
	AutoApproved   bool           `json:"auto_approved"`
	Outcome        job.Outcome    `json:"outcome"` // of the enrichment
	At             time.Time      `json:"at"`
	Job            string         `json:"job"` // that wrote it; the caller fills it
}

// Analyze judges one reading by every rule. A setting of c that is not a
// positive number takes its default: a forgotten one must not silence a rule.
func Analyze(in Input, c Config) Record {
	c = c.filled()
	flags := []Flag{}
	for _, rule := range rules() {
		f, found := rule(&in, &c)
		if !found {
			continue
		}
		f.Automatic, f.At = true, in.Now.UTC()
		flags = append(flags, f)
	}
	r := Record{
		Point: in.Point.ID, Revision: in.Point.Revision, RuleVersion: RuleVersion,
		Flags: flags, Score: score(flags), Recommendation: recommend(flags, located(&in.Point)),
		Outcome: in.Outcome, At: in.Now.UTC(),
	}
	measured := in.Point.Accuracy > 0 && in.Point.Accuracy <= c.Fine
	r.AutoApproved = c.AutoApprove && measured && len(flags) == 0 && r.Recommendation == Approve
	return r
}

// weight is what a flag of the severity takes from the score.
func (s Severity) weight() int {
	if s == Error {
		return 40
	}
	return 15
}

// score returns what is left of 100.
func score(flags []Flag) int {
	left := 100
	for i := range flags {
		left -= flags[i].Severity.weight()
	}
	return max(left, 0)
}

// recommend returns the advice. A place that nobody knows is no flag, because
// no rule was broken when the reading was taken, but a person must look.
func recommend(flags []Flag, located bool) Recommendation {
	advice := Approve
	if len(flags) > 0 || !located {
		advice = Review
	}
	for i := range flags {
		if flags[i].Severity == Error {
			advice = Reject
		}
	}
	return advice
}

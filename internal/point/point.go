// Package point is the pure core of data points: what a field reading is and
// which readings are accepted.
//
// It promises that a Point that New returned satisfies every rule of the domain
// brief 1.2, and that a reading which does not is refused with one violation
// per broken rule, each naming its field. Zero is a value here: latitude 0,
// longitude 0 (Null Island) and accuracy 0 (typed coordinates) are all legal.
package point

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"orbitq/internal/job"
)

// Limits of the fields, from the domain brief 1.2.
const (
	MaxValue       = 99_999_999.99
	MaxAccuracy    = 999_999.99
	MaxNotes       = 1000 // characters
	MaxDeviceModel = 100  // characters
	MaxSensorType  = 50   // characters
	MaxReference   = 64   // characters of metric_id and campaign_id
	FutureSkew     = 5 * time.Minute
)

// Point is one field reading.
type Point struct {
	ID           string
	Owner        string
	Latitude     *float64 // nil only in rows that predate the rule
	Longitude    *float64
	Accuracy     float64 // GPS radius in metres; 0 for typed coordinates
	Value        float64 // in the metric's unit
	CollectedAt  time.Time
	MetricID     string
	CampaignID   string
	DeviceModel  string
	SensorType   string
	CalibratedAt time.Time // zero when unknown
	Notes        string
	Revision     int // grows when place or time of the reading change
	BodyHash     string
	CreatedAt    time.Time
	Status       Status
	ReviewedAt   time.Time // zero while nobody has
	ReviewNotes  string
}

// Status is what a review has said about a reading.
type Status string

// The statuses of a reading.
const (
	Pending  Status = "pending"
	Approved Status = "approved"
	Rejected Status = "rejected"
)

// CheckReview returns what is wrong with a review, if anything.
func CheckReview(s Status, notes string) []job.Violation {
	var v violations
	if s != Pending && s != Approved && s != Rejected {
		v.add("status", "enum", "must be pending, approved or rejected")
	}
	v.length("notes", notes, MaxNotes)
	v = append(v, job.CheckProse("notes", notes)...)
	return v
}

// CheckCampaign returns what is wrong with a campaign's id where one must be given, if anything.
func CheckCampaign(id string) []job.Violation {
	var v violations
	if id == "" || utf8.RuneCountInString(id) > MaxReference {
		v.add("id", "length", "must have 1 to 64 characters")
		return v
	}
	return checkPathName("id", id)
}

// checkPathName returns what is wrong with a name that stands in the path of a URL. API Gateway
// decodes a path before it looks for its route: a slash that was escaped ends the segment all the
// same, a question mark ends the path, and clients take . and .. for folders.
func checkPathName(field, s string) []job.Violation {
	broken := job.CheckName(field, s)
	if strings.ContainsAny(s, `/\?`) || s == "." || s == ".." {
		broken = append(broken, job.Violation{Field: field, Rule: "path", Detail: `must not have / \ or ?, nor be . or .., as it stands in the path of a URL`})
	}
	return broken
}

// Reviewed returns the point as a review leaves it. Setting it back to pending clears the
// review (domain brief 5.2).
func (p *Point) Reviewed(s Status, notes string, now time.Time) Point {
	r := *p
	r.Status, r.ReviewedAt, r.ReviewNotes = s, now, notes
	if s == Pending {
		r.ReviewedAt, r.ReviewNotes = time.Time{}, ""
	}
	return r
}

// Input is a reading as it was submitted; nil means absent.
type Input struct {
	Latitude     *float64
	Longitude    *float64
	Accuracy     *float64
	Value        *float64
	CollectedAt  *time.Time
	CalibratedAt *time.Time
	MetricID     string
	CampaignID   string
	DeviceModel  string
	SensorType   string
	Notes        string
}

// New returns the point of a reading, or every rule that the reading breaks.
// Coordinates are rounded to 7 decimals (about 1 cm), the value to 2.
func New(in Input, now time.Time) (Point, []job.Violation) {
	var v violations
	v.number("latitude", in.Latitude, -90, 90, true)
	v.number("longitude", in.Longitude, -180, 180, true)
	v.number("value", in.Value, -MaxValue, MaxValue, true)
	v.number("accuracy", in.Accuracy, 0, MaxAccuracy, false)
	v.notFuture("collected_at", in.CollectedAt, now)
	v.notFuture("calibration_at", in.CalibratedAt, now)
	v.name("metric_id", in.MetricID, MaxReference)
	v.length("campaign_id", in.CampaignID, MaxReference)
	v = append(v, checkPathName("campaign_id", in.CampaignID)...)
	v.name("device_model", in.DeviceModel, MaxDeviceModel)
	v.name("sensor_type", in.SensorType, MaxSensorType)
	v.length("notes", in.Notes, MaxNotes)
	v = append(v, job.CheckProse("notes", in.Notes)...)
	if len(v) > 0 {
		return Point{}, v
	}
	// The same reading gives the same point whatever device sent it: more decimals
	// than these are noise.
	p := Point{
		Latitude: rounded(in.Latitude, 1e7), Longitude: rounded(in.Longitude, 1e7),
		Value: *rounded(in.Value, 1e2), CollectedAt: now,
		MetricID: in.MetricID, CampaignID: in.CampaignID,
		DeviceModel: in.DeviceModel, SensorType: in.SensorType,
		Notes: in.Notes, Revision: 1, CreatedAt: now, Status: Pending,
	}
	if in.Accuracy != nil {
		p.Accuracy = *rounded(in.Accuracy, 1e2)
	}
	if in.CollectedAt != nil {
		p.CollectedAt = in.CollectedAt.UTC()
	}
	if in.CalibratedAt != nil {
		p.CalibratedAt = in.CalibratedAt.UTC()
	}
	return p, nil
}

// HasLocation reports whether both coordinates are known.
func (p *Point) HasLocation() bool { return p.Latitude != nil && p.Longitude != nil }

// violations collects broken rules in the order of the checks.
type violations []job.Violation

// add notes one broken rule; all are told at once, so that a form needs one round.
func (v *violations) add(field, rule, detail string) {
	*v = append(*v, job.Violation{Field: field, Rule: rule, Detail: detail})
}

// number checks presence, finiteness and range.
func (v *violations) number(field string, x *float64, low, high float64, required bool) {
	switch {
	case x == nil:
		if required {
			v.add(field, "required", "must be given")
		}
	case math.IsNaN(*x) || math.IsInf(*x, 0):
		v.add(field, "finite", "must be a finite number")
	case *x < low || *x > high:
		v.add(field, "range", "must be from "+decimal(low)+" to "+decimal(high))
	}
}

// notFuture checks that a time is not later than now plus the clocks' skew.
func (v *violations) notFuture(field string, t *time.Time, now time.Time) {
	switch {
	case t == nil:
	case t.After(now.Add(FutureSkew)):
		v.add(field, "not_future", "must not be in the future")
	case t.Year() < 1:
		v.add(field, "range", "must be a year from 1 on")
	}
}

// name checks a name's number of characters, and what they are.
func (v *violations) name(field, s string, most int) {
	v.length(field, s, most)
	*v = append(*v, job.CheckName(field, s)...)
}

// length checks the number of characters.
func (v *violations) length(field, s string, most int) {
	if utf8.RuneCountInString(s) > most {
		v.add(field, "max_length", "must have at most "+strconv.Itoa(most)+" characters")
	}
}

// rounded returns x rounded to 1/scale; it never leaves the range of a field,
// because the limits themselves are multiples.
func rounded(x *float64, scale float64) *float64 {
	r := math.Round(*x*scale) / scale
	return &r
}

// decimal formats a limit as people write it.
func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

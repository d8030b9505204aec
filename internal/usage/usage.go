// Package usage is the pure core of billing: which tier allows how much, which
// cycle a moment belongs to, and which meter row counts it.
//
// A meter belongs to (owner, resource, cycle start); the plan only sets its limit. So
// a change of plan does not begin at zero, unless it changes the day on which cycles
// begin. A meter has two numbers: taken counts units that are used or reserved,
// used counts billed ones. One number carries the limit because a DynamoDB
// condition cannot add two.
//
// Source: domain brief 4.1 and 4.2, where each plan had a meter of its own.
package usage

import (
	"strings"
	"time"

	"orbitq/internal/job"
)

// The billable things that this package meters.
const (
	Resource = "satellite_analyses"
	Points   = "data_points" // counted only where the plan has a limit for them
)

// Tier is a plan.
type Tier string

// The plans, cheapest first.
const (
	Free       Tier = "free"
	Pro        Tier = "pro"
	Enterprise Tier = "enterprise"
)

// ParseTier returns the tier named s. Anything unknown, and nothing at all, is
// Free: a token can never raise its owner's limit by accident.
func ParseTier(s string) Tier {
	switch t := Tier(strings.ToLower(s)); t {
	case Pro, Enterprise:
		return t
	default:
		return Free
	}
}

// Limit returns the billable analyses per cycle, job.Unlimited for no limit.
func (t Tier) Limit() int {
	switch t {
	case Enterprise:
		return job.Unlimited
	case Pro:
		return 100
	default:
		return 10
	}
}

// PointLimit returns the data points per cycle, job.Unlimited for no limit.
func (t Tier) PointLimit() int {
	switch t {
	case Enterprise:
		return job.Unlimited
	case Pro:
		return 500
	default:
		return 50
	}
}

// Cycle is a billing period: Start is inside it, End is the next one's start.
type Cycle struct {
	Start, End time.Time
}

// CycleAt returns the cycle that holds now. Free counts by calendar month;
// subscribed plans count months from the anchor, the day on which the
// subscription began; without an anchor they count by calendar month as well.
func CycleAt(t Tier, anchor, now time.Time) Cycle {
	now = now.UTC()
	if t == Free || anchor.IsZero() {
		anchor = time.Date(now.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	a := anchor.UTC()
	n := (now.Year()-a.Year())*12 + int(now.Month()) - int(a.Month())
	start := addMonths(a, n)
	if now.Before(start) {
		n--
		start = addMonths(a, n)
	}
	return Cycle{Start: start, End: addMonths(a, n+1)}
}

// addMonths returns midnight of anchor's day n months later, clamped to the
// month's last day: anchor 31 January gives 28 February, then 31 March again.
// time.AddDate would overflow into 3 March.
func addMonths(anchor time.Time, n int) time.Time {
	first := time.Date(anchor.Year(), anchor.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(anchor.Day(), last)-1)
}

// MeterKey returns the sort key of the meter row that counts for the owner now.
func MeterKey(t Tier, anchor, now time.Time) string { return meterKey(Resource, t, anchor, now) }

// PointKey returns the sort key of the meter row that counts the owner's points now.
func PointKey(t Tier, anchor, now time.Time) string { return meterKey(Points, t, anchor, now) }

func meterKey(resource string, t Tier, anchor, now time.Time) string {
	return "USAGE#" + resource + "#" + CycleAt(t, anchor, now).Start.Format(time.DateOnly)
}

// CycleOf returns the cycle of a job's owner that holds now.
func CycleOf(j *job.Job, now time.Time) Cycle { return CycleAt(Tier(j.Tier), j.Anchor, now) }

// KeyOf returns the sort key of the meter row that counts a job now.
func KeyOf(j *job.Job, now time.Time) string { return MeterKey(Tier(j.Tier), j.Anchor, now) }

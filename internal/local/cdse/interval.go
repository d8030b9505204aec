package cdse

import (
	"regexp"
	"sort"
	"strconv"
	"time"
)

// span is a half-open time interval.
type span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// holds tells whether the instant lies in the interval; its end does not.
func (s span) holds(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

// period is the length of an aggregation interval in calendar units.
type period struct {
	months, days int
	hours        time.Duration
}

// parsePeriod takes PnD, PnW, PnM and PTnH (at least a day); the service allows a period or a time, never both.
func parsePeriod(text string) (period, bool) {
	// Groups: number and unit of a period, or the hours of a time.
	match := regexp.MustCompile(`^P(?:(\d{1,4})([DWM])|T(\d{1,5})H)$`).FindStringSubmatch(text)
	if match == nil {
		return period{}, false
	}
	if match[3] != "" {
		hours, err := strconv.Atoi(match[3])
		return period{hours: time.Duration(hours) * time.Hour}, err == nil && hours >= 24
	}
	n, err := strconv.Atoi(match[1])
	if err != nil || n < 1 {
		return period{}, false
	}
	switch match[2] {
	case "W":
		return period{days: 7 * n}, true
	case "M":
		return period{months: n}, true
	}
	return period{days: n}, true
}

// after is the start of the k-th interval.
func (p period) after(start time.Time, k int) time.Time {
	return start.AddDate(0, k*p.months, k*p.days).Add(time.Duration(k) * p.hours)
}

// The values of lastIntervalBehavior.
const (
	lastSkip    = "SKIP"
	lastShorten = "SHORTEN"
	lastExtend  = "EXTEND"
)

// intervalAt is the aggregation interval of the range that holds the instant.
func intervalAt(whole span, p period, last string, instant time.Time) (span, bool) {
	if instant.Before(whole.From) {
		return span{}, false
	}
	most := int((instant.Unix()-whole.From.Unix())/secondsPerDay) + 1 // no interval is shorter than a day
	k := sort.Search(most, func(k int) bool { return p.after(whole.From, k+1).After(instant) })
	// The start of the range counts months and days from itself, never from the previous interval.
	s := span{From: p.after(whole.From, k), To: p.after(whole.From, k+1)}
	// Only the last interval can reach beyond the range.
	if s.To.After(whole.To) {
		if last == lastSkip {
			return span{}, false
		}
		if last == lastShorten {
			s.To = whole.To
		}
	}
	return s, s.From.Before(whole.To) && s.holds(instant)
}

// secondsPerDay has no leap seconds, like the clock of the service.
const secondsPerDay = 24 * 60 * 60

package limit

import "time"

// Budget counts what the calendar month (UTC) has cost so far. The provider resets
// its own count on the 1st; unused allowance does not accrue.
type Budget struct {
	Month    string // 2006-01
	Requests int
	Units    float64 // processing units
	Closed   bool    // the provider itself said that the month is used up
}

// monthLayout names a month.
const monthLayout = "2006-01"

// At returns the budget of the month of now: a new month begins at zero.
func (b Budget) At(now time.Time) Budget {
	if month := now.UTC().Format(monthLayout); b.Month != month {
		return Budget{Month: month}
	}
	return b
}

// NextMonth returns when the budget begins anew.
func NextMonth(now time.Time) time.Time {
	now = now.UTC()
	return time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}

// Left returns how many more calls the month allows, at most n.
func (p Policy) Left(b Budget, n int, now time.Time) int {
	b = b.At(now)
	switch {
	case b.Closed, p.Units > 0 && b.Units >= p.Units:
		return 0
	case p.Requests > 0:
		return min(n, max(0, p.Requests-b.Requests))
	default:
		return n
	}
}

// Spent returns how much of the month is used: the larger share of requests and
// units, in percent.
func (p Policy) Spent(b Budget, now time.Time) float64 {
	b = b.At(now)
	spent := 0.0
	if p.Requests > 0 {
		spent = 100 * float64(b.Requests) / float64(p.Requests)
	}
	if p.Units > 0 {
		spent = max(spent, 100*b.Units/p.Units)
	}
	if b.Closed {
		spent = max(spent, 100)
	}
	return spent
}

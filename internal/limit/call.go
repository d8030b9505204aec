package limit

import "time"

// The types of a call to the provider.
const (
	Enrichment = "enrichment" // all indices of one area and window
	Overlay    = "overlay"    // a picture of an area
	Analysis   = "analysis"   // a single index
	Search     = "search"     // a look into the catalog
	TokenFetch = "token"      // a new access token
)

// Verdict is what a call says about the provider.
type Verdict int

// The verdicts.
const (
	Answered  Verdict = iota // it works, whatever it answered
	Failed                   // no answer, 5xx or nonsense
	Rejected                 // our credentials are refused: no call can succeed
	UsedUp                   // the month is used up, in its own count
	Throttled                // 429: it works, but not for us now
)

// Call is the record of one call to the provider, or of one that the cache saved.
type Call struct {
	At       time.Time
	Took     time.Duration
	Type     string
	Cached   bool
	Status   int    // of HTTP, 0 without an answer
	Code     string // what went wrong, empty for nothing
	Verdict  Verdict
	Units    float64 // processing units
	Job      string
	Owner    string
	Point    string
	Attempt  int
	Sequence int // within the attempt, so that two of one millisecond are two
}

// Credits returns what a call is worth to its owner's account: an enrichment 1, an
// overlay 0.5, a single analysis 0.75, whatever the cache answered nothing, and
// calls that only prepare or explain another one nothing either. Source: domain
// brief 3.2.
func (c *Call) Credits() float64 {
	switch {
	case c.Cached, c.Code != "":
		return 0
	case c.Type == Overlay:
		return 0.5
	case c.Type == Analysis:
		return 0.75
	case c.Type == Search, c.Type == TokenFetch:
		return 0
	default:
		return 1
	}
}

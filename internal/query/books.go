package query

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/satellite"
)

// Calls returns the calls to the provider for a job of the owner.
func (q *Query) Calls(ctx context.Context, owner, id string) ([]limit.Call, error) {
	if _, err := q.Job(ctx, owner, id); err != nil {
		return nil, err
	}
	calls, err := q.Books.Calls(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read calls: %w", err)
	}
	return calls, nil
}

// Entries is one page of a ledger.
type Entries struct {
	Analyses []satellite.Analysis
	Next     string
}

// Ledger returns what the owner was billed for, the newest first: one entry for
// each billed analysis.
func (q *Query) Ledger(ctx context.Context, owner, cursor string, n int) (Entries, error) {
	after, err := positionOf(cursor, entryPosition)
	if err != nil {
		return Entries{}, err
	}
	found, next, err := q.Books.Ledger(ctx, owner, after, n)
	if err != nil {
		return Entries{}, fmt.Errorf("read ledger: %w", err)
	}
	return Entries{Analyses: found, Next: Cursor(next)}, nil
}

// entryPosition reports whether s is what satellite.Analysis.Entry writes.
func entryPosition(s string) bool {
	place, revision, _ := strings.Cut(s[min(len(s), placeLength):], "#")
	_, err := strconv.ParseUint(revision, 10, 31)
	return err == nil && place == "" && jobPosition(s[:min(len(s), placeLength)])
}

// badCursor says that a cursor is not one of ours.
func badCursor() error {
	e := job.Errorf(job.InvalidCursor, "the cursor is not one that this API gave")
	e.Violations = []job.Violation{{Field: "cursor", Rule: "opaque", Detail: "use next_cursor of the page before, unchanged"}}
	return e
}

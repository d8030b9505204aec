package query

import (
	"context"
	"encoding/base64"
	"fmt"

	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/satellite"
)

// Calls returns the calls to the provider for a job of the owner.
func (q *Query) Calls(ctx context.Context, owner, id string) ([]limit.Call, error) {
	if _, err := q.Job(ctx, owner, id); err != nil {
		return nil, err
	}
	calls, err := q.books.Calls(ctx, id)
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
	after, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return Entries{}, badCursor()
	}
	found, next, err := q.books.Ledger(ctx, owner, string(after), n)
	if err != nil {
		return Entries{}, fmt.Errorf("read ledger: %w", err)
	}
	return Entries{Analyses: found, Next: base64.RawURLEncoding.EncodeToString([]byte(next))}, nil
}

// badCursor says that a cursor is not one of ours.
func badCursor() error {
	e := job.Errorf(job.InvalidCursor, "the cursor is not one that this API gave")
	e.Violations = []job.Violation{{Field: "cursor", Rule: "opaque", Detail: "use next_cursor of the page before, unchanged"}}
	return e
}

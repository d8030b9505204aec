package query

import (
	"context"
	"fmt"

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
	list := NewList("ledger", owner)
	list.ours = entryPosition
	after, err := list.Position(cursor)
	if err != nil {
		return Entries{}, err
	}
	found, next, err := q.Books.Ledger(ctx, owner, after, n)
	if err != nil {
		return Entries{}, fmt.Errorf("read ledger: %w", err)
	}
	return Entries{Analyses: found, Next: list.Cursor(next)}, nil
}

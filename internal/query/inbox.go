package query

import (
	"context"
	"fmt"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
)

// Qualities holds what is said about readings.
type Qualities interface {
	// Quality returns what the rules say about a revision, or nil.
	Quality(ctx context.Context, point string, revision int) (*quality.Record, error)
	// Flags returns what people say about a point, the oldest first.
	Flags(ctx context.Context, point string) ([]quality.Flag, error)
	// Zones returns the zones of an owner's campaign.
	Zones(ctx context.Context, owner, campaign string) ([]quality.Zone, error)
}

// Inbox holds messages to owners.
type Inbox interface {
	// Notices returns up to n of an owner's messages after a position, the newest first,
	// and the position after the last one.
	Notices(ctx context.Context, owner, after string, n int) ([]job.Notice, string, error)
	// Preferences returns which messages an owner wants, and where.
	Preferences(ctx context.Context, owner string) (job.Preferences, error)
}

// Judgement is everything that is said about a reading.
type Judgement struct {
	Revision int
	Rules    *quality.Record // nil before an analysis
	People   []quality.Flag
}

// Quality returns what is said about the owner's point in its present revision.
func (q *Query) Quality(ctx context.Context, owner, id string) (Judgement, error) {
	p, err := q.Point(ctx, owner, id)
	if err != nil {
		return Judgement{}, err
	}
	record, err := q.Qualities.Quality(ctx, id, p.Revision)
	if err != nil {
		return Judgement{}, fmt.Errorf("read quality: %w", err)
	}
	flags, err := q.Qualities.Flags(ctx, id)
	if err != nil {
		return Judgement{}, fmt.Errorf("read flags: %w", err)
	}
	return Judgement{Revision: p.Revision, Rules: record, People: flags}, nil
}

// Zones returns the zones of the owner's campaign; one that nobody has described has none.
func (q *Query) Zones(ctx context.Context, owner, campaign string) ([]quality.Zone, error) {
	if broken := point.CheckCampaign(campaign); len(broken) > 0 {
		return nil, job.Invalid(broken...) // no data point can be of it, and a key of the table has a limit
	}
	zones, err := q.Qualities.Zones(ctx, owner, campaign)
	if err != nil {
		return nil, fmt.Errorf("read zones: %w", err)
	}
	return zones, nil
}

// Notices returns a page of the owner's messages; the cursor is a position of an earlier
// page.
func (q *Query) Notices(ctx context.Context, owner, after string, n int) ([]job.Notice, string, error) {
	page, next, err := q.Inbox.Notices(ctx, owner, after, n)
	if err != nil {
		return nil, "", fmt.Errorf("list notifications: %w", err)
	}
	return page, next, nil
}

// Preferences returns which messages the owner wants, and where.
func (q *Query) Preferences(ctx context.Context, owner string) (job.Preferences, error) {
	p, err := q.Inbox.Preferences(ctx, owner)
	if err != nil {
		return p, fmt.Errorf("read preferences: %w", err)
	}
	return p, nil
}

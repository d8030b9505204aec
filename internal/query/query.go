// Package query is the use case behind every read of the API.
//
// It promises that an owner sees exactly their own points, jobs and usage:
// whatever belongs to somebody else answers as if it did not exist, with the
// same error and the same shape. A cursor is a position in one list; the owner whose
// jobs are listed always comes from the token.
package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
)

// Limits of a page.
const (
	DefaultLimit = 20
	MaxLimit     = 100
)

// maxScans bounds how many index pages one request reads when a filter matches little; the rest
// is behind the cursor. With a filter a page is MaxLimit rows, so that an empty answer with a
// cursor has looked at a thousand rows.
const maxScans = 10

// Store reads rows.
type Store interface {
	Point(ctx context.Context, id string) (point.Point, error)
	Analyses(ctx context.Context, pointID string) ([]satellite.Analysis, error)
	Job(ctx context.Context, id string) (job.Job, error)
	// Jobs returns up to n of the owner's jobs of a group, newest first, after a position
	// ("" for the start), and the position after the last one ("" at the end). It reads no
	// rows of other groups.
	Jobs(ctx context.Context, owner string, group job.Group, after string, n int) ([]job.Job, string, error)
	Meter(ctx context.Context, owner, key string) (job.Meter, error)
}

// Books holds what was billed, what it cost, and under which plan.
type Books interface {
	// Plan returns the plan that the owner's newest token named, or the zero Plan.
	Plan(ctx context.Context, owner string) (job.Plan, error)
	// Ledger returns up to n billed analyses of an owner after a position, the
	// newest first, and the position after the last one.
	Ledger(ctx context.Context, owner, after string, n int) ([]satellite.Analysis, string, error)
	// Calls returns the calls to the provider that were made for a job, the oldest
	// first.
	Calls(ctx context.Context, jobID string) ([]limit.Call, error)
}

// Query answers reads.
type Query struct {
	Config
}

// Config has the parts of a Query.
type Config struct {
	Store     Store
	Books     Books
	Qualities Qualities // for Quality and Zones only
	Inbox     Inbox     // for Notices and Preferences only
	Now       func() time.Time
}

// New returns a Query.
func New(c Config) *Query { return &Query{c} }

// Point returns the owner's point.
func (q *Query) Point(ctx context.Context, owner, id string) (point.Point, error) {
	if !job.ValidID(id) {
		return point.Point{}, job.Errorf(job.NotFound, "no data point %q", id)
	}
	p, err := q.Store.Point(ctx, id)
	if hidden(p.Owner, owner, err) {
		return point.Point{}, job.Errorf(job.NotFound, "no data point %q", id)
	}
	if err != nil {
		return point.Point{}, fmt.Errorf("read point: %w", err)
	}
	return p, nil
}

// Analyses returns the analyses of the owner's point, oldest revision first.
func (q *Query) Analyses(ctx context.Context, owner, id string) ([]satellite.Analysis, error) {
	if _, err := q.Point(ctx, owner, id); err != nil {
		return nil, err
	}
	all, err := q.Store.Analyses(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read analyses: %w", err)
	}
	return all, nil
}

// Job returns the owner's job.
func (q *Query) Job(ctx context.Context, owner, id string) (job.Job, error) {
	if !job.ValidID(id) {
		return job.Job{}, job.Errorf(job.NotFound, "no job %q", id)
	}
	j, err := q.Store.Job(ctx, id)
	if hidden(j.Owner, owner, err) {
		return job.Job{}, job.Errorf(job.NotFound, "no job %q", id)
	}
	if err != nil {
		return job.Job{}, fmt.Errorf("read job: %w", err)
	}
	return j, nil
}

// hidden reports whether a look-up must answer as if there were nothing: what is
// another owner's and what does not exist take the same way, so that no detail
// of the answer tells them apart.
func hidden(holder, owner string, err error) bool {
	return job.CodeOf(err) == job.NotFound || err == nil && holder != owner
}

// Filter says which jobs a list shows; empty fields match everything.
type Filter struct {
	State  job.State
	Queue  string
	Kind   string
	Point  string
	Tag    string
	Limit  int
	Cursor string
}

// Page is one page of a list; Next is empty at the end.
type Page struct {
	Jobs []job.Job
	Next string
}

// Jobs returns a page of the owner's jobs, newest first.
func (q *Query) Jobs(ctx context.Context, owner string, f Filter) (Page, error) {
	list := NewList("jobs", owner, string(f.State), f.Queue, f.Kind, f.Point, f.Tag)
	after, err := list.Position(f.Cursor)
	if err != nil {
		return Page{}, err
	}
	page := Page{Jobs: []job.Job{}}
	for range maxScans {
		found, next, err := q.Store.Jobs(ctx, owner, f.State.Group(), after, f.scan(len(page.Jobs)))
		if err != nil {
			return Page{}, fmt.Errorf("list jobs: %w", err)
		}
		after = next
		for i := range found {
			if !f.matches(&found[i]) {
				continue
			}
			page.Jobs = append(page.Jobs, found[i])
			if len(page.Jobs) == f.Limit && i < len(found)-1 {
				after = found[i].Position() // what else was found is for the next page
				break
			}
		}
		if after == "" || len(page.Jobs) == f.Limit {
			break
		}
	}
	page.Next = list.Cursor(after)
	return page, nil
}

// scan returns how many rows to look at for a page that has some jobs already. Without a filter,
// or where the group is the state, each row is a job of the page.
func (f Filter) scan(has int) int {
	whole := Filter{State: f.State, Limit: f.Limit, Cursor: f.Cursor}
	if f == whole && f.State.Group() == job.Group(f.State) {
		return f.Limit - has
	}
	return MaxLimit
}

// matches reports whether the filter shows the job.
func (f Filter) matches(j *job.Job) bool {
	return (f.State == "" || j.State == f.State) && (f.Queue == "" || j.Queue == f.Queue) && (f.Kind == "" || j.Kind == f.Kind) &&
		(f.Point == "" || j.Point == f.Point) && (f.Tag == "" || slices.Contains(j.Tags, f.Tag))
}

// Usage is what an owner used in the current cycle.
type Usage struct {
	Tier  usage.Tier
	Cycle usage.Cycle
	Meter job.Meter
	Limit int // job.Unlimited for none
	// Points counts data points; nothing is counted where there is no limit.
	Points     job.Meter
	PointLimit int
}

// Usage returns the owner's usage of the current cycle, under the plan that is in force: the one
// that the token says, or one that a newer token said. A read notes nothing.
func (q *Query) Usage(ctx context.Context, owner string, said job.Plan) (Usage, error) {
	now := q.Now()
	known, err := q.Books.Plan(ctx, owner)
	if err != nil {
		return Usage{}, fmt.Errorf("read plan: %w", err)
	}
	inForce, _ := job.NotePlan(known, said)
	tier, anchor := usage.Tier(inForce.Tier), inForce.Anchor
	m, err := q.Store.Meter(ctx, owner, usage.MeterKey(tier, anchor, now))
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	u := Usage{Tier: tier, Cycle: usage.CycleAt(tier, anchor, now), Meter: m, Limit: tier.Limit(), PointLimit: tier.PointLimit()}
	if u.PointLimit == job.Unlimited {
		return u, nil
	}
	if u.Points, err = q.Store.Meter(ctx, owner, usage.PointKey(tier, anchor, now)); err != nil {
		return Usage{}, fmt.Errorf("read usage of data points: %w", err)
	}
	return u, nil
}

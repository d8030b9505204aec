package faulty

import (
	"context"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/satellite"
)

// Cache is the cache of answers as one process sees it.
type Cache struct {
	Inner   kinds.Cache
	Process *Process
}

// kept is an answer of the cache.
type kept struct {
	series satellite.Series
	found  bool
}

// Cached implements kinds.Cache.
func (c *Cache) Cached(ctx context.Context, key string, now time.Time) (satellite.Series, bool, error) {
	got, err := read(c.Process, "Cached", func() (a kept, err error) {
		a.series, a.found, err = c.Inner.Cached(ctx, key, now)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.series, got.found, err
}

// Keep implements kinds.Cache.
func (c *Cache) Keep(ctx context.Context, key string, s satellite.Series, until time.Time) error {
	return do(c.Process, "Keep", func() error { return c.Inner.Keep(ctx, key, s, until) })
}

// Tell returns a listener to events as one process reaches it.
func Tell(p *Process, inner func(context.Context, job.Event) error) func(context.Context, job.Event) error {
	return func(ctx context.Context, e job.Event) error {
		return do(p, "Tell", func() error { return inner(ctx, e) })
	}
}

// Operations is the operations of people as one process sees them.
type Operations struct {
	Inner   deadletter.Operations
	Process *Process
}

// SaveOperation implements deadletter.Operations.
func (o *Operations) SaveOperation(ctx context.Context, op *deadletter.Operation) (bool, error) {
	return call(o.Process, "SaveOperation", func() (bool, error) { return o.Inner.SaveOperation(ctx, op) })
}

// Operation implements deadletter.Operations.
func (o *Operations) Operation(ctx context.Context, id string) (deadletter.Operation, error) {
	return read(o.Process, "Operation", func() (deadletter.Operation, error) { return o.Inner.Operation(ctx, id) })
}

// CountOperations implements deadletter.Operations.
func (o *Operations) CountOperations(ctx context.Context, owner string, n int) (int, error) {
	return read(o.Process, "CountOperations", func() (int, error) { return o.Inner.CountOperations(ctx, owner, n) })
}

// OpenOperations implements deadletter.Operations.
func (o *Operations) OpenOperations(ctx context.Context, n int) ([]string, error) {
	return read(o.Process, "OpenOperations", func() ([]string, error) { return o.Inner.OpenOperations(ctx, n) })
}

// Job implements deadletter.Operations.
func (o *Operations) Job(ctx context.Context, id string) (job.Job, error) {
	return read(o.Process, "Job", func() (job.Job, error) { return o.Inner.Job(ctx, id) })
}

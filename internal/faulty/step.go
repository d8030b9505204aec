package faulty

import (
	"context"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/satellite"
)

// Knowledge is what the steps of a chain or batch read of the table.
type Knowledge interface {
	kinds.Readings
	kinds.Audience
}

// Readings is what steps read, as one process sees it.
type Readings struct {
	Inner   Knowledge
	Process *Process
}

// Compile-time proof that nothing a step reaches escapes its faults.
var (
	_ Knowledge       = (*Readings)(nil)
	_ flow.Executions = (*Executions)(nil)
)

// Subject implements kinds.Readings.
func (r *Readings) Subject(ctx context.Context, id string, revision int) (point.Point, *satellite.Analysis, error) {
	got, err := read(r.Process, "Subject", func() (a subject, err error) {
		a.point, a.analysis, err = r.Inner.Subject(ctx, id, revision)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.point, got.analysis, err
}

// Zones implements kinds.Readings.
func (r *Readings) Zones(ctx context.Context, owner, campaign string) ([]quality.Zone, error) {
	return read(r.Process, "Zones", func() ([]quality.Zone, error) { return r.Inner.Zones(ctx, owner, campaign) })
}

// Peers implements kinds.Readings.
func (r *Readings) Peers(ctx context.Context, p *point.Point, window time.Duration) ([]float64, error) {
	return read(r.Process, "Peers", func() ([]float64, error) { return r.Inner.Peers(ctx, p, window) })
}

// Job implements kinds.Readings and flow.Jobs.
func (r *Readings) Job(ctx context.Context, id string) (job.Job, error) {
	return read(r.Process, "Job", func() (job.Job, error) { return r.Inner.Job(ctx, id) })
}

// Preferences implements kinds.Audience.
func (r *Readings) Preferences(ctx context.Context, owner string) (job.Preferences, error) {
	return read(r.Process, "Preferences", func() (job.Preferences, error) { return r.Inner.Preferences(ctx, owner) })
}

// Quality implements kinds.Audience.
func (r *Readings) Quality(ctx context.Context, id string, revision int) (*quality.Record, error) {
	return read(r.Process, "Quality", func() (*quality.Record, error) { return r.Inner.Quality(ctx, id, revision) })
}

// Executions is the state machines as one process reaches them.
type Executions struct {
	Inner   flow.Executions
	Process *Process
}

// Start implements flow.Executions.
func (e *Executions) Start(ctx context.Context, m flow.Machine, name string, input []byte) error {
	return do(e.Process, "Start", func() error { return e.Inner.Start(ctx, m, name, input) })
}

// Running implements flow.Executions.
func (e *Executions) Running(ctx context.Context, m flow.Machine, name string) (bool, error) {
	return read(e.Process, "Running", func() (bool, error) { return e.Inner.Running(ctx, m, name) })
}

// PutList implements flow.Executions.
func (e *Executions) PutList(ctx context.Context, key string, list []byte) (string, error) {
	return call(e.Process, "PutList", func() (string, error) { return e.Inner.PutList(ctx, key, list) })
}

// Poster posts the body of an event to a URL; see flow.Courier.
type Poster func(ctx context.Context, owner, id, url string, body []byte, at time.Time) error

// Post returns a receiver of webhooks as one process reaches it.
func Post(p *Process, inner Poster) Poster {
	return func(ctx context.Context, owner, id, url string, body []byte, at time.Time) error {
		return do(p, "Post", func() error { return inner(ctx, owner, id, url, body, at) })
	}
}

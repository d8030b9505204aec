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

// Tracks is every port of the table that chains, batches and their steps use beside those
// of jobs.
type Tracks interface {
	flow.Chains
	flow.Batches
	flow.Items
	flow.Points
	flow.Open
	flow.Mail
	kinds.Readings
	kinds.Audience
}

// Flows is the table of chains and batches as one process sees it.
type Flows struct {
	Inner   Tracks
	Process *Process
}

// Compile-time proof that no port of chains and batches escapes its faults.
var (
	_ Tracks          = (*Flows)(nil)
	_ flow.Executions = (*Executions)(nil)
)

// either is the answer to an accepted write.
type either[T any] struct {
	row     T
	existed bool
}

// page is one page of a list.
type page[T any] struct {
	rows []T
	next string
}

// AcceptChain implements flow.Chains.
func (f *Flows) AcceptChain(ctx context.Context, c *job.Chain) (job.Chain, bool, error) {
	got, err := call(f.Process, "AcceptChain", func() (a either[job.Chain], err error) {
		a.row, a.existed, err = f.Inner.AcceptChain(ctx, c)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.row, got.existed, err
}

// Chain implements flow.Chains.
func (f *Flows) Chain(ctx context.Context, id string) (job.Chain, error) {
	return read(f.Process, "Chain", func() (job.Chain, error) { return f.Inner.Chain(ctx, id) })
}

// AmendChain implements flow.Chains.
func (f *Flows) AmendChain(ctx context.Context, id string, decide func(job.Chain) (job.Chain, error)) (job.Chain, error) {
	return call(f.Process, "AmendChain", func() (job.Chain, error) { return f.Inner.AmendChain(ctx, id, decide) })
}

// OwnChains implements flow.Chains.
func (f *Flows) OwnChains(ctx context.Context, owner, after string, n int) ([]job.Chain, string, error) {
	got, err := read(f.Process, "OwnChains", func() (p page[job.Chain], err error) {
		p.rows, p.next, err = f.Inner.OwnChains(ctx, owner, after, n)
		return p, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.rows, got.next, err
}

// AcceptBatch implements flow.Batches.
func (f *Flows) AcceptBatch(ctx context.Context, b *job.Batch, items []job.Item) (job.Batch, bool, error) {
	got, err := call(f.Process, "AcceptBatch", func() (a either[job.Batch], err error) {
		a.row, a.existed, err = f.Inner.AcceptBatch(ctx, b, items)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.row, got.existed, err
}

// Batch implements flow.Batches.
func (f *Flows) Batch(ctx context.Context, id string) (job.Batch, error) {
	return read(f.Process, "Batch", func() (job.Batch, error) { return f.Inner.Batch(ctx, id) })
}

// AmendBatch implements flow.Batches.
func (f *Flows) AmendBatch(ctx context.Context, id string, decide func(job.Batch) (job.Batch, flow.Change, error)) (job.Batch, error) {
	return call(f.Process, "AmendBatch", func() (job.Batch, error) { return f.Inner.AmendBatch(ctx, id, decide) })
}

// OwnBatches implements flow.Batches.
func (f *Flows) OwnBatches(ctx context.Context, owner, after string, n int) ([]job.Batch, string, error) {
	got, err := read(f.Process, "OwnBatches", func() (p page[job.Batch], err error) {
		p.rows, p.next, err = f.Inner.OwnBatches(ctx, owner, after, n)
		return p, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.rows, got.next, err
}

// Items implements flow.Items.
func (f *Flows) Items(ctx context.Context, b *job.Batch, after string, n int) ([]job.Item, string, error) {
	got, err := read(f.Process, "Items", func() (p page[job.Item], err error) {
		p.rows, p.next, err = f.Inner.Items(ctx, b, after, n)
		return p, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.rows, got.next, err
}

// Item implements flow.Items.
func (f *Flows) Item(ctx context.Context, b *job.Batch, point string) (job.Item, error) {
	return read(f.Process, "Item", func() (job.Item, error) { return f.Inner.Item(ctx, b, point) })
}

// AmendItem implements flow.Items.
func (f *Flows) AmendItem(ctx context.Context, b *job.Batch, point string, decide func(job.Item) (job.Item, error)) (job.Item, error) {
	return call(f.Process, "AmendItem", func() (job.Item, error) { return f.Inner.AmendItem(ctx, b, point, decide) })
}

// Points implements flow.Points.
func (f *Flows) Points(ctx context.Context, ids []string) ([]point.Point, error) {
	return read(f.Process, "Points", func() ([]point.Point, error) { return f.Inner.Points(ctx, ids) })
}

// FindPoints implements flow.Points.
func (f *Flows) FindPoints(ctx context.Context, owner string, w flow.Filter, n int) ([]point.Point, error) {
	return read(f.Process, "FindPoints", func() ([]point.Point, error) { return f.Inner.FindPoints(ctx, owner, w, n) })
}

// OpenFlows implements flow.Open.
func (f *Flows) OpenFlows(ctx context.Context, now time.Time, n int) ([]job.Flow, error) {
	return read(f.Process, "OpenFlows", func() ([]job.Flow, error) { return f.Inner.OpenFlows(ctx, now, n) })
}

// Deliveries implements flow.Mail.
func (f *Flows) Deliveries(ctx context.Context, ids []string) ([]flow.Delivery, error) {
	return read(f.Process, "Deliveries", func() ([]flow.Delivery, error) { return f.Inner.Deliveries(ctx, ids) })
}

// Told implements flow.Mail.
func (f *Flows) Told(ctx context.Context, id string, now time.Time) error {
	return do(f.Process, "Told", func() error { return f.Inner.Told(ctx, id, now) })
}

// Notice implements flow.Mail.
func (f *Flows) Notice(ctx context.Context, owner, id string) (job.Notice, error) {
	return read(f.Process, "Notice", func() (job.Notice, error) { return f.Inner.Notice(ctx, owner, id) })
}

// PutNotice implements flow.Mail.
func (f *Flows) PutNotice(ctx context.Context, n *job.Notice) error {
	return do(f.Process, "PutNotice", func() error { return f.Inner.PutNotice(ctx, n) })
}

// Subject implements kinds.Readings.
func (f *Flows) Subject(ctx context.Context, id string, revision int) (point.Point, *satellite.Analysis, error) {
	got, err := read(f.Process, "Subject", func() (a subject, err error) {
		a.point, a.analysis, err = f.Inner.Subject(ctx, id, revision)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.point, got.analysis, err
}

// Zones implements kinds.Readings.
func (f *Flows) Zones(ctx context.Context, owner, campaign string) ([]quality.Zone, error) {
	return read(f.Process, "Zones", func() ([]quality.Zone, error) { return f.Inner.Zones(ctx, owner, campaign) })
}

// Peers implements kinds.Readings.
func (f *Flows) Peers(ctx context.Context, p *point.Point, window time.Duration) ([]float64, error) {
	return read(f.Process, "Peers", func() ([]float64, error) { return f.Inner.Peers(ctx, p, window) })
}

// Job implements kinds.Readings and flow.Jobs.
func (f *Flows) Job(ctx context.Context, id string) (job.Job, error) {
	return read(f.Process, "Job", func() (job.Job, error) { return f.Inner.Job(ctx, id) })
}

// Preferences implements kinds.Audience.
func (f *Flows) Preferences(ctx context.Context, owner string) (job.Preferences, error) {
	return read(f.Process, "Preferences", func() (job.Preferences, error) { return f.Inner.Preferences(ctx, owner) })
}

// Quality implements kinds.Audience.
func (f *Flows) Quality(ctx context.Context, id string, revision int) (*quality.Record, error) {
	return read(f.Process, "Quality", func() (*quality.Record, error) { return f.Inner.Quality(ctx, id, revision) })
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
type Poster func(ctx context.Context, id, url string, body []byte, at time.Time) error

// Post returns a receiver of webhooks as one process reaches it.
func Post(p *Process, inner Poster) Poster {
	return func(ctx context.Context, id, url string, body []byte, at time.Time) error {
		return do(p, "Post", func() error { return inner(ctx, id, url, body, at) })
	}
}

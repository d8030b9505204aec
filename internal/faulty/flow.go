package faulty

import (
	"context"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/point"
)

// FlowTable is every port of the table that chains and batches go through. Their jobs are
// in Table: both stand before one table.
type FlowTable interface {
	flow.Chains
	flow.Batches
	flow.Items
	flow.Points
	flow.Open
	flow.Mail
}

// Flows is the table of chains and batches as one process sees it.
type Flows struct {
	FlowTable
	Process *Process
}

// Compile-time proof that Flows is such a table itself.
var _ FlowTable = (*Flows)(nil)

// accepted is the answer to a write of something that may exist.
type accepted[T any] struct {
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
	got, err := call(f.Process, "AcceptChain", func() (a accepted[job.Chain], err error) {
		a.row, a.existed, err = f.FlowTable.AcceptChain(ctx, c)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.row, got.existed, err
}

// Chain implements flow.Chains.
func (f *Flows) Chain(ctx context.Context, id string) (job.Chain, error) {
	return read(f.Process, "Chain", func() (job.Chain, error) { return f.FlowTable.Chain(ctx, id) })
}

// AmendChain implements flow.Chains.
func (f *Flows) AmendChain(ctx context.Context, id string, decide func(job.Chain) (job.Chain, error)) (job.Chain, error) {
	return call(f.Process, "AmendChain", func() (job.Chain, error) { return f.FlowTable.AmendChain(ctx, id, decide) })
}

// OwnChains implements flow.Chains.
func (f *Flows) OwnChains(ctx context.Context, owner, after string, n int) ([]job.Chain, string, error) {
	got, err := read(f.Process, "OwnChains", func() (p page[job.Chain], err error) {
		p.rows, p.next, err = f.FlowTable.OwnChains(ctx, owner, after, n)
		return p, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.rows, got.next, err
}

// AcceptBatch implements flow.Batches. It is several requests, so a process that ends before
// the last of them ends between two: half of the items are there, and no batch.
func (f *Flows) AcceptBatch(ctx context.Context, b *job.Batch, items []job.Item) (job.Batch, bool, error) {
	alive, arrived := !f.Process.Down(), false
	got, err := call(f.Process, "AcceptBatch", func() (a accepted[job.Batch], err error) {
		arrived = true
		a.row, a.existed, err = f.FlowTable.AcceptBatch(ctx, b, items)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	if alive && !arrived && f.Process.Down() {
		//nolint:contextcheck // it stands upon the caller's
		_, _, _ = f.FlowTable.AcceptBatch(&dying{ctx, len(items) / 2}, b, items) // nobody is left to see it fail
	}
	return got.row, got.existed, err
}

// dying is the context of a caller that goes away after it was asked for a number of times.
type dying struct {
	context.Context //nolint:containedctx // it is one

	left int
}

// Err implements context.Context.
func (d *dying) Err() error {
	if d.left--; d.left < 0 {
		return context.Canceled
	}
	return d.Context.Err() //nolint:wrapcheck // as it is
}

// Batch implements flow.Batches.
func (f *Flows) Batch(ctx context.Context, id string) (job.Batch, error) {
	return read(f.Process, "Batch", func() (job.Batch, error) { return f.FlowTable.Batch(ctx, id) })
}

// AmendBatch implements flow.Batches.
func (f *Flows) AmendBatch(ctx context.Context, id string, decide func(job.Batch) (job.Batch, flow.Change, error)) (job.Batch, error) {
	return call(f.Process, "AmendBatch", func() (job.Batch, error) { return f.FlowTable.AmendBatch(ctx, id, decide) })
}

// OwnBatches implements flow.Batches.
func (f *Flows) OwnBatches(ctx context.Context, owner, after string, n int) ([]job.Batch, string, error) {
	got, err := read(f.Process, "OwnBatches", func() (p page[job.Batch], err error) {
		p.rows, p.next, err = f.FlowTable.OwnBatches(ctx, owner, after, n)
		return p, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.rows, got.next, err
}

// Items implements flow.Items.
func (f *Flows) Items(ctx context.Context, b *job.Batch, after string, n int) ([]job.Item, string, error) {
	got, err := read(f.Process, "Items", func() (p page[job.Item], err error) {
		p.rows, p.next, err = f.FlowTable.Items(ctx, b, after, n)
		return p, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.rows, got.next, err
}

// Item implements flow.Items.
func (f *Flows) Item(ctx context.Context, b *job.Batch, point string) (job.Item, error) {
	return read(f.Process, "Item", func() (job.Item, error) { return f.FlowTable.Item(ctx, b, point) })
}

// AmendItem implements flow.Items.
func (f *Flows) AmendItem(ctx context.Context, b *job.Batch, point string, decide func(job.Item) (job.Item, error)) (job.Item, error) {
	return call(f.Process, "AmendItem", func() (job.Item, error) { return f.FlowTable.AmendItem(ctx, b, point, decide) })
}

// Points implements flow.Points.
func (f *Flows) Points(ctx context.Context, ids []string) ([]point.Point, error) {
	return read(f.Process, "Points", func() ([]point.Point, error) { return f.FlowTable.Points(ctx, ids) })
}

// FindPoints implements flow.Points.
func (f *Flows) FindPoints(ctx context.Context, owner string, chosen flow.Filter, n int) ([]point.Point, error) {
	return read(f.Process, "FindPoints", func() ([]point.Point, error) { return f.FlowTable.FindPoints(ctx, owner, chosen, n) })
}

// OpenFlows implements flow.Open.
func (f *Flows) OpenFlows(ctx context.Context, now time.Time, n int) ([]job.Flow, error) {
	return read(f.Process, "OpenFlows", func() ([]job.Flow, error) { return f.FlowTable.OpenFlows(ctx, now, n) })
}

// Deliveries implements flow.Mail.
func (f *Flows) Deliveries(ctx context.Context, ids []string) ([]flow.Delivery, error) {
	return read(f.Process, "Deliveries", func() ([]flow.Delivery, error) { return f.FlowTable.Deliveries(ctx, ids) })
}

// Notice implements flow.Mail.
func (f *Flows) Notice(ctx context.Context, owner, id string) (job.Notice, error) {
	return read(f.Process, "Notice", func() (job.Notice, error) { return f.FlowTable.Notice(ctx, owner, id) })
}

// PutNotice implements flow.Mail.
func (f *Flows) PutNotice(ctx context.Context, n *job.Notice) error {
	return do(f.Process, "PutNotice", func() error { return f.FlowTable.PutNotice(ctx, n) })
}

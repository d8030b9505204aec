// Package kinds holds the kinds of job, one file each: what a kind needs and how
// it runs.
//
// A kind decides nothing about queues, retries or billing: it returns an outcome
// or an error with a code, and the worker does the rest. A kind may run more
// than once for one job, so it never writes; its effect is in its result.
// A new kind is one file here, and one line where the worker is built.
package kinds

import (
	"context"
	"fmt"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// EnrichName is the kind that adds satellite statistics to a data point.
const EnrichName = "enrich"

// Points reads what an enrichment starts from.
type Points interface {
	// Subject returns the point, and the analysis of the revision if there is
	// one, in one read. A point that is gone is a NotFound error.
	Subject(ctx context.Context, id string, revision int) (point.Point, *satellite.Analysis, error)
}

// Imagery is a provider of satellite statistics.
type Imagery interface {
	// Statistics returns the indices of an area for each acquisition day; the pass
	// admits its calls to the provider.
	Statistics(ctx context.Context, pass *limit.Pass, a satellite.Area, w satellite.Window) (satellite.Series, error)
	// Known returns statistics that are known without a call to the provider.
	Known(ctx context.Context, a satellite.Area, w satellite.Window) (satellite.Series, bool)
	// Seen reports whether the catalog has any image of the area in the window.
	Seen(ctx context.Context, pass *limit.Pass, a satellite.Area, w satellite.Window) (bool, error)
}

// Enrich is the enrichment kind.
type Enrich struct {
	Points   Points
	Imagery  Imagery
	Now      func() time.Time
	Patience time.Duration // how long to wait for a slot rather than come again; 0 for limit.Patience
}

// Name implements worker.Kind.
func (e *Enrich) Name() string { return EnrichName }

// Policy implements worker.Kind.
func (e *Enrich) Policy() job.Policy { return Policies()[EnrichName] }

// pass returns what the job shows to the provider's limiter.
func (e *Enrich) pass(j *job.Job) *limit.Pass {
	patience := e.Patience
	if patience == 0 {
		patience = limit.Patience
	}
	return &limit.Pass{
		High: j.Queue == "high", Slot: j.Slot, Patience: patience, Returns: j.Flow != "",
		Job: j.ID, Owner: j.Owner, Point: j.Point, Attempt: j.Attempts,
	}
}

// Run implements worker.Kind: one request on the happy path, a second for the
// wider window, and a look into the catalog only to explain an empty answer.
func (e *Enrich) Run(ctx context.Context, j *job.Job) (worker.Result, error) {
	p, existing, err := e.Points.Subject(ctx, j.Point, j.Revision)
	if job.CodeOf(err) == job.NotFound {
		return worker.Result{Outcome: job.PointDeleted}, nil
	}
	if err != nil {
		return worker.Result{}, fmt.Errorf("read point: %w", err)
	}
	if existing != nil {
		return worker.Result{Outcome: job.AlreadyDone}, nil
	}
	now := e.Now()
	if outcome := satellite.Before(&p, now); outcome != "" {
		return worker.Result{Outcome: outcome, Again: outcome == job.NotYetAvailable}, nil
	}
	return e.ask(ctx, e.pass(j), &p, now)
}

// NeedsCall reports whether a job will call the provider: not if its point is gone or
// analysed already, if its outcome is clear from the point alone, or if the answer is kept.
// Of jobs of another kind nothing is known: they do.
func (e *Enrich) NeedsCall(ctx context.Context, j *job.Job) (bool, error) {
	if j.Kind != EnrichName {
		return true, nil
	}
	p, existing, err := e.Points.Subject(ctx, j.Point, j.Revision)
	if job.CodeOf(err) == job.NotFound {
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("read point: %w", err)
	}
	return existing == nil && e.AsksProvider(ctx, EnrichName, &p), nil
}

// AsksProvider reports whether a new job of a kind will call the provider for its point: an
// enrichment does not if its outcome is clear from the point alone, or if the answer is kept.
func (e *Enrich) AsksProvider(ctx context.Context, kind string, p *point.Point) bool {
	now := e.Now()
	if kind != EnrichName {
		return true
	}
	if satellite.Before(p, now) != "" {
		return false
	}
	area := satellite.AreaAround(*p.Latitude, *p.Longitude, p.Accuracy)
	known, ok := e.Imagery.Known(ctx, area, satellite.Windows(p.CollectedAt, now)[0])
	if !ok {
		return true
	}
	_, usable := satellite.Choose(known.Days, p.CollectedAt) // else it asks for the wider window
	return !usable
}

// ask looks for an image in widening windows.
func (e *Enrich) ask(ctx context.Context, pass *limit.Pass, p *point.Point, now time.Time) (worker.Result, error) {
	area := satellite.AreaAround(*p.Latitude, *p.Longitude, p.Accuracy)
	images, spent, credits := 0, 0.0, 0.0
	for _, w := range satellite.Windows(p.CollectedAt, now) {
		series, err := e.Imagery.Statistics(ctx, pass, area, w)
		if err != nil {
			return worker.Result{}, fmt.Errorf("ask provider: %w", err)
		}
		if !series.Cached {
			// Two windows are still one enrichment.
			spent, credits = spent+series.PUSpent, (&limit.Call{Type: limit.Enrichment}).Credits()
		}
		images = max(images, len(series.Days))
		if best, ok := satellite.Choose(series.Days, p.CollectedAt); ok {
			a := satellite.Result(best, p, area.HalfSide)
			a.PUSpent, a.Credits, a.RequestID = spent, credits, series.RequestID
			return worker.Result{Outcome: a.Outcome(), Analysis: &a}, nil
		}
		if series.Failed > 0 {
			return worker.Result{}, job.Errorf(job.ProviderUnavailable, "provider could not compute %d of the days", series.Failed)
		}
	}
	return e.explain(ctx, pass, p, area, images, now)
}

// explain finds the outcome of a reading without a usable image.
func (e *Enrich) explain(ctx context.Context, pass *limit.Pass, p *point.Point, a satellite.Area, images int, now time.Time) (worker.Result, error) {
	inCatalog := false
	if images == 0 && !satellite.WindowOpen(p.CollectedAt, now) {
		seen, err := e.Imagery.Seen(ctx, pass, a, satellite.CoverageWindow(p.CollectedAt, now))
		if err != nil {
			return worker.Result{}, fmt.Errorf("ask catalog: %w", err)
		}
		inCatalog = seen
	}
	// While the window is open, an image may still be published, or the sky clear.
	return worker.Result{
		Outcome: satellite.WithoutImage(images, p.CollectedAt, now, inCatalog),
		Again:   satellite.WindowOpen(p.CollectedAt, now),
	}, nil
}

package kinds

import (
	"context"
	"fmt"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// AnalyzeName is the kind that analyses the quality of a reading.
const AnalyzeName = "analyze"

// Readings reads what a reading is judged by.
type Readings interface {
	// Subject returns the point and its analysis; see Points.
	Subject(ctx context.Context, id string, revision int) (point.Point, *satellite.Analysis, error)
	// Zones returns the zones of an owner's campaign; none is no restriction.
	Zones(ctx context.Context, owner, campaign string) ([]quality.Zone, error)
	// Peers returns the values of the point's peers (see Peer) in a time before it.
	Peers(ctx context.Context, p *point.Point, window time.Duration) ([]float64, error)
	// Job returns a job by id, or a NotFound error.
	Job(ctx context.Context, id string) (job.Job, error)
}

// Peer reports whether q is a reading that p is compared with: another one of the same
// campaign and metric that a person has approved (domain brief 5.1).
func Peer(p, q *point.Point) bool {
	return q.ID != p.ID && q.Status == point.Approved && q.CampaignID == p.CampaignID && q.MetricID == p.MetricID
}

// Analyze is the quality analysis: what the rules of package quality say about a reading,
// with or without satellite data.
type Analyze struct {
	Readings Readings
	Rules    quality.Config
	Now      func() time.Time
}

// Name implements worker.Kind.
func (a *Analyze) Name() string { return AnalyzeName }

// Policy implements worker.Kind.
func (a *Analyze) Policy() job.Policy { return Policies()[AnalyzeName] }

// Run implements worker.Kind.
func (a *Analyze) Run(ctx context.Context, j *job.Job) (worker.Result, error) {
	p, analysis, err := a.Readings.Subject(ctx, j.Point, j.Revision)
	if job.CodeOf(err) == job.NotFound {
		return worker.Result{Outcome: job.PointDeleted}, nil
	}
	if err != nil {
		return worker.Result{}, fmt.Errorf("read point: %w", err)
	}
	zones, err := a.Readings.Zones(ctx, p.Owner, p.CampaignID)
	if err != nil {
		return worker.Result{}, fmt.Errorf("read zones: %w", err)
	}
	peers, err := a.Readings.Peers(ctx, &p, a.Rules.PeerWindow)
	if err != nil {
		return worker.Result{}, fmt.Errorf("read peers: %w", err)
	}
	enriched, err := enrichment(ctx, a.Readings, j, analysis)
	if err != nil {
		return worker.Result{}, err
	}
	record := quality.Analyze(quality.Input{
		Point: p, Zones: zones, Peers: peers, Analysis: analysis, Outcome: enriched.Outcome, Now: a.Now(),
	}, a.Rules)
	record.Job = j.ID
	return worker.Result{Outcome: job.Analysed, Quality: &record}, nil
}

// enrichment returns the job that enriched the same point in the same chain or batch. A
// job of its own has none: then the analysis tells what came of it.
func enrichment(ctx context.Context, r Readings, j *job.Job, a *satellite.Analysis) (job.Job, error) {
	none := job.Job{}
	if a != nil {
		none = job.Job{ID: a.Job, State: job.Succeeded, Outcome: a.Outcome()}
	}
	kind, id := j.Flow.Parts()
	switch kind {
	case "":
		return none, nil
	case "batch":
		id += "/" + j.Point
	}
	found, err := r.Job(ctx, job.StepID(id, EnrichName))
	if job.CodeOf(err) == job.NotFound {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("read enrichment: %w", err)
	}
	return found, nil
}

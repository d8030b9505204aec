package kinds

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// NotifyName is the kind that tells the owner of a data point what became of it.
const NotifyName = "notify"

// Audience reads whom to tell, and how.
type Audience interface {
	// Preferences returns what an owner wants to hear of.
	Preferences(ctx context.Context, owner string) (job.Preferences, error)
	// Quality returns what the rules say about a revision, or nil.
	Quality(ctx context.Context, point string, revision int) (*quality.Record, error)
}

// Notify tells the owner of a point what came of its enrichment and what the rules say
// about it: one message for each (point, revision, outcome), however often it is asked for
// (domain brief 6). The message is settled with the job; bringing it to a webhook or a
// topic is somebody else's work, so that a receiver that is down repeats nothing here.
type Notify struct {
	Readings Readings
	Audience Audience
	Now      func() time.Time
}

// Name implements worker.Kind.
func (n *Notify) Name() string { return NotifyName }

// Policy implements worker.Kind.
func (n *Notify) Policy() job.Policy { return Policies()[NotifyName] }

// Run implements worker.Kind.
func (n *Notify) Run(ctx context.Context, j *job.Job) (worker.Result, error) {
	p, analysis, err := n.Readings.Subject(ctx, j.Point, j.Revision)
	if job.CodeOf(err) == job.NotFound {
		return worker.Result{Outcome: job.PointDeleted}, nil
	}
	if err != nil {
		return worker.Result{}, fmt.Errorf("read point: %w", err)
	}
	enriched, err := enrichment(ctx, n.Readings, j, analysis)
	if err != nil {
		return worker.Result{}, err
	}
	record, err := n.Audience.Quality(ctx, j.Point, j.Revision)
	if err != nil {
		return worker.Result{}, fmt.Errorf("read quality: %w", err)
	}
	wishes, err := n.Audience.Preferences(ctx, j.Owner)
	if err != nil {
		return worker.Result{}, fmt.Errorf("read preferences: %w", err)
	}
	notice := Tell(&p, analysis, &enriched, record)
	if !wishes.Wants(notice.Type) {
		return worker.Result{Outcome: job.NotWanted}, nil
	}
	notice.Owner, notice.Job, notice.At = j.Owner, j.ID, n.Now()
	notice.URL, notice.Topic = wishes.URL, wishes.Topic
	return worker.Result{Outcome: job.Notified, Notice: &notice}, nil
}

// Tell returns the message about a point: type, words and numbers, without whom to tell.
// What another job had done is told as that job would have told it.
func Tell(p *point.Point, a *satellite.Analysis, enriched *job.Job, q *quality.Record) job.Notice {
	outcome := enriched.Outcome
	if outcome == job.AlreadyDone && a != nil {
		outcome = a.Outcome()
	}
	n := job.Notice{
		ID:    job.DerivedID("notice", p.ID, strconv.Itoa(p.Revision), string(outcome)),
		Type:  "enrichment." + noticeTypes(outcome),
		Point: p.ID, Revision: p.Revision, Facts: map[string]any{},
	}
	n.Title, n.Text = words(outcome, enriched)
	if a != nil {
		about(&n, a)
	}
	if q != nil && len(q.Flags) > 0 {
		types := make([]string, 0, len(q.Flags))
		for _, f := range q.Flags {
			types = append(types, f.Type)
		}
		n.Text += " The rules say: " + string(q.Recommendation) + " (" + strings.Join(types, ", ") + ")."
		n.Facts["flags"], n.Facts["score"] = strings.Join(types, ","), float64(q.Score)
	}
	return n
}

// noticeTypes sorts outcomes into what a person may want to hear of or not.
func noticeTypes(o job.Outcome) string {
	switch o {
	case job.Success, job.AlreadyDone:
		return "succeeded"
	case job.Partial:
		return "partial"
	case job.UserQuotaExceeded:
		return "skipped"
	default:
		return "no_data"
	}
}

// words says an outcome plainly, without a code that only we know.
func words(o job.Outcome, enriched *job.Job) (title, text string) {
	switch o {
	case job.Success, job.AlreadyDone:
		return "Satellite statistics are there", "All seven indices have a value."
	case job.Partial:
		return "Some satellite statistics are there", "Not every index has a value."
	case job.UserQuotaExceeded:
		return "Your plan's limit is used up", "The reading was not enriched. It is made up when your plan has new units" + until(enriched.Look) + ", or after an upgrade."
	case job.NoLocation:
		return "No satellite statistics", "The reading has no coordinates."
	case job.OutOfCoverage:
		return "No satellite statistics", "The satellite never sees this place."
	case job.NoAcquisition:
		return "No satellite statistics", "No image was taken near the day of the reading."
	case job.PreMission:
		return "No satellite statistics", "The reading is older than the first image of the mission."
	case job.Clouded:
		return "No satellite statistics", "Every image near the day of the reading is under cloud."
	case job.NotYetAvailable:
		return "No satellite statistics yet", "The image was not published in time."
	default:
		return "No satellite statistics yet", "The reading was not enriched so far."
	}
}

// until names a day, if it is known.
func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " on " + t.Format(time.DateOnly)
}

// about adds what an analysis says.
func about(n *job.Notice, a *satellite.Analysis) {
	n.Text += fmt.Sprintf(" The image is of %s, %d days from the reading; %.0f %% of it were under cloud.",
		a.Day.Date.Format(time.DateOnly), max(a.DayOffset, -a.DayOffset), 100*a.Day.CloudFraction)
	for i, name := range satellite.IndexNames() {
		if s := a.Day.Indices[i]; s != nil {
			n.Facts[name] = s.Mean
		}
	}
	n.Facts["acquired_on"], n.Facts["day_offset"] = a.Day.Date.Format(time.DateOnly), float64(a.DayOffset)
	n.Facts["cloud_fraction"] = a.Day.CloudFraction
}

package kinds_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// library is what analyses and notices are made of; an error breaks the port of its name.
type library struct {
	points

	zones  []quality.Zone
	peers  []float64
	jobs   map[string]job.Job
	record *quality.Record
	wishes job.Preferences
	broken map[string]error
	asked  []string // owners, campaigns and windows
}

func (l *library) Subject(ctx context.Context, id string, revision int) (point.Point, *satellite.Analysis, error) {
	p, a, _ := l.points.Subject(ctx, id, revision)
	return p, a, l.broken["Subject"]
}

func (l *library) Zones(_ context.Context, owner, campaign string) ([]quality.Zone, error) {
	l.asked = append(l.asked, owner, campaign)
	return l.zones, l.broken["Zones"]
}

func (l *library) Peers(_ context.Context, p *point.Point, window time.Duration) ([]float64, error) {
	l.asked = append(l.asked, p.ID, window.String())
	return l.peers, l.broken["Peers"]
}

func (l *library) Job(_ context.Context, id string) (job.Job, error) {
	if err := l.broken["Job"]; err != nil {
		return job.Job{}, err
	}
	j, ok := l.jobs[id]
	if !ok {
		return j, job.Errorf(job.NotFound, "no job")
	}
	return j, nil
}

func (l *library) Preferences(context.Context, string) (job.Preferences, error) {
	return l.wishes, l.broken["Preferences"]
}

func (l *library) Quality(context.Context, string, int) (*quality.Record, error) {
	return l.record, l.broken["Quality"]
}

// stocked returns a library with one reading.
func stocked(edit func(*library)) *library {
	l := &library{points: points{point: at(40)}, jobs: map[string]job.Job{}, broken: map[string]error{}}
	l.point.Owner, l.point.CampaignID = "u", "c"
	if edit != nil {
		edit(l)
	}
	return l
}

func notify(l *library) *kinds.Notify { return &kinds.Notify{Readings: l, Audience: l, Now: now} }

func analyze(l *library) *kinds.Analyze {
	return &kinds.Analyze{Readings: l, Rules: quality.DefaultConfig(), Now: now}
}

// image returns an analysis with some indices.
func image(indices int) *satellite.Analysis {
	d := satellite.Day{Date: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), CloudFraction: 0.125, ValidFraction: 1}
	for i := range indices {
		d.Indices[i] = &satellite.Stats{Mean: float64(i) / 10}
	}
	return &satellite.Analysis{Job: "e", Day: d, Partial: indices < satellite.IndexCount, DayOffset: -2}
}

func TestPoliciesOfTheKinds(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]interface {
		Name() string
		Policy() job.Policy
	}{"enrich": &kinds.Enrich{}, "analyze": &kinds.Analyze{}, "notify": &kinds.Notify{}} {
		if k.Name() != name || !reflect.DeepEqual(k.Policy(), kinds.Policies()[name]) {
			t.Errorf("%s is %s with %+v", name, k.Name(), k.Policy())
		}
		if free := k.Policy().Free; free != (name != "enrich") {
			t.Errorf("%s is free: %v", name, free)
		}
	}
	if broken := job.OrderSteps("steps", []string{"enrich", "analyze", "notify"}, kinds.Policies()); broken != nil || len(kinds.Policies()) != 3 {
		t.Errorf("the usual chain: %+v", broken)
	}
}

func TestPeersAreOthersOfTheSameCampaign(t *testing.T) {
	t.Parallel()
	p := point.Point{ID: "p", CampaignID: "c", MetricID: "m"}
	q := point.Point{ID: "q", CampaignID: "c", MetricID: "m", Status: point.Approved}
	for _, c := range []struct {
		name string
		edit func(*point.Point)
		want bool
	}{
		{"one", func(*point.Point) {}, true},
		{"itself", func(q *point.Point) { q.ID = "p" }, false},
		{"not approved", func(q *point.Point) { q.Status = point.Pending }, false},
		{"another campaign", func(q *point.Point) { q.CampaignID = "d" }, false},
		{"another metric", func(q *point.Point) { q.MetricID = "n" }, false},
	} {
		other := q
		c.edit(&other)
		if got := kinds.Peer(&p, &other); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

// TestWhereTheEnrichmentIs: in the chain or batch of the job, or nowhere but in what came
// of it.
func TestWhereTheEnrichmentIs(t *testing.T) {
	t.Parallel()
	in := func(track string) func(*library) {
		return func(l *library) { l.jobs[job.StepID(track, "enrich")] = job.Job{ID: "e", Outcome: job.Clouded} }
	}
	for _, c := range []struct {
		name string
		flow job.Flow
		edit func(*library)
		want job.Outcome
	}{
		{"of the chain", job.ChainFlow("c"), in("c"), job.Clouded},
		{"of the batch", job.BatchFlow("b"), in("b/p"), job.Clouded},
		{"of another chain", job.ChainFlow("d"), in("c"), ""},
		{"of another item", job.BatchFlow("b"), in("b/q"), ""},
		{"alone, with an image", "", func(l *library) { l.analysis = image(7) }, job.Success},
		{"alone, with half of one", "", func(l *library) { l.analysis = image(3) }, job.Partial},
		{"a chain without that step, with an image", job.ChainFlow("c"), func(l *library) { l.analysis = image(7) }, job.Success},
		{"alone, without", "", in("c"), ""},
	} {
		l := stocked(c.edit)
		got, err := analyze(l).Run(t.Context(), &job.Job{ID: "j", Point: "p", Revision: 3, Flow: c.flow})
		if err != nil || got.Outcome != job.Analysed || got.Quality == nil || got.Quality.Outcome != c.want || got.Quality.Job != "j" || got.Quality.Point != "p" || !got.Quality.At.Equal(now()) {
			t.Errorf("%s: %+v, %+v, %v", c.name, got, got.Quality, err)
		}
		if want := "[u c p 720h0m0s]"; fmt.Sprint(l.asked) != want {
			t.Errorf("%s: asked for %v, want %s", c.name, l.asked, want)
		}
	}
}

// TestAnAnalysisLooksAtAll that it was given.
func TestAnAnalysisLooksAtAll(t *testing.T) {
	t.Parallel()
	l := stocked(func(l *library) {
		l.zones = []quality.Zone{{Name: "far", Ring: [][2]float64{{0, 0}, {1, 0}, {1, 1}, {0, 0}}}}
		for i := range 20 {
			l.peers = append(l.peers, float64(100+i%3))
		}
	})
	got, err := analyze(l).Run(t.Context(), &job.Job{ID: "j", Point: "p"})
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, f := range got.Quality.Flags {
		types = append(types, f.Type)
	}
	if want := "[statistical_outlier outside_zone satellite_context_weak]"; fmt.Sprint(types) != want {
		t.Errorf("got %v, want %s", types, want)
	}
}

func TestWhatIsBrokenKeepsItsCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		port, want      string
		analyze, notify bool
	}{
		{"Subject", "read point", true, true},
		{"Zones", "read zones", true, false},
		{"Peers", "read peers", true, false},
		{"Job", "read enrichment", true, true},
		{"Quality", "read quality", false, true},
		{"Preferences", "read preferences", false, true},
	} {
		l := stocked(func(l *library) { l.broken[c.port] = job.Errorf(job.Throttled, "slow down") })
		j := job.Job{Point: "p", Flow: job.ChainFlow("c")}
		_, first := analyze(l).Run(t.Context(), &j)
		_, second := notify(l).Run(t.Context(), &j)
		for _, k := range []struct {
			err error
			may bool
		}{{first, c.analyze}, {second, c.notify}} {
			if (k.err != nil) != k.may || k.may && (job.CodeOf(k.err) != job.Throttled || !strings.Contains(k.err.Error(), c.want)) {
				t.Errorf("%s: %v", c.port, k.err)
			}
		}
		l.broken = map[string]error{"Subject": job.Errorf(job.NotFound, "gone")}
		for _, run := range []error{wantGone(analyze(l).Run(t.Context(), &j)), wantGone(notify(l).Run(t.Context(), &j))} {
			if run != nil {
				t.Error(run)
			}
		}
	}
}

// wantGone demands that a run ended because its point is gone.
func wantGone(r worker.Result, err error) error {
	if err != nil || r.Outcome != job.PointDeleted || r.Quality != nil || r.Notice != nil {
		return errors.Join(fmt.Errorf("got %+v", r), err)
	}
	return nil
}

// TestANoticeGoesWhereItsOwnerWants.
func TestANoticeGoesWhereItsOwnerWants(t *testing.T) {
	t.Parallel()
	j := job.Job{ID: "j", Owner: "u", Point: "p", Revision: 3}
	l := stocked(func(l *library) {
		l.analysis = image(7)
		l.wishes = job.Preferences{Muted: []string{"enrichment.no_data"}, URL: "https://x", Topic: true}
	})
	got, err := notify(l).Run(t.Context(), &j)
	n := got.Notice
	if err != nil || got.Outcome != job.Notified || n.Owner != "u" || n.Job != "j" || !n.At.Equal(now()) || n.URL != "https://x" || !n.Topic || n.Type != "enrichment.succeeded" {
		t.Errorf("%+v, %+v, %v", got, n, err)
	}
	l.wishes.Muted = []string{"enrichment.succeeded"}
	if got, err := notify(l).Run(t.Context(), &j); err != nil || got.Outcome != job.NotWanted || got.Notice != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestWhatIsTold for each outcome of an enrichment, in plain words.
func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		enriched job.Job
		kind     string
		text     string
	}{
		{job.Job{Outcome: job.Success}, "succeeded", "All seven indices have a value."},
		{job.Job{Outcome: job.AlreadyDone}, "succeeded", "All seven indices have a value."},
		{job.Job{Outcome: job.Partial}, "partial", "Not every index has a value."},
		{job.Job{Outcome: job.UserQuotaExceeded, Look: day}, "skipped", "has new units on 2026-04-01, or"},
		{job.Job{Outcome: job.UserQuotaExceeded}, "skipped", "has new units, or"},
		{job.Job{Outcome: job.NoLocation}, "no_data", "no coordinates"},
		{job.Job{Outcome: job.OutOfCoverage}, "no_data", "never sees"},
		{job.Job{Outcome: job.NoAcquisition}, "no_data", "No image was taken"},
		{job.Job{Outcome: job.PreMission}, "no_data", "older than the first image"},
		{job.Job{Outcome: job.Clouded}, "no_data", "under cloud"},
		{job.Job{Outcome: job.NotYetAvailable}, "no_data", "not published in time"},
		{job.Job{Outcome: job.PointDeleted}, "no_data", "not enriched so far"},
		{job.Job{}, "no_data", "not enriched so far"},
	} {
		p := at(40)
		n := kinds.Tell(&p, nil, &c.enriched, &quality.Record{})
		if n.Type != "enrichment."+c.kind || !strings.Contains(n.Text, c.text) || n.Title == "" || n.Point != "p" || n.Revision != 3 || len(n.Facts) != 0 || strings.Contains(n.Text, string(c.enriched.Outcome)) && c.enriched.Outcome != "" {
			t.Errorf("%s: %+v", c.enriched.Outcome, n)
		}
	}
}

// TestWhatAnImageSays, and what the rules do.
func TestWhatAnImageSays(t *testing.T) {
	t.Parallel()
	p := at(40)
	q := &quality.Record{Score: 45, Recommendation: quality.Reject, Flags: []quality.Flag{{Type: "unexpected_range"}, {Type: "outside_zone"}}}
	n := kinds.Tell(&p, image(2), &job.Job{Outcome: job.Partial}, q)
	want := "Not every index has a value. The image is of 2026-02-01, 2 days from the reading; 12 % of it were under cloud. The rules say: reject (unexpected_range, outside_zone)."
	if n.Text != want {
		t.Errorf("got %q, want %q", n.Text, want)
	}
	facts := map[string]any{
		"ndvi": 0.0, "ndmi": 0.1, "acquired_on": "2026-02-01", "day_offset": -2.0, "cloud_fraction": 0.125, "flags": "unexpected_range,outside_zone", "score": 45.0,
	}
	if !reflect.DeepEqual(n.Facts, facts) {
		t.Errorf("facts %v", n.Facts)
	}
}

// TestNobodyIsToldTwice: the id is made of point, revision and what there is to tell, not
// of which job found it.
func TestNobodyIsToldTwice(t *testing.T) {
	t.Parallel()
	p := at(40)
	tell := func(p point.Point, o job.Outcome, a *satellite.Analysis) job.Notice {
		return kinds.Tell(&p, a, &job.Job{Outcome: o}, nil)
	}
	first := tell(p, job.Success, image(7))
	if again := tell(p, job.AlreadyDone, image(7)); again.ID != first.ID || again.Type != first.Type {
		t.Errorf("told as %+v", again)
	}
	part := tell(p, job.Partial, image(3))
	if again := tell(p, job.AlreadyDone, image(3)); again.ID != part.ID || again.Type != "enrichment.partial" || again.Text != part.Text {
		t.Errorf("told as %+v", again)
	}
	if cloud := tell(p, job.Clouded, image(7)); cloud.Type != "enrichment.no_data" {
		t.Errorf("an older image makes it %s", cloud.Type)
	}
	later := p
	later.Revision++
	other := p
	other.ID = "q"
	ids := map[string]bool{first.ID: true, part.ID: true, tell(later, job.Success, nil).ID: true, tell(other, job.Success, nil).ID: true}
	if len(ids) != 4 || !job.ValidID(first.ID) {
		t.Errorf("ids %v", ids)
	}
}

package query_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/query"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
)

func now() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// accept stores n jobs of an owner, one each second, with their points.
func accept(t *testing.T, s *memstore.Store, owner string, n int, edit func(i int, j *job.Job)) []job.Job {
	t.Helper()
	jobs := make([]job.Job, n)
	for i := range jobs {
		name := fmt.Sprintf("%s-%d", owner, i)
		p := point.Point{ID: job.DerivedID("point", name), Owner: owner, Revision: 1}
		j := job.Job{ID: job.DerivedID("job", name), Owner: owner, Tier: "enterprise", Limit: job.Unlimited, Queue: "default", Point: p.ID, Revision: 1, MaxAttempts: 3}
		if edit != nil {
			edit(i, &j)
		}
		jobs[i] = job.Accepted(j, now().Add(time.Duration(i)*time.Second), time.Hour, time.Hour)
		if _, _, _, err := s.AcceptPoint(t.Context(), &p, &jobs[i]); err != nil {
			t.Fatal(err)
		}
	}
	return jobs
}

func TestForeignAndMissingAreTheSame(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	mine := accept(t, s, "me", 1, nil)[0]
	q := query.New(query.Config{Store: s, Books: s, Now: now})
	ctx := t.Context()
	if j, err := q.Job(ctx, "me", mine.ID); err != nil || j.ID != mine.ID {
		t.Errorf("my job: %v", err)
	}
	if p, err := q.Point(ctx, "me", mine.Point); err != nil || p.ID != mine.Point {
		t.Errorf("my point: %v", err)
	}
	if all, err := q.Analyses(ctx, "me", mine.Point); err != nil || len(all) != 0 {
		t.Errorf("my analyses: %v, %v", all, err)
	}
	ask := map[string]func(owner, id string) error{
		"job":      func(o, id string) error { _, err := q.Job(ctx, o, id); return err },
		"point":    func(o, id string) error { _, err := q.Point(ctx, o, id); return err },
		"analyses": func(o, id string) error { _, err := q.Analyses(ctx, o, id); return err },
	}
	for name, get := range ask {
		id := mine.ID
		if name != "job" {
			id = mine.Point
		}
		missing := job.DerivedID("none")
		foreign, gone := get("you", id), get("you", missing)
		if job.CodeOf(foreign) != job.NotFound || strings.ReplaceAll(foreign.Error(), id, missing) != gone.Error() {
			t.Errorf("%s: foreign %q, missing %q", name, foreign, gone)
		}
		for _, bad := range []string{"", "628", strings.ToLower(id), id + "x", "'; drop", "\x00"} {
			if err := get("me", bad); job.CodeOf(err) != job.NotFound {
				t.Errorf("%s %q: %v", name, bad, err)
			}
		}
	}
}

func TestJobsPageByPage(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	accept(t, s, "you", 3, nil)
	queues := []string{"high", "low", "default"}
	all := accept(t, s, "me", 25, func(i int, j *job.Job) { j.Queue = queues[i%3] })
	q := query.New(query.Config{Store: s, Books: s, Now: now})
	for _, c := range []struct {
		name  string
		f     query.Filter
		want  int
		pages int
	}{
		{"all", query.Filter{Limit: 100}, 25, 1},
		{"pages", query.Filter{Limit: 10}, 25, 3},
		{"exactly one page", query.Filter{Limit: 25}, 25, 1},
		{"one queue", query.Filter{Limit: 4, Queue: "high"}, 9, 3},
		{"one state", query.Filter{Limit: 10, State: job.Queued}, 25, 3},
		{"nothing", query.Filter{Limit: 100, State: job.Dead}, 0, 1},
		{"nothing, by small pages", query.Filter{Limit: 2, State: job.Dead}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen, pages := map[string]bool{}, 0
			last := all[24].Created.Add(1)
			for f := c.f; ; pages++ {
				page, err := q.Jobs(t.Context(), "me", f)
				if err != nil || len(page.Jobs) > c.f.Limit || page.Jobs == nil {
					t.Fatalf("%d jobs, %v", len(page.Jobs), err)
				}
				for _, j := range page.Jobs {
					if seen[j.ID] || j.Owner != "me" || !j.Created.Before(last) || c.f.Queue != "" && j.Queue != c.f.Queue {
						t.Fatalf("got %+v after %v", j, last)
					}
					seen[j.ID], last = true, j.Created
				}
				if f.Cursor = page.Next; f.Cursor == "" {
					break
				}
			}
			if len(seen) != c.want || pages+1 != c.pages {
				t.Errorf("%d jobs on %d pages, want %d on %d", len(seen), pages+1, c.want, c.pages)
			}
		})
	}
}

func TestCursorsAreOpaqueAndBoundToTheirList(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	accept(t, s, "me", 3, nil)
	accept(t, s, "you", 3, nil)
	q := query.New(query.Config{Store: s, Books: s, Now: now})
	page, err := q.Jobs(t.Context(), "me", query.Filter{Limit: 2})
	if err != nil || page.Next == "" || strings.Contains(page.Next, page.Jobs[1].ID) {
		t.Fatalf("next %q, %v", page.Next, err)
	}
	for owner, f := range map[string]query.Filter{"you": {}, "me": {State: job.Queued}} {
		f.Limit, f.Cursor = 10, page.Next
		if got, err := q.Jobs(t.Context(), owner, f); job.CodeOf(err) != job.InvalidCursor || len(got.Jobs) > 0 {
			t.Errorf("%s, state %q: %d jobs, %v", owner, f.State, len(got.Jobs), err)
		}
	}
	enc := base64.RawURLEncoding
	for _, garbage := range []string{
		"!", "a", "====", "MQ", enc.EncodeToString([]byte("2x")), enc.EncodeToString([]byte("1")), enc.EncodeToString(nil) + "\x00",
		enc.EncodeToString([]byte("1" + strings.Repeat("x", 200))), page.Next + "=", " " + page.Next,
	} {
		_, err := q.Jobs(t.Context(), "me", query.Filter{Limit: 2, Cursor: garbage})
		coded, ok := errors.AsType[*job.Error](err)
		if !ok || coded.Code != job.InvalidCursor || len(coded.Violations) != 1 || coded.Violations[0].Field != "cursor" {
			t.Errorf("%q: %v", garbage, err)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	j := accept(t, s, "me", 1, func(_ int, j *job.Job) { j.Tier, j.Limit = "free", 10 })[0]
	if c, err := s.Claim(t.Context(), job.ClaimRequest{Message: j.Message(), Now: now(), Lease: job.Lease{Token: "t", Until: now().Add(time.Minute)}}); err != nil || c.Verdict != job.Run {
		t.Fatal(c, err)
	}
	q := query.New(query.Config{Store: s, Books: s, Now: now})
	for _, c := range []struct {
		owner string
		tier  usage.Tier
		meter job.Meter
		limit int
	}{
		{"me", usage.Free, job.Meter{Taken: 1}, 10},
		{"me", usage.Pro, job.Meter{Taken: 1}, 100},
		{"you", usage.Free, job.Meter{}, 10},
		{"you", usage.Enterprise, job.Meter{}, job.Unlimited},
	} {
		got, err := q.Usage(t.Context(), c.owner, on(c.tier))
		month := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		if err != nil || got.Meter != c.meter || got.Limit != c.limit || got.Tier != c.tier || !got.Cycle.Start.Equal(month) || !got.Cycle.End.Equal(month.AddDate(0, 1, 0)) {
			t.Errorf("%s on %s: %+v, %v", c.owner, c.tier, got, err)
		}
	}
}

// on is what a token of a tier says.
func on(t usage.Tier) job.Plan { return job.Plan{Tier: string(t), Limit: t.Limit()} }

// TestUsageUnderAnotherPlan: an older token does not show its own plan.
func TestUsageUnderAnotherPlan(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	older, newer := on(usage.Enterprise), on(usage.Free)
	older.Issued, newer.Issued = now().Add(-time.Hour), now().Add(-time.Minute)
	if _, err := s.NotePlan(t.Context(), "me", newer); err != nil {
		t.Fatal(err)
	}
	q := query.New(query.Config{Store: s, Books: s, Now: now})
	if got, err := q.Usage(t.Context(), "me", older); err != nil || got.Tier != usage.Free || got.Limit != 10 {
		t.Errorf("got %+v, %v", got, err)
	}
	later := on(usage.Pro)
	later.Issued = now()
	if got, err := q.Usage(t.Context(), "me", later); err != nil || got.Tier != usage.Pro || got.Limit != 100 {
		t.Errorf("got %+v, %v", got, err)
	}
	if known, err := s.Plan(t.Context(), "me"); err != nil || known != newer {
		t.Errorf("a read noted %+v, %v", known, err)
	}
	q = query.New(query.Config{Store: s, Books: &shelf{err: errBroken}, Now: now})
	if _, err := q.Usage(t.Context(), "me", later); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

// brokenStore answers nothing.
type brokenStore struct{}

var errBroken = errors.New("unreachable")

func (brokenStore) Point(context.Context, string) (point.Point, error) {
	return point.Point{}, errBroken
}

func (brokenStore) Analyses(context.Context, string) ([]satellite.Analysis, error) {
	return nil, errBroken
}
func (brokenStore) Job(context.Context, string) (job.Job, error) { return job.Job{}, errBroken }

func (brokenStore) Jobs(context.Context, string, job.Group, string, int) ([]job.Job, string, error) {
	return nil, "", errBroken
}

func (brokenStore) Meter(context.Context, string, string) (job.Meter, error) {
	return job.Meter{}, errBroken
}

// halfBroken has a point, but not its analyses.
type halfBroken struct{ brokenStore }

func (halfBroken) Point(context.Context, string) (point.Point, error) {
	return point.Point{Owner: "me"}, nil
}

func TestABrokenTableIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	q, half, id := query.New(query.Config{Store: brokenStore{}, Books: &shelf{}, Now: now}), query.New(query.Config{Store: halfBroken{}, Books: nil, Now: now}), job.DerivedID("x")
	for name, ask := range map[string]func() error{
		"point":         func() error { _, err := q.Point(t.Context(), "me", id); return err },
		"job":           func() error { _, err := q.Job(t.Context(), "me", id); return err },
		"analyses":      func() error { _, err := q.Analyses(t.Context(), "me", id); return err },
		"only analyses": func() error { _, err := half.Analyses(t.Context(), "me", id); return err },
		"jobs":          func() error { _, err := q.Jobs(t.Context(), "me", query.Filter{Limit: 1}); return err },
		"usage":         func() error { _, err := q.Usage(t.Context(), "me", on(usage.Free)); return err },
	} {
		if err := ask(); !errors.Is(err, errBroken) || job.CodeOf(err) != job.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

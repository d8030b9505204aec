package query_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/query"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
)

// shelf is books that are written down by the test.
type shelf struct {
	entries []string // request ids of the analyses, newest first
	calls   []limit.Call
	err     error

	owner, after string // of the last question
}

func (s *shelf) Ledger(_ context.Context, owner, after string, n int) ([]satellite.Analysis, string, error) {
	s.owner, s.after = owner, after
	from := 0
	if at := strings.Split(after, "#"); len(at) == 3 {
		from, _ = strconv.Atoi(at[2])
	}
	var page []satellite.Analysis
	for _, id := range s.entries[from:min(from+n, len(s.entries))] {
		page = append(page, satellite.Analysis{RequestID: id})
	}
	if from+n >= len(s.entries) {
		return page, "", s.err
	}
	last := satellite.Analysis{Point: job.DerivedID("point"), Revision: from + n, CreatedAt: now()}
	return page, last.Entry(), s.err
}

// Plan fails like the rest.
func (s *shelf) Plan(context.Context, string) (job.Plan, error) { return job.Plan{}, s.err }

func (s *shelf) Calls(context.Context, string) ([]limit.Call, error) { return s.calls, s.err }

func TestTheLedgerPageByPage(t *testing.T) {
	t.Parallel()
	books := &shelf{entries: []string{"e", "d", "c", "b", "a"}}
	q := query.New(query.Config{Store: memstore.New(job.DefaultTiming()), Books: books, Now: now})
	var got []string
	for cursor, pages := "", 0; pages < 5; pages++ {
		page, err := q.Ledger(t.Context(), "me", cursor, 2)
		if err != nil || books.owner != "me" || len(page.Analyses) > 2 {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, a := range page.Analyses {
			got = append(got, a.RequestID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		if _, err := strconv.Atoi(cursor); err == nil {
			t.Errorf("the cursor %q shows its position", cursor)
		}
	}
	if !slices.Equal(got, books.entries) {
		t.Errorf("got %v", got)
	}
}

func TestLedgerRefusals(t *testing.T) {
	t.Parallel()
	books := &shelf{entries: []string{"c", "b", "a"}}
	q := query.New(query.Config{Store: memstore.New(job.DefaultTiming()), Books: books, Now: now})
	good := (&satellite.Analysis{Point: job.DerivedID("point"), Revision: 2, CreatedAt: now()}).Entry()
	ledger := query.NewList("ledger", "me")
	if _, err := q.Ledger(t.Context(), "me", ledger.Cursor(good), 2); err != nil || books.after != good {
		t.Errorf("after %q: %v", books.after, err)
	}
	bad := []string{"!", "MQ==", "M\n", query.NewList("jobs", "me").Cursor(good), query.NewList("ledger", "them").Cursor(good)}
	for _, position := range []string{
		"\xff", good + "#1", good + " ", strings.TrimSuffix(good, "#2") + "x#2", strings.TrimSuffix(good, "#2"), strings.TrimSuffix(good, "2"), good[1:], strings.Repeat(good, 40),
	} {
		bad = append(bad, ledger.Cursor(position))
	}
	for _, garbage := range bad {
		_, err := q.Ledger(t.Context(), "me", garbage, 2)
		coded, ok := errors.AsType[*job.Error](err)
		if !ok || coded.Code != job.InvalidCursor || len(coded.Violations) != 1 || coded.Violations[0].Field != "cursor" {
			t.Errorf("cursor %q: %v", garbage, err)
		}
	}
	books.err = job.Errorf(job.Throttled, "slow down")
	if _, err := q.Ledger(t.Context(), "me", "", 2); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), "read ledger") {
		t.Errorf("got %v", err)
	}
}

func TestCallsOfAJob(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	mine := accept(t, s, "me", 1, nil)[0]
	books := &shelf{calls: []limit.Call{{Type: limit.Enrichment}, {Type: limit.Search}}}
	q := query.New(query.Config{Store: s, Books: books, Now: now})
	if got, err := q.Calls(t.Context(), "me", mine.ID); err != nil || len(got) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, c := range [][2]string{{"you", mine.ID}, {"me", job.DerivedID("none")}, {"me", "628"}} {
		if got, err := q.Calls(t.Context(), c[0], c[1]); job.CodeOf(err) != job.NotFound || got != nil {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
	books.err = job.Errorf(job.Throttled, "slow down")
	if _, err := q.Calls(t.Context(), "me", mine.ID); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), "read calls") {
		t.Errorf("got %v", err)
	}
}

// TestJobsAreFoundByWhatTheyAreAbout: kind, point and tags.
func TestJobsAreFoundByWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	jobs := accept(t, s, "me", 12, func(i int, j *job.Job) {
		j.Kind = map[bool]string{true: "enrich", false: "notify"}[i%2 == 0]
		j.Tags = []string{"all", "third-" + strconv.Itoa(i%3)}
	})
	q := query.New(query.Config{Store: s, Books: s, Now: now})
	for _, c := range []struct {
		name string
		f    query.Filter
		want int
	}{
		{"kind", query.Filter{Kind: "notify"}, 6},
		{"point", query.Filter{Point: jobs[3].Point}, 1},
		{"tag", query.Filter{Tag: "third-1"}, 4},
		{"a tag of all", query.Filter{Tag: "all"}, 12},
		{"half a tag", query.Filter{Tag: "third"}, 0},
		{"tag and kind", query.Filter{Tag: "third-1", Kind: "enrich"}, 2},
		{"what contradicts itself", query.Filter{Point: jobs[3].Point, Kind: "enrich"}, 0},
	} {
		c.f.Limit = 100
		if got, err := q.Jobs(t.Context(), "me", c.f); err != nil || len(got.Jobs) != c.want {
			t.Errorf("%s: %d jobs, %v, want %d", c.name, len(got.Jobs), err, c.want)
		}
	}
}

// TestUsageOfPoints: counted where the plan has a limit, and nowhere else.
func TestUsageOfPoints(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	for i := range 3 {
		p := point.Point{ID: job.DerivedID("point", strconv.Itoa(i)), Owner: "me", CreatedAt: now()}
		j := job.Job{ID: job.DerivedID("job", strconv.Itoa(i)), Owner: "me", Tier: "free"}
		if _, _, _, err := s.AcceptPoint(t.Context(), &p, &j); err != nil {
			t.Fatal(err)
		}
	}
	q := query.New(query.Config{Store: s, Books: s, Now: now})
	got, err := q.Usage(t.Context(), "me", on(usage.Free))
	if err != nil || got.Points != (job.Meter{Used: 3, Taken: 3}) || got.PointLimit != 50 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err = q.Usage(t.Context(), "me", on(usage.Enterprise)); err != nil || got.Points != (job.Meter{}) || got.PointLimit != job.Unlimited {
		t.Errorf("got %+v, %v", got, err)
	}
	q = query.New(query.Config{Store: &fading{Store: s}, Books: s, Now: now})
	if _, err = q.Usage(t.Context(), "me", on(usage.Free)); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), "read usage of data points") {
		t.Errorf("got %v", err)
	}
}

// fading is a table whose second meter cannot be read.
type fading struct {
	query.Store

	reads int
}

func (f *fading) Meter(context.Context, string, string) (job.Meter, error) {
	if f.reads++; f.reads > 1 {
		return job.Meter{}, job.Errorf(job.Throttled, "slow down")
	}
	return job.Meter{}, nil
}

// pumps are queues and their feeds.
type pumps struct{ broken string }

func (p pumps) Depth(_ context.Context, queue string) (query.Depth, error) {
	if p.broken == "depth of "+queue {
		return query.Depth{}, job.Errorf(job.Throttled, "slow down")
	}
	return query.Depth{Waiting: len(queue)}, nil
}

func (p pumps) Feed(_ context.Context, queue string) (string, error) {
	if p.broken == "feed of "+queue {
		return "", job.Errorf(job.Unavailable, "no answer")
	}
	return "enabled " + queue, nil
}

func TestLines(t *testing.T) {
	t.Parallel()
	want := []query.Line{
		{"high", query.Depth{Waiting: 4}, "enabled high"},
		{"default", query.Depth{Waiting: 7}, "enabled default"},
		{"low", query.Depth{Waiting: 3}, "enabled low"},
		{"dead", query.Depth{Waiting: 4}, ""},
	}
	if got, err := query.Lines(t.Context(), pumps{}, pumps{}); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for broken, words := range map[string]string{"depth of dead": "read depth of queue dead", "feed of low": "read feed of queue low", "depth of high": "read depth of queue high"} {
		p := pumps{broken}
		if got, err := query.Lines(t.Context(), p, p); got != nil || err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %+v, %v", broken, got, err)
		}
	}
}

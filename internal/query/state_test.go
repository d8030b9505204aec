package query_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/query"
)

// counting counts the jobs that a store returns.
type counting struct {
	*memstore.Store

	read int
}

// Jobs implements query.Store.
func (c *counting) Jobs(ctx context.Context, owner string, group job.Group, after string, n int) ([]job.Job, string, error) {
	found, next, err := c.Store.Jobs(ctx, owner, group, after, n)
	c.read += len(found)
	return found, next, err
}

// history returns a store with old jobs in the states, and n newer jobs that have succeeded.
func history(t *testing.T, n int, old ...job.State) *counting {
	t.Helper()
	s := &counting{Store: memstore.New(job.DefaultTiming())}
	for i := range len(old) + n {
		j := job.Job{ID: job.DerivedID("history", strconv.Itoa(i)), Owner: "me", Kind: "enrich", State: job.Succeeded, Created: now().Add(time.Duration(i) * time.Second)}
		if i < len(old) {
			j.Kind, j.State = "notify", old[i]
		}
		if _, _, err := s.Accept(t.Context(), &j); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Is anything still queued? The answer takes one page, however long the history is.
func TestAStateIsFoundWithoutAWalkOverTheHistory(t *testing.T) {
	t.Parallel()
	old := []job.State{job.Dead, job.Queued, job.Skipped, job.Cancelled, job.Running, job.Forgotten}
	s := history(t, 1500, old...)
	q := query.New(query.Config{Store: s, Books: s, Now: now})
	for _, state := range append(old, job.Waiting) {
		s.read = 0
		page, err := q.Jobs(t.Context(), "me", query.Filter{State: state, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		if state == job.Waiting {
			want = 0
		}
		if len(page.Jobs) != want || s.read > 2 || want == 0 && page.Next != "" {
			t.Errorf("%s: %d jobs, %d rows read, then %q", state, len(page.Jobs), s.read, page.Next)
		}
	}
}

// An empty page with a cursor has looked at a thousand rows; small pages do not look at less.
func TestAnEmptyPageHasLookedAtAThousandRows(t *testing.T) {
	t.Parallel()
	s := history(t, 2500, job.Queued)
	q := query.New(query.Config{Store: s, Books: s, Now: now})
	f := query.Filter{Kind: "notify", Limit: 1}
	for pages := 1; ; pages++ {
		s.read = 0
		page, err := q.Jobs(t.Context(), "me", f)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Jobs) == 0 && s.read < 1000 {
			t.Fatalf("an empty page after %d rows", s.read)
		}
		if len(page.Jobs) == 1 {
			if pages != 3 {
				t.Errorf("found on page %d", pages)
			}
			return
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			t.Fatal("the job was not found")
		}
	}
}

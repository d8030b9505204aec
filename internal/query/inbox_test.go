package query_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/query"
)

// errGone is what a table says that does not answer.
var errGone = errors.New("table is gone")

// gone is a table that answers nothing of what is asked here; of the points it still knows.
type gone struct{ flags bool }

func (g gone) Quality(context.Context, string, int) (*quality.Record, error) {
	if g.flags {
		return nil, nil //nolint:nilnil // nobody has judged it
	}
	return nil, errGone
}

func (gone) Flags(context.Context, string) ([]quality.Flag, error) { return nil, errGone }

func (gone) Zones(context.Context, string, string) ([]quality.Zone, error) { return nil, errGone }

func (gone) Notices(context.Context, string, string, int) ([]job.Notice, string, error) {
	return nil, "", errGone
}

func (gone) Preferences(context.Context, string) (job.Preferences, error) {
	return job.Preferences{}, errGone
}

// inbox is a query over a table in memory.
func inbox(s *memstore.Store) *query.Query {
	return query.New(query.Config{Store: s, Books: s, Qualities: s, Inbox: s, Now: now})
}

// A reading is judged in its present revision: what was said about an older one is of another place or time. What people
// say stays.
func TestQualityIsOfThePresentRevision(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	mine := accept(t, s, "me", 1, nil)[0]
	q := inbox(s)
	said := quality.Flag{Type: quality.SuspiciousValue, Reason: "looks odd", Severity: quality.Warning, At: now()}
	p, err := s.Point(t.Context(), mine.Point)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Review(t.Context(), &p, &said); err != nil {
		t.Fatal(err)
	}
	record(t, s, mine.Point, mine.ID)
	got, err := q.Quality(t.Context(), "me", mine.Point)
	if err != nil || got.Revision != 1 || got.Rules == nil || got.Rules.Score != 60 || len(got.People) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	later := query.New(query.Config{Store: revised{s}, Qualities: s, Now: now})
	if got, err = later.Quality(t.Context(), "me", mine.Point); err != nil || got.Revision != 2 || got.Rules != nil || len(got.People) != 1 {
		t.Errorf("after a change: got %+v, %v", got, err)
	}
}

// record stores what the rules say about revision 1 of a point, by the protocol's own steps.
func record(t *testing.T, s *memstore.Store, pointID, jobID string) {
	t.Helper()
	row, err := s.Job(t.Context(), jobID)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := s.Claim(t.Context(), job.ClaimRequest{Message: row.Message(), Now: now(), Lease: job.Lease{Token: "t", Until: now().Add(time.Minute)}})
	if err != nil || claim.Verdict != job.Run {
		t.Fatalf("claim: %v, %v", claim.Verdict, err)
	}
	ended := job.Ended(claim.Job, job.Analysed, job.Report{Now: now()})
	if _, err := s.Record(t.Context(), &claim.Job, &ended, &quality.Record{Point: pointID, Revision: 1, Score: 60, Recommendation: quality.Reject}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestQualityOfAnother(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	theirs := accept(t, s, "them", 1, nil)[0].Point
	for _, id := range []string{theirs, job.DerivedID("nowhere"), "", strings.Repeat("x", 5000)} {
		got, err := inbox(s).Quality(t.Context(), "me", id)
		if job.CodeOf(err) != job.NotFound || got.Revision != 0 || got.Rules != nil || got.People != nil {
			t.Errorf("%.40q: got %+v, %v", id, got, err)
		}
	}
}

func TestZonesOfACampaign(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	if err := s.SaveZones(t.Context(), "me", "coast", []quality.Zone{{Name: "shore", Ring: [][2]float64{{1, 1}, {1, 2}, {2, 2}}}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		owner, campaign string
		want            int
		code            job.Code
	}{
		{"me", "coast", 1, ""},
		{"me", "Coast", 0, ""},
		{"them", "coast", 0, ""},
		{"me", strings.Repeat("ж", point.MaxReference), 0, ""},
		{"me", strings.Repeat("ж", point.MaxReference+1), 0, job.InvalidField},
		{"me", "", 0, job.InvalidField},
	} {
		got, err := inbox(s).Zones(t.Context(), c.owner, c.campaign)
		if len(got) != c.want || (err != nil) != (c.code != "") || err != nil && job.CodeOf(err) != c.code {
			t.Errorf("%s of %s: got %v, %v, want %d, %q", c.campaign, c.owner, got, err, c.want, c.code)
		}
	}
}

// Pages of any size together are the inbox: newest first, each once, nobody else's.
func TestInboxInPages(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	var want []string
	for n := range 7 {
		for _, owner := range []string{"me", "them"} {
			notice := job.Notice{ID: job.DerivedID(owner, strconv.Itoa(n)), Owner: owner, Type: "enrichment.partial", At: now().Add(time.Duration(n) * time.Second)}
			if err := s.PutNotice(t.Context(), &notice); err != nil {
				t.Fatal(err)
			}
			if err := s.PutNotice(t.Context(), &notice); err != nil { // told twice is told once
				t.Fatal(err)
			}
			if owner == "me" {
				want = append([]string{notice.ID}, want...)
			}
		}
	}
	list := query.NewList("notifications", "me")
	for size := 1; size <= 8; size++ {
		var got []string
		for after, more := "", true; more; more = after != "" {
			page, next, err := inbox(s).Notices(t.Context(), "me", after, size)
			if err != nil || len(page) > size {
				t.Fatalf("size %d: %d messages, %v", size, len(page), err)
			}
			for _, n := range page {
				got = append(got, n.ID)
			}
			if after, err = list.Position(list.Cursor(next)); err != nil {
				t.Fatalf("a position does not survive its cursor: %v", err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("size %d: got %v, want %v", size, got, want)
		}
	}
}

func TestPreferencesOfEach(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	if err := s.SavePreferences(t.Context(), "me", job.Preferences{Muted: []string{"enrichment.partial"}, URL: "https://a.example"}); err != nil {
		t.Fatal(err)
	}
	for owner, want := range map[string]string{"me": "https://a.example", "them": ""} {
		if got, err := inbox(s).Preferences(t.Context(), owner); err != nil || got.URL != want || (len(got.Muted) == 1) != (owner == "me") {
			t.Errorf("%s: got %+v, %v, want %q", owner, got, err, want)
		}
	}
}

// A table that does not answer is not an empty answer.
func TestInboxOfATableThatIsGone(t *testing.T) {
	t.Parallel()
	s := memstore.New(job.DefaultTiming())
	mine := accept(t, s, "me", 1, nil)[0].Point
	of := func(g gone) *query.Query { return query.New(query.Config{Store: s, Qualities: g, Inbox: g, Now: now}) }
	ctx := t.Context()
	for what, ask := range map[string]func() error{
		"read quality":       func() error { _, err := of(gone{}).Quality(ctx, "me", mine); return err },
		"read flags":         func() error { _, err := of(gone{flags: true}).Quality(ctx, "me", mine); return err },
		"read zones":         func() error { _, err := of(gone{}).Zones(ctx, "me", "coast"); return err },
		"list notifications": func() error { _, _, err := of(gone{}).Notices(ctx, "me", "", 10); return err },
		"read preferences":   func() error { _, err := of(gone{}).Preferences(ctx, "me"); return err },
	} {
		if err := ask(); !errors.Is(err, errGone) || !strings.HasPrefix(err.Error(), what) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// revised is a table in which every point has changed since.
type revised struct{ *memstore.Store }

func (r revised) Point(ctx context.Context, id string) (point.Point, error) {
	p, err := r.Store.Point(ctx, id)
	p.Revision = 2
	return p, err
}

package intake_test

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/quality"
)

// errShelf is what a table says that does not answer.
var errShelf = errors.New("no shelf")

// shelf keeps what people say, or fails.
type shelf struct {
	*memstore.Store

	err     error
	between func(*memstore.Store) // happens after the reading was read
}

func (s *shelf) Review(ctx context.Context, p *point.Point, f *quality.Flag) error {
	if err := s.meet(); err != nil {
		return err
	}
	return s.Store.Review(ctx, p, f)
}

func (s *shelf) Raise(ctx context.Context, p *point.Point, f *quality.Flag) error {
	if err := s.meet(); err != nil {
		return err
	}
	return s.Store.Raise(ctx, p, f)
}

// meet lets happen what comes between reading and writing.
func (s *shelf) meet() error {
	if s.err == nil && s.between != nil {
		s.between(s.Store)
	}
	return s.err
}

func (s *shelf) SaveZones(ctx context.Context, owner, campaign string, zones []quality.Zone) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.SaveZones(ctx, owner, campaign, zones)
}

func (s *shelf) SavePreferences(ctx context.Context, owner string, p job.Preferences) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.SavePreferences(ctx, owner, p)
}

// reviewing is a bench where people may say something.
func reviewing() (*bench, *shelf) {
	b := newBench()
	s := &shelf{Store: b.store}
	b.Reviews = s
	b.CheckURL = func(field, url string) []job.Violation {
		if strings.HasPrefix(url, "https://") {
			return nil
		}
		return []job.Violation{{Field: field, Rule: "url", Detail: "must be an https URL"}}
	}
	return b, s
}

// broken returns the fields and rules of an error.
func broken(err error) string {
	coded, ok := errors.AsType[*job.Error](err)
	if !ok {
		return ""
	}
	all := make([]string, 0, len(coded.Violations))
	for _, v := range coded.Violations {
		all = append(all, v.Field+" "+v.Rule)
	}
	return strings.Join(all, ", ")
}

func TestReviewIsStored(t *testing.T) {
	t.Parallel()
	b, s := reviewing()
	made := b.create(t, by("u", "", "body")).Point
	got, err := b.Review(t.Context(), by("u", "", ""), made.ID, intake.Opinion{Status: point.Approved, Notes: "fine", Flag: quality.DataQuality, Reason: "looks odd"})
	if err != nil || got.Status != point.Approved || got.ReviewNotes != "fine" || !got.ReviewedAt.Equal(b.now) || got.Revision != made.Revision || got.Value != made.Value {
		t.Errorf("got %+v, %v", got, err)
	}
	if stored, err := s.Point(t.Context(), made.ID); err != nil || stored.Status != point.Approved {
		t.Errorf("stored %+v, %v", stored, err)
	}
	flags, err := s.Flags(t.Context(), made.ID)
	want := quality.Flag{Type: quality.DataQuality, Reason: "looks odd", Severity: quality.Warning, At: b.now}
	if err != nil || len(flags) != 1 || flags[0].Type != want.Type || flags[0].Reason != want.Reason || flags[0].Severity != want.Severity || flags[0].Automatic || !flags[0].At.Equal(want.At) {
		t.Errorf("flags %+v, %v, want %+v", flags, err, want)
	}
}

// Two people look at one reading: who only raises a flag must not undo what the other decided.
func TestFlagAloneLeavesAReviewMadeMeanwhile(t *testing.T) {
	t.Parallel()
	b, s := reviewing()
	made := b.create(t, by("u", "", "body")).Point
	s.between = func(m *memstore.Store) {
		p := made.Reviewed(point.Approved, "fine", b.now)
		if err := m.Review(t.Context(), &p, nil); err != nil {
			t.Errorf("review: %v", err)
		}
	}
	if _, err := b.Review(t.Context(), by("u", "", ""), made.ID, intake.Opinion{Flag: quality.DataQuality, Reason: "looks odd"}); err != nil {
		t.Fatalf("flag: %v", err)
	}
	if got, err := s.Point(t.Context(), made.ID); err != nil || got.Status != point.Approved || got.ReviewNotes != "fine" {
		t.Errorf("got %+v, %v", got, err)
	}
	if flags, err := s.Flags(t.Context(), made.ID); err != nil || len(flags) != 1 {
		t.Errorf("flags %+v, %v", flags, err)
	}
}

func TestReviewsThatAreRefused(t *testing.T) {
	t.Parallel()
	b, _ := reviewing()
	made := b.create(t, by("u", "", "body")).Point
	for _, c := range []struct {
		name    string
		opinion intake.Opinion
		want    string
	}{
		{"nothing", intake.Opinion{}, "status required"},
		{"notes and a reason alone", intake.Opinion{Notes: "n", Reason: "reason"}, "status required"},
		{"unknown status", intake.Opinion{Status: "good"}, "status enum"},
		{"unknown flag", intake.Opinion{Flag: quality.OutsideZone, Reason: "reason"}, "flag enum"},
		{"short reason", intake.Opinion{Flag: quality.DataQuality, Reason: "жжжж"}, "reason length"},
		{"long reason", intake.Opinion{Flag: quality.DataQuality, Reason: strings.Repeat("ж", 501)}, "reason length"},
		{"notes that belong to nothing", intake.Opinion{Flag: quality.DataQuality, Reason: "reason", Notes: "n"}, "notes requires"},
		{"reason that belongs to nothing", intake.Opinion{Status: point.Approved, Reason: "reason"}, "reason requires"},
		{"all at once", intake.Opinion{Status: "good", Notes: strings.Repeat("x", 1001), Flag: "mine"}, "status enum, notes max_length, flag enum, reason length"},
	} {
		if _, err := b.Review(t.Context(), by("u", "", ""), made.ID, c.opinion); broken(err) != c.want || job.CodeOf(err) != job.InvalidField {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if got, err := b.store.Point(t.Context(), made.ID); err != nil || got.Status != point.Pending {
		t.Errorf("a refused review changed %+v, %v", got, err)
	}
}

// What is another's, and what is nowhere, answer alike and stay as they are.
func TestReviewOfAnother(t *testing.T) {
	t.Parallel()
	b, _ := reviewing()
	theirs := b.create(t, by("them", "", "body")).Point
	for _, id := range []string{theirs.ID, job.DerivedID("nowhere"), "", "x", strings.Repeat("x", 5000)} {
		got, err := b.Review(t.Context(), by("u", "", ""), id, intake.Opinion{Status: point.Approved})
		if job.CodeOf(err) != job.NotFound || got.ID != "" || !strings.Contains(err.Error(), "no data point") {
			t.Errorf("%.40q: got %+v, %v", id, got, err)
		}
	}
	if got, err := b.store.Point(t.Context(), theirs.ID); err != nil || got.Status != point.Pending {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSetZones(t *testing.T) {
	t.Parallel()
	square := quality.Zone{Name: "a", Ring: [][2]float64{{1, 1}, {1, 2}, {2, 2}, {2, 1}}}
	bad := quality.Zone{Name: "", Ring: square.Ring}
	circle := quality.Zone{Name: "c"}
	for i := range quality.MaxCorners {
		at := 2 * math.Pi * float64(i) / quality.MaxCorners
		circle.Ring = append(circle.Ring, [2]float64{math.Cos(at), math.Sin(at)})
	}
	many := func(z quality.Zone, n int) (all []quality.Zone) {
		for range n {
			all = append(all, z)
		}
		return all
	}
	for _, c := range []struct {
		name, campaign string
		zones          []quality.Zone
		want           string
	}{
		{"none", "coast", nil, ""},
		{"most", "coast", many(square, intake.MaxZones), ""},
		{"most corners", "coast", many(circle, 10), ""},
		{"one zone too many", "coast", many(square, intake.MaxZones+1), "zones max_items"},
		{"too many corners together", "coast", many(circle, 11), "zones max_items"},
		{"not a number", "coast", []quality.Zone{{Name: "a", Ring: [][2]float64{{math.NaN(), 1}, {1, 2}, {2, 2}}}}, "zones[0].ring[0] finite"},
		{"no number at all", "coast", []quality.Zone{square, {Name: "a", Ring: [][2]float64{{1, 1}, {1, math.Inf(1)}, {2, 2}}}}, "zones[1].ring[1] finite"},
		{"no campaign", "", nil, "id length"},
		{"long campaign", strings.Repeat("ж", 65), nil, "id length"},
		{"no name", "coast", []quality.Zone{square, bad}, "zones[1].name required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, s := reviewing()
			if err := b.SetZones(t.Context(), by("u", "", ""), c.campaign, c.zones); broken(err) != c.want || (err == nil) != (c.want == "") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got, err := s.Zones(t.Context(), "u", c.campaign); err != nil || c.want != "" && len(got) > 0 || c.want == "" && len(got) != len(c.zones) {
				t.Errorf("%d zones are stored, %v", len(got), err)
			}
		})
	}
}

// However many rules are broken, an answer names a score of them.
func TestZonesAllWrong(t *testing.T) {
	t.Parallel()
	b, _ := reviewing()
	err := b.SetZones(t.Context(), by("u", "", ""), "coast", make([]quality.Zone, intake.MaxZones))
	if n := strings.Count(broken(err), ",") + 1; n != 20 {
		t.Errorf("%d violations, want 20", n)
	}
}

func TestSetPreferences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   job.Preferences
		want string
	}{
		{"nothing", job.Preferences{}, ""},
		{"everything", job.Preferences{Muted: job.NoticeTypes(), URL: "https://a.example", Topic: true}, ""},
		{"unknown type", job.Preferences{Muted: []string{"enrichment.partial", "batch.finally"}}, "muted[1] enum"},
		{"too many", job.Preferences{Muted: append(job.NoticeTypes(), "enrichment.partial")}, "muted max_items"},
		{"bad URL", job.Preferences{URL: "ftp://a.example"}, "webhook_url url"},
		{"both", job.Preferences{Muted: []string{""}, URL: "x"}, "muted[0] enum, webhook_url url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, s := reviewing()
			err := b.SetPreferences(t.Context(), by("u", "", ""), c.in)
			if broken(err) != c.want || (err == nil) != (c.want == "") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			got, err := s.Preferences(t.Context(), "u")
			if err != nil || got.URL != "" && c.want != "" || c.want == "" && (got.URL != c.in.URL || got.Topic != c.in.Topic || len(got.Muted) != len(c.in.Muted)) {
				t.Errorf("stored %+v, %v", got, err)
			}
		})
	}
	b, _ := reviewing()
	err := b.SetPreferences(t.Context(), by("u", "", ""), job.Preferences{Muted: strings.Split(strings.Repeat("x,", 5000), ",")})
	if n := strings.Count(broken(err), ",") + 1; n != 20 || len(err.Error()) > 1000 {
		t.Errorf("%s violations in %d bytes", strconv.Itoa(n), len(err.Error()))
	}
}

// A table that does not answer is no success.
func TestReviewsOfATableThatIsGone(t *testing.T) {
	t.Parallel()
	b, s := reviewing()
	made := b.create(t, by("u", "", "body")).Point
	s.err = errShelf
	for _, o := range []intake.Opinion{{Status: point.Approved}, {Flag: quality.DataQuality, Reason: "reason"}} {
		if _, err := b.Review(t.Context(), by("u", "", ""), made.ID, o); !errors.Is(err, errShelf) || !strings.HasPrefix(err.Error(), "store review") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for what, err := range map[string]error{
		"store zones":       b.SetZones(t.Context(), by("u", "", ""), "coast", nil),
		"store preferences": b.SetPreferences(t.Context(), by("u", "", ""), job.Preferences{}),
	} {
		if !errors.Is(err, errShelf) || !strings.HasPrefix(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/worker"
)

// reviewRules: a person has the last word, and says it about the reading that was seen.
func reviewRules() []rule {
	return []rule{
		{"a review replaces the one before as a whole", reviewsAnew},
		{"a review of a reading that has changed, or is gone, is refused and leaves nothing", reviewsStale},
		{"a flag alone leaves the review that was made in the meantime", raisesAlone},
		{"flags of people are kept each once, the oldest first, whatever the rules say", flagsOfPeople},
		{"zones are those of one owner's campaign, whatever the names, and replaced", zonesOfACampaign},
	}
}

// review stores a person's review.
func review(t *testing.T, s Store, p *point.Point, f *quality.Flag) {
	t.Helper()
	if err := s.Review(context.Background(), p, f); err != nil {
		t.Fatalf("review: %v", err)
	}
	readingRow(t, s, p)
}

// reviewsAnew: no word of an earlier review may stand beside a later one.
func reviewsAnew(t *testing.T, s Store) {
	p := reading(t, s, nil)
	for i, c := range []struct {
		status point.Status
		notes  string
	}{{point.Rejected, "wrong \u00e6"}, {point.Approved, ""}, {point.Rejected, "again"}, {point.Pending, ""}, {point.Pending, ""}, {point.Approved, "fine"}} {
		p = p.Reviewed(c.status, c.notes, start().Add(time.Duration(i)*time.Minute))
		review(t, s, &p, nil)
	}
}

// reviewsStale: nobody has seen the reading as it is now.
func reviewsStale(t *testing.T, s Store) {
	p := reading(t, s, nil)
	other, gone := p.Reviewed(point.Approved, "", start()), newPoint(t)
	other.Revision++
	for name, stale := range map[string]*point.Point{"another revision": &other, "no point": &gone} {
		f := quality.Flag{Type: quality.ManualReview, Reason: "why", At: start()}
		if err := s.Review(context.Background(), stale, &f); job.CodeOf(err) != job.StateConflict {
			t.Errorf("%s: review: %v", name, err)
		}
		if err := s.Raise(context.Background(), stale, &f); job.CodeOf(err) != job.StateConflict {
			t.Errorf("%s: raise: %v", name, err)
		}
		if flags, err := s.Flags(context.Background(), stale.ID); err != nil || len(flags) != 0 {
			t.Errorf("%s: flags %+v, %v", name, flags, err)
		}
	}
	readingRow(t, s, &p)
	if _, err := s.Point(context.Background(), gone.ID); job.CodeOf(err) != job.NotFound {
		t.Errorf("the point is there: %v", err)
	}
}

// raisesAlone: whoever raises a flag has not seen the review, and must not undo it.
func raisesAlone(t *testing.T, s Store) {
	before := reading(t, s, nil)
	after := before.Reviewed(point.Approved, "fine", start())
	review(t, s, &after, nil)
	f := quality.Flag{Type: quality.ManualReview, Reason: "why", Severity: quality.Warning, At: start()}
	if err := s.Raise(context.Background(), &before, &f); err != nil {
		t.Fatalf("raise: %v", err)
	}
	readingRow(t, s, &after)
	if flags, err := s.Flags(context.Background(), before.ID); err != nil || !reflect.DeepEqual(flags, []quality.Flag{f}) {
		t.Errorf("flags %+v, %v", flags, err)
	}
}

// flagsOfPeople: an analysis must not write over what a person said.
func flagsOfPeople(t *testing.T, s Store) {
	p, held := analysing(t, s, nil)
	flag := func(kind, reason string, minute int) *quality.Flag {
		return &quality.Flag{Type: kind, Reason: reason, Severity: quality.Warning, At: start().Add(time.Duration(minute) * time.Minute)}
	}
	late, early, other := flag(quality.DataQuality, "late", 3), flag(quality.DataQuality, "early", 1), flag(quality.ManualReview, "late", 2)
	for _, f := range []*quality.Flag{late, early, other, early} {
		review(t, s, &p, f)
	}
	record(t, s, &held, judged(&held), nil, worker.Written)
	got, err := s.Flags(context.Background(), p.ID)
	if want := []quality.Flag{*early, *other, *late}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	said(t, s, &held, judged(&held))
}

// zonesOfACampaign: owners and campaigns name themselves; one must not reach another's by
// the way it is written.
func zonesOfACampaign(t *testing.T, s Store) {
	ctx, u := context.Background(), "u-"+id(t)
	names := [][2]string{{u, "c"}, {u + "#c", "d"}, {u, "c#d"}, {u, "c%23d"}, {u + "%23c", "d"}, {u, ""}}
	zone := func(n int) []quality.Zone {
		return []quality.Zone{{Name: fmt.Sprint("zone ", n), Ring: [][2]float64{{0, 0}, {0.1, 0}, {float64(n), 1}}}}
	}
	for i, n := range names {
		if got, err := s.Zones(ctx, n[0], n[1]); err != nil || len(got) != 0 {
			t.Errorf("%v before: %+v, %v", n, got, err)
		}
		for _, version := range []int{100, i} {
			if err := s.SaveZones(ctx, n[0], n[1], zone(version)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, n := range names {
		if got, err := s.Zones(ctx, n[0], n[1]); err != nil || !reflect.DeepEqual(got, zone(i)) {
			t.Errorf("%v: %+v, %v", n, got, err)
		}
	}
}

// findRules: an owner's readings are found by what they are of.
func findRules() []rule {
	return []rule{
		{"points are found by campaign, metric and time, both bounds inclusive", findsByFilter},
		{"names of campaigns and metrics may hold any character, and be as long as they may", findsByAnyName},
		{"few of many points of a metric are the newest", findsNewest},
		{"peers are the approved readings of one campaign and metric before a reading", findsPeers},
		{"points are read by their ids in any number; those that are gone, or named twice, do not harm", readsPoints},
	}
}

// found demands which points a filter chooses, in any order.
func found(t *testing.T, s Store, owner string, f flow.Filter, want ...string) {
	t.Helper()
	points, err := s.FindPoints(context.Background(), owner, f, all)
	got := idsOf(points)
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v: found %v, %v\nwant %v", f, got, err, want)
	}
}

// idsOf returns the ids of points.
func idsOf(points []point.Point) []string {
	ids := make([]string, 0, len(points))
	for i := range points {
		ids = append(ids, points[i].ID)
	}
	return ids
}

// findsByFilter: the readings of many years, some of them older than clocks that count
// from 1970.
func findsByFilter(t *testing.T, s Store) {
	owner := "u-" + id(t)
	times := []time.Time{
		time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(1911, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999e6, time.UTC),
		time.Unix(0, 0).UTC(), start().Add(-time.Millisecond), start(), start().Add(time.Millisecond),
	}
	ids := make([]string, len(times))
	for i := range times {
		p := reading(t, s, func(p *point.Point) { p.Owner, p.CollectedAt, p.Status = owner, times[i], point.Pending })
		ids[i] = p.ID
	}
	metric := reading(t, s, func(p *point.Point) { p.Owner, p.MetricID = owner, "pm" })
	reading(t, s, func(p *point.Point) { p.Owner, p.CampaignID = owner, "another" })
	reading(t, s, func(p *point.Point) { p.Owner, p.CampaignID = owner, "" })
	reading(t, s, nil)
	for from := range times {
		for until := range times {
			want := []string(nil)
			if from <= until {
				want = slices.Clone(ids[from : until+1])
			}
			found(t, s, owner, flow.Filter{Campaign: "c", Metric: "pm25", From: times[from], Until: times[until]}, want...)
		}
	}
	found(t, s, owner, flow.Filter{Campaign: "c", Metric: "pm25", From: times[4]}, slices.Clone(ids[4:])...)
	found(t, s, owner, flow.Filter{Campaign: "c", Metric: "pm25", Until: times[2]}, slices.Clone(ids[:3])...)
	found(t, s, owner, flow.Filter{Campaign: "c", Metric: "pm25"}, slices.Clone(ids)...)
	found(t, s, owner, flow.Filter{Campaign: "c", Metric: "pm"}, metric.ID)
	found(t, s, owner, flow.Filter{Campaign: "c", From: times[5]}, metric.ID, ids[5], ids[6])
	found(t, s, owner, flow.Filter{Campaign: "c"}, append(slices.Clone(ids), metric.ID)...)
	found(t, s, owner, flow.Filter{Campaign: "nowhere"})
	found(t, s, "u-"+id(t), flow.Filter{Campaign: "c"})
}

// findsByAnyName: a name that looks like the end of another, or like its escape.
func findsByAnyName(t *testing.T, s Store) {
	owner := "u-" + id(t)
	long := strings.Repeat("\U0001F33E", point.MaxReference)
	names := []string{"a", "a#b", "a%23b", "a%", "a%25", "#", "~", "a~", "a b", "a+b", "\u00e6", long, strings.Repeat("#", point.MaxReference)}
	ids := map[string]string{}
	for _, name := range names {
		p := reading(t, s, func(p *point.Point) { p.Owner, p.CampaignID, p.MetricID = owner, name, name })
		ids[name] = p.ID
	}
	nothing := reading(t, s, func(p *point.Point) { p.Owner, p.CampaignID, p.MetricID = owner, "a", "" })
	for _, name := range names {
		want := []string{ids[name]}
		found(t, s, owner, flow.Filter{Campaign: name, Metric: name, From: start(), Until: start()}, want...)
		if name == "a" {
			want = append(want, nothing.ID)
		}
		found(t, s, owner, flow.Filter{Campaign: name}, want...)
	}
}

// findsNewest: what a reading is compared with is bounded, and the latest tells most.
func findsNewest(t *testing.T, s Store) {
	owner, ids := "u-"+id(t), make([]string, 0, 12)
	for i := range 12 {
		p := reading(t, s, func(p *point.Point) { p.Owner, p.CollectedAt = owner, start().Add(-time.Duration(i*7%12)*time.Hour) })
		ids = append(ids, fmt.Sprintf("%02d%s", i*7%12, p.ID))
	}
	slices.Sort(ids)
	points, err := s.FindPoints(context.Background(), owner, flow.Filter{Campaign: "c", Metric: "pm25"}, 5)
	got := idsOf(points)
	for i := range got {
		got[i] = fmt.Sprintf("%02d%s", i, got[i])
	}
	if err != nil || !slices.Equal(got, ids[:5]) {
		t.Errorf("got %v, %v\nwant %v", got, err, ids[:5])
	}
}

// findsPeers: a reading is no peer of itself, and nobody knows what comes after it.
func findsPeers(t *testing.T, s Store) {
	owner, window := "u-"+id(t), 30*24*time.Hour
	subject := reading(t, s, func(p *point.Point) { p.Owner = owner })
	var want []float64
	for i, c := range []struct {
		age  time.Duration
		edit func(*point.Point)
		peer bool
	}{
		{0, nil, true},
		{window, nil, true},
		{window + time.Millisecond, nil, false},
		{-time.Millisecond, nil, false},
		{time.Hour, func(p *point.Point) { p.Status = point.Pending }, false},
		{time.Hour, func(p *point.Point) { p.Status = point.Rejected }, false},
		{time.Hour, func(p *point.Point) { p.MetricID = "other" }, false},
		{time.Hour, func(p *point.Point) { p.CampaignID = "other" }, false},
		{time.Hour, func(p *point.Point) { p.Owner = "u-" + id(t) }, false},
	} {
		p := reading(t, s, func(p *point.Point) {
			p.Owner, p.Status, p.Value, p.CollectedAt = owner, point.Approved, float64(i), start().Add(-c.age)
			if c.edit != nil {
				c.edit(p)
			}
		})
		if c.peer {
			want = append(want, p.Value)
		}
	}
	got, err := s.Peers(context.Background(), &subject, window)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("peers %v, %v, want %v", got, err, want)
	}
	subject.CampaignID = ""
	if got, err := s.Peers(context.Background(), &subject, window); err != nil || len(got) != 0 {
		t.Errorf("peers without a campaign: %v, %v", got, err)
	}
}

// readsPoints: a hundred are what one request reads.
func readsPoints(t *testing.T, s Store) {
	var ids, want []string
	for range 150 {
		p := reading(t, s, nil)
		want = append(want, p.ID)
		ids = append(ids, p.ID, id(t), p.ID)
	}
	for _, c := range []struct{ ids, want []string }{{ids, want}, {nil, nil}, {[]string{id(t)}, nil}, {want[:1], want[:1]}} {
		points, err := s.Points(context.Background(), c.ids)
		got := idsOf(points)
		slices.Sort(got)
		expected := slices.Clone(c.want)
		slices.Sort(expected)
		if err != nil || !slices.Equal(got, expected) {
			t.Errorf("%d points, %v, want %d", len(got), err, len(expected))
		}
	}
	p := reading(t, s, nil)
	if got, err := s.Points(context.Background(), []string{p.ID}); err != nil || !reflect.DeepEqual(got, []point.Point{p}) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, p)
	}
}

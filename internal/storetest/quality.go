package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/worker"
)

// verdicts are the ports on what rules and people say about readings.
type verdicts interface {
	kinds.Readings
	kinds.Audience
	// Flags returns what people say about a point, the oldest first.
	Flags(ctx context.Context, point string) ([]quality.Flag, error)
	// Review stores a point's review, and a flag if one is given.
	Review(ctx context.Context, p *point.Point, f *quality.Flag) error
	// Raise stores a flag on a point, and leaves its review.
	Raise(ctx context.Context, p *point.Point, f *quality.Flag) error
	// SaveZones replaces the zones of an owner's campaign.
	SaveZones(ctx context.Context, owner, campaign string, zones []quality.Zone) error
}

// reading stores a new point, with the job that comes with it; edit changes the point before.
func reading(t *testing.T, s Store, edit func(*point.Point)) point.Point {
	t.Helper()
	p, j := newPoint(t), newJob(t, nil)
	if edit != nil {
		edit(&p)
	}
	j.Point = p.ID
	if _, _, existed, err := s.AcceptPoint(context.Background(), &p, &j); err != nil || existed {
		t.Fatalf("accept point: existed %v, %v", existed, err)
	}
	return p
}

// readingRow demands what is stored of a point.
func readingRow(t *testing.T, s Store, want *point.Point) {
	t.Helper()
	if got, err := s.Point(context.Background(), want.ID); err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("point %+v, %v\nwant %+v", got, err, want)
	}
}

// judged returns what the rules say about a job's point.
func judged(j *job.Job) *quality.Record {
	return &quality.Record{
		Point: j.Point, Revision: j.Revision, RuleVersion: quality.RuleVersion, Score: 60, Recommendation: quality.Reject, Outcome: job.Clouded, At: start(), Job: j.ID,
		Flags: []quality.Flag{{Type: quality.HighGPSError, Reason: "too rough", Severity: quality.Error, Automatic: true, At: start(), Details: map[string]float64{"accuracy": 81.5}}},
	}
}

// record ends a job with what it came to and demands an answer.
func record(t *testing.T, s Store, held *job.Job, q *quality.Record, n *job.Notice, want worker.Settlement) job.Job {
	t.Helper()
	ended := job.Ended(*held, job.Analysed, report(start()))
	got, err := s.Record(context.Background(), held, &ended, q, n)
	if err != nil || got != want {
		t.Fatalf("record: %d, %v, want %d", got, err, want)
	}
	return ended
}

// said demands what is stored of the rules' verdict on a revision; nil for none.
func said(t *testing.T, s Store, j *job.Job, want *quality.Record) {
	t.Helper()
	if got, err := s.Quality(context.Background(), j.Point, j.Revision); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("quality %+v, %v\nwant %+v", got, err, want)
	}
}

// analysing stores a point and a job about it, and claims the job.
func analysing(t *testing.T, s Store, edit func(*job.Job)) (point.Point, job.Job) {
	t.Helper()
	p := reading(t, s, nil)
	return p, running(t, s, func(j *job.Job) {
		if edit != nil {
			edit(j)
		}
		j.Kind, j.Point, j.Revision = kinds.AnalyzeName, p.ID, p.Revision
	})
}

// recordRules: what a job came to is written with its end, or not at all.
func recordRules() []rule {
	return []rule{
		{"a verdict is written together with the end of its job, and bills nothing", recordsTogether},
		{"a verdict that is recorded again after a lost reply changes nothing", recordsOnce},
		{"a verdict on another revision, or on a point that is gone, is a duplicate", recordsOtherRevision},
		{"whoever lost the lease records nothing", recordsUnderLease},
		{"a verdict replaces an earlier one of the same revision", recordsAnew},
		{"rules that approve by themselves approve what is pending, and nothing else", approvesPending},
		{"a recorded end frees the unique key", recordFreesKey},
		{"a notice is recorded with its job, and a second one of the same words is a duplicate", recordsNotice},
	}
}

// recordsTogether: an analysis of ours costs the provider nothing, so a unit that was held
// for it goes back.
func recordsTogether(t *testing.T, s Store) {
	p, held := analysing(t, s, limited("u-"+id(t), 2))
	said(t, s, &held, nil)
	q := judged(&held)
	ended := record(t, s, &held, q, nil, worker.Written)
	said(t, s, &held, q)
	if got := row(t, s, held.ID); !reflect.DeepEqual(got, ended) || got.UsageKey != "" {
		t.Errorf("row %+v\nwant %+v", got, ended)
	}
	if m := meter(t, s, &held); m != (job.Meter{}) {
		t.Errorf("meter %+v", m)
	}
	readingRow(t, s, &p)
}

// recordsOnce: the effect is there, and the caller does not know.
func recordsOnce(t *testing.T, s Store) {
	_, held := analysing(t, s, limited("u-"+id(t), 2))
	ended := record(t, s, &held, judged(&held), nil, worker.Written)
	got, err := s.Record(context.Background(), &held, &ended, judged(&held), nil)
	if err != nil || got != worker.Written && got != worker.Superseded {
		t.Errorf("got %d, %v", got, err)
	}
	if m := meter(t, s, &held); m != (job.Meter{}) {
		t.Errorf("meter %+v", m)
	}
}

// recordsOtherRevision: the reading changed while it was judged.
func recordsOtherRevision(t *testing.T, s Store) {
	_, held := analysing(t, s, nil)
	other := judged(&held)
	other.Revision++
	// The reading must not be approved on the word of rules that saw another one.
	other.AutoApproved = true
	record(t, s, &held, other, nil, worker.Duplicate)
	if q, err := s.Quality(context.Background(), other.Point, other.Revision); err != nil || q != nil {
		t.Errorf("quality %+v, %v", q, err)
	}
	if got := row(t, s, held.ID); !reflect.DeepEqual(got, held) {
		t.Errorf("row %+v\nwant %+v", got, held)
	}
	gone := running(t, s, nil)
	record(t, s, &gone, judged(&gone), nil, worker.Duplicate)
	said(t, s, &gone, nil)
	if _, err := s.Point(context.Background(), gone.Point); job.CodeOf(err) != job.NotFound {
		t.Errorf("the point is back: %v", err)
	}
}

// recordsUnderLease: as for an analysis of the provider's.
func recordsUnderLease(t *testing.T, s Store) {
	p, held := analysing(t, s, nil)
	taken := claim(t, s, request(held.Message(), "taker", start().Add(2*time.Minute)), job.Run)
	q, n := judged(&held), newNotice(t)
	q.AutoApproved = true
	record(t, s, &held, q, nil, worker.LeaseLost)
	record(t, s, &held, nil, &n, worker.LeaseLost)
	said(t, s, &held, nil)
	readingRow(t, s, &p)
	if got := row(t, s, held.ID); !reflect.DeepEqual(got, taken) {
		t.Errorf("row %+v\nwant %+v", got, taken)
	}
	if _, err := s.Notice(context.Background(), n.Owner, n.ID); job.CodeOf(err) != job.NotFound || len(pending(t, s, n.ID)) != 0 {
		t.Errorf("the notice is there: %v", err)
	}
	// Superseded, not lost: the worker may acknowledge, because nothing is left to do.
	amend(t, s, held.ID, cancelAt(later()), "")
	record(t, s, &taken, q, nil, worker.Superseded)
	said(t, s, &held, nil)
}

// recordsAnew: new rules judge old readings again.
func recordsAnew(t *testing.T, s Store) {
	_, first := analysing(t, s, nil)
	record(t, s, &first, judged(&first), nil, worker.Written)
	second := running(t, s, func(j *job.Job) { j.Point = first.Point })
	better := judged(&second)
	// No flag at all: an old one that is merged instead of replaced would stay for ever.
	better.Flags, better.Score, better.Recommendation = []quality.Flag{}, 100, quality.Approve
	record(t, s, &second, better, nil, worker.Written)
	said(t, s, &second, better)
}

// approvesPending: what a person has decided is not for rules to change.
func approvesPending(t *testing.T, s Store) {
	for _, c := range []struct {
		name   string
		before point.Status
		want   point.Status
	}{{"pending", point.Pending, point.Approved}, {"rejected", point.Rejected, point.Rejected}, {"approved", point.Approved, point.Approved}} {
		p, held := analysing(t, s, nil)
		if c.before != point.Pending {
			// With words, which an approval by rules would wipe out.
			p = p.Reviewed(c.before, "a person", start().Add(-time.Hour))
			if err := s.Review(context.Background(), &p, nil); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		q := judged(&held)
		q.AutoApproved = true
		record(t, s, &held, q, nil, worker.Written)
		if c.before == point.Pending {
			p = p.Reviewed(point.Approved, "", start())
		} else {
			q.AutoApproved = false // it was not the rules who decided
		}
		if p.Status != c.want {
			t.Fatalf("%s: %s", c.name, p.Status)
		}
		readingRow(t, s, &p)
		said(t, s, &held, q)
	}
}

// recordFreesKey: nothing else would ever free it.
func recordFreesKey(t *testing.T, s Store) {
	owner := "u-" + id(t)
	_, held := analysing(t, s, unique(owner, "k"))
	record(t, s, &held, judged(&held), nil, worker.Written)
	if got, fresh := holder(t, s, owner); !fresh {
		t.Errorf("the key is held by %+v", got)
	}
}

// recordsNotice: nobody is told twice, and the second job ends all the same, in another
// way.
func recordsNotice(t *testing.T, s Store) {
	n := newNotice(t)
	first, second := running(t, s, limited("u-"+id(t), 2)), running(t, s, nil)
	ended := record(t, s, &first, nil, &n, worker.Written)
	if got := row(t, s, first.ID); !reflect.DeepEqual(got, ended) || meter(t, s, &first) != (job.Meter{}) {
		t.Errorf("row %+v\nwant %+v, meter %+v", got, ended, meter(t, s, &first))
	}
	if got, err := s.Notice(context.Background(), n.Owner, n.ID); err != nil || !reflect.DeepEqual(got, n) || len(pending(t, s, n.ID)) != 2 {
		t.Errorf("notice %+v, %v", got, err)
	}
	for _, e := range n.Events() {
		if err := s.MarkDelivered(context.Background(), e.ID, later()); err != nil {
			t.Fatal(err)
		}
	}
	record(t, s, &second, nil, &n, worker.Duplicate)
	if got := row(t, s, second.ID); !reflect.DeepEqual(got, second) || len(pending(t, s, n.ID)) != 0 {
		t.Errorf("row %+v, events %+v", got, pending(t, s, n.ID))
	}
	conclude(t, s, &second, job.Ended(second, job.AlreadyDone, report(start())), worker.Written)
}

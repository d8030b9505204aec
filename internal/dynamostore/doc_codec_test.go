package dynamostore

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
)

// tracks are tracks with any values.
func tracks() *rapid.Generator[job.Track] {
	return rapid.Custom(func(t *rapid.T) job.Track {
		n := rapid.IntRange(0, 1<<30)
		return job.Track{
			Key: texts().Draw(t, "key"), Point: texts().Draw(t, "point"), Revision: n.Draw(t, "rev"), Steps: rapid.SliceOfN(texts(), 1, 3).Draw(t, "steps"),
			At: n.Draw(t, "at"), State: job.TrackState(texts().Draw(t, "state")), Round: n.Draw(t, "round"), Least: n.Draw(t, "least"),
			Outcome: job.Outcome(texts().Draw(t, "outcome")), Code: job.Code(texts().Draw(t, "code")), Reason: texts().Draw(t, "reason"), Finished: times().Draw(t, "finished"),
		}
	})
}

// accounts are payers with any values.
func accounts() *rapid.Generator[job.Account] {
	return rapid.Custom(func(t *rapid.T) job.Account {
		return job.Account{Owner: texts().Draw(t, "owner"), Tier: texts().Draw(t, "tier"), Anchor: times().Draw(t, "anchor"), Limit: rapid.IntRange(-1, 100).Draw(t, "limit")}
	})
}

// back writes a document and reads it again, and returns its row.
func back[T any](t *rapid.T, d kept[T], v T) item {
	w, err := d.row(&v)
	if err != nil {
		t.Fatalf("encode %s: %v", d.what, err)
	}
	got, err := undocument[T](item(w))
	if err != nil || !reflect.DeepEqual(got, v) {
		t.Fatalf("got %+v, %v\nwant %+v", got, err, v)
	}
	if !reflect.DeepEqual(w["pk"], d.key["pk"]) || !reflect.DeepEqual(w["sk"], d.key["sk"]) {
		t.Fatalf("written to %v, read from %v", w["pk"], d.key["pk"])
	}
	return item(w)
}

// indexed demands where the row of a chain or batch is found, and when it expires.
func indexed(t *rapid.T, row item, list string, look, finished time.Time) {
	r := reader(row)
	if r.str("own") != list {
		t.Fatalf("listed in %q, want %q", r.str("own"), list)
	}
	if open := r.str("ok") == flowKey && r.time("look").Equal(look); open == look.IsZero() {
		t.Fatalf("look %v, but %v", look, row)
	}
	if expires := r.has("ttl"); expires != look.IsZero() || expires && r.num("ttl") != int(finished.Add(keepFinal).Unix()) {
		t.Fatalf("look %v, finished %v, but %v", look, finished, row)
	}
}

// TestDocumentsComeBackAsTheyWere, and stand where somebody looks for them.
func TestDocumentsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<30)
		c := job.Chain{
			Account: accounts().Draw(t, "account"), Track: tracks().Draw(t, "track"), ID: job.DerivedID(texts().Draw(t, "id")), Queue: texts().Draw(t, "queue"),
			BodyHash: texts().Draw(t, "hash"), Generation: n.Draw(t, "gen"), Created: times().Draw(t, "created"), Look: times().Draw(t, "look"),
		}
		indexed(t, back(t, chainDoc(c.ID), c), chainsOf(c.Owner), c.Look, c.Finished)
		b := job.Batch{
			Account: c.Account, ID: c.ID, Name: texts().Draw(t, "name"), Queue: c.Queue, Steps: c.Steps, AllowFailures: rapid.Bool().Draw(t, "allow"), BodyHash: c.BodyHash,
			Total: n.Draw(t, "total"), Round: n.Draw(t, "round"), Runs: n.Draw(t, "runs"), Stop: job.Stop(texts().Draw(t, "stop")), Caught: rapid.Bool().Draw(t, "caught"),
			Closed: rapid.Bool().Draw(t, "closed"), Ended: job.Counts{Skipped: n.Draw(t, "skipped"), Failed: n.Draw(t, "failed")},
			Calls:   map[string]job.Callback{job.CallThen: {URL: texts().Draw(t, "url"), Notify: rapid.Bool().Draw(t, "notify"), Kind: "k", Point: "p"}},
			Created: c.Created, Began: times().Draw(t, "began"), Finished: times().Draw(t, "finished"), Look: c.Look,
		}
		indexed(t, back(t, batchDoc(b.ID), b), batchesOf(b.Owner), b.Look, b.Finished)
		it := job.Item{Track: tracks().Draw(t, "item")}
		if row := back(t, itemDoc(&b, it.Point), it); reader(row).num("ttl") != int(b.Created.Add(keepItem).Unix()) || reader(row).has("own") || reader(row).has("ok") {
			t.Fatalf("item %v", row)
		}
	})
}

func TestEventsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s := New(Config{Table: "t"})
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<30)
		e := job.Event{
			ID: "e" + texts().Draw(t, "id"), Type: texts().Draw(t, "type"), At: time.UnixMilli(rapid.Int64Range(1, 4e12).Draw(t, "at")).UTC(), Job: texts().Draw(t, "job"),
			Generation: n.Draw(t, "gen"), Kind: texts().Draw(t, "kind"), Owner: texts().Draw(t, "owner"), Point: texts().Draw(t, "point"), Queue: texts().Draw(t, "queue"),
			Code: job.Code(texts().Draw(t, "code")), Reason: texts().Draw(t, "reason"), Print: texts().Draw(t, "print"), Attempts: n.Draw(t, "attempts"),
		}
		row := s.putEvent(e).Put.Item
		if got := decodeEvent(row); got != e {
			t.Fatalf("got %+v\nwant %+v", got, e)
		}
		if r := reader(row); r.str("ok") != eventKey || !r.time("look").Equal(e.At) || r.has("ttl") {
			t.Fatalf("row %v", row)
		}
	})
}

// TestANoticeIsWrittenWithItsEvents: the notice decides, so it comes first, and alone has a
// condition.
func TestANoticeIsWrittenWithItsEvents(t *testing.T) {
	t.Parallel()
	s, now := New(Config{Table: "t"}), time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		n    job.Notice
		want []string
	}{
		{"the inbox alone", job.Notice{}, []string{"USER#u NOTICE#n"}},
		{"a webhook", job.Notice{URL: "https://example.org"}, []string{"USER#u NOTICE#n", "EVENT#n-webhook EVENT"}},
		{"both", job.Notice{URL: "https://example.org", Topic: true}, []string{"USER#u NOTICE#n", "EVENT#n-webhook EVENT", "EVENT#n-topic EVENT"}},
	} {
		c.n.ID, c.n.Owner, c.n.At = "n", "u", now
		puts, err := s.putNotice(&c.n)
		var got []string
		for i, p := range puts {
			r := reader(p.Put.Item)
			got = append(got, r.str("pk")+" "+r.str("sk"))
			if (p.Put.ConditionExpression != nil) != (i == 0) {
				t.Errorf("%s: %d has a condition: %v", c.name, i, p.Put.ConditionExpression != nil)
			}
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
		if r := reader(puts[0].Put.Item); r.str("own") != "NOTICES#u" || r.num("ttl") != int(now.Add(keepNotice).Unix()) {
			t.Errorf("%s: row %v", c.name, r)
		}
	}
}

// TestAnEventOutlivesItsBatch: whoever looks at an ended batch sees what became of its
// callbacks, which were told after its end.
func TestAnEventOutlivesItsBatch(t *testing.T) {
	t.Parallel()
	now, ttl := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), 0
	c := &updates{see: func(in *dynamodb.UpdateItemInput) { ttl = reader(in.ExpressionAttributeValues).num(":ttl") }}
	s := New(Config{Client: c, Table: "t"})
	b := job.Batch{ID: "b", Finished: now}
	row, err := batchDoc("b").row(&b)
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func() error{
		"told":     func() error { return s.MarkDelivered(t.Context(), "e", now) },
		"given up": func() error { return s.MarkFailed(t.Context(), "e", "410", time.Time{}, now) },
	} {
		if err := end(); err != nil || ttl < reader(row).num("ttl") || reader(row).num("ttl") == 0 {
			t.Errorf("%s: the event goes at %d, its batch at %d, %v", name, ttl, reader(row).num("ttl"), err)
		}
	}
}

// updates is a table that shows the updates that it gets.
type updates struct {
	Client

	see func(in *dynamodb.UpdateItemInput)
}

func (u *updates) UpdateItem(_ context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	u.see(in)
	return &dynamodb.UpdateItemOutput{}, nil
}

// TestAReviewSetsOrRemovesAllOfIt, under the revision that was seen.
func TestAReviewSetsOrRemovesAllOfIt(t *testing.T) {
	t.Parallel()
	s, p := New(Config{Table: "t"}), point.Point{ID: "p", Revision: 3}
	for _, c := range []struct {
		status      string
		notes       string
		set, remove []string
	}{
		{"pending", "", nil, []string{"rvat", "rvnotes", "status"}},
		{"approved", "", []string{"rvat", "status"}, []string{"rvnotes"}},
		{"rejected", "why", []string{"rvat", "rvnotes", "status"}, nil},
	} {
		u := s.reviewed(new(p.Reviewed(point.Status(c.status), c.notes, time.UnixMilli(7)))).Update
		set, remove, _ := strings.Cut(*u.UpdateExpression, "REMOVE ")
		for _, name := range c.set {
			if !strings.Contains(set, "#"+name+" = :to_"+name) {
				t.Errorf("%s does not set %s: %s", c.status, name, *u.UpdateExpression)
			}
		}
		for _, name := range c.remove {
			if !strings.Contains(remove, "#"+name) {
				t.Errorf("%s does not remove %s: %s", c.status, name, *u.UpdateExpression)
			}
		}
		if *u.ConditionExpression != "#rev = :if_rev" || !reflect.DeepEqual(u.ExpressionAttributeValues[":if_rev"], num(3)) || len(u.ExpressionAttributeValues) != 1+len(c.set) {
			t.Errorf("%s: %s, %v", c.status, *u.ConditionExpression, u.ExpressionAttributeValues)
		}
	}
}

// TestARowRemembersItsLastWrites, and only so many that it stays small.
func TestARowRemembersItsLastWrites(t *testing.T) {
	t.Parallel()
	next := 0.0
	s := New(Config{Table: "t", Jitter: func() float64 { next += 0.001; return next }})
	row, marks := item(nil), []string{}
	for range 3 * keepMarks {
		w := writer{}
		marks = append(marks, s.mark(w, row))
		row = item(w)
		for i, mark := range marks {
			if want := len(marks)-i <= keepMarks; marked(row, mark) != want {
				t.Fatalf("after %d writes: mark %d is there: %v", len(marks), i, !want)
			}
		}
	}
	if marked(nil, marks[0]) || marked(item{}, "") {
		t.Error("a row without marks has one")
	}
	if n := len(reader(row).str("rm")); n > 10*keepMarks {
		t.Errorf("the marks have %d bytes", n)
	}
}

// TestItemsStaySmall: an item costs one write unit, also when it has failed with a long
// reason and was written often.
func TestItemsStaySmall(t *testing.T) {
	t.Parallel()
	b := job.Batch{ID: job.DerivedID("b"), BodyHash: strings.Repeat("h", 64), Steps: []string{"enrich", "analyze", "notify"}}
	it := b.Item(job.DerivedID("p"), 1)
	it.State, it.Outcome, it.Code, it.Reason, it.Finished = job.TrackFailed, job.NotYetAvailable, job.ProviderUnavailable, strings.Repeat("r", 200), time.Unix(1_800_000_000, 123).UTC()
	w, err := itemDoc(&b, it.Point).row(&it)
	if err != nil {
		t.Fatal(err)
	}
	w.str("rm", strings.Repeat("12345678 ", keepMarks))
	if size := sizeOf(&types.AttributeValueMemberM{Value: item(w)}); size > 1024 {
		t.Errorf("an item has %d bytes", size)
	}
}

// TestVerdictsComeBackAsTheyWere: no flags are not the same as nothing said.
func TestVerdictsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, q := range []quality.Record{
		{Point: "p", Flags: []quality.Flag{}},
		{
			Point: "p", Revision: 2, RuleVersion: "v", Score: 85, Recommendation: quality.Review, AutoApproved: true, Outcome: job.Partial, Job: "j",
			Flags: []quality.Flag{{Type: quality.OutsideZone, Reason: "r", Severity: quality.Error, Automatic: true, At: time.Unix(1, 5).UTC(), Details: map[string]float64{"x": 0.1}}},
		},
	} {
		w, err := document(qualityKey(q.Point, q.Revision), q)
		got, err2 := undocument[quality.Record](item(w))
		if err != nil || err2 != nil || !reflect.DeepEqual(got, q) {
			t.Errorf("got %+v, %v %v\nwant %+v", got, err, err2, q)
		}
	}
}

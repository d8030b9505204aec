package dynamostore_test

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/dynamostore"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/storetest"
	"orbitq/internal/worker"
)

// text is a text as a row has it.
func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// library is a table of which every row is the same document.
type library struct {
	down

	row row
}

func (l library) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{Item: l.row}, nil
}

func (l library) Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return &dynamodb.QueryOutput{Items: []row{l.row}}, nil
}

func (l library) BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return &dynamodb.BatchGetItemOutput{Responses: map[string][]row{"t": {l.row}}}, nil
}

func (l library) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return nil, &types.ConditionalCheckFailedException{Item: l.row}
}

// TestDocumentsThatCannotBeRead are errors, and never taken for empty ones: a batch without
// its total would close at once.
func TestDocumentsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	ctx, b := t.Context(), job.Batch{ID: "b"}
	s := on(library{row: row{"pk": text("X#y"), "sk": text("FLAG#1"), "doc": text("{"), "rm": text("another")}})
	for name, read := range map[string]func() error{
		"accept chain": func() error { _, _, err := s.AcceptChain(ctx, &job.Chain{Look: noon()}); return err },
		"chain":        func() error { _, err := s.Chain(ctx, "c"); return err },
		"amend chain":  func() error { _, err := s.AmendChain(ctx, "c", keep[job.Chain]); return err },
		"chains":       func() error { _, _, err := s.OwnChains(ctx, "u", "", 1); return err },
		"batches":      func() error { _, _, err := s.OwnBatches(ctx, "u", "", 1); return err },
		"accept batch": func() error { _, _, err := s.AcceptBatch(ctx, &b, nil); return err },
		"items":        func() error { _, _, err := s.Items(ctx, &b, "", 1); return err },
		"notice":       func() error { _, err := s.Notice(ctx, "u", "n"); return err },
		"notices":      func() error { _, _, err := s.Notices(ctx, "u", "", 1); return err },
		"preferences":  func() error { _, err := s.Preferences(ctx, "u"); return err },
		"quality":      func() error { q, err := s.Quality(ctx, "p", 1); _ = q; return err },
		"flags":        func() error { _, err := s.Flags(ctx, "p"); return err },
		"zones":        func() error { _, err := s.Zones(ctx, "u", "c"); return err },
	} {
		if err := read(); err == nil || !strings.Contains(err.Error(), "decode row") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatIsNoTextIsRefused before anything is sent: a time without a year of four digits,
// a number that is none.
func TestWhatIsNoTextIsRefused(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), on(library{row: row{"doc": text("{}")}})
	far := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	item, b := job.Item{Track: job.Track{Finished: far}}, job.Batch{ID: "b", Look: noon()}
	fresh := on(&bulk{})
	held, n := job.Job{ID: "j", Lease: "t", State: job.Running}, job.Notice{ID: "n", Facts: map[string]any{"ndvi": math.NaN()}}
	for name, write := range map[string]func() error{
		"accept chain": func() error { _, _, err := s.AcceptChain(ctx, &job.Chain{Created: far}); return err },
		"amend chain": func() error {
			_, err := s.AmendChain(ctx, "c", func(c job.Chain) (job.Chain, error) { c.Look = far; return c, nil })
			return err
		},
		"accept batch": func() error { _, _, err := fresh.AcceptBatch(ctx, &job.Batch{Created: far}, nil); return err },
		"accept items": func() error { _, _, err := fresh.AcceptBatch(ctx, &b, []job.Item{item}); return err },
		"add items": func() error {
			_, err := s.AmendBatch(ctx, "b", func(b job.Batch) (job.Batch, flow.Change, error) {
				return b, flow.Change{Items: []job.Item{item}}, nil
			})
			return err
		},
		"verdict": func() error {
			_, err := s.Record(ctx, &held, &held, &quality.Record{Flags: []quality.Flag{{Details: map[string]float64{"x": math.Inf(1)}}}}, nil)
			return err
		},
		"notice":     func() error { _, err := s.Record(ctx, &held, &held, nil, &n); return err },
		"put notice": func() error { return s.PutNotice(ctx, &n) },
		"review":     func() error { return s.Review(ctx, &point.Point{ID: "p"}, &quality.Flag{At: far}) },
		"zones":      func() error { return s.SaveZones(ctx, "u", "c", []quality.Zone{{Ring: [][2]float64{{math.NaN(), 0}}}}) },
	} {
		if err := write(); err == nil || !strings.Contains(err.Error(), "encode row") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestADocumentThatNeverRests: decided upon again and again, and given up with an error
// that is nobody's fault. The marks of others are not taken for our own.
func TestADocumentThatNeverRests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		amend func(s *dynamostore.Store) error
	}{
		{"alone", func(s *dynamostore.Store) error {
			_, err := s.AmendChain(t.Context(), "c", func(c job.Chain) (job.Chain, error) { c.Generation++; return c, nil })
			return err
		}},
		{"with events", func(s *dynamostore.Store) error {
			_, err := s.AmendBatch(t.Context(), "b", func(b job.Batch) (job.Batch, flow.Change, error) {
				return b, flow.Change{Events: []job.Event{{ID: "e"}}}, nil
			})
			return err
		}},
	} {
		r := &restlessDoc{restless{row: row{"doc": text(`{"look":"2026-03-15T12:00:00Z"}`), "rm": text("theirs")}}}
		s := dynamostore.New(dynamostore.Config{Client: r, Table: "t", Timing: storetest.Timing(), Jitter: func() float64 { return 1e-9 }})
		if err := c.amend(s); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), "changed 8 times while it was decided upon") || r.writes != 8 {
			t.Errorf("%s: after %d writes: %v", c.name, r.writes, err)
		}
	}
}

// restlessDoc is a restless table on which a put is refused, too.
type restlessDoc struct{ restless }

func (c *restlessDoc) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return nil, &types.ConditionalCheckFailedException{Item: c.changed()}
}

// TestADecisionThatIsMadeAgainSeesTheNewerRow: an overtaken decision is never written.
func TestADecisionThatIsMadeAgainSeesTheNewerRow(t *testing.T) {
	t.Parallel()
	s := newStore(t, func(c dynamostore.Client) dynamostore.Client { return c })
	c := job.NewChain(job.Chain{ID: job.DerivedID("c"), Account: job.Account{Owner: "u"}}, noon(), time.Minute)
	if _, _, err := s.AcceptChain(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	seen := []int{}
	got, err := s.AmendChain(t.Context(), c.ID, func(c job.Chain) (job.Chain, error) {
		if seen = append(seen, c.Generation); len(seen) <= 2 {
			if _, err := s.AmendChain(t.Context(), c.ID, func(c job.Chain) (job.Chain, error) { return job.ResumeChain(c, noon(), time.Hour), nil }); err != nil {
				t.Error(err)
			}
		}
		c.Tags = append(c.Tags, strconv.Itoa(c.Generation))
		return c, nil
	})
	stored, err2 := s.Chain(t.Context(), c.ID)
	if err != nil || err2 != nil || len(seen) != 3 || stored.Generation != 2 || strings.Join(stored.Tags, " ") != "2" || strings.Join(got.Tags, " ") != "2" {
		t.Errorf("seen %v, %v %v\ngot %+v\nstored %+v", seen, err, err2, got, stored)
	}
}

// TestLostRepliesOfDocumentsAreReadBack: what was written counts as written, alone and in a
// transaction; what was not is an error, and is not there.
func TestLostRepliesOfDocumentsAreReadBack(t *testing.T) {
	t.Parallel()
	var fault atomic.Int32 // 1: the reply is lost, 2: the request is
	s := newStore(t, func(c dynamostore.Client) dynamostore.Client {
		return &unsteady{c, func(_ string, _ bool, send func() error) error {
			f := fault.Swap(0)
			if f == 2 {
				return errDropped
			}
			err := send()
			if err == nil && f == 1 {
				return errDropped
			}
			return err
		}}
	})
	ctx := t.Context()
	c := job.NewChain(job.Chain{ID: job.DerivedID("c"), Account: job.Account{Owner: "u"}}, noon(), time.Minute)
	b := job.NewBatch(job.Batch{ID: job.DerivedID("b"), Account: job.Account{Owner: "u"}, Calls: map[string]job.Callback{job.CallFinally: {Notify: true}}}, noon(), time.Minute)
	_, _, err := s.AcceptChain(ctx, &c)
	_, _, err2 := s.AcceptBatch(ctx, &b, nil)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	amends := []func() error{
		func() error {
			_, err := s.AmendChain(ctx, c.ID, func(c job.Chain) (job.Chain, error) { return job.ResumeChain(c, noon(), time.Hour), nil })
			return err
		},
		func() error {
			_, err := s.AmendBatch(ctx, b.ID, func(b job.Batch) (job.Batch, flow.Change, error) {
				b.Runs++
				return b, flow.Change{Events: []job.Event{{ID: "e" + strconv.Itoa(b.Runs), At: noon()}}}, nil
			})
			return err
		},
	}
	for i, amend := range amends {
		fault.Store(2)
		if err := amend(); !errors.Is(err, errDropped) {
			t.Errorf("%d: a lost request: %v", i, err)
		}
		fault.Store(1)
		if err := amend(); err != nil {
			t.Errorf("%d: a lost reply: %v", i, err)
		}
	}
	stored, _ := s.Chain(ctx, c.ID)
	batch, _ := s.Batch(ctx, b.ID)
	events, err := s.Deliveries(ctx, []string{"e1", "e2"})
	if stored.Generation != 1 || batch.Runs != 1 || len(events) != 1 || err != nil {
		t.Errorf("chain %+v\nbatch %+v\nevents %+v, %v", stored, batch, events, err)
	}
}

// TestALostReplyOfARecordIsReadBack: the job has ended with its verdict, once.
func TestALostReplyOfARecordIsReadBack(t *testing.T) {
	t.Parallel()
	var lose atomic.Bool
	s := newStore(t, func(c dynamostore.Client) dynamostore.Client {
		return &unsteady{c, func(_ string, _ bool, send func() error) error {
			err := send()
			if err == nil && lose.Swap(false) {
				return errDropped
			}
			return err
		}}
	})
	ctx := t.Context()
	for name, n := range map[string]*job.Notice{"nothing": nil, "a notice": {ID: "n", Owner: "u", At: noon(), Topic: true}} {
		j := job.Accepted(job.Job{ID: job.DerivedID(name), Kind: "notify", Owner: "u", Limit: job.Unlimited, Revision: 1, MaxAttempts: 3}, noon(), time.Hour, time.Hour)
		if _, _, err := s.Accept(ctx, &j); err != nil {
			t.Fatal(err)
		}
		c, err := s.Claim(ctx, job.ClaimRequest{Message: j.Message(), Now: noon(), Lease: job.Lease{Token: "t", Until: noon().Add(time.Minute)}})
		if err != nil || c.Verdict != job.Run {
			t.Fatal(c.Verdict, err)
		}
		ended := job.Ended(c.Job, job.Notified, job.Report{Now: noon()})
		lose.Store(true)
		if got, err := s.Record(ctx, &c.Job, &ended, nil, n); err != nil || got != worker.Written {
			t.Errorf("%s: %d, %v", name, got, err)
		}
		if row, err := s.Job(ctx, j.ID); err != nil || row.Outcome != job.Notified {
			t.Errorf("%s: row %+v, %v", name, row, err)
		}
	}
}

// vanishing is a table with one document, which is read once; then nobody answers.
type vanishing struct {
	restlessDoc

	reads  int
	refuse bool // tells that the row has moved before it vanishes
}

func (v *vanishing) GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if v.reads++; v.reads > 1 {
		return nil, errors.New("gone")
	}
	return v.restless.GetItem(ctx, in, opts...)
}

func (v *vanishing) PutItem(ctx context.Context, in *dynamodb.PutItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	if v.refuse {
		return v.restlessDoc.PutItem(ctx, in, opts...)
	}
	return nil, errDropped
}

// TestADocumentWhoseTableGoesAway: nobody knows whether it was written, and the first cause
// is told; whoever waits for another try stops with its caller.
func TestADocumentWhoseTableGoesAway(t *testing.T) {
	t.Parallel()
	amend := func(ctx context.Context, v *vanishing, wait float64) error {
		v.row = row{"doc": text(`{"look":"2026-03-15T12:00:00Z"}`), "rm": text("theirs")}
		s := dynamostore.New(dynamostore.Config{Client: v, Table: "t", Timing: storetest.Timing(), Jitter: func() float64 { return wait }})
		_, err := s.AmendChain(ctx, "c", func(c job.Chain) (job.Chain, error) { c.Generation++; return c, nil })
		return err
	}
	if err := amend(t.Context(), &vanishing{}, 0.5); !errors.Is(err, errDropped) {
		t.Errorf("a lost reply that cannot be read back: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := amend(ctx, &vanishing{refuse: true}, 1e6); job.CodeOf(err) != job.Throttled || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is gone: %v", err)
	}
}

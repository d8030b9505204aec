package dynamostore_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/deadletter"
	"orbitq/internal/dynamostore"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
	"orbitq/internal/storetest"
)

// row is a row as the client shows it.
type row = map[string]types.AttributeValue

// restless is a table with one row, which somebody changes before every write.
type restless struct {
	down

	row    row
	writes int
}

func (c *restless) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	c.row = in.Item
	return &dynamodb.PutItemOutput{}, nil
}

func (c *restless) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{Item: c.row}, nil
}

// changed is the row as it is when a write arrives.
func (c *restless) changed() row {
	c.writes++
	next := maps.Clone(c.row)
	next["rs"] = &types.AttributeValueMemberN{Value: strconv.Itoa(c.writes)}
	return next
}

func (c *restless) UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return nil, &types.ConditionalCheckFailedException{Item: c.changed()}
}

func (c *restless) TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	failed := "ConditionalCheckFailed"
	return nil, &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{Code: &failed, Item: c.changed()}}}
}

// on returns a store on a client.
func on(c dynamostore.Client) *dynamostore.Store {
	return dynamostore.New(dynamostore.Config{Client: c, Table: "t", Timing: storetest.Timing(), Jitter: func() float64 { return 0 }})
}

// TestARowThatNeverRests: whoever decides again and again gives up in the end, with an
// error that is nobody's fault, or leaves a letter where it is.
func TestARowThatNeverRests(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	c := &restless{}
	s := on(c)
	j := job.Accepted(job.Job{ID: job.DerivedID("x"), Owner: "u", Tier: "free", Limit: 5, MaxAttempts: 3}, now, time.Hour, time.Minute)
	if _, _, err := s.Accept(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	r := job.ClaimRequest{Message: j.Message(), Now: now, Lease: job.Lease{Token: "t", Until: now.Add(time.Minute)}}
	if _, err := s.Claim(t.Context(), r); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), "changed 8 times while it was claimed") || c.writes != 8 {
		t.Errorf("claim after %d writes: %v", c.writes, err)
	}
	c.writes = 0
	if _, err := s.Amend(t.Context(), j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, now) }); job.CodeOf(err) != job.Throttled || c.writes != 8 {
		t.Errorf("amend after %d writes: %v", c.writes, err)
	}
	c.writes = 0
	if fate, err := s.Bury(t.Context(), j.Message(), deadletter.Letter{Sent: now}, now.Add(time.Hour)); err != nil || fate != deadletter.Pending || c.writes != 8 {
		t.Errorf("bury after %d writes: %d, %v", c.writes, fate, err)
	}
}

// contended is a table on which every write loses a race.
type contended struct {
	down

	writes int
}

func (c *contended) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	c.writes++
	return nil, &types.TransactionConflictException{}
}

// TestRacesThatAreNeverWon end after eight tries, or with their caller.
func TestRacesThatAreNeverWon(t *testing.T) {
	t.Parallel()
	c := &contended{}
	j := job.Job{ID: job.DerivedID("x"), State: job.Queued}
	if _, _, err := on(c).Accept(t.Context(), &j); job.CodeOf(err) != job.Throttled || c.writes != 8 {
		t.Errorf("after %d writes: %v", c.writes, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	slow := dynamostore.New(dynamostore.Config{Client: c, Table: "t", Timing: storetest.Timing(), Jitter: func() float64 { return 1e6 }})
	if _, _, err := slow.Accept(ctx, &j); job.CodeOf(err) != job.Throttled || !errors.Is(err, context.Canceled) || c.writes != 9 {
		t.Errorf("after %d writes: %v", c.writes, err)
	}
}

// partial is a table that does only some of what a request for many asks.
type partial struct {
	down

	each  int // rows of each request; 0 for none
	wrote []string
	read  int
}

func (p *partial) BatchWriteItem(_ context.Context, in *dynamodb.BatchWriteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	all := in.RequestItems["t"]
	n := min(p.each, len(all))
	for _, w := range all[:n] {
		p.wrote = append(p.wrote, keyOf(w.PutRequest.Item))
	}
	return &dynamodb.BatchWriteItemOutput{UnprocessedItems: map[string][]types.WriteRequest{"t": all[n:]}}, nil
}

func (p *partial) Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	out := &dynamodb.QueryOutput{}
	for i := range 10 {
		out.Items = append(out.Items, row{"pk": &types.AttributeValueMemberS{Value: "JOB#" + strconv.Itoa(i)}, "sk": &types.AttributeValueMemberS{Value: "JOB"}})
	}
	return out, nil
}

func (p *partial) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	p.read++
	keys := in.RequestItems["t"].Keys
	n := min(p.each, len(keys))
	return &dynamodb.BatchGetItemOutput{
		Responses:       map[string][]row{"t": keys[:n]},
		UnprocessedKeys: map[string]types.KeysAndAttributes{"t": {Keys: keys[n:]}},
	}, nil
}

// TestWhatATableLeavesUndoneIsAskedForAgain, and not for ever.
func TestWhatATableLeavesUndoneIsAskedForAgain(t *testing.T) {
	t.Parallel()
	calls := make([]limit.Call, 60)
	for i := range calls {
		calls[i] = limit.Call{Job: job.DerivedID(strconv.Itoa(i))}
	}
	p := &partial{each: 20}
	if err := on(p).RecordCalls(t.Context(), calls); err != nil || len(p.wrote) != 60 {
		t.Errorf("%d of 60 written, %v", len(p.wrote), err)
	}
	seen := map[string]bool{}
	for _, key := range p.wrote {
		seen[key] = true
	}
	if len(seen) != 60 {
		t.Errorf("%d different rows of 60", len(seen))
	}
	if err := on(&partial{}).RecordCalls(t.Context(), calls); err == nil || !strings.Contains(err.Error(), "60 rows stayed unwritten") {
		t.Errorf("got %v", err)
	}
	p = &partial{each: 3}
	if got, _, err := on(p).Jobs(t.Context(), "u", "", "", 10); err != nil || len(got) != 10 || p.read != 4 {
		t.Errorf("%d of 10 read in %d requests, %v", len(got), p.read, err)
	}
	for name, read := range map[string]func(*dynamostore.Store) error{
		"jobs":   func(s *dynamostore.Store) error { _, _, err := s.Jobs(t.Context(), "u", "", "", 10); return err },
		"ledger": func(s *dynamostore.Store) error { _, _, err := s.Ledger(t.Context(), "u", "", 10); return err },
		"poison": func(s *dynamostore.Store) error { _, err := s.Poisoned(t.Context(), 10); return err },
		"events": func(s *dynamostore.Store) error {
			_, _, err := s.Pending(t.Context(), 1, time.Now(), "", 10)
			return err
		},
		"chains":  func(s *dynamostore.Store) error { _, _, err := s.OwnChains(t.Context(), "u", "", 10); return err },
		"notices": func(s *dynamostore.Store) error { _, _, err := s.Notices(t.Context(), "u", "", 10); return err },
		"points": func(s *dynamostore.Store) error {
			_, err := s.FindPoints(t.Context(), "u", flow.Filter{Campaign: "c"}, 10)
			return err
		},
	} {
		if err := read(on(&partial{})); job.CodeOf(err) != job.Throttled {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// strange is a table with one row that is not what it should be.
type strange struct {
	down

	row row
}

func (s strange) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{Item: s.row}, nil
}

func TestRowsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	until := &types.AttributeValueMemberN{Value: "4000000000000"}
	for _, packed := range []string{"", "not packed", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"} {
		s := on(strange{row: row{"series": &types.AttributeValueMemberB{Value: []byte(packed)}, "until": until}})
		if _, ok, err := s.Cached(t.Context(), "h", time.Now()); ok || err == nil || !strings.Contains(err.Error(), "unpack cached series") {
			t.Errorf("%q: %v, %v", packed, ok, err)
		}
	}
	s := on(strange{row: row{"op": &types.AttributeValueMemberS{Value: "{"}}})
	if _, err := s.Operation(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "decode operation x") {
		t.Errorf("got %v", err)
	}
	if _, _, err := s.Dead(t.Context(), "u", "soon#x", 1); job.CodeOf(err) != job.InvalidCursor {
		t.Errorf("got %v", err)
	}
}

// failing is a restless table that cannot be reached any more after some writes.
type failing struct {
	*restless

	after int
	err   error
}

func (f *failing) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if f.writes >= f.after {
		return nil, f.err
	}
	return f.restless.UpdateItem(ctx, in, opts...)
}

func (f *failing) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, opts ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if f.writes >= f.after {
		return nil, f.err
	}
	return f.restless.TransactWriteItems(ctx, in, opts...)
}

// TestATableThatGoesAwayInBetween: the first write told how the row is, the second one
// finds nobody.
func TestATableThatGoesAwayInBetween(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		limit int
		after int
		do    func(s *dynamostore.Store, j *job.Job) error
	}{
		{"a claim that writes the row alone", job.Unlimited, 1, func(s *dynamostore.Store, j *job.Job) error {
			_, err := s.Claim(t.Context(), job.ClaimRequest{Message: j.Message(), Now: now})
			return err
		}},
		{"a claim that reserves a unit", 5, 1, func(s *dynamostore.Store, j *job.Job) error {
			_, err := s.Claim(t.Context(), job.ClaimRequest{Message: j.Message(), Now: now})
			return err
		}},
		{"a claim that skips", 0, 1, func(s *dynamostore.Store, j *job.Job) error {
			_, err := s.Claim(t.Context(), job.ClaimRequest{Message: j.Message(), Now: now})
			return err
		}},
		{"a burial", 5, 0, func(s *dynamostore.Store, j *job.Job) error {
			_, err := s.Bury(t.Context(), j.Message(), deadletter.Letter{Sent: now}, now)
			return err
		}},
	} {
		f := &failing{&restless{}, c.after, errDropped}
		s := on(f)
		j := job.Accepted(job.Job{ID: job.DerivedID("x"), Owner: "u", Tier: "free", Limit: c.limit, MaxAttempts: 3}, now, time.Hour, time.Minute)
		if _, _, err := s.Accept(t.Context(), &j); err != nil {
			t.Fatal(err)
		}
		if err := c.do(s, &j); !errors.Is(err, errDropped) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// refusing is a table that refuses a transaction for reasons of its own.
type refusing struct {
	down

	reasons []types.CancellationReason
}

func (r refusing) TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return nil, &types.TransactionCanceledException{CancellationReasons: r.reasons}
}

// TestOddRefusalsOfAPair: not because the point exists, and not because the plan is
// full; or because it exists while its job cannot be read.
func TestOddRefusalsOfAPair(t *testing.T) {
	t.Parallel()
	odd, failed := "ValidationError", "ConditionalCheckFailed"
	p, j := point.Point{ID: job.DerivedID("p")}, job.Job{ID: job.DerivedID("j"), Tier: "free"}
	for name, reasons := range map[string][]types.CancellationReason{
		"a reason of another kind": {{Code: &odd}},
		"no reason at all":         {{}, {}, {}},
		"the job's row alone":      {{}, {Code: &failed}},
		"the pair, unreadable":     {{Code: &failed, Item: row{}}},
	} {
		if _, _, existed, err := on(refusing{down{errDropped}, reasons}).AcceptPoint(t.Context(), &p, &j); err == nil || existed || job.CodeOf(err) != job.Internal {
			t.Errorf("%s: existed %v, %v", name, existed, err)
		}
	}
}

// TestWhatCannotBeWrittenAsText is refused before it is sent.
func TestWhatCannotBeWrittenAsText(t *testing.T) {
	t.Parallel()
	s := on(down{errDropped})
	if _, _, err := s.SaveDoor(t.Context(), limit.Row{Budget: limit.Budget{Units: math.NaN()}}); err == nil || !strings.Contains(err.Error(), "encode the limiter's row") {
		t.Errorf("door: %v", err)
	}
	if err := s.Keep(t.Context(), "h", satellite.Series{PUSpent: math.Inf(1)}, time.Now()); err == nil || !strings.Contains(err.Error(), "pack series") {
		t.Errorf("series: %v", err)
	}
	if _, err := s.SaveOperation(t.Context(), &deadletter.Operation{Created: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil || !strings.Contains(err.Error(), "encode operation") {
		t.Errorf("operation: %v", err)
	}
}

// long is a partition of two pages.
type long struct {
	down

	pages int
}

func (l *long) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	l.pages++
	out := &dynamodb.QueryOutput{Items: []row{{"sk": &types.AttributeValueMemberS{Value: "ANALYSIS#000001"}, "rev": &types.AttributeValueMemberN{Value: strconv.Itoa(l.pages)}}}}
	if in.ExclusiveStartKey == nil {
		out.LastEvaluatedKey = row{"pk": in.ExpressionAttributeValues[":pk"], "sk": out.Items[0]["sk"]}
	}
	return out, nil
}

func TestALongPartitionIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	l := &long{}
	if got, err := on(l).Analyses(t.Context(), "p"); err != nil || len(got) != 2 || got[1].Revision != 2 || l.pages != 2 {
		t.Errorf("%+v after %d pages, %v", got, l.pages, err)
	}
}

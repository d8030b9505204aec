package dynamostore_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"orbitq/internal/dynamostore"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/storetest"
)

// bulk is a table that answers requests for many rows, throttles every second one, and
// remembers what was asked.
type bulk struct {
	partial

	throttle   bool
	lazy       bool // does nothing every second time, and says so
	calls      int
	last       int    // request that is carried out before the caller dies; 0 for none
	die        func() // ends the caller
	consistent []bool
}

func (b *bulk) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	if err := ctx.Err(); err != nil && b.last > 0 {
		return nil, err // as the real client does
	}
	if b.calls++; b.throttle && b.calls%2 == 1 {
		return nil, &smithy.GenericAPIError{Code: "ProvisionedThroughputExceededException"}
	}
	if b.calls == b.last {
		defer b.die()
	}
	if b.lazy && b.calls%2 == 1 {
		return &dynamodb.BatchWriteItemOutput{UnprocessedItems: in.RequestItems}, nil
	}
	return b.partial.BatchWriteItem(ctx, in, opts...)
}

func (b *bulk) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	asked := in.RequestItems["t"].ConsistentRead
	b.consistent = append(b.consistent, asked != nil && *asked)
	return b.partial.BatchGetItem(ctx, in, opts...)
}

func (b *bulk) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{}, nil
}

func (b *bulk) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	b.wrote = append(b.wrote, keyOf(in.Item))
	return &dynamodb.PutItemOutput{}, nil
}

// manyIDs returns n different ids.
func manyIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = job.DerivedID("many", strings.Repeat("i", i))
	}
	return ids
}

// TestABatchOfAnySizeIsWritten: the items come first, and each is written, however the
// table cuts and throttles the requests.
func TestABatchOfAnySizeIsWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		n, each  int
		throttle bool
		lazy     bool
		want     job.Code
	}{
		{"one", 1, 25, false, false, ""},
		{"the most", flow.MaxItems, 25, false, false, ""},
		{"the most, of each request but a few", flow.MaxItems, 3, false, false, ""},
		{"throttled again and again", 120, 25, true, false, ""},
		{"nothing done every second time", 1000, 25, false, true, ""},
		{"a table that does nothing", 60, 0, false, false, job.Throttled},
	} {
		b := &bulk{partial: partial{each: c.each}, throttle: c.throttle, lazy: c.lazy}
		batch := job.Batch{ID: job.DerivedID("b")}
		items := make([]job.Item, c.n)
		for i, id := range manyIDs(c.n) {
			items[i] = batch.Item(id, 1)
		}
		_, existed, err := on(b).AcceptBatch(t.Context(), &batch, items)
		if job.CodeOf(err) != c.want && err != nil || existed || (err == nil) != (c.want == "") {
			t.Errorf("%s: existed %v, %v", c.name, existed, err)
		}
		if last := len(b.wrote) - 1; c.want == "" && (last != c.n || b.wrote[last] != "BATCH#"+batch.ID) {
			t.Errorf("%s: %d rows written, the last of them %q", c.name, last+1, b.wrote[max(last, 0)])
		}
		if c.want != "" && len(b.wrote) > 0 {
			t.Errorf("%s: a batch without its items: %v", c.name, b.wrote)
		}
	}
}

// TestABatchWhoseCallerDiesHalfWayIsNotThere: its items are where nobody looks, and the
// request that comes again writes its own beside them.
func TestABatchWhoseCallerDiesHalfWayIsNotThere(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b := &bulk{partial: partial{each: 25}, last: 2, die: cancel}
	batch := job.Batch{ID: job.DerivedID("b"), Created: time.Unix(1_700_000_000, 0).UTC()}
	items := make([]job.Item, 120)
	for i, id := range manyIDs(len(items)) {
		items[i] = batch.Item(id, 1)
	}
	if _, existed, err := on(b).AcceptBatch(ctx, &batch, items); err == nil || existed {
		t.Errorf("existed %v, %v", existed, err)
	}
	want := slices.Repeat([]string{"ITEMS#" + batch.Partition()}, 50)
	if !slices.Equal(b.wrote, want) {
		t.Errorf("left behind: %d rows, %q", len(b.wrote), slices.Compact(b.wrote))
	}
	again := batch
	again.Created = batch.Created.Add(time.Second)
	if _, existed, err := on(b).AcceptBatch(t.Context(), &again, items); err != nil || existed {
		t.Errorf("again: existed %v, %v", existed, err)
	}
	want = append(append(want, slices.Repeat([]string{"ITEMS#" + again.Partition()}, len(items))...), "BATCH#"+again.ID)
	if again.Partition() == batch.Partition() || !slices.Equal(b.wrote, want) {
		t.Errorf("again: %d rows, %q", len(b.wrote), slices.Compact(b.wrote))
	}
}

// TestAnyNumberOfRowsIsRead: what decides upon a request of a user must include what the
// same user wrote just before.
func TestAnyNumberOfRowsIsRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		read func(s *dynamostore.Store, ids []string) (int, error)
	}{
		{"points", func(s *dynamostore.Store, ids []string) (int, error) {
			got, err := s.Points(t.Context(), ids)
			return len(got), err
		}},
		{"deliveries", func(s *dynamostore.Store, ids []string) (int, error) {
			got, err := s.Deliveries(t.Context(), ids)
			return len(got), err
		}},
	} {
		for _, each := range []int{100, 30} {
			b := &bulk{partial: partial{each: each}}
			if got, err := c.read(on(b), manyIDs(flow.MaxItems)); err != nil || got != flow.MaxItems {
				t.Errorf("%s, %d at once: %d of %d, %v", c.name, each, got, flow.MaxItems, err)
			}
			for _, consistent := range b.consistent {
				if !consistent {
					t.Fatalf("%s: read without what was written a moment ago", c.name)
				}
			}
		}
		if _, err := c.read(on(&bulk{}), manyIDs(5)); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), "5 rows stayed unread") {
			t.Errorf("%s of a table that does nothing: %v", c.name, err)
		}
	}
}

// TestWhoeverWaitsForATableStopsWithItsCaller: a function has a deadline.
func TestWhoeverWaitsForATableStopsWithItsCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := dynamostore.New(dynamostore.Config{Client: &bulk{}, Table: "t", Timing: storetest.Timing(), Jitter: func() float64 { return 1e6 }})
	batch := job.Batch{ID: job.DerivedID("b")}
	if _, _, err := s.AcceptBatch(ctx, &batch, []job.Item{batch.Item("p", 1)}); job.CodeOf(err) != job.Throttled {
		t.Errorf("write: %v", err)
	}
	if _, err := s.Points(ctx, []string{"p"}); job.CodeOf(err) != job.Throttled {
		t.Errorf("read: %v", err)
	}
	if _, err := s.AmendChain(ctx, "c", func(c job.Chain) (job.Chain, error) { return c, nil }); job.CodeOf(err) != job.NotFound {
		t.Errorf("amend: %v", err)
	}
}

// asks remembers the last question.
type asks struct {
	down

	last *dynamodb.QueryInput
}

func (a *asks) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	a.last = in
	return &dynamodb.QueryOutput{}, nil
}

// TestItemsAreCountedAsTheyAre: an index, or a read that may be old, could miss the last
// item, and an emulator never is.
func TestItemsAreCountedAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		after string
		n     int
		limit int32
	}{{"", 10, 10}, {"p", 5000, 1000}} {
		a := &asks{}
		got, next, err := on(a).Items(t.Context(), &job.Batch{ID: "b"}, c.after, c.n)
		if err != nil || len(got) != 0 || next != "" {
			t.Errorf("%+v: %+v, %q, %v", c, got, next, err)
		}
		_, after := a.last.ExpressionAttributeValues[":after"]
		if a.last.IndexName != nil || a.last.ConsistentRead == nil || !*a.last.ConsistentRead || *a.last.Limit != c.limit || after != (c.after != "") {
			t.Errorf("%+v asks %+v", c, a.last)
		}
	}
}

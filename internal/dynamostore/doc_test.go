package dynamostore_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orbitq/internal/dynamostore"
	"orbitq/internal/job"
)

// between does something before a request for many writes arrives, once.
type between struct {
	dynamostore.Client

	first func()
}

func (b *between) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	if first := b.first; first != nil {
		b.first = nil
		first()
	}
	return b.Client.BatchWriteItem(ctx, in, opts...)
}

// TestAnAcceptThatIsOvertakenChangesNoItem: a client asks again while its first request is
// still on its way. The second one starts the batch and works on an item; then the first
// one writes its items.
func TestAnAcceptThatIsOvertakenChangesNoItem(t *testing.T) {
	t.Parallel()
	var client *between
	s := newStore(t, func(c dynamostore.Client) dynamostore.Client {
		client = &between{Client: c}
		return client
	})
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	asked := func(at time.Time) (job.Batch, []job.Item) {
		b := job.NewBatch(job.Batch{Account: job.Account{Owner: "u"}, ID: job.DerivedID("b"), BodyHash: "h", Steps: []string{"enrich"}, Total: 1}, at, time.Minute)
		return b, []job.Item{b.Item(job.DerivedID("p"), 1)}
	}
	var want job.Item
	client.first = func() {
		b, items := asked(now.Add(time.Millisecond))
		if _, existed, err := s.AcceptBatch(t.Context(), &b, items); err != nil || existed {
			t.Errorf("second: existed %v, %v", existed, err)
		}
		var err error
		if want, err = s.AmendItem(t.Context(), &b, items[0].Point, func(it job.Item) (job.Item, error) {
			it.Track = it.Stopped(now)
			return it, nil
		}); err != nil {
			t.Errorf("amend: %v", err)
		}
	}
	b, items := asked(now)
	stored, existed, err := s.AcceptBatch(t.Context(), &b, items)
	if err != nil || !existed || !stored.Created.Equal(now.Add(time.Millisecond)) {
		t.Fatalf("first: existed %v, %v, %+v", existed, err, stored)
	}
	if got, err := s.Item(t.Context(), &stored, items[0].Point); err != nil || !reflect.DeepEqual(got, want) || got.State != job.TrackCancelled {
		t.Errorf("item %+v, %v\nwant %+v", got, err, want)
	}
}

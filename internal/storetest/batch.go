package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// newBatch returns a batch that was just asked for, with every callback.
func newBatch(t *testing.T) job.Batch {
	t.Helper()
	return job.NewBatch(job.Batch{
		Account: account(t), ID: id(t), Name: "spring", Queue: "bulk", Steps: []string{"enrich"}, BodyHash: "h",
		Calls: map[string]job.Callback{job.CallThen: {Notify: true}, job.CallCatch: {URL: "https://example.org"}, job.CallFinally: {Kind: "notify", Point: id(t)}},
	}, start(), 15*time.Minute)
}

// items returns n items of a batch, in the order of their points.
func items(t *testing.T, b *job.Batch, n int) []job.Item {
	t.Helper()
	made := make([]job.Item, n)
	for i := range made {
		made[i] = b.Item(id(t), 1)
	}
	slices.SortFunc(made, func(a, b job.Item) int {
		if a.Point < b.Point {
			return -1
		}
		return 1
	})
	return made
}

// acceptedBatch stores a new batch with n items.
func acceptedBatch(t *testing.T, s Store, n int) (job.Batch, []job.Item) {
	t.Helper()
	b := newBatch(t)
	b.Total = n
	made := items(t, &b, n)
	if _, existed, err := s.AcceptBatch(context.Background(), &b, made); err != nil || existed {
		t.Fatalf("accept batch: existed %v, %v", existed, err)
	}
	return b, made
}

// batchRow demands what is stored of a batch and of its items.
func batchRow(t *testing.T, s Store, want *job.Batch, made []job.Item) {
	t.Helper()
	if got, err := s.Batch(context.Background(), want.ID); err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("batch %+v, %v\nwant %+v", got, err, want)
	}
	got, next, err := s.Items(context.Background(), want, "", all)
	if err != nil || next != "" || len(got) != len(made) || len(made) > 0 && !reflect.DeepEqual(got, made) {
		t.Errorf("%d items, next %q, %v, want %d\n%+v\n%+v", len(got), next, err, len(made), got, made)
	}
}

// closeBatch closes a batch with the counts of its items.
func closeBatch(s Store, batch string, c job.Counts) error {
	_, err := s.AmendBatch(context.Background(), batch, func(b job.Batch) (job.Batch, flow.Change, error) {
		next, events, _ := job.CloseBatch(b, c, later())
		return next, flow.Change{Events: events}, nil
	})
	return err //nolint:wrapcheck // the rules print it
}

// batchRules: a batch vouches for its items, and tells of itself what is true.
func batchRules() []rule {
	return []rule{
		{"a batch is accepted once with all its items, and asked again changes none", acceptsBatchOnce},
		{"items come in the order of their points, page by page, each once, as they are now", itemsInOrder},
		{"batches of one key and different bodies do not share items", itemsOfOneBody},
		{"an item that twenty amend at once loses no decision", itemUnderContention},
		{"items are added with their batch, ninety-nine at once", addsItems},
		{"an item that is there already refuses all that come with it", refusesItem},
		{"items that twenty add at once are all there and all counted", addsUnderContention},
		{"a batch and its events are written together, or neither", amendsWithEvents},
		{"a callback fires once however many see the first failure", firesOnce},
	}
}

// acceptsBatchOnce: more items than one request writes; a request that is repeated meets
// items that have moved on.
func acceptsBatchOnce(t *testing.T, s Store) {
	b, made := acceptedBatch(t, s, 60)
	batchRow(t, s, &b, made)
	moved, err := s.AmendItem(context.Background(), &b, made[7].Point, func(it job.Item) (job.Item, error) {
		it.Track = it.Begun()
		return it, nil
	})
	if err != nil || moved.State != job.TrackRunning {
		t.Fatalf("amend item: %+v, %v", moved, err)
	}
	// The repeated request brings the items as they were: written again, they would put the
	// one that has begun back to its start, and its step would be paid for twice.
	anew := slices.Clone(made)
	made[7] = moved
	for _, at := range []time.Time{b.Created, later()} { // the very same request, and one of a client that asks again
		again := b
		again.Created, again.Name = at, "again"
		got, existed, err := s.AcceptBatch(context.Background(), &again, anew)
		if err != nil || !existed || !reflect.DeepEqual(got, b) {
			t.Errorf("existed %v, %v\ngot %+v\nwant %+v", existed, err, got, b)
		}
		batchRow(t, s, &b, made)
	}
}

// itemsInOrder: what is counted decides whether a batch is at its end, so a page shows what
// was written before it was asked for.
func itemsInOrder(t *testing.T, s Store) {
	b, made := acceptedBatch(t, s, 7)
	// Another batch beside it: a page that runs over its partition would count strangers.
	acceptedBatch(t, s, 3)
	for i := range made {
		ended, err := s.AmendItem(context.Background(), &b, made[i].Point, func(it job.Item) (job.Item, error) {
			it.Track = it.Stopped(later())
			return it, nil
		})
		if err != nil {
			t.Fatalf("amend item: %v", err)
		}
		made[i] = ended
		got := []job.Item{}
		// Five pages are more than seven items need; a list without an end must fail, not hang.
		for after, n := "", 0; n < 5; n++ {
			page, next, err := s.Items(context.Background(), &b, after, 3)
			if err != nil || len(page) > 3 {
				t.Fatalf("page of %d, %v", len(page), err)
			}
			got = append(got, page...)
			if after = next; next == "" {
				break
			}
		}
		if !reflect.DeepEqual(got, made) {
			t.Fatalf("after %d: %+v\nwant %+v", i, got, made)
		}
	}
}

// itemsOfOneBody: the second request is refused, but its items were written before anybody
// could know.
func itemsOfOneBody(t *testing.T, s Store) {
	b, made := acceptedBatch(t, s, 2)
	other := b
	other.BodyHash = "another body"
	// The same point in both: under one key the later item would replace the earlier one.
	stranger := other.Item(made[0].Point, 2)
	if got, existed, err := s.AcceptBatch(context.Background(), &other, []job.Item{stranger}); err != nil || !existed || got.BodyHash != "h" {
		t.Errorf("existed %v, %v, %+v", existed, err, got)
	}
	batchRow(t, s, &b, made)
	if got, err := s.Item(context.Background(), &b, made[0].Point); err != nil || !reflect.DeepEqual(got, made[0]) {
		t.Errorf("item %+v, %v\nwant %+v", got, err, made[0])
	}
}

// itemUnderContention: a late execution may visit an item beside a new one.
func itemUnderContention(t *testing.T, s Store) {
	b, made := acceptedBatch(t, s, 1)
	crowded(t, func(int) error {
		_, err := s.AmendItem(context.Background(), &b, made[0].Point, func(it job.Item) (job.Item, error) {
			// Any field that grows will do; one that is lost under contention shows as a gap.
			it.Least++
			return it, nil
		})
		return err //nolint:wrapcheck // the rule prints it
	})
	if got, err := s.Item(context.Background(), &b, made[0].Point); err != nil || got.Least != crowdSize {
		t.Errorf("item %+v, %v", got, err)
	}
}

// add adds items to a batch.
func add(s Store, b *job.Batch, more []job.Item) (job.Batch, error) {
	return s.AmendBatch(context.Background(), b.ID, func(b job.Batch) (job.Batch, flow.Change, error) { //nolint:wrapcheck // the rules print it
		next, err := job.AddToBatch(b, len(more), later(), time.Minute)
		return next, flow.Change{Items: more}, err //nolint:wrapcheck // the store hands it on
	})
}

// addsItems: the batch counts them from the moment on at which they are there.
func addsItems(t *testing.T, s Store) {
	b, made := acceptedBatch(t, s, 1)
	more := items(t, &b, flow.MaxAdded)
	grown, err := add(s, &b, more)
	// An execution of their own works on them: the first one has its list already.
	if err != nil || grown.Total != 1+flow.MaxAdded || grown.Runs != 1 {
		t.Fatalf("added %+v, %v", grown, err)
	}
	whole := slices.Concat(made, more)
	slices.SortFunc(whole, func(a, b job.Item) int { return map[bool]int{true: -1, false: 1}[a.Point < b.Point] })
	batchRow(t, s, &grown, whole)
}

// refusesItem: half of a request would be counted, and never worked on.
func refusesItem(t *testing.T, s Store) {
	b, made := acceptedBatch(t, s, 2)
	// The one that is there comes last, when the others are on their way.
	more := append(items(t, &b, 2), made[1])
	if _, err := add(s, &b, more); job.CodeOf(err) != job.StateConflict {
		t.Errorf("got %v", err)
	}
	batchRow(t, s, &b, made)
}

// addsUnderContention: an item that is not counted would keep its batch open for ever, and
// one that is counted twice as well.
func addsUnderContention(t *testing.T, s Store) {
	b, _ := acceptedBatch(t, s, 0)
	more := items(t, &b, crowdSize)
	crowded(t, func(i int) error {
		_, err := add(s, &b, more[i:i+1])
		return err
	})
	b.Total, b.Runs, b.Look = crowdSize, crowdSize, later().Add(time.Minute)
	batchRow(t, s, &b, more)
}

// amendsWithEvents: a closed batch whose callback nobody knows of would be lost for good.
func amendsWithEvents(t *testing.T, s Store) {
	b, _ := acceptedBatch(t, s, 0)
	refusal := job.Errorf(job.LimitExceeded, "no")
	_, err := s.AmendBatch(context.Background(), b.ID, func(b job.Batch) (job.Batch, flow.Change, error) {
		next, events, ended := job.CloseBatch(b, job.Counts{}, later())
		if !ended || len(events) != 2 {
			t.Errorf("closed %v with %d events", ended, len(events))
		}
		return next, flow.Change{Events: events, Items: items(t, &b, 1)}, refusal
	})
	// The error of the decision itself, not one of the store's: the caller maps its code.
	if job.CodeOf(err) != job.LimitExceeded {
		t.Errorf("got %v", err)
	}
	batchRow(t, s, &b, nil)
	if got := pending(t, s, b.ID); len(got) != 0 {
		t.Errorf("events of a refused decision: %+v", got)
	}
	for range 2 { // the second one finds it closed
		if err := closeBatch(s, b.ID, job.Counts{}); err != nil {
			t.Fatal(err)
		}
	}
	closed, want, _ := job.CloseBatch(b, job.Counts{}, later())
	batchRow(t, s, &closed, nil)
	slices.SortFunc(want, func(a, b job.Event) int { return map[bool]int{true: -1, false: 1}[a.ID < b.ID] })
	if got := pending(t, s, b.ID); !reflect.DeepEqual(got, want) {
		t.Errorf("events %+v\nwant %+v", got, want)
	}
}

// firesOnce: twenty items fail in one moment.
func firesOnce(t *testing.T, s Store) {
	b, _ := acceptedBatch(t, s, 0)
	var mu sync.Mutex
	fired := map[string]int{}
	crowded(t, func(i int) error {
		got, err := s.AmendBatch(context.Background(), b.ID, func(b job.Batch) (job.Batch, flow.Change, error) {
			// Each at a time of its own, which the id of the event must not regard.
			next, events := job.CatchBatch(b, start().Add(time.Duration(i)*time.Second))
			return next, flow.Change{Events: events}, nil
		})
		mu.Lock()
		defer mu.Unlock()
		fired[fmt.Sprint(got.Caught, got.Stop)]++
		return err //nolint:wrapcheck // the rule prints it
	})
	if got := pending(t, s, b.ID); len(got) != 1 || got[0].ID != job.CallID(b.ID, 0, job.CallCatch) || fired["truefailed"] != crowdSize {
		t.Errorf("events %+v, answers %v", got, fired)
	}
}

package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

const testQueueARN = "arn:aws:sqs:eu-west-3:000000000000:orbitq-satellite"

// fakeQueue holds messages until they are received, and long polls.
type fakeQueue struct {
	mu      sync.Mutex
	waiting []events.SQSMessage
	arrived chan struct{}
	deleted []string
	polls   int
	broken  error
}

func newFakeQueue() *fakeQueue { return &fakeQueue{arrived: make(chan struct{})} }

func (q *fakeQueue) send(ids ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range ids {
		q.waiting = append(q.waiting, events.SQSMessage{MessageId: id, ReceiptHandle: "receipt-" + id, Body: "body " + id, Attributes: map[string]string{"ApproximateReceiveCount": "1"}})
	}
	close(q.arrived)
	q.arrived = make(chan struct{})
}

func (q *fakeQueue) Receive(ctx context.Context, most int, wait time.Duration) ([]events.SQSMessage, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		q.mu.Lock()
		q.polls++
		n, arrived, broken := min(most, len(q.waiting)), q.arrived, q.broken
		batch := slices.Clone(q.waiting[:n])
		q.waiting = q.waiting[n:]
		q.mu.Unlock()
		if n > 0 || broken != nil {
			return batch, broken
		}
		select {
		case <-arrived:
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *fakeQueue) Delete(_ context.Context, receipts []string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(receipts) > receiveLimit {
		return fmt.Errorf("%d receipts", len(receipts))
	}
	q.deleted = append(q.deleted, receipts...)
	return nil
}

func (q *fakeQueue) deletions() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	slices.Sort(q.deleted)
	return q.deleted
}

// fakeFunction remembers its batches; answer says what to return.
type fakeFunction struct {
	mu      sync.Mutex
	batches [][]events.SQSMessage
	running int
	most    int
	answer  func(ctx context.Context, ids []string) (string, string, error)
}

func (f *fakeFunction) invoke(ctx context.Context, payload []byte) ([]byte, string, error) {
	var e events.SQSEvent
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, "", err
	}
	var ids []string
	for i := range e.Records {
		ids = append(ids, e.Records[i].MessageId)
	}
	f.mu.Lock()
	f.batches = append(f.batches, e.Records)
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running--
		f.mu.Unlock()
	}()
	if f.answer == nil {
		return []byte("null"), "", nil
	}
	text, functionError, err := f.answer(ctx, ids)
	return []byte(text), functionError, err
}

func (f *fakeFunction) sizes() (sizes []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

// pass lets virtual time pass, and everything that it starts come to rest.
func pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(time.Until(end))
		synctest.Wait()
	}
}

// pollCount and depth look at the queue.
func (q *fakeQueue) pollCount() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.polls
}

func (q *fakeQueue) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// poll starts a mapping inside a bubble of virtual time; the returned function stops it and waits.
func poll(t *testing.T, q Queue, f *fakeFunction, cfg MappingConfig) (*Mapping, func()) {
	t.Helper()
	cfg.Queue, cfg.QueueARN, cfg.Invoke = q, testQueueARN, f.invoke
	m, err := NewMapping(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	synctest.Wait()
	return m, func() { cancel(); <-done }
}

func TestWhatIsDeleted(t *testing.T) {
	t.Parallel()
	all := []string{"receipt-a", "receipt-b", "receipt-c"}
	for _, c := range []struct {
		name, response, functionError string
		err                           error
		off                           bool
		want                          []string
	}{
		{name: "null", response: "null", want: all},
		{name: "nothing", response: "", want: all},
		{name: "empty object", response: "{}", want: all},
		{name: "empty list", response: `{"batchItemFailures":[]}`, want: all},
		{name: "null list", response: `{"batchItemFailures":null}`, want: all},
		{name: "one failed", response: `{"batchItemFailures":[{"itemIdentifier":"b"}]}`, want: []string{"receipt-a", "receipt-c"}},
		{name: "all failed", response: `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"},{"itemIdentifier":"c"}]}`},
		{name: "one failed twice", response: `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}`, want: []string{"receipt-a", "receipt-c"}},
		{name: "not reporting", response: `{"batchItemFailures":[{"itemIdentifier":"b"}]}`, off: true, want: all},
		{name: "not JSON", response: `{"batchItem`},
		{name: "not JSON but not reporting", response: `oops`, off: true, want: all},
		{name: "no object", response: `"done"`},
		{name: "list is a string", response: `{"batchItemFailures":"b"}`},
		{name: "empty identifier", response: `{"batchItemFailures":[{"itemIdentifier":""}]}`},
		{name: "null identifier", response: `{"batchItemFailures":[{"itemIdentifier":null}]}`},
		{name: "number identifier", response: `{"batchItemFailures":[{"itemIdentifier":7}]}`},
		{name: "bad key name", response: `{"batchItemFailures":[{"ItemIdentifier":"b"}]}`},
		{name: "unknown identifier", response: `{"batchItemFailures":[{"itemIdentifier":"x"}]}`},
		{name: "one known, one unknown", response: `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"x"}]}`},
		{name: "function error", response: `{"errorType":"x"}`, functionError: "Unhandled"},
		{name: "function error, not reporting", functionError: "Unhandled", off: true},
		{name: "throttle", err: errors.New("throttled")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue()
				q.send("a", "b", "c")
				f := &fakeFunction{answer: func(context.Context, []string) (string, string, error) { return c.response, c.functionError, c.err }}
				_, stop := poll(t, q, f, MappingConfig{ReportBatchItemFailures: !c.off})
				stop()
				if got := q.deletions(); !slices.Equal(got, c.want) {
					t.Errorf("deleted %q, want %q", got, c.want)
				}
				if n := len(f.batches); n != 1 {
					t.Errorf("%d invocations: a mapping must not repeat what the queue has not made visible again", n)
				}
			})
		})
	}
}

func TestEventHasWhatLambdaSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.send("a")
		f := &fakeFunction{}
		_, stop := poll(t, q, f, MappingConfig{})
		stop()
		got := f.batches[0][0]
		if got.EventSource != "aws:sqs" || got.EventSourceARN != testQueueARN || got.AWSRegion != "eu-west-3" || got.MessageId != "a" ||
			got.Body != "body a" || got.ReceiptHandle != "receipt-a" || got.Attributes["ApproximateReceiveCount"] != "1" || got.MessageAttributes == nil {
			t.Errorf("record %+v", got)
		}
	})
}

func TestIdleMappingStartsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		f := &fakeFunction{}
		_, stop := poll(t, q, f, MappingConfig{})
		pass(5 * time.Minute)
		polls := q.pollCount()
		began := time.Now()
		q.send("a")
		synctest.Wait()
		if len(f.batches) != 1 || time.Since(began) != 0 {
			t.Errorf("%d invocations after %v", len(f.batches), time.Since(began))
		}
		if polls > 2*16+4 {
			t.Errorf("%d polls in five idle minutes, a long poll lasts 20 s", polls)
		}
		stop()
	})
}

func TestConcurrencyIsLimitedAndNothingIsReceivedBeyond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		for i := range 100 {
			q.send(strconv.Itoa(i))
		}
		f := &fakeFunction{answer: func(ctx context.Context, _ []string) (string, string, error) {
			sleep(ctx, time.Second)
			return "", "", nil
		}}
		began := time.Now()
		_, stop := poll(t, q, f, MappingConfig{BatchSize: 5, MaximumConcurrency: 4, Pollers: 8})
		if waiting := q.depth(); waiting != 80 {
			t.Errorf("%d messages wait in the queue, want 80: four batches of five are out", waiting)
		}
		for len(q.deletions()) < 100 {
			pass(100 * time.Millisecond)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("20 batches, 4 at once, took %v", took)
		}
		if f.most != 4 {
			t.Errorf("%d at once, want 4", f.most)
		}
		stop()
	})
}

func TestBatchingWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		size   int
		sends  int // one a second
		window time.Duration
		want   []int
	}{
		{"no window", 10, 3, 0, []int{1, 1, 1}},
		{"window ends", 100, 3, 10 * time.Second, []int{3}},
		{"batch is full", 2, 4, time.Minute, []int{2, 2}},
		{"more than one receive", 25, 25, time.Minute, []int{25}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q, f := newFakeQueue(), &fakeFunction{}
				_, stop := poll(t, q, f, MappingConfig{BatchSize: c.size, MaximumBatchingWindow: c.window, Pollers: 1})
				for i := range c.sends {
					q.send(strconv.Itoa(i))
					pass(time.Second)
				}
				pass(c.window)
				stop()
				if got := f.sizes(); !slices.Equal(got, c.want) {
					t.Errorf("batches of %v, want %v", got, c.want)
				}
				if n := len(q.deletions()); n != c.sends {
					t.Errorf("%d deleted, want %d", n, c.sends)
				}
			})
		})
	}
}

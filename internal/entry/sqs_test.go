package entry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"orbitq/internal/entry"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// hidden is one call of Hide.
type hidden struct {
	source, receipt string
	after           time.Duration
}

// backlog is the queue side of a worker; it keeps what is asked of it.
type backlog struct {
	sender

	hidden []hidden
}

func (q *backlog) Hide(_ context.Context, source, receipt string, d time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hidden = append(q.hidden, hidden{source, receipt, d})
	return nil
}

// kind runs what the test says, for every job.
type kind func(ctx context.Context, j *job.Job) (worker.Result, error)

func (kind) Name() string { return "enrich" }

func (kind) Policy() job.Policy { return job.Policy{} }

func (k kind) Run(ctx context.Context, j *job.Job) (worker.Result, error) { return k(ctx, j) }

// done is a run without an effect.
func done(context.Context, *job.Job) (worker.Result, error) {
	return worker.Result{Outcome: job.NoAcquisition}, nil
}

// floor is the worker's function over the table of a bench.
type floor struct {
	*bench

	queue  *backlog
	handle func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)
}

func work(t *testing.T, run kind) *floor {
	t.Helper()
	f := &floor{bench: start(t), queue: &backlog{}}
	f.now = time.Now().UTC().Truncate(time.Millisecond) // a run's deadline is a real one
	var tokens sync.Map
	w := worker.New(worker.Config{
		Store: f.store, Queue: f.queue, Kinds: []worker.Kind{run}, Now: func() time.Time { return f.now },
		Token: func() string {
			for n := 0; ; n++ {
				if _, taken := tokens.LoadOrStore(n, true); !taken {
					return fmt.Sprintf("lease-%d", n)
				}
			}
		},
		Jitter: func() float64 { return 0 }, Timing: job.DefaultTiming(), LeaseMargin: 30 * time.Second, Version: "0.1.0+7",
	})
	f.handle = entry.SQS(w, f.door, f.logger)
	return f
}

// job stores a queued job with the id.
func (f *floor) job(t *testing.T, id string, ticket int) {
	t.Helper()
	f.put(t, job.Job{
		ID: id, Kind: "enrich", Owner: ann, Tier: "enterprise", Limit: job.Unlimited, Queue: "default", Point: id, State: job.Queued,
		Ticket: ticket, ValidTicket: 1, MaxAttempts: 3, Created: f.now, Deadline: f.now.Add(24 * time.Hour),
	})
}

// record is one message as SQS delivers it.
func record(n int, body string) events.SQSMessage {
	return events.SQSMessage{
		MessageId: fmt.Sprintf("message-%d", n), ReceiptHandle: fmt.Sprintf("receipt-%d", n), Body: body,
		EventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:orbitq-satellite-high",
		Attributes:     map[string]string{"SentTimestamp": "1772366400123", "ApproximateReceiveCount": "2"},
	}
}

// carrying is the body of a message of the job.
func carrying(id string) string { return job.Message{Version: 1, Job: id, Ticket: 1}.Encode() }

// deliver hands a batch to the function and returns the ids that must come back.
func (f *floor) deliver(t *testing.T, e events.SQSEvent) []string {
	t.Helper()
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "invocation-1"})
	out, err := f.handle(ctx, e)
	if err != nil {
		t.Fatalf("the handler failed, which repeats the whole batch: %v", err)
	}
	if raw, err := json.Marshal(out); err != nil || out.BatchItemFailures == nil {
		t.Errorf("%s %v: the list must be there even when it is empty", raw, err)
	}
	var kept []string
	for _, item := range out.BatchItemFailures {
		kept = append(kept, item.ItemIdentifier)
	}
	return kept
}

// sample reads a file of events/.
func sample(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile("../../events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("decode %s: %v", name, err)
	}
}

func TestOneMessageOfTheSamples(t *testing.T) {
	t.Parallel()
	f := work(t, done)
	f.job(t, "01JM8WQ5Z4A1B2C3D4E5F6G7H8", 1)
	var e events.SQSEvent
	sample(t, "sqs_one.json", &e)
	if kept := f.deliver(t, e); len(kept) != 0 {
		t.Errorf("kept %v", kept)
	}
	row, err := f.store.Job(t.Context(), "01JM8WQ5Z4A1B2C3D4E5F6G7H8")
	if err != nil || row.State != job.Succeeded || row.Outcome != job.NoAcquisition || len(row.History) != 1 || row.History[0].RequestID != "invocation-1" {
		t.Errorf("row is %+v, %v", row, err)
	}
}

// Of the three: the first succeeds, the second fails for now, the third names a job that nobody knows.
func TestPartialBatchOfTheSamples(t *testing.T) {
	t.Parallel()
	const first, second = "01JM8WQ5Z4A1B2C3D4E5F6G7H8", "01JM8WQ5Z5B2C3D4E5F6G7H8J9"
	f := work(t, func(ctx context.Context, j *job.Job) (worker.Result, error) {
		if j.ID == second {
			return worker.Result{}, job.Errorf(job.ProviderUnavailable, "provider answered 503")
		}
		return done(ctx, j)
	})
	f.job(t, first, 1)
	f.job(t, second, 2)
	var e events.SQSEvent
	sample(t, "sqs_batch_partial.json", &e)
	want := []string{e.Records[1].MessageId, e.Records[2].MessageId}
	if kept := f.deliver(t, e); !slices.Equal(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
	row, err := f.store.Job(t.Context(), second)
	if err != nil || row.State != job.Retrying || row.Code != job.ProviderUnavailable {
		t.Errorf("row is %+v, %v", row, err)
	}
	// The message comes back by the job's backoff, asked from the queue that it came from; the stranger at once, until
	// SQS has had enough of it.
	hides := map[hidden]bool{
		{"orbitq-satellite", "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy2", 10 * time.Second}: true,
		{"orbitq-satellite", "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy3", 0}:                true,
	}
	for _, h := range f.queue.hidden {
		if !hides[h] || len(f.queue.hidden) != len(hides) {
			t.Errorf("hidden %+v, want %+v", f.queue.hidden, hides)
		}
	}
}

func TestPoisonOfTheSamples(t *testing.T) {
	t.Parallel()
	f := work(t, done)
	f.job(t, "01JM8WQ5Z4A1B2C3D4E5F6G7H8", 1)
	unchanged := f.snapshot()
	var e events.SQSEvent
	sample(t, "sqs_poison.json", &e)
	if kept := f.deliver(t, e); len(kept) != len(e.Records) {
		t.Errorf("kept %v of %d: only the dead letter queue may take a message that nobody understands", kept, len(e.Records))
	}
	if f.snapshot() != unchanged {
		t.Error("poison changed the table")
	}
	for _, line := range f.log.deliveries(t) {
		if line["code"] != "POISON" || line["kept"] != true || line["level"] != "WARN" {
			t.Errorf("line is %v", line)
		}
	}
}

// One bad message among ten, wherever it is: the nine good ones are done and never come again.
func TestOneBadMessageNeverRepeatsNineGoodOnes(t *testing.T) {
	t.Parallel()
	for bad := range 10 {
		for name, failure := range map[string]func() (worker.Result, error){
			"error":           func() (worker.Result, error) { return worker.Result{}, errors.New("boom") },
			"panic":           func() (worker.Result, error) { panic("boom") },
			"fails for good":  func() (worker.Result, error) { return worker.Result{}, job.Errorf(job.InvalidRequest, "400") },
			"not JSON at all": nil,
		} {
			t.Run(fmt.Sprintf("%s at %d", name, bad), func(t *testing.T) {
				t.Parallel()
				f := work(t, func(ctx context.Context, j *job.Job) (worker.Result, error) {
					if j.ID == id(bad) {
						return failure()
					}
					return done(ctx, j)
				})
				var e events.SQSEvent
				for i := range 10 {
					f.job(t, id(i), 1)
					body := carrying(id(i))
					if i == bad && failure == nil {
						body = "hello"
					}
					e.Records = append(e.Records, record(i, body))
				}
				if kept := f.deliver(t, e); !slices.Equal(kept, []string{fmt.Sprintf("message-%d", bad)}) {
					t.Errorf("kept %v", kept)
				}
				for i := range 10 {
					if row, err := f.store.Job(t.Context(), id(i)); err != nil || (row.State == job.Succeeded) == (i == bad) {
						t.Errorf("job %d is %s, %v", i, row.State, err)
					}
				}
			})
		}
	}
}

// Ten records that wait for each other: one after another they would wait for ever.
func TestRecordsOfABatchRunAtOnce(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	all.Add(10)
	f := work(t, func(ctx context.Context, j *job.Job) (worker.Result, error) {
		all.Done()
		met := make(chan struct{})
		go func() { all.Wait(); close(met) }()
		select {
		case <-met:
			return done(ctx, j)
		case <-ctx.Done():
			return worker.Result{}, ctx.Err()
		}
	})
	var e events.SQSEvent
	for i := range 10 {
		f.job(t, id(i), 1)
		e.Records = append(e.Records, record(i, carrying(id(i))))
	}
	if kept := f.deliver(t, e); len(kept) != 0 {
		t.Errorf("kept %v", kept)
	}
}

// The same message twice in one batch: one copy runs, the other must not be lost while the first may still fail.
func TestDuplicateWithinABatch(t *testing.T) {
	t.Parallel()
	runs := make(chan string, 10)
	f := work(t, func(ctx context.Context, j *job.Job) (worker.Result, error) {
		runs <- j.Lease
		return done(ctx, j)
	})
	f.job(t, id(1), 1)
	kept := f.deliver(t, events.SQSEvent{Records: []events.SQSMessage{record(1, carrying(id(1))), record(2, carrying(id(1)))}})
	if len(runs) != 1 || len(kept) > 1 {
		t.Errorf("%d runs, kept %v", len(runs), kept)
	}
	if kept = f.deliver(t, events.SQSEvent{Records: []events.SQSMessage{record(2, carrying(id(1)))}}); len(kept) != 0 || len(runs) != 1 {
		t.Errorf("after the end: kept %v, %d runs", kept, len(runs))
	}
}

// What SQS says about a message is read as SQS writes it, and a record without it does no harm.
func TestAttributesAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(m *events.SQSMessage)
		queue  string
		number float64
		sent   time.Time
	}{
		{"as SQS sends it", func(*events.SQSMessage) {}, "orbitq-satellite-high", 2, time.UnixMilli(1772366400123).UTC()},
		{"no attributes", func(m *events.SQSMessage) { m.Attributes = nil }, "orbitq-satellite-high", 0, time.UnixMilli(0).UTC()},
		{"attributes of another kind", func(m *events.SQSMessage) {
			m.Attributes = map[string]string{"SentTimestamp": "today", "ApproximateReceiveCount": "1e3"}
		}, "orbitq-satellite-high", 0, time.UnixMilli(0).UTC()},
		{"a name instead of an ARN", func(m *events.SQSMessage) { m.EventSourceARN = "satellite" }, "satellite", 2, time.UnixMilli(1772366400123).UTC()},
		{"no source", func(m *events.SQSMessage) { m.EventSourceARN = "" }, "", 2, time.UnixMilli(1772366400123).UTC()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := work(t, func(context.Context, *job.Job) (worker.Result, error) {
				return worker.Result{}, job.Errorf(job.InvalidRequest, "400")
			})
			f.job(t, id(1), 1)
			m := record(1, carrying(id(1)))
			c.change(&m)
			if kept := f.deliver(t, events.SQSEvent{Records: []events.SQSMessage{m}}); len(kept) != 1 {
				t.Errorf("kept %v", kept)
			}
			line := f.log.deliveries(t)[0]
			row, err := f.store.Job(t.Context(), id(1))
			if line["queue"] != c.queue || line["receives"] != c.number || err != nil || !row.DeadSent.Equal(c.sent) {
				t.Errorf("line %v, row %+v, %v", line, row, err)
			}
			if want := []hidden{{c.queue, "receipt-1", 0}}; !slices.Equal(f.queue.hidden, want) {
				t.Errorf("hidden %+v, want %+v", f.queue.hidden, want)
			}
		})
	}
}

func TestEmptyBatch(t *testing.T) {
	t.Parallel()
	f := work(t, done)
	if kept := f.deliver(t, events.SQSEvent{}); len(kept) != 0 || f.log.String() != "" {
		t.Errorf("kept %v, logged %s", kept, f.log)
	}
}

// Too little time left: the batch is handed back untouched instead of being cut off in the middle.
func TestBatchIsHandedBackBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	f := work(t, done)
	f.job(t, id(1), 1)
	unchanged := f.snapshot()
	ctx, cancel := context.WithDeadline(t.Context(), f.now.Add(time.Second))
	defer cancel()
	out, err := f.handle(ctx, events.SQSEvent{Records: []events.SQSMessage{record(1, carrying(id(1)))}})
	if err != nil || len(out.BatchItemFailures) != 1 || f.snapshot() != unchanged {
		t.Errorf("%v %v", out, err)
	}
}

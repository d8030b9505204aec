package entry_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orbitq/internal/deadletter"
	"orbitq/internal/entry"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
	"orbitq/internal/outbox"
	"orbitq/internal/relay"
)

// graveyard is a dead letter queue that fails when told to.
type graveyard struct {
	letters  []deadletter.Letter
	moving   bool
	err      error
	deleted  []string
	returned []string
}

func (g *graveyard) Moving(context.Context) (bool, error) { return g.moving, g.err }

func (g *graveyard) Receive(context.Context) ([]deadletter.Letter, error) {
	all := g.letters
	g.letters = nil
	return all, nil
}

func (g *graveyard) Delete(_ context.Context, receipt string) error {
	g.deleted = append(g.deleted, receipt)
	return nil
}

func (g *graveyard) Return(_ context.Context, receipt string) error {
	g.returned = append(g.returned, receipt)
	return nil
}

// sweeps runs a sweep of the queue over the bench's table and returns its only log line.
func (b *bench) sweeps(t *testing.T, g *graveyard) (map[string]any, error) {
	t.Helper()
	handle := entry.Sweep(deadletter.New(b.store, g, func() time.Time { return b.now }), b.logger)
	before := len(b.log.all(t))
	err := handle(t.Context())
	lines := b.log.all(t)[before:]
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1: %v", len(lines), lines)
	}
	return lines[0], err
}

func TestSweepRecordsAndDeletes(t *testing.T) {
	t.Parallel()
	b := start(t)
	_, open := b.seed(t, ann)
	b.put(t, job.Job{ID: id(1), Kind: "enrich", Owner: ann, State: job.Succeeded, Ticket: 1, ValidTicket: 1})
	line, err := b.sweeps(t, &graveyard{letters: []deadletter.Letter{
		{MessageID: "1", Receipt: "r1", Body: carrying(open), Receives: 8},
		{MessageID: "2", Receipt: "r2", Body: carrying(id(1))},
		{MessageID: "3", Receipt: "r3", Body: "hello " + plantedNote},
	}})
	if err != nil || line["level"] != "INFO" || line["seen"] != 3.0 || line["recorded"] != 2.0 || line["deleted"] != 1.0 || line["moving"] != false {
		t.Errorf("line %v, %v", line, err)
	}
	if row, err := b.store.Job(t.Context(), open); err != nil || row.State != job.Dead || row.Code != job.NoWorkerReport {
		t.Errorf("row is %+v, %v", row, err)
	}
	if strings.Contains(b.log.String(), plantedNote) {
		t.Error("a letter's body is in the log")
	}
}

func TestSweepBesideAMoveTask(t *testing.T) {
	t.Parallel()
	line, err := start(t).sweeps(t, &graveyard{moving: true, letters: []deadletter.Letter{{MessageID: "1", Body: "x"}}})
	if err != nil || line["moving"] != true || line["seen"] != 0.0 {
		t.Errorf("line %v, %v", line, err)
	}
}

// A failed sweep fails the function and is in the log with what it did: Lambda itself would write nothing.
func TestSweepFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("sqs is gone")
	line, err := start(t).sweeps(t, &graveyard{err: boom})
	if !errors.Is(err, boom) || line["level"] != "ERROR" || line["code"] != "INTERNAL" || !strings.Contains(line["error"].(string), "sqs is gone") || line["seen"] != 0.0 {
		t.Errorf("line %v, %v", line, err)
	}
}

// relays runs a sweep of the relay and returns its only log line.
func (b *bench) relays(t *testing.T) (map[string]any, error) {
	t.Helper()
	handle := entry.Relay(entry.RelayParts{
		Relay: relay.New(relay.Config{
			Store: b.store, Skipped: b.store, Sender: b.sender, Now: func() time.Time { return b.now }, Timing: job.DefaultTiming(),
			Line: b.store, Pacer: b.door, Policies: map[string]job.Policy{"paced": {Paced: true}}, Limit: b.door.Policy, Sleep: awake,
			NeedsCall: func(context.Context, *job.Job) (bool, error) { return true, nil },
		}),
		Operator: b.operator, Flow: b.flows(), Outbox: b.outbox(b.flows()), Gate: b.door,
	}, b.logger)
	before := len(b.log.all(t))
	err := handle(t.Context())
	lines := b.log.all(t)[before:]
	if len(lines) == 2 && lines[1]["msg"] == "line served" {
		b.served = lines[1]
		lines = lines[:1]
	}
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1: %v", len(lines), lines)
	}
	return lines[0], err
}

// TestTheRelayServesTheLine, and says in a line of its own what it did; without jobs in line
// it says nothing.
func TestTheRelayServesTheLine(t *testing.T) {
	t.Parallel()
	b := start(t)
	if _, err := b.relays(t); err != nil || b.served != nil {
		t.Errorf("without a line: %v, %v", b.served, err)
	}
	j := job.InLine(job.Accepted(job.Job{ID: id(1), Kind: "paced", Owner: ann, Queue: "default", MaxAttempts: 3, Limit: job.Unlimited}, b.now, time.Hour, time.Minute), b.now)
	if _, _, err := b.store.Accept(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	if _, err := b.relays(t); err != nil || b.served["sent"] != 1.0 || b.served["owners"] != 1.0 || b.served["RelayPaced"] != 1.0 || b.served["level"] != "INFO" {
		t.Errorf("line %v, %v", b.served, err)
	}
	if want := (job.Message{Version: 1, Job: j.ID, Ticket: 2}); len(b.sender.sent) != 1 || b.sender.sent[0].message != want {
		t.Errorf("sent %+v", b.sender.sent)
	}
}

func TestRelaySendsAgain(t *testing.T) {
	t.Parallel()
	b := start(t)
	_, jobID := b.seed(t, ann)
	if line, err := b.relays(t); err != nil || line["seen"] != 0.0 || line["sent"] != 0.0 {
		t.Errorf("nothing is due: %v %v", line, err)
	}
	b.now = b.now.Add(15 * time.Minute)
	line, err := b.relays(t)
	want := sent{"default", job.Message{Version: 1, Job: jobID, Ticket: 2}}
	if err != nil || line["level"] != "INFO" || line["seen"] != 1.0 || line["sent"] != 1.0 || b.sender.sent[1] != want {
		t.Errorf("line %v, sent %+v, %v", line, b.sender.sent, err)
	}
}

func TestRelayFails(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.seed(t, ann)
	b.now = b.now.Add(15 * time.Minute)
	b.sender.err = job.Errorf(job.Throttled, "%w", errAWS)
	line, err := b.relays(t)
	if job.CodeOf(err) != job.Throttled || line["level"] != "ERROR" || line["code"] != "THROTTLED" || line["seen"] != 1.0 || line["sent"] != 0.0 {
		t.Errorf("line %v, %v", line, err)
	}
}

// meeting is a queue and a receiver that wait for each other: both are only reached if jobs are
// sent and events delivered side by side.
type meeting struct {
	relay.Sender

	sent, asked chan struct{}
}

func (m *meeting) Send(ctx context.Context, queue string, msg job.Message, delay time.Duration) error {
	close(m.sent)
	select {
	case <-m.asked:
		return m.Sender.Send(ctx, queue, msg, delay)
	case <-ctx.Done():
		return job.Errorf(job.Throttled, "nobody came")
	}
}

// Notification implements outbox.Notifier.
func (m *meeting) Notification(context.Context, job.Event) (string, func(context.Context) error, error) {
	return "slow.example", func(ctx context.Context) error {
		close(m.asked)
		select {
		case <-m.sent:
			return nil
		case <-ctx.Done():
			return job.Errorf(job.WebhookFailed, "nobody came")
		}
	}, nil
}

// TestSlowReceiversDelayNoJobs: events are delivered beside the relay's other work.
func TestSlowReceiversDelayNoJobs(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.seed(t, ann)
	if err := b.store.PutNotice(t.Context(), &job.Notice{ID: "n", Owner: ann, At: b.now, URL: "https://slow.example"}); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(15 * time.Minute)
	clock := func() time.Time { return b.now }
	m := &meeting{Sender: b.sender, sent: make(chan struct{}), asked: make(chan struct{})}
	handle := entry.Relay(entry.RelayParts{
		Relay:    relay.New(relay.Config{Store: b.store, Skipped: b.store, Sender: m, Line: b.store, Pacer: b.door, Now: clock, Timing: job.DefaultTiming()}),
		Operator: b.operator, Flow: b.flows(), Gate: b.door,
		Outbox: outbox.New(outbox.Config{Store: b.store, Receivers: b.store, Notifier: m, Now: clock}),
	}, b.logger)
	before := len(b.log.all(t))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := handle(ctx)
	if line := b.log.all(t)[before]; err != nil || line["sent"] != 1.0 || line["delivered"] != 1.0 {
		t.Errorf("%v, %v", line, err)
	}
}

// fixture is what a sample of events/ needs in the table.
func (b *bench) fixture(t *testing.T) {
	t.Helper()
	b.put(t, job.Job{ID: "01JM8WQ5Z4A1B2C3D4E5F6G7H8", Kind: "enrich", Owner: "user-42", Queue: "high", Point: id(1), State: job.Queued, MaxAttempts: 3, Created: b.now})
}

// Every sample that is a request goes through its function as Lambda hands it over.
func TestRequestsOfTheSamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file   string
		status int
		code   string
	}{
		{"http_create_point.json", 201, ""},
		{"http_enqueue.json", 404, "NOT_FOUND"}, // the sample's point is not in an empty table
		{"http_get_job.json", 200, ""},
		{"http_pause_queue.json", 202, ""},
		{"http_retry_canary.json", 202, ""},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.fixture(t)
			var event events.APIGatewayV2HTTPRequest
			sample(t, c.file, &event)
			handle := b.write
			if strings.HasPrefix(event.RouteKey, "GET") {
				handle = b.read
			}
			out, err := handle(t.Context(), event)
			if err != nil || out.StatusCode != c.status {
				t.Fatalf("%d %s %v", out.StatusCode, out.Body, err)
			}
			contract(t, event, out)
			var p problem
			if err := json.Unmarshal([]byte(out.Body), &p); err != nil || p.Code != c.code {
				t.Errorf("answer %s, %v", out.Body, err)
			}
		})
	}
}

// Schedule and alarm mean the same to both sweepers: their handlers take no event, so whatever comes is theirs.
func TestTriggersOfTheSamples(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"schedule.json", "dlq_alarm.json"} {
		var event map[string]any
		sample(t, file, &event)
		if len(event) == 0 {
			t.Errorf("%s is empty", file)
		}
	}
	store := memstore.New(job.DefaultTiming())
	clock := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	queues := memqueue.New(memqueue.Config{Now: clock, Visibility: time.Minute, MaxReceives: 8, Names: []string{"default"}})
	log := start(t).logger
	for name, handle := range map[string]any{
		"dlq":   entry.Sweep(deadletter.New(store, &graveyard{}, clock), log),
		"relay": entry.Relay(entry.RelayParts{Relay: relay.New(relay.Config{Store: store, Skipped: store, Sender: queues, Now: clock})}, log),
	} {
		if shape := reflect.TypeOf(handle); shape.NumIn() != 1 || shape.NumOut() != 1 {
			t.Errorf("%s takes %d arguments: Lambda would decode the event into one of them", name, shape.NumIn())
		}
	}
}

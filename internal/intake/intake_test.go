package intake_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/usage"
)

// bench is an intake on the memory table and queues.
type bench struct {
	*intake.Intake
	store  *memstore.Store
	queues *memqueue.Queues
	now    time.Time
	script faulty.Script
	ids    byte
}

func newBench() *bench {
	b := &bench{store: memstore.New(job.DefaultTiming()), now: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), script: faulty.Script{}}
	b.queues = memqueue.New(memqueue.Config{Now: func() time.Time { return b.now }, Visibility: time.Minute, MaxReceives: 8, Names: []string{"high", "default", "low"}})
	p := &faulty.Process{Plan: b.script}
	b.Intake = intake.New(intake.Config{
		Store: &faulty.Store{Table: b.store, Process: p}, Plans: &faulty.Store{Table: b.store, Process: p}, Sender: &faulty.Queue{Inner: b.queues, Process: p}, Policies: map[string]job.Policy{"enrich": {}},
		Now: func() time.Time { return b.now }, Entropy: func() [10]byte { b.ids++; return [10]byte{b.ids} },
		Deadline: 24 * time.Hour, Resend: 15 * time.Minute, Tries: 3,
	})
	return b
}

// by is a request of a user with a free plan.
func by(owner, key, body string) intake.Request {
	return intake.Request{Principal: intake.Principal{Owner: owner, Tier: usage.Free}, Key: key, Body: []byte(body)}
}

// reading is a good reading.
func reading() point.Input {
	return point.Input{Latitude: new(55.7), Longitude: new(12.5), Value: new(1.0)}
}

// create makes a point, or ends the test.
func (b *bench) create(t *testing.T, r intake.Request) intake.Accepted {
	t.Helper()
	got, err := b.CreatePoint(t.Context(), r, reading(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// depth counts the messages of all queues.
func (b *bench) depth() int {
	return b.queues.Depth("high") + b.queues.Depth("default") + b.queues.Depth("low")
}

func TestCreatePoint(t *testing.T) {
	t.Parallel()
	b := newBench()
	got := b.create(t, by("u", "", "body"))
	p, j := got.Point, got.Job
	if p.Owner != "u" || !job.ValidID(p.ID) || p.Revision != 1 || j.Point != p.ID || j.Revision != 1 || j.ID == p.ID || got.Repeated || got.SendErr != nil {
		t.Errorf("got %+v", got)
	}
	want := job.Job{
		ID: j.ID, Kind: "enrich", Owner: "u", Tier: "free", Limit: 10, Queue: "default", Point: p.ID, Revision: 1, BodyHash: j.BodyHash,
		State: job.Queued, Ticket: 1, ValidTicket: 1, MaxAttempts: 3, Created: b.now, Deadline: b.now.Add(24 * time.Hour), Look: b.now.Add(15 * time.Minute),
	}
	stored, err := b.store.Job(t.Context(), j.ID)
	if err != nil || stored.BodyHash == "" || stored.Position() != want.Position() || stored.Look != want.Look || stored.State != want.State || stored.Limit != want.Limit {
		t.Errorf("stored %+v, %v", stored, err)
	}
	ds := b.queues.Receive("default", 10)
	if len(ds) != 1 || ds[0].Body != j.Message().Encode() {
		t.Errorf("sent %+v", ds)
	}
}

func TestQueues(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "default", "default": "default", "high": "high", "low": "low", "HIGH": "", "satellite": ""} {
		b := newBench()
		got, err := b.CreatePoint(t.Context(), by("u", "", "b"), reading(), name, false)
		switch {
		case want == "" && violates(err, "queue enum") && b.depth() == 0:
		case want != "" && err == nil && got.Job.Queue == want && b.queues.Depth(want) == 1:
		default:
			t.Errorf("queue %q: %+v, %v", name, got.Job, err)
		}
	}
}

// violates reports whether err is the refusal of one field by one rule.
func violates(err error, fieldAndRule string) bool {
	coded, ok := err.(*job.Error) //nolint:errorlint // refusals are not wrapped
	return ok && len(coded.Violations) == 1 && coded.Violations[0].Field+" "+coded.Violations[0].Rule == fieldAndRule
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := newBench()
	first := b.create(t, by("u", "key", "body"))
	b.now = b.now.Add(time.Hour)
	again := b.create(t, by("u", "key", "body"))
	if !again.Repeated || again.Point.ID != first.Point.ID || again.Job.ID != first.Job.ID || !again.Job.Created.Equal(first.Job.Created) || b.depth() != 1 {
		t.Errorf("first %+v\nagain %+v, %d messages", first, again, b.depth())
	}
	if _, err := b.CreatePoint(t.Context(), by("u", "key", "other"), reading(), "", false); job.CodeOf(err) != job.KeyReused {
		t.Errorf("another body: %v", err)
	}
	other := b.create(t, by("v", "key", "other"))
	if other.Repeated || other.Point.ID == first.Point.ID || other.Point.Owner != "v" {
		t.Errorf("another owner met %+v", other)
	}
	dispatched, err := b.DispatchJob(t.Context(), by("u", "key", "body"), intake.Dispatch{Kind: "enrich", Point: first.Point.ID})
	if err != nil || dispatched.Repeated || dispatched.Job.ID == first.Job.ID {
		t.Errorf("another route: %+v, %v", dispatched, err)
	}
	if _, err = b.DispatchJob(t.Context(), by("u", "key", "other"), intake.Dispatch{Kind: "enrich", Point: first.Point.ID}); job.CodeOf(err) != job.KeyReused {
		t.Errorf("another body on that route: %v", err)
	}
	if longest := strings.Repeat("k", job.MaxKeyLength); b.create(t, by("u", longest, "b")).Repeated {
		t.Error("the longest key is no key")
	}
	if _, err = b.CreatePoint(t.Context(), by("u", strings.Repeat("k", job.MaxKeyLength+1), "b"), reading(), "", false); !violates(err, "Idempotency-Key max_length") {
		t.Errorf("too long a key: %v", err)
	}
	if a, b2 := b.create(t, by("u", "", "b")), b.create(t, by("u", "", "b")); a.Job.ID == b2.Job.ID {
		t.Error("without a key, two requests are one")
	}
}

func TestDispatchJob(t *testing.T) {
	t.Parallel()
	b := newBench()
	p := b.create(t, by("u", "", "b")).Point.ID
	messages, day := b.depth(), 24*60*60
	for _, c := range []struct {
		name  string
		owner string
		d     intake.Dispatch
		code  job.Code
		rule  string
	}{
		{"another owner's point is not there", "v", intake.Dispatch{Kind: "enrich", Point: p}, job.NotFound, ""},
		{"no such point", "u", intake.Dispatch{Kind: "enrich", Point: job.DerivedID("none")}, job.NotFound, ""},
		{"no id", "u", intake.Dispatch{Kind: "enrich", Point: "628"}, job.InvalidField, "data_point_id id"},
		{"no such kind", "u", intake.Dispatch{Kind: "notify", Point: p}, job.UnknownKind, "kind known"},
		{"no kind", "u", intake.Dispatch{Point: p}, job.UnknownKind, "kind known"},
		{"no such queue", "u", intake.Dispatch{Kind: "enrich", Point: p, Queue: "x"}, job.InvalidField, "queue enum"},
		{"a delay backwards", "u", intake.Dispatch{Kind: "enrich", Point: p, Delay: new(-1)}, job.InvalidField, "delay range"},
		{"a delay of years", "u", intake.Dispatch{Kind: "enrich", Point: p, Delay: new(367 * day)}, job.InvalidField, "delay range"},
		{"a time of years", "u", intake.Dispatch{Kind: "enrich", Point: p, RunAt: new(b.now.AddDate(2, 0, 0))}, job.InvalidField, "run_at range"},
		{"two wishes", "u", intake.Dispatch{Kind: "enrich", Point: p, Delay: new(1), RunAt: &b.now}, job.InvalidField, "run_at exclusive"},
	} {
		_, err := b.DispatchJob(t.Context(), by(c.owner, "", "b"), c.d)
		if job.CodeOf(err) != c.code || c.rule != "" && !violates(err, c.rule) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if b.depth() != messages {
		t.Errorf("a refused request sent %d messages", b.depth()-messages)
	}
	if all, _, err := b.store.Jobs(t.Context(), "u", "", "", 100); err != nil || len(all) != 1 {
		t.Errorf("a refused request left %d jobs, %v", len(all)-1, err)
	}
}

func TestWhenAJobIsDue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		delay *int
		runAt time.Duration // from now; zero for none
		state job.State
		sent  bool
		wait  time.Duration
	}{
		{"at once", nil, 0, job.Queued, true, 0},
		{"no delay", new(0), 0, job.Queued, true, 0},
		{"in a minute", new(60), 0, job.Scheduled, true, time.Minute},
		{"as long as a message can wait", new(900), 0, job.Scheduled, true, 15 * time.Minute},
		{"longer", new(901), 0, job.Scheduled, false, 0},
		{"in the past", nil, -time.Hour, job.Queued, true, 0},
		{"tomorrow", nil, 24 * time.Hour, job.Scheduled, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			p := b.create(t, by("u", "", "b")).Point.ID
			d := intake.Dispatch{Kind: "enrich", Point: p, Queue: "low", Delay: c.delay}
			if c.runAt != 0 {
				d.RunAt = new(b.now.Add(c.runAt))
			}
			got, err := b.DispatchJob(t.Context(), by("u", "", "b"), d)
			if err != nil || got.Job.State != c.state || (b.queues.Depth("low") == 1) != c.sent {
				t.Fatalf("%+v, %v, %d messages", got.Job, err, b.queues.Depth("low"))
			}
			b.now = b.now.Add(c.wait - 1)
			if early := b.queues.Receive("low", 1); c.wait > 0 && len(early) > 0 {
				t.Error("visible too early")
			}
			b.now = b.now.Add(1)
			if due := b.queues.Receive("low", 1); c.wait > 0 && len(due) != 1 {
				t.Error("not visible in time")
			}
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		op    string
		fault faulty.Fault
		code  job.Code // of the answer, empty when it is accepted
		sent  bool
		jobs  int
	}{
		{"the table refuses", "AcceptPoint", faulty.Refuse, job.Throttled, false, 0},
		{"the reply is lost: the row is there, the relay will send", "AcceptPoint", faulty.LoseReply, job.Internal, false, 1},
		{"the queue refuses: accepted all the same", "Send", faulty.Refuse, "", false, 1},
		{"the queue's reply is lost", "Send", faulty.LoseReply, "", true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			b.script[c.op] = c.fault
			got, err := b.CreatePoint(t.Context(), by("u", "key", "b"), reading(), "", false)
			if code := job.CodeOf(err); err != nil && code != c.code || err == nil && (c.code != "" || got.SendErr == nil) {
				t.Errorf("got %+v, %v", got, err)
			}
			all, _, err := b.store.Jobs(t.Context(), "u", "", "", 100)
			if err != nil || len(all) != c.jobs || (b.depth() == 1) != c.sent {
				t.Errorf("%d jobs, %d messages, %v", len(all), b.depth(), err)
			}
			if again := b.create(t, by("u", "key", "b")); again.Repeated != (c.jobs == 1) {
				t.Errorf("asked again: %+v", again)
			}
			if hints, err := b.store.Due(context.Background(), job.Shard(job.DerivedID("u", "POST /v1/data-points", "key", "job"), 16), b.now.Add(time.Hour), 10); err != nil || len(hints) != 1 {
				t.Errorf("the relay would find %v, %v", hints, err)
			}
		})
	}
}

func TestRefusedReadingsLeaveNothing(t *testing.T) {
	t.Parallel()
	b := newBench()
	in := reading()
	in.Latitude = new(91.0)
	_, err := b.CreatePoint(t.Context(), by("u", strings.Repeat("k", 256), "b"), in, "x", false)
	coded, ok := err.(*job.Error) //nolint:errorlint // refusals are not wrapped
	if !ok || coded.Code != job.InvalidField || len(coded.Violations) != 3 {
		t.Errorf("got %v", err)
	}
	if all, _, err := b.store.Jobs(t.Context(), "u", "", "", 10); err != nil || len(all) != 0 || b.depth() != 0 {
		t.Errorf("%d jobs, %d messages, %v", len(all), b.depth(), err)
	}
}

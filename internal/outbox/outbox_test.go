package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/outbox"
)

// start is when the tests begin.
func start() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// fixture is an outbox on the memory table whose receivers answer as their host says, under a
// clock that stands. Its deliveries go one after the other.
type fixture struct {
	*outbox.Outbox

	store  *memstore.Store
	script faulty.Script
	now    time.Time
	heard  []string                 // ids of events, in the order of their deliveries
	tries  map[string]int           // deliveries by host
	answer map[string]error         // by host; nil is an answer
	hosts  map[string]string        // by event
	slow   map[string]time.Duration // what a delivery to a host takes
}

func newFixture() *fixture {
	f := &fixture{
		store: memstore.New(job.DefaultTiming()), script: faulty.Script{}, now: start(),
		tries: map[string]int{}, answer: map[string]error{}, hosts: map[string]string{}, slow: map[string]time.Duration{},
	}
	table := &faulty.Store{Table: f.store, Process: &faulty.Process{Plan: f.script}}
	f.Outbox = outbox.New(outbox.Config{
		Store: table, Receivers: table, Notifier: f, Now: func() time.Time { return f.now },
		Together: func(run ...func()) {
			for _, do := range run {
				do()
			}
		},
	})
	return f
}

// Notification implements outbox.Notifier.
func (f *fixture) Notification(_ context.Context, e job.Event) (string, func(context.Context) error, error) {
	host := f.hosts[e.ID]
	return host, func(context.Context) error {
		f.tries[host]++
		f.now = f.now.Add(f.slow[host])
		if err := f.answer[host]; err != nil {
			return err
		}
		f.heard = append(f.heard, e.ID)
		return nil
	}, nil
}

// notice writes a notice of an owner that goes to a host.
func (f *fixture) notice(t *testing.T, owner, host string, n int) job.Event {
	t.Helper()
	one := job.Notice{ID: fmt.Sprintf("%s-%05d", owner, n), Owner: owner, At: f.now, Type: "enrichment.succeeded", URL: "https://" + host}
	if err := f.store.PutNotice(t.Context(), &one); err != nil {
		t.Fatal(err)
	}
	e := one.Events()[0]
	f.hosts[e.ID] = host
	return e
}

// death lets a job die, which is an event for operators; its host stands for the topic.
func (f *fixture) death(t *testing.T, name string) job.Event {
	t.Helper()
	j := job.Accepted(job.Job{ID: job.DerivedID(name), Owner: "u", Queue: "default", MaxAttempts: 3, Limit: job.Unlimited}, f.now, time.Hour, time.Hour)
	if _, _, err := f.store.Accept(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	j, err := f.store.Amend(t.Context(), j.ID, func(j job.Job) (job.Job, error) {
		return job.Buried(j, job.Internal, "why", job.Carried{Ticket: 1}, f.now), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return job.Death(&j)
}

// sweep sweeps once and demands the counts.
func (f *fixture) sweep(t *testing.T, want outbox.Swept) {
	t.Helper()
	if got, err := f.Sweep(t.Context()); err != nil || got != want {
		t.Errorf("swept %+v, %v, want %+v", got, err, want)
	}
}

// delivery reads what became of an event.
func (f *fixture) delivery(t *testing.T, e *job.Event) flow.Delivery {
	t.Helper()
	got, err := f.store.Deliveries(t.Context(), []string{e.ID})
	if err != nil || len(got) != 1 {
		t.Fatalf("deliveries %+v, %v", got, err)
	}
	return got[0]
}

func TestEventsAreDelivered(t *testing.T) {
	t.Parallel()
	f := newFixture()
	first := f.death(t, "a")
	f.now = f.now.Add(time.Second)
	second := f.death(t, "b")
	f.sweep(t, outbox.Swept{Delivered: 2})
	f.sweep(t, outbox.Swept{})
	if !slices.Equal(f.heard, []string{first.ID, second.ID}) {
		t.Errorf("heard %v", f.heard)
	}
}

// TestAnEventThatCannotBeDeliveredStays, and does not keep the others back.
func TestAnEventThatCannotBeDeliveredStays(t *testing.T) {
	t.Parallel()
	f := newFixture()
	mute, other := f.death(t, "mute"), f.death(t, "other")
	f.hosts[mute.ID], f.answer["topic"] = "topic", errors.New("no topic")
	if got, err := f.Sweep(t.Context()); err == nil || !strings.Contains(err.Error(), "deliver event "+mute.ID+": no topic") || got != (outbox.Swept{Delivered: 1, Failed: 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
	delete(f.answer, "topic")
	f.sweep(t, outbox.Swept{}) // a minute of patience
	f.now = f.now.Add(time.Minute)
	f.sweep(t, outbox.Swept{Delivered: 1})
	if !slices.Equal(f.heard, []string{other.ID, mute.ID}) {
		t.Errorf("heard %v", f.heard)
	}
}

// TestAnEventIsDeliveredAgainRatherThanNever: the id is the same, so a listener can tell.
func TestAnEventIsDeliveredAgainRatherThanNever(t *testing.T) {
	t.Parallel()
	f := newFixture()
	e := f.death(t, "a")
	f.script["MarkDelivered"] = faulty.Refuse
	if got, err := f.Sweep(t.Context()); err == nil || !strings.Contains(err.Error(), "mark event "+e.ID) || got.Delivered != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	f.sweep(t, outbox.Swept{Delivered: 1})
	if !slices.Equal(f.heard, []string{e.ID, e.ID}) {
		t.Errorf("heard %v", f.heard)
	}
}

// TestAReceiverThatIsDownIsNoErrorOfTheSweep: it is asked again later and later, as it
// wishes, and in the end not at all.
func TestAReceiverThatIsDownIsNoErrorOfTheSweep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		why  error
		next time.Duration // 0 for never
	}{
		{"down", job.Errorf(job.WebhookFailed, "503"), time.Minute},
		{"busy", &job.Error{Code: job.WebhookFailed, Message: "429", RetryAfter: 2 * time.Hour}, 2 * time.Hour},
		{"gone", job.Errorf(job.WebhookRefused, "410"), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture()
			e := f.notice(t, "u", "down.example", 0)
			f.answer["down.example"] = c.why
			f.sweep(t, outbox.Swept{Failed: 1})
			d := f.delivery(t, &e)
			if d.Tries != 1 || d.Reason != c.why.Error() || d.Next.IsZero() != (c.next == 0) || c.next > 0 && d.Next.Sub(f.now) != c.next {
				t.Fatalf("got %+v", d)
			}
			delete(f.answer, "down.example")
			f.now = f.now.Add(max(c.next-time.Millisecond, 0))
			f.sweep(t, outbox.Swept{})
			want := outbox.Swept{}
			if c.next > 0 {
				want.Delivered = 1
			}
			f.now = f.now.Add(time.Millisecond)
			f.sweep(t, want)
		})
	}
}

// TestAFailureThatCannotBeNoted is told, beside what failed.
func TestAFailureThatCannotBeNoted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  error
		both bool
	}{{job.Errorf(job.WebhookFailed, "503"), false}, {errors.New("no topic"), true}} {
		f := newFixture()
		e := f.notice(t, "u", "mute", 0)
		f.answer["mute"], f.script["MarkFailed"] = c.why, faulty.Refuse
		_, err := f.Sweep(t.Context())
		if err == nil || !strings.Contains(err.Error(), "put off event "+e.ID) || strings.Contains(err.Error(), "deliver event "+e.ID) != c.both {
			t.Errorf("got %v", err)
		}
		delete(f.answer, "mute")
		f.sweep(t, outbox.Swept{Delivered: 1})
	}
}

// TestFaultsOfTheTableStopNoOtherDelivery: each call says what it was about.
func TestFaultsOfTheTableStopNoOtherDelivery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op, want string
		swept    outbox.Swept
	}{
		{"Pending", "find events of lane 0", outbox.Swept{Delivered: 1, Failed: 1}},
		{"Receivers", "read receivers", outbox.Swept{Delivered: 2, Failed: 1}},
		{"SaveReceivers", "save receivers", outbox.Swept{Delivered: 2, Failed: 1}},
	} {
		t.Run(c.op, func(t *testing.T) {
			t.Parallel()
			f := newFixture()
			f.death(t, "a")
			f.notice(t, "down", "down.example", 0)
			f.notice(t, "up", "up.example", 0)
			f.answer["down.example"] = job.Errorf(job.WebhookFailed, "503")
			f.script[c.op] = faulty.Refuse
			if got, err := f.Sweep(t.Context()); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), c.want) || got != c.swept {
				t.Errorf("got %+v, %v, want %+v", got, err, c.swept)
			}
		})
	}
}

// TestOneDeliveryAtOnce takes note like a sweep, and says why it failed.
func TestOneDeliveryAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture()
	e := f.notice(t, "u", "down.example", 0)
	f.answer["down.example"] = job.Errorf(job.WebhookFailed, "503")
	if err := f.Deliver(t.Context(), e); job.CodeOf(err) != job.WebhookFailed {
		t.Errorf("got %v", err)
	}
	if d := f.delivery(t, &e); d.Tries != 1 || d.Next.Sub(f.now) != time.Minute {
		t.Errorf("%+v", d)
	}
	delete(f.answer, "down.example")
	if err := f.Deliver(t.Context(), e); err != nil || !f.delivery(t, &e).Delivered.Equal(f.now) {
		t.Errorf("%+v, %v", f.delivery(t, &e), err)
	}
}

package outbox_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/outbox"
)

// TestABreakerOpensAndCloses: after five failures in a row a receiver is left alone for a
// minute, then for two, and so on; an answer to the probe closes the breaker.
func TestABreakerOpensAndCloses(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for i := range 20 {
		f.notice(t, "u", "down.example", i)
	}
	f.answer["down.example"] = job.Errorf(job.WebhookFailed, "no answer in time")
	f.sweep(t, outbox.Swept{Failed: 5, Postponed: 15})
	if f.tries["down.example"] != 5 {
		t.Errorf("%d deliveries, want 5", f.tries["down.example"])
	}
	// The state outlives the sweep: the next one asks with one probe.
	f.now = f.now.Add(time.Minute)
	if got, err := f.Sweep(t.Context()); err != nil || got.Failed != 1 || f.tries["down.example"] != 6 {
		t.Errorf("%+v, %v, %d deliveries", got, err, f.tries["down.example"])
	}
	f.now = f.now.Add(2*time.Minute - time.Millisecond)
	if _, err := f.Sweep(t.Context()); err != nil || f.tries["down.example"] != 6 {
		t.Errorf("asked within two minutes: %d deliveries, %v", f.tries["down.example"], err)
	}
	delete(f.answer, "down.example")
	f.now = f.now.Add(time.Minute)
	if got, err := f.Sweep(t.Context()); err != nil || got.Delivered == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for range 20 {
		f.now = f.now.Add(time.Minute)
		if _, err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.heard) != 20 {
		t.Errorf("%d of 20 were delivered in the end", len(f.heard))
	}
}

// TestABreakerIsItsOwnersAlone: who posts to a path that fails must not shut the same host for
// others.
func TestABreakerIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for i := range 10 {
		e := f.notice(t, "hostile", "chat.example", i)
		f.hosts[e.ID] = "chat.example"
	}
	f.answer["chat.example"] = job.Errorf(job.WebhookFailed, "500")
	f.sweep(t, outbox.Swept{Failed: 5, Postponed: 5})
	delete(f.answer, "chat.example")
	mine := f.notice(t, "me", "chat.example", 0)
	f.sweep(t, outbox.Swept{Delivered: 1})
	if f.delivery(t, &mine).Delivered.IsZero() {
		t.Error("not delivered")
	}
}

// TestWhatABreakerHoldsBackForADayIsGivenUp, with its reason.
func TestWhatABreakerHoldsBackForADayIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for i := range 6 {
		f.notice(t, "u", "down.example", i)
	}
	f.answer["down.example"] = job.Errorf(job.WebhookFailed, "503")
	for range 26 * 60 {
		if _, err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Minute)
	}
	if f.tries["down.example"] > 60 {
		t.Errorf("%d deliveries in a day", f.tries["down.example"])
	}
	for i := range 6 {
		e := job.Event{ID: fmt.Sprintf("u-%05d-webhook", i)}
		if d := f.delivery(t, &e); !d.Next.IsZero() || !d.Delivered.IsZero() || d.Reason == "" {
			t.Errorf("%+v", d)
		}
	}
}

// TestAnOwnerWithManyReceiversIsRememberedForTwenty: the row of an owner has a bound.
func TestAnOwnerWithManyReceiversIsRememberedForTwenty(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for i := range 50 {
		host := fmt.Sprintf("%02d.example", i)
		f.answer[host] = job.Errorf(job.WebhookFailed, "503")
		f.notice(t, "u", host, i)
	}
	f.sweep(t, outbox.Swept{Failed: 50})
	b, err := f.store.Receivers(t.Context(), "u")
	if err != nil || len(b) != 20 {
		t.Errorf("%d receivers, %v", len(b), err)
	}
}

// TestTheNewestReceiversAreRemembered: who fails now pushes out who failed long ago.
func TestTheNewestReceiversAreRemembered(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for i := range 21 {
		host := fmt.Sprintf("%02d.example", i)
		f.answer[host] = job.Errorf(job.WebhookFailed, "503")
		e := f.notice(t, "u", host, i)
		if err := f.Deliver(t.Context(), e); err == nil {
			t.Fatal("delivered")
		}
		f.now = f.now.Add(time.Second)
	}
	b, err := f.store.Receivers(t.Context(), "u")
	if _, oldest := b["00.example"]; err != nil || oldest || len(b) != 20 || b["20.example"].Failures != 1 {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestWhatCountsAsAFailure: answers close a breaker, trouble of ours says nothing of the
// receiver, and after three hours a failure is forgotten.
func TestWhatCountsAsAFailure(t *testing.T) {
	t.Parallel()
	failed := job.Errorf(job.WebhookFailed, "503")
	for _, c := range []struct {
		name  string
		first error         // of the delivery between four failures and the next one
		later time.Duration // after which that comes
		want  int           // failures in a row in the end
	}{
		{"failures alone", failed, time.Minute, 6}, // the fifth has opened it
		{"an answer", nil, 0, 1},
		{"a refusal is an answer", job.Errorf(job.WebhookRefused, "410"), 0, 1},
		{"trouble of ours", errors.New("no secret"), 0, 5},
		{"a long time", errors.New("no secret"), 3 * time.Hour, 1},
		{"not quite as long a time", errors.New("no secret"), 3*time.Hour - time.Millisecond, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture()
			n := 0
			deliver := func(answer error) {
				f.answer["x.example"] = answer
				_ = f.Deliver(t.Context(), f.notice(t, "u", "x.example", n)) // what is counted is looked at below
				n++
			}
			for range 4 {
				deliver(failed)
			}
			deliver(c.first)
			f.now = f.now.Add(c.later)
			deliver(failed)
			if b, err := f.store.Receivers(t.Context(), "u"); err != nil || b["x.example"].Failures != c.want {
				t.Errorf("%+v, %v, want %d failures", b, err, c.want)
			}
		})
	}
}

// TestAReceiverIsAskedEveryHour at the least, however long it has been down.
func TestAReceiverIsAskedEveryHour(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.answer["down.example"] = job.Errorf(job.WebhookFailed, "503")
	for range 24 * 60 {
		f.notice(t, "u", "down.example", int(f.now.Sub(start())/time.Minute)) // one a minute
		if _, err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Minute)
	}
	if n := f.tries["down.example"]; n < 24 || n > 35 {
		t.Errorf("asked %d times in a day", n)
	}
}

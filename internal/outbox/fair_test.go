package outbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/outbox"
)

// sameLane returns an owner whose events are in the lane of another one's.
func sameLane(owner string) string {
	lane := (&job.Event{Type: job.NoticeWebhook, Owner: owner}).Lane()
	for i := 0; ; i++ {
		if other := fmt.Sprint("neighbour-", i); (&job.Event{Type: job.NoticeWebhook, Owner: other}).Lane() == lane {
			return other
		}
	}
}

// TestOwnersTakeTurns: each has one delivery before any has a second one.
func TestOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for i := range 5 {
		f.notice(t, "many", "many.example", i)
	}
	few := sameLane("many")
	f.now = f.now.Add(time.Second)
	f.notice(t, few, "few.example", 0)
	f.sweep(t, outbox.Swept{Delivered: 6})
	if place := slices.IndexFunc(f.heard, func(id string) bool { return strings.HasPrefix(id, few) }); place != 1 {
		t.Errorf("heard %v", f.heard)
	}
}

// TestTenThousandEventsHideNobodyElses: they are in front in the lane, the sweep delivers its
// share of them, and the rest is put off for good: the lane is as short as before.
func TestTenThousandEventsHideNobodyElses(t *testing.T) {
	t.Parallel()
	f := newFixture()
	const crowd = 9_900
	for i := range crowd {
		f.notice(t, "crowd", "crowd.example", i)
	}
	few := sameLane("crowd")
	f.now = f.now.Add(time.Second)
	mine := f.notice(t, few, "few.example", 0)
	f.sweep(t, outbox.Swept{Delivered: 1 + outbox.PerOwner, Postponed: crowd - outbox.PerOwner})
	if !slices.Contains(f.heard, mine.ID) {
		t.Error("the other owner's event was not delivered by the first sweep")
	}
	// From now on each sweep finds as many as it delivers.
	for range 3 {
		f.now = f.now.Add(time.Minute)
		f.sweep(t, outbox.Swept{Delivered: outbox.PerOwner})
	}
}

// TestOperatorsComeFirst, although users' events are older and their receivers slow.
func TestOperatorsComeFirst(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.slow["slow.example"] = 10 * time.Second
	for i := range 3 {
		f.notice(t, fmt.Sprint("owner-", i), "slow.example", 0)
	}
	f.now = f.now.Add(time.Second)
	death := f.death(t, "a")
	began := f.now
	if _, err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.heard) == 0 || f.heard[0] != death.ID {
		t.Errorf("heard %v", f.heard)
	}
	// One after the other: no delivery began after 14 s, and the third owner keeps its place.
	if took := f.now.Sub(began); took != 20*time.Second || f.tries["slow.example"] != 2 {
		t.Errorf("the sweep took %v, %d deliveries", took, f.tries["slow.example"])
	}
	f.sweep(t, outbox.Swept{Delivered: 1})
}

// TestWhoWaitsForTheFirstTimeGoesFirst: receivers that were down a minute ago can wait.
func TestWhoWaitsForTheFirstTimeGoesFirst(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.notice(t, "down", "down.example", 0)
	f.answer["down.example"] = job.Errorf(job.WebhookFailed, "503")
	f.sweep(t, outbox.Swept{Failed: 1})
	f.now = f.now.Add(2 * time.Minute)
	delete(f.answer, "down.example")
	fresh := f.notice(t, sameLane("down"), "up.example", 0)
	f.sweep(t, outbox.Swept{Delivered: 2})
	if f.heard[0] != fresh.ID {
		t.Errorf("heard %v", f.heard)
	}
}

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

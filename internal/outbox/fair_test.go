package outbox_test

import (
	"context"
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

// TestTenThousandEventsHideNoOtherOwners: they are in front in the lane, the sweep delivers its
// share of them, and the rest is put off for good: the lane is as short as before.
func TestTenThousandEventsHideNoOtherOwners(t *testing.T) {
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

// TestLanesTakeTurnsInBeingFirst: of a sweep that is out of time the last ones would starve.
func TestLanesTakeTurnsInBeingFirst(t *testing.T) {
	t.Parallel()
	f := newFixture()
	first := map[int]bool{}
	for range job.UserLanes {
		f.heard = nil
		for i := range 30 { // enough to be in every lane
			f.notice(t, fmt.Sprint("owner-", i), "up.example", f.now.Minute())
		}
		f.sweep(t, outbox.Swept{Delivered: 30})
		owner, _, _ := strings.Cut(strings.TrimPrefix(f.heard[0], "owner-"), "-")
		first[(&job.Event{Type: job.NoticeWebhook, Owner: "owner-" + owner}).Lane()] = true
		f.now = f.now.Add(time.Minute)
	}
	if len(first) != job.UserLanes {
		t.Errorf("first were lanes %v", first)
	}
}

// slowTable takes a time for each page and each event that is put off.
type slowTable struct {
	outbox.Store

	f     *fixture
	pages int
}

func (s *slowTable) Pending(ctx context.Context, lane int, now time.Time, after string, n int) ([]job.Event, string, error) {
	if lane != job.OperatorLane {
		s.pages++
		s.f.now = s.f.now.Add(500 * time.Millisecond)
	}
	return s.Store.Pending(ctx, lane, now, after, n)
}

func (s *slowTable) Postpone(ctx context.Context, id string, next time.Time) error {
	s.f.now = s.f.now.Add(30 * time.Millisecond)
	return s.Store.Postpone(ctx, id, next)
}

// TestASlowTableLeavesTimeToDeliver: reading and putting off have a bound, and what is read is
// delivered.
func TestASlowTableLeavesTimeToDeliver(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for i := range 3000 {
		f.notice(t, "crowd", "crowd.example", i)
	}
	slow := &slowTable{Store: f.store, f: f}
	f.Store = slow
	began := f.now
	got, err := f.Sweep(t.Context())
	if took := f.now.Sub(began); err != nil || got.Delivered != outbox.PerOwner || took > 12*time.Second || slow.pages > 15 {
		t.Errorf("%+v, %v, after %v and %d pages", got, err, took, slow.pages)
	}
}

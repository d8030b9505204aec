package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/outbox"
)

// mails are the ports on messages to owners and to whoever listens.
type mails interface {
	flow.Mail
	// Notices returns a page of an owner's notices, the newest first.
	Notices(ctx context.Context, owner, after string, n int) ([]job.Notice, string, error)
	// Preferences returns what an owner wants to hear of.
	Preferences(ctx context.Context, owner string) (job.Preferences, error)
	// SavePreferences replaces an owner's preferences.
	SavePreferences(ctx context.Context, owner string, p job.Preferences) error
}

// newNotice returns a message that goes to a webhook and to the topic as well.
func newNotice(t *testing.T) job.Notice {
	t.Helper()
	return job.Notice{
		ID: id(t), Owner: "u-" + id(t), Type: "enrichment.partial", At: start(), Point: id(t), Revision: 2, Job: id(t),
		Title: "Some \u00e6", Text: "Not every", Facts: map[string]any{"NDVI": 0.25, "acquired_on": "2026-03-10"}, URL: "https://example.org/h", Topic: true,
	}
}

// put stores a notice.
func put(t *testing.T, s Store, n *job.Notice) {
	t.Helper()
	if err := s.PutNotice(context.Background(), n); err != nil {
		t.Fatalf("put notice: %v", err)
	}
}

// posted stores a notice and returns the event that brings it to its webhook.
func posted(t *testing.T, s Store) job.Event {
	t.Helper()
	n := newNotice(t)
	n.Topic = false
	put(t, s, &n)
	return n.Events()[0]
}

// dueAt reports how often an event is due at a time, and as what.
func dueAt(t *testing.T, s Store, eventID string, now time.Time) (n int, e job.Event) {
	t.Helper()
	events := pendingAt(t, s, now)
	for i := range events {
		if events[i].ID == eventID {
			n, e = n+1, events[i]
		}
	}
	return n, e
}

// delivery demands what became of an event.
func delivery(t *testing.T, s Store, want flow.Delivery) {
	t.Helper()
	// The tries stand in the event as well: the relay counts its patience by them.
	want.Event.Tries = want.Tries
	got, err := s.Deliveries(context.Background(), []string{want.Event.ID})
	if err != nil || !reflect.DeepEqual(got, []flow.Delivery{want}) {
		t.Errorf("deliveries %+v, %v\nwant %+v", got, err, want)
	}
}

// missed notes that an event could not be told.
func missed(t *testing.T, s Store, event, reason string, next, now time.Time) {
	t.Helper()
	if err := s.MarkFailed(context.Background(), event, reason, next, now); err != nil {
		t.Fatalf("missed: %v", err)
	}
}

// mailRules: an event is told, put off or given up, and a notice is written once.
func mailRules() []rule {
	return []rule{
		{"an event that was missed is due at its next time and not before", putOff},
		{"an event that is given up is due never, and tells why", givesUp},
		{"an event that is delivered after it failed forgets why, and is missed no more", toldAfterMissed},
		{"a miss that is reported twice is counted once", countsMissOnce},
		{"an event that is put off is due later, and no try is counted", putOffUncounted},
		{"events are in lanes by owner, those of operators in their own, page by page", lanesOfEvents},
		{"what is known of receivers is one owner's, and replaced as a whole", keepsReceivers},
		{"deliveries are those that were written, in any number", deliveriesOfMany},
		{"a notice is written once, with the events that tell of it", noticeOnce},
		{"notices are one owner's, the newest first, page by page, each once", noticesOfAnOwner},
		{"preferences are one owner's, and replaced as a whole", keepsPreferences},
	}
}

// putOff: a receiver that is down must not be asked all the time.
func putOff(t *testing.T, s Store) {
	e := posted(t, s)
	delivery(t, s, flow.Delivery{Event: e, Next: start()})
	if n, _ := dueAt(t, s, e.ID, start().Add(-time.Millisecond)); n != 0 {
		t.Error("due before it happened")
	}
	next := start().Add(time.Minute)
	// Each miss moves the next time; a due time that is only added to would come at once.
	for tries := 1; tries <= 3; tries++ {
		if n, got := dueAt(t, s, e.ID, next.Add(-time.Minute)); n != 1 || got.Tries != tries-1 {
			t.Errorf("due %d times with %d tries, want %d", n, got.Tries, tries-1)
		}
		missed(t, s, e.ID, fmt.Sprint("503 #", tries), next, next.Add(-time.Minute))
		if n, _ := dueAt(t, s, e.ID, next.Add(-time.Millisecond)); n != 0 {
			t.Errorf("due before its %d. next time", tries)
		}
		delivery(t, s, flow.Delivery{Event: e, Tries: tries, Next: next, Reason: fmt.Sprint("503 #", tries)})
		next = next.Add(time.Minute)
	}
}

// givesUp: whoever looks later wants to know that it was tried.
func givesUp(t *testing.T, s Store) {
	e := posted(t, s)
	missed(t, s, e.ID, "503", start().Add(time.Minute), start())
	missed(t, s, e.ID, "410", time.Time{}, start().Add(time.Minute))
	want := flow.Delivery{Event: e, Tries: 2, Reason: "410"}
	delivery(t, s, want)
	// A relay that was slower reports its own miss: it must not bring the event back to life.
	missed(t, s, e.ID, "too late", later(), start().Add(time.Hour))
	if err := s.MarkDelivered(context.Background(), e.ID, later()); err != nil {
		t.Errorf("told: %v", err)
	}
	delivery(t, s, want)
	if n, _ := dueAt(t, s, e.ID, time.Time{}); n != 0 {
		t.Error("still due")
	}
}

// toldAfterMissed: another relay may have been slower, and must not undo it.
func toldAfterMissed(t *testing.T, s Store) {
	e := posted(t, s)
	missed(t, s, e.ID, "503", start().Add(time.Minute), start())
	if err := s.MarkDelivered(context.Background(), e.ID, later()); err != nil {
		t.Fatalf("told: %v", err)
	}
	missed(t, s, e.ID, "409", later().Add(time.Minute), later())
	// Not even a give-up may undo a delivery.
	missed(t, s, e.ID, "409", time.Time{}, later())
	delivery(t, s, flow.Delivery{Event: e, Tries: 1, Delivered: later()})
	if n, _ := dueAt(t, s, e.ID, time.Time{}); n != 0 {
		t.Error("still due")
	}
}

// countsMissOnce: the client repeats a write whose reply was lost, and the patience with a
// receiver is counted in tries.
func countsMissOnce(t *testing.T, s Store) {
	e := posted(t, s)
	for range 3 {
		missed(t, s, e.ID, "503", later(), start())
	}
	delivery(t, s, flow.Delivery{Event: e, Tries: 1, Next: later(), Reason: "503"})
	// Its row may have expired: that is no error of the relay's.
	missed(t, s, id(t), "an event that never was", later(), start())
}

// putOffUncounted: an event whose turn has not come has not failed, and one that was delivered
// meanwhile does not come back.
func putOffUncounted(t *testing.T, s Store) {
	ctx, e := context.Background(), posted(t, s)
	next := start().Add(time.Minute)
	for range 2 {
		if err := s.Postpone(ctx, e.ID, next); err != nil {
			t.Fatalf("postpone: %v", err)
		}
	}
	delivery(t, s, flow.Delivery{Event: e, Next: next})
	if n, _ := dueAt(t, s, e.ID, next.Add(-time.Millisecond)); n != 0 {
		t.Error("due before its next time")
	}
	if n, _ := dueAt(t, s, e.ID, next); n != 1 {
		t.Error("not due at its next time")
	}
	if err := s.MarkDelivered(ctx, e.ID, next); err != nil {
		t.Fatal(err)
	}
	if err := s.Postpone(ctx, e.ID, later()); err != nil {
		t.Errorf("postpone what was delivered: %v", err)
	}
	delivery(t, s, flow.Delivery{Event: e, Delivered: next})
	if err := s.Postpone(ctx, id(t), later()); err != nil {
		t.Errorf("postpone what never was: %v", err)
	}
}

// lanesOfEvents reads a lane in pages of two, beside the events of other rules.
func lanesOfEvents(t *testing.T, s Store) {
	dead := died(t, s, "u-"+id(t), start())
	var want []string
	n := newNotice(t)
	lane := n.Events()[0].Lane()
	for i := range 5 {
		one := newNotice(t)
		// Two of one moment: a position made of the time alone would skip or repeat one of them.
		one.Owner, one.Topic, one.At = n.Owner, false, start().Add(time.Duration(i/2)*time.Second)
		put(t, s, &one)
		want = append(want, one.Events()[0].ID)
	}
	var got []string
	for after := ""; ; {
		page, next, err := s.Pending(context.Background(), lane, later(), after, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("%d events, %v", len(page), err)
		}
		for i := range page {
			if page[i].Owner == n.Owner {
				got = append(got, page[i].ID)
			}
			if page[i].Lane() != lane || page[i].Job == dead.ID {
				t.Errorf("lane %d has %+v", lane, page[i])
			}
		}
		if after = next; next == "" {
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if lane == job.OperatorLane || !slices.Equal(got, want) {
		t.Errorf("lane %d: got %v\nwant %v", lane, got, want)
	}
}

// keepsReceivers: of an owner without any, nothing is known.
func keepsReceivers(t *testing.T, s Store) {
	ctx, owner := context.Background(), "u-"+id(t)
	for _, want := range []outbox.Breakers{
		{"a.example": {Failures: 6, Last: start(), Until: later()}, "b.example:8443": {Failures: 1, Last: start()}}, {"c.example": {Failures: 2, Last: later()}}, {},
	} {
		if err := s.SaveReceivers(ctx, owner, want, later()); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Receivers(ctx, owner); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		if got, err := s.Receivers(ctx, "u-"+id(t)); err != nil || len(got) != 0 {
			t.Errorf("of another owner: %+v, %v", got, err)
		}
	}
}

// deliveriesOfMany: more than one request reads.
func deliveriesOfMany(t *testing.T, s Store) {
	if got, err := s.Deliveries(context.Background(), nil); err != nil || len(got) != 0 {
		t.Errorf("of none: %+v, %v", got, err)
	}
	var ids, want []string
	for range 60 {
		n := newNotice(t)
		put(t, s, &n)
		for _, e := range n.Events() {
			// Half of them never existed: a hole in the answer must not shift the others.
			ids, want = append(ids, e.ID, "gone-"+e.ID), append(want, e.ID)
		}
	}
	found, err := s.Deliveries(context.Background(), ids)
	got := make([]string, 0, len(found))
	for i := range found {
		got = append(got, found[i].Event.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d deliveries, %v, want %d", len(got), err, len(want))
	}
}

// noticeOnce: a job that runs again must not tell its owner again, and no event that was
// told comes back.
func noticeOnce(t *testing.T, s Store) {
	n := newNotice(t)
	put(t, s, &n)
	if got := pending(t, s, n.ID); len(got) != 2 || got[0].Type == got[1].Type {
		t.Errorf("events %+v", got)
	}
	for _, e := range n.Events() {
		if err := s.MarkDelivered(context.Background(), e.ID, later()); err != nil {
			t.Fatal(err)
		}
	}
	again := n
	// The rules may have changed between two runs; what the owner has read stays as it was.
	again.Text, again.At = "other words", later()
	put(t, s, &again)
	if got := pending(t, s, n.ID); len(got) != 0 {
		t.Errorf("events came back: %+v", got)
	}
	if got, err := s.Notice(context.Background(), n.Owner, n.ID); err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, n)
	}
	if _, err := s.Notice(context.Background(), "u-"+id(t), n.ID); job.CodeOf(err) != job.NotFound {
		t.Errorf("another owner's: %v", err)
	}
	quiet := newNotice(t)
	quiet.URL, quiet.Topic = "", false
	put(t, s, &quiet)
	if got := pending(t, s, quiet.ID); len(got) != 0 {
		t.Errorf("events of a notice for the inbox alone: %+v", got)
	}
}

// noticesOfAnOwner lists five notices in pages of two beside another owner's.
func noticesOfAnOwner(t *testing.T, s Store) {
	other := newNotice(t)
	put(t, s, &other)
	owner, listed := "u-"+id(t), []string{}
	for i := range 5 {
		n := newNotice(t)
		// Two of one moment: a cursor made of the time alone would skip or repeat one of them.
		n.Owner, n.At = owner, start().Add(time.Duration(i/2)*time.Second)
		put(t, s, &n)
		listed = append(listed, fmt.Sprintf("%d#%s", i/2, n.ID))
	}
	if got, want := pages(t, s.Notices, owner, func(n *job.Notice) string { return n.ID }), newestFirst(listed); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// keepsPreferences: who has said nothing hears everything in the inbox.
func keepsPreferences(t *testing.T, s Store) {
	ctx, owner := context.Background(), "u-"+id(t)
	for _, want := range []job.Preferences{
		{Muted: []string{"enrichment.succeeded", "batch.then"}, URL: "https://example.org", Topic: true},
		{Muted: []string{}},
		{},
	} {
		if err := s.SavePreferences(ctx, owner, want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Preferences(ctx, owner); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		if got, err := s.Preferences(ctx, "u-"+id(t)); err != nil || !reflect.DeepEqual(got, job.Preferences{}) {
			t.Errorf("of nobody: %+v, %v", got, err)
		}
	}
}

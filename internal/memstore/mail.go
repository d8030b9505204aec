package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/outbox"
)

// mailed is an event with what became of it; it is pending while it has a next time.
type mailed struct {
	flow.Delivery
}

// event writes an event that is to be delivered.
func (s *Store) event(e job.Event) {
	s.events[e.ID] = &mailed{flow.Delivery{Event: e, Next: e.At}}
}

// Pending implements outbox.Store.
func (s *Store) Pending(_ context.Context, lane int, now time.Time, after string, n int) ([]job.Event, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := func(d *flow.Delivery) string { return place(d.Next, d.Event.ID) }
	due := make([]flow.Delivery, 0, len(s.events))
	for _, m := range s.events {
		d := m.Delivery
		if !d.Next.IsZero() && (now.IsZero() || !now.Before(d.Next)) && d.Event.Lane() == lane && (after == "" || at(&d) > after) {
			d.Event.Tries = d.Tries
			due = append(due, d)
		}
	}
	slices.SortFunc(due, func(a, b flow.Delivery) int {
		return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.Event.ID, b.Event.ID))
	})
	next := ""
	if len(due) > n {
		due = due[:n]
		next = at(&due[n-1])
	}
	events := make([]job.Event, 0, len(due))
	for _, d := range due {
		events = append(events, d.Event)
	}
	return events, next, nil
}

// MarkDelivered implements outbox.Store.
func (s *Store) MarkDelivered(_ context.Context, id string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Only what is pending: an event that was given up keeps its reason.
	if m, ok := s.events[id]; ok && !m.Next.IsZero() {
		m.Delivered, m.Next, m.Reason = now, time.Time{}, ""
	}
	return nil
}

// MarkFailed implements outbox.Store. Who reports the same try again is the client that lost
// the reply, so it is counted once.
func (s *Store) MarkFailed(_ context.Context, id, reason string, next, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.events[id]; ok && !m.Next.IsZero() && !m.Next.Equal(next) {
		m.Tries++
		m.Next, m.Reason = next, reason
	}
	return nil
}

// Postpone implements outbox.Store.
func (s *Store) Postpone(_ context.Context, id string, next time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.events[id]; ok && !m.Next.IsZero() {
		m.Next = next
	}
	return nil
}

// Receivers implements outbox.Receivers.
func (s *Store) Receivers(_ context.Context, owner string) (outbox.Breakers, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := outbox.Breakers{}
	maps.Copy(b, s.receivers[owner])
	return b, nil
}

// SaveReceivers implements outbox.Receivers.
func (s *Store) SaveReceivers(_ context.Context, owner string, b outbox.Breakers, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receivers[owner] = maps.Clone(b)
	return nil
}

// Deliveries implements flow.Mail.
func (s *Store) Deliveries(_ context.Context, ids []string) ([]flow.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []flow.Delivery{}
	for _, id := range ids {
		if m, ok := s.events[id]; ok {
			d := m.Delivery
			d.Event.Tries = d.Tries
			all = append(all, d)
		}
	}
	return all, nil
}

// noticeKey is the key of a notice.
type noticeKey struct{ owner, id string }

// putNotice writes a notice and its events, unless it is there.
func (s *Store) putNotice(n *job.Notice) bool {
	k := noticeKey{n.Owner, n.ID}
	if _, there := s.notices[k]; there {
		return false
	}
	s.notices[k] = copied(*n)
	for _, e := range n.Events() {
		s.event(e)
	}
	return true
}

// PutNotice implements flow.Mail.
func (s *Store) PutNotice(_ context.Context, n *job.Notice) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putNotice(n)
	return nil
}

// Notice implements flow.Mail.
func (s *Store) Notice(_ context.Context, owner, id string) (job.Notice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The owner is part of the key: another one's id finds nothing.
	n, ok := s.notices[noticeKey{owner, id}]
	if !ok {
		return n, job.Errorf(job.NotFound, "no notification %s", id)
	}
	return copied(n), nil
}

// Notices implements query.Inbox.
func (s *Store) Notices(_ context.Context, owner, after string, n int) ([]job.Notice, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []job.Notice
	for k, v := range s.notices {
		if k.owner == owner && (after == "" || place(v.At, v.ID) < after) {
			all = append(all, copied(v))
		}
	}
	page, next := newestOf(all, n, func(v *job.Notice) string { return place(v.At, v.ID) })
	return page, next, nil
}

// Preferences implements kinds.Audience.
func (s *Store) Preferences(_ context.Context, owner string) (job.Preferences, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copied(s.wishes[owner]), nil
}

// SavePreferences implements intake.Reviews.
func (s *Store) SavePreferences(_ context.Context, owner string, p job.Preferences) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wishes[owner] = copied(p)
	return nil
}

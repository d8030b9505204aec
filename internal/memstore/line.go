package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/relay"
)

// lineKey names the line of an owner at a queue.
type lineKey struct{ queue, owner string }

// line is the entry of an owner whose jobs stand in line.
type line struct {
	turn  time.Time // not served before
	empty time.Time // seen without jobs since; zero for not
}

// join enters the owner of a job in line.
func (s *Store) join(j *job.Job) {
	if !j.AwaitsSlot {
		return
	}
	k := lineKey{j.Queue, j.Owner}
	if s.lines[k] == nil {
		s.lines[k] = &line{}
	}
	s.lines[k].empty = time.Time{}
}

// Waiters implements relay.Line.
func (s *Store) Waiters(_ context.Context, queue string, now time.Time, n int) ([]relay.Waiter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []relay.Waiter
	for k, l := range s.lines {
		if k.queue == queue && !l.turn.After(now) {
			all = append(all, relay.Waiter{Owner: k.owner, Turn: l.turn})
		}
	}
	slices.SortFunc(all, func(a, b relay.Waiter) int { return cmp.Or(a.Turn.Compare(b.Turn), cmp.Compare(a.Owner, b.Owner)) })
	return all[:min(n, len(all))], nil
}

// InLine implements relay.Line.
func (s *Store) InLine(_ context.Context, queue, owner string, n int) ([]job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []job.Job
	for _, id := range s.owners[owner] {
		if j := s.jobs[id]; j.AwaitsSlot && j.Queue == queue {
			all = append(all, *j)
		}
	}
	slices.SortFunc(all, func(a, b job.Job) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return all[:min(n, len(all))], nil
}

// Served implements relay.Line.
func (s *Store) Served(_ context.Context, queue, owner string, next time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lines[lineKey{queue, owner}]; l != nil {
		l.turn, l.empty = next, time.Time{}
	}
	return nil
}

// Emptied implements relay.Line.
func (s *Store) Emptied(_ context.Context, queue, owner string, next, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := lineKey{queue, owner}
	l := s.lines[k]
	switch {
	case l == nil:
	case !l.empty.IsZero() && now.Sub(l.empty) >= relay.KeepEmpty:
		delete(s.lines, k)
	default:
		l.turn = next
		if l.empty.IsZero() {
			l.empty = now
		}
	}
	return nil
}

// Units implements relay.Line.
func (s *Store) Units(_ context.Context, j *job.Job, now time.Time) (m job.Meter, limit int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.rules.Entitled(*j, s.plans[j.Owner])
	if !next.NeedsUnit() {
		return m, job.Unlimited, nil
	}
	return s.meters[meterOf(&next, now)], next.Limit, nil
}

package memstore

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/relay"
	"orbitq/internal/satellite"
)

// Lapsed implements relay.Skipped.
func (s *Store) Lapsed(_ context.Context, now time.Time, n int) ([]relay.Hint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hints []relay.Hint
	for _, j := range s.jobs {
		if j.State == job.Skipped && !now.Before(j.Look) {
			hints = append(hints, relay.Hint{ID: j.ID, Look: j.Look})
		}
	}
	return oldest(hints, n), nil
}

// Door implements gate.Store.
func (s *Store) Door(context.Context) (limit.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.door, nil
}

// SaveDoor implements gate.Store.
func (s *Store) SaveDoor(_ context.Context, next limit.Row) (limit.Row, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The one who was slower gets the row as it is now and decides again on that.
	if s.door.Version != next.Version-1 {
		return s.door, false, nil
	}
	s.door = next
	return next, true, nil
}

// RecordCalls implements gate.Store.
func (s *Store) RecordCalls(_ context.Context, calls []limit.Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, calls...)
	return nil
}

// Calls returns the recorded calls of a job, the oldest first.
func (s *Store) Calls(_ context.Context, jobID string) ([]limit.Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Never nil: a job without calls has an empty list, and not none.
	calls := []limit.Call{}
	for _, c := range s.calls {
		if c.Job == jobID {
			calls = append(calls, c)
		}
	}
	sort.SliceStable(calls, func(i, k int) bool { return calls[i].At.Before(calls[k].At) })
	return calls, nil
}

// cached is an answer of the provider with its end.
type cached struct {
	series satellite.Series
	until  time.Time
}

// Cached implements kinds.Cache.
func (s *Store) Cached(_ context.Context, key string, now time.Time) (satellite.Series, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.cache[key]
	return c.series, ok && now.Before(c.until), nil
}

// Keep implements kinds.Cache.
func (s *Store) Keep(_ context.Context, key string, series satellite.Series, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cache[key] = cached{series, until}
	return nil
}

// SaveOperation implements deadletter.Operations.
func (s *Store) SaveOperation(_ context.Context, o *deadletter.Operation) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ops[o.ID].Version != o.Version-1 {
		return false, nil
	}
	s.ops[o.ID] = *o
	return true, nil
}

// Operation implements deadletter.Operations.
func (s *Store) Operation(_ context.Context, id string) (deadletter.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.ops[id]
	if !ok {
		return o, job.Errorf(job.NotFound, "no operation %s", id)
	}
	return o, nil
}

// running returns the running operations, the longest without a step first.
func (s *Store) running() []deadletter.Operation {
	var all []deadletter.Operation
	for _, o := range s.ops {
		if o.State == deadletter.OperationRunning {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b deadletter.Operation) int {
		return cmp.Or(a.Updated.Compare(b.Updated), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// OpenOperations implements deadletter.Operations.
func (s *Store) OpenOperations(_ context.Context, n int) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, o := range s.running() {
		ids = append(ids, o.ID)
	}
	return ids[:min(n, len(ids))], nil
}

// CountOperations implements deadletter.Operations.
func (s *Store) CountOperations(_ context.Context, owner string, n int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := slices.DeleteFunc(s.running(), func(o deadletter.Operation) bool { return o.Owner != owner })
	return min(n, len(own)), nil
}

// ownerOf returns whose job it is.
func (s *Store) ownerOf(id string) string {
	if j, ok := s.jobs[id]; ok {
		return j.Owner
	}
	return ""
}

// Ledger implements query.Books.
func (s *Store) Ledger(_ context.Context, owner, after string, n int) ([]satellite.Analysis, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []satellite.Analysis
	for _, a := range s.analyses {
		if s.ownerOf(a.Job) == owner && (after == "" || a.Entry() < after) {
			all = append(all, a)
		}
	}
	page, next := newest(all, n, (*satellite.Analysis).Entry)
	return page, next, nil
}

// newest orders rows by their positions, the highest first, and returns up to n of them
// and the position after the last one, if there are more.
func newest[T any](all []T, n int, position func(*T) string) (page []T, next string) {
	sort.Slice(all, func(i, k int) bool { return position(&all[i]) > position(&all[k]) })
	if len(all) <= n {
		return all, ""
	}
	return all[:n], position(&all[n-1])
}

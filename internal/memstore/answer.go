package memstore

import (
	"context"
	"time"

	"orbitq/internal/job"
)

// answer is what a request got that was answered with the holder of its unique key.
type answer struct {
	holder string
	hash   string // of the request
	until  time.Time
}

// Accept implements intake.Store.
func (s *Store) Accept(_ context.Context, j *job.Job) (job.Job, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, known, err := s.first(j); known {
		return first, true, err
	}
	if holder, held := s.locks[lockOf(j)]; j.Unique != "" && s.rules.Held(held) {
		return *s.jobs[holder], true, nil
	}
	s.put(new(*j))
	return *j, false, nil
}

// Remember implements intake.Store.
func (s *Store) Remember(_ context.Context, j, holder *job.Job) (job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, known, err := s.first(j); known {
		return first, err
	}
	s.answers[j.ID] = answer{holder: holder.ID, hash: j.BodyHash, until: j.Created.Add(job.KeyLife)}
	return *holder, nil
}

// first returns what the first request with j's id was answered with, if there was one. Callers hold mu.
func (s *Store) first(j *job.Job) (job.Job, bool, error) {
	if old, ok := s.jobs[j.ID]; ok {
		return *old, true, nil
	}
	a, ok := s.answers[j.ID]
	switch {
	case !s.rules.Remembers(ok && j.Created.Before(a.until)):
		return job.Job{}, false, nil
	case a.hash != j.BodyHash:
		return job.Job{}, true, job.ErrKeyReused() //nolint:wrapcheck // it has a code and says all
	}
	holder, ok := s.jobs[a.holder]
	if !ok {
		return job.Job{}, true, job.Errorf(job.NotFound, "no job %s", a.holder)
	}
	return *holder, true, nil
}

package memstore

import (
	"context"

	"orbitq/internal/job"
)

// NotePlan implements intake.Plans.
func (s *Store) NotePlan(_ context.Context, owner string, p job.Plan) (job.Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	inForce, note := s.rules.NotePlan(s.plans[owner], p)
	if note {
		s.plans[owner] = p
	}
	return inForce, nil
}

// Plan implements query.Books.
func (s *Store) Plan(_ context.Context, owner string) (job.Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plans[owner], nil
}

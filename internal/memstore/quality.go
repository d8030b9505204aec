package memstore

import (
	"context"
	"sort"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/worker"
)

// zonesKey is the key of an owner's campaign.
type zonesKey struct{ owner, campaign string }

// Record implements worker.Store. The order of the questions is that of Settle.
func (s *Store) Record(_ context.Context, held, ended *job.Job, q *quality.Record, n *job.Notice) (worker.Settlement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, mine := s.mine(held); !mine {
		return r, nil
	}
	// The verdict is about a revision. If the reading has moved on, nobody may be told about the old one.
	if q != nil {
		p, ok := s.points[q.Point]
		if !ok || p.Revision != q.Revision {
			return worker.Duplicate, nil
		}
		judged := copied(*q)
		judged.AutoApproved = q.AutoApproved && p.Status == point.Pending // else a person was quicker
		if judged.AutoApproved {
			s.points[q.Point] = p.Reviewed(point.Approved, p.ReviewNotes, ended.Finished)
		}
		s.qualities[revision{q.Point, q.Revision}] = judged
	}
	// The same words were told by another job: this one ends in another way, without an effect.
	if n != nil && !s.putNotice(n) {
		return worker.Duplicate, nil
	}
	s.write(held, s.resent(ended))
	return worker.Written, nil
}

// Quality implements kinds.Audience.
func (s *Store) Quality(_ context.Context, point string, number int) (*quality.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.qualities[revision{point, number}]
	if !ok {
		return nil, nil //nolint:nilnil // nobody has judged it: that is an answer
	}
	c := copied(q)
	return &c, nil
}

// Flags implements query.Qualities.
func (s *Store) Flags(_ context.Context, point string) ([]quality.Flag, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []quality.Flag
	for _, f := range s.flags[point] {
		all = append(all, copied(f))
	}
	sort.Slice(all, func(i, k int) bool { return all[i].At.Before(all[k].At) })
	return all, nil
}

// Review implements intake.Reviews, on the reading that the person saw.
func (s *Store) Review(_ context.Context, p *point.Point, f *quality.Flag) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.seen(p)
	if err != nil {
		return err
	}
	old.Status, old.ReviewedAt, old.ReviewNotes = p.Status, p.ReviewedAt, p.ReviewNotes
	s.points[p.ID] = old
	if f != nil {
		s.raise(p.ID, f)
	}
	return nil
}

// Raise implements intake.Reviews, on the reading that the person saw.
func (s *Store) Raise(_ context.Context, p *point.Point, f *quality.Flag) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.seen(p); err != nil {
		return err
	}
	s.raise(p.ID, f)
	return nil
}

// seen returns the stored reading if it is the one that a person saw. Callers hold mu.
func (s *Store) seen(p *point.Point) (point.Point, error) {
	old, ok := s.points[p.ID]
	if !ok || old.Revision != p.Revision {
		return old, job.Errorf(job.StateConflict, "the data point %s has changed since it was read", p.ID)
	}
	return old, nil
}

// raise keeps one flag for the same words, however often a form is sent. Callers hold mu.
func (s *Store) raise(point string, f *quality.Flag) {
	if s.flags[point] == nil {
		s.flags[point] = map[string]quality.Flag{}
	}
	s.flags[point][job.DerivedID(f.Type, f.Reason)] = copied(*f)
}

// SaveZones implements intake.Reviews.
func (s *Store) SaveZones(_ context.Context, owner, campaign string, zones []quality.Zone) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones[zonesKey{owner, campaign}] = copied(zones)
	return nil
}

// Zones implements kinds.Readings.
func (s *Store) Zones(_ context.Context, owner, campaign string) ([]quality.Zone, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copied(s.zones[zonesKey{owner, campaign}]), nil
}

// Peers implements kinds.Readings.
func (s *Store) Peers(_ context.Context, p *point.Point, window time.Duration) ([]float64, error) {
	if p.CampaignID == "" {
		return nil, nil
	}
	f := flow.Filter{Campaign: p.CampaignID, Metric: p.MetricID, From: p.CollectedAt.Add(-window), Until: p.CollectedAt}
	var values []float64
	for _, q := range s.find(p.Owner, f) {
		if kinds.Peer(p, &q) {
			values = append(values, q.Value)
		}
	}
	return values, nil
}

// Points implements flow.Points.
func (s *Store) Points(_ context.Context, ids []string) ([]point.Point, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []point.Point
	seen := map[string]bool{}
	for _, id := range ids {
		if p, ok := s.points[id]; ok && !seen[id] {
			all = append(all, p)
		}
		seen[id] = true
	}
	return all, nil
}

// FindPoints implements flow.Points.
func (s *Store) FindPoints(_ context.Context, owner string, f flow.Filter, n int) ([]point.Point, error) {
	all := s.find(owner, f)
	return all[:min(n, len(all))], nil
}

// find returns an owner's points that a filter chooses, the newest first.
func (s *Store) find(owner string, f flow.Filter) []point.Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []point.Point
	for _, p := range s.points {
		if p.Owner == owner && f.Chooses(&p) {
			all = append(all, p)
		}
	}
	sort.Slice(all, func(i, k int) bool {
		if all[i].CollectedAt.Equal(all[k].CollectedAt) {
			return all[i].ID > all[k].ID
		}
		return all[i].CollectedAt.After(all[k].CollectedAt)
	})
	return all
}

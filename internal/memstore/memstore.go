// Package memstore is the table in memory: the executable model that the
// DynamoDB store is held against.
//
// It promises exactly what storetest demands of every store, by applying the
// pure functions of package job to whole rows under one lock, so that what a
// transaction does can be read in one place. It is the fast twin for simulations
// and tests, and never part of a deployed function.
package memstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sort"
	"sync"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/flow"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/outbox"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/query"
	"orbitq/internal/relay"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// Compile-time proof that the store serves every use case.
var (
	_ worker.Store          = (*Store)(nil)
	_ intake.Store          = (*Store)(nil)
	_ intake.Plans          = (*Store)(nil)
	_ query.Store           = (*Store)(nil)
	_ relay.Store           = (*Store)(nil)
	_ deadletter.Store      = (*Store)(nil)
	_ deadletter.Rows       = (*Store)(nil)
	_ query.Books           = (*Store)(nil)
	_ deadletter.Operations = (*Store)(nil)
	_ outbox.Store          = (*Store)(nil)
	_ outbox.Receivers      = (*Store)(nil)
	_ relay.Skipped         = (*Store)(nil)
	_ relay.Line            = (*Store)(nil)
	_ gate.Store            = (*Store)(nil)
	_ kinds.Points          = (*Store)(nil)
	_ kinds.Cache           = (*Store)(nil)
	_ kinds.Readings        = (*Store)(nil)
	_ kinds.Audience        = (*Store)(nil)
	_ flow.Chains           = (*Store)(nil)
	_ flow.Batches          = (*Store)(nil)
	_ flow.Items            = (*Store)(nil)
	_ flow.Points           = (*Store)(nil)
	_ flow.Open             = (*Store)(nil)
	_ flow.Mail             = (*Store)(nil)
)

// revision is the key of an analysis: one for each revision of a point is what
// keeps a second job from being billed.
type revision struct {
	point  string
	number int
}

// meterKey is the key of a usage row.
type meterKey struct{ owner, key string }

// Store is the table.
type Store struct {
	timing job.Timing
	rules  Rules

	mu       sync.Mutex
	jobs     map[string]*job.Job    // replaced as a whole, never changed: readers may keep them
	written  int                    // rows, ever
	shards   [relay.Shards][]string // the open index: ids of jobs
	owners   map[string][]string    // ids of an owner's jobs
	points   map[string]point.Point
	analyses map[revision]satellite.Analysis
	meters   map[meterKey]job.Meter
	poison   map[string]deadletter.Poison
	locks    map[lockKey]string  // holder of a unique key
	plans    map[string]job.Plan // that the owner's newest token named
	answers  map[string]answer   // to requests that have no job of their own, by the id it would have
	events   map[string]*mailed

	receivers map[string]outbox.Breakers // by owner
	flows     flows
	notices   map[noticeKey]job.Notice
	wishes    map[string]job.Preferences // by owner
	// qualities, flags and zones are what people and rules say about points.
	qualities map[revision]quality.Record
	flags     map[string]map[string]quality.Flag // by point
	zones     map[zonesKey][]quality.Zone
	door      limit.Row
	lines     map[lineKey]*line
	calls     []limit.Call
	cache     map[string]cached
	ops       map[string]deadletter.Operation
	token     sharedToken
}

// lockKey is an owner's unique key.
type lockKey struct{ owner, key string }

// New returns an empty table.
func New(t job.Timing) *Store { return NewWith(t, Protocol()) }

// NewWith returns an empty table under other rules.
func NewWith(t job.Timing, r Rules) *Store {
	return &Store{
		timing:   t,
		rules:    r,
		jobs:     map[string]*job.Job{},
		owners:   map[string][]string{},
		points:   map[string]point.Point{},
		analyses: map[revision]satellite.Analysis{},
		meters:   map[meterKey]job.Meter{},
		poison:   map[string]deadletter.Poison{},
		locks:    map[lockKey]string{},
		plans:    map[string]job.Plan{},
		answers:  map[string]answer{},
		events:   map[string]*mailed{},

		receivers: map[string]outbox.Breakers{},
		flows:     newFlows(), notices: map[noticeKey]job.Notice{}, wishes: map[string]job.Preferences{},
		qualities: map[revision]quality.Record{}, flags: map[string]map[string]quality.Flag{}, zones: map[zonesKey][]quality.Zone{},
		cache: map[string]cached{},
		lines: map[lineKey]*line{},
		ops:   map[string]deadletter.Operation{},
	}
}

// AcceptPoint implements intake.Store. The point decides whether the pair exists:
// both ids come from the same request.
func (s *Store) AcceptPoint(_ context.Context, p *point.Point, j *job.Job) (point.Point, job.Job, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.points[p.ID]; ok {
		// Its job may be gone: rows of jobs expire, points stay.
		first := job.Job{}
		if row, ok := s.jobs[j.ID]; ok {
			first = *row
		}
		return old, first, true, nil
	}
	// Counted after the question whether the pair exists: a repeated request takes no unit.
	if limit := usage.Tier(j.Tier).PointLimit(); limit != job.Unlimited {
		k := meterKey{j.Owner, usage.PointKey(usage.Tier(j.Tier), j.Anchor, p.CreatedAt)}
		m := s.meters[k]
		if m.Taken >= limit {
			return point.Point{}, job.Job{}, false, job.Errorf(job.LimitExceeded, "the plan %s allows %d data points in a cycle", j.Tier, limit)
		}
		s.meters[k] = job.Meter{Taken: m.Taken + 1, Used: m.Used + 1}
	}
	s.points[p.ID] = *p
	// A point may come alone, for a chain or batch to work on.
	if j.ID != "" {
		s.put(new(*j))
	}
	return *p, *j, false, nil
}

// Point implements intake.Store and query.Store.
func (s *Store) Point(_ context.Context, id string) (point.Point, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.points[id]
	if !ok {
		return point.Point{}, job.Errorf(job.NotFound, "no data point %s", id)
	}
	return p, nil
}

// Subject implements kinds.Points.
func (s *Store) Subject(_ context.Context, id string, number int) (point.Point, *satellite.Analysis, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.points[id]
	if !ok {
		return point.Point{}, nil, job.Errorf(job.NotFound, "no data point %s", id)
	}
	if a, ok := s.analyses[revision{id, number}]; ok {
		return p, &a, nil
	}
	return p, nil, nil
}

// Analyses implements query.Store.
func (s *Store) Analyses(_ context.Context, pointID string) ([]satellite.Analysis, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []satellite.Analysis{}
	for k, a := range s.analyses {
		if k.point == pointID {
			all = append(all, a)
		}
	}
	sort.Slice(all, func(i, k int) bool { return all[i].Revision < all[k].Revision })
	return all, nil
}

// Job implements query.Store.
func (s *Store) Job(_ context.Context, id string) (job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[id]
	if !ok {
		return job.Job{}, job.Errorf(job.NotFound, "no job %s", id)
	}
	return *j, nil
}

// Jobs implements query.Store, by looking at all of the owner's: a model may be slow
// where that makes it plain.
func (s *Store) Jobs(_ context.Context, owner string, group job.Group, after string, n int) ([]job.Job, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []job.Job
	for _, id := range s.owners[owner] {
		j := s.jobs[id]
		if group.Has(j.State) && (after == "" || j.Position() < after) {
			all = append(all, *j)
		}
	}
	page, next := newest(all, n, (*job.Job).Position)
	return page, next, nil
}

// Meter implements query.Store.
func (s *Store) Meter(_ context.Context, owner, key string) (job.Meter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meters[meterKey{owner, key}], nil
}

// Due implements relay.Store.
func (s *Store) Due(_ context.Context, shard int, now time.Time, n int) ([]relay.Hint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hints []relay.Hint
	for _, id := range s.shards[shard] {
		// A job of a flow is never due: Step Functions drives it, and a message would be a second driver.
		if j := s.jobs[id]; j.State.Open() && j.Flow == "" && !now.Before(j.Look) {
			hints = append(hints, relay.Hint{ID: id, Look: j.Look})
		}
	}
	return oldest(hints, n), nil
}

// oldest returns the first n hints by look; by id where the look is the same, because a
// run must repeat.
func oldest(hints []relay.Hint, n int) []relay.Hint {
	slices.SortFunc(hints, func(a, b relay.Hint) int {
		return cmp.Or(a.Look.Compare(b.Look), cmp.Compare(a.ID, b.ID))
	})
	return hints[:min(n, len(hints))]
}

// Peek implements relay.Store.
func (s *Store) Peek(_ context.Context, hints []relay.Hint, now time.Time) ([]job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seen []job.Job
	for _, h := range hints {
		if j, ok := s.jobs[h.ID]; ok && j.Look.Equal(h.Look) && s.rules.MayResend(j, now) {
			seen = append(seen, *j)
		}
	}
	return seen, nil
}

// Retake implements relay.Store. The row must still be the one that was seen:
// another relay that was quicker has moved its look.
func (s *Store) Retake(_ context.Context, seen *job.Job, slot time.Time, t job.Timing, now time.Time) (job.Job, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[seen.ID]
	if !ok || !j.Look.Equal(seen.Look) || j.Ticket != seen.Ticket || !s.rules.MayResend(j, now) {
		return job.Job{}, false, nil
	}
	next := job.Resent(*j, slot, t, now)
	s.put(&next)
	return next, true, nil
}

// RecordPoison implements deadletter.Store. The body is the key, as every sweep
// meets the same letter again.
func (s *Store) RecordPoison(_ context.Context, l deadletter.Letter, reason string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sha256.Sum256([]byte(l.Body))
	key := hex.EncodeToString(sum[:])
	if _, ok := s.poison[key]; !ok {
		s.poison[key] = deadletter.Poison{Letter: l, Reason: reason, At: now}
	}
	return nil
}

// Written returns how many rows were ever written: while it stays, no job has
// changed.
func (s *Store) Written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

// Poisoned implements deadletter.Poisons.
func (s *Store) Poisoned(_ context.Context, n int) ([]deadletter.Poison, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]deadletter.Poison, 0, len(s.poison))
	for _, p := range s.poison {
		all = append(all, p)
	}
	sort.Slice(all, func(i, k int) bool { return all[i].At.After(all[k].At) })
	return all[:min(n, len(all))], nil
}

// meterOf returns the usage row that counts for a job at now: the cycle of the
// moment at which a unit is taken, not of the job's acceptance.
func meterOf(j *job.Job, now time.Time) meterKey {
	return meterKey{j.Owner, usage.KeyOf(j, now)}
}

package memstore

import (
	"context"
	"reflect"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/relay"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// Claim implements worker.Store: what Judge says, written down in the same moment.
func (s *Store) Claim(_ context.Context, r job.ClaimRequest) (job.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[r.Message.Job]
	if !ok {
		return job.Claim{Verdict: job.Orphan, Job: job.Job{ID: r.Message.Job}}, nil
	}
	v := s.rules.Judge(j, &r)
	switch v {
	case job.Spent, job.Expired, job.Late:
		code, reason := job.Unrunnable(j, v)
		dead := job.Buried(*j, code, reason, r.Carried, r.Now)
		s.write(j, &dead)
		return job.Claim{Verdict: job.Carrier, Job: dead}, nil
	case job.Revive:
		// What a console redrive sends is a job like any other, so its unique key must be free.
		next := job.Revived(*j, s.timing, r.Now)
		if !s.free(&next) {
			return job.Claim{Verdict: job.Carrier, Job: *j}, nil // it stays a dead letter until its key is free
		}
		s.write(j, &next)
		return job.Claim{Verdict: job.Revive, Job: next}, nil
	case job.Run:
		return s.reserve(j, &r), nil
	case job.Drop, job.Hold, job.NotYet, job.Carrier, job.Skip, job.Wait, job.Orphan:
	}
	return job.Claim{Verdict: v, Job: *j}, nil
}

// reserve claims a job that may run, if its owner has a unit for it.
func (s *Store) reserve(row *job.Job, r *job.ClaimRequest) job.Claim {
	j := s.rules.Entitled(*row, s.plans[row.Owner])
	if j.NeedsUnit() {
		k := meterOf(&j, r.Now)
		m := s.meters[k]
		switch s.rules.JudgeQuota(m, j.Limit) {
		// Used up for good until the cycle ends: waiting would only look like work.
		case job.UsedUp:
			next := job.SkippedByQuota(j, usage.CycleOf(&j, r.Now).End, r.Now)
			s.write(row, &next)
			return job.Claim{Verdict: job.Skip, Job: next}
		case job.Reserved:
			next := job.WaitingForQuota(j, s.timing, r.Now)
			s.write(row, &next)
			return job.Claim{Verdict: job.Wait, Job: next}
		case job.HasRoom:
			m.Taken++
			s.meters[k] = m
			j.UsageKey = k.key
		}
	}
	// The unit, the attempt and the lease are one write: a crash in between cannot keep one of them.
	claimed := job.Claimed(j, r.Lease, r.Now)
	s.put(&claimed)
	return job.Claim{Verdict: job.Run, Job: claimed}
}

// Settle implements worker.Store. The order of the questions is the protocol's:
// who is not the holder learns nothing from an analysis that exists.
func (s *Store) Settle(_ context.Context, held, ended *job.Job, a *satellite.Analysis) (worker.Settlement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, mine := s.mine(held); !mine {
		return r, nil
	}
	key := revision{a.Point, a.Revision}
	if _, ok := s.analyses[key]; s.rules.Duplicate(ok) {
		return worker.Duplicate, nil
	}
	s.analyses[key] = *a
	s.put(s.resent(ended))
	// A reservation is billed where it was taken, also in a later cycle; without
	// one the owner has no limit and is counted where the job ended.
	k := meterOf(held, ended.Finished)
	if held.UsageKey != "" {
		k.key = held.UsageKey
	}
	m := s.meters[k]
	m.Used++
	if held.UsageKey == "" {
		m.Taken++
	}
	s.meters[k] = m
	return worker.Written, nil
}

// Conclude implements worker.Store: every end of an attempt without an effect.
func (s *Store) Conclude(_ context.Context, held, next *job.Job) (worker.Settlement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, mine := s.mine(held); !mine {
		return r, nil
	}
	// An end without a new message. The ticket that the relay may have taken meanwhile stays.
	if next.Ticket == held.Ticket {
		s.write(held, s.resent(next))
		return worker.Written, nil
	}
	if s.jobs[held.ID].Ticket != held.Ticket {
		return worker.LeaseLost, nil // the relay has sent the ticket that this release would send
	}
	s.write(held, new(*next))
	return worker.Written, nil
}

// Bury implements deadletter.Store: the row decides, the letter only asks.
func (s *Store) Bury(_ context.Context, m job.Message, l deadletter.Letter, now time.Time) (deadletter.Fate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[m.Job]
	switch {
	case !ok:
		return deadletter.Orphan, nil
	case s.rules.MayBury(j, m, now):
		s.write(j, new(job.BuriedUnreported(*j, m, l.Sent, l.Receives, now)))
		return deadletter.Recorded, nil
	default:
		return deadletter.FateOf(j, m), nil
	}
}

// resent returns next with what the relay changed while its worker was late: the
// lease is over then, but not taken, so the worker may still settle.
func (s *Store) resent(ended *job.Job) *job.Job {
	row, next := s.jobs[ended.ID], new(*ended)
	next.Ticket, next.Resends = row.Ticket, row.Resends
	return next
}

// Amend implements deadletter.Rows: nobody can come between the decision and the
// write here, which DynamoDB reaches by a condition.
func (s *Store) Amend(_ context.Context, id string, decide func(job.Job) (job.Job, error)) (job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[id]
	if !ok {
		return job.Job{}, job.Errorf(job.NotFound, "no job %s", id)
	}
	next, err := decide(*j)
	if err != nil {
		return job.Job{}, err
	}
	if reflect.DeepEqual(j, &next) {
		return next, nil // cancelling twice is once
	}
	if !s.free(&next) {
		return job.Job{}, job.Errorf(job.UniqueHeld, "job %s holds the unique key %q", s.locks[lockOf(&next)], next.Unique)
	}
	s.write(j, &next)
	return next, nil
}

// Dead implements deadletter.Rows.
func (s *Store) Dead(_ context.Context, owner, after string, n int) ([]job.Job, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []job.Job
	for _, id := range s.owners[owner] {
		j := s.jobs[id]
		if j.State == job.Dead && (after == "" || j.Grave() < after) {
			all = append(all, *j)
		}
	}
	page, next := newest(all, n, (*job.Job).Grave)
	return page, next, nil
}

// mine reports whether the row is still under held's lease, and if not, what
// that means.
func (s *Store) mine(held *job.Job) (worker.Settlement, bool) {
	row, ok := s.jobs[held.ID]
	if !ok {
		row = &job.Job{}
	}
	if s.rules.HeldBy(row, held) {
		return worker.Written, true
	}
	return worker.NotMine(row), false
}

// write replaces a row; a reservation that the new row no longer has is given
// back to the meter it came from.
func (s *Store) write(old, next *job.Job) {
	if s.rules.GivesBack(old, next) {
		k := meterKey{old.Owner, old.UsageKey}
		m := s.meters[k]
		m.Taken--
		s.meters[k] = m
	}
	// In the same write as the death, so that none is told twice and none is not told.
	if next.State == job.Dead && old.State != job.Dead {
		s.event(job.Death(next))
	}
	s.put(next)
}

// put writes a row; an open job holds its unique key, a final one gives it up.
func (s *Store) put(next *job.Job) {
	if _, known := s.jobs[next.ID]; !known {
		n := job.Shard(next.ID, relay.Shards)
		s.shards[n] = append(s.shards[n], next.ID)
		s.owners[next.Owner] = append(s.owners[next.Owner], next.ID)
	}
	s.jobs[next.ID] = next
	s.written++
	s.join(next)
	if next.Unique == "" {
		return
	}
	k := lockOf(next)
	switch {
	case next.State.Open():
		s.locks[k] = next.ID
	case s.locks[k] == next.ID && s.rules.Frees(next):
		delete(s.locks, k)
	}
}

// free reports whether an open job may be written: nobody else holds its key.
func (s *Store) free(next *job.Job) bool {
	if next.Unique == "" || !next.State.Open() {
		return true
	}
	holder, held := s.locks[lockOf(next)]
	return !s.rules.Held(held) || holder == next.ID
}

// lockOf returns the key of a job's lock.
func lockOf(j *job.Job) lockKey { return lockKey{j.Owner, j.Unique} }

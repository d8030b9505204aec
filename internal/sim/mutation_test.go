package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/memstore"
)

// judging returns rules whose Judge sees a row or request that edit has changed:
// what edit hides, no claim is guarded by any more.
func judging(edit func(*job.Job, *job.ClaimRequest)) memstore.Rules {
	r := memstore.Protocol()
	r.Judge = func(j *job.Job, q *job.ClaimRequest) job.Verdict {
		row, request := *j, *q
		edit(&row, &request)
		return job.Judge(&row, &request)
	}
	return r
}

// with returns the rules after one change.
func with(edit func(*memstore.Rules)) memstore.Rules {
	r := memstore.Protocol()
	edit(&r)
	return r
}

// guard is one condition of the table, taken out.
type guard struct {
	name  string
	rules memstore.Rules
	want  invariant // that breaks in some run
}

// guards lists the conditions, each taken out of the rules.
func guards() []guard {
	return []guard{
		{"a claim takes a live lease", judging(func(j *job.Job, _ *job.ClaimRequest) { j.Lease = "" }), i9},
		// The generation alone is not in this list: tickets grow over generations, so
		// the ticket refuses all that the generation would.
		{"a claim ignores the ticket", judging(func(j *job.Job, _ *job.ClaimRequest) { j.ValidTicket = 0 }), ticketsGrow},
		{"a claim takes a ticket that was never sent", judging(func(j *job.Job, q *job.ClaimRequest) {
			q.Message.Ticket, q.Message.Generation = min(q.Message.Ticket, j.Ticket), min(q.Message.Generation, j.Generation)
		}), ticketsGrow},
		{"a letter that was never sent buries", with(func(r *memstore.Rules) {
			r.MayBury = func(j *job.Job, m job.Message, now time.Time) bool {
				row := *j
				row.Ticket, row.Generation = max(j.Ticket, m.Ticket), max(j.Generation, m.Generation)
				return job.MayBury(&row, m, now)
			}
		}), buriedRightly},
		{"a claim ignores ticket and generation", judging(func(j *job.Job, q *job.ClaimRequest) {
			j.ValidTicket, q.Message.Generation = 0, j.Generation
		}), ticketsGrow},
		{"a claim ignores the deadline", judging(func(j *job.Job, _ *job.ClaimRequest) { j.Deadline = j.Deadline.AddDate(1, 0, 0) }), i10},
		{"a claim does not wait for the backoff", judging(func(j *job.Job, _ *job.ClaimRequest) { j.Due = time.Time{} }), i10},
		{"a claim ignores the attempts", judging(func(j *job.Job, _ *job.ClaimRequest) { j.Attempts = 0 }), i10},
		{"a claim runs a final job again", judging(func(j *job.Job, _ *job.ClaimRequest) {
			if !j.State.Open() {
				j.State = job.Queued
			}
		}), i5},
		{"the carrier of a dead job is dropped", judging(func(j *job.Job, _ *job.ClaimRequest) {
			if j.State == job.Dead {
				j.DeadTicket = 0
			}
		}), i11},
		{"every copy of a dead job's message carries it", judging(func(j *job.Job, q *job.ClaimRequest) {
			if j.State == job.Dead {
				q.Message.Ticket = j.DeadTicket
			}
		}), i13},
		{"a dead job revives without being redriven", judging(func(j *job.Job, q *job.ClaimRequest) {
			if j.State == job.Dead {
				q.Carried.Sent = j.DeadSent.Add(time.Second)
			}
		}), i13},
		{"a claim ignores max_wait", judging(func(j *job.Job, _ *job.ClaimRequest) { j.StartBy = time.Time{} }), startedInTime},
		{"a unique key keeps nobody out", with(func(r *memstore.Rules) { r.Held = func(bool) bool { return false } }), uniqueKept},
		{"a final job keeps its unique key", with(func(r *memstore.Rules) { r.Frees = func(*job.Job) bool { return false } }), uniqueKept},
		{"the first answer to a request is forgotten", with(func(r *memstore.Rules) { r.Remembers = func(bool) bool { return false } }), i7},
		{"a job is claimed under the plan of its acceptance", with(func(r *memstore.Rules) {
			r.Entitled = func(j job.Job, _ job.Plan) job.Job { return j }
		}), underPlan},
		{"an older token decides again", with(func(r *memstore.Rules) {
			r.NotePlan = func(_, p job.Plan) (job.Plan, bool) { return p, true }
		}), underPlan},
		{"the limit is not asked", with(func(r *memstore.Rules) {
			r.JudgeQuota = func(job.Meter, int) job.QuotaVerdict { return job.HasRoom }
		}), i2},
		{"a reserved unit counts as used up", with(func(r *memstore.Rules) {
			r.JudgeQuota = func(m job.Meter, limit int) job.QuotaVerdict {
				return job.JudgeQuota(job.Meter{Used: m.Taken, Taken: m.Taken}, limit)
			}
		}), i2},
		{"a zombie settles", with(func(r *memstore.Rules) {
			r.HeldBy = func(row, _ *job.Job) bool { return row.State == job.Running }
		}), i9},
		{"whoever settles, settles", with(func(r *memstore.Rules) { r.HeldBy = func(_, _ *job.Job) bool { return true } }), i9},
		{"a second analysis is written and billed", with(func(r *memstore.Rules) { r.Duplicate = func(bool) bool { return false } }), i1},
		{"a unit is not given back", with(func(r *memstore.Rules) { r.GivesBack = func(_, _ *job.Job) bool { return false } }), i3},
		{"the relay resends under a live lease", with(func(r *memstore.Rules) {
			r.MayResend = func(j *job.Job, _ time.Time) bool { return j.State.Open() }
		}), resentRightly},
		{"the relay revives what is final", with(func(r *memstore.Rules) { r.MayResend = func(*job.Job, time.Time) bool { return true } }), resentRightly},
		{"a running job is buried", with(func(r *memstore.Rules) {
			r.MayBury = func(j *job.Job, m job.Message, _ time.Time) bool { return j.State.Open() && m.Ticket == j.Ticket }
		}), buriedRightly},
		{"an older ticket buries", with(func(r *memstore.Rules) {
			r.MayBury = func(j *job.Job, m job.Message, now time.Time) bool {
				m.Ticket, m.Generation = j.Ticket, j.Generation
				return job.MayBury(j, m, now)
			}
		}), buriedRightly},
	}
}

// TestEveryGuardIsMissed takes one guard after another out of the table and
// demands that some run notices. What no run notices is either needless or
// untested.
func TestEveryGuardIsMissed(t *testing.T) {
	t.Parallel()
	all := guards()
	found := make([]string, len(all))
	t.Cleanup(func() { // when all have ended
		lost := strings.Count(strings.Join(found, "\n"), "never caught")
		t.Logf("measured: %d of %d guards noticed when taken out\n%s", len(all)-lost, len(all), strings.Join(found, "\n"))
	})
	for i := range all {
		t.Run(all[i].name, func(t *testing.T) {
			t.Parallel()
			found[i] = missed(t, &all[i])
		})
	}
}

// missed lives seeds without a guard until one breaks the invariant that the guard
// is there for.
func missed(t *testing.T, g *guard) string {
	t.Helper()
	first, caught, seen := "", "", 0
	var seed uint64
	swarm(&budget{make: newWorld, from: 1, worlds: 600}, g.rules, func(w *world, wrong []string) bool {
		seen++
		for _, text := range wrong {
			if first == "" {
				first = text
			}
			if caught == "" && strings.HasPrefix(text, g.want.String()+":") {
				caught, seed = text, w.seed
			}
		}
		return caught == ""
	})
	if caught == "" {
		t.Errorf("none of %d runs broke %v; the first that broke anything: %.200s", seen, g.want, first)
		return g.name + " -> never caught"
	}
	return fmt.Sprintf("%s -> caught by seed %d: %.120s", g.name, seed, caught)
}

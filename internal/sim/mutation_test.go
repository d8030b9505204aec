package sim_test

import (
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

// TestEveryGuardIsMissed takes one guard after another out of the table and
// demands that some run notices. What no run notices is either needless or
// untested.
func TestEveryGuardIsMissed(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		name  string
		rules memstore.Rules
		want  string // invariant that breaks first in some run
	}{
		{"a claim takes a live lease", judging(func(j *job.Job, _ *job.ClaimRequest) { j.Lease = "" }), "I9"},
		// The generation alone is not in this list: tickets grow over generations, so
		// the ticket refuses all that the generation would.
		{"a claim ignores the ticket", judging(func(j *job.Job, _ *job.ClaimRequest) { j.ValidTicket = 0 }), "ticket"},
		{"a claim ignores ticket and generation", judging(func(j *job.Job, q *job.ClaimRequest) {
			j.ValidTicket, q.Message.Generation = 0, j.Generation
		}), "ticket"},
		{"a claim ignores the deadline", judging(func(j *job.Job, _ *job.ClaimRequest) { j.Deadline = j.Deadline.AddDate(1, 0, 0) }), "I10"},
		{"a claim does not wait for the backoff", judging(func(j *job.Job, _ *job.ClaimRequest) { j.Due = time.Time{} }), "I10"},
		{"a claim ignores the attempts", judging(func(j *job.Job, _ *job.ClaimRequest) { j.Attempts = 0 }), "I10"},
		{"a claim runs a final job again", judging(func(j *job.Job, _ *job.ClaimRequest) {
			if !j.State.Open() {
				j.State = job.Queued
			}
		}), "I5"},
		{"the carrier of a dead job is dropped", judging(func(j *job.Job, _ *job.ClaimRequest) {
			if j.State == job.Dead {
				j.DeadTicket = 0
			}
		}), "I11"},
		{"every copy of a dead job's message carries it", judging(func(j *job.Job, q *job.ClaimRequest) {
			if j.State == job.Dead {
				q.Message.Ticket = j.DeadTicket
			}
		}), "I13"},
		{"a dead job revives without being redriven", judging(func(j *job.Job, q *job.ClaimRequest) {
			if j.State == job.Dead {
				q.Carried.Sent = j.DeadSent.Add(time.Second)
			}
		}), "I13"},
		{"the limit is not asked", with(func(r *memstore.Rules) {
			r.JudgeQuota = func(job.Meter, int) job.QuotaVerdict { return job.HasRoom }
		}), "I2"},
		{"a reserved unit counts as used up", with(func(r *memstore.Rules) {
			r.JudgeQuota = func(m job.Meter, limit int) job.QuotaVerdict {
				return job.JudgeQuota(job.Meter{Used: m.Taken, Taken: m.Taken}, limit)
			}
		}), "I2"},
		{"a zombie settles", with(func(r *memstore.Rules) {
			r.HeldBy = func(row, _ *job.Job) bool { return row.State == job.Running }
		}), "I9"},
		{"whoever settles, settles", with(func(r *memstore.Rules) { r.HeldBy = func(_, _ *job.Job) bool { return true } }), "I9"},
		{"a second analysis is written and billed", with(func(r *memstore.Rules) { r.Duplicate = func(bool) bool { return false } }), "I1"},
		{"a unit is not given back", with(func(r *memstore.Rules) { r.GivesBack = func(_, _ *job.Job) bool { return false } }), "I3"},
		{"the relay resends under a live lease", with(func(r *memstore.Rules) {
			r.MayResend = func(j *job.Job, _ time.Time) bool { return j.State.Open() }
		}), "relay"},
		{"the relay revives what is final", with(func(r *memstore.Rules) { r.MayResend = func(*job.Job, time.Time) bool { return true } }), "relay"},
		{"a running job is buried", with(func(r *memstore.Rules) {
			r.MayBury = func(j *job.Job, m job.Message, _ time.Time) bool { return j.State.Open() && m.Ticket == j.Ticket }
		}), "bury"},
		{"an older ticket buries", with(func(r *memstore.Rules) {
			r.MayBury = func(j *job.Job, m job.Message, now time.Time) bool {
				m.Ticket, m.Generation = j.Ticket, j.Generation
				return job.MayBury(j, m, now)
			}
		}), "bury"},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			first, caught, seen := "", "", 0
			swarm(600, m.rules, func(_ *world, wrong []string) bool {
				seen++
				for _, text := range wrong {
					if first == "" {
						first = text
					}
					if strings.HasPrefix(text, m.want+":") {
						caught = text
					}
				}
				return caught == ""
			})
			if caught == "" {
				t.Errorf("none of %d runs broke %s; the first that broke anything: %.200s", seen, m.want, first)
			}
			t.Logf("after %d runs: %.200s", seen, caught)
		})
	}
}

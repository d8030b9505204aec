package storetest

import (
	"context"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// planRules: what an owner may use is what the newest token says, at each claim.
func planRules() []rule {
	return []rule{
		{"of two tokens the newer one decides, in whatever order they come", newestTokenDecides},
		{"of ten tokens at once the newest one stays", newestOfTenStays},
		{"the same plan again is noted when its token is much newer, and not for each request", notesSeldom},
		{"a token without a time of issue decides while nothing is known", tokenWithoutTime},
	}
}

// entitlementRules: a job waits under the plan of its acceptance and is claimed under the known one.
func entitlementRules() []rule {
	return []rule{
		{"after a downgrade no more units are taken than the new limit, by ten claims at once", downgradeCounts},
		{"after an upgrade what waits runs without a limit", upgradeCounts},
		{"a plan of an older token than the job's is not regarded", olderPlanIsLeft},
		{"a unit that is held stays with its meter and its plan", heldUnitStays},
		{"an attempt that failed is tried again under its plan", retryKeepsPlan},
		{"a kind that takes no unit is not held up by a plan", freeKindRuns},
		{"a skipped job waits for the cycle of the plan that skipped it", skippedByNewPlan},
	}
}

// planOf returns what a token says that was issued so long after the start.
func planOf(t usage.Tier, limit int, after time.Duration) job.Plan {
	return job.Plan{Tier: string(t), Limit: limit, Issued: start().Add(after)}
}

// note tells the store what a token says, and demands the plan that is in force.
func note(t *testing.T, s Store, owner string, p, want job.Plan) {
	t.Helper()
	if got, err := s.NotePlan(context.Background(), owner, p); err != nil || got != want {
		t.Fatalf("in force %+v, %v, want %+v", got, err, want)
	}
}

// known demands the plan that is noted.
func known(t *testing.T, s Store, owner string, want job.Plan) {
	t.Helper()
	if got, err := s.Plan(context.Background(), owner); err != nil || got != want {
		t.Errorf("known %+v, %v, want %+v", got, err, want)
	}
}

// newestTokenDecides: an owner with two valid tokens must not be able to choose.
func newestTokenDecides(t *testing.T, s Store) {
	rich, poor := planOf(usage.Enterprise, job.Unlimited, 0), planOf(usage.Free, 10, time.Minute)
	anchored := planOf(usage.Pro, 100, time.Hour)
	anchored.Anchor = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	owner := "u#" + id(t)
	known(t, s, owner, job.Plan{})
	note(t, s, owner, rich, rich)
	known(t, s, owner, rich)
	note(t, s, owner, poor, poor)
	note(t, s, owner, rich, poor)
	known(t, s, owner, poor)
	note(t, s, owner, anchored, anchored)
	known(t, s, owner, anchored)
	known(t, s, owner+"#", job.Plan{})

	late := "u-" + id(t)
	note(t, s, late, poor, poor)
	note(t, s, late, rich, poor)
	known(t, s, late, poor)
}

// newestOfTenStays: requests with an old and a new token come side by side.
func newestOfTenStays(t *testing.T, s Store) {
	owner := "u-" + id(t)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			p := planOf(usage.Free, 10+i, time.Duration(i)*time.Minute)
			for {
				_, err := s.NotePlan(context.Background(), owner, p)
				if err == nil {
					return
				}
				if job.CodeOf(err) != job.Throttled {
					t.Errorf("note: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	known(t, s, owner, planOf(usage.Free, 19, 9*time.Minute))
}

// notesSeldom: a write for each request would be the largest cost of a small one.
func notesSeldom(t *testing.T, s Store) {
	owner := "u-" + id(t)
	first, soon, later := planOf(usage.Pro, 100, 0), planOf(usage.Pro, 100, 4*time.Minute), planOf(usage.Pro, 100, 5*time.Minute)
	note(t, s, owner, first, first)
	note(t, s, owner, soon, soon)
	known(t, s, owner, first)
	note(t, s, owner, later, later)
	known(t, s, owner, later)
}

// tokenWithoutTime: there is no telling whether it is the newest.
func tokenWithoutTime(t *testing.T, s Store) {
	owner := "u-" + id(t)
	timeless := job.Plan{Tier: "enterprise", Limit: job.Unlimited}
	note(t, s, owner, timeless, timeless)
	known(t, s, owner, job.Plan{})
	poor := planOf(usage.Free, 10, 0)
	note(t, s, owner, poor, poor)
	note(t, s, owner, timeless, poor)
	known(t, s, owner, poor)
}

// under makes a job one of an owner whose token named a plan.
func under(owner string, p job.Plan) func(*job.Job) {
	return func(j *job.Job) {
		j.Owner, j.Tier, j.Limit, j.Anchor, j.Issued = owner, p.Tier, p.Limit, p.Anchor, p.Issued
	}
}

// downgradeCounts: forty jobs wait under a plan without a limit, and the owner has ten units by now.
func downgradeCounts(t *testing.T, s Store) {
	owner := "u-" + id(t)
	rich, poor := planOf(usage.Enterprise, job.Unlimited, 0), planOf(usage.Free, 10, time.Minute)
	note(t, s, owner, rich, rich)
	jobs := make([]job.Job, 40)
	for i := range jobs {
		jobs[i] = accepted(t, s, under(owner, rich))
	}
	note(t, s, owner, poor, poor)
	var mu sync.Mutex
	ran := 0
	var wg sync.WaitGroup
	for w := range 10 {
		wg.Go(func() {
			for i := w; i < len(jobs); i += 10 {
				c, err := s.Claim(context.Background(), request(jobs[i].Message(), "l"+strconv.Itoa(i), start().Add(2*time.Minute)))
				switch {
				case job.CodeOf(err) == job.Throttled && err != nil:
				case err != nil:
					t.Errorf("claim: %v", err)
				case c.Verdict == job.Run:
					mu.Lock()
					ran++
					mu.Unlock()
					if c.Job.UsageKey == "" || c.Job.Limit != 10 || c.Job.Tier != "free" {
						t.Errorf("ran as %+v", c.Job)
					}
				case c.Verdict != job.Wait:
					t.Errorf("verdict %d: %+v", c.Verdict, c.Job)
				}
			}
		})
	}
	wg.Wait()
	free := jobs[0]
	free.Tier = "free"
	if m := meter(t, s, &free); ran > 10 || m != (job.Meter{Taken: ran}) {
		t.Errorf("%d ran, the meter is %+v", ran, m)
	}
}

// upgradeCounts: the limit of the acceptance is not asked any more.
func upgradeCounts(t *testing.T, s Store) {
	owner := "u-" + id(t)
	poor, rich := planOf(usage.Free, 0, 0), planOf(usage.Enterprise, job.Unlimited, time.Minute)
	j := accepted(t, s, under(owner, poor))
	note(t, s, owner, rich, rich)
	held := claim(t, s, request(j.Message(), "x", start()), job.Run)
	if stored := row(t, s, j.ID); held.UsageKey != "" || held.Limit != job.Unlimited || !reflect.DeepEqual(stored, held) {
		t.Errorf("claimed %+v\nstored %+v", held, stored)
	}
	settle(t, s, &held, start(), worker.Written)
	if m := meter(t, s, &held); m != (job.Meter{Taken: 1, Used: 1}) {
		t.Errorf("meter %+v", m)
	}
}

// olderPlanIsLeft: a job that was accepted by a newer token than the noted one has that one's plan.
func olderPlanIsLeft(t *testing.T, s Store) {
	owner := "u-" + id(t)
	rich, poor := planOf(usage.Enterprise, job.Unlimited, 0), planOf(usage.Free, 0, time.Minute)
	note(t, s, owner, rich, rich)
	j := accepted(t, s, under(owner, poor))
	claim(t, s, request(j.Message(), "x", start()), job.Skip)
}

// heldUnitStays: it was there when it was taken, and is given back where it was taken.
func heldUnitStays(t *testing.T, s Store) {
	owner := "u-" + id(t)
	pro, none := planOf(usage.Pro, 5, 0), planOf(usage.Free, 0, time.Minute)
	pro.Anchor = time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	held := running(t, s, under(owner, pro))
	waiting := job.Released(held, job.ProviderRateLimit, "429", time.Minute, Timing(), start())
	conclude(t, s, &held, waiting, worker.Written)
	note(t, s, owner, none, none)
	again := claim(t, s, request(waiting.Message(), "y", later()), job.Run)
	if again.UsageKey != held.UsageKey || again.Tier != "pro" {
		t.Errorf("claimed %+v", again)
	}
	settle(t, s, &again, later(), worker.Written)
	if m, err := s.Meter(context.Background(), owner, held.UsageKey); err != nil || m != (job.Meter{Taken: 1, Used: 1}) {
		t.Errorf("meter %+v, %v", m, err)
	}
}

// retryKeepsPlan: what has begun is not skipped half way.
func retryKeepsPlan(t *testing.T, s Store) {
	owner := "u-" + id(t)
	rich, none := planOf(usage.Enterprise, job.Unlimited, 0), planOf(usage.Free, 0, time.Minute)
	held := running(t, s, under(owner, rich))
	retrying := job.Failed(held, job.Errorf(job.ProviderUnavailable, "503"), Timing(), 0, job.Carried{}, report(start()))
	conclude(t, s, &held, retrying, worker.Written)
	note(t, s, owner, none, none)
	if again := claim(t, s, request(held.Message(), "y", start().Add(time.Minute)), job.Run); again.Attempts != 2 || again.Tier != "enterprise" {
		t.Errorf("claimed %+v", again)
	}
}

// freeKindRuns: a plan counts requests to the provider, and a kind that makes none needs no unit.
func freeKindRuns(t *testing.T, s Store) {
	owner := "u-" + id(t)
	none := planOf(usage.Free, 0, 0)
	note(t, s, owner, none, none)
	held := running(t, s, func(j *job.Job) { j.Owner, j.Free = owner, true })
	if stored := row(t, s, held.ID); !stored.Free || stored.UsageKey != "" {
		t.Errorf("stored %+v", stored)
	}
}

// skippedByNewPlan: it is looked at again when that plan has new units.
func skippedByNewPlan(t *testing.T, s Store) {
	owner := "u-" + id(t)
	rich, none := planOf(usage.Enterprise, job.Unlimited, 0), planOf(usage.Pro, 0, time.Minute)
	none.Anchor = time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)
	j := accepted(t, s, under(owner, rich))
	note(t, s, owner, none, none)
	skipped := claim(t, s, request(j.Message(), "x", start()), job.Skip)
	if want := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC); !skipped.Look.Equal(want) || skipped.Limit != 0 {
		t.Errorf("skipped %+v, want a look at %v", skipped, want)
	}
}

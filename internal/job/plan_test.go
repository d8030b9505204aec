package job_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
)

// plans draws plans of a few limits and times of issue, so that they meet.
func plans() *rapid.Generator[job.Plan] {
	return rapid.Custom(func(t *rapid.T) job.Plan {
		limit := rapid.SampledFrom([]int{job.Unlimited, 0, 10, 100}).Draw(t, "limit")
		p := job.Plan{Tier: map[int]string{job.Unlimited: "enterprise", 100: "pro"}[limit], Limit: limit}
		if n := rapid.IntRange(0, 6).Draw(t, "issued"); n > 0 {
			p.Issued = start().Add(time.Duration(n) * 3 * time.Minute)
		}
		return p
	})
}

// TestTheOrderOfTokensDoesNotMatter: whatever order tokens are used in, and however often, the
// newest of them decides, as soon as it was used once after the others.
func TestTheOrderOfTokensDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		known := job.Plan{}
		all := rapid.SliceOfN(plans(), 1, 12).Draw(t, "tokens")
		for _, p := range all {
			before := known
			inForce, note := job.NotePlan(known, p)
			if note {
				known = p
			}
			if p.Issued.IsZero() && note {
				t.Fatalf("%+v was noted", p)
			}
			if known.Issued.Before(before.Issued) {
				t.Fatalf("%+v after %+v", known, before)
			}
			// Whoever asks never gets more than both the token and the known plan allow, unless the token is the newer one.
			if inForce != p && inForce != before || inForce == p && inForce != before && before.Issued.After(p.Issued) {
				t.Fatalf("%+v in force, of %+v and %+v", inForce, before, p)
			}
		}
		newest := slices.MaxFunc(all, func(a, b job.Plan) int {
			switch {
			case a.Newer(b):
				return 1
			case b.Newer(a):
				return -1
			}
			return 0
		})
		if inForce, _ := job.NotePlan(known, newest); !newest.Issued.IsZero() && inForce.Limit != newest.Limit {
			t.Fatalf("%+v in force, the newest is %+v", inForce, newest)
		}
	})
}

func TestEntitled(t *testing.T) {
	t.Parallel()
	older, newer := start(), start().Add(time.Minute)
	rich := job.Job{State: job.Queued, Tier: "enterprise", Limit: job.Unlimited, Issued: older}
	with := func(edit func(*job.Job)) job.Job {
		j := rich
		edit(&j)
		return j
	}
	poor := job.Plan{Tier: "free", Limit: 10, Issued: newer}
	for _, c := range []struct {
		name  string
		j     job.Job
		known job.Plan
		want  int
	}{
		{"nothing is known", rich, job.Plan{}, job.Unlimited},
		{"a newer token", rich, poor, 10},
		{"an older one", rich, job.Plan{Tier: "free", Limit: 10, Issued: older.Add(-1)}, job.Unlimited},
		{"one of the same moment, with less", rich, job.Plan{Tier: "free", Limit: 10, Issued: older}, 10},
		{"a token of the job that does not say when", with(func(j *job.Job) { j.Issued = time.Time{} }), poor, 10},
		{"scheduled", with(func(j *job.Job) { j.State = job.Scheduled }), poor, 10},
		{"waiting", with(func(j *job.Job) { j.State = job.Waiting }), poor, 10},
		{"tried before", with(func(j *job.Job) { j.State = job.Retrying }), poor, job.Unlimited},
		{"after a lost attempt", with(func(j *job.Job) { j.State = job.Running }), poor, job.Unlimited},
		{"with a unit", with(func(j *job.Job) { j.UsageKey = "k" }), poor, job.Unlimited},
		{"of a kind that takes none", with(func(j *job.Job) { j.Free = true }), poor, job.Unlimited},
	} {
		if got := job.Entitled(c.j, c.known); got.Limit != c.want || got.Limit == 10 && got.Tier != "free" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	account := job.Account{Owner: "u", Tier: "enterprise", Limit: job.Unlimited, Issued: older}
	if got := account.Entitled(job.Account{Owner: "u", Tier: "free", Limit: 10, Issued: newer}); got.Limit != 10 || got.Owner != "u" {
		t.Errorf("a newer account: %+v", got)
	}
	for _, by := range []job.Account{{Owner: "u"}, {Owner: "u", Tier: "free", Limit: 10}} {
		if got := account.Entitled(by); got != account {
			t.Errorf("by %+v: %+v", by, got)
		}
	}
}

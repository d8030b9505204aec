package entry_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// analysed is a run that is billed.
func analysed(_ context.Context, j *job.Job) (worker.Result, error) {
	return worker.Result{Outcome: job.Success, Analysis: &satellite.Analysis{Point: j.Point, Revision: j.Revision}}, nil
}

// states counts the jobs of an owner by state.
func (b *bench) states(t *testing.T, owner string) map[job.State]int {
	t.Helper()
	all, next, err := b.store.Jobs(t.Context(), owner, "", "", 100)
	if err != nil || next != "" {
		t.Fatal(next, err)
	}
	n := map[job.State]int{}
	for i := range all {
		n[all[i].State]++
	}
	return n
}

// TestABatchIsExtendedAfterADowngrade: opened as enterprise, extended as free: ten units are ten units, and
// the older token, which is still valid, does not bring the better plan back.
func TestABatchIsExtendedAfterADowngrade(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	b.run = analysed
	var ids []string
	for range 15 {
		ids = append(ids, b.plain(t, ann, ""))
	}
	var batch made
	rich, poor := call{method: "POST", owner: ann, tier: "enterprise", issued: "1764590000"}, call{method: "POST", owner: ann, tier: "free", issued: "1764590060"}
	open, extend := rich, poor
	open.path, open.body = "/v1/batches", `{"name":"test","data_point_ids":`+quoted(ids[:12])+`}`
	b.do(t, open).into(t, http.StatusAccepted, &batch)
	for i, id := range ids[12:] {
		extend.path, extend.body = "/v1/batches/"+batch.ID+"/items", `{"data_point_ids":["`+id+`"]}`
		if i > 0 {
			extend.tier, extend.issued = rich.tier, rich.issued
		}
		b.do(t, extend).into(t, http.StatusAccepted, &object{})
	}
	for _, id := range ids {
		if _, err := b.step(t, event("items", batch.ID, id)); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.states(t, ann); got[job.Succeeded] != 10 || got[job.Skipped] != 5 {
		t.Errorf("jobs %v", got)
	}
}

// TestWaitingJobsRunUnderThePlanOfNow: forty jobs are due tomorrow, and today their owner becomes a free user.
func TestWaitingJobsRunUnderThePlanOfNow(t *testing.T) {
	t.Parallel()
	b := start(t)
	for range 40 {
		body := `{"kind":"enrich","data_point_id":"` + b.plain(t, ann, "") + `","delay":3600}`
		b.do(t, call{method: "POST", path: "/v1/jobs", owner: ann, tier: "enterprise", issued: "1772366400", body: body}).into(t, http.StatusAccepted, &object{})
	}
	// Any write tells it, whatever it is about.
	b.do(t, call{method: "POST", path: "/v1/usage:make-up", owner: ann, tier: "free", issued: "1772366460", body: `{"dry_run":true}`}).into(t, http.StatusOK, &object{})
	jobs, _, err := b.store.Jobs(t.Context(), ann, "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	verdicts, now := map[job.Verdict]int{}, b.now.Add(2*time.Hour)
	for i := range jobs {
		c, err := b.store.Claim(t.Context(), job.ClaimRequest{Message: jobs[i].Message(), Now: now, Lease: job.Lease{Token: "t", Until: now.Add(time.Minute)}})
		if err != nil {
			t.Fatal(err)
		}
		verdicts[c.Verdict]++
	}
	if verdicts[job.Run] != 10 || verdicts[job.Wait] != 30 {
		t.Errorf("verdicts %v", verdicts)
	}
}

// TestTheTimeOfIssue is read as RFC 7519 allows it, and nothing else is a time.
func TestTheTimeOfIssue(t *testing.T) {
	t.Parallel()
	second := time.Unix(1772366400, 0).UTC()
	for issued, want := range map[string]time.Time{
		"1772366400": second, "1772366399.5": second.Add(-time.Second / 2), "1.7723664E9": second, "": {}, "yesterday": {}, "-1": {}, "0": {}, "NaN": {}, "1e300": {},
		"1772366400000000": {},                                           // not in seconds
		"1893456000":       time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), // a clock that is ahead makes no token newer than now
	} {
		b := start(t)
		b.do(t, call{method: "POST", path: "/v1/usage:make-up", owner: ann, tier: "pro", issued: issued, body: `{}`}).into(t, http.StatusOK, &object{})
		if got, err := b.store.Plan(t.Context(), ann); err != nil || !got.Issued.Equal(want) || (got.Tier == "pro") == want.IsZero() {
			t.Errorf("iat %q: %+v, %v, want %v", issued, got, err, want)
		}
	}
}

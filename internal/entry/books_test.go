package entry_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/satellite"
)

// The ledger has one entry for each billed analysis, whatever the page size, newest first, and nobody else's.
func TestLedger(t *testing.T) {
	t.Parallel()
	b := start(t)
	var jobs []string
	for i := range 5 {
		b.now = b.now.Add(time.Minute)
		pointID, jobID := b.settle(t, ann, satellite.Analysis{Partial: i%2 == 1, Credits: 0.75})
		if jobs = append(jobs, jobID); pointID == jobID {
			t.Fatal("one id for two things")
		}
	}
	b.settle(t, ben, satellite.Analysis{})
	slices.Reverse(jobs)
	for _, limit := range []int{1, 2, 5, 100} {
		var got []string
		for cursor, more := "", true; more; more = cursor != "" {
			var page struct {
				Items []struct {
					JobID         string `json:"job_id"`
					Outcome       string
					Units         int
					CostCredits   float64 `json:"cost_credits"`
					Resource      string
					DataPointID   string `json:"data_point_id"`
					Revision      int
					WrittenDownAt time.Time `json:"at"`
				}
				Next *string `json:"next_cursor"`
			}
			query := fmt.Sprintf("limit=%d", limit)
			if cursor != "" {
				query += "&cursor=" + cursor
			}
			b.do(t, call{method: "GET", path: "/v1/usage/ledger", owner: ann, query: query}).into(t, http.StatusOK, &page)
			for _, e := range page.Items {
				n := len(got)
				got = append(got, e.JobID)
				want := []string{"SUCCEEDED", "PARTIAL"}[n%2]
				if e.Outcome != want || e.Units != 1 || e.CostCredits != 0.75 || e.Revision != 1 || !e.WrittenDownAt.Equal(b.now.Add(-time.Duration(n)*time.Minute)) {
					t.Errorf("entry %+v", e)
				}
			}
			if cursor = ""; page.Next != nil {
				cursor = *page.Next
			}
		}
		if !slices.Equal(got, jobs) {
			t.Errorf("limit %d: %v, want %v", limit, got, jobs)
		}
	}
}

// A list without filters refuses what it does not know, and cursors that no page gave.
func TestBadPagesAreRefused(t *testing.T) {
	t.Parallel()
	binary := base64.RawURLEncoding.EncodeToString([]byte("1\xff\xfe"))
	for _, c := range []struct{ path, query, code, field string }{
		{"/v1/usage/ledger", "limit=0", "INVALID_FIELD", "limit"},
		{"/v1/usage/ledger", "limit=101", "INVALID_FIELD", "limit"},
		{"/v1/usage/ledger", "cursor=", "INVALID_CURSOR", "cursor"},
		{"/v1/usage/ledger", "cursor=" + binary, "INVALID_CURSOR", "cursor"},
		{"/v1/usage/ledger", "kind=enrich", "UNKNOWN_FIELD", "kind"},
		{"/v1/usage/ledger", "zeta=1&alpha=2", "UNKNOWN_FIELD", "alpha"},
		{"/v1/failed/poison", "limit=x", "INVALID_FIELD", "limit"},
		{"/v1/failed/poison", "cursor=abc", "UNKNOWN_FIELD", "cursor"},
	} {
		var p problem
		start(t).do(t, call{method: "GET", path: c.path, owner: ann, query: c.query}).into(t, http.StatusUnprocessableEntity, &p)
		if p.Code != c.code || p.Field != c.field {
			t.Errorf("%s?%s: %+v", c.path, c.query, p)
		}
	}
}

// Skipped jobs run again under the plan of the token, and only they, and only their owner's.
func TestMakeUp(t *testing.T) {
	t.Parallel()
	b := start(t)
	skipped := func(n int, owner string, state job.State) {
		b.put(t, job.Job{
			ID: id(n), Kind: "enrich", Owner: owner, Tier: "free", Limit: 10, Queue: "default", Point: id(99), State: state, Outcome: job.UserQuotaExceeded,
			MaxAttempts: 3, Created: b.now, Finished: b.now, Look: b.now.Add(24 * time.Hour),
		})
	}
	skipped(1, ann, job.Skipped)
	skipped(2, ann, job.Skipped)
	skipped(3, ann, job.Cancelled)
	skipped(4, ben, job.Skipped)
	makeUp := func(tier, body string) (done struct {
		Matched int
		MadeUp  int `json:"made_up"`
	},
	) {
		b.do(t, call{method: "POST", path: "/v1/usage:make-up", owner: ann, tier: tier, body: body}).into(t, http.StatusOK, &done)
		return done
	}
	before := b.snapshot()
	if done := makeUp("pro", `{"dry_run":true}`); done.Matched != 2 || done.MadeUp != 0 || b.snapshot() != before {
		t.Errorf("dry run %+v", done)
	}
	if done := makeUp("pro", `{}`); done.Matched != 2 || done.MadeUp != 2 {
		t.Errorf("made up %+v", done)
	}
	if done := makeUp("pro", `{"dry_run":false}`); done.Matched != 0 {
		t.Errorf("made up again %+v", done)
	}
	for n, want := range map[int]job.State{1: job.Queued, 2: job.Queued, 3: job.Cancelled, 4: job.Skipped} {
		row, err := b.store.Job(t.Context(), id(n))
		if err != nil || row.State != want || n < 3 && (row.Tier != "pro" || row.Limit != 100 || row.Generation != 1) {
			t.Errorf("job %d: %+v, %v, want %s", n, row, err, want)
		}
	}
	for _, r := range append(shapeless(), refusal{name: "no text", body: `{"dry_run":1}`, status: 422, code: "INVALID_FIELD", field: "dry_run", rule: "type"}) {
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.refused(t, "/v1/usage:make-up") })
	}
}

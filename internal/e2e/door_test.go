package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/local/cdse"
)

// must sends a request that has to be answered with the status.
func (w *world) must(t *testing.T, token, method, path, body string, status int) map[string]any {
	t.Helper()
	got, answer, _ := w.raw(t, method, path, token, body)
	if got != status {
		t.Fatalf("%s %s: %d, want %d: %v", method, path, got, status, answer)
	}
	return answer
}

// full is a token with every scope.
func (w *world) full(t *testing.T, user, tier string) string {
	t.Helper()
	return w.token(t, user, tier, time.Hour, "orbitq/read", "orbitq/write", "orbitq/operate")
}

// TestTheBreakerOpensAndCloses fails the provider until the breaker opens: then nothing is asked any more, no attempt
// is lost, and when the provider is well again one probe closes it.
func TestTheBreakerOpensAndCloses(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c, token := w.as(t, "breaker", "enterprise"), w.full(t, "breaker", "enterprise")
	w.Provider().SetFaults(cdse.Fault{Kind: "503", Endpoint: "statistics"})
	var ids []string
	for _, p := range w.clear(12) {
		created, err := c.CreatePoint(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, created.JobID)
	}
	eventually(t, func() error {
		if got := w.must(t, token, http.MethodGet, "/v1/provider", "", http.StatusOK); got["breaker"] == "closed" {
			return fmt.Errorf("after %d calls: %v", len(w.Provider().Calls().List), got)
		}
		return nil
	})
	w.Provider().SetFaults()
	dead := 0
	for _, id := range ids {
		j := ended(t, c, id)
		if j.State == job.Dead && j.Attempts == 3 {
			dead++ // it had failed three times before the breaker opened
			continue
		}
		if j.Outcome != job.Success || j.Attempts > 3 {
			t.Errorf("job %+v, %+v", j, j.Error)
		}
	}
	failed := 0
	for _, call := range w.Provider().Calls().List {
		if call.Status == http.StatusServiceUnavailable {
			failed++
		}
	}
	// Twelve may be under way when the tenth fails, and a probe may fail before the provider is mended.
	if failed > 12+10 || dead == len(ids) {
		t.Errorf("%d calls failed, %d of %d jobs died", failed, dead, len(ids))
	}
	if got := w.must(t, token, http.MethodGet, "/v1/provider", "", http.StatusOK); got["breaker"] != "closed" {
		t.Errorf("in the end %v", got)
	}
}

// TestTheMonthsBudgetParksJobs allows three requests in the month: the rest waits for the 1st, and costs nothing.
func TestTheMonthsBudgetParksJobs(t *testing.T) {
	t.Parallel()
	w := limited(t, map[string]string{"ProviderRequestsPerMonth": "3"})
	c, token := w.as(t, "budget", "pro"), w.full(t, "budget", "pro")
	var ids []string
	for _, p := range w.clear(5) {
		created, err := c.CreatePoint(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, created.JobID)
	}
	eventually(t, func() error {
		done, parked := 0, 0
		for _, id := range ids {
			j, err := c.Job(t.Context(), id)
			if err != nil {
				return err
			}
			first := time.Now().UTC().AddDate(0, 1, 1-time.Now().UTC().Day()).Truncate(24 * time.Hour)
			switch {
			case j.State == job.Succeeded:
				done++
			case j.State == job.Waiting && j.Error != nil && j.Error.Code == job.ProviderQuota && j.NextAt != nil && !j.NextAt.Before(first) && j.Attempts == 0:
				parked++
			}
		}
		if done != 3 || parked != 2 {
			return fmt.Errorf("%d done, %d parked", done, parked)
		}
		return nil
	})
	if calls := w.Provider().Calls(); len(calls.List)-calls.Counts[cdse.EndpointToken] != 3 {
		t.Errorf("provider calls %v; the fetch of the token is none of the month's", calls.Counts)
	}
	got := w.must(t, token, http.MethodGet, "/v1/provider", "", http.StatusOK)
	if got["requests"] != 3.0 || got["budget_percent"] != 100.0 {
		t.Errorf("provider %v", got)
	}
	// The line that CloudWatch reads as a metric, and raises the alarms of 80, 90 and 100 % from.
	if log := w.logOf(t, "enrich"); !strings.Contains(log, `"ProviderBudgetPercent":100`) {
		t.Error("no line of the worker says that the budget is used up")
	}
}

// TestTheSameQuestionIsAskedOnce reads three metrics at one place and day.
func TestTheSameQuestionIsAskedOnce(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c, token := w.as(t, "cache", "pro"), w.full(t, "cache", "pro")
	reading := w.clear(1)[0]
	credits, cached := 0.0, 0
	for i := range 3 {
		reading.Value = float64(i)
		created, err := c.CreatePoint(t.Context(), reading)
		if err != nil {
			t.Fatal(err)
		}
		if j := ended(t, c, created.JobID); j.Outcome != job.Success {
			t.Fatalf("job %+v", j)
		}
		var calls []any
		eventually(t, func() error { // the records follow at the end of the batch
			calls, _ = w.must(t, token, http.MethodGet, "/v1/jobs/"+created.JobID+"/calls", "", http.StatusOK)["items"].([]any)
			if len(calls) == 0 {
				return fmt.Errorf("no calls of job %d", i)
			}
			return nil
		})
		for _, one := range calls {
			call, _ := one.(map[string]any)
			cost, _ := call["cost_credits"].(float64)
			credits += cost
			if call["cached"] == true {
				cached++
			}
		}
	}
	u, err := c.Usage(t.Context())
	if err != nil || u.Used != 3 {
		t.Errorf("usage %+v, %v", u, err)
	}
	if n := w.Provider().Calls().Counts[cdse.EndpointStatistics]; n != 1 || cached != 2 || credits != 1 {
		t.Errorf("asked %d times, %d answers from the cache, %v credits", n, cached, credits)
	}
	ledger, _ := w.must(t, token, http.MethodGet, "/v1/usage/ledger", "", http.StatusOK)["items"].([]any)
	if len(ledger) != 3 {
		t.Errorf("ledger %v", ledger)
	}
}

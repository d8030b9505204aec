package entry_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"orbitq/internal/job"
)

// died stores a point of ann's and lets its job die of a code at the bench's time.
func (b *bench) died(t *testing.T, code job.Code) job.Job {
	t.Helper()
	var created struct {
		JobID string `json:"job_id"`
	}
	b.do(t, call{method: http.MethodPost, path: "/v1/data-points", owner: ann, body: `{"latitude":1,"longitude":2,"value":3}`}).into(t, http.StatusCreated, &created)
	dead, err := b.store.Amend(t.Context(), created.JobID, func(j job.Job) (job.Job, error) {
		return job.Buried(j, code, "because", job.Carried{Ticket: 1, Sent: b.now}, b.now), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Second)
	return dead
}

// ids returns the ids of a list.
func ids(list object) []string {
	var all []string
	items, _ := list["items"].([]any)
	for _, item := range items {
		one, _ := item.(object)
		id, _ := one["id"].(string)
		all = append(all, id)
	}
	return all
}

func TestFailedJobsAreListedByFilterLatestFirst(t *testing.T) {
	t.Parallel()
	b := start(t)
	first, second := b.died(t, job.ProviderDenied), b.died(t, job.InvalidRequest)
	for query, want := range map[string][]string{
		"":                             {second.ID, first.ID},
		"code=PROVIDER_DENIED":         {first.ID},
		"queue=low":                    nil,
		"queue=default&limit=1":        {second.ID},
		"code=ATTEMPTS_SPENT":          nil,
		"queue=default&limit=100":      {second.ID, first.ID},
		"code=INVALID_REQUEST":         {second.ID},
		"code=INVALID_REQUEST&limit=1": {second.ID},
	} {
		var list object
		b.do(t, call{method: http.MethodGet, path: "/v1/failed", query: query, owner: ann}).into(t, http.StatusOK, &list)
		if got := ids(list); len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("%q: got %v, want %v", query, got, want)
		}
	}
	var list object
	b.do(t, call{method: http.MethodGet, path: "/v1/failed", owner: ben}).into(t, http.StatusOK, &list)
	if got := ids(list); len(got) != 0 {
		t.Errorf("another user sees %v", got)
	}
}

func TestAFailedJobIsRetriedOnceAndSent(t *testing.T) {
	t.Parallel()
	b := start(t)
	dead := b.died(t, job.ProviderDenied)
	before := len(b.sender.sent)
	var j object
	b.do(t, call{method: http.MethodPost, path: "/v1/failed/" + dead.ID + "/retry", owner: ann}).into(t, http.StatusAccepted, &j)
	if j["state"] != "queued" || j["generation"] != float64(1) || len(b.sender.sent) != before+1 {
		t.Errorf("job %v, sent %v", j, b.sender.sent)
	}
	if last := b.sender.sent[before]; last.message.Generation != 1 || last.message.Ticket != 2 || last.queue != "default" {
		t.Errorf("sent %+v", last)
	}
	var p problem
	b.do(t, call{method: http.MethodPost, path: "/v1/failed/" + dead.ID + "/retry", owner: ann}).into(t, http.StatusConflict, &p)
	if p.Code != string(job.StateConflict) {
		t.Errorf("problem %+v", p)
	}
}

func TestARetryWhoseMessageIsNotSentStillStands(t *testing.T) {
	t.Parallel()
	b := start(t)
	dead := b.died(t, job.ProviderDenied)
	b.sender.err = errors.New("no queue")
	var j object
	b.do(t, call{method: http.MethodPost, path: "/v1/failed/" + dead.ID + "/retry", owner: ann}).into(t, http.StatusAccepted, &j)
	if row, err := b.store.Job(t.Context(), dead.ID); err != nil || row.State != job.Queued || row.Look.IsZero() {
		t.Errorf("row %+v, %v: the relay must find it", row, err)
	}
}

func TestForgettingAndCancelling(t *testing.T) {
	t.Parallel()
	b := start(t)
	dead := b.died(t, job.ProviderDenied)
	var j object
	b.do(t, call{method: http.MethodDelete, path: "/v1/failed/" + dead.ID, owner: ann}).into(t, http.StatusOK, &j)
	if j["state"] != "forgotten" {
		t.Errorf("job %v", j)
	}
	var created struct {
		JobID string `json:"job_id"`
	}
	b.do(t, call{method: http.MethodPost, path: "/v1/data-points", owner: ann, body: `{"latitude":1,"longitude":2,"value":3}`}).into(t, http.StatusCreated, &created)
	for range 2 {
		b.do(t, call{method: http.MethodPost, path: "/v1/jobs/" + created.JobID + "/cancel", owner: ann}).into(t, http.StatusOK, &j)
		if j["state"] != "cancelled" {
			t.Errorf("job %v", j)
		}
	}
	var p problem
	b.do(t, call{method: http.MethodPost, path: "/v1/jobs/" + dead.ID + "/cancel", owner: ann}).into(t, http.StatusConflict, &p)
}

func TestAnothersFailedJobDoesNotExist(t *testing.T) {
	t.Parallel()
	b := start(t)
	dead := b.died(t, job.ProviderDenied)
	before := b.snapshot()
	for _, id := range []string{dead.ID, "x", job.DerivedID("nobody")} {
		for _, c := range []call{
			{method: http.MethodPost, path: "/v1/failed/" + id + "/retry", owner: ben},
			{method: http.MethodDelete, path: "/v1/failed/" + id, owner: ben},
			{method: http.MethodPost, path: "/v1/jobs/" + id + "/cancel", owner: ben},
		} {
			var p problem
			b.do(t, c).into(t, http.StatusNotFound, &p)
		}
	}
	if b.snapshot() != before {
		t.Error("the table changed")
	}
}

func TestRetryManyByFilter(t *testing.T) {
	t.Parallel()
	b := start(t)
	for range 3 {
		b.died(t, job.ProviderDenied)
	}
	b.died(t, job.InvalidRequest)
	many := func(status int, body string, v any) {
		b.do(t, call{method: http.MethodPost, path: "/v1/failed:retry", owner: ann, body: body}).into(t, status, v)
	}
	var done object
	many(http.StatusOK, `{"code":"PROVIDER_DENIED","dry_run":true}`, &done)
	if done["matched"] != 3.0 || done["retried"] != 0.0 || done["next_cursor"] != nil {
		t.Errorf("dry run %v", done)
	}
	many(http.StatusOK, `{"code":"PROVIDER_DENIED","queue":"default"}`, &done)
	if done["matched"] != 3.0 || done["retried"] != 3.0 {
		t.Errorf("done %v", done)
	}
	many(http.StatusOK, `{"all":true}`, &done)
	if done["matched"] != 1.0 || done["retried"] != 1.0 {
		t.Errorf("all %v", done)
	}
	for _, body := range []string{`{}`, `{"all":false}`, `{"all":true,"code":"X"}`} {
		var p problem
		many(http.StatusUnprocessableEntity, body, &p)
		if p.Field != "all" || p.Rule != "filter" {
			t.Errorf("%s: %+v", body, p)
		}
	}
	for _, body := range []string{`{"all":true,"cursor":"?"}`, `{"quue":"low"}`} {
		var p problem
		many(http.StatusUnprocessableEntity, body, &p)
	}
}

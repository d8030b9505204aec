package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// deadID is a job of the API that failedAPI plays.
const deadID = "01JM8WQ5Z4A1B2C3D4E5F6G7H8"

// deadJob is that job as the API shows it.
func deadJob(state string) map[string]any {
	return map[string]any{
		"id": deadID, "kind": "enrich", "state": state, "data_point_id": deadID, "queue": "default", "attempts": 1,
		"max_attempts": 3, "generation": 0, "created_at": "2026-11-25T08:00:00Z",
	}
}

// failedAPI answers one request after the other, and keeps what was asked.
func failedAPI(t *testing.T, answers ...any) (*client.Client, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		n := len(asked)
		asked = append(asked, r.Method+" "+r.URL.String()+" "+string(body))
		w.Header().Set("Content-Type", "application/json")
		if p, ok := answers[n].(map[string]any); ok && p["status"] != nil {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
		}
		if err := json.NewEncoder(w).Encode(answers[n]); err != nil {
			t.Errorf("write answer: %v", err)
		}
	}))
	t.Cleanup(server.Close)
	return client.New(client.Config{BaseURL: server.URL, Token: "t"}), &asked
}

func TestFailedFollowsPages(t *testing.T) {
	t.Parallel()
	c, asked := failedAPI(t,
		map[string]any{"items": []any{deadJob("dead")}, "next_cursor": "more"},
		map[string]any{"items": []any{}, "next_cursor": nil},
	)
	n := 0
	for j, err := range c.Failed(t.Context(), client.FailedFilter{Code: job.ProviderDenied, Queue: "low", Page: 7}) {
		if err != nil || j.ID != deadID {
			t.Fatalf("got %+v, %v", j, err)
		}
		n++
	}
	want := []string{"GET /v1/failed?code=PROVIDER_DENIED&limit=7&queue=low ", "GET /v1/failed?code=PROVIDER_DENIED&cursor=more&limit=7&queue=low "}
	if n != 1 || len(*asked) != 2 || (*asked)[0] != want[0] || (*asked)[1] != want[1] {
		t.Errorf("%d jobs, asked %q\nwant %q", n, *asked, want)
	}
}

func TestActionsOnOneJob(t *testing.T) {
	t.Parallel()
	conflict := map[string]any{"status": 409, "code": "STATE_CONFLICT", "detail": "no", "title": "t", "type": "u", "request_id": "r"}
	c, asked := failedAPI(t, deadJob("queued"), deadJob("forgotten"), deadJob("cancelled"), conflict)
	for i, act := range []func() (client.Job, error){
		func() (client.Job, error) { return c.Retry(t.Context(), deadID) },
		func() (client.Job, error) { return c.Forget(t.Context(), deadID) },
		func() (client.Job, error) { return c.Cancel(t.Context(), deadID) },
	} {
		if j, err := act(); err != nil || j.ID != deadID {
			t.Errorf("%d: %+v, %v", i, j, err)
		}
	}
	_, err := c.Cancel(t.Context(), "a/b")
	var p *client.Problem
	if !errors.As(err, &p) || p.Code != job.StateConflict {
		t.Errorf("error %v", err)
	}
	want := []string{
		"POST /v1/failed/" + deadID + "/retry ", "DELETE /v1/failed/" + deadID + " ", "POST /v1/jobs/" + deadID + "/cancel ", "POST /v1/jobs/a%2Fb/cancel ",
	}
	for i := range want {
		if (*asked)[i] != want[i] {
			t.Errorf("asked %q, want %q", (*asked)[i], want[i])
		}
	}
}

func TestRetryManyAsksUntilTheEnd(t *testing.T) {
	t.Parallel()
	c, asked := failedAPI(t,
		map[string]any{"matched": 200, "retried": 199, "next_cursor": "n"},
		map[string]any{"matched": 3, "retried": 3, "next_cursor": nil},
		map[string]any{"matched": 1, "retried": 0, "next_cursor": nil},
	)
	done, err := c.RetryMany(t.Context(), client.FailedFilter{Code: "X", Queue: "high"}, false)
	if err != nil || done.Matched != 203 || done.Retried != 202 {
		t.Errorf("done %+v, %v", done, err)
	}
	if _, err := c.RetryMany(t.Context(), client.FailedFilter{}, true); err != nil {
		t.Error(err)
	}
	want := []string{
		`POST /v1/failed:retry {"code":"X","dry_run":false,"queue":"high"}`,
		`POST /v1/failed:retry {"code":"X","cursor":"n","dry_run":false,"queue":"high"}`,
		`POST /v1/failed:retry {"all":true,"dry_run":true}`,
	}
	for i := range want {
		if (*asked)[i] != want[i] {
			t.Errorf("asked %q\nwant %q", (*asked)[i], want[i])
		}
	}
}

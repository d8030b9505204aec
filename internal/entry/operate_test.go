package entry_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/query"
)

// Every refusal of the operator's routes names its field, and changes nothing.
func TestOperatorsRefusals(t *testing.T) {
	t.Parallel()
	place := query.NewList("failed:retry", ann).Cursor((&job.Job{ID: id(1), Finished: time.Unix(1_772_366_400, 0)}).Grave())
	for _, c := range []struct {
		name, method, path, query, body string
		status                          int
		code, field                     string
	}{
		{"snooze without a time", "POST", "/v1/jobs/%J/snooze", "", `{}`, 422, "INVALID_FIELD", "seconds"},
		{"snooze into the past", "POST", "/v1/jobs/%J/snooze", "", `{"seconds":0}`, 422, "INVALID_FIELD", "seconds"},
		{"snooze for ever", "POST", "/v1/jobs/%J/snooze", "", `{"seconds":31622401}`, 422, "INVALID_FIELD", "seconds"},
		{"snooze of a dead job", "POST", "/v1/jobs/%D/snooze", "", `{"seconds":60}`, 409, "STATE_CONFLICT", ""},
		{"flush of nothing in particular", "POST", "/v1/failed:flush", "", `{"confirm":"forget these failed jobs"}`, 422, "INVALID_FIELD", "all"},
		{"flush without the words", "POST", "/v1/failed:flush", "", `{"all":true}`, 422, "INVALID_FIELD", "confirm"},
		{"flush with other words", "POST", "/v1/failed:flush", "", `{"all":true,"confirm":"yes"}`, 422, "INVALID_FIELD", "confirm"},
		{"flush with an empty fingerprint", "POST", "/v1/failed:flush", "", `{"fingerprint":"","dry_run":true}`, 422, "INVALID_FIELD", "fingerprint"},
		{"flush by an unknown field", "POST", "/v1/failed:flush", "", `{"everything":true}`, 422, "UNKNOWN_FIELD", "everything"},
		{"flush with a foreign cursor", "POST", "/v1/failed:flush", "", `{"all":true,"dry_run":true,"cursor":"x"}`, 422, "INVALID_CURSOR", "cursor"},
		{"retry since yesterday, in words", "POST", "/v1/failed:retry", "", `{"since":"yesterday"}`, 422, "INVALID_FIELD", "since"},
		{"retry at no rate", "POST", "/v1/failed:retry", "", `{"all":true,"rate":0}`, 422, "INVALID_FIELD", "rate"},
		{"retry at too high a rate", "POST", "/v1/failed:retry", "", `{"all":true,"rate":201}`, 422, "INVALID_FIELD", "rate"},
		{"count at too high a rate", "POST", "/v1/failed:retry", "", `{"all":true,"rate":201,"dry_run":true}`, 422, "INVALID_FIELD", "rate"},
		{"a canary from the middle", "POST", "/v1/failed:retry", "", `{"all":true,"canary":true,"cursor":"` + place + `"}`, 422, "INVALID_FIELD", "cursor"},
		{"a rate from the middle", "POST", "/v1/failed:retry", "", `{"all":true,"rate":5,"cursor":"` + place + `"}`, 422, "INVALID_FIELD", "cursor"},
		{"a canary in words", "POST", "/v1/failed:retry", "", `{"all":true,"canary":"yes"}`, 422, "INVALID_FIELD", "canary"},
		{"snooze by half a second", "POST", "/v1/jobs/%J/snooze", "", `{"seconds":0.5}`, 422, "INVALID_FIELD", "seconds"},
		{"a filter and all", "POST", "/v1/failed:retry", "", `{"all":true,"queue":"low"}`, 422, "INVALID_FIELD", "all"},
		{"make up with a foreign cursor", "POST", "/v1/usage:make-up", "", `{"cursor":"x"}`, 422, "INVALID_CURSOR", "cursor"},
		{"ledger with a foreign cursor", "GET", "/v1/usage/ledger", "cursor=%21", "", 422, "INVALID_CURSOR", "cursor"},
		{"ledger with a filter", "GET", "/v1/usage/ledger", "state=dead", "", 422, "UNKNOWN_FIELD", "state"},
		{"poison with a filter", "GET", "/v1/failed/poison", "queue=low", "", 422, "UNKNOWN_FIELD", "queue"},
		{"failures by a time in words", "GET", "/v1/failed", "until=now", "", 422, "INVALID_FIELD", "until"},
		{"pause of a queue that is not", "POST", "/v1/queues/medium/pause", "", "", 404, "NOT_FOUND", ""},
		{"an operation that is not", "GET", "/v1/operations/%J", "", "", 404, "NOT_FOUND", ""},
		{"an operation without an id", "POST", "/v1/operations/x/abort", "", "", 404, "NOT_FOUND", ""},
		{"both ways to run", "POST", "/v1/jobs", "", `{"kind":"enrich","data_point_id":"%P","mode":"sync","delay":5}`, 422, "INVALID_FIELD", "mode"},
		{"a third way to run", "POST", "/v1/jobs", "", `{"kind":"enrich","data_point_id":"%P","mode":"later"}`, 422, "INVALID_FIELD", "mode"},
		{"no time to wait", "POST", "/v1/jobs", "", `{"kind":"enrich","data_point_id":"%P","max_wait":0}`, 422, "INVALID_FIELD", "max_wait"},
		{"an empty unique key", "POST", "/v1/jobs", "", `{"kind":"enrich","data_point_id":"%P","unique_key":""}`, 422, "INVALID_FIELD", "unique_key"},
		{"a unique key with blanks", "POST", "/v1/jobs", "", `{"kind":"enrich","data_point_id":"%P","unique_key":"a b"}`, 422, "INVALID_FIELD", "unique_key"},
		{"a tag that is empty", "POST", "/v1/jobs", "", `{"kind":"enrich","data_point_id":"%P","tags":["a",""]}`, 422, "INVALID_FIELD", "tags[1]"},
		{"too many tags", "POST", "/v1/jobs", "", `{"kind":"enrich","data_point_id":"%P","tags":["1","2","3","4","5","6","7","8","9","10","11"]}`, 422, "INVALID_FIELD", "tags"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			pointID, jobID := b.seed(t, ann)
			deadID := b.bury(t, ann, 1, job.ProviderDenied)
			fill := strings.NewReplacer("%P", pointID, "%J", jobID, "%D", deadID).Replace
			before := b.snapshot()
			var p problem
			b.do(t, call{method: c.method, path: fill(c.path), query: c.query, body: fill(c.body), owner: ann}).into(t, c.status, &p)
			if p.Code != c.code || p.Field != c.field {
				t.Errorf("problem %+v, want %s of %s", p, c.code, c.field)
			}
			if b.snapshot() != before {
				t.Error("something changed")
			}
		})
	}
}

// A queue that cannot be read or changed is a busy service, not a defect.
func TestFeedsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.feeds.err = job.Errorf(job.Unavailable, "lambda is down")
	for _, c := range []call{{method: "GET", path: "/v1/queues"}, {method: "POST", path: "/v1/queues/low/pause"}} {
		c.owner = ann
		if got := b.do(t, c); got.status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", c.path, got.status, got.body)
		}
	}
}

// What operators see: queues, the door, poison, calls.
func TestWhatOperatorsSee(t *testing.T) {
	t.Parallel()
	b := start(t)
	_, jobID := b.seed(t, ann)
	b.do(t, call{method: "POST", path: "/v1/queues/low/pause", owner: ann})
	var queues struct {
		Items []struct{ Queue, Feed string }
	}
	b.do(t, call{method: "GET", path: "/v1/queues", owner: ann}).into(t, http.StatusOK, &queues)
	if len(queues.Items) != 4 || queues.Items[2].Queue != "low" || queues.Items[2].Feed != "disabled" || queues.Items[3].Feed != "" {
		t.Errorf("queues %+v", queues)
	}
	letter := deadletter.Letter{MessageID: "m", Body: "not ours", Source: "arn:aws:sqs:eu-central-1:1:orbitq-satellite", Receives: 8}
	if err := b.store.RecordPoison(t.Context(), letter, "message is not JSON", b.now); err != nil {
		t.Fatal(err)
	}
	var poison struct {
		Items []struct{ Queue, Payload, Reason string }
	}
	b.do(t, call{method: "GET", path: "/v1/failed/poison", owner: ann}).into(t, http.StatusOK, &poison)
	if len(poison.Items) != 1 || poison.Items[0].Payload != "not ours" || poison.Items[0].Queue != "orbitq-satellite" {
		t.Errorf("poison %+v", poison)
	}
	b.door.Left(limit.Call{At: b.now, Took: 80 * time.Millisecond, Type: limit.Enrichment, Status: 503, Code: "PROVIDER_UNAVAILABLE", Verdict: limit.Failed, Job: jobID, Attempt: 1})
	if err := b.door.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var calls struct {
		Items []struct {
			Status int
			Code   string
			Ms     int `json:"response_time_ms"`
		}
	}
	b.do(t, call{method: "GET", path: "/v1/jobs/" + jobID + "/calls", owner: ann}).into(t, http.StatusOK, &calls)
	if len(calls.Items) != 1 || calls.Items[0].Status != 503 || calls.Items[0].Ms != 80 || calls.Items[0].Code == "" {
		t.Errorf("calls %+v", calls)
	}
	var door struct {
		Breaker  string
		Failures int `json:"recent_failures"`
	}
	b.do(t, call{method: "GET", path: "/v1/provider", owner: ann}).into(t, http.StatusOK, &door)
	if door.Breaker != "closed" || door.Failures != 1 {
		t.Errorf("provider %+v", door)
	}
}

// A retry with a rate is an operation: it is found, aborted once, and another user's is nowhere.
func TestAnOperationOverTheAPI(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.bury(t, ann, 1, job.ProviderDenied)
	var op struct {
		ID, State string
		Rate      int
		Canary    bool
	}
	got := b.do(t, call{method: "POST", path: "/v1/failed:retry", body: `{"code":"PROVIDER_DENIED","canary":true,"rate":7}`, owner: ann})
	got.into(t, http.StatusAccepted, &op)
	if op.State != "running" || op.Rate != 7 || !op.Canary || got.headers["location"] != "/v1/operations/"+op.ID {
		t.Errorf("operation %+v at %s", op, got.headers["location"])
	}
	for range 2 {
		b.do(t, call{method: "POST", path: "/v1/operations/" + op.ID + "/abort", owner: ann}).into(t, http.StatusOK, &op)
		if op.State != "aborted" {
			t.Errorf("operation %+v", op)
		}
	}
	if n, err := b.operator.Advance(t.Context()); n != 0 || err != nil {
		t.Errorf("%d operations go on, %v", n, err)
	}
}

// Step by step to the end: what the relay's minutes did is what the API shows, and then there is nothing to abort.
func TestAnOperationToItsEnd(t *testing.T) {
	t.Parallel()
	b := start(t)
	for n := range 7 {
		b.bury(t, ann, n, job.ProviderDenied)
	}
	b.bury(t, ben, 1, job.ProviderDenied)
	b.now = b.now.Add(time.Hour)
	var op struct{ ID, State string }
	b.do(t, call{method: "POST", path: "/v1/failed:retry", body: `{"all":true,"rate":5}`, owner: ann}).into(t, http.StatusAccepted, &op)
	for _, want := range []string{
		`"state":"running","canary":false,"rate":5,"step":1,"retried":5,"mended":0,"returned":0,"open":5`,
		`"state":"running","canary":false,"rate":5,"step":2,"retried":7,"mended":5,"returned":0,"open":2`,
		`"state":"done","canary":false,"rate":5,"step":2,"retried":7,"mended":7,"returned":0,"open":0`,
	} {
		if _, err := b.relays(t); err != nil {
			t.Fatal(err)
		}
		got := b.do(t, call{method: "GET", path: "/v1/operations/" + op.ID, owner: ann})
		if got.status != http.StatusOK || !strings.Contains(got.body, want) {
			t.Errorf("operation %s, want %s", got.body, want)
		}
		for n := range 7 { // those that were retried end well
			deadID := job.DerivedID("dead", ann, strconv.Itoa(n))
			if row, err := b.store.Job(t.Context(), deadID); err != nil {
				t.Fatal(err)
			} else if row.State == job.Queued {
				b.do(t, call{method: "POST", path: "/v1/jobs/" + deadID + "/cancel", owner: ann})
			}
		}
	}
	var p problem
	b.do(t, call{method: "POST", path: "/v1/operations/" + op.ID + "/abort", owner: ann}).into(t, http.StatusConflict, &p)
	if p.Code != "STATE_CONFLICT" || !strings.Contains(p.Detail, "done") || len(b.graves(t, ben, "")) != 1 {
		t.Errorf("problem %+v", p)
	}
}

// The anchor of the billing cycle comes from the token, and only as a date.
func TestCycleAnchorOfTheToken(t *testing.T) {
	t.Parallel()
	b := start(t)
	for anchor, want := range map[string]string{"2026-01-31": "2026-02-28T00:00:00Z", "": "2026-03-01T00:00:00Z"} {
		event := call{method: "GET", path: "/v1/usage", owner: ann, tier: "pro"}.event(t)
		event.RequestContext.Authorizer.JWT.Claims["cycle_anchor"] = anchor
		out, err := b.read(t.Context(), event)
		var u struct{ Cycle struct{ Start string } }
		if err != nil {
			t.Fatal(err)
		}
		answer{out.StatusCode, out.Headers, out.Body}.into(t, http.StatusOK, &u)
		if u.Cycle.Start != want {
			t.Errorf("anchor %q: cycle from %s, want %s", anchor, u.Cycle.Start, want)
		}
	}
	event := call{method: "GET", path: "/v1/usage", owner: ann}.event(t)
	event.RequestContext.Authorizer.JWT.Claims["cycle_anchor"] = "the 31st"
	if out, err := b.read(t.Context(), event); err != nil || out.StatusCode != http.StatusForbidden {
		t.Errorf("%d %v", out.StatusCode, errors.Join(err))
	}
}

// TestFlush forgets what the filter means, and only when it is said in words.
func TestFlush(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.bury(t, ann, 1, job.ProviderDenied)
	other := b.bury(t, ann, 2, job.InvalidRequest)
	b.bury(t, ben, 3, job.ProviderDenied)
	var done struct{ Matched, Forgotten int }
	b.do(t, call{method: "POST", path: "/v1/failed:flush", body: `{"code":"PROVIDER_DENIED","dry_run":true}`, owner: ann}).into(t, http.StatusOK, &done)
	if done.Matched != 1 || done.Forgotten != 0 {
		t.Errorf("dry run %+v", done)
	}
	b.do(t, call{method: "POST", path: "/v1/failed:flush", body: `{"code":"PROVIDER_DENIED","confirm":"forget these failed jobs"}`, owner: ann}).into(t, http.StatusOK, &done)
	if done.Matched != 1 || done.Forgotten != 1 {
		t.Errorf("flushed %+v", done)
	}
	var left struct{ Items []struct{ ID string } }
	b.do(t, call{method: "GET", path: "/v1/failed", owner: ann}).into(t, http.StatusOK, &left)
	if len(left.Items) != 1 || left.Items[0].ID != other {
		t.Errorf("left %+v", left)
	}
	b.do(t, call{method: "GET", path: "/v1/failed", owner: ben}).into(t, http.StatusOK, &left)
	if len(left.Items) != 1 {
		t.Errorf("another user has %+v left", left)
	}
}

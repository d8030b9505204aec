package entry_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// allowed lists the fields that a line may have, by its message; whatever else appears is a leak until it is listed.
func allowed() map[string][]string {
	shared := []string{"time", "level", "msg", "stack"}
	return map[string][]string{
		"request": append([]string{"route", "status", "trace", "code", "error"}, shared...),
		"delivery": append([]string{
			"action", "job", "kind", "attempt", "gen", "owner", "trace", "queue", "receives", "kept", "ms", "outcome", "fingerprint", "code", "error",
		}, shared...),
		"batch": append([]string{
			"SucceededJobs", "DeadJobs", "PoisonMessages", "ProviderBudgetPercent", "BreakerOpen", "_aws", "code", "error",
		}, shared...),
		"message not sent, the relay repeats it":     append([]string{"job", "error"}, shared...),
		"synchronous job":                            append([]string{"job", "code", "error"}, shared...),
		"execution not started, the relay starts it": append([]string{"flow", "error"}, shared...),
	}
}

// clean fails for a field that is not allowed and for anything that was planted.
func (l *lines) clean(t *testing.T, planted ...string) {
	t.Helper()
	for _, line := range l.all(t) {
		message, ok := line["msg"].(string)
		if !ok || allowed()[message] == nil {
			t.Errorf("unknown line %v", line)
		}
		for _, field := range slices.Sorted(maps.Keys(line)) {
			if !slices.Contains(allowed()[message], field) {
				t.Errorf("%s has field %s", message, field)
			}
		}
	}
	for _, secret := range planted {
		if strings.Contains(l.String(), secret) {
			t.Errorf("%.80q is in the log:\n%.4000s", secret, l)
		}
	}
}

// Good and bad requests with something to hide in every part: one line each, and none of it.
func TestRequestsAreLoggedWithoutTheirContent(t *testing.T) {
	t.Parallel()
	b := start(t)
	pointID, jobID := b.seed(t, ann)
	planted := []string{plantedToken, plantedNote, "planted-header", "planted-query", "planted-key", ann, "28.2841", "planted-path"}
	headers := map[string]string{"x-api-key": "planted-header", "cookie": "session=planted-header", "idempotency-key": "planted-key"}
	calls := []call{
		{method: "POST", path: "/v1/data-points", body: reading(`"notes":"` + plantedNote + `",`)},
		{method: "POST", path: "/v1/data-points", body: plantedNote},
		{method: "POST", path: "/v1/data-points", body: reading(`"` + plantedNote + `":1,`)},
		{method: "POST", path: "/v1/data-points", body: reading(`"notes":{"a":"` + plantedNote + `"},`)},
		{method: "POST", path: "/v1/data-points", body: reading(`"queue":"` + plantedNote + `",`)},
		{method: "POST", path: "/v1/jobs", body: `{"kind":"` + plantedNote + `","data_point_id":"` + pointID + `"}`},
		{method: "POST", path: "/v1/jobs", body: `{"kind":"enrich","data_point_id":"` + pointID + `"}`},
		{method: "GET", path: "/v1/jobs/" + jobID},
		{method: "GET", path: "/v1/jobs/planted-path"},
		{method: "GET", path: "/v1/jobs", query: "cursor=planted-query"},
		{method: "GET", path: "/v1/jobs", query: "planted-query=1"},
		{method: "GET", path: "/v1/data-points/" + pointID},
		{method: "POST", path: "/v1/jobs", body: wish(pointID, `,"unique_key":"`+plantedNote+`","tags":["`+plantedNote+`"]`)},
		{method: "POST", path: "/v1/jobs", body: wish(pointID, `,"mode":"`+plantedNote+`"`)},
		{method: "POST", path: "/v1/jobs:batch-dispatch", body: `{"items":[{"tags":["` + plantedNote + `"]}]}`},
		{method: "POST", path: "/v1/failed:flush", body: `{"all":true,"confirm":"` + plantedNote + `"}`},
		{method: "POST", path: "/v1/failed:retry", body: `{"fingerprint":"` + plantedNote + `"}`},
		{method: "GET", path: "/v1/failed", query: "fingerprint=planted-query"},
		{method: "GET", path: "/v1/usage/ledger", query: "cursor=planted-query"},
		{method: "GET", path: "/v1/jobs", query: "tag=planted-query"},
		{method: "GET", path: "/v1/operations/planted-path"},
		{method: "POST", path: "/v1/queues/planted-path/pause"},
		{method: "POST", path: "/v1/jobs/planted-path/snooze", body: `{"seconds":60}`},
		{method: "POST", path: "/v1/chains", body: `{"data_point_id":"` + pointID + `","tags":["` + plantedNote + `"]}`},
		{method: "POST", path: "/v1/chains", body: `{"data_point_id":"` + pointID + `","steps":["` + plantedNote + `"]}`},
		{method: "POST", path: "/v1/chains/planted-path/cancel"},
		{method: "POST", path: "/v1/batches", body: `{"name":"` + plantedNote + `","data_point_ids":["` + pointID + `"],"then":{"webhook":"https://hooks.example.com/` + plantedNote + `"}}`},
		{method: "POST", path: "/v1/batches", body: `{"name":"n","filter":{"campaign_id":"` + plantedNote + `"}}`},
		{method: "GET", path: "/v1/batches/planted-path/items", query: "cursor=planted-query"},
		{method: "POST", path: "/v1/data-points/" + pointID + "/review", body: `{"status":"approved","notes":"` + plantedNote + `"}`},
		{method: "POST", path: "/v1/data-points/" + pointID + "/review", body: `{"flag":"data_quality","reason":"` + plantedNote + `"}`},
		{method: "PUT", path: "/v1/campaigns/planted-path/zones", body: `{"zones":[{"name":"` + plantedNote + `","ring":[[1,1],[1,2],[2,2]]}]}`},
		{method: "PUT", path: "/v1/campaigns/planted-path/zones", body: `{"zones":[{"` + plantedNote + `":1}]}`},
		{method: "PUT", path: "/v1/notifications/preferences", body: `{"webhook_url":"https://hooks.example.com/` + plantedNote + `"}`},
		{method: "PUT", path: "/v1/notifications/preferences", body: `{"webhook_url":"` + plantedNote + `"}`},
		{method: "GET", path: "/v1/notifications", query: "cursor=planted-query"},
	}
	for i, c := range calls {
		c.owner, c.headers = ann, headers
		b.do(t, c)
		c.owner = ""
		b.do(t, c)
		if n := len(b.log.all(t)); n != 1+2*(i+1) {
			t.Fatalf("call %d: %d lines", i, n)
		}
	}
	b.log.clean(t, planted...)
	for _, line := range b.log.all(t) {
		status, ok := line["status"].(float64)
		if !ok || line["route"] == "" || line["trace"] != "request-1" || (line["code"] == nil) != (status < 400) {
			t.Errorf("line %v", line)
		}
	}
}

// A defect is logged with its reason, at the level that raises the alarm; the reason is the only text of freedom.
func TestDefectsAreLoggedAsErrors(t *testing.T) {
	t.Parallel()
	b := start(t)
	_, jobID := b.seed(t, ann)
	b.store.err = errAWS
	b.do(t, call{method: "GET", path: "/v1/jobs/" + jobID, owner: ann})
	b.log.clean(t, plantedToken, plantedNote, ann)
	all := b.log.all(t)
	if line := all[len(all)-1]; line["level"] != "ERROR" || line["code"] != "INTERNAL" || line["route"] != "GET /v1/jobs/{id}" {
		t.Errorf("line %v", line)
	}
}

func TestDeliveriesAreLoggedWithoutTheirContent(t *testing.T) {
	t.Parallel()
	f := work(t, func(ctx context.Context, j *job.Job) (worker.Result, error) {
		switch j.ID {
		case id(2):
			return worker.Result{}, job.Errorf(job.ProviderUnavailable, "provider answered 503")
		case id(3):
			return worker.Result{}, errors.New("boom")
		}
		return done(ctx, j)
	})
	for i := 1; i <= 3; i++ {
		f.job(t, id(i), 1)
	}
	secretBody := `{"v":1,"job":"` + id(1) + `","gen":0,"tk":1,"` + strings.Repeat("x", 100_000) + `":"` + plantedNote + `"}`
	f.deliver(t, events.SQSEvent{Records: []events.SQSMessage{
		record(1, carrying(id(1))), record(2, carrying(id(2))), record(3, carrying(id(3))), record(4, plantedNote), record(5, secretBody),
		record(6, `{"v":"`+plantedNote+`"}`), record(7, carrying(id(99))),
	}})
	f.log.clean(t, plantedNote, ann, "lease-", "receipt-", strings.Repeat("x", 1000))
	all := f.log.deliveries(t)
	if len(all) != 7 {
		t.Fatalf("%d lines for 7 deliveries", len(all))
	}
	byJob := map[any]map[string]any{}
	for _, line := range all {
		byJob[line["job"]] = line
		if line["trace"] != "invocation-1" || line["queue"] != "orbitq-satellite-high" || line["receives"] != 2.0 {
			t.Errorf("line %v", line)
		}
	}
	first, second, third, orphan := byJob[id(1)], byJob[id(2)], byJob[id(3)], byJob[id(99)]
	if first["action"] != "succeeded" || first["outcome"] != "NO_ACQUISITION" || first["kept"] != false || first["level"] != "INFO" || first["attempt"] != 1.0 {
		t.Errorf("first %v", first)
	}
	if second["action"] != "retrying" || second["code"] != "PROVIDER_UNAVAILABLE" || second["kept"] != true || second["level"] != "WARN" {
		t.Errorf("second %v", second)
	}
	if third["code"] != "INTERNAL" || orphan["action"] != "orphan" || orphan["kept"] != true {
		t.Errorf("third %v, orphan %v", third, orphan)
	}
}

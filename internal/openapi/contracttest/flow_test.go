package contracttest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	somePoint = `"01JM8WQ5Z3T5V9B0C2D4E6F8GH"`
	someBatch = `{"id":"01JM8WT0A1B2C3D4E5F6G7H8J9","name":"n","state":"running","total":1,"steps":["enrich"],"queue":"default","allow_failures":false,"round":0,"executions":1,"created_at":"2026-11-25T08:00:00Z"}`
	estimate  = `{"dry_run":true,"total":1,"expected_cost":{"state_transitions":9,"invocations":4,"write_units":19,"read_units":3,"provider_requests":1,"usd":0.0002,"priced_on":"2026-10"}}`
	batchPath = "/v1/batches/01JM8WT0A1B2C3D4E5F6G7H8J9"
)

// What the contract says about bodies of chains, batches, reviews and the like. Each complaint is about the place that a
// client would look at.
func TestRequestsOfFlows(t *testing.T) {
	t.Parallel()

	c := load(t)
	listed := func(more string) string { return `{"name":"n","data_point_ids":[` + somePoint + `]` + more + `}` }
	zone := func(ring string) string { return `{"zones":[{"name":"a","ring":` + ring + `}]}` }

	for _, r := range []struct {
		name, method, path, body string
		fine                     bool
	}{
		{"chain", "POST", "/v1/chains", `{"data_point_id":` + somePoint + `}`, true},
		{"chain without a point", "POST", "/v1/chains", `{}`, false},
		{"chain without steps", "POST", "/v1/chains", `{"data_point_id":` + somePoint + `,"steps":[]}`, false},
		{"chain with a step twice", "POST", "/v1/chains", `{"data_point_id":` + somePoint + `,"steps":["enrich","enrich"]}`, false},
		{"chain with an unknown step", "POST", "/v1/chains", `{"data_point_id":` + somePoint + `,"steps":["mine"]}`, false},
		{"batch of ids", "POST", "/v1/batches", listed(""), true},
		{"batch of a filter", "POST", "/v1/batches", `{"name":"n","filter":{"campaign_id":"c"}}`, true},
		{"batch of both", "POST", "/v1/batches", listed(`,"filter":{"campaign_id":"c"}`), false},
		{"batch of neither", "POST", "/v1/batches", `{"name":"n"}`, false},
		{"batch without a name", "POST", "/v1/batches", `{"name":"","filter":{"campaign_id":"c"}}`, false},
		{"batch with an id twice", "POST", "/v1/batches", `{"name":"n","data_point_ids":[` + somePoint + `,` + somePoint + `]}`, false},
		{"filter without a campaign", "POST", "/v1/batches", `{"name":"n","filter":{}}`, false},
		{"filter with more", "POST", "/v1/batches", `{"name":"n","filter":{"campaign_id":"c","owner":"x"}}`, false},
		{"webhook", "POST", "/v1/batches", listed(`,"then":{"webhook":"https://a.example"}`), true},
		{"webhook and no message", "POST", "/v1/batches", listed(`,"then":{"webhook":"https://a.example","notify":false}`), true},
		{"message", "POST", "/v1/batches", listed(`,"catch":{"notify":true}`), true},
		{"job", "POST", "/v1/batches", listed(`,"finally":{"job":{"kind":"notify","data_point_id":` + somePoint + `}}`), true},
		{"no callback", "POST", "/v1/batches", listed(`,"finally":{}`), false},
		{"callback that is none", "POST", "/v1/batches", listed(`,"finally":{"notify":false}`), false},
		{"two callbacks in one", "POST", "/v1/batches", listed(`,"finally":{"notify":true,"webhook":"https://a.example"}`), false},
		{"empty webhook", "POST", "/v1/batches", listed(`,"finally":{"webhook":""}`), false},
		{"job without a kind", "POST", "/v1/batches", listed(`,"finally":{"job":{"data_point_id":` + somePoint + `}}`), false},
		{"no items", "POST", batchPath + "/items", `{"data_point_ids":[]}`, false},
		{"an item", "POST", batchPath + "/items", `{"data_point_ids":[` + somePoint + `]}`, true},
		{"status", "POST", pointPath + "/review", `{"status":"approved","notes":"n"}`, true},
		{"flag", "POST", pointPath + "/review", `{"flag":"data_quality","reason":"looks odd"}`, true},
		{"no opinion", "POST", pointPath + "/review", `{}`, false},
		{"flag without a reason", "POST", pointPath + "/review", `{"flag":"data_quality"}`, false},
		{"reason without a flag", "POST", pointPath + "/review", `{"status":"approved","reason":"looks odd"}`, false},
		{"notes without a status", "POST", pointPath + "/review", `{"flag":"data_quality","reason":"looks odd","notes":"n"}`, false},
		{"flag of the rules", "POST", pointPath + "/review", `{"flag":"outside_zone","reason":"looks odd"}`, false},
		{"zone", "PUT", "/v1/campaigns/coast/zones", zone(`[[1,1],[1,2],[2,2]]`), true},
		{"two corners", "PUT", "/v1/campaigns/coast/zones", zone(`[[1,1],[1,2]]`), false},
		{"corner of one number", "PUT", "/v1/campaigns/coast/zones", zone(`[[1],[1,2],[2,2]]`), false},
		{"corner of three numbers", "PUT", "/v1/campaigns/coast/zones", zone(`[[1,1,1],[1,2],[2,2]]`), false},
		{"beyond the world", "PUT", "/v1/campaigns/coast/zones", zone(`[[181,1],[1,2],[2,2]]`), false},
		{"long campaign", "PUT", "/v1/campaigns/" + strings.Repeat("c", 65) + "/zones", `{"zones":[]}`, false},
		{"preferences", "PUT", "/v1/notifications/preferences", `{}`, true},
		{"unknown message", "PUT", "/v1/notifications/preferences", `{"muted":["batch.then"]}`, false},
		{"null address", "PUT", "/v1/notifications/preferences", `{"webhook_url":null}`, true},
		{"null list", "PUT", "/v1/notifications/preferences", `{"muted":null}`, false},
		{"point alone", "POST", "/v1/data-points", strings.Replace(newPoint, "{", `{"enrich":false,`, 1), true},
		{"enrich as text", "POST", "/v1/data-points", strings.Replace(newPoint, "{", `{"enrich":"no",`, 1), false},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()

			req := httptest.NewRequestWithContext(t.Context(), r.method, "http://127.0.0.1:1"+r.path, nil)
			req.Header.Set("Content-Type", jsonType)

			if err := c.Request(t.Context(), req, []byte(r.body)); (err == nil) != r.fine {
				t.Errorf("%s: got %v, want fine: %v", r.body, err, r.fine)
			}
		})
	}
}

func TestAnswersOfFlows(t *testing.T) {
	t.Parallel()

	c := load(t)
	body := `{"name":"n","data_point_ids":[` + somePoint + `]}`
	point := `{"id":` + somePoint + `,"latitude":1,"longitude":1,"accuracy":0,"value":1,"collected_at":"2026-11-25T08:00:00Z","status":"pending","revision":1,"created_at":"2026-11-25T08:00:00Z"}`
	alone := `{"data_point_id":` + somePoint + `,"data_point":` + point + `}`

	for _, e := range []exchange{
		{name: "batch", method: "POST", path: "/v1/batches", body: body, status: http.StatusAccepted, mediaType: jsonType, location: batchPath, answer: someBatch},
		{name: "estimate", method: "POST", path: "/v1/batches", body: body, status: http.StatusOK, mediaType: jsonType, answer: estimate},
		{name: "estimate as accepted", method: "POST", path: "/v1/batches", body: body, status: http.StatusAccepted, mediaType: jsonType, location: batchPath, answer: estimate, want: "required"},
		{name: "batch at another place", method: "POST", path: "/v1/batches", body: body, status: http.StatusAccepted, mediaType: jsonType, location: "/v1/batch/1", answer: someBatch, want: "Location"},
		{name: "owner of a batch", method: "GET", path: batchPath, status: http.StatusOK, mediaType: jsonType, answer: strings.Replace(someBatch, "{", `{"owner":"u",`, 1), want: "is unsupported"},
		{name: "unknown state", method: "GET", path: batchPath, status: http.StatusOK, mediaType: jsonType, answer: strings.Replace(someBatch, "running", "failed", 1), want: "state"},
		{name: "job of a chain", method: "GET", path: location, status: http.StatusOK, mediaType: jsonType, answer: strings.Replace(job, "{", `{"flow":"chain/01JM8WT0A1B2C3D4E5F6G7H8J9",`, 1)},
		{name: "job of something else", method: "GET", path: location, status: http.StatusOK, mediaType: jsonType, answer: strings.Replace(job, "{", `{"flow":"queue/1",`, 1), want: "flow"},
		{name: "job of another kind", method: "GET", path: location, status: http.StatusOK, mediaType: jsonType, answer: strings.Replace(job, `"enrich"`, `"notify"`, 1)},
		{name: "point alone", method: "POST", path: "/v1/data-points", body: newPoint, status: http.StatusCreated, mediaType: jsonType, location: pointPath, answer: alone},
		{name: "half a job", method: "POST", path: "/v1/data-points", body: newPoint, status: http.StatusCreated, mediaType: jsonType, location: pointPath, answer: strings.Replace(alone, "{", `{"job_id":"01JM8WQ5Z4A1B2C3D4E5F6G7H8",`, 1), want: "job"},
	} {
		t.Run(e.name, func(t *testing.T) { t.Parallel(); e.run(t, c) })
	}
}

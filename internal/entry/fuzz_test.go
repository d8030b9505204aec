package entry_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzBodies sends any bytes to every route that takes a body of many fields. Whatever they are, the answer keeps the contract, and what is accepted the
// contract allows (do checks both); what is refused says why and changes nothing.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		reading(""), reading(`"notes":"\ud800",`), `{"kind":"enrich","data_point_id":"01KJMMA2G00000000000000001"}`,
		reading(`"value":1e308,`), reading(`"calibration_at":"0001-01-01T00:00:00Z",`), `{"a":[{"b":null}]}`, "[]", "", "\xff",
		`{"data_point_id":"01KJMMA2G00000000000000001","steps":["enrich"],"tags":["a"]}`, `{"muted":["enrichment.partial"],"webhook_url":"https://a.example","topic":true}`,
		`{"name":"n","filter":{"campaign_id":"c","collected_from":"2020-01-01T00:00:00Z"},"then":{"notify":true},"catch":{"webhook":"https://a.example"}}`,
		`{"name":"n","data_point_ids":["01KJMMA2G00000000000000001"],"finally":{"job":{"kind":"enrich","data_point_id":"01KJMMA2G00000000000000001"}}}`,
		`{"zones":[{"name":"a","ring":[[1,1],[1,2],[2,2]]}]}`, `{"status":"approved","notes":"n"}`, `{"flag":"data_quality","reason":"looks odd"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for path, method := range map[string]string{
			"/v1/data-points": http.MethodPost, "/v1/jobs": http.MethodPost, "/v1/chains": http.MethodPost, "/v1/batches": http.MethodPost,
			"/v1/data-points/01KJMMA2G00000000000000001/review": http.MethodPost, "/v1/campaigns/c/zones": http.MethodPut, "/v1/notifications/preferences": http.MethodPut,
		} {
			b := start(t)
			b.seed(t, ann)
			c := call{method: method, path: path, owner: ann, body: string(body)}
			inBase64(&c)
			before := b.snapshot()
			got := b.do(t, c)
			if got.status >= http.StatusInternalServerError || len(got.body) > 32<<10 {
				t.Errorf("%d with %d bytes: %.300s", got.status, len(got.body), got.body)
			}
			if got.status >= http.StatusBadRequest && b.snapshot() != before {
				t.Errorf("refused with %d, and stored", got.status)
			}
			if got.status < http.StatusBadRequest {
				continue // an answer, which do has checked
			}
			var p problem
			if err := json.Unmarshal([]byte(got.body), &p); err != nil {
				t.Fatal(err)
			}
			if got.status == http.StatusUnprocessableEntity && len(p.Errors) == 0 {
				t.Errorf("no rule is named: %s", got.body)
			}
		}
	})
}

// FuzzCursors sends any cursor and any other value of the list's parameters.
func FuzzCursors(f *testing.F) {
	f.Add("limit", "1")
	f.Add("cursor", "MTE3NzIzNjY0MDAwMDAjMDFKTThXUTVaM1Q1VjlCMEMyRDRFNkY4R0g")
	f.Add("cursor", "MXp6eg==")
	f.Add("state", "dead,queued")
	f.Add("\x00", "\xff")
	f.Fuzz(func(t *testing.T, name, value string) {
		b := start(t)
		_, jobID := b.seed(t, ann)
		event := call{method: http.MethodGet, path: "/v1/jobs", owner: ann}.event(t)
		event.QueryStringParameters = map[string]string{name: value}
		out, err := b.read(t.Context(), event)
		if err != nil || out.StatusCode != http.StatusOK && out.StatusCode != http.StatusUnprocessableEntity {
			t.Fatalf("%d %s %v", out.StatusCode, out.Body, err)
		}
		if out.StatusCode == http.StatusOK && name != "state" && name != "queue" && name != "cursor" && !strings.Contains(out.Body, jobID) {
			t.Errorf("%q=%q hides a job: %s", name, value, out.Body)
		}
	})
}

package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"orbitq/internal/local/gateway"
)

// flowsEverything does what people do with chains, batches and reviews, and what the relay makes up for them.
func (w *world) flowsEverything(t *testing.T) {
	t.Helper()
	token := w.full(t, "roles-flow", "enterprise")
	r := receives(t)
	r.secret = w.signingSecret(t, token)
	// Messages of these chains go to a webhook, which the relay posts to.
	w.must(t, token, http.MethodPut, "/v1/notifications/preferences", fmt.Sprintf(`{"webhook_url":%q,"topic":true}`, r.URL), http.StatusOK)
	ids := w.alone(t, token, 201, `,"campaign_id":"c","metric_id":"temperature"`)
	w.must(t, token, http.MethodPost, "/v1/data-points/"+ids[0]+"/review", `{"status":"approved"}`, http.StatusOK)
	w.must(t, token, http.MethodPut, "/v1/campaigns/c/zones", `{"zones":[{"name":"all","ring":[[-12,24],[-10,24],[-10,26],[-12,26]]}]}`, http.StatusOK)
	chain := w.must(t, token, http.MethodPost, "/v1/chains", fmt.Sprintf(`{"data_point_id":%q}`, ids[1]), http.StatusAccepted)
	w.comes(t, token, "/v1/chains/"+fmt.Sprint(chain["id"]), "state", "succeeded")
	// The same analysis comes by a queue, and within a request.
	for _, mode := range []string{"async", "sync"} {
		got := w.must(t, token, http.MethodPost, "/v1/jobs", fmt.Sprintf(`{"kind":"analyze","data_point_id":%q,"mode":%q}`, ids[2], mode), map[string]int{"async": 202, "sync": 200}[mode])
		w.comes(t, token, "/v1/jobs/"+fmt.Sprint(got["id"]), "outcome", "ANALYSED")
	}
	// The relay starts the batch that the write API could not, with its list of items.
	w.SetFaults(gateway.Fault{Principal: "enqueue", Operation: "StartExecution", Mode: "error", Code: "ThrottlingException", Count: 10})
	raw, err := json.Marshal(map[string]any{
		"name": "roles", "data_point_ids": ids, "then": map[string]any{"webhook": r.URL},
		"finally": map[string]any{"job": map[string]any{"kind": "notify", "data_point_id": ids[0]}},
	})
	if err != nil {
		t.Fatal(err)
	}
	batch := w.must(t, token, http.MethodPost, "/v1/batches", string(raw), http.StatusAccepted)
	w.comes(t, token, "/v1/batches/"+fmt.Sprint(batch["id"]), "state", "finished")
	w.SetFaults()
	eventually(t, func() error {
		if told := w.Published("notices"); len(told) == 0 || told[0].Subject != "enrichment.succeeded" {
			return fmt.Errorf("the topic of notices has %+v", told)
		}
		return nil
	})
	eventually(t, func() error {
		if heard := fmt.Sprint(r.heard()); heard != "[batch.then enrichment.succeeded enrichment.succeeded]" {
			return fmt.Errorf("heard %s", heard)
		}
		return nil
	})
	// The sweep of the relay may be before the state machine with a callback, on a slow machine often.
	eventually(t, func() error {
		batch := w.must(t, token, http.MethodPost, "/v1/batches", fmt.Sprintf(`{"name":"again","data_point_ids":[%q],"finally":{"job":{"kind":"notify","data_point_id":%[1]q}}}`, ids[0]), http.StatusAccepted)
		w.comes(t, token, "/v1/batches/"+fmt.Sprint(batch["id"]), "state", "finished")
		if !used(w.Counters().Calls["orbitq-step"])["sqs:SendMessage"] {
			return errors.New("the state machine has delivered no callback")
		}
		return nil
	})
}

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// alone stores n points that nobody enriches until asked.
func (w *world) alone(t *testing.T, token string, n int, more string) []string {
	t.Helper()
	var ids []string
	for _, p := range w.clear(n) {
		body := fmt.Sprintf(`{"latitude":%v,"longitude":%v,"value":%v,"collected_at":"2020-02-19T12:00:00Z","enrich":false%s}`, p.Latitude, p.Longitude, p.Value, more)
		got := w.must(t, token, http.MethodPost, "/v1/data-points", body, http.StatusCreated)
		id, ok := got["data_point_id"].(string)
		if !ok {
			t.Fatalf("no id in %v", got)
		}
		ids = append(ids, id)
	}
	return ids
}

// comes reads a resource until a field has a value.
func (w *world) comes(t *testing.T, token, path, field string, want any) map[string]any {
	t.Helper()
	var got map[string]any
	eventually(t, func() error {
		if got = w.must(t, token, http.MethodGet, path, "", http.StatusOK); got[field] != want {
			return fmt.Errorf("%s of %s is %v: %v", field, path, got[field], got)
		}
		return nil
	})
	return got
}

// moment reads a time. As texts they have no order: 22.9Z comes after 22.919Z.
func moment(t *testing.T, text any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(text))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestAChainRunsItsStepsInOrder runs a chain through the real state machine: statistics of real pixels, what the rules say
// about the reading, and a message about both.
func TestAChainRunsItsStepsInOrder(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	token := w.full(t, "chain", "pro")
	id := w.alone(t, token, 1, `,"metric_id":"temperature","accuracy":60`)[0]
	w.must(t, token, http.MethodPost, "/v1/data-points/"+id+"/review", `{"flag":"manual_review","reason":"odd value"}`, http.StatusOK)
	accepted := w.must(t, token, http.MethodPost, "/v1/chains", fmt.Sprintf(`{"data_point_id":%q}`, id), http.StatusAccepted)
	got := w.comes(t, token, "/v1/chains/"+fmt.Sprint(accepted["id"]), "state", "succeeded")
	last := time.Time{}
	for _, step := range got["steps"].([]any) {
		ran, _ := step.(map[string]any)["job"].(map[string]any)
		// The next step's job is made after the one before it is committed.
		if made := moment(t, ran["created_at"]); ran["state"] != "succeeded" || ran["attempts"] != 1.0 || made.Before(last) {
			t.Errorf("step %v, the one before ended %s", step, last)
		}
		last = moment(t, ran["finished_at"])
	}
	// Rough by its GPS, and flagged by a person: the analysis keeps what the person said.
	quality := w.must(t, token, http.MethodGet, "/v1/data-points/"+id+"/quality", "", http.StatusOK)
	if flags := fmt.Sprint(quality["flags"]); quality["recommendation"] != "review" || !strings.Contains(flags, "high_gps_error") || !strings.Contains(flags, "manual_review") {
		t.Errorf("quality %v", quality)
	}
	inbox, _ := w.must(t, token, http.MethodGet, "/v1/notifications", "", http.StatusOK)["items"].([]any)
	if told, _ := inbox[0].(map[string]any); len(inbox) != 1 || told["type"] != "enrichment.succeeded" || told["data_point_id"] != id {
		t.Errorf("told %v", inbox)
	}
	// The same chain again does nothing twice: no second analysis, no second message.
	again := w.must(t, token, http.MethodPost, "/v1/chains", fmt.Sprintf(`{"data_point_id":%q}`, id), http.StatusAccepted)
	w.comes(t, token, "/v1/chains/"+fmt.Sprint(again["id"]), "state", "succeeded")
	inbox, _ = w.must(t, token, http.MethodGet, "/v1/notifications", "", http.StatusOK)["items"].([]any)
	if usage := w.must(t, token, http.MethodGet, "/v1/usage", "", http.StatusOK); len(inbox) != 1 || usage["used"] != 1.0 {
		t.Errorf("%d messages, usage %v", len(inbox), usage)
	}
}

// TestAFailedChainNamesItsStepAndGoesOnFromIt lets the provider refuse, and then not.
func TestAFailedChainNamesItsStepAndGoesOnFromIt(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	token := w.full(t, "redrive", "enterprise")
	id := w.alone(t, token, 1, "")[0]
	w.barren(1, 1)
	path := "/v1/chains/" + fmt.Sprint(w.must(t, token, http.MethodPost, "/v1/chains", fmt.Sprintf(`{"data_point_id":%q}`, id), http.StatusAccepted)["id"])
	got := w.comes(t, token, path, "state", "failed")
	failure, _ := got["error"].(map[string]any)
	if got["failed_step"] != "enrich" || failure["code"] != "INVALID_REQUEST" {
		t.Errorf("failed chain %v", got)
	}
	steps, _ := got["steps"].([]any)
	if len(steps) != 3 {
		t.Fatalf("steps %v", steps)
	}
	for _, later := range steps[1:] {
		if one, _ := later.(map[string]any); one["state"] != "pending" || one["job"] != nil {
			t.Errorf("a step behind the failed one: %v", one)
		}
	}
	eventually(t, func() error {
		all, err := w.Executions(t.Context())
		if err != nil {
			return err
		}
		if len(all) != 1 || all[0].Status != "FAILED" {
			return fmt.Errorf("executions %+v", all)
		}
		return nil
	})

	inbox, _ := w.must(t, token, http.MethodGet, "/v1/notifications", "", http.StatusOK)["items"].([]any)
	if told, _ := inbox[0].(map[string]any); len(inbox) != 1 || told["type"] != "enrichment.failed" {
		t.Errorf("told %v", inbox)
	}
	w.Provider().SetFaults()
	w.must(t, token, http.MethodPost, path+"/redrive", "", http.StatusAccepted)
	got = w.comes(t, token, path, "state", "succeeded")
	first, _ := got["steps"].([]any)[0].(map[string]any)["job"].(map[string]any)
	if got["generation"] != 1.0 || first["generation"] != 1.0 || first["outcome"] != "SUCCEEDED" {
		t.Errorf("after the redrive %v", got)
	}
	if w.must(t, token, http.MethodPost, path+"/redrive", "", http.StatusConflict)["code"] != "STATE_CONFLICT" {
		t.Error("a chain that has succeeded was redriven")
	}
	if failed := w.must(t, token, http.MethodGet, "/v1/failed", "", http.StatusOK); len(failed["items"].([]any)) != 0 {
		t.Errorf("still failed: %v", failed)
	}
	w.mustBeAllowed(t)
}

// TestAChainCostsWhatItSays counts the transitions that the state machine made.
func TestAChainCostsWhatItSays(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	token := w.full(t, "cost", "enterprise")
	ids := w.alone(t, token, 5, "")
	path := "/v1/chains/" + fmt.Sprint(w.must(t, token, http.MethodPost, "/v1/chains", fmt.Sprintf(`{"data_point_id":%q}`, ids[0]), http.StatusAccepted)["id"])
	w.comes(t, token, path, "state", "succeeded")
	batch := map[string]any{"name": "cost", "data_point_ids": ids[1:], "then": map[string]any{"notify": true}, "finally": map[string]any{"notify": true}}
	raw, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	quoted := w.must(t, token, http.MethodPost, "/v1/batches", string(raw[:len(raw)-1])+`,"dry_run":true}`, http.StatusOK)
	expected, _ := quoted["expected_cost"].(map[string]any)
	if list := w.must(t, token, http.MethodGet, "/v1/batches", "", http.StatusOK); len(list["items"].([]any)) != 0 {
		t.Errorf("the dry run left %v", list)
	}
	w.comes(t, token, w.batched(t, token, batch), "state", "finished")
	eventually(t, func() error {
		all, err := w.Executions(t.Context())
		if err != nil {
			return err
		}
		got := map[string]string{}
		for _, e := range all {
			got[e.Machine] = fmt.Sprint(e.Status, " ", e.Transitions)
		}
		want := map[string]string{"orbitq-chain": "SUCCEEDED 8", "orbitq-batch": fmt.Sprint("SUCCEEDED ", expected["state_transitions"])}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("executions %v, want %v", got, want)
		}
		return nil
	})
	t.Logf("expected of a batch of four: %v", expected)
}

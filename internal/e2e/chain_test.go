package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
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

// TestAChainRunsItsStepsInOrder runs a chain through the real state machine.
func TestAChainRunsItsStepsInOrder(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	token := w.full(t, "chain", "pro")
	id := w.alone(t, token, 1, "")[0]
	accepted := w.must(t, token, http.MethodPost, "/v1/chains", fmt.Sprintf(`{"data_point_id":%q}`, id), http.StatusAccepted)
	got := w.comes(t, token, "/v1/chains/"+fmt.Sprint(accepted["id"]), "state", "succeeded")
	t.Log(got)
	quality := w.must(t, token, http.MethodGet, "/v1/data-points/"+id+"/quality", "", http.StatusOK)
	t.Log(quality)
	inbox := w.must(t, token, http.MethodGet, "/v1/notifications", "", http.StatusOK)
	t.Log(inbox)
}

package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"orbitq/internal/job"
)

// TestADowngradeReachesWhatWaits: twelve jobs are accepted as enterprise and due in some seconds; before that, their
// owner comes as a free user, who has ten units. The enterprise's token is still valid, and changes nothing.
func TestADowngradeReachesWhatWaits(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	rich, token := w.as(t, "downgrade", "enterprise"), w.full(t, "downgrade", "enterprise")
	var ids []string
	for range 12 {
		p := w.clear(1)[0]
		p.Enrich = new(false)
		created, err := rich.CreatePoint(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"kind":"enrich","data_point_id":%q,"delay":8}`, created.PointID)
		ids = append(ids, fmt.Sprint(w.must(t, token, http.MethodPost, "/v1/jobs", body, http.StatusAccepted)["id"]))
	}
	free := w.full(t, "downgrade", "free") // in the same second or later: it wins
	w.must(t, free, http.MethodPost, "/v1/usage:make-up", `{"dry_run":true}`, http.StatusOK)
	w.must(t, token, http.MethodPost, "/v1/usage:make-up", `{"dry_run":true}`, http.StatusOK)
	ends := map[job.State]int{}
	for _, id := range ids {
		ends[ended(t, rich, id).State]++
	}
	if ends[job.Succeeded] != 10 || ends[job.Skipped] != 2 {
		t.Errorf("jobs ended %v", ends)
	}
	if u := w.must(t, token, http.MethodGet, "/v1/usage", "", http.StatusOK); u["tier"] != "free" || u["used"] != 10.0 || u["remaining"] != 0.0 {
		t.Errorf("usage %v", u)
	}
}

package e2e_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/openapi/contracttest"
)

// raw sends a request as it is and holds the exchange against the contract.
func (w *world) raw(t *testing.T, method, path, token, body string) (int, map[string]any, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.State().APIURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	contracttest.Check(t, req, []byte(body), resp, text)
	var parsed map[string]any
	if err := json.Unmarshal(text, &parsed); err != nil {
		t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	return resp.StatusCode, parsed, resp.Header
}

// TestBadInputIsAClearProblemAndChangesNothing sends everything that must be
// refused through the real gateway and functions.
func TestBadInputIsAClearProblemAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	stranger := w.as(t, "somebody-else", "free")
	foreign, err := stranger.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, stranger, foreign.JobID)
	w.rest(t, 0) // the records of its calls are written after its end
	before := w.rows(t)
	token := w.token(t, "bad-input", "free", time.Hour, "orbitq/read", "orbitq/write")
	points := []struct{ name, body, code, field, rule string }{
		{"not JSON", `hello`, "INVALID_JSON", "", ""},
		{"cut off", `{"latitude": 25`, "INVALID_JSON", "", ""},
		{"a list", `[]`, "INVALID_JSON", "", ""},
		{"NaN", `{"latitude": NaN, "longitude": 1, "value": 1}`, "INVALID_JSON", "", ""},
		{"wrong type", `{"latitude": "25", "longitude": 1, "value": 1}`, "INVALID_FIELD", "latitude", "type"},
		{"not a number any more", `{"latitude": 1e999, "longitude": 1, "value": 1}`, "INVALID_FIELD", "latitude", "type"},
		{"unknown field", `{"latitude": 1, "longitude": 1, "value": 1, "owner": "me"}`, "UNKNOWN_FIELD", "owner", "known"},
		{"twice", `{"latitude": 1, "latitude": 2, "longitude": 1, "value": 1}`, "INVALID_FIELD", "latitude", "unique"},
		{"latitude 91", `{"latitude": 91, "longitude": 1, "value": 1}`, "INVALID_FIELD", "latitude", "range"},
		{"longitude -180.01", `{"latitude": 1, "longitude": -180.01, "value": 1}`, "INVALID_FIELD", "longitude", "range"},
		{"only a latitude", `{"latitude": 1, "value": 1}`, "INVALID_FIELD", "longitude", "required"},
		{"null", `{"latitude": null, "longitude": 1, "value": 1}`, "INVALID_FIELD", "latitude", "type"},
		{"in the future", `{"latitude": 1, "longitude": 1, "value": 1, "collected_at": "2130-01-01T00:00:00Z"}`, "INVALID_FIELD", "collected_at", "not_future"},
		{"no time", `{"latitude": 1, "longitude": 1, "value": 1, "collected_at": "yesterday"}`, "INVALID_FIELD", "collected_at", "rfc3339"},
		{"no queue", `{"latitude": 1, "longitude": 1, "value": 1, "queue": "urgent"}`, "INVALID_FIELD", "queue", "enum"},
		{"300 KB", `{"notes": "` + strings.Repeat("x", 300<<10) + `"}`, "BODY_TOO_LARGE", "", ""},
	}
	for _, x := range points {
		status, got, _ := w.raw(t, http.MethodPost, "/v1/data-points", token, x.body)
		problem(t, x.name, status, got, x.code, x.field, x.rule)
	}
	jobs := []struct{ name, body, code, field, rule string }{
		{"unknown kind", `{"kind": "mine-bitcoin", "data_point_id": "` + foreign.PointID + `"}`, "UNKNOWN_KIND", "kind", "known"},
		{"no id", `{"kind": "enrich", "data_point_id": "628"}`, "INVALID_FIELD", "data_point_id", "id"},
		{"another user's point", `{"kind": "enrich", "data_point_id": "` + foreign.PointID + `"}`, "NOT_FOUND", "", ""},
	}
	for _, x := range jobs {
		status, got, _ := w.raw(t, http.MethodPost, "/v1/jobs", token, x.body)
		problem(t, x.name, status, got, x.code, x.field, x.rule)
	}
	for _, path := range []string{"/v1/data-points/" + foreign.PointID, "/v1/data-points/" + foreign.PointID + "/analyses", "/v1/jobs/" + foreign.JobID, "/v1/jobs/x"} {
		status, got, _ := w.raw(t, http.MethodGet, path, token, "")
		problem(t, path, status, got, "NOT_FOUND", "", "")
	}
	after := w.rows(t)
	delete(before, "PLAN") // of each user who asks the plan of the token is noted, whatever the request is worth
	delete(after, "PLAN")
	if !maps.Equal(before, after) {
		t.Errorf("the table changed from %v to %v", before, after)
	}
}

// problem checks one refusal.
func problem(t *testing.T, name string, status int, got map[string]any, code, field, rule string) {
	t.Helper()
	str := func(key string) string { s, _ := got[key].(string); return s }
	if status < 400 || str("code") != code || str("field") != field || str("rule") != rule || str("detail") == "" || str("request_id") == "" {
		t.Errorf("%s: status %d, %v; want %s %s %s", name, status, got, code, field, rule)
	}
}

// TestTokensAreDemanded tries every way to come without a right.
func TestTokensAreDemanded(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	good := w.token(t, "tokens", "free", time.Hour, "orbitq/read")
	cases := []struct {
		name, token string
		status      int
		says        string
	}{
		{"none", "", http.StatusUnauthorized, "Bearer"},
		{"nonsense", "abc", http.StatusUnauthorized, "invalid_token"},
		{"expired", w.token(t, "tokens", "free", -time.Minute, "orbitq/read"), http.StatusUnauthorized, "expired"},
		{"signature of another", good[:strings.LastIndex(good, ".")+1] + "AAAA", http.StatusUnauthorized, "invalid_token"},
		{"without the scope", w.token(t, "tokens", "free", time.Hour, "orbitq/write"), http.StatusForbidden, ""},
		{"good", good, http.StatusOK, ""},
	}
	for _, x := range cases {
		status, got, header := w.raw(t, http.MethodGet, "/v1/usage", x.token, "")
		if status != x.status || !strings.Contains(header.Get("Www-Authenticate"), x.says) {
			t.Errorf("%s: status %d, %v, %q", x.name, status, got, header.Get("Www-Authenticate"))
		}
	}
}

// TestAnIdempotencyKeyGivesOneJob repeats requests as clients do.
func TestAnIdempotencyKeyGivesOneJob(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c := w.as(t, "keys", "enterprise")
	reading := w.clear(1)[0]
	reading.Key = "reading-1"
	first, err := c.CreatePoint(t.Context(), reading)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.CreatePoint(t.Context(), reading)
	if err != nil || again.PointID != first.PointID || again.JobID != first.JobID {
		t.Errorf("again %+v, %v", again, err)
	}
	reading.Value++
	_, err = c.CreatePoint(t.Context(), reading)
	if code := codeOf(err); code != job.KeyReused {
		t.Errorf("another body: %v", err)
	}
	other, err := w.as(t, "keys-of-another", "free").CreatePoint(t.Context(), reading)
	if err != nil || other.PointID == first.PointID {
		t.Errorf("another user's key: %+v, %v", other, err)
	}
	ended(t, c, first.JobID)
	if u, err := c.Usage(t.Context()); err != nil || u.Used != 1 {
		t.Errorf("usage %+v, %v", u, err)
	}
}

// codeOf returns the code of an API problem.
func codeOf(err error) job.Code {
	if p, ok := err.(*client.Problem); ok { //nolint:errorlint // the client returns it unwrapped
		return p.Code
	}
	return ""
}

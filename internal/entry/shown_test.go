package entry_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestASecretInAWebhookIsShownToWritersOnly: a query is often a secret, and who can only read
// needs none of it.
func TestASecretInAWebhookIsShownToWritersOnly(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	const hook, bare = "https://hooks.example.com/a?token=s3cret", "https://hooks.example.com/a"
	put := call{method: http.MethodPut, path: "/v1/notifications/preferences", owner: ann, scope: "orbitq/write", body: `{"webhook_url":"` + hook + `"}`}
	if got := b.do(t, put); got.status != http.StatusOK || !strings.Contains(got.body, hook) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	batch, _ := b.batch(t, ann, 1, `,"finally":{"webhook":"`+hook+`"}`)
	for _, path := range []string{put.path, "/v1/batches/" + batch.ID} {
		for scope, whole := range map[string]bool{
			"orbitq/read orbitq/write": true, "[orbitq/read orbitq/write]": true, "orbitq/write": true,
			"orbitq/read": false, "": false, "orbitq/writer": false,
		} {
			got := b.do(t, call{method: http.MethodGet, path: path, owner: ann, scope: scope})
			if got.status != http.StatusOK || strings.Contains(got.body, "s3cret") != whole || !strings.Contains(got.body, bare) {
				t.Errorf("%s with scope %q: %d %s", path, scope, got.status, got.body)
			}
		}
	}
}

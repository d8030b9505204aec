package entry_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// secretOf is a secret for each owner but one.
func secretOf(_ context.Context, owner string) ([]string, error) {
	if owner == "unlucky" {
		return nil, errors.New("the vault is gone")
	}
	return []string{"whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(owner+"-secret-", 3)))}, nil
}

// TestEachOwnerHasASecret of their own, and nobody sees another's.
func TestEachOwnerHasASecret(t *testing.T) {
	t.Parallel()
	b := start(t)
	seen := map[string]bool{}
	for _, owner := range []string{"ana", "boris"} {
		got := b.do(t, call{method: http.MethodGet, path: "/v1/notifications/secret", owner: owner})
		if got.status != http.StatusOK || !strings.Contains(got.body, `{"webhook_secret":"whsec_`) || seen[got.body] {
			t.Errorf("%s: %d %s", owner, got.status, got.body)
		}
		seen[got.body] = true
	}
	if got := b.do(t, call{method: http.MethodGet, path: "/v1/notifications/secret", owner: "unlucky"}); got.status != http.StatusInternalServerError || strings.Contains(got.body, "vault") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

package copernicus_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"orbitq/internal/copernicus"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
)

// vault is a secret that may have been rotated since it was read.
type vault struct {
	cached, current string
	renewed         int
}

func (v *vault) read(context.Context) (id, secret string, err error) { return "sh", v.cached, nil }

func (v *vault) renew() {
	v.renewed++
	v.cached = v.current
}

// TestARotatedSecretIsReadAnewOnce refuses the secret that a worker still has.
func TestARotatedSecretIsReadAnewOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		vault   *vault
		renew   bool
		granted bool
		asked   int // of the token endpoint
	}{
		{"rotated", &vault{cached: "old", current: "new"}, true, true, 2},
		{"still good", &vault{cached: "new", current: "new"}, true, true, 1},
		{"wrong for good", &vault{cached: "old", current: "old"}, true, false, 1},
		{"rotated to another wrong one", &vault{cached: "old", current: "older"}, true, false, 2},
		{"nothing keeps it", &vault{cached: "old", current: "new"}, false, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/token" {
					_, _ = w.Write([]byte(`{"features":[{}]}`))
					return
				}
				asked++
				if err := r.ParseForm(); err != nil || r.PostForm.Get("client_secret") != "new" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				_, _ = w.Write([]byte(`{"access_token":"t","expires_in":600}`))
			}))
			t.Cleanup(web.Close)
			config := copernicus.Config{
				HTTP: web.Client(), APIURL: web.URL, TokenURL: web.URL + "/token", Secret: c.vault.read,
				Tokens: memstore.New(job.DefaultTiming()), Gate: open{}, Now: time.Now,
			}
			if c.renew {
				config.Renew = c.vault.renew
			}
			_, err := copernicus.New(config).Seen(t.Context(), &limit.Pass{}, somewhere(t), week())
			if c.granted != (err == nil) || asked != c.asked {
				t.Errorf("asked %d times, error %v", asked, err)
			}
			if err != nil && (job.CodeOf(err) != job.ProviderDenied || strings.Contains(err.Error(), c.vault.cached)) {
				t.Errorf("error %v", err)
			}
		})
	}
}

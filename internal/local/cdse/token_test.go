package cdse_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"orbitq/internal/local/cdse"
)

func TestTokenAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	res := s.form(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"sh-test"}, "client_secret": {"s3cret"}})
	var got map[string]any
	if err := json.Unmarshal(res.body, &got); err != nil {
		t.Fatal(err)
	}
	if got["expires_in"] != 600.0 || got["token_type"] != "Bearer" || res.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer %s, headers %v", res.body, res.header)
	}
	text, _ := got["access_token"].(string)
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("token %q is no JWT", text)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Exp, Iat int64 }
	if err := json.Unmarshal(raw, &claims); err != nil || claims.Exp-claims.Iat != 600 {
		t.Errorf("claims %s (%v)", raw, err)
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	s := start(t)
	cases := []struct {
		name   string
		form   url.Values
		status int
		error  string
	}{
		{"wrong secret", url.Values{"grant_type": {"client_credentials"}, "client_id": {"sh-test"}, "client_secret": {"no"}}, 401, "unauthorized_client"},
		{"no secret", url.Values{"grant_type": {"client_credentials"}, "client_id": {"sh-test"}}, 401, "unauthorized_client"},
		{"wrong client", url.Values{"grant_type": {"client_credentials"}, "client_id": {"x"}, "client_secret": {"s3cret"}}, 401, "invalid_client"},
		{"no grant", url.Values{"client_id": {"sh-test"}, "client_secret": {"s3cret"}}, 400, "invalid_request"},
		{"other grant", url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type"},
	}
	for _, c := range cases {
		res := s.form(t, c.form)
		var got struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
			Token       string `json:"access_token"`
		}
		if err := json.Unmarshal(res.body, &got); err != nil {
			t.Fatal(err)
		}
		if res.status != c.status || got.Error != c.error || got.Description == "" || got.Token != "" {
			t.Errorf("%s: %d %s", c.name, res.status, res.body)
		}
	}
	if res := s.call(t, http.MethodPost, cdse.TokenPath, "application/x-www-form-urlencoded", "grant_type=%zz"); res.status != 400 {
		t.Errorf("broken form: %d %s", res.status, res.body)
	}
}

func TestBasicAuthentication(t *testing.T) {
	t.Parallel()
	server, err := cdse.New(cdse.Config{ClientID: "sh-a:b", ClientSecret: "p&w=%"})
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]int{url.QueryEscape("p&w=%"): 200, "p&w=%": 200, "other": 401} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, cdse.TokenPath, strings.NewReader("grant_type=client_credentials"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		req.SetBasicAuth(url.QueryEscape("sh-a:b"), secret)
		rec := httptest.NewRecorder()
		server.ServeHTTP(rec, req)
		if rec.Code != want {
			t.Errorf("secret %q: %d %s", secret, rec.Code, rec.Body)
		}
	}
}

func TestBearerTokens(t *testing.T) {
	t.Parallel()
	s := start(t)
	ask := func(token string) int {
		s := *s
		s.token = token
		res := s.post(t, cdse.StatisticsPath, request(fullScript(), clearBox, epsg29).json(t))
		if res.status == http.StatusUnauthorized {
			if p := res.problem(t); p.Error.Code != "COMMON_UNAUTHORIZED" {
				t.Errorf("body %s", res.body)
			}
		}
		return res.status
	}
	good := s.token
	flipped := good[:len(good)-4] + "AAAA"
	other := start(t).token
	for name, token := range map[string]string{"none": "", "text": "abc", "flipped": flipped, "of another server": other, "dots": "..."} {
		if got := ask(token); got != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, got)
		}
	}
	s.clock.advance(10*time.Minute - time.Second)
	if got := ask(good); got != http.StatusOK {
		t.Errorf("a second before the end: %d", got)
	}
	s.clock.advance(time.Second)
	if got := ask(good); got != http.StatusUnauthorized {
		t.Errorf("at the end: %d", got)
	}
	s.login(t)
	if got := ask(s.token); got != http.StatusOK {
		t.Errorf("after a new login: %d", got)
	}
}

func TestNewWantsCredentials(t *testing.T) {
	t.Parallel()
	for _, cfg := range []cdse.Config{{}, {ClientID: "a"}, {ClientSecret: "b"}} {
		if _, err := cdse.New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

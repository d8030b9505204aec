package apigw

import (
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"orbitq/internal/local/issuer"
)

// tokens is an issuer that is served, and counts how often it is asked.
type tokens struct {
	*issuer.Issuer
	asked atomic.Int64
	down  atomic.Bool
}

func newTokens(t *testing.T) *tokens {
	t.Helper()
	all := &tokens{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.asked.Add(1)
		if all.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		all.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	i, err := issuer.New(issuer.Config{URL: server.URL, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	all.Issuer = i
	return all
}

// mint makes a token that is fine but for the given claims.
func (all *tokens) mint(t *testing.T, extra map[string]any) string {
	t.Helper()
	token, err := all.Mint(issuer.Claims{Subject: "ada", Tier: "pro", Scopes: []string{"orbitq/read", "other"}, Audience: "orbitq", Extra: extra})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// guarded is an API with an open and a closed route.
func guarded(t *testing.T, all *tokens) *httptest.Server {
	t.Helper()
	return serve(t, Config{
		JWT: &JWT{Issuer: all.URL(), Audience: []string{"else", "orbitq"}},
		Routes: []Route{
			{Key: "GET /open", Invoke: echo},
			{Key: "GET /any", Invoke: echo, Authorize: true},
			{Key: "GET /read", Invoke: echo, Authorize: true, Scopes: []string{"orbitq/admin", "orbitq/read"}},
			{Key: "GET /write", Invoke: echo, Authorize: true, Scopes: []string{"orbitq/write"}},
		},
	})
}

func TestAuthorizerAnswers(t *testing.T) {
	t.Parallel()
	all := newTokens(t)
	server := guarded(t, all)
	unix := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	fine := all.mint(t, nil)
	hmac, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": all.URL(), "aud": "orbitq", "exp": unix(time.Hour)}).SignedString([]byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": all.URL(), "aud": "orbitq", "exp": unix(time.Hour)}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	invalid := func(scope, why string) string {
		return `Bearer scope="` + scope + `" error="invalid_token" error_description="` + why + `"`
	}
	for _, c := range []struct {
		name, path, header string
		status             int
		challenge          string
	}{
		{"open route", "/open", "", 200, ""},
		{"fine", "/any", "Bearer " + fine, 200, ""},
		{"fine, other spelling", "/any", "bearer " + fine, 200, ""},
		{"fine, no scheme", "/any", fine, 200, ""},
		{"fine scope", "/read", "Bearer " + fine, 200, ""},
		{"scp instead of scope", "/write", "Bearer " + all.mint(t, map[string]any{"scope": nil, "scp": []string{"orbitq/write"}}), 200, ""},
		{"client_id instead of aud", "/any", "Bearer " + all.mint(t, map[string]any{"aud": nil, "client_id": "orbitq"}), 200, ""},
		{"list of audiences", "/any", "Bearer " + all.mint(t, map[string]any{"aud": []string{"x", "orbitq"}}), 200, ""},
		{"no header", "/any", "", 401, "Bearer"},
		{"scheme only", "/any", "Bearer", 401, invalid("", "the token is malformed")},
		{"empty token", "/any", "Bearer ", 401, invalid("", "the token is malformed")},
		{"not a token", "/any", "Bearer abc", 401, invalid("", "the token is malformed")},
		{"basic", "/any", "Basic YTpi", 401, invalid("", "the token is malformed")},
		{"expired", "/any", "Bearer " + all.mint(t, map[string]any{"exp": unix(-time.Second)}), 401, invalid("", "the token has expired")},
		{"expired, route with scopes", "/read", "Bearer " + all.mint(t, map[string]any{"exp": unix(-time.Second)}), 401, invalid("orbitq/admin orbitq/read", "the token has expired")},
		{"expires now", "/any", "Bearer " + all.mint(t, map[string]any{"exp": unix(0)}), 401, invalid("", "the token has expired")},
		{"never expires", "/any", "Bearer " + all.mint(t, map[string]any{"exp": nil}), 401, invalid("", "the token has expired")},
		{"not yet", "/any", "Bearer " + all.mint(t, map[string]any{"nbf": unix(time.Minute)}), 401, invalid("", "the token is not valid yet")},
		{"issued later", "/any", "Bearer " + all.mint(t, map[string]any{"iat": unix(time.Minute)}), 401, invalid("", "the token is used before issued")},
		{"other issuer", "/any", "Bearer " + all.mint(t, map[string]any{"iss": "http://other.test"}), 401, invalid("", "issuer does not match")},
		{"other audience", "/any", "Bearer " + all.mint(t, map[string]any{"aud": "x"}), 401, invalid("", "the token does not have a valid audience")},
		{"other audience, fine client_id", "/any", "Bearer " + all.mint(t, map[string]any{"aud": "x", "client_id": "orbitq"}), 401, invalid("", "the token does not have a valid audience")},
		{"no audience", "/any", "Bearer " + all.mint(t, map[string]any{"aud": nil}), 401, invalid("", "the token does not have a valid audience")},
		{"HS256", "/any", "Bearer " + hmac, 401, invalid("", "the token has an invalid signature or signing method")},
		{"alg none", "/any", "Bearer " + none, 401, invalid("", "the token has an invalid signature or signing method")},
		{"changed", "/any", "Bearer " + fine[:len(fine)-6] + "AAAAAA", 401, invalid("", "the token has an invalid signature or signing method")},
		{"no scope", "/write", "Bearer " + fine, 403, `Bearer scope="orbitq/write" error="insufficient_scope" error_description="the token does not have a required scope"`},
		{"no scope at all", "/write", "Bearer " + all.mint(t, map[string]any{"scope": nil}), 403, `Bearer scope="orbitq/write" error="insufficient_scope" error_description="the token does not have a required scope"`},
	} {
		var headers []string
		if c.header != "" {
			headers = []string{"Authorization", c.header}
		}
		got := ask(t, "GET", server.URL+c.path, "", headers...)
		body := map[int]string{401: `{"message":"Unauthorized"}`, 403: `{"message":"Forbidden"}`}[c.status]
		if got.status != c.status || got.header.Get("WWW-Authenticate") != c.challenge || body != "" && got.body != body {
			t.Errorf("%s: %d %q %s, want %d %q", c.name, got.status, got.header.Get("WWW-Authenticate"), got.body, c.status, c.challenge)
		}
	}
	if n := all.asked.Load(); n != 2 {
		t.Errorf("the issuer was asked %d times, want once for each document", n)
	}
}

func TestFunctionSeesTheClaims(t *testing.T) {
	t.Parallel()
	all := newTokens(t)
	server := guarded(t, all)
	token := all.mint(t, map[string]any{
		"exp": 4102444800, "iat": 1700000000, "groups": []any{"a", "b"}, "email_verified": true, "address": map[string]any{"z": 1, "a": "x"}, "ratio": 0.5,
	})
	for path, scopes := range map[string][]string{"/any": nil, "/read": {"orbitq/read", "other"}} {
		e := eventOf(t, ask(t, "GET", server.URL+path, "", "Authorization", "Bearer "+token))
		got := e.RequestContext.Authorizer.JWT
		want := map[string]string{
			"iss": all.URL(), "sub": "ada", "tier": "pro", "aud": "orbitq", "scope": "orbitq/read other", "token_use": "access", "exp": "4102444800", "iat": "1700000000",
			"groups": "[a b]", "email_verified": "true", "address": "map[a:x z:1]", "ratio": "0.5",
		}
		if !maps.Equal(got.Claims, want) || !slices.Equal(got.Scopes, scopes) {
			t.Errorf("%s: %v %v", path, got.Claims, got.Scopes)
		}
		if e.Headers["authorization"] != "Bearer "+token {
			t.Errorf("the function does not see the header: %v", e.Headers)
		}
	}
}

func TestKeysOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	all := newTokens(t)
	server := guarded(t, all)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(kid any) string {
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": all.URL(), "aud": "orbitq", "exp": time.Now().Add(time.Hour).Unix()})
		token.Header["kid"] = kid
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	own, _, err := jwt.NewParser().ParseUnverified(all.mint(t, nil), jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kid any
		why string
	}{
		{"unknown", "unable to find a signing key"},
		{nil, "unable to find a signing key"},
		{7, "unable to find a signing key"},
		{own.Header["kid"], "invalid signature"},
	} {
		got := ask(t, "GET", server.URL+"/any", "", "Authorization", "Bearer "+forge(c.kid))
		if got.status != 401 || !strings.Contains(got.header.Get("WWW-Authenticate"), c.why) {
			t.Errorf("kid %v: %d %s", c.kid, got.status, got.header.Get("WWW-Authenticate"))
		}
	}
}

func TestIssuerIsDown(t *testing.T) {
	t.Parallel()
	all := newTokens(t)
	server := guarded(t, all)
	all.down.Store(true)
	token := "Bearer " + all.mint(t, nil)
	got := ask(t, "GET", server.URL+"/any", "", "Authorization", token)
	if got.status != 401 || !strings.Contains(got.header.Get("WWW-Authenticate"), "OIDC discovery endpoint communication error") {
		t.Errorf("down: %d %v", got.status, got.header)
	}
	all.down.Store(false)
	if got := ask(t, "GET", server.URL+"/any", "", "Authorization", token); got.status != 200 {
		t.Errorf("up again: %d %v", got.status, got.header)
	}
	all.down.Store(true)
	if got := ask(t, "GET", server.URL+"/any", "", "Authorization", token); got.status != 200 {
		t.Errorf("keys are not kept: %d %v", got.status, got.header)
	}
}

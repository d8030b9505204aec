package issuer

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// get fetches a path from the issuer.
func get(t *testing.T, i *Issuer, method, path string) (int, []byte) {
	t.Helper()
	w := httptest.NewRecorder()
	i.ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, body
}

// published reads the public key as a relying party does.
func published(t *testing.T, i *Issuer) map[string]*rsa.PublicKey {
	t.Helper()
	_, body := get(t, i, http.MethodGet, "/.well-known/jwks.json")
	var set struct {
		Keys []struct{ Kty, Kid, Alg, Use, N, E string }
	}
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		if err != nil {
			t.Fatal(err)
		}
		if k.Kty != "RSA" || k.Alg != "RS256" || k.Use != "sig" || k.E != "AQAB" {
			t.Errorf("key %+v", k)
		}
		keys[k.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	}
	return keys
}

func TestTokensVerifyWithWhatIsPublished(t *testing.T) {
	t.Parallel()
	i, err := New(Config{URL: "http://issuer.test/", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	token, err := i.Mint(Claims{Subject: "ada", Tier: "pro", Scopes: []string{"orbitq/read", "orbitq/write"}, Audience: "orbitq", Extra: map[string]any{"team": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	keys := published(t, i)
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(token, claims, func(tok *jwt.Token) (any, error) { return keys[tok.Header["kid"].(string)], nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer("http://issuer.test"), jwt.WithAudience("orbitq"), jwt.WithExpirationRequired(), jwt.WithIssuedAt()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"sub": "ada", "tier": "pro", "scope": "orbitq/read orbitq/write", "team": "a"} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if lifetime := claims["exp"].(float64) - claims["iat"].(float64); lifetime != 3600 {
		t.Errorf("lifetime %v s", lifetime)
	}
}

func TestMintMakesWrongTokensToo(t *testing.T) {
	t.Parallel()
	i, err := New(Config{URL: "http://issuer.test", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour)
	token, err := i.Mint(Claims{Subject: "ada", Expires: past, Issued: past.Add(-time.Hour), Extra: map[string]any{"aud": nil, "iss": "http://other.test"}})
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	if _, has := claims["aud"]; has || claims["iss"] != "http://other.test" || int64(claims["exp"].(float64)) != past.Unix() {
		t.Errorf("claims %v", claims)
	}
	if _, has := claims["tier"]; has {
		t.Errorf("an empty tier is claimed: %v", claims)
	}
	if _, err := i.Mint(Claims{Extra: map[string]any{"bad": make(chan int)}}); err == nil {
		t.Error("a claim that JSON cannot write gives no error")
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	i, err := New(Config{URL: "http://issuer.test/local", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	status, body := get(t, i, http.MethodGet, "/local/.well-known/openid-configuration")
	var doc struct {
		Issuer  string
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &doc); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if doc.Issuer != i.URL() || doc.JWKSURI != "http://issuer.test/local/.well-known/jwks.json" {
		t.Errorf("document %+v", doc)
	}
	if status, _ := get(t, i, http.MethodGet, "/other"); status != http.StatusNotFound {
		t.Errorf("other path: %d", status)
	}
	if status, _ := get(t, i, http.MethodPost, "/.well-known/jwks.json"); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
}

func TestKeyIsMadeOnceAndPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	kids := make([]string, 4)
	var wg sync.WaitGroup
	for n := range kids {
		wg.Go(func() {
			i, err := New(Config{URL: "http://issuer.test", Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			kids[n] = i.kid
		})
	}
	wg.Wait()
	for _, kid := range kids[1:] {
		if kid != kids[0] {
			t.Errorf("different keys: %q", kids)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestBrokenKeysAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"open to all": {"", 0o644},
		"no PEM":      {"hello", 0o600},
		"no key":      {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, keyFile)
			if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := New(Config{URL: "http://issuer.test", Dir: dir}); err == nil {
				t.Error("no error")
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != c.text {
				t.Errorf("file changed: %q, %v", text, err)
			}
		})
	}
	if _, err := New(Config{URL: "", Dir: t.TempDir()}); err == nil {
		t.Error("no URL gives no error")
	}
	if _, err := New(Config{URL: "http://issuer.test", Dir: "/proc/none"}); err == nil {
		t.Error("an impossible folder gives no error")
	}
}

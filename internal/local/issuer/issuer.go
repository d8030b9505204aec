// Package issuer is a local OpenID Connect issuer: the two documents that a JWT authorizer needs, and tokens.
//
// It serves /.well-known/openid-configuration and /.well-known/jwks.json below its URL, and mints RS256 access tokens
// with the claims that the product reads. Its key is made once and kept in a file that only its owner can read, so
// that tokens outlive a restart and another process with the same folder mints tokens that this one's users accept.
//
// A token that this package mints is as good as its caller says: it checks nothing, so that tests can make tokens that
// are expired, for another audience or of another issuer, and see them refused.
//
// It refuses to be more: there is no login, no token endpoint, no refresh and no key rotation. Whoever can read the key
// file is every user; it is for a developer's own machine.
package issuer

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Config names the issuer. Both fields are required.
type Config struct {
	URL string // the iss claim; where the documents are served from
	Dir string // where the key is kept; it is created when it is missing
}

// Claims are what a token says.
type Claims struct {
	Subject  string    // the user
	Tier     string    // the plan; left out when empty
	Scopes   []string  // written as one text, with spaces
	Audience string    // the API that the token is for
	Expires  time.Time // default: in an hour
	Issued   time.Time // default: now
	// Extra claims win over all others, so that tests can make wrong tokens; a nil value removes a claim.
	Extra map[string]any
}

// Issuer mints tokens and serves what is needed to verify them.
type Issuer struct {
	url  string
	key  *rsa.PrivateKey
	kid  string
	docs map[string][]byte // by path below the URL
}

var _ http.Handler = (*Issuer)(nil)

// New loads the key of the folder, or makes it. Two processes that start with an empty folder end up with one key.
func New(cfg Config) (*Issuer, error) {
	if cfg.URL == "" || cfg.Dir == "" {
		return nil, errors.New("issuer needs a URL and a folder")
	}
	key, err := loadKey(cfg.Dir)
	if err != nil {
		return nil, err
	}
	i := &Issuer{url: strings.TrimSuffix(cfg.URL, "/"), key: key}
	return i, i.write()
}

// URL is the issuer as tokens name it, without a slash at its end.
func (i *Issuer) URL() string { return i.url }

// Mint signs a token. Times are whole seconds, as issuers write them.
func (i *Issuer) Mint(c Claims) (string, error) {
	now := time.Now()
	if c.Issued.IsZero() {
		c.Issued = now
	}
	if c.Expires.IsZero() {
		c.Expires = now.Add(time.Hour)
	}
	claims := jwt.MapClaims{
		"iss": i.url, "sub": c.Subject, "aud": c.Audience, "iat": c.Issued.Unix(), "exp": c.Expires.Unix(),
		"token_use": "access", "scope": strings.Join(c.Scopes, " "),
	}
	if c.Tier != "" {
		claims["tier"] = c.Tier
	}
	// The caller's word is the last, and no value takes a claim away.
	maps.Copy(claims, c.Extra)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = i.kid
	signed, err := token.SignedString(i.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// ServeHTTP serves the two documents, whatever stands before /.well-known/ in the path, so that a server can mount the
// issuer anywhere.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := strings.Index(r.URL.Path, "/.well-known/")
	doc, ok := i.docs[r.URL.Path[max(0, at):]]
	switch {
	case !ok:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write(doc)
	}
}

// write composes the documents; the key's name is its RFC 7638 thumbprint.
func (i *Issuer) write() error {
	// JWK writes numbers as bytes, the most significant first, in base64url without padding.
	enc := base64.RawURLEncoding.EncodeToString
	e, n := enc(big.NewInt(int64(i.key.E)).Bytes()), enc(i.key.N.Bytes())
	thumb := sha256.Sum256(fmt.Appendf(nil, `{"e":%q,"kty":"RSA","n":%q}`, e, n))
	i.kid = enc(thumb[:])
	i.docs = map[string][]byte{}
	for path, doc := range map[string]any{
		"/.well-known/jwks.json": map[string]any{
			"keys": []any{map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": i.kid, "e": e, "n": n}},
		},
		"/.well-known/openid-configuration": map[string]any{
			"issuer": i.url, "jwks_uri": i.url + "/.well-known/jwks.json",
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"response_types_supported":              []string{"token"},
			"subject_types_supported":               []string{"public"},
		},
	} {
		text, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		i.docs[path] = text
	}
	return nil
}

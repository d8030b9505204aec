package cdse

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// issuer signs access tokens with a key of its own, so a restart revokes all of them.
type issuer struct {
	key  []byte
	life time.Duration
}

// claims are the members of a token that clients read, or that the server needs back.
type claims struct {
	ID       string `json:"jti"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	ClientID string `json:"azp"`
}

// newIssuer draws a key.
func newIssuer(life time.Duration) (*issuer, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	return &issuer{key: key, life: life}, nil
}

// issue makes a JWT; like the real ones it says when it ends.
func (i *issuer) issue(client string, now time.Time) (string, error) {
	body, err := json.Marshal(claims{ID: rand.Text(), Issued: now.Unix(), Expires: now.Add(i.life).Unix(), ClientID: client})
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	// The real tokens are signed with RS256; clients only read exp, if anything.
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
	text := head + "." + base64.RawURLEncoding.EncodeToString(body)
	return text + "." + i.sign(text), nil
}

// sign is the signature of the token's first two parts.
func (i *issuer) sign(text string) string {
	mac := hmac.New(sha256.New, i.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// accepts checks an Authorization header.
func (i *issuer) accepts(header string, now time.Time) bool {
	kind, token, _ := strings.Cut(header, " ")
	dot := strings.LastIndexByte(token, '.')
	if !strings.EqualFold(kind, "Bearer") || dot < 0 {
		return false
	}
	// The signature first: nothing unsigned is parsed.
	if !hmac.Equal([]byte(i.sign(token[:dot])), []byte(token[dot+1:])) {
		return false
	}
	// The claims are ours, so their shape is known; expiry is exclusive.
	_, middle, _ := strings.Cut(token[:dot], ".")
	body, err := base64.RawURLEncoding.DecodeString(middle)
	var c claims
	return err == nil && json.Unmarshal(body, &c) == nil && now.Before(time.Unix(c.Expires, 0))
}

// tokenAnswer is the body of Keycloak's answer.
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	// ExpiresIn is in seconds.
	ExpiresIn int `json:"expires_in"`
	// RefreshExpiresIn is 0: this grant has no refresh token, one asks anew.
	RefreshExpiresIn int    `json:"refresh_expires_in"`
	TokenType        string `json:"token_type"`
	NotBeforePolicy  int    `json:"not-before-policy"`
	Scope            string `json:"scope"`
}

// token answers the client credentials grant.
func (s *Server) token(_ context.Context, r request) (reply, error) {
	// Keycloak looks at the grant before it looks at the client.
	form, err := url.ParseQuery(string(r.body))
	if err != nil {
		return reply{}, &oauthError{http.StatusBadRequest, "invalid_request", "Form could not be read"}
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return reply{}, &oauthError{http.StatusBadRequest, "invalid_request", "Missing form parameter: grant_type"}
	default:
		return reply{}, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant_type"}
	}
	// Unknown client and wrong secret differ by name only, both are 401.
	id, secret := credentials(r.header, form)
	if !same(id, s.cfg.ClientID) {
		return reply{}, badClient("invalid_client")
	}
	if !same(secret, s.cfg.ClientSecret) {
		return reply{}, badClient("unauthorized_client")
	}
	text, err := s.tokens.issue(id, s.cfg.Clock())
	if err != nil {
		return reply{}, err
	}
	answer := tokenAnswer{
		AccessToken: text, ExpiresIn: int(s.tokens.life.Seconds()), TokenType: "Bearer", Scope: "email profile user-context",
	}
	return reply{body: answer, header: http.Header{"Cache-Control": {"no-store"}}}, nil
}

// badClient is Keycloak's answer to wrong credentials; only its name tells which of the two was wrong.
func badClient(name string) error {
	return &oauthError{http.StatusUnauthorized, name, "Invalid client or Invalid client credentials"}
}

// credentials come from basic authentication or from the form.
func credentials(header http.Header, form url.Values) (id, secret string) {
	// The parser of the standard library hangs on a request.
	basic := http.Request{Header: header}
	user, password, ok := basic.BasicAuth()
	if !ok {
		return form.Get("client_id"), form.Get("client_secret")
	}
	return unescape(user), unescape(password)
}

// unescape undoes the form encoding that OAuth prescribes inside basic authentication.
func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// same compares without telling by its time how much was right.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

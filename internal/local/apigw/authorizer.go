package apigw

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// authorizer checks tokens of one issuer. The claims are compared here and not by the library, because the order of
// the checks and the absence of any leeway are part of the answer.
type authorizer struct {
	cfg    JWT
	keys   *keySet
	parser *jwt.Parser
}

// token is an accepted token: nothing makes one but check.
type token struct {
	claims jwt.MapClaims
	scopes []string // of the token, when the route asks for one
}

// denial is why a token is not accepted. The caller is told the detail in a header and only the status in the body; the
// access log has the detail too.
type denial struct {
	detail  string
	missing bool // there is no token
	scope   bool // the token is fine but not enough
}

func newAuthorizer(cfg JWT) *authorizer {
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: 1500 * time.Millisecond}
	}
	return &authorizer{
		cfg: cfg, keys: &keySet{issuer: cfg.Issuer, client: cfg.Client},
		// One algorithm and not what the token asks for: the attack on JWT that is in every textbook.
		parser: jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithJSONNumber(), jwt.WithoutClaimsValidation()),
	}
}

// check verifies the Authorization header: signature, issuer, audience, times, scopes, in API Gateway's order. The
// scheme may be left out, as there.
func (a *authorizer) check(ctx context.Context, header string, scopes []string) (*token, *denial) {
	// "Bearer x", "bearer x" and "x" are the same; a scheme without a token is taken for a token, a broken one.
	text := header
	if scheme, rest, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(rest)
	}
	if text == "" {
		return nil, &denial{detail: "missing: token not provided", missing: true}
	}
	claims := jwt.MapClaims{}
	_, err := a.parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		// No name, or one that is no text, is the empty name, which no key has.
		kid, _ := t.Header["kid"].(string)
		return a.keys.find(ctx, kid)
	})
	if err != nil {
		return nil, &denial{detail: parseFault(err)}
	}
	if fault := a.checkClaims(claims, time.Now()); fault != "" {
		return nil, &denial{detail: fault}
	}
	// The token is the issuer's; what is left is whether it is enough for this route.
	t := &token{claims: claims}
	if len(scopes) == 0 {
		return t, nil
	}
	t.scopes = tokenScopes(claims)
	if !slices.ContainsFunc(t.scopes, func(s string) bool { return slices.Contains(scopes, s) }) {
		return nil, &denial{detail: "the token does not have a required scope", scope: true}
	}
	return t, nil
}

// parseFault says in a few words why a token could not be read or verified. These words are assumed; a client should
// not look beyond error="invalid_token".
func parseFault(err error) string {
	for _, known := range []struct {
		err  error
		text string
	}{
		{errDiscovery, "OIDC discovery endpoint communication error"},
		{errUnknownKey, "unable to find a signing key that matches the token's kid"},
		{jwt.ErrTokenMalformed, "the token is malformed"},
		{jwt.ErrTokenSignatureInvalid, "the token has an invalid signature or signing method"},
	} {
		if errors.Is(err, known.err) {
			return known.text
		}
	}
	return "the token cannot be verified"
}

// checkClaims says what is wrong with a token that was really signed by the issuer's key. Times are compared to the
// moment, without leeway: a token that expires now has expired, and one from a clock that runs ahead is not valid yet.
// A token that never expires is refused as if it had.
func (a *authorizer) checkClaims(claims jwt.MapClaims, now time.Time) string {
	issuer, err := claims.GetIssuer()
	if err != nil || issuer != a.cfg.Issuer {
		return "issuer does not match"
	}
	if !a.audienceMatches(claims) {
		return "the token does not have a valid audience"
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil || !now.Before(expires.Time) {
		return "the token has expired"
	}
	if begins, err := claims.GetNotBefore(); err != nil || begins != nil && now.Before(begins.Time) {
		return "the token is not valid yet"
	}
	if issued, err := claims.GetIssuedAt(); err != nil || issued != nil && now.Before(issued.Time) {
		return "the token is used before issued"
	}
	return ""
}

// audienceMatches looks at client_id only when there is no aud; one of the token's audiences is enough.
func (a *authorizer) audienceMatches(claims jwt.MapClaims) bool {
	if _, has := claims["aud"]; !has {
		id, _ := claims["client_id"].(string)
		return slices.Contains(a.cfg.Audience, id)
	}
	audience, err := claims.GetAudience()
	return err == nil && slices.ContainsFunc(audience, func(s string) bool { return slices.Contains(a.cfg.Audience, s) })
}

// tokenScopes reads scope, or scp, which may be text or a list: issuers do not agree.
func tokenScopes(claims jwt.MapClaims) []string {
	for _, name := range []string{"scope", "scp"} {
		switch v := claims[name].(type) {
		case string:
			return strings.Fields(v)
		case []any:
			var list []string
			for _, s := range v {
				list = append(list, fmt.Sprint(s))
			}
			return list
		}
	}
	return nil
}

// refusal is the answer to a denied request. The challenge names the scopes of the route, or none; without a token it
// is only the name of the scheme. The words of a token without the scope are assumed.
func (d *denial) refusal(scopes []string) *refusal {
	challenge := func(code string) string {
		return fmt.Sprintf(`Bearer scope=%q error=%q error_description=%q`, strings.Join(scopes, " "), code, d.detail)
	}
	switch {
	case d.missing:
		return &refusal{http.StatusUnauthorized, "Unauthorized", "Bearer"}
	case d.scope:
		return &refusal{http.StatusForbidden, "Forbidden", challenge("insufficient_scope")}
	default:
		return &refusal{http.StatusUnauthorized, "Unauthorized", challenge("invalid_token")}
	}
}

// authorizer is what the function learns of the token: all claims, and its scopes when the route asked for one. That
// these are the token's and not the route's is assumed.
func (t *token) authorizer() *eventAuthorizer {
	if t == nil {
		return nil
	}
	out := &eventAuthorizer{}
	out.JWT.Claims, out.JWT.Scopes = map[string]string{}, t.scopes
	for name, value := range t.claims {
		out.JWT.Claims[name] = claimText(value)
	}
	return out
}

// claimText writes a claim as API Gateway does: everything is text. Numbers are as the token has them, lists look like
// "[a b]" and objects, which is assumed, like "map[a:b]".
func claimText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case []any:
		words := make([]string, 0, len(v))
		for _, item := range v {
			words = append(words, claimText(item))
		}
		return "[" + strings.Join(words, " ") + "]"
	case map[string]any:
		words := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			words = append(words, name+":"+claimText(v[name]))
		}
		return "map[" + strings.Join(words, " ") + "]"
	default:
		return fmt.Sprint(v)
	}
}

// Package entry is the edge between Lambda events and the use cases: it decodes
// an event, calls one use case, and encodes what came of it.
//
// It is the only place that knows event shapes, that maps codes (to an HTTP
// problem, to keep or acknowledge), and that logs: each request and each
// delivery is one line, written here once. Fields of a line are allow-listed;
// bodies, tokens and headers never are among them.
//
// The shapes that come in, and who takes them:
//
//	HTTP API, payload 2.0   Write (intake, operator) and Read (query): a code becomes a
//	                        problem with a status
//	SQS batch               SQS (worker): each record becomes done or "must come back"
//	schedule, alarm         Sweep (reconciler), Relay (relay and operations): an error
//	                        fails the function, so that its metric rises
//
// Lines that CloudWatch should count carry their metrics in the embedded metric format:
// a metric costs no request, and the log stays the one place to look.
//
// Who asks comes from the verified token of the request context only.
package entry

import (
	"cmp"
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/usage"
)

// request and response are the HTTP API's payload 2.0.
type (
	request  = events.APIGatewayV2HTTPRequest
	response = events.APIGatewayV2HTTPResponse
)

// route answers one route; an error becomes a problem. The principal is an
// argument, so that no route can be written that forgets to ask who asks.
type route func(ctx context.Context, r *request, p intake.Principal) (response, error)

// api serves routes by the key that API Gateway matched: there is no second
// router here that could disagree with the template about a path.
type api struct {
	log    *slog.Logger
	public map[string]route // need no token; a route is here on purpose or not at all
	routes map[string]route // need one
	// entitled returns who asks under the plan that is in force; nil for routes without plans.
	entitled func(context.Context, intake.Principal) (intake.Principal, error)
}

// serve answers a request. The error of a route becomes a problem, so that the
// function itself never fails: API Gateway would answer "Internal Server Error"
// in a shape of its own, without a code.
func (a *api) serve(ctx context.Context, r request) (response, error) {
	out, err := a.dispatch(ctx, &r)
	if err != nil {
		out = problem(err, r.RequestContext.RequestID)
	}
	a.line(ctx, &r, out.StatusCode, err)
	return out, nil
}

// dispatch finds the route and who asks.
func (a *api) dispatch(ctx context.Context, r *request) (response, error) {
	if f, ok := a.public[r.RouteKey]; ok {
		return f(ctx, r, intake.Principal{})
	}
	f, ok := a.routes[r.RouteKey]
	if !ok {
		// A route of the template that this function does not know: a mistake in a
		// deployment, found by the test that compares the two.
		return response{}, job.Errorf(job.NotFound, "no route %q", r.RouteKey)
	}
	if err := checkRepeated(r.RawQueryString); err != nil {
		return response{}, err
	}
	composeParameters(r)
	p, err := principal(r)
	if err == nil && a.entitled != nil {
		p, err = a.entitled(ctx, p)
	}
	if err != nil {
		return response{}, err
	}
	return f(ctx, r, p)
}

// checkRepeated refuses a parameter that is given twice. API Gateway joins its values with a
// comma, and a filter of that text would match nothing, or something else than was meant.
func checkRepeated(rawQuery string) error {
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if name != "" && seen[name] {
			return job.Invalid(job.Violation{Field: clip(name, maxQuoted), Rule: "unique", Detail: "must be given once"})
		}
		seen[name] = true
	}
	return nil
}

// line writes the one log line of a request. The route is its pattern, never the
// path: an id in a log line is one more place to look for, and to leak.
func (a *api) line(ctx context.Context, r *request, status int, err error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("route", r.RouteKey), slog.Int("status", status),
		slog.String("trace", r.RequestContext.RequestID),
	}
	if err != nil {
		attrs = append(attrs, slog.String("code", string(job.CodeOf(err))))
	}
	if err != nil && status >= http.StatusInternalServerError {
		// Only a defect is told in full: the error of a refused request quotes it.
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	a.log.LogAttrs(ctx, level, "request", attrs...)
}

// maxOwner is the longest subject that is accepted, in bytes: what OpenID Connect allows. Longer
// ones would fail at the table with an error that blames us.
const maxOwner = 255

// principal reads who asks from the claims that the authorizer verified. Nothing
// else of a request is looked at: no header, no field, no path can name an owner.
func principal(r *request) (intake.Principal, error) {
	auth := r.RequestContext.Authorizer
	if auth == nil || auth.JWT == nil {
		return intake.Principal{}, job.Errorf(job.Forbidden, "the token names no subject")
	}
	claims := auth.JWT.Claims
	if err := checkSubject(claims["sub"]); err != nil {
		return intake.Principal{}, err
	}
	own := func(name string) string { return cmp.Or(claims[name], claims["custom:"+name]) } // Cognito prefixes its own attributes
	p := intake.Principal{Owner: claims["sub"], Tier: usage.ParseTier(own("tier"))}
	if anchor := own("cycle_anchor"); anchor != "" {
		day, err := time.Parse(time.DateOnly, anchor)
		if err != nil {
			return intake.Principal{}, job.Errorf(job.Forbidden, "the token's cycle_anchor is not a date such as 2026-01-31")
		}
		p.Anchor = day
	}
	p.Issued = numericDate(claims["iat"])
	return p, nil
}

// mayWrite reports whether the token has the scope of writing. Its route has checked what
// the route needs; this is for what a reader is shown less of. Issuers write scopes as text
// or as a list, which API Gateway hands over as "[a b]".
func mayWrite(r *request) bool {
	auth := r.RequestContext.Authorizer
	if auth == nil || auth.JWT == nil {
		return false
	}
	scopes := cmp.Or(auth.JWT.Claims["scope"], auth.JWT.Claims["scp"])
	return slices.Contains(strings.Fields(strings.Trim(scopes, "[]")), "orbitq/write")
}

// shownURL is the URL of a webhook as the caller may see it: a query or user in it is often a
// secret, which is shown only to who could replace it.
func shownURL(r *request, raw string) string {
	if mayWrite(r) {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.ForceQuery = nil, "", false
	return u.String()
}

// numericDate reads a time of a token: seconds since 1970, also with a fraction or an exponent, as
// RFC 7519 allows. Anything else is no time.
func numericDate(s string) time.Time {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > 0 && f < 1<<40) {
		return time.Time{}
	}
	return time.UnixMilli(int64(f * 1000)).UTC()
}

// checkSubject refuses a subject that cannot own rows. The token is good, so it is forbidden and
// not unauthorized: another token of the same user would not help. A subject is compared as it is,
// and never brought into another form: two that a form makes one are two people.
func checkSubject(sub string) error {
	switch {
	case sub == "":
		return job.Errorf(job.Forbidden, "the token names no subject")
	case len(sub) > maxOwner:
		return job.Errorf(job.Forbidden, "the token's subject has more than %d bytes", maxOwner)
	case len(job.CheckName("sub", sub)) > 0:
		return job.Errorf(job.Forbidden, "the token's subject has characters that nobody sees")
	}
	return nil
}

// body returns the bytes of the request's body; API Gateway sends what it takes
// for binary in base64, and decides that by itself.
func body(r *request) ([]byte, error) {
	if !r.IsBase64Encoded {
		return []byte(r.Body), nil
	}
	raw, err := base64.StdEncoding.DecodeString(r.Body)
	if err != nil {
		return nil, job.Errorf(job.InvalidJSON, "body is not valid base64: %w", err)
	}
	return raw, nil
}

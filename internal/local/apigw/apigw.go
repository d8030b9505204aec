// Package apigw is an API Gateway HTTP API in front of functions: payload format 2.0, the $default stage, a JWT
// authorizer, throttling, CORS and the access log.
//
// A request goes the way it goes there: preflight, route, throttle, authorizer, size, function. Each of these answers
// in API Gateway's own words ({"message":"Not Found"} and so on), so that a client cannot tell the difference, and
// nothing reaches a function that API Gateway would have kept away from it. The authorizer fetches keys from its
// issuer by OpenID discovery, accepts RS256 only, and checks times without any leeway. A function's response is
// read as format 2.0 says, including what it says of functions that return plain values.
//
// Where AWS documents an answer it is that answer. Where it does not, the source is what others have recorded from the
// real service (the types of body that stay text, the challenge of a denied token); what neither gives is marked as
// assumed where it stands.
//
// It refuses what the product does not use: other integrations than Lambda, other authorizers than JWT, named stages,
// custom domains, mutual TLS, and parameter mapping.
//
// Files: route.go finds the route and throttles it, authorizer.go and keys.go decide about tokens, event.go writes the
// request for the function, response.go reads what it returned, cors.go and accesslog.go are what their names say.
package apigw

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Limits of an HTTP API and of the Lambda invocation behind it, in bytes. The second is reached first, at the latest by
// a binary body of 4.5 MB, which grows by a third when it is encoded.
const (
	MaxBody  = 10 << 20
	maxEvent = 6 << 20
)

// Invoke runs a function with an event and returns its response, or its error document and the kind of error; err is for what is not the function's own failure, such as a throttle.
type Invoke func(ctx context.Context, payload []byte) (response []byte, functionError string, err error)

// Config describes an API. Routes are required.
type Config struct {
	// ID and Account are told to functions and to the access log: default "local" and 000000000000.
	ID, Account string
	// Routes in any order: the most specific one that fits gets a request.
	Routes []Route
	// JWT is the authorizer of the routes that ask for one.
	JWT *JWT
	// Throttle limits each route on its own, as default route settings do; the zero value does not. The limit of the
	// whole account, which AWS has too, does not exist here.
	Throttle Throttle
	// CORS answers browsers of other origins: default nil, which leaves that to the functions.
	CORS *CORS
	// Timeout limits an integration: default 30 s, as much as API Gateway allows.
	Timeout time.Duration
	// AccessLog takes one line per request: default nowhere.
	AccessLog io.Writer
	// AccessLogFormat is the line, in which $context variables are replaced: default a short JSON object.
	AccessLogFormat string
}

// Route connects requests with a function.
type Route struct {
	Key       string // "GET /v1/jobs/{id}", "ANY /{proxy+}" or "$default"
	Invoke    Invoke
	Authorize bool // ask the authorizer
	// Scopes of the route, of which a token needs one; none are needed when it is empty.
	Scopes []string
}

// JWT describes an authorizer that takes its tokens from the Authorization header.
type JWT struct {
	// Issuer is the base URL of the discovery document, and exactly what the iss claim must say.
	Issuer string
	// Audience lists what the aud claim may say, or client_id in a token without aud, as Cognito's are.
	Audience []string
	Client   *http.Client // default: one with the time limit of API Gateway
}

// Throttle is a token bucket: so many requests at once, and then so many per second.
type Throttle struct {
	Rate  float64 // requests per second
	Burst int
}

// API serves an HTTP API; it is safe for concurrent use.
type API struct {
	cfg    Config
	routes []*route // the most specific first
	auth   *authorizer
	log    *accessLog
}

var _ http.Handler = (*API)(nil)

// New checks the configuration and the routes. It asks nobody: the issuer may come up later than the API, which is the
// usual order when both are served by one process.
func New(cfg Config) (*API, error) {
	set(&cfg.ID, "local")
	set(&cfg.Account, "000000000000")
	set(&cfg.Timeout, 30*time.Second)
	routes, err := newRoutes(cfg.Routes, cfg.Throttle)
	if err != nil {
		return nil, err
	}
	api := &API{cfg: cfg, routes: routes, log: newAccessLog(cfg.AccessLog, cfg.AccessLogFormat)}
	if cfg.JWT != nil {
		api.auth = newAuthorizer(*cfg.JWT)
	}
	for _, r := range cfg.Routes {
		if r.Authorize && (cfg.JWT == nil || cfg.JWT.Issuer == "") {
			return nil, fmt.Errorf("route %s asks for an authorizer that has no issuer", r.Key)
		}
	}
	return api, nil
}

// set gives a field its default.
func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// exchange is one request and what becomes known of it: first for the function, in the end for the access log.
type exchange struct {
	id     string // as the client sees it, in apigw-requestid
	began  time.Time
	route  *route            // nil: none matches
	params map[string]string // of the path
	token  *token            // nil: the route asks for none, or it was denied

	// What went back to the client, and what came from the function.
	status, length    int
	integrationStatus int
	integrationTook   time.Duration
	// Why the answer is not the function's: the message that the client got, and what only the log gets.
	problem          string
	authError        string
	integrationError string
}

// refusal is an answer that API Gateway gives itself: a JSON object with nothing but a message.
type refusal struct {
	status  int
	message string
	// challenge is the www-authenticate header of a denied token.
	challenge string
}

// Error implements error.
func (r *refusal) Error() string { return strconv.Itoa(r.status) + " " + r.message }

// ServeHTTP answers one request. Every answer has an apigw-requestid, and every one is logged, also those that no
// function has seen.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{id: newRequestID(), began: time.Now().UTC()}
	w.Header().Set("Apigw-Requestid", x.id)
	if a.cfg.CORS != nil && a.cfg.CORS.answer(w, r) {
		x.status = http.StatusNoContent
		a.log.write(a, x, r)
		return
	}
	out, err := a.serve(r, x)
	// Every error of serve is a refusal.
	if no, ok := errors.AsType[*refusal](err); ok {
		out = no.response()
		x.problem = no.message
	}
	if a.cfg.CORS != nil {
		out.dropCORS()
	}
	x.status, x.length = out.status, len(out.body)
	out.write(w)
	a.log.write(a, x, r)
}

// serve finds the response, or the reason to refuse. The order matters to clients: without a token a path that does
// not exist is 404 and not 401, and a body that is too large is not looked at before the token is.
func (a *API) serve(r *http.Request, x *exchange) (*response, error) {
	if x.route, x.params = a.match(r.Method, r.URL.Path); x.route == nil {
		return nil, &refusal{status: http.StatusNotFound, message: "Not Found"}
	}
	if !x.route.bucket.take(time.Now()) {
		return nil, &refusal{status: http.StatusTooManyRequests, message: "Too Many Requests"}
	}
	if x.route.Authorize {
		t, err := a.auth.check(r.Context(), r.Header.Get("Authorization"), x.route.Scopes)
		if err != nil {
			x.authError = err.detail
			return nil, err.refusal(x.route.Scopes)
		}
		x.token = t
	}
	event, err := a.event(r, x)
	if err != nil {
		return nil, err
	}
	return a.integrate(r, x, event)
}

// integrate invokes the function and reads its response. A function that fails, or answers what nobody understands, is
// 500; one that cannot be invoked, or not in time, is 503. Neither tells the client why; the access log does.
func (a *API) integrate(r *http.Request, x *exchange, event []byte) (*response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
	defer cancel()
	began := time.Now()
	text, functionError, err := x.route.Invoke(ctx, event)
	x.integrationTook = time.Since(began)
	switch {
	case err != nil:
		x.integrationError = err.Error()
		return nil, &refusal{status: http.StatusServiceUnavailable, message: "Service Unavailable"}
	case functionError != "":
		// The words of the real access log, which runbooks search for.
		x.integrationError = "The Lambda function returned the following error: " + functionError + ". Check your Lambda function code and try again."
		return nil, &refusal{status: http.StatusInternalServerError, message: "Internal Server Error"}
	}
	x.integrationStatus = http.StatusOK
	out, err := readResponse(text)
	if err != nil {
		x.integrationError = "The response from the Lambda function doesn't match the format that API Gateway expects: " + err.Error()
		return nil, &refusal{status: http.StatusInternalServerError, message: "Internal Server Error"}
	}
	return out, nil
}

// newRequestID makes an id as HTTP APIs have them: sixteen characters that end in "=". Nobody should read more from it
// than that two are never equal.
func newRequestID() string {
	var b [11]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.URLEncoding.EncodeToString(b[:])
}

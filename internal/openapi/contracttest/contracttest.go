// Package contracttest holds HTTP exchanges against the API contract.
//
// Check is for entry tests and end-to-end tests alike: it takes what was sent and what came back, and promises that
//
//   - every answer has a status, media type, headers and body that the contract lists for that route,
//     without a field that the contract does not name (the contract read strictly);
//   - a request that was accepted is one that the contract allows, so the code is never laxer than the contract.
//
// A refused request may well satisfy the schema: some rules, such as a time in the future, no schema can say.
// Who may call what is not checked here; the authorizer is no part of the document.
package contracttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"orbitq/internal/openapi"
)

// contract is loaded once per test binary; reading and validating the document takes longer than a check.
var contract = sync.OnceValues(func() (*Contract, error) { return Load(openapi.YAML()) }) //nolint:gochecknoglobals // a cache nobody can write to

// defineFormats gives the format date-time its meaning of RFC 3339, where T and Z may be small: the library's own is
// stricter, and global.
var defineFormats = sync.OnceFunc(dateTime) //nolint:gochecknoglobals // once, as the library's formats are global

func dateTime() {
	pattern := strings.NewReplacer("T(", "[Tt](", "(Z|", "([Zz]|").Replace(openapi3.FormatOfStringDateTime)
	openapi3.DefineStringFormatValidator("date-time", openapi3.NewRegexpFormatValidator(pattern))
}

// Check fails tb when the exchange breaks the contract. req is the request as the client made it; reqBody and
// respBody are the bytes of the bodies, already read. resp.Body is not touched.
func Check(tb testing.TB, req *http.Request, reqBody []byte, resp *http.Response, respBody []byte) {
	tb.Helper()

	c, err := contract()
	if err != nil {
		tb.Fatalf("load the contract: %v", err)
	}

	if err := c.Exchange(tb.Context(), req, reqBody, resp, respBody); err != nil {
		tb.Errorf("%s %s -> %d breaks the contract: %v\nbody: %.600s", req.Method, req.URL.Path, resp.StatusCode, err, respBody)
	}
}

// Contract is a loaded document with its routes. Exchange may be called concurrently.
type Contract struct {
	router routers.Router
}

// Load reads and validates a document, examples included, and closes its answers: an object without a word about
// additional properties takes none.
func Load(document []byte) (*Contract, error) {
	defineFormats()

	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("load document: %w", err)
	}

	doc.Servers = nil // any host will do: tests choose their own ports

	router, err := legacy.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("validate document: %w", err)
	}

	if doc.Components != nil {
		for _, ref := range doc.Components.Schemas {
			closeObjects(ref.Value)
		}
	}

	return &Contract{router: router}, nil
}

func closeObjects(schema *openapi3.Schema) {
	if len(schema.Properties) > 0 && schema.AdditionalProperties.Has == nil {
		schema.AdditionalProperties.Has = new(bool)
	}

	for _, property := range schema.Properties {
		if property.Ref == "" {
			closeObjects(property.Value)
		}
	}
}

// Exchange says why the exchange breaks the contract, or nil.
func (c *Contract) Exchange(ctx context.Context, req *http.Request, reqBody []byte, resp *http.Response, respBody []byte) error {
	input, err := c.route(ctx, req, reqBody)
	if err != nil {
		return unknownRoute(err, resp)
	}

	if resp.StatusCode < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			return fmt.Errorf("accept request: %w", err)
		}
	}

	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Options: input.Options,
	}
	if err := openapi3filter.ValidateResponse(ctx, answer.SetBodyBytes(respBody)); err != nil {
		return fmt.Errorf("answer request: %w", err)
	}

	return nil
}

// Request says why the contract refuses a request, or nil.
func (c *Contract) Request(ctx context.Context, req *http.Request, body []byte) error {
	input, err := c.route(ctx, req, body)
	if err != nil {
		return fmt.Errorf("find route: %w", err)
	}

	if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
		return fmt.Errorf("accept request: %w", err)
	}

	return nil
}

// route finds the operation of a request; the request itself stays as it is.
func (c *Contract) route(ctx context.Context, req *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	sent := req.Clone(ctx)
	sent.Body = io.NopCloser(bytes.NewReader(body))
	sent.ContentLength = int64(len(body))

	route, pathParams, err := c.router.FindRoute(sent)
	if err != nil {
		return nil, err //nolint:wrapcheck // both callers look at it and wrap it
	}

	return &openapi3filter.RequestValidationInput{
		Request: sent, PathParams: pathParams, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:                openapi3filter.NoopAuthenticationFunc,
			IncludeResponseStatus:             true,
			MultiError:                        true,
			RejectWhenRequestBodyNotSpecified: true,
			SkipSettingDefaults:               true,
		},
	}, nil
}

// unknownRoute allows what the gateway says about a path or method that is not in the contract.
func unknownRoute(err error, resp *http.Response) error {
	var routeErr *routers.RouteError
	if errors.As(err, &routeErr) && (resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed) {
		return nil
	}

	return fmt.Errorf("find route: %w", err)
}

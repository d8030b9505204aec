// Package client is a typed client of orbitq's HTTP API, for the command line, for end-to-end tests, and as the
// example of how a program should talk to it.
//
// It promises that every failure is one of three kinds, which errors.As tells apart: a *Problem is orbitq's own
// answer, with the code to branch on; a *Denied is the gateway's word about the token; an *Unreachable is silence. A
// request is repeated at most once, only when the API asked for it (503 with Retry-After), and only when a repetition
// cannot do anything twice: a read, or a write with an idempotency key.
//
//	c := client.New(client.Config{BaseURL: "http://127.0.0.1:8080", Token: token})
//	created, err := c.CreatePoint(ctx, client.NewPoint{Latitude: 25.1, Longitude: -11.3, Value: 21.5, Key: "reading-4711"})
//	...
//	j, err := c.Wait(ctx, created.JobID, time.Second)
//
// Types mirror the contract field by field, and writing one as JSON again gives what the API sent. A field that may be
// absent is a pointer where its zero value means something else.
//
// It refuses to guess: no environment variables, no default address, no retries behind the caller's back beyond that
// one. It needs nothing but the standard library and the vocabulary of package job.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds an answer in memory; a page of 100 jobs has about 60 KB.
const maxAnswer = 8 << 20

// maxPause is the longest wait that a Retry-After may ask for.
const maxPause = 5 * time.Second

// Config says where the API is and who asks. BaseURL is required.
type Config struct {
	// BaseURL: scheme, host and port; a path is kept in front of /v1.
	BaseURL string
	// Token: bearer token; empty for the public routes alone.
	Token string
	HTTP  *http.Client
}

// Client speaks to one API for one user; it is safe for concurrent use.
type Client struct {
	base, token string
	http        *http.Client
}

// New returns a Client; without an HTTP client it makes one that gives up after 35 s, a little later than the API. Its
// connections are its own: whoever closes idle ones of the process does not break off a request.
func New(cfg Config) *Client {
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{
			Timeout: 35 * time.Second, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute},
		}
	}
	return &Client{base: strings.TrimSuffix(cfg.BaseURL, "/"), token: cfg.Token, http: cfg.HTTP}
}

// call is one request, made of values so that it can be made again.
type call struct {
	method, path string
	// key: Idempotency-Key, empty for none.
	key string
	// body: sent as JSON; nil for none.
	body any
}

// do makes the call and decodes a successful answer into out. Fields that out does not know are ignored: the API may
// grow without breaking older clients.
func (c *Client) do(ctx context.Context, k call, out any) error {
	body, err := k.encode()
	if err != nil {
		return err
	}
	got, err := c.exchange(ctx, k, body)
	if err == nil && k.mayRepeat() && got.unavailable() {
		if err := pause(ctx, got.pause()); err != nil {
			return err
		}
		got, err = c.exchange(ctx, k, body)
	}
	if err != nil {
		return err
	}
	if got.status >= http.StatusMultipleChoices {
		return got.failure(c.base + k.path)
	}
	if err := json.Unmarshal(got.body, out); err != nil {
		return fmt.Errorf("read answer of %s %s: %w", k.method, c.base+k.path, err)
	}
	return nil
}

// encode returns the body's bytes, nil for none.
func (k call) encode() ([]byte, error) {
	if k.body == nil {
		return nil, nil
	}
	raw, err := json.Marshal(k.body)
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	return raw, nil
}

// mayRepeat reports whether doing it twice is the same as doing it once.
func (k call) mayRepeat() bool { return k.method == http.MethodGet || k.key != "" }

// answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends the request once.
func (c *Client) exchange(ctx context.Context, k call, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, k.method, c.base+k.path, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	for name, value := range map[string]string{
		"Authorization": prefixed("Bearer ", c.token), "Idempotency-Key": k.key, "Content-Type": k.media(),
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, c.silence(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, c.silence(ctx, err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: raw}, nil
}

// media is the type of the body that is sent.
func (k call) media() string {
	if k.body == nil {
		return ""
	}
	return "application/json"
}

// prefixed leaves an empty value empty.
func prefixed(prefix, value string) string {
	if value == "" {
		return ""
	}
	return prefix + value
}

// silence says that nothing usable came back; a caller who gave up is told just that, with the cause that its context
// carries. An answer that breaks off counts as none: half a result is no result.
func (c *Client) silence(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask %s: %w", c.base, context.Cause(ctx))
	}
	return &Unreachable{URL: c.base, Err: err}
}

// unavailable reports whether the API asked to come back.
func (a answer) unavailable() bool {
	return a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != ""
}

// pause is how long to wait before coming back; a date or nonsense counts as one second.
func (a answer) pause() time.Duration {
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		seconds = 1
	}
	return min(time.Duration(seconds)*time.Second, maxPause)
}

// pause waits, unless the caller gives up first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", context.Cause(ctx))
	}
}

// Unreachable says that the API did not answer at all. Whether the request was carried out is not known, so a write is
// only safe to repeat with its key.
type Unreachable struct { //nolint:errname // it reads as what it is
	URL string
	Err error
}

// Error implements error.
func (e *Unreachable) Error() string {
	cause := e.Err
	for next := errors.Unwrap(cause); next != nil; next = errors.Unwrap(cause) {
		cause = next // the innermost says it shortest: connection refused
	}
	return "no answer from " + e.URL + ": " + cause.Error()
}

// Unwrap returns the cause.
func (e *Unreachable) Unwrap() error { return e.Err }

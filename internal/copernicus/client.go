// Package copernicus is the Imagery port on the Copernicus Data Space: the
// Statistical API and the Catalog of Sentinel Hub over HTTPS.
//
// It promises one HTTP request per question on the happy path, and an error with
// a code for everything else: what the provider says with status, body or
// silence is mapped here, once. A token is shared by all workers through the
// table and cached in memory; a 401 drops it and asks once more with a new one.
//
// It treats the provider as hostile: answers are read up to a limit, numbers may
// be the strings "NaN" or "Infinity", a 200 may hold HTML, and an answer that
// lacks what was asked for is an error, never a value of zero. Redirects are not
// followed, because a token or secret would go with them. Neither is ever part
// of an error, not even when the provider's own words quote it.
//
// Source: domain brief 3.
package copernicus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
)

var _ kinds.Provider = (*Client)(nil)

// maxAnswer is the longest answer that is read, in bytes; a window of 31 days
// has about 60 KB.
const maxAnswer = 4 << 20

// Config has the parts of a Client.
type Config struct {
	HTTP     *http.Client
	APIURL   string // scheme and host
	TokenURL string
	Secret   func(ctx context.Context) (id, secret string, err error)
	Renew    func() // lets the next Secret be read anew; nil when nothing keeps it
	Tokens   Tokens
	Gate     Gate
	Now      func() time.Time
}

// Gate admits calls. Every request to the provider's interface has a slot. A request for a
// token goes to another host, which does not count it: it takes none, but is not made either
// while the provider is broken.
type Gate interface {
	// Enter returns when the call may be made, or an error that says when to try.
	Enter(ctx context.Context, pass *limit.Pass) error
	// Working returns an error that says when to try, if no call may be made because the
	// provider fails too often.
	Working(ctx context.Context) error
	// Left takes note of what the call came to.
	Left(c limit.Call)
}

// Client asks the provider.
type Client struct {
	Config
	token tokens
}

// New returns a Client. It uses the transport and timeout of c.HTTP, but follows
// no redirect: a 307 would carry the client secret to whatever host it names.
func New(c Config) *Client {
	direct := *c.HTTP
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.HTTP = &direct
	cl := &Client{Config: c}
	cl.token.parent = cl
	return cl
}

// answer is a successful answer.
type answer struct {
	body   []byte
	header http.Header
}

// ask posts a question and returns the answer of a 2xx. A 401 drops the token
// and asks once more: the provider may have revoked it before its time.
func (c *Client) ask(ctx context.Context, pass *limit.Pass, kind, path string, question any) (answer, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return answer{}, job.Errorf(job.Internal, "encode request: %w", err)
	}
	token, err := c.token.get(ctx, pass, "")
	if err != nil {
		return answer{}, err
	}
	// The first 401 says something about the token, only the second about us.
	a, status, err := c.post(ctx, pass, kind, path, token, body, limit.Throttled)
	if status != http.StatusUnauthorized {
		return a, err
	}
	if token, err = c.token.get(ctx, pass, token); err != nil {
		return answer{}, err
	}
	a, _, err = c.post(ctx, pass, kind, path, token, body, limit.Rejected)
	return a, err
}

// post sends one request. The status is 0 when there was no answer; unauthorized is
// what a 401 says about the provider.
func (c *Client) post(ctx context.Context, pass *limit.Pass, kind, path, token string, body []byte, unauthorized limit.Verdict) (answer, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.APIURL+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, 0, job.Errorf(job.Internal, "build request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	return c.call(pass, kind, req, func(a answer, status int) (limit.Verdict, error) {
		if status/100 == 2 {
			return limit.Answered, nil
		}
		err := fault(status, a, c.Now(), strings.NewReplacer(token, "[token]"))
		if status == http.StatusUnauthorized {
			return unauthorized, err
		}
		return verdict(err), err
	})
}

// call passes the gate, sends a request, has its answer judged, and takes note of
// both. The status is 0 when there was no answer.
func (c *Client) call(pass *limit.Pass, kind string, req *http.Request, judge func(answer, int) (limit.Verdict, error)) (answer, int, error) {
	admit := c.Gate.Working
	if kind != limit.TokenFetch {
		admit = func(ctx context.Context) error { return c.Gate.Enter(ctx, pass) }
	}
	if err := admit(req.Context()); err != nil {
		return answer{}, 0, fmt.Errorf("ask the limiter: %w", err)
	}
	began := c.Now()
	a, status, err := c.exchange(req)
	said := verdict(err)
	if err == nil {
		said, err = judge(a, status)
	}
	note := limit.Call{
		At: began, Took: c.Now().Sub(began), Type: kind, Status: status, Verdict: said,
		Job: pass.Job, Owner: pass.Owner, Point: pass.Point, Attempt: pass.Attempt,
	}
	if err != nil {
		note.Code = string(job.CodeOf(err))
	} else {
		note.Units = spent(a.header.Get("x-processingunits-spent"))
	}
	c.Gate.Left(note)
	return a, status, err
}

// verdict is what a failed call says about the provider.
func verdict(err error) limit.Verdict {
	switch job.CodeOf(err) {
	case job.ProviderUnavailable, job.ProviderTimeout:
		return limit.Failed
	case job.ProviderDenied:
		return limit.Rejected
	case job.ProviderQuota:
		return limit.UsedUp
	case job.ProviderRateLimit:
		return limit.Throttled
	default:
		return limit.Answered // it works, and did not like what we sent
	}
}

// exchange sends a request and reads the whole answer, so that the connection can
// be used again.
func (c *Client) exchange(req *http.Request) (answer, int, error) {
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return answer{}, 0, silence(err)
	}
	// One byte more than allowed tells a long answer from one that just fits.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return answer{}, 0, silence(err)
	}
	if len(body) > maxAnswer {
		return answer{}, 0, job.Errorf(job.ProviderUnavailable, "answer is longer than %d bytes", maxAnswer)
	}
	return answer{body: body, header: resp.Header}, resp.StatusCode, nil
}

// silence maps an exchange without an answer. The URL inside the error is kept
// out of the message: it may carry credentials.
func silence(err error) error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return &job.Error{Code: job.ProviderTimeout, Message: "provider did not answer in time", Err: err}
	}
	return &job.Error{Code: job.ProviderUnavailable, Message: fmt.Sprintf("connection to the provider broke: %v", root(err)), Err: err}
}

// unreadable is the error for an answer of the wrong shape. The parser's words
// may quote the answer, so they are clipped like everything that it says.
func unreadable(what string, err error) error {
	return job.Errorf(job.ProviderUnavailable, "%s cannot be read: %s", what, clip(err.Error()))
}

// root returns the innermost error, without addresses.
func root(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

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
)

var _ kinds.Imagery = (*Client)(nil)

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
	Now      func() time.Time
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
func (c *Client) ask(ctx context.Context, path string, question any) (answer, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return answer{}, job.Errorf(job.Internal, "encode request: %w", err)
	}
	token, err := c.token.get(ctx, "")
	if err != nil {
		return answer{}, err
	}
	a, status, err := c.post(ctx, path, token, body)
	if status != http.StatusUnauthorized {
		return a, err
	}
	if token, err = c.token.get(ctx, token); err != nil {
		return answer{}, err
	}
	a, _, err = c.post(ctx, path, token, body)
	return a, err
}

// post sends one request. The status is 0 when there was no answer.
func (c *Client) post(ctx context.Context, path, token string, body []byte) (answer, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.APIURL+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, 0, job.Errorf(job.Internal, "build request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	a, status, err := c.exchange(req)
	if err != nil {
		return answer{}, status, err
	}
	if status/100 != 2 {
		return answer{}, status, fault(status, a, c.Now(), strings.NewReplacer(token, "[token]"))
	}
	return a, status, nil
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

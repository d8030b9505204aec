package copernicus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// Tokens is the token that all workers share.
type Tokens interface {
	// Token returns the stored token; an empty value means there is none.
	Token(ctx context.Context) (value string, expires time.Time, err error)
	// LockToken takes the right to fetch a new one until a time; false means
	// that somebody else is fetching.
	LockToken(ctx context.Context, now, until time.Time) (bool, error)
	// SaveToken stores a new token and gives the lock back.
	SaveToken(ctx context.Context, value string, expires time.Time) error
}

// Times of the refresh: a fetch takes well under a second. A worker that waits for the fetch
// of another one looks again after firstLook, and then each time after twice as long.
const (
	lockTime    = 10 * time.Second
	firstLook   = 50 * time.Millisecond
	longestLook = 1600 * time.Millisecond
	// maxLife bounds what a token endpoint may claim: beyond it a Duration would
	// overflow, and the token be over before its first use.
	maxLife = 24 * time.Hour
)

// tokens is the memory cache over the shared token; its mutex makes one worker
// process ask once.
type tokens struct {
	parent  *Client
	mu      sync.Mutex
	value   string
	expires time.Time
}

// get returns a token that is not the stale one ("" for any). The mutex is held
// while another worker fetches: whoever waits here wants the same token, and
// would only ask the table as well. The wait ends with ctx.
func (t *tokens) get(ctx context.Context, pass *limit.Pass, stale string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fresh(t.value, t.expires, stale) {
		return t.value, nil
	}
	for wait := firstLook; ; wait = min(2*wait, longestLook) {
		found, err := t.look(ctx, stale)
		if err != nil {
			return "", err
		}
		if found {
			return t.value, nil
		}
		now := t.parent.Now()
		// A lock that nobody gives back, because its holder crashed, ends by itself.
		mine, err := t.parent.Tokens.LockToken(ctx, now, now.Add(lockTime))
		if err != nil {
			return "", fmt.Errorf("lock shared token: %w", err)
		}
		if mine {
			return t.renew(ctx, pass, stale)
		}
		if err := pause(ctx, wait); err != nil {
			return "", err
		}
	}
}

// look takes the shared token into memory if it may be used.
func (t *tokens) look(ctx context.Context, stale string) (bool, error) {
	value, expires, err := t.parent.Tokens.Token(ctx)
	if err != nil {
		return false, fmt.Errorf("read shared token: %w", err)
	}
	if !t.fresh(value, expires, stale) {
		return false, nil
	}
	t.value, t.expires = value, expires
	return true, nil
}

// renew fetches a token under the lock, unless the lock's last holder saved one
// between our look and our lock; then only the lock is given back.
func (t *tokens) renew(ctx context.Context, pass *limit.Pass, stale string) (string, error) {
	found, err := t.look(ctx, stale)
	if err != nil {
		return "", err
	}
	if !found {
		return t.fetch(ctx, pass)
	}
	if err := t.parent.Tokens.SaveToken(ctx, t.value, t.expires); err != nil {
		return "", fmt.Errorf("give token lock back: %w", err)
	}
	return t.value, nil
}

// fresh reports whether a token may be used.
func (t *tokens) fresh(value string, expires time.Time, stale string) bool {
	return value != "" && value != stale && t.parent.Now().Before(expires)
}

// fetch asks the provider for a token, and stores it. Its end is brought forward
// by a tenth of its life, at most a minute, so that it does not end on the way.
func (t *tokens) fetch(ctx context.Context, pass *limit.Pass) (string, error) {
	known, err := t.credentials(ctx)
	if err != nil {
		return "", err
	}
	// The secret may have been rotated since it was read: without another look, every
	// job would die until the cached one ends. Only a refusal of the current one says
	// that no call can succeed.
	fresh, lookErr := known, error(nil)
	a, status, err := t.ask(ctx, pass, known, func() limit.Verdict {
		if t.parent.Renew == nil {
			return limit.Rejected
		}
		t.parent.Renew()
		if fresh, lookErr = t.credentials(ctx); lookErr == nil && fresh == known {
			return limit.Rejected
		}
		return limit.Throttled
	})
	if lookErr != nil {
		return "", lookErr
	}
	if refused(status) && fresh != known {
		a, _, err = t.ask(ctx, pass, fresh, func() limit.Verdict { return limit.Rejected })
	}
	if err != nil {
		return "", err
	}
	var granted struct {
		Token   string  `json:"access_token"`
		Seconds float64 `json:"expires_in"`
	}
	if err := json.Unmarshal(a.body, &granted); err != nil || granted.Token == "" || granted.Seconds <= 0 {
		return "", job.Errorf(job.ProviderUnavailable, "token endpoint gave no usable token")
	}
	life := time.Duration(min(granted.Seconds, maxLife.Seconds()) * float64(time.Second))
	t.value, t.expires = granted.Token, t.parent.Now().Add(life-min(life/10, time.Minute))
	if err := t.parent.Tokens.SaveToken(ctx, t.value, t.expires); err != nil {
		return "", fmt.Errorf("save shared token: %w", err)
	}
	return t.value, nil
}

// credentials are the client's id and secret.
type credentials struct{ id, secret string }

// credentials reads them.
func (t *tokens) credentials(ctx context.Context) (credentials, error) {
	id, secret, err := t.parent.Secret(ctx)
	if err != nil {
		return credentials{}, fmt.Errorf("read provider secret: %w", err)
	}
	return credentials{id, secret}, nil
}

// ask asks the token endpoint once; refusal says what a refusal means.
func (t *tokens) ask(ctx context.Context, pass *limit.Pass, c credentials, refusal func() limit.Verdict) (answer, int, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.id}, "client_secret": {c.secret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.parent.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, 0, job.Errorf(job.Internal, "build token request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return t.parent.call(pass, limit.TokenFetch, req, func(a answer, status int) (limit.Verdict, error) {
		if status == http.StatusOK {
			return limit.Answered, nil
		}
		err := tokenFault(status, a)
		if refused(status) {
			return refusal(), err
		}
		return verdict(err), err
	})
}

// refused reports whether the endpoint does not know the client.
func refused(status int) bool {
	return status/100 == 4 && status != http.StatusTooManyRequests
}

// tokenFault maps an answer of the token endpoint. A refused client is a wrong
// configuration, which no retry mends.
func tokenFault(status int, a answer) error {
	switch {
	case status == http.StatusTooManyRequests:
		e := job.Errorf(job.ProviderRateLimit, "token endpoint answered 429")
		e.RetryAfter = retryAfter(a.header.Get("Retry-After"))
		return e
	case refused(status):
		return job.Errorf(job.ProviderDenied, "token endpoint refused the client with %d", status)
	default:
		return job.Errorf(job.ProviderUnavailable, "token endpoint answered %d", status)
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return &job.Error{Code: job.ProviderTimeout, Message: "no token in time", Err: ctx.Err()}
	case <-timer.C:
		return nil
	}
}

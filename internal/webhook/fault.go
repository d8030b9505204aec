package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"orbitq/internal/job"
)

// maxRetryAfter is the longest wait that a receiver may ask for.
const maxRetryAfter = time.Hour

// verdict maps an answer; nil for 2xx. Source: specification, "Status codes".
func verdict(host string, resp *http.Response, now time.Time) error {
	status := resp.StatusCode
	if status/100 == 2 {
		return nil
	}
	e := job.Errorf(job.WebhookRefused, "callback to %s answered %d", host, status)
	switch {
	case later(status):
		e.Code, e.RetryAfter = job.WebhookFailed, retryAfter(resp.Header.Get("Retry-After"), now)
	case status/100 == 3:
		// It could lead anywhere, past every check of the URL.
		e.Message += ": redirects are not followed, register the new URL"
	case status == http.StatusGone:
		e.Message += ": the receiver wants no more callbacks"
	}
	return e
}

// later says whether the same request may be answered otherwise another time.
// Outside of 2xx to 4xx are broken servers, which people mend.
func later(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	default:
		return status < 200 || status >= 500
	}
}

// retryAfter reads the header, seconds or an HTTP date, as 0 to 1 h; 0 for none
// and for what is neither.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	seconds, err := strconv.ParseUint(header, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		// Compared before the multiplication, which could overflow.
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// silence maps a callback without an answer. Messages are words of ours: those of
// net/http quote the answer, and an answer may quote the request. What is kept as
// the cause comes from before the request, or from the system.
func silence(host string, err error) error {
	e := job.Errorf(job.WebhookFailed, "callback to %s: connection broke", host)
	say := func(words string, cause error) { e.Message, e.Err = "callback to "+host+": "+words, cause }
	var timeout net.Error
	var untrusted *tls.CertificateVerificationError
	var system syscall.Errno
	switch {
	case errors.Is(err, errNoAddress):
		say("its name leads to no public address", errNoAddress)
	case errors.Is(err, context.Canceled):
		say("given up before it answered", context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		say("no answer in time", context.DeadlineExceeded)
	case errors.As(err, &untrusted):
		say("its certificate is not trusted", untrusted)
	case errors.As(err, &system):
		say(system.Error(), system)
	}
	return e
}

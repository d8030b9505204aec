package copernicus

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// quotaCode is the provider's code for a month without units left.
const quotaCode = "ACCESS_INSUFFICIENT_PROCESSING_UNITS"

// defaultRetryAfter is used when a 429 names no time.
const defaultRetryAfter = 30 * time.Second

// boom is the provider's error object. The rate limiter sends it without the
// wrapper, gateways in front send HTML instead.
type boom struct {
	Error *boom `json:"error"`

	Status  int    `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Code    string `json:"code"`
}

// decodeBoom reads an error body of any of the three shapes.
func decodeBoom(body []byte) boom {
	var b boom
	if err := json.Unmarshal(body, &b); err != nil {
		return boom{Message: "answer is not JSON"}
	}
	if b.Error != nil {
		return *b.Error
	}
	return b
}

// fault maps an answer that is not 2xx; hide takes the token out of what the
// provider says, should it quote it. Source: domain brief 3.7.
func fault(status int, a answer, now time.Time, hide *strings.Replacer) error {
	b := decodeBoom(a.body)
	words := strings.Fields(strconv.Itoa(status) + " " + b.Code + " " + b.Message)
	e := job.Errorf(job.ProviderUnavailable, "provider answered %s", clip(hide.Replace(strings.Join(words, " "))))
	switch {
	// Not the job's fault, both: it waits without losing an attempt.
	case status == http.StatusTooManyRequests:
		e.Code, e.RetryAfter = job.ProviderRateLimit, retryAfter(a.header.Get("Retry-After"))
	case status == http.StatusForbidden && b.Code == quotaCode:
		e.Code, e.RetryAfter = job.ProviderQuota, limit.NextMonth(now).Sub(now)
	// Our credentials are wrong; repeating the call would only lock them out.
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Code = job.ProviderDenied
	case status == http.StatusRequestTimeout:
		e.Code = job.ProviderTimeout
	// The request is wrong, and will be the next time. What is left (5xx, and a
	// redirect, which is not followed) may be better in a moment.
	case status/100 == 4:
		e.Code = job.InvalidRequest
	}
	return e
}

// retryAfter reads the header, which this provider gives in MILLISECONDS: read
// as seconds, "3398" would be 57 minutes. Clamped to 1 s .. 15 min, the longest
// delay of a message.
func retryAfter(header string) time.Duration {
	const most = 15 * time.Minute
	n, err := strconv.ParseInt(strings.TrimSpace(header), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) && n > 0, err == nil && n > most.Milliseconds():
		return most
	case err != nil || n < 0:
		return defaultRetryAfter // none, or an HTTP date as other services send it
	default:
		return max(time.Duration(n)*time.Millisecond, time.Second)
	}
}

// clip keeps a provider's message short enough for a row.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

package copernicus

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"orbitq/internal/job"
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

// fault maps an answer that is not 2xx. Source: domain brief 3.7.
func fault(status int, a answer, now time.Time) error {
	b := decodeBoom(a.body)
	e := job.Errorf(job.ProviderUnavailable, "provider answered %d %s %s", status, b.Code, clip(b.Message))
	switch {
	case status == http.StatusTooManyRequests:
		e.Code, e.RetryAfter = job.ProviderRateLimit, retryAfter(a.header.Get("Retry-After"))
	case status == http.StatusForbidden && b.Code == quotaCode:
		e.Code, e.RetryAfter = job.ProviderQuota, untilNextMonth(now)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Code = job.ProviderDenied
	case status == http.StatusRequestTimeout:
		e.Code = job.ProviderTimeout
	case status/100 == 4:
		e.Code = job.InvalidRequest
	}
	return e
}

// retryAfter reads the header, which this provider gives in MILLISECONDS: read
// as seconds, "3398" would be 57 minutes. Clamped to 1 s .. 15 min.
func retryAfter(header string) time.Duration {
	n, err := strconv.ParseInt(strings.TrimSpace(header), 10, 64)
	if err != nil || n < 0 {
		return defaultRetryAfter
	}
	const most = 15 * time.Minute
	if n > most.Milliseconds() {
		return most
	}
	return max(time.Duration(n)*time.Millisecond, time.Second)
}

// untilNextMonth is how long the provider's monthly allowance stays used up.
func untilNextMonth(now time.Time) time.Duration {
	now = now.UTC()
	return time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC).Sub(now)
}

// clip keeps a provider's message short enough for a row.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

package webhook

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"orbitq/internal/job"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"1", time.Second},
		{" 120 ", 2 * time.Minute},
		{"0120", 2 * time.Minute},
		{"3600", time.Hour},
		{"3601", time.Hour},
		{"9223372037", time.Hour}, // beyond a time.Duration
		{"18446744073709551615", time.Hour},
		{"99999999999999999999999", time.Hour},
		{"-1", 0},
		{"+5", 0},
		{"1.5", 0},
		{"1e3", 0},
		{"NaN", 0},
		{"Inf", 0},
		{"+Inf", 0},
		{"0x10", 0},
		{"1_000", 0},
		{"soon", 0},
		{"Sun, 01 Mar 2026 12:05:00 GMT", 5 * time.Minute},
		{"Sunday, 01-Mar-26 12:05:00 GMT", 5 * time.Minute},
		{"Sun Mar  1 12:05:00 2026", 5 * time.Minute},
		{"Sun, 01 Mar 2026 11:59:59 GMT", 0},
		{"Sun, 01 Mar 2026 13:00:01 GMT", time.Hour},
		{"Fri, 31 Dec 9999 23:59:59 GMT", time.Hour},
		{"Mon, 01 Jan 0001 00:00:00 GMT", 0},
		{"2026-03-01T12:05:00Z", 0},
	} {
		if got := retryAfter(c.in, now()); got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
}

// TestEveryStatusIsJudged: 2xx is delivered, and each other status has one of the two codes, with a wait only where a
// retry will come.
func TestEveryStatusIsJudged(t *testing.T) {
	t.Parallel()
	failed := map[int]bool{408: true, 409: true, 425: true, 429: true}
	for status := range 1000 {
		err := verdict("h.example", &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"60"}}}, now())
		switch {
		case status >= 200 && status < 300:
			if err != nil {
				t.Errorf("%d: got %v", status, err)
			}
		case failed[status], status < 200, status >= 500:
			e := expect(t, err, job.WebhookFailed, "h.example answered "+strconv.Itoa(status))
			if e.RetryAfter != time.Minute || e.Code.Class() != job.Retry {
				t.Errorf("%d: waits %s, class %d", status, e.RetryAfter, e.Code.Class())
			}
		default:
			e := expect(t, err, job.WebhookRefused, "h.example answered "+strconv.Itoa(status))
			if e.RetryAfter != 0 || e.Code.Class() != job.Fatal {
				t.Errorf("%d: waits %s, class %d", status, e.RetryAfter, e.Code.Class())
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	for _, given := range []time.Duration{0, -time.Second} {
		c := New(Config{Timeout: given}).c
		if c.Timeout != 10*time.Second || len(c.Ports) != 2 || c.Ports[0] != 443 || c.Ports[1] != 8443 || c.Resolver == nil || len(c.Allow) != 0 {
			t.Errorf("got %+v", c)
		}
		if off := time.Since(c.Now()); off < -time.Minute || off > time.Minute {
			t.Errorf("the clock is %s off", off)
		}
	}
}

package copernicus_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"orbitq/internal/copernicus"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/local/cdse"
	"orbitq/internal/memstore"
)

// Every signal of the provider and what it means for the job, at both endpoints.
func TestProviderFails(t *testing.T) {
	t.Parallel()
	nextMonth := 31*24*time.Hour - 12*time.Hour // from 1 March, noon
	for _, c := range []struct {
		name  string
		fault cdse.Fault
		code  job.Code
		part  string
		after time.Duration
	}{
		{"bad payload", cdse.Fault{Kind: cdse.FaultBadRequest}, job.InvalidRequest, "400 COMMON_BAD_PAYLOAD", 0},
		{"quota", cdse.Fault{Kind: cdse.FaultQuota}, job.ProviderQuota, "403 ACCESS_INSUFFICIENT_PROCESSING_UNITS", nextMonth},
		{"quota, bare", cdse.Fault{Kind: cdse.FaultQuota, Bare: true}, job.ProviderQuota, "403", nextMonth},
		{"forbidden", cdse.Fault{Kind: cdse.FaultForbidden}, job.ProviderDenied, "403", 0},
		{"rate limit", cdse.Fault{Kind: cdse.FaultRateLimit, RetryAfterMS: 3398}, job.ProviderRateLimit, "429 RATE_LIMIT_EXCEEDED", 3398 * time.Millisecond},
		{"rate limit, bare", cdse.Fault{Kind: cdse.FaultRateLimit, RetryAfterMS: 3398, Bare: true}, job.ProviderRateLimit, "RATE_LIMIT_EXCEEDED", 3398 * time.Millisecond},
		{"rate limit without a time", cdse.Fault{Kind: cdse.FaultRateLimit}, job.ProviderRateLimit, "429", 30 * time.Second},
		{"rate limit for an hour", cdse.Fault{Kind: cdse.FaultRateLimit, RetryAfterMS: 3_600_000}, job.ProviderRateLimit, "429", 15 * time.Minute},
		{"rate limit for a moment", cdse.Fault{Kind: cdse.FaultRateLimit, RetryAfterMS: 1}, job.ProviderRateLimit, "429", time.Second},
		{"internal", cdse.Fault{Kind: cdse.FaultInternal}, job.ProviderUnavailable, "500", 0},
		{"internal, bare", cdse.Fault{Kind: cdse.FaultInternal, Bare: true}, job.ProviderUnavailable, "500", 0},
		{"unavailable", cdse.Fault{Kind: cdse.FaultUnavailable}, job.ProviderUnavailable, "503", 0},
		{"page of a gateway", cdse.Fault{Kind: cdse.FaultHTML}, job.ProviderUnavailable, "502 answer is not JSON", 0},
		{"reset", cdse.Fault{Kind: cdse.FaultReset}, job.ProviderUnavailable, "connection reset", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, time.Hour)
			client := b.client(b.table)
			ask(t, client) // the token is there
			b.fault(t, c.fault)
			_, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
			if e := expect(t, err, c.code, c.part); e.RetryAfter != c.after {
				t.Errorf("retry after %s, want %s", e.RetryAfter, c.after)
			}
			_, err = client.Seen(t.Context(), &limit.Pass{}, somewhere(t), week())
			if e := expect(t, err, c.code, c.part); e.RetryAfter != c.after {
				t.Errorf("catalog: retry after %s, want %s", e.RetryAfter, c.after)
			}
			// One call per question: whoever is throttled must not ask twice.
			b.calls(t, 1, 2, 1)
			b.fault(t)
			ask(t, client)
		})
	}
}

// What the job does with it is decided by the code's class; a wrong class would lose a job or repeat it for ever.
func TestClassOfEveryFailure(t *testing.T) {
	t.Parallel()
	fatal, release, again := job.InvalidRequest.Class(), job.ProviderRateLimit.Class(), job.ProviderUnavailable.Class()
	for status, want := range map[int]job.Class{
		400: fatal, 403: fatal, 404: fatal, 405: fatal, 413: fatal, 422: fatal, 429: release,
		408: again, 500: again, 501: again, 502: again, 503: again, 504: again, 302: again, 304: again,
	} {
		_, err := scripted(t, saying(status, "")).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
		if got := job.CodeOf(err).Class(); err == nil || got != want {
			t.Errorf("%d: %v has class %d, want %d", status, err, got, want)
		}
	}
	if fatal == release || fatal == again || release == again {
		t.Error("the classes do not differ")
	}
}

func TestRetryAfterIsInMilliseconds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header string
		want   time.Duration
	}{
		{"3398", 3398 * time.Millisecond},
		{" 3398 ", 3398 * time.Millisecond},
		{"0", time.Second},
		{"999", time.Second},
		{"1001", 1001 * time.Millisecond},
		{"900000", 15 * time.Minute},
		{"900001", 15 * time.Minute},
		{"9223372036854775807", 15 * time.Minute},
		{strings.Repeat("9", 400), 15 * time.Minute},
		{"", 30 * time.Second},
		{"-1", 30 * time.Second},
		{"-" + strings.Repeat("9", 400), 30 * time.Second},
		{"1.5", 30 * time.Second},
		{"soon", 30 * time.Second},
		{"Wed, 21 Oct 2026 07:28:00 GMT", 30 * time.Second},
	} {
		client := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", c.header)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
		if e := expect(t, err, job.ProviderRateLimit, "429"); e.RetryAfter != c.want {
			t.Errorf("%.40q waits %s, want %s", c.header, e.RetryAfter, c.want)
		}
	}
}

// hang waits until the client has gone; a server learns of that only after it has read the body.
func hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// Silence is told from a broken connection, wherever it sets in: before the answer, or in the middle of it.
func TestSlowProvider(t *testing.T) {
	t.Parallel()
	silent := func(_ http.ResponseWriter, r *http.Request) { hang(r) }
	halfway := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"status":"OK",`))
		_ = http.NewResponseController(w).Flush()
		hang(r)
	}
	for name, handler := range map[string]http.HandlerFunc{"before the answer": silent, "within the answer": halfway} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := scripted(t, handler)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := client.Statistics(ctx, &limit.Pass{}, somewhere(t), week())
			expect(t, err, job.ProviderTimeout, "did not answer in time")
			// The client's own limit holds when nobody set a deadline.
			client.HTTP.Timeout = 50 * time.Millisecond
			_, err = client.Seen(t.Context(), &limit.Pass{}, somewhere(t), week())
			expect(t, err, job.ProviderTimeout, "did not answer in time")
		})
	}
}

func TestSlowButInTime(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	b.fault(t, cdse.Fault{Kind: cdse.FaultSlow, DelayMS: 100})
	ask(t, b.client(b.table))
	b.calls(t, 1, 1, 0)
}

// The function is told to stop: that is neither a silent provider nor a wrong request.
func TestCancelledCall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	client := scripted(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); hang(r) })
	_, err := client.Statistics(ctx, &limit.Pass{}, somewhere(t), week())
	expect(t, err, job.ProviderUnavailable, "context canceled")
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(nil)
	web.Close()
	client := copernicus.New(copernicus.Config{
		HTTP: &http.Client{}, APIURL: web.URL, TokenURL: web.URL, Secret: secret, Tokens: memstore.New(job.DefaultTiming()), Gate: open{}, Now: time.Now,
	})
	_, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	expect(t, err, job.ProviderUnavailable, "connection refused")
}

// The provider, or whoever stands in front of it, sends everything back that it got: in a field, a header, a page.
func TestProviderQuotesTheToken(t *testing.T) {
	t.Parallel()
	quote := func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") }
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"message": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":{"status":400,"message":"bad token ` + quote(r) + `","code":"` + quote(r) + `"}}`))
		},
		"message across the end of what is kept": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"message":"` + strings.Repeat("x", 180) + quote(r) + `"}`))
		},
		"refusal": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"error":{"message":"` + quote(r) + `"}}`))
		},
		"page": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>" + quote(r)))
		},
		"answer": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(quote(r))) },
		"location": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/"+quote(r))
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"reset": func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := scripted(t, answer)
			_, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
			if err == nil {
				t.Fatal("no error")
			}
			discreet(t, err)
			if strings.Contains(err.Error(), plantedToken[:8]) {
				t.Errorf("%v tells the beginning of the token", err)
			}
			_, err = client.Seen(t.Context(), &limit.Pass{}, somewhere(t), week())
			discreet(t, err)
		})
	}
}

// Neither the token nor the client secret may follow a redirect to another host.
func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := 0
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	t.Cleanup(thief.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		web := httptest.NewServer(http.RedirectHandler(thief.URL, status))
		t.Cleanup(web.Close)
		table := memstore.New(job.DefaultTiming())
		config := copernicus.Config{HTTP: web.Client(), APIURL: web.URL, TokenURL: web.URL, Secret: secret, Tokens: table, Gate: open{}, Now: time.Now}
		_, err := copernicus.New(config).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
		expect(t, err, job.ProviderUnavailable, "token endpoint answered 3")
		if err := table.SaveToken(t.Context(), plantedToken, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		_, err = copernicus.New(config).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
		expect(t, err, job.ProviderUnavailable, "provider answered 3")
	}
	if elsewhere != 0 {
		t.Errorf("another host was called %d times", elsewhere)
	}
}

// Answers that do not end are cut off, packed ones after they were unpacked.
func TestTooLongAnswers(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	for range 64 {
		if _, err := zip.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"plain": saying(http.StatusOK, strings.Repeat(" ", 4<<20+1)),
		"packed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		},
		"error": saying(http.StatusBadRequest, strings.Repeat("x", 5<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scripted(t, answer).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
			expect(t, err, job.ProviderUnavailable, "answer is longer than 4194304 bytes")
		})
	}
}

// An allowance ends with the month, also in December and on the last day.
func TestQuotaLastsUntilNextMonth(t *testing.T) {
	t.Parallel()
	for now, want := range map[string]time.Duration{
		"2026-12-31T23:59:59Z": time.Second, "2028-02-01T00:00:00Z": 29 * 24 * time.Hour, "2026-04-01T01:00:00+02:00": time.Hour,
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		client := scripted(t, saying(http.StatusForbidden, `{"error":{"code":"ACCESS_INSUFFICIENT_PROCESSING_UNITS"}}`))
		client.Now = func() time.Time { return at }
		_, err = client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
		if e := expect(t, err, job.ProviderQuota, "403"); e.RetryAfter != want {
			t.Errorf("%s: waits %s, want %s", now, e.RetryAfter, want)
		}
	}
}

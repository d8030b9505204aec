package lambdart

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// BenchmarkWarmInvoke compares a warm invocation with one bare HTTP POST over loopback, measured in the same run.
func BenchmarkWarmInvoke(b *testing.B) {
	f := start(b, Config{Timeout: time.Minute})
	payload := request{Do: "echo", Text: "x"}.json(b)
	post := barePost(b, payload)
	invoke := func() {
		if res, err := f.Invoke(b.Context(), payload, InvokeOptions{}); err != nil || res.FunctionError != "" {
			b.Fatal(err, res.FunctionError)
		}
	}
	for range 200 {
		invoke()
		post()
	}
	var invoked, posted time.Duration
	for b.Loop() {
		t0 := time.Now()
		invoke()
		t1 := time.Now()
		post()
		invoked += t1.Sub(t0)
		posted += time.Since(t1)
	}
	n := time.Duration(b.N)
	b.ReportMetric(float64((invoked / n).Nanoseconds()), "ns/invoke")
	b.ReportMetric(float64((posted / n).Nanoseconds()), "ns/post")
	b.ReportMetric(float64(invoked)/float64(posted), "ratio")
}

// barePost returns a function that posts the payload to an echoing server.
func barePost(b *testing.B, payload []byte) func() {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	b.Cleanup(server.Close)
	return func() {
		res, err := server.Client().Post(server.URL, "application/json", bytes.NewReader(payload))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}

func BenchmarkColdStart(b *testing.B) {
	payload := request{Do: "echo"}.json(b)
	for b.Loop() {
		f := start(b, Config{Timeout: time.Minute})
		if _, err := f.Invoke(b.Context(), payload, InvokeOptions{}); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

package cdse_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"orbitq/internal/local/cdse"
)

func readerOf(text string) io.Reader { return strings.NewReader(text) }

func TestListenAndServe(t *testing.T) {
	t.Parallel()
	server, err := cdse.New(cdse.Config{ClientID: "a", ClientSecret: "b"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- cdse.ListenAndServe(ctx, "127.0.0.1:0", server, func(url string) { ready <- url }) }()
	url := <-ready
	s := &service{url: url, http: &http.Client{Transport: &http.Transport{}}}
	if res := s.call(t, http.MethodGet, cdse.HealthPath, "", ""); res.status != 200 {
		t.Errorf("health at %s: %d", url, res.status)
	}
	taken := cdse.ListenAndServe(ctx, strings.TrimPrefix(url, "http://"), server, func(string) { t.Error("a taken port is ready") })
	if taken == nil || !strings.Contains(taken.Error(), "listen on") {
		t.Errorf("a taken port gives %v", taken)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not stop")
	}
	if _, err := s.try(t.Context(), http.MethodGet, cdse.HealthPath, "", ""); err == nil {
		t.Error("still answers after the stop")
	}
}

// TestStopCutsHangingAnswers stops while an answer is delayed for longer than anybody waits.
func TestStopCutsHangingAnswers(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	clock := func() time.Time { entered <- struct{}{}; return time.Now() } // read first of all by every call
	server, err := cdse.New(cdse.Config{ClientID: "a", ClientSecret: "b", Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SetFaults(cdse.Fault{Kind: cdse.FaultSlow, DelayMS: 600_000}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready, done, broken := make(chan string, 1), make(chan error, 1), make(chan error, 1)
	go func() { done <- cdse.ListenAndServe(ctx, "127.0.0.1:0", server, func(url string) { ready <- url }) }()
	s := &service{url: <-ready, http: &http.Client{Transport: &http.Transport{}}}
	go func() {
		_, err := s.try(t.Context(), http.MethodPost, cdse.StatisticsPath, "application/json", "{}")
		broken <- err
	}()
	<-entered
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := <-broken; err == nil {
		t.Error("the hanging call got an answer")
	}
}

package stack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"orbitq/internal/local/stack"
)

// started runs a stack of its own for one test.
func started(t *testing.T, change func(*stack.Options)) *stack.Stack {
	t.Helper()

	opts := stack.Options{Data: t.TempDir(), Speed: 10, Say: func(line string) { t.Log(line) }}
	if change != nil {
		change(&opts)
	}

	began := time.Now()

	s, err := stack.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}

	t.Logf("started in %v", time.Since(began))
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})

	return s
}

func request(t *testing.T, s *stack.Stack, method, path, body string) (int, map[string]any) {
	t.Helper()

	token, err := s.Token(stack.Token{User: "demo", Tier: "enterprise", Scopes: []string{"orbitq/read", "orbitq/write"}, Expires: time.Hour})
	if err != nil {
		t.Fatal(err)
	}

	req, err := http.NewRequestWithContext(t.Context(), method, s.State().APIURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")

	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}

	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s %s: status %d: %s", method, path, res.StatusCode, text)
	}

	return res.StatusCode, out
}

func TestOneJobEndToEnd(t *testing.T) {
	t.Parallel()

	s := started(t, nil)

	status, made := request(t, s, http.MethodPost, "/v1/data-points", `{"latitude":28.3,"longitude":-16.5,"value":1,"collected_at":"2020-02-19T12:00:00Z"}`)
	if status != http.StatusCreated {
		t.Fatalf("status %d: %v", status, made)
	}

	id := made["job_id"].(string)
	deadline := time.Now().Add(30 * time.Second)

	for {
		_, job := request(t, s, http.MethodGet, "/v1/jobs/"+id, "")
		if state := job["state"]; state == "succeeded" || state == "skipped" || state == "dead" {
			t.Logf("job: %v", job)

			break
		}

		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(stack.LogFolder(s.State().Data), "enrich.log"))
			t.Fatalf("job never ended: %v\n%s", job, log)
		}

		time.Sleep(20 * time.Millisecond)
	}

	t.Logf("counters: %+v", s.Counters())
}

func TestBrokenEngineEndsTheStack(t *testing.T) {
	t.Parallel()

	s := started(t, nil)
	pid := s.State().PIDs["queues"]

	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	select {
	case err := <-s.Done():
		if !strings.Contains(err.Error(), "queues engine ended") {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed")
	}
}

func TestStateFileLivesAsLongAsTheStack(t *testing.T) {
	t.Parallel()

	data := t.TempDir()
	s := started(t, func(o *stack.Options) { o.Data = data })

	got, err := stack.Read(data)
	if err != nil || got.APIURL != s.State().APIURL || got.Queues["satellite-dlq"] == "" || got.Table == "" {
		t.Errorf("got %+v, %v", got, err)
	}

	if _, err := stack.Start(t.Context(), stack.Options{Data: data}); err == nil || !strings.Contains(err.Error(), "running already") {
		t.Errorf("second start: got %v", err)
	}

	if err := s.Stop(); err != nil {
		t.Error(err)
	}

	if _, err := stack.Read(data); !errors.Is(err, stack.ErrNotRunning) {
		t.Errorf("after stop: got %v", err)
	}

	if entries, _ := filepath.Glob(filepath.Join(data, "state.json*")); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}

	// What a killed stack leaves is not believed.
	if err := os.WriteFile(filepath.Join(data, "state.json"), bytes.Repeat([]byte("{"), 3), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := stack.Read(data); !errors.Is(err, stack.ErrNotRunning) {
		t.Errorf("stale state: got %v", err)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"orbitq/internal/local/engines"
	"orbitq/internal/local/issuer"
	"orbitq/internal/local/stack"
)

// api answers every request with an empty usage, and notes who asked.
func api(t *testing.T) (url string, asked chan string) {
	t.Helper()
	asked = make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"tier":"free"}`)) // the client would say so
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// exampleState is a stack as others see it.
func exampleState(data string) stack.State {
	return stack.State{
		APIURL: "http://127.0.0.1:8080", AWSURL: "http://127.0.0.1:8081", CopernicusURL: "http://127.0.0.1:8082", Region: "eu-central-1",
		Queues: map[string]string{"satellite": "u1", "satellite-high": "u2", "satellite-low": "u3", "satellite-dlq": "u4"},
		Table:  "orbitq", PIDs: map[string]int{"stack": 4711}, Issuer: "http://127.0.0.1:8080/issuer", Audience: "orbitq", Data: data, StartedAt: at(0),
	}
}

// standIn makes a data folder look as if a stack ran there, until the test ends.
func standIn(t *testing.T, url string) string {
	t.Helper()
	data := t.TempDir()
	state := exampleState(data)
	state.APIURL = url
	text, err := json.Marshal(state)
	if err := errors.Join(err, os.WriteFile(filepath.Join(data, "state.json"), text, 0o600)); err != nil {
		t.Fatalf("write state: %v", err)
	}
	release, err := engines.TryLock(filepath.Join(data, "lock"))
	if err != nil {
		t.Fatalf("lock: %v", err)
	}
	t.Cleanup(release)
	return data
}

// TestWhereTheAPIIsFound is about the environment of this process, so it cannot run
// beside others.
func TestWhereTheAPIIsFound(t *testing.T) {
	byFlag, flagAsked := api(t)
	byVariable, variableAsked := api(t)
	running, stackAsked := api(t)
	data := standIn(t, running)
	for _, c := range []struct {
		name          string
		args          []string
		url, variable string
		asked         chan string
		want          string // "stack": a token of the stack's own
	}{
		{"flags before all", []string{"--api-url", byFlag, "--token", "f", "--data", data}, byVariable, "v", flagAsked, "Bearer f"},
		{"a flag and a variable", []string{"--api-url", byFlag, "--data", data}, byVariable, "v", flagAsked, "Bearer v"},
		{"the environment before the stack", []string{"--data", data}, byVariable, "v", variableAsked, "Bearer v"},
		{"a token for somebody else is not made", []string{"--data", data}, byVariable, "", variableAsked, ""},
		{"the stack with a token of its own", []string{"--data", data}, "", "", stackAsked, "stack"},
		{"the stack with a token of mine", []string{"--data", data}, "", "v", stackAsked, "Bearer v"},
		{"the stack as somebody", []string{"--data", data, "--token", "f"}, "", "v", stackAsked, "Bearer f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("ORBITQ_API_URL", c.url)
			t.Setenv("ORBITQ_TOKEN", c.variable)
			if code, _, errOut := here(append([]string{"usage"}, c.args...)...); code != exitOK {
				t.Fatalf("exit code %d: %s", code, errOut)
			}
			select {
			case got := <-c.asked:
				if minted := strings.Count(got, ".") == 2; minted != (c.want == "stack") || !minted && got != c.want {
					t.Errorf("asked with %q, want %q", got, c.want)
				}
			default:
				t.Error("another API was asked")
			}
		})
	}
}

func TestStatusOfAStack(t *testing.T) {
	t.Parallel()
	data := standIn(t, "http://127.0.0.1:8080")
	code, out, errOut := here("local", "status", "-o", "json", "--data", data)
	var got status
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOK || errOut != "" {
		t.Fatalf("exit code %d, %v, %s", code, err, errOut)
	}
	// The key is the stack's own, so that its gateway accepts the token.
	if _, err := issuer.New(issuer.Config{URL: got.Issuer, Dir: data}); err != nil || strings.Count(got.Token, ".") != 2 {
		t.Errorf("token %q, %v", got.Token, err)
	}
	if got.APIURL != "http://127.0.0.1:8080" || len(got.Queues) != 4 || got.PIDs["stack"] != 4711 {
		t.Errorf("got %+v", got.State)
	}
	var text bytes.Buffer
	if err := describe(&text, exampleState("/data")); err != nil {
		t.Fatalf("describe: %v", err)
	}
	golden(t, "local_status", text.Bytes())
	if err := describe(full{}, exampleState("/data")); err == nil {
		t.Error("a full disk is no error")
	}
}

func TestDetachInAllItsSpellings(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"--detach": true, "-d": true, "--detach=true": true, "--detach=false": false, "--data": false, "detach": false, "": false,
	} {
		if got := isDetach(in); got != want {
			t.Errorf("isDetach(%q) = %v", in, got)
		}
	}
}

func TestSecondStackIsRefusedBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	data := standIn(t, "http://127.0.0.1:8080")
	code, _, errOut := here("local", "up", "--detach", "--data", data)
	if code != exitFailed || !strings.Contains(errOut, "running already in "+data+" (process 4711)") {
		t.Errorf("exit code %d: %s", code, errOut)
	}
	if _, err := os.Stat(filepath.Join(data, "logs")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was started: %v", err)
	}
}

func TestFollowCopiesWhatIsNew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	var out bytes.Buffer
	more := follow(path, &out)
	more() // no file yet
	text := ""
	for _, c := range []struct{ added, want string }{{"one\n", "one\n"}, {"", ""}, {"two\nthr", "two\nthr"}, {"ee\n", "ee\n"}} {
		text += c.added
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
		out.Reset()
		if more(); out.String() != c.want {
			t.Errorf("got %q, want %q", &out, c.want)
		}
	}
}

// TestAwaitReadyEndsWithItsChild: the child that dies is reported, and the one that is
// not wanted any more is asked to end and waited for.
func TestAwaitReadyEndsWithItsChild(t *testing.T) {
	t.Parallel()
	looked := 0
	start := func(name string, args ...string) *exec.Cmd {
		child := exec.CommandContext(t.Context(), name, args...)
		if err := child.Start(); err != nil {
			t.Fatalf("start: %v", err)
		}
		return child
	}
	_, err := awaitReady(t.Context(), start("false"), t.TempDir(), func() { looked++ })
	if err == nil || err.Error() != "the local stack did not start (exit status 1)" || looked < 2 {
		t.Errorf("looked %d times: %v", looked, err)
	}

	child := start("sleep", "600")
	ctx, cancel := limited(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = awaitReady(ctx, child, t.TempDir(), func() {})
	ended, ok := child.ProcessState.Sys().(syscall.WaitStatus)
	if err == nil || !strings.HasPrefix(err.Error(), "start local stack: ") || !ok || ended.Signal() != syscall.SIGTERM {
		t.Errorf("child %v: %v", child.ProcessState, err)
	}
}

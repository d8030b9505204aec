package engines_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"orbitq/internal/local/engines"
	"orbitq/internal/local/enginestest"
)

const machineRole = "arn:aws:iam::000000000000:role/machine"

// standIn answers what state machines ask of the gateway: Lambda by what the payload says, and one list in S3.
type standIn struct {
	*httptest.Server

	mu      sync.Mutex
	signers map[string]bool
	healed  bool
	busy    int
	busiest int
}

// newStandIn listens on a port of its own.
func newStandIn(t *testing.T) *standIn {
	t.Helper()

	g := &standIn{signers: map[string]bool{}}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)

	return g
}

// ServeHTTP implements http.Handler.
func (g *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.enter(r)
	defer g.leave()

	w.Header().Set("X-Amzn-Requestid", "id")

	if strings.HasPrefix(r.URL.Path, "/lists/") {
		if r.URL.Path == "/lists/none" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>")

			return
		}

		fmt.Fprint(w, `[["good"],["bad"],["good"],["good"]]`)

		return
	}

	var in struct {
		Do  string   `json:"do"`
		IDs []string `json:"ids"`
	}

	_ = json.NewDecoder(r.Body).Decode(&in) // a bare item is no object

	switch {
	case in.Do == "denied":
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"message":"not authorized"}`)
	case in.Do == "throttled":
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"message":"Rate Exceeded"}`)
	case in.Do == "cut":
		panic(http.ErrAbortHandler)
	case in.Do == "failed" || in.Do == "once" && !g.healthy() || len(in.IDs) == 1 && in.IDs[0] == "bad":
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		fmt.Fprint(w, `{"errorType":"Job.Busy","errorMessage":"busy"}`)
	case in.Do == "nap":
		timer := time.NewTimer(50 * time.Millisecond) // work that takes a while, so that calls overlap
		<-timer.C
		fmt.Fprint(w, `"rested"`)
	default:
		fmt.Fprint(w, `"done"`)
	}
}

// enter notes who calls and how many do at once.
func (g *standIn) enter(r *http.Request) {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(rest, "/")

	g.mu.Lock()
	defer g.mu.Unlock()

	g.signers[key] = true
	g.busy++
	g.busiest = max(g.busiest, g.busy)
}

// heal lets succeed what fails only once.
func (g *standIn) heal() {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.healed = true
}

func (g *standIn) healthy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.healed
}

func (g *standIn) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.busy--
}

// port is where the stand-in listens.
func (g *standIn) port() string { return g.Listener.Addr().(*net.TCPAddr).AddrPort().String() }

// interpreter is an engine that runs state machines, ours or moto as it comes.
type interpreter struct {
	url  string
	http *http.Client // of its own: another stand-in that closes would break off calls of the default one
}

func newInterpreter(url string) interpreter {
	return interpreter{url, &http.Client{Transport: &http.Transport{}}}
}

// states starts the engine as the stack does.
func states(t *testing.T, g *standIn) interpreter {
	t.Helper()

	return started(t, statesConfig(t, g))
}

// started runs the engine until the end of the test.
func started(t *testing.T, cfg engines.Config) interpreter {
	t.Helper()

	e, err := engines.States(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})

	return newInterpreter(e.URL)
}

func statesConfig(t *testing.T, g *standIn) engines.Config {
	t.Helper()

	cfg := installed(t)
	cfg.Public = g.port()
	cfg.Script = filepath.Join(filepath.Dir(filepath.Dir(cfg.Tools)), "local", "states.py")

	return cfg
}

// plain starts moto's server without our launcher.
func plain(t *testing.T, g *standIn) interpreter {
	t.Helper()

	root, err := enginestest.Root()
	if err != nil {
		t.Fatal(err)
	}

	python, err := enginestest.Installer(root).States()
	if err != nil {
		t.Fatal(err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	_, gateway, _ := strings.Cut(g.port(), ":")
	cmd := exec.CommandContext(t.Context(), python, "-m", "moto.server", "-p", port)
	cmd.Env = append(os.Environ(), "MOTO_PORT="+gateway, "MOTO_ACCOUNT_ID=000000000000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = cmd.Wait() })

	i := newInterpreter("http://127.0.0.1:" + port)
	eventually(t, "plain moto answers", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.url+"/moto-api/config", strings.NewReader(`{"stepfunctions":{"execute_state_machine":true}}`))
		if err != nil {
			t.Fatal(err)
		}

		res, err := i.http.Do(req)
		if err != nil {
			return false
		}

		return res.Body.Close() == nil && res.StatusCode == http.StatusCreated
	})

	return i
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()

	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// call asks Step Functions.
func (i interpreter) call(ctx context.Context, operation string, in map[string]any) (int, map[string]any, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, nil, err
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, strings.NewReader(string(body)))
	if err != nil {
		return 0, nil, err
	}

	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AWSStepFunctions."+operation)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/states/aws4_request, SignedHeaders=host, Signature=none")

	res, err := i.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()

	out := map[string]any{}

	return res.StatusCode, out, json.NewDecoder(res.Body).Decode(&out)
}

// must is call for what has to succeed.
func (i interpreter) must(t *testing.T, operation string, in map[string]any) map[string]any {
	t.Helper()

	status, out, err := i.call(t.Context(), operation, in)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %v %v", operation, status, out, err)
	}

	return out
}

// machine makes a machine and returns its ARN.
func (i interpreter) machine(t *testing.T, definition string) string {
	t.Helper()

	arn, ok := i.must(t, "CreateStateMachine", map[string]any{"name": "m", "definition": definition, "roleArn": machineRole})["stateMachineArn"].(string)
	if !ok {
		t.Fatal("no ARN")
	}

	return arn
}

// start starts an execution and returns its ARN.
func (i interpreter) start(t *testing.T, machine, input string) string {
	t.Helper()

	return i.must(t, "StartExecution", map[string]any{"stateMachineArn": machine, "name": "x", "input": input})["executionArn"].(string)
}

// end waits for the end of an execution and describes it.
func (i interpreter) end(t *testing.T, execution string) (out map[string]any) {
	t.Helper()

	eventually(t, execution+" ends", func() bool {
		out = i.must(t, "DescribeExecution", map[string]any{"executionArn": execution})

		return out["status"] != "RUNNING"
	})

	return out
}

func TestStatesAnswer(t *testing.T) {
	t.Parallel()

	g, began := newStandIn(t), time.Now()
	i := states(t, g)
	t.Logf("started in %v", time.Since(began))

	out := i.end(t, i.start(t, i.machine(t, task), `{"do":"it"}`))
	if out["status"] != "SUCCEEDED" || out["output"] != `"done"` || out["stopDate"] == nil {
		t.Errorf("got %v", out)
	}

	if !g.signers["role-machine"] || len(g.signers) != 1 {
		t.Errorf("signed by %v", g.signers)
	}
}

func TestStatesDieAndSaySo(t *testing.T) {
	t.Parallel()

	e, err := engines.States(t.Context(), statesConfig(t, newStandIn(t)))
	if err != nil {
		t.Fatal(err)
	}

	if err := syscall.Kill(e.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	if err := <-e.Done(); err == nil || !strings.Contains(err.Error(), "states engine ended: signal: killed") {
		t.Errorf("got %v", err)
	}
}

func TestStatesNeedAGateway(t *testing.T) {
	t.Parallel()

	cfg := installed(t)
	if _, err := engines.States(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "gateway's address") {
		t.Errorf("got %v", err)
	}

	if _, err := engines.States(t.Context(), engines.Config{Tools: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "moto is not installed") {
		t.Errorf("got %v", err)
	}
}

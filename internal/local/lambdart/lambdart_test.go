package lambdart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bootstrap is the binary of testdata/bootstrap, built once.
var bootstrap string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if binary := os.Getenv("LAMBDART_ORPHAN"); binary != "" {
		return orphan(binary)
	}
	dir, err := os.MkdirTemp("", "lambdart")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bootstrap = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./testdata/bootstrap")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build bootstrap: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// request and response are the words of the test function.
type request struct {
	Do   string `json:"do"`
	MS   int    `json:"ms,omitempty"`
	Text string `json:"text,omitempty"`
}

type response struct {
	PID        int    `json:"pid"`
	Child      int    `json:"child"`
	Text       string `json:"text"`
	RequestID  string `json:"request_id"`
	ARN        string `json:"arn"`
	Trace      string `json:"trace"`
	Client     string `json:"client"`
	DeadlineIn int64  `json:"deadline_in_ms"`
	Env        []string
	Dir        string
}

func (r request) json(tb testing.TB) []byte {
	tb.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// start makes a function that is closed with the test.
func start(tb testing.TB, cfg Config) *Function {
	tb.Helper()
	cfg.Name, cfg.Binary = "probe", bootstrap
	f, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		pids := f.PIDs()
		f.Close()
		for _, pid := range pids {
			if alive(pid) {
				tb.Errorf("process %d outlived Close", pid)
			}
		}
	})
	return f
}

// do invokes the function, which must not fail.
func do(tb testing.TB, f *Function, r request) (response, Result) {
	tb.Helper()
	res, err := f.Invoke(tb.Context(), r.json(tb), InvokeOptions{})
	if err != nil || res.FunctionError != "" {
		tb.Fatalf("%+v: %v %s", r, err, res.Payload)
	}
	var out response
	if err := json.Unmarshal(res.Payload, &out); err != nil {
		tb.Fatalf("%s: %v", res.Payload, err)
	}
	return out, res
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// until waits for a condition, at most ten seconds.
func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for: %s", what)
		}
	}
}

// logBuffer collects a log.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestWarmStartsReuseTheEnvironment(t *testing.T) {
	t.Parallel()
	f := start(t, Config{})
	first, cold := do(t, f, request{Do: "echo", Text: "a"})
	second, warm := do(t, f, request{Do: "echo", Text: "b"})
	if first.PID != second.PID || second.Text != "b" {
		t.Errorf("processes %d and %d, text %q", first.PID, second.PID, second.Text)
	}
	if cold.Init <= 0 || warm.Init != 0 {
		t.Errorf("init %v cold, %v warm", cold.Init, warm.Init)
	}
	if want := (cold.Init + cold.Duration).Milliseconds(); cold.BilledMS < want || cold.BilledMS > want+1 {
		t.Errorf("billed %d ms for %v + %v", cold.BilledMS, cold.Init, cold.Duration)
	}
	if first.RequestID != cold.RequestID || first.RequestID == second.RequestID {
		t.Errorf("request ids %s, %s", first.RequestID, second.RequestID)
	}
}

func TestInvocationCarriesWhatLambdaSays(t *testing.T) {
	t.Parallel()
	f := start(t, Config{Timeout: 7 * time.Second, Region: "eu-west-3", MemoryMB: 256, Env: map[string]string{"ORBITQ_X": "y", "AWS_ACCESS_KEY_ID": "role"}})
	res, err := f.Invoke(t.Context(), request{Do: "env"}.json(t), InvokeOptions{
		RequestID: "r-1", TraceID: "Root=1-2-3", ClientContext: `{"client":{"app_title":"cli"}}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out response
	if err := json.Unmarshal(res.Payload, &out); err != nil {
		t.Fatal(err)
	}
	if out.RequestID != "r-1" || out.Trace != "Root=1-2-3" || out.Client != "cli" || res.RequestID != "r-1" {
		t.Errorf("got %+v", out)
	}
	if out.ARN != "arn:aws:lambda:eu-west-3:000000000000:function:probe" {
		t.Errorf("arn %s", out.ARN)
	}
	if out.DeadlineIn < 5000 || out.DeadlineIn > 7000 {
		t.Errorf("deadline in %d ms", out.DeadlineIn)
	}
	for _, want := range []string{
		"AWS_LAMBDA_FUNCTION_NAME=probe", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_REGION=eu-west-3",
		"ORBITQ_X=y", "AWS_ACCESS_KEY_ID=role", "LAMBDA_TASK_ROOT=" + filepath.Dir(bootstrap), "_HANDLER=bootstrap", "TZ=:UTC",
	} {
		if !slices.Contains(out.Env, want) {
			t.Errorf("no %s in %q", want, out.Env)
		}
	}
	if out.Dir != filepath.Dir(bootstrap) || slices.ContainsFunc(out.Env, func(e string) bool { return strings.HasPrefix(e, "HOME=") }) {
		t.Errorf("the host shows through: %s %q", out.Dir, out.Env)
	}
}

func TestFunctionErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		cfg          Config
		request      request
		kind, reason string
		survives     bool
	}{
		{"error", Config{}, request{Do: "error", Text: "no luck"}, "errorString", "no luck", true},
		{"panic", Config{}, request{Do: "panic", Text: "oh"}, "string", "oh", false},
		{"exit", Config{}, request{Do: "exit", MS: 4}, "Runtime.ExitError", "RequestId: ID Error: Runtime exited with error: exit status 4", false},
		{"exit 0", Config{}, request{Do: "exit"}, "Runtime.ExitError", "RequestId: ID Error: Runtime exited without providing a reason", false},
		{"timeout", Config{Timeout: 250 * time.Millisecond}, request{Do: "sleep", MS: 60_000}, "Sandbox.Timedout", "RequestId: ID Error: Task timed out after 0.25 seconds", false},
		{"too large", Config{}, request{Do: "large", MS: MaxPayload + 1}, "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes).", false},
		{"init exit", Config{Env: map[string]string{"INIT": "exit"}}, request{}, "Runtime.ExitError", "RequestId: ID Error: Runtime exited with error: exit status 3", false},
		{"init error", Config{Env: map[string]string{"INIT": "error"}}, request{}, "Runtime.BadConfig", "no table", false},
		{"init hangs", Config{Env: map[string]string{"INIT": "hang"}, InitTimeout: 200 * time.Millisecond}, request{}, "Sandbox.Timedout", "RequestId: ID Error: Task timed out after 0.20 seconds", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, c.cfg)
			res, err := f.Invoke(t.Context(), c.request.json(t), InvokeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var doc struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal(res.Payload, &doc); err != nil {
				t.Fatalf("%s: %v", res.Payload, err)
			}
			want := strings.Replace(c.reason, "ID", res.RequestID, 1)
			if strings.Contains(c.reason, "RequestId: ID") && res.RequestID == "" || res.FunctionError != "Unhandled" || doc.ErrorType != c.kind || doc.ErrorMessage != want {
				t.Errorf("got %q %s, want %s %q", res.FunctionError, res.Payload, c.kind, want)
			}
			if c.cfg.Env == nil {
				_, next := do(t, f, request{Do: "echo"})
				if survived := next.Init == 0; survived != c.survives {
					t.Errorf("environment survived: %v, want %v", survived, c.survives)
				}
			}
		})
	}
}

func TestConcurrencyIsLimited(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	f := start(t, Config{MaxInstances: 2, Timeout: time.Minute, Log: log})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _, _ = f.Invoke(ctx, request{Do: "sleep", MS: 60_000}.json(t), InvokeOptions{}) })
	}
	until(t, "two busy environments", func() bool { return strings.Count(log.String(), "sleeping") == 2 })
	if _, err := f.Invoke(t.Context(), request{}.json(t), InvokeOptions{}); !errors.Is(err, ErrThrottled) {
		t.Errorf("third invocation: %v, want throttled", err)
	}
	if n := len(f.PIDs()); n != 2 {
		t.Errorf("%d processes, want 2", n)
	}
	stop()
	wg.Wait()
	if _, err := f.Invoke(t.Context(), request{}.json(t), InvokeOptions{}); !errors.Is(err, ErrThrottled) {
		t.Errorf("callers left: %v, but their invocations must go on", err)
	}
}

func TestManyAtOnceStayApart(t *testing.T) {
	t.Parallel()
	f := start(t, Config{MaxInstances: 4, Timeout: 30 * time.Second})
	pids := sync.Map{}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 50 {
				text := fmt.Sprintf("%d-%d", worker, i)
				out, _ := do(t, f, request{Do: "echo", Text: text})
				pids.Store(out.PID, true)
				if out.Text != text {
					t.Errorf("asked %s, got %s", text, out.Text)
				}
			}
		})
	}
	wg.Wait()
	n := 0
	pids.Range(func(any, any) bool { n++; return true })
	if n > 4 {
		t.Errorf("%d processes for 4 callers", n)
	}
}

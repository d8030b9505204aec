package lambdart

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLogReadsLikeLambda(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	f := start(t, Config{Log: log, MemoryMB: 256, Timeout: time.Second})
	_, res := do(t, f, request{Do: "log", Text: "hello"})
	for _, want := range []string{
		"START RequestId: " + res.RequestID + " Version: $LATEST\n", "END RequestId: " + res.RequestID + "\n",
		"REPORT RequestId: " + res.RequestID + "\tDuration: ", "\tMemory Size: 256 MB\tMax Memory Used: ", "\tInit Duration: ",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
	if strings.Contains(log.String(), "Max Memory Used: 0 MB") {
		t.Errorf("no memory measured:\n%s", log)
	}
	until(t, "both lines of the process", func() bool { return strings.Count(log.String(), "hello\n") == 2 })
	res, err := f.Invoke(t.Context(), request{Do: "sleep", MS: 60_000}.json(t), InvokeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{res.RequestID + " Task timed out after 1.00 seconds\n", "\tStatus: timeout\n"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
}

func TestKillOnePrefersTheBusy(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	f := start(t, Config{MaxInstances: 2, Timeout: time.Minute, Log: log})
	if _, ok := f.KillOne(rand.New(rand.NewPCG(1, 2))); ok {
		t.Error("killed something in an empty function")
	}
	var wg sync.WaitGroup
	end := make(chan Result, 1)
	wg.Go(func() {
		res, err := f.Invoke(t.Context(), request{Do: "sleep", MS: 60_000}.json(t), InvokeOptions{})
		if err != nil {
			t.Error(err)
		}
		end <- res
	})
	until(t, "a busy environment", func() bool { return strings.Contains(log.String(), "sleeping") })
	idle, _ := do(t, f, request{Do: "echo"})
	pid, ok := f.KillOne(rand.New(rand.NewPCG(1, 2)))
	wg.Wait()
	res := <-end
	if !ok || pid == idle.PID || !strings.Contains(string(res.Payload), "Runtime exited with error: signal: killed") {
		t.Errorf("killed %d (%v, idle is %d): %s", pid, ok, idle.PID, res.Payload)
	}
	if again, _ := do(t, f, request{Do: "echo"}); again.PID != idle.PID {
		t.Errorf("the idle environment %d is lost, got %d", idle.PID, again.PID)
	}
}

func TestDeadIdleEnvironmentIsReplaced(t *testing.T) {
	t.Parallel()
	f := start(t, Config{MaxInstances: 1})
	random := rand.New(rand.NewPCG(3, 4))
	last := 0
	for range 20 {
		out, _ := do(t, f, request{Do: "echo"})
		if out.PID == last {
			t.Fatalf("process %d answered after its death", last)
		}
		last = out.PID
		if _, ok := f.KillOne(random); !ok {
			t.Fatal("nothing to kill")
		}
	}
}

func TestIdleEnvironmentsEnd(t *testing.T) {
	t.Parallel()
	f := start(t, Config{IdleTimeout: 20 * time.Millisecond})
	out, _ := do(t, f, request{Do: "echo"})
	until(t, "the end of the idle process", func() bool { return !alive(out.PID) })
	if next, res := do(t, f, request{Do: "echo"}); next.PID == out.PID || res.Init == 0 {
		t.Errorf("process %d again", next.PID)
	}
}

func TestChildrenDieToo(t *testing.T) {
	t.Parallel()
	f := start(t, Config{})
	out, _ := do(t, f, request{Do: "child"})
	if !alive(out.Child) {
		t.Fatalf("child %d is not there", out.Child)
	}
	f.Close()
	until(t, "the end of the child", func() bool { return !alive(out.Child) })
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	f := start(t, Config{Timeout: time.Minute, Log: log})
	end := make(chan error, 1)
	go func() {
		_, err := f.Invoke(context.WithoutCancel(t.Context()), request{Do: "sleep", MS: 60_000}.json(t), InvokeOptions{})
		end <- err
	}()
	until(t, "a busy environment", func() bool { return strings.Contains(log.String(), "sleeping") })
	pids := f.PIDs()
	f.Close()
	if err := <-end; !errors.Is(err, ErrClosed) {
		t.Errorf("running invocation: %v", err)
	}
	if len(pids) != 1 || alive(pids[0]) {
		t.Errorf("processes %v", pids)
	}
	if _, err := f.Invoke(t.Context(), nil, InvokeOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("invocation after Close: %v", err)
	}
}

// orphan is a process that runs a function, tells its process, and waits to be killed.
func orphan(binary string) int {
	f, err := New(Config{Name: "probe", Binary: binary})
	if err != nil {
		return 1
	}
	if _, err := f.Invoke(context.Background(), []byte(`{"do":"echo"}`), InvokeOptions{}); err != nil {
		return 1
	}
	fmt.Fprintln(os.Stdout, f.PIDs()[0])
	select {}
}

func TestProcessesDieWithTheirParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends children with their parent")
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "LAMBDART_ORPHAN="+bootstrap)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil || !alive(pid) {
		t.Errorf("process %d: %v", pid, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = parent.Wait()
	until(t, "the end of the orphan", func() bool { return !alive(pid) })
}

func TestNewRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	plain := t.TempDir() + "/bootstrap"
	if err := os.WriteFile(plain, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{
		{Name: "x", Binary: plain},
		{Name: "x", Binary: plain + "-none"},
		{Name: "x", Binary: t.TempDir()},
		{Binary: bootstrap},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
	f := start(t, Config{})
	if _, err := f.Invoke(t.Context(), make([]byte, MaxPayload+1), InvokeOptions{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large request: %v", err)
	}
	broken := t.TempDir() + "/bootstrap"
	if err := os.WriteFile(broken, []byte("not a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	g, err := New(Config{Name: "broken", Binary: broken})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Invoke(t.Context(), nil, InvokeOptions{}); err == nil || !strings.Contains(err.Error(), "start function broken") {
		t.Errorf("not a program: %v", err)
	}
}

func TestKillsAtRandomLoseNothingElse(t *testing.T) {
	t.Parallel()
	const callers, calls = 6, 60
	f := start(t, Config{MaxInstances: callers, Timeout: 30 * time.Second})
	var wg, killer sync.WaitGroup
	stop := make(chan struct{})
	kills := 0
	killer.Go(func() {
		random := rand.New(rand.NewPCG(5, 6))
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				if _, ok := f.KillOne(random); ok {
					kills++
				}
			}
		}
	})
	died := make([]int, callers)
	for caller := range callers {
		wg.Go(func() {
			for i := range calls {
				text := fmt.Sprintf("%d-%d", caller, i)
				res, err := f.Invoke(t.Context(), request{Do: "echo", Text: text}.json(t), InvokeOptions{})
				switch {
				case err != nil:
					t.Errorf("%s: %v", text, err)
				case res.FunctionError == "" && strings.Contains(string(res.Payload), `"text":"`+text+`"`):
				case res.FunctionError == "Unhandled" && strings.Contains(string(res.Payload), res.RequestID+" Error: Runtime exited with error: signal: killed"):
					died[caller]++
				default:
					t.Errorf("%s: %q %s", text, res.FunctionError, res.Payload)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	killer.Wait()
	sum := 0
	for _, n := range died {
		sum += n
	}
	if kills == 0 || sum > kills {
		t.Errorf("%d kills, %d invocations died", kills, sum)
	}
	t.Logf("%d kills, %d of %d invocations died", kills, sum, callers*calls)
}

// The rest speaks to the Runtime API of one environment as a broken runtime would.
func TestRuntimeAPIRefusesDisorder(t *testing.T) {
	t.Parallel()
	f := start(t, Config{Timeout: time.Minute, Log: &logBuffer{}})
	go func() {
		_, _ = f.Invoke(t.Context(), request{Do: "sleep", MS: 60_000}.json(t), InvokeOptions{RequestID: "r"})
	}()
	log := f.log.out.(*logBuffer)
	until(t, "a busy environment", func() bool { return strings.Contains(log.String(), "sleeping") })
	f.mu.Lock()
	base := ""
	for in := range f.all {
		base = "http://" + in.listener.Addr().String() + "/2018-06-01/runtime/"
	}
	f.mu.Unlock()
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "invocation/next", http.StatusForbidden},
		{http.MethodPost, "invocation/other/response", http.StatusBadRequest},
		{http.MethodPost, "invocation/other/error", http.StatusBadRequest},
		{http.MethodPost, "init/error", http.StatusForbidden},
		{http.MethodPost, "invocation/r/response", http.StatusAccepted},
		{http.MethodPost, "invocation/r/response", http.StatusForbidden},
		{http.MethodGet, "elsewhere", http.StatusNotFound},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, res.StatusCode, c.status)
		}
	}
}

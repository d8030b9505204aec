package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// built compiles the command once for all tests that need it as a process of its own.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "orbitq-cli-")
	if err != nil {
		return "", err
	}

	path := filepath.Join(dir, "orbitq")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}

	return path, nil
})

// runCLI runs the command to its end.
func runCLI(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()

	var stdout, stderr bytes.Buffer

	cmd := cli(t.Context(), t, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr

	err := cmd.Run()

	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}

	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func cli(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()

	path, err := built()
	if err != nil {
		t.Fatal(err)
	}

	return exec.CommandContext(ctx, path, args...)
}

// foreground starts "local up" and waits until it is ready.
func foreground(t *testing.T, data string) (*exec.Cmd, status, *bytes.Buffer) {
	t.Helper()

	var errOut bytes.Buffer

	cmd := cli(context.WithoutCancel(t.Context()), t, "local", "up", "--port", "0", "--data", data)
	cmd.Stderr = &errOut

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = cmd.Process.Kill() })

	var s status

	until(t, "the stack is ready", func() bool {
		code, out, _ := runCLI(t, "local", "status", "-o", "json", "--data", data)

		return code == 0 && json.Unmarshal([]byte(out), &s) == nil
	})

	return cmd, s, &errOut
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()

	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// alive reports whether a process runs; one that only waits to be reaped does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))

	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// gone waits until nothing of a stack is left.
func gone(t *testing.T, s status) {
	t.Helper()

	for name, pid := range s.PIDs {
		until(t, name+" is gone", func() bool { return !alive(pid) })
	}

	if code, _, _ := runCLI(t, "local", "status", "--data", s.Data); code != exitUnreachable {
		t.Errorf("status after the end: exit code %d", code)
	}
}

func get(t *testing.T, url string) int {
	t.Helper()

	res, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer res.Body.Close()

	return res.StatusCode
}

func TestLocalLifecycle(t *testing.T) {
	t.Parallel()

	data := filepath.Join(t.TempDir(), "run")
	t.Cleanup(func() { _ = cli(context.Background(), t, "local", "down", "--data", data).Run() })

	code, out, errOut := runCLI(t, "local", "up", "--detach", "--port", "0", "--data", data, "-o", "json")

	var s status
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 {
		t.Fatalf("up: %d %v\n%s\n%s", code, err, out, errOut)
	}

	if got := get(t, s.APIURL+"/v1/health"); got != http.StatusOK || len(s.Queues) != 4 || s.Table == "" || s.Token == "" {
		t.Errorf("health %d, status %+v", got, s)
	}

	if code, _, errOut := runCLI(t, "local", "up", "--data", data); code != exitFailed || !strings.Contains(errOut, "running already") {
		t.Errorf("second up: %d %s", code, errOut)
	}

	if code, _, errOut := runCLI(t, "local", "up", "--detach", "--data", data); code != exitFailed || !strings.Contains(errOut, "running already") {
		t.Errorf("second up in the background: %d %s", code, errOut)
	}

	if code, out, errOut := runCLI(t, "local", "logs", "--function", "query", "--data", data); code != 0 || !strings.Contains(out, "GET") && !strings.Contains(out, "START") {
		t.Errorf("logs: %d %s %s", code, out, errOut)
	}

	if code, _, errOut := runCLI(t, "local", "logs", "--function", "nobody", "--data", data); code == 0 || !strings.Contains(errOut, "query") {
		t.Errorf("logs of nobody: %d %s", code, errOut)
	}

	if code, out, _ := runCLI(t, "token", "--user", "ana", "--tier", "free", "--data", data); code != 0 || strings.Count(out, ".") != 2 {
		t.Errorf("token: %d %s", code, out)
	}

	if code, _, errOut := runCLI(t, "local", "down", "--data", data); code != 0 {
		t.Errorf("down: %d %s", code, errOut)
	}

	gone(t, s)

	if code, _, errOut := runCLI(t, "local", "down", "--data", data); code != 0 || !strings.Contains(errOut, "no local stack") {
		t.Errorf("second down: %d %s", code, errOut)
	}
}

func TestCtrlCLeavesNothing(t *testing.T) {
	t.Parallel()

	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()

			cmd, s, errOut := foreground(t, t.TempDir())
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}

			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, errOut)
			}

			gone(t, s)
		})
	}
}

func TestCrashOfAnEngineStopsTheRest(t *testing.T) {
	t.Parallel()

	for _, name := range []string{"queues", "tables"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			cmd, s, errOut := foreground(t, t.TempDir())
			if err := syscall.Kill(s.PIDs[name], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}

			err := cmd.Wait()
			if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(errOut.String(), name+" engine ended") {
				t.Errorf("%v: %s", err, errOut)
			}

			gone(t, s)
		})
	}
}

func TestKilledStackLeavesNothingAndCanStartAgain(t *testing.T) {
	t.Parallel()

	data := t.TempDir()
	cmd, s, _ := foreground(t, data)

	if get(t, s.APIURL+"/v1/health") != http.StatusOK { // a function runs now
		t.Error("no health")
	}

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	_ = cmd.Wait()

	gone(t, s)

	again, s, errOut := foreground(t, data)
	if got := get(t, s.APIURL+"/v1/health"); got != http.StatusOK {
		t.Errorf("health of the next: %d", got)
	}

	if err := again.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	if err := again.Wait(); err != nil {
		t.Errorf("%v: %s", err, errOut)
	}
}

func TestStartThatIsInterruptedLeavesNothing(t *testing.T) {
	t.Parallel()

	data := t.TempDir()

	var errOut bytes.Buffer

	cmd := cli(context.WithoutCancel(t.Context()), t, "local", "up", "--port", "0", "--data", data)
	cmd.Stderr = &errOut

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	until(t, "an engine starts", func() bool {
		_, err := os.Stat(filepath.Join(data, "logs", "queues.log"))

		return err == nil
	})

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	_ = cmd.Wait()

	if entries, err := filepath.Glob(filepath.Join(data, "state.json*")); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}

	out, err := exec.CommandContext(t.Context(), "pgrep", "-g", strconv.Itoa(cmd.Process.Pid)).Output()
	if err == nil {
		t.Errorf("still running: %s", out)
	}
}

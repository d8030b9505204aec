package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// logs makes a data folder with log files.
func logs(t *testing.T, files map[string]string) string {
	t.Helper()

	data := t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}

	for name, text := range files {
		if err := os.WriteFile(filepath.Join(data, "logs", name+".log"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return data
}

// here runs a command line in this process.
func here(args ...string) (code int, out, errOut string) {
	var stdout, stderr bytes.Buffer

	code = execute(context.Background(), args, &stdout, &stderr)

	return code, stdout.String(), stderr.String()
}

func TestLogsSayWhoWroteWhat(t *testing.T) {
	t.Parallel()

	data := logs(t, map[string]string{"enrich": "one\ntwo\n", "relay": "three\n", "api": "access\n", "queues": "noise\n"})

	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"functions, each line with its name", nil, "enrich  one\nenrich  two\nrelay  three\n"},
		{"one of them, as it is", []string{"--function", "enrich"}, "one\ntwo\n"},
		{"the access log", []string{"--function", "api"}, "access\n"},
		{"an engine", []string{"--function", "queues"}, "noise\n"},
	} {
		code, out, errOut := here(append([]string{"local", "logs", "--data", data}, c.args...)...)
		if code != exitOK || out != c.want {
			t.Errorf("%s: %d %q %s", c.name, code, out, errOut)
		}
	}

	if code, _, errOut := here("local", "logs", "--data", t.TempDir()); code != exitFailed || !strings.Contains(errOut, "there are no logs") {
		t.Errorf("no logs: %d %s", code, errOut)
	}
}

// growing is a writer that tests read while it is written to.
type growing struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (g *growing) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.text.Write(b)
}

func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.text.String()
}

func TestFollowedLogsGoOn(t *testing.T) {
	t.Parallel()

	data := logs(t, map[string]string{"enrich": "first\n"})
	ctx, cancel := context.WithCancel(t.Context())

	var (
		out  growing
		done = make(chan int, 1)
	)

	go func() {
		done <- execute(ctx, []string{"local", "logs", "-f", "--function", "enrich", "--data", data}, &out, io.Discard)
	}()

	until(t, "the first line", func() bool { return out.String() == "first\n" })

	file, err := os.OpenFile(filepath.Join(data, "logs", "enrich.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := file.WriteString("second\n"); err != nil {
		t.Fatal(err)
	}

	if err := file.Close(); err != nil {
		t.Fatal(err)
	}

	until(t, "the second line", func() bool { return out.String() == "first\nsecond\n" })
	cancel()

	if code := <-done; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestPrefixesStandAtTheBeginningsOfLines(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	p := &prefixed{out: &out, prefix: "> ", fresh: true}
	for _, part := range []string{"a", "b\nc\n", "", "\n", "d"} {
		if n, err := p.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%q: %d, %v", part, n, err)
		}
	}

	if got, want := out.String(), "> ab\n> c\n> \n> d"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	p.out = brokenPipe{}
	if _, err := p.Write([]byte("x")); err == nil {
		t.Error("a broken pipe was not noticed")
	}
}

// brokenPipe is a reader that went away.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWrongFlagsAreUsageErrors(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"local", "up", "--speed", "0.5"}, "--speed is 0.5, it must be 1 or more"},
		{[]string{"local", "up", "now"}, "flags only"},
		{[]string{"local", "up", "-o", "yaml"}, "--output is text or json"},
		{[]string{"local", "up", "--port", "many"}, "invalid argument"},
		{[]string{"local", "sideways"}, "there is no command"},
		{[]string{"token", "--tier", "gold"}, "free, pro or enterprise"},
		{[]string{"token", "ana"}, "flags only"},
		{[]string{"local", "logs", "--nonsense"}, "unknown flag"},
	} {
		code, out, errOut := here(c.args...)
		if code != exitUsage || !strings.Contains(errOut, c.want) || out != "" {
			t.Errorf("%v: %d %q %s", c.args, code, out, errOut)
		}
	}
}

func TestWithoutAStack(t *testing.T) {
	t.Parallel()

	data := t.TempDir()
	for _, args := range [][]string{{"local", "status"}, {"token"}} {
		code, _, errOut := here(append(args, "--data", data)...)
		if code != exitUnreachable || !strings.Contains(errOut, "orbitq local up") {
			t.Errorf("%v: %d %s", args, code, errOut)
		}
	}

	code, out, _ := here("local", "down", "--data", data, "-o", "json")

	var answer struct{ Stopped bool }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != exitOK || answer.Stopped {
		t.Errorf("down: %d %s %v", code, out, err)
	}
}

func TestEveryLocalCommandShowsAnExample(t *testing.T) {
	t.Parallel()

	for _, cmd := range append(local().Commands(), local(), token()) {
		if !strings.Contains(cmd.Example, "orbitq "+strings.TrimPrefix(cmd.CommandPath(), "orbitq ")) {
			t.Errorf("%s: example %q", cmd.CommandPath(), cmd.Example)
		}
	}

	names := make([]string, 0, 5)
	for _, cmd := range local().Commands() {
		names = append(names, cmd.Name())
	}

	if want := []string{"copernicus", "down", "install", "logs", "status", "up"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestCopernicusAlone(t *testing.T) {
	t.Parallel()

	cmd := cli(context.WithoutCancel(t.Context()), t, "local", "copernicus", "--port", "0", "-o", "json")

	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = cmd.Process.Kill() })

	var where struct {
		URL string `json:"copernicus_url"`
	}
	if err := json.NewDecoder(out).Decode(&where); err != nil {
		t.Fatal(err)
	}

	if got := get(t, where.URL+"/healthz"); got != http.StatusOK {
		t.Errorf("health %d", got)
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	if err := cmd.Wait(); err != nil {
		t.Errorf("end: %v", err)
	}
}

package engines

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// program is how to start an engine on a port.
type program struct {
	name, path string
	args       func(port int) ([]string, error)
	forgetful  bool // nothing to save at the end, so it is not asked first
}

// start runs a program until it answers on a free port.
func start(ctx context.Context, cfg Config, p program) (*Engine, error) {
	if cfg.Region == "" {
		cfg.Region = "eu-central-1"
	}

	var err error

	for range startTries {
		var e *Engine
		// A port that was lost to somebody else is the one failure that another try can heal; others fail again.
		if e, err = launch(ctx, cfg, p); err == nil || ctx.Err() != nil {
			return e, err
		}
	}

	return nil, err
}

// launch starts a program once. The port is reserved until the program answers on it, and the log is appended to, so
// that a second try does not hide what the first one said.
func launch(ctx context.Context, cfg Config, p program) (*Engine, error) {
	port, release, err := reservePort()
	if err != nil {
		return nil, err
	}
	defer release()

	args, err := p.args(port)
	if err != nil {
		return nil, err
	}

	logs := cfg.Logs
	if logs == "" {
		logs = os.TempDir()
	}

	path := filepath.Join(logs, p.name+".log")

	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s engine: %w", p.name, err)
	}

	// The engine outlives the context of its start; Stop ends it.
	cmd := exec.Command(p.path, args...) //nolint:gosec,noctx // a program this package installed
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, attributes()

	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s engine: %w", p.name, err), out.Close())
	}

	e := &Engine{
		Name: p.name, URL: "http://" + address(port), PID: cmd.Process.Pid,
		cmd: cmd, kill: p.forgetful, done: make(chan error, 1), gone: make(chan struct{}),
	}
	go e.wait(out)

	if err := e.ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s engine (log %s): %w", p.name, path, err), e.Stop())
	}

	return e, nil
}

// ready waits until the engine answers; any answer will do, since each engine refuses a bare GET in its own way.
func (e *Engine) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()

	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL, http.NoBody)
		if err != nil {
			return fmt.Errorf("make request: %w", err)
		}

		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close() // an answer is all that was wanted

			return nil
		}

		select {
		case <-e.gone:
			return e.why
		case <-ctx.Done():
			return fmt.Errorf("wait for an answer: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// address is where a port is reached.
func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// split takes host and port apart; an address without a port is all host.
func split(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, ""
	}

	return host, port
}

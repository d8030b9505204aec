package engines

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Account is the AWS account that everything local belongs to.
const Account = "000000000000"

// Only this machine can reach an engine: none of them checks signatures, and nobody else should find an open table.
const (
	loopback     = "127.0.0.1"
	readyTimeout = 60 * time.Second // a busy machine is slow, not broken
	stopTimeout  = 5 * time.Second
	startTries   = 3 // another process may take the free port first
)

// Config says where an engine finds its program and leaves its traces.
type Config struct {
	Tools  string // folder filled by Install
	Logs   string // folder for <engine>.log; default the temporary folder
	Data   string // folder for what outlives the engine; empty: memory
	Region string // default eu-central-1
	// Public is the host:port of the gateway: queue URLs name it, and state machines call what they use there.
	Public string
	// Script is the path of states.py, the launcher of the state machine engine.
	Script string
	// Speed divides the waits and retry intervals of state machines; 0 and 1 leave them as they are.
	Speed float64
}

// tools is the installer as far as an engine needs it: where its program is.
func (c Config) tools() Installer { return Installer{Home: c.Tools} }

// Engine is a running program.
type Engine struct {
	Name string
	URL  string
	PID  int

	cmd  *exec.Cmd
	kill bool
	done chan error
	gone chan struct{}
	why  error
}

// wait reaps the process and tells whoever listens.
func (e *Engine) wait(out io.Closer) {
	err := e.cmd.Wait()
	_ = out.Close()

	// Nobody but Stop should end an engine, so a clean exit is news as well.
	if err == nil {
		err = errors.New("exit status 0")
	}

	e.why = fmt.Errorf("%s engine ended: %w", e.Name, err)
	e.done <- e.why

	close(e.gone)
}

// Done gets one error when the engine ends, for whatever reason.
func (e *Engine) Done() <-chan error { return e.done }

// Stop ends the engine and waits until it is gone. One that has something to save is asked first; ElasticMQ has not,
// and would wait for long polls that nobody wants any more.
func (e *Engine) Stop() error {
	if !e.kill {
		_ = e.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already

		select {
		case <-e.gone:
			return nil
		case <-time.After(stopTimeout):
		}
	}

	if err := e.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s engine: %w", e.Name, err)
	}

	<-e.gone

	return nil
}

// Package process runs the programs of the local stack as children that cannot
// outlive it: a child dies with its parent even when the parent is killed, and
// so do the children it made.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Config says what to run.
type Config struct {
	Name string // for errors
	Path string
	Args []string
	Dir  string
	Env  []string // nil for this process's own
	Out  io.Writer
}

// Process is a running program.
type Process struct {
	name string
	pid  int
	stop sync.Once
	done chan struct{}
	err  error // set before done closes
}

// Start starts a program.
func Start(c Config) (*Process, error) {
	cmd := exec.CommandContext(context.Background(), c.Path, c.Args...) //nolint:gosec // running programs is what this package is for
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = c.Out, c.Out
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = time.Second
	p := &Process{name: c.Name, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.own(cmd, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return p, nil
}

// own is the life of the child. The thread that started it is kept until its end,
// because the system ends a child together with the thread that made it.
func (p *Process) own(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	started <- nil
	err := cmd.Wait()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // children it left; there may be none
	if err == nil {
		err = errors.New("ended by itself")
	}
	p.err = fmt.Errorf("%s: %w", p.name, err)
	close(p.done)
}

// PID returns the process id.
func (p *Process) PID() int { return p.pid }

// Done is closed when the program has ended; Err then says how.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the program ended; call it after Done.
func (p *Process) Err() error { return p.err }

// Stop ends the program: politely, and after grace by force. It returns when the
// program is gone, and may be called again.
func (p *Process) Stop(grace time.Duration) {
	p.stop.Do(func() {
		_ = syscall.Kill(-p.pid, syscall.SIGTERM) // it may be gone already
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
			_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		}
	})
	<-p.done
}

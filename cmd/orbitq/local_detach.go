package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/local/stack"
)

// background starts this program again without --detach and waits until the stack is ready.
func (f *upFlags) background(cmd *cobra.Command) error {
	data, err := dataFolder(f.opts.Data)
	if err != nil {
		return err
	}

	// Asked before anything starts, so that the answer does not have to come out of a log file.
	if state, err := stack.Read(data); err == nil {
		return fmt.Errorf("%w in %s (process %d)", stack.ErrRunning, data, state.PIDs["stack"])
	}

	if err := os.MkdirAll(stack.LogFolder(data), 0o750); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}

	logPath := filepath.Join(stack.LogFolder(data), "stack.log")

	out, err := os.Create(logPath) //nolint:gosec // the stack's own folder
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	defer func() { _ = out.Close() }()

	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}

	child := exec.Command(self, slices.DeleteFunc(slices.Clone(os.Args[1:]), isDetach)...) //nolint:gosec,noctx // this program, which outlives us
	child.Stdout, child.Stderr = out, out
	// A session of its own: it must live on when this terminal closes.
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}

	if err := child.Start(); err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}

	state, err := awaitReady(cmd.Context(), child, data, follow(logPath, cmd.ErrOrStderr()))
	if err != nil {
		return err
	}

	return printStatus(cmd, state)
}

// isDetach finds the flag in all its spellings, so that the child does not detach again.
func isDetach(arg string) bool {
	return arg == "--detach" || arg == "-d" || arg == "--detach=true"
}

// awaitReady waits for the state file, or for the end of the child. When we are stopped first, so is the child.
func awaitReady(ctx context.Context, child *exec.Cmd, data string, progress func()) (stack.State, error) {
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()

	for {
		progress()

		if state, err := stack.Read(data); err == nil && state.PIDs["stack"] == child.Process.Pid {
			return state, nil
		}

		select {
		// The last lines of the log say why; they come after the end, so they are read once more.
		case err := <-ended:
			progress()

			return stack.State{}, fmt.Errorf("the local stack did not start (%w)", err)
		case <-ctx.Done():
			_ = child.Process.Signal(syscall.SIGTERM) // it may have ended just now
			ended := <-ended                          // nothing may be left running when this returns

			return stack.State{}, fmt.Errorf("start local stack: %w", errors.Join(ctx.Err(), ended))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// follow returns a function that copies what has been added to a file since its last call.
func follow(path string, out io.Writer) func() {
	var at int64

	return func() {
		file, err := os.Open(path) //nolint:gosec // the stack's own folder
		if err != nil {
			return
		}
		defer func() { _ = file.Close() }()

		if _, err := file.Seek(at, io.SeekStart); err != nil {
			return
		}

		if n, err := io.Copy(out, file); err == nil { // progress is worth no failure
			at += n
		}
	}
}

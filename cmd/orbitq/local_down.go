package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/local/stack"
)

// downTimeout is how long a stack may take to stop before it is killed.
const downTimeout = 20 * time.Second

// localDown ends a stack that runs in the background, or in another terminal.
func localDown() *cobra.Command {
	var data string

	cmd := &cobra.Command{
		Use:     "down",
		Short:   "Stop the local stack",
		Long:    "Stops the stack of a data folder and waits until nothing of it is left. Stopping what does not run is fine.",
		Example: "  orbitq local down\n  orbitq local down --data /tmp/second",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := dataFolder(data)
			if err != nil {
				return err
			}

			state, err := stack.Read(folder)
			if errors.Is(err, stack.ErrNotRunning) {
				return show(cmd, map[string]any{"stopped": false, "data": folder}, func(io.Writer) error {
					cmd.PrintErrln("no local stack runs in " + folder)

					return nil
				})
			}

			if err != nil {
				return fmt.Errorf("find stack: %w", err)
			}

			if err := stop(cmd.Context(), folder, state.PIDs["stack"]); err != nil {
				return err
			}

			return show(cmd, map[string]any{"stopped": true, "data": folder}, func(io.Writer) error {
				cmd.PrintErrln("stopped")

				return nil
			})
		},
	}
	dataFlag(cmd, &data)

	return cmd
}

// stop asks a stack to end and waits until it has; one that does not listen is killed, and its children with it.
func stop(ctx context.Context, data string, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()

	process, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("find process %d: %w", pid, err)
	}

	if err := process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}

	for {
		if !stack.Claimed(data) {
			return nil
		}

		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("process %d did not stop: %w", pid, ctx.Err()), process.Kill())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// watchEvery is how often a watched operation is looked at: it does a step a minute.
const watchEvery = time.Second

// operations are the commands about retries of many that go on by themselves.
func operations() *cobra.Command {
	cmd := &cobra.Command{
		Use: "operations", Short: "See how a retry of many is going, and stop it",
		Example: "  orbitq operations show ID\n  orbitq operations show ID --watch\n  orbitq operations abort ID",
	}
	cmd.AddCommand(operationsShow(), operationsAbort())
	return connected(group(cmd))
}

// operationsShow shows one, or watches it to its end.
func operationsShow() *cobra.Command {
	var watched bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show how a retry of many is going", Args: exactly("the id of an operation"),
		Example: "  orbitq operations show 01JM8WR2D0K3N5Q7S9V1X3Z5B7\n  orbitq operations show 01JM8WR2D0K3N5Q7S9V1X3Z5B7 --watch",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			op, err := c.Operation(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			if watched {
				return watch(cmd, c, op)
			}
			return showOperation(cmd, &op)
		},
	}
	cmd.Flags().BoolVar(&watched, "watch", false, "show each step, until it ends")
	return cmd
}

// operationsAbort stops one.
func operationsAbort() *cobra.Command {
	return &cobra.Command{
		Use: "abort ID", Short: "Stop a retry of many; jobs that it retried go on", Args: exactly("the id of an operation"),
		Example: "  orbitq operations abort 01JM8WR2D0K3N5Q7S9V1X3Z5B7",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			op, err := c.Abort(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return showOperation(cmd, &op)
		},
	}
}

// steps are the flags of a retry that goes on by itself.
type steps struct {
	canary, watch bool
	rate          int
}

// flags adds them.
func (s *steps) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.canary, "canary", false, "retry 5, look how they end, then 20, 80 and so on; stop when the failure returns")
	cmd.Flags().IntVar(&s.rate, "rate", 0, "most jobs per minute, 1 to 200; with it the retry goes on by itself")
	cmd.Flags().BoolVar(&s.watch, "watch", false, "with --canary or --rate: show each step until the end; Ctrl-C stops watching, not the retry")
}

// wanted reports whether the retry goes on by itself.
func (s *steps) wanted() bool { return s.canary || s.rate != 0 }

// check refuses flags that mean nothing together. many says that a filter was given, and not ids.
func (s *steps) check(cmd *cobra.Command, many bool) error {
	switch {
	// A rate of 0 that was typed is no absence: taken for one, all would be retried at once.
	case cmd.Flags().Changed("rate") && s.rate < 1:
		return usageError{fmt.Errorf("--rate is jobs per minute, 1 to 200, not %d", s.rate)}
	case s.wanted() && !many:
		return usageError{errors.New("--canary and --rate are for a filter or --all, not for ids")}
	case s.watch && !s.wanted():
		return usageError{errors.New("--watch is for a retry that goes on by itself: give --canary or --rate too")}
	default:
		return nil
	}
}

// start begins a retry that goes on by itself, and watches it if that is wanted.
func (s *steps) start(cmd *cobra.Command, c *client.Client, f client.FailedFilter) error {
	op, err := c.StartRetry(cmd.Context(), f, s.canary, s.rate)
	if err != nil {
		return err //nolint:wrapcheck // the client's errors are written for people
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "operation %s goes on by itself; %s\n", op.ID, wayOut(op.ID))
	if !s.watch {
		return showOperation(cmd, &op)
	}
	return watch(cmd, c, op)
}

// wayOut says how to look again and how to stop.
func wayOut(id string) string {
	return "see it: orbitq operations show " + id + " --watch; stop it: orbitq operations abort " + id
}

// watch shows each step of an operation until its end. Whoever stops watching does not stop it, and hears how to. An
// end before all was retried is a failure, so that a script does not go on as if all were well.
func watch(cmd *cobra.Command, c *client.Client, op client.Operation) error {
	op, err := c.Follow(cmd.Context(), op, watchEvery, func(o client.Operation) {
		fmt.Fprintf(cmd.ErrOrStderr(), "step %d: %d retried, %d mended, %d returned, %d on their way\n", o.Step, o.Retried, o.Mended, o.Returned, o.Open)
	})
	if cmd.Context().Err() != nil {
		err = errors.New("stopped watching; the operation goes on; " + wayOut(op.ID))
	}
	if err == nil && op.State != "done" {
		err = errors.New(strings.TrimSuffix("the operation is "+op.State+": "+op.Reason, ": "))
	}
	return errors.Join(showOperation(cmd, &op), err)
}

// showOperation shows one.
func showOperation(cmd *cobra.Command, op *client.Operation) error {
	return show(cmd, op, func(out io.Writer) error { return writeOperation(out, op) })
}

// writeOperation shows one to people.
func writeOperation(w io.Writer, o *client.Operation) error {
	s := sheet{}
	s.putf("operation", "%s", o.ID)
	s.putf("state", "%s", o.State)
	s.putf("reason", "%s", o.Reason)
	s.putf("step", "%d", o.Step)
	s.putf("retried", "%d", o.Retried)
	s.putf("mended", "%d", o.Mended)
	s.putf("returned", "%d", o.Returned)
	s.putf("on their way", "%d", o.Open)
	s.putf("updated at", "%s", moment(o.UpdatedAt))
	return s.write(w)
}

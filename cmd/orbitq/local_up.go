package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"orbitq/internal/local/stack"
)

// upFlags are the flags of local up.
type upFlags struct {
	detach bool
	opts   stack.Options
}

// localUp runs the stack in this process; --detach runs this same command in the background.
func localUp() *cobra.Command {
	var f upFlags

	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the local stack and keep it running until Ctrl-C",
		Long: `Starts everything that template.yaml describes and prints where it listens. The first time it installs the engines into
.orbitq/tools, which takes a few minutes; later it starts in seconds. Ctrl-C stops everything.`,
		Example: `  orbitq local up
  orbitq local up --detach -o json
  orbitq local up --port 9000 --data /tmp/second --speed 10`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.opts.Speed < 1 {
				return usageError{fmt.Errorf("--speed is %g, it must be 1 or more", f.opts.Speed)}
			}

			if f.detach {
				return f.background(cmd)
			}

			return f.foreground(cmd)
		},
	}
	dataFlag(cmd, &f.opts.Data)

	flags := cmd.Flags()
	flags.BoolVarP(&f.detach, "detach", "d", false, "run in the background, return when it is ready")
	flags.BoolVar(&f.opts.Keep, "keep", false, "keep the table in the data folder; queues are always in memory")
	flags.IntVar(&f.opts.Port, "port", 8080, "port of the HTTP API; the next free one when it is taken")
	flags.Float64Var(&f.opts.Speed, "speed", 1, "divide waits, visibility timeouts and schedules by this")
	flags.StringVar(&f.opts.Region, "region", "eu-central-1", "AWS region that everything believes to be in")
	flags.StringVar(&f.opts.Template, "template", "", "SAM template (default template.yaml of the repository)")
	flags.StringToStringVar(&f.opts.Parameters, "parameter", nil, "parameter of the template, NAME=VALUE")

	return cmd
}

// foreground runs the stack until the context ends or a part of it breaks.
func (f *upFlags) foreground(cmd *cobra.Command) error {
	ctx := cmd.Context()
	f.opts.Say = func(line string) { cmd.PrintErrln("local: " + line) }
	f.opts.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))

	s, err := stack.Start(ctx, f.opts)
	if err != nil {
		return fmt.Errorf("start local stack: %w", err)
	}

	if err := printStatus(cmd, s.State()); err != nil {
		return errors.Join(err, s.Stop())
	}

	select {
	case <-ctx.Done():
		f.opts.Say("stopping")

		err = nil
	case err = <-s.Done():
		err = fmt.Errorf("the local stack broke, and was stopped: %w", err)
	}

	return errors.Join(err, s.Stop())
}

// queueNames are in a fixed order.
func queueNames(state stack.State) []string { return slices.Sorted(maps.Keys(state.Queues)) }

package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// run executes the command line; Ctrl-C and SIGTERM end its context, and a second one ends the process.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	context.AfterFunc(ctx, stop)

	return execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// execute runs a command line and returns its exit code.
func execute(ctx context.Context, args []string, out, errOut io.Writer) int {
	cmd := root() //nolint:contextcheck // commands get their context from cobra
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(errOut)

	last, err := cmd.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}

	report(errOut, last, err)

	return exitCode(err)
}

// root is orbitq with all its commands.
func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "orbitq",
		Short: "Enrich field data points with Sentinel-2 statistics, on AWS or on this machine",
		Long: `orbitq is a serverless job system: an HTTP API accepts data points, queues hold the jobs, functions ask Copernicus for
Sentinel-2 statistics. The same template and the same binaries run in an AWS account and, without Docker and without an
account, on this machine.

Commands talk to the API named by --api-url or ORBITQ_API_URL, or else to the local stack that runs on this machine.`,
		Example: `  orbitq demo                # run everything here, with 25 real points
  orbitq local up --detach   # run everything here, in the background
  orbitq points create --lat 25.0646 --lon -11.2213 --value 21.5 --collected-at 2020-02-19 --wait
  orbitq jobs list --state dead`,
		SilenceUsage: true, SilenceErrors: true,
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	cmd.AddCommand(demo(), points(), jobs(), chains(), batches(), campaigns(), notifications(), failed(), operations(), queues(), provider(), usage(), local(), token())
	cmd.CompletionOptions.HiddenDefaultCmd = true

	return group(cmd)
}

// Command orbitq runs the whole system on this machine, and talks to it wherever it runs.
//
// It is a thin shell over the packages that do the work: each command reads its flags, calls one of them, and prints
// the result for people, or as JSON for programs (-o json). Errors go to standard error and make the exit status 1.
package main

import (
	"context"
	"fmt"
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

	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "orbitq: "+err.Error())

		return 1
	}

	return 0
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "orbitq",
		Short: "Enrich field data points with Sentinel-2 statistics, on AWS or on this machine",
		Long: `orbitq is a serverless job system: an HTTP API accepts data points, queues hold the jobs, functions ask Copernicus for
Sentinel-2 statistics. The same template and the same binaries run in an AWS account and, without Docker and without an
account, on this machine.`,
		Example: `  orbitq local up            run everything here
  orbitq token --user ana    a token for its API`,
		SilenceUsage: true, SilenceErrors: true,
	}
	cmd.AddCommand(local(), token())

	return cmd
}

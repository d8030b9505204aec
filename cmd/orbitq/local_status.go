package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"orbitq/internal/local/stack"
)

// localStatus prints what "local up" printed, for shells and programs that come later.
func localStatus() *cobra.Command {
	var data string

	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where the local stack listens",
		Example: `  orbitq local status
  curl -H "Authorization: Bearer $(orbitq local status -o json | jq -r .token)" $(orbitq local status -o json | jq -r .api_url)/v1/usage`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := running(data)
			if err != nil {
				return err
			}

			return printStatus(cmd, state)
		},
	}
	dataFlag(cmd, &data)

	return cmd
}

// status is what programs get: the state and a token that is ready to use.
type status struct {
	stack.State

	Token string `json:"token"`
}

// printStatus prints a running stack.
func printStatus(cmd *cobra.Command, state stack.State) error {
	ready, err := localToken(state)
	if err != nil {
		return err
	}

	return show(cmd, status{state, ready}, func(out io.Writer) error { return describe(out, state) })
}

// describe tells people where everything is and what to try next.
func describe(out io.Writer, state stack.State) error {
	return printf(out, `orbitq runs here (process %d, since %s)

  API         %s
  AWS         %s   region %s
  Copernicus  %s   a real scene, faults on demand
  queues      %s
  table       %s
  logs        %s

Try it:
  TOKEN=$(bin/orbitq token --user demo --tier enterprise)
  curl %s/v1/health
  curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' %s/v1/data-points \
    -d '{"latitude":28.69,"longitude":-17.85,"value":1,"collected_at":"2020-02-19T12:00:00Z"}'
  AWS_ACCESS_KEY_ID=operator AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=%s aws --endpoint-url %s sqs list-queues
`, state.PIDs["stack"], state.StartedAt.Format("15:04:05 UTC"), state.APIURL, state.AWSURL, state.Region, state.CopernicusURL,
		strings.Join(queueNames(state), ", "), state.Table, stack.LogFolder(state.Data),
		state.APIURL, state.APIURL, state.Region, state.AWSURL)
}

// printf prints text.
func printf(out io.Writer, format string, args ...any) error {
	if _, err := fmt.Fprintf(out, format, args...); err != nil {
		return fmt.Errorf("print: %w", err)
	}

	return nil
}

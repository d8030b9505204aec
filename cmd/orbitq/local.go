package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"orbitq/internal/local/stack"
)

// local groups the commands of the local run.
func local() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "local",
		Short: "Run the whole system on this machine",
		Long: `Runs template.yaml on this machine, without Docker and without an AWS account: the real function binaries behind the
Lambda Runtime API, real queues and a real table, the HTTP API with its JWT authorizer, schedules, and every IAM role
of the template enforced. Copernicus is a stand-in that computes its answers from a real Sentinel-2 scene.`,
		Example: `  orbitq local up --detach
  orbitq local status
  orbitq local logs --function enrich -f
  orbitq local down`,
	}
	cmd.AddCommand(localUp(), localStatus(), localDown(), localLogs(), localCopernicus())

	return cmd
}

// dataFlag adds --data.
func dataFlag(cmd *cobra.Command, data *string) {
	cmd.Flags().StringVar(data, "data", "", "folder of the stack's files; several stacks may run in different ones (default .orbitq/run)")
}

// outputFlag adds -o.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "text or json")
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return fmt.Errorf("--output is %q, it can be text or json", output)
	}

	return nil
}

// dataFolder is the folder that --data names, or the repository's own.
func dataFolder(data string) (string, error) {
	if data != "" {
		return data, nil
	}

	root, err := stack.FindRoot(".")
	if err != nil {
		return "", fmt.Errorf("%w; or name the folder of a running stack with --data", err)
	}

	return stack.DefaultData(root), nil
}

// running reads the state of the stack in a folder.
func running(data string) (stack.State, error) {
	folder, err := dataFolder(data)
	if err != nil {
		return stack.State{}, err
	}

	state, err := stack.Read(folder)
	if errors.Is(err, stack.ErrNotRunning) {
		return state, fmt.Errorf("%w in %s: start one with orbitq local up", err, folder)
	}

	if err != nil {
		return state, fmt.Errorf("find stack: %w", err)
	}

	return state, nil
}

func localStatus() *cobra.Command {
	var data, output string

	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where the local stack listens",
		Example: `  orbitq local status
  curl -H "Authorization: Bearer $(orbitq local status -o json | jq -r .token)" $(orbitq local status -o json | jq -r .api_url)/v1/usage`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}

			state, err := running(data)
			if err != nil {
				return err
			}

			return printStatus(cmd.OutOrStdout(), state, output)
		},
	}
	dataFlag(cmd, &data)
	outputFlag(cmd, &output)

	return cmd
}

// printStatus prints a running stack with a token that is ready to use.
func printStatus(out io.Writer, state stack.State, output string) error {
	ready, err := state.Mint(stack.Token{User: "demo", Tier: "enterprise", Scopes: allScopes(), Expires: tokenLife})
	if err != nil {
		return fmt.Errorf("make token: %w", err)
	}

	if output == "json" {
		return printJSON(out, struct {
			stack.State

			Token string `json:"token"`
		}{state, ready})
	}

	_, err = fmt.Fprintf(out, `orbitq runs here (process %d, since %s)

  API         %s
  AWS         %s   region %s
  Copernicus  %s   a real scene, faults on demand
  queues      %s
  table       %s
  logs        %s

Try it:
  TOKEN=$(bin/orbitq token --user demo)
  curl %s/v1/health
  curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' %s/v1/data-points \
    -d '{"latitude":28.69,"longitude":-17.85,"value":1,"collected_at":"2020-02-19T12:00:00Z"}'
  AWS_ACCESS_KEY_ID=operator AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=%s aws --endpoint-url %s sqs list-queues
`, state.PIDs["stack"], state.StartedAt.Format("15:04:05 UTC"), state.APIURL, state.AWSURL, state.Region, state.CopernicusURL,
		strings.Join(queueNames(state), ", "), state.Table, stack.LogFolder(state.Data),
		state.APIURL, state.APIURL, state.Region, state.AWSURL)
	if err != nil {
		return fmt.Errorf("print status: %w", err)
	}

	return nil
}

func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")

	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}

	return nil
}

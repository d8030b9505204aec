package main

import (
	"fmt"

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
	cmd.AddCommand(localUp(), localInstall(), localStatus(), localDown(), localLogs(), localCopernicus())

	return outputFlag(group(cmd))
}

// dataFlag adds --data.
func dataFlag(cmd *cobra.Command, data *string) {
	cmd.Flags().StringVar(data, "data", "", "folder of the stack's files; several stacks may run in different ones (default .orbitq/run)")
}

// outputFlag adds -o to a command and those below it, and refuses formats that do not exist before anything is done.
func outputFlag(cmd *cobra.Command) *cobra.Command {
	cmd.PersistentFlags().StringP("output", "o", "text", "text for people, json for programs")
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return checkOutput(text(cmd, "output")) }

	return cmd
}

// checkOutput refuses formats that do not exist.
func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return usageError{fmt.Errorf("--output is text or json, not %q", output)}
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
	if err != nil {
		return state, fmt.Errorf("%w in %s; start one with orbitq local up --detach", err, folder)
	}

	return state, nil
}

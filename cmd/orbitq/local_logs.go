package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/local/stack"
)

// localLogs prints log files; they are there after the stack has stopped, too.
func localLogs() *cobra.Command {
	var (
		data, function string
		following      bool
	)

	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Print what functions, the HTTP API and engines wrote",
		Long: `Prints log files of the data folder: one for each function, api for the access log of the HTTP API, stack for the stack
itself when it runs in the background. Without --function it prints all functions.`,
		Example: "  orbitq local logs\n  orbitq local logs --function enrich -f\n  orbitq local logs --function api",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := dataFolder(data)
			if err != nil {
				return err
			}

			names, err := logNames(stack.LogFolder(folder), function)
			if err != nil {
				return err
			}

			return printLogs(cmd, stack.LogFolder(folder), names, following)
		},
	}
	dataFlag(cmd, &data)
	cmd.Flags().StringVar(&function, "function", "", "only this one, such as enrich")
	cmd.Flags().BoolVarP(&following, "follow", "f", false, "go on until Ctrl-C")

	return cmd
}

// logNames lists the logs to print: the wanted one, or those of the functions.
func logNames(folder, wanted string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.log"))
	if err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}

	all := make([]string, 0, len(paths))
	for _, path := range paths {
		all = append(all, strings.TrimSuffix(filepath.Base(path), ".log"))
	}

	switch {
	case len(all) == 0:
		return nil, errors.New("there are no logs in " + folder)
	// Without a name, what functions wrote: engines have little to say, and the access log would drown the rest.
	case wanted == "":
		return slices.DeleteFunc(all, func(name string) bool {
			return slices.Contains([]string{"api", "stack", "tables", "queues"}, name)
		}), nil
	case !slices.Contains(all, wanted):
		return nil, fmt.Errorf("there is no log of %s, only of %s", wanted, strings.Join(all, ", "))
	default:
		return []string{wanted}, nil
	}
}

// printLogs prints files, each line with the file's name in front when there are several.
func printLogs(cmd *cobra.Command, folder string, names []string, following bool) error {
	tails := make([]func(), 0, len(names))

	for _, name := range names {
		out := cmd.OutOrStdout()
		if len(names) > 1 {
			out = &prefixed{out: out, prefix: name + "  ", fresh: true}
		}

		tails = append(tails, follow(filepath.Join(folder, name+".log"), out))
	}

	for {
		for _, tail := range tails {
			tail()
		}

		if !following {
			return nil
		}

		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

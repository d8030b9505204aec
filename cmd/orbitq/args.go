package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// group makes a command that only has others: alone it shows its help, and what it does not know is a usage error.
//
// Cobra itself would answer a misspelt subcommand with the help page and exit status 0, which a script takes for
// success.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		cmd.SuggestionsMinimumDistance = 2
		text := fmt.Sprintf("there is no command %q", cmd.CommandPath()+" "+args[0])
		// One near miss is the usual case; two are worth showing, because guessing between them would be wrong.
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += fmt.Sprintf("; did you mean %q?", cmd.CommandPath()+" "+strings.Join(near, `" or "`))
		}
		return usageError{errors.New(text)}
	}
	return cmd
}

// exactly wants one argument, which it can name when it is missing. Cobra's own check only counts ("accepts 1 arg(s),
// received 0"), and its error could not be told from a failure.
func exactly(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usageError{fmt.Errorf("%s is missing", name)}
		case len(args) > 1:
			return usageError{fmt.Errorf("%s is all that is wanted, not %d arguments", name, len(args))}
		default:
			return nil
		}
	}
}

// some wants one argument or more, which it can name when there is none.
func some(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{fmt.Errorf("%s is missing", name)}
		}
		return nil
	}
}

// none wants no argument. Most often there is one because a value was separated from its flag by a blank, or because an
// id was given to a command that lists.
func none(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("what does %q mean here? This command takes flags only", args[0])}
	}
	return nil
}

// needs wants flags to be set. Their zero values are good values (0, 0 is a place), so only the command line itself can
// tell whether they were given; all that are missing are named at once.
func needs(cmd *cobra.Command, names ...string) error {
	var missing []string
	for _, name := range names {
		if !cmd.Flags().Changed(name) {
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s missing", strings.Join(missing, ", "))}
}

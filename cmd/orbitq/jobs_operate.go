package main

import (
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// jobsCalls lists the calls to the provider for a job.
func jobsCalls() *cobra.Command {
	return &cobra.Command{
		Use: "calls ID", Short: "List the calls to the provider for a job, and what they cost", Args: exactly("the id of a job"),
		Example: "  orbitq jobs calls 01JM8WQ5Z4A1B2C3D4E5F6G7H8",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			all, err := c.Calls(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, map[string]any{"items": all}, func(out io.Writer) error {
				t := table{head: []string{"AT", "TYPE", "CACHED", "MS", "STATUS", "CREDITS", "PU", "CODE"}}
				for i := range all {
					k := &all[i]
					t.add(moment(k.At), k.Type, strconv.FormatBool(k.Cached), strconv.FormatInt(k.ResponseTimeMS, 10), strconv.Itoa(k.Status),
						strconv.FormatFloat(k.CostCredits, 'f', 2, 64), strconv.FormatFloat(k.PUSpent, 'f', 4, 64), k.Code)
				}
				return t.write(out)
			})
		},
	}
}

// jobsSnooze puts an open job off that waits for its turn.
func jobsSnooze() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "snooze ID", Short: "Put an open job off that waits for its turn; no attempt is lost", Args: exactly("the id of a job"),
		Example: "  orbitq jobs snooze 01JM8WQ5Z4A1B2C3D4E5F6G7H8 --for 2h",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			j, err := c.Snooze(cmd.Context(), args[0], wait)
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, j, func(out io.Writer) error { return writeJob(out, &j) })
		},
	}
	cmd.Flags().DurationVar(&wait, "for", time.Hour, "how long, in whole seconds")
	return cmd
}

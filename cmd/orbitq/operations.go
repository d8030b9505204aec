package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// operations are the commands about retries of many that go on by themselves.
func operations() *cobra.Command {
	cmd := &cobra.Command{
		Use: "operations", Short: "See how a retry of many is going, and stop it",
		Example: "  orbitq operations show ID\n  orbitq operations abort ID",
	}
	for _, sub := range []struct {
		use, short string
		do         func(*client.Client, *cobra.Command, string) (client.Operation, error)
	}{
		{"show ID", "Show how a retry of many is going", func(c *client.Client, cmd *cobra.Command, id string) (client.Operation, error) {
			return c.Operation(cmd.Context(), id)
		}},
		{"abort ID", "Stop a retry of many; jobs that it retried go on", func(c *client.Client, cmd *cobra.Command, id string) (client.Operation, error) {
			return c.Abort(cmd.Context(), id)
		}},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: sub.use, Short: sub.short, Args: exactly("the id of an operation"), Example: "  orbitq operations " + sub.use,
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := connect(cmd)
				if err != nil {
					return err
				}
				op, err := sub.do(c, cmd, args[0])
				if err != nil {
					return err
				}
				return show(cmd, op, func(out io.Writer) error { return writeOperation(out, &op) })
			},
		})
	}
	return connected(group(cmd))
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

// queues are the commands about the work queues.
func queues() *cobra.Command {
	cmd := &cobra.Command{
		Use: "queues", Short: "Show the queues, pause and resume them",
		Example: "  orbitq queues list\n  orbitq queues pause low\n  orbitq queues resume low",
	}
	cmd.AddCommand(queuesList(), queuesSet("pause", "Pause a queue: its messages stay where they are", false), queuesSet("resume", "Resume a queue", true))
	return connected(group(cmd))
}

// queuesList shows what the queues hold, as SQS counts it.
func queuesList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show how many messages the queues hold, and whether they are fed to workers", Args: none,
		Example: "  orbitq queues list\n  orbitq queues list -o json | jq .items[0].waiting",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			all, err := c.Queues(cmd.Context())
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, map[string]any{"items": all}, func(out io.Writer) error {
				t := table{head: []string{"QUEUE", "WAITING", "IN FLIGHT", "DELAYED", "FEED"}}
				for _, q := range all {
					t.add(q.Queue, strconv.Itoa(q.Waiting), strconv.Itoa(q.InFlight), strconv.Itoa(q.Delayed), q.Feed)
				}
				return t.write(out)
			})
		},
	}
}

// queuesSet pauses or resumes a queue; the token needs the scope orbitq/operate.
func queuesSet(verb, short string, enabled bool) *cobra.Command {
	return &cobra.Command{
		Use: verb + " QUEUE", Short: short, Args: exactly("high, default or low"), Example: "  orbitq queues " + verb + " low",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			q, err := c.SetQueue(cmd.Context(), args[0], enabled)
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, map[string]string{"queue": q.Queue, "feed": q.Feed}, func(out io.Writer) error {
				return say(out, fmt.Sprintf("%s is %s", q.Queue, q.Feed))
			})
		},
	}
}

// provider shows the door to the provider.
func provider() *cobra.Command {
	return connected(&cobra.Command{
		Use: "provider", Short: "Show the provider's limiter, circuit breaker and monthly budget", Args: none,
		Example: "  orbitq provider\n  orbitq provider -o json | jq .budget_percent",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			p, err := c.Provider(cmd.Context())
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, p, func(out io.Writer) error {
				s := sheet{}
				s.putf("breaker", "%s", p.Breaker)
				if p.OpenUntil != nil {
					s.putf("open until", "%s", moment(*p.OpenUntil))
				}
				s.putf("next slot", "%s", moment(p.NextSlot))
				s.putf("next high slot", "%s", moment(p.NextHighSlot))
				s.putf("month", "%s: %d requests, %.2f PU, %.1f %% of the budget", p.Month, p.Requests, p.PU, p.Spent)
				return s.write(out)
			})
		},
	})
}

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

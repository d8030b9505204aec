package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
)

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

package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// usage shows what a user has used. It counts analyses, not jobs: an outcome without data costs nothing, and work that
// was done twice is billed once.
func usage() *cobra.Command {
	cmd := &cobra.Command{
		Use: "usage", Short: "Show what you have used of this cycle, and what is left", Args: none,
		Example: "  orbitq usage\n  orbitq usage -o json | jq .remaining",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			u, err := c.Usage(cmd.Context())
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, u, func(out io.Writer) error { return writeUsage(out, &u) })
		},
	}
	cmd.AddCommand(usageLedger(), usageMakeUp())
	return connected(cmd)
}

// usageLedger lists what was billed.
func usageLedger() *cobra.Command {
	cmd := listing[client.Entry]{
		what: "billed analyses", order: newestFirst, ask: (*client.Client).Ledger, write: writeLedger,
		example: "  orbitq usage ledger\n  orbitq usage ledger --limit 0 -o json | jq '[.items[].cost_credits] | add'",
	}.command()
	cmd.Use = "ledger"
	return cmd
}

// writeLedger shows entries to people.
func writeLedger(w io.Writer, l *listOf[client.Entry]) error {
	if len(l.Items) == 0 {
		return say(w, "nothing was billed")
	}
	t := table{head: []string{"AT", "POINT", "JOB", "OUTCOME", "CREDITS"}}
	for i := range l.Items {
		e := &l.Items[i]
		t.add(moment(e.At), e.PointID, e.JobID, e.Outcome, strconv.FormatFloat(e.CostCredits, 'f', 2, 64))
	}
	return errors.Join(t.write(w), l.rest(w))
}

// usageMakeUp runs skipped jobs again after an upgrade.
func usageMakeUp() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use: "make-up", Short: "Run jobs that the limit had skipped, under the plan you have now", Args: none,
		Example: "  orbitq usage make-up --dry-run\n  orbitq usage make-up",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			done, err := c.MakeUp(cmd.Context(), dry)
			return errors.Join(err, show(cmd, done, func(out io.Writer) error {
				return say(out, fmt.Sprintf("%d skipped jobs found, %d wait for their turn now", done.Matched, done.MadeUp))
			}))
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only count")
	return cmd
}

// writeUsage shows it to people.
func writeUsage(w io.Writer, u *client.Usage) error {
	s := sheet{}
	s.putf("tier", "%s", u.Tier)
	s.putf("cycle", "%s to %s", u.Cycle.Start.UTC().Format(time.DateOnly), u.Cycle.End.UTC().Format(time.DateOnly))
	s.putf("used", "%d of %s", u.Used, allowed(u.Limit))
	s.putf("reserved", "%d by running jobs", u.Reserved)
	s.putf("remaining", "%s", allowed(u.Remaining))
	if u.Points.Used != nil {
		s.putf("data points", "%d of %s", *u.Points.Used, allowed(u.Points.Limit))
	}
	s.putf("resets at", "%s", moment(u.ResetsAt))
	return s.write(w)
}

// allowed writes a number that may be without a limit: null in JSON is a word here.
func allowed(n *int) string {
	if n == nil {
		return "unlimited"
	}
	return strconv.Itoa(*n)
}

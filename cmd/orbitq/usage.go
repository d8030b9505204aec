package main

import (
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// usage shows what a user has used. It counts analyses, not jobs: an outcome without data costs nothing, and work that
// was done twice is billed once.
func usage() *cobra.Command {
	return connected(&cobra.Command{
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
	})
}

// writeUsage shows it to people.
func writeUsage(w io.Writer, u *client.Usage) error {
	s := sheet{}
	s.putf("tier", "%s", u.Tier)
	s.putf("cycle", "%s to %s", u.Cycle.Start.UTC().Format(time.DateOnly), u.Cycle.End.UTC().Format(time.DateOnly))
	s.putf("used", "%d of %s", u.Used, allowed(u.Limit))
	s.putf("reserved", "%d by running jobs", u.Reserved)
	s.putf("remaining", "%s", allowed(u.Remaining))
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

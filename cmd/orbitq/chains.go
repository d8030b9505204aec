package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// chains are the commands about chains: one data point through several steps. Whoever has the id of a step's job finds the
// chain in the job (flow in JSON), and the other way round by show.
func chains() *cobra.Command {
	cmd := &cobra.Command{
		Use: "chains", Short: "Take a data point through several steps, one after the other",
		Example: "  orbitq chains start POINT --wait\n  orbitq chains show ID\n  orbitq chains redrive ID --wait",
	}
	cmd.AddCommand(chainsStart(), chainsList(), chainsShow(), chainsCancel(), chainsRedrive())
	return connected(group(cmd))
}

// chainsStart starts a chain. The default steps are the API's, so that they are written down once.
func chainsStart() *cobra.Command {
	var (
		n client.NewChain
		w waiting
	)
	cmd := &cobra.Command{
		Use: "start POINT", Short: "Start a chain for a stored point", Args: exactly("the id of a point"),
		Example: "  orbitq chains start 01JM8WQ5Z3T5V9B0C2D4E6F8GH --wait\n  orbitq chains start 01JM8WQ5Z3T5V9B0C2D4E6F8GH --steps enrich,notify --queue low\n  orbitq chains start 01JM8WQ5Z3T5V9B0C2D4E6F8GH --wait || test $? -eq 6 && echo a step failed",
		RunE: func(cmd *cobra.Command, args []string) error {
			n.PointID = args[0]
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			chain, err := c.StartChain(cmd.Context(), n)
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return w.chain(cmd, c, &chain)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&n.Steps, "steps", nil, "kinds in their order (default enrich,analyze,notify)")
	f.StringVar(&n.Queue, "queue", "", "high, default or low: whose turn it is at the provider")
	f.StringSliceVar(&n.Tags, "tag", nil, "to find the jobs of its steps by")
	f.StringVar(&n.Key, "key", "", "idempotency key: repeating the command with it starts nothing twice")
	w.flags(cmd)
	return cmd
}

// chain shows a chain that was started or redriven; if that is wanted, it waits for its end first, and what ended
// without success is a failure then.
func (f *waiting) chain(cmd *cobra.Command, c *client.Client, begun *client.Chain) error {
	if !f.wait {
		return showChain(cmd, begun)
	}
	ctx, cancel := limited(cmd.Context(), f.timeout)
	defer cancel()
	seen, err := c.WaitChain(ctx, begun.ID, pollEvery, stepTeller(cmd.ErrOrStderr()))
	if err != nil {
		// The end of patience is no end of the chain; without its id it would be hard to find again.
		return fmt.Errorf("%w; the chain goes on, look again with: orbitq chains show %s", err, begun.ID)
	}
	// The client gives up waiting where a step waits for days: for an image that nobody has published yet.
	if !seen.State.Final() {
		fmt.Fprintf(cmd.ErrOrStderr(), "the chain waits for another day and goes on by itself; look again with: orbitq chains show %s\n", seen.ID)
	}
	return errors.Join(showChain(cmd, &seen), chainFault(&seen))
}

// stepTeller writes a line for each change of a step's job. What happened between two looks is not made up: a step that was
// quicker than that has one line.
func stepTeller(out io.Writer) func(client.Chain) {
	told := map[string]string{}
	return func(c client.Chain) {
		for i := range c.Steps {
			s := &c.Steps[i]
			if s.Job == nil {
				continue
			}
			// Compared as it is shown: what looks the same is said once, however often it is asked.
			line := s.Kind + " " + s.State + " " + string(s.Job.Outcome)
			if s.Job.Error != nil && s.Job.State != job.Succeeded {
				line += string(s.Job.Error.Code)
			}
			if line = strings.TrimSpace(line); told[s.Kind] != line {
				fmt.Fprintln(out, line)
			}
			told[s.Kind] = line
		}
	}
}

// chainFault makes the end of a chain without success a failure of the command that waited for it. An enrichment without
// data is none, as for jobs: the work was done, and the answer is that the sky was cloudy.
func chainFault(c *client.Chain) error {
	switch {
	case c.State == job.TrackCancelled:
		return unwellError{errors.New("the chain was cancelled")}
	case c.State != job.TrackFailed:
		return nil
	}
	why := ""
	if c.Error != nil {
		why = fmt.Sprintf(": %s: %s", c.Error.Code, c.Error.Message)
	}
	return unwellError{fmt.Errorf("step %s failed%s; after a fix: orbitq chains redrive %s", c.Failed, why, c.ID)}
}

// showChain shows one.
func showChain(cmd *cobra.Command, c *client.Chain) error {
	return show(cmd, c, func(out io.Writer) error { return writeChain(out, c) })
}

// chainsList lists chains. The steps' jobs are not in a list, so it says which step is next or failed, and not how often it
// was tried.
func chainsList() *cobra.Command {
	return listing[client.Chain]{
		what: "chains", order: newestFirst, ask: (*client.Client).Chains, write: writeChains,
		example: "  orbitq chains list\n  orbitq chains list --limit 0 -o json | jq -r '.items[] | select(.state==\"failed\") | .id'",
	}.command()
}

// chainsShow shows a chain with the jobs of its steps.
func chainsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a chain: each step with its job, and which one failed", Args: exactly("the id of a chain"),
		Example: "  orbitq chains show 01JM8WR5B0E2F4G6H8J0K2M4N6\n  orbitq chains show 01JM8WR5B0E2F4G6H8J0K2M4N6 -o json | jq -r .failed_step",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			chain, err := c.Chain(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return showChain(cmd, &chain)
		},
	}
}

// chainsCancel takes a chain back. It is no failure if the chain was taken back already: the wish is fulfilled.
func chainsCancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "Take a chain back; a step that runs is its last one", Args: exactly("the id of a chain"),
		Example: "  orbitq chains cancel 01JM8WR5B0E2F4G6H8J0K2M4N6",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			chain, err := c.CancelChain(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return showChain(cmd, &chain)
		},
	}
}

// chainsRedrive lets a failed chain go on from the step that failed: the steps before it are done and stay done.
func chainsRedrive() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use: "redrive ID", Short: "Let a failed chain go on from the step that failed", Args: exactly("the id of a chain"),
		Example: "  orbitq chains redrive 01JM8WR5B0E2F4G6H8J0K2M4N6 --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			chain, err := c.RedriveChain(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return w.chain(cmd, c, &chain)
		},
	}
	w.flags(cmd)
	return cmd
}

package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// batchesStart starts a batch, or says what it would cost. What the command line can tell is wrong with it is told before
// anything is asked; what only the API knows (limits, kinds, addresses) is left to it, so that it is written down once.
func batchesStart() *cobra.Command {
	var (
		n    client.NewBatch
		from chosen
		call callbacks
		dry  bool
		w    watching
	)
	cmd := &cobra.Command{
		Use: "start --name NAME (POINT... | --file FILE | --campaign ID)", Short: "Start a batch of stored points",
		Example: `  orbitq batches start --name "two by hand" 01JM8WQ5Z3T5V9B0C2D4E6F8GH 01JM8WQ5Z3T5V9B0C2D4E6F8GJ --watch
  orbitq batches start --name May --file ids.txt --steps enrich,analyze --allow-failures --then https://example.org/hook
  orbitq batches start --name May --campaign dunes --metric temperature --from 2020-05-01 --to 2020-05-31 --dry-run
  orbitq batches start --name May --campaign dunes --catch notify --finally job:notify:01JM8WQ5Z3T5V9B0C2D4E6F8GH`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dry && w.watch {
				return usageError{errors.New("--dry-run starts nothing that --watch could watch")}
			}
			// All that is wrong is said at once, so that nobody repeats the command for each flag.
			if err := errors.Join(needs(cmd, "name"), call.fill(&n), from.fill(cmd, &n, args)); err != nil {
				return err
			}
			if dry {
				return estimateBatch(cmd, &n)
			}
			return startBatch(cmd, &n, &w)
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.Name, "name", "", "what people call it")
	f.StringSliceVar(&n.Steps, "steps", nil, "kinds in their order (default enrich)")
	f.BoolVar(&n.AllowFailures, "allow-failures", false, "go on when an item fails; without it nothing new starts after the first failure")
	f.StringVar(&n.Queue, "queue", "", "high, default or low: whose turn it is at the provider")
	f.StringSliceVar(&n.Tags, "tag", nil, "to find the jobs of its items by")
	f.StringVar(&n.Key, "key", "", "idempotency key: repeating the command with it starts nothing twice")
	f.BoolVar(&dry, "dry-run", false, "only say how many items there are, and what they would cost")
	from.flags(cmd)
	call.flags(cmd)
	w.flags(cmd)
	return cmd
}

// startBatch starts the batch, and watches it if that is wanted.
func startBatch(cmd *cobra.Command, n *client.NewBatch, w *watching) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	b, err := c.StartBatch(cmd.Context(), *n)
	if err != nil {
		return err //nolint:wrapcheck // the client's errors are written for people
	}
	return w.begun(cmd, c, &b)
}

// estimateBatch says what the batch would cost. The price is that of AWS without any free tier, so that nobody is
// surprised by the last thousand items.
func estimateBatch(cmd *cobra.Command, n *client.NewBatch) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	e, err := c.EstimateBatch(cmd.Context(), *n)
	if err != nil {
		return err //nolint:wrapcheck // the client's errors are written for people
	}
	return show(cmd, e, func(out io.Writer) error { return writeEstimate(out, &e) })
}

package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// batches are the commands about batches: many data points through the same steps, side by side. They are named as for
// chains where they do the same; retry and not redrive, because it is a round of its own, with callbacks that fire again.
func batches() *cobra.Command {
	cmd := &cobra.Command{
		Use: "batches", Short: "Take many data points through the same steps, side by side",
		Example: "  orbitq batches start --name May --campaign dunes --dry-run\n  orbitq batches start --name May --campaign dunes --watch\n  orbitq batches items ID --state failed\n  orbitq batches retry ID --watch",
	}
	cmd.AddCommand(
		batchesStart(), batchesList(), batchesShow(), batchesWatch(), batchesItems(), batchesAdd(),
		batchesAct("cancel", "Take a batch back: what has not started never does", (*client.Client).CancelBatch), batchesRetry(),
	)
	return connected(group(cmd))
}

// showBatch shows one.
func showBatch(cmd *cobra.Command, b *client.Batch) error {
	return show(cmd, b, func(out io.Writer) error { return writeBatch(out, b) })
}

// batchesList lists batches. Those that go on are not counted in a list: each would cost a read of all its items.
func batchesList() *cobra.Command {
	return listing[client.Batch]{
		what: "batches", order: newestFirst, ask: (*client.Client).Batches, write: writeBatches,
		example: "  orbitq batches list\n  orbitq batches list --limit 0 -o json | jq -r '.items[] | select(.state==\"running\") | .id'",
	}.command()
}

// batchesShow shows a batch as it stands.
func batchesShow() *cobra.Command {
	return batchesAct("show", "Show a batch: counts, progress, callbacks and cost", (*client.Client).Batch)
}

// batchesAct makes a command that does one thing with a batch and shows it. That something failed in it is no failure of
// these commands: who only looks, or takes it back, has got what was asked for.
func batchesAct(verb, short string, act func(*client.Client, context.Context, string) (client.Batch, error)) *cobra.Command {
	const id = "01JM8WR6C1F3G5H7J9K1M3N5P7"
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: exactly("the id of a batch"),
		Example: "  orbitq batches " + verb + " " + id + "\n  orbitq batches " + verb + " " + id + " -o json | jq .state",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			b, err := act(c, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return showBatch(cmd, &b)
		},
	}
}

// batchesAdd adds points to a batch that goes on. It does not split a longer list: half of it could be refused when the
// batch ends in between, and nobody would know which half.
func batchesAdd() *cobra.Command {
	return &cobra.Command{
		Use: "add ID POINT...", Short: "Add up to 99 points to a batch that has not ended, all or none", Args: some("the id of a batch"),
		Example: "  orbitq batches add 01JM8WR6C1F3G5H7J9K1M3N5P7 01JM8WQ5Z3T5V9B0C2D4E6F8GH",
		RunE: func(cmd *cobra.Command, args []string) error {
			// The first argument is there already; what is missing is named by what it is.
			if err := some("the id of a point")(cmd, args[1:]); err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			b, err := c.AddBatchItems(cmd.Context(), args[0], args[1:])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return showBatch(cmd, &b)
		},
	}
}

// batchesRetry works again on what failed or was cancelled, in a round of its own.
func batchesRetry() *cobra.Command {
	var w watching
	cmd := &cobra.Command{
		Use: "retry ID", Short: "Work again on the items of an ended batch that failed or were cancelled", Args: exactly("the id of a batch"),
		Example: "  orbitq batches retry 01JM8WR6C1F3G5H7J9K1M3N5P7 --watch",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			b, err := c.RetryBatch(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return w.begun(cmd, c, &b)
		},
	}
	w.flags(cmd)
	return cmd
}

package main

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// batches are the commands about batches: many data points through the same steps, side by side.
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

// batchesList lists batches.
func batchesList() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List your batches, newest first", Args: none,
		Example: "  orbitq batches list\n  orbitq batches list --limit 0 -o json | jq -r '.items[] | select(.state==\"running\") | .id'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usageError{fmt.Errorf("--limit is how many batches to list, not %d", limit)}
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			list, err := firstOf(c.Batches(cmd.Context(), pageSize(limit)), limit)
			if err != nil {
				return err
			}
			return show(cmd, list, func(out io.Writer) error { return writeBatches(out, &list) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to list at most; 0 is all")
	return cmd
}

// batchesShow shows a batch as it stands.
func batchesShow() *cobra.Command {
	return batchesAct("show", "Show a batch: counts, progress, callbacks and cost", (*client.Client).Batch)
}

// batchesAct makes a command that does one thing with a batch and shows it.
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

// batchesItems lists items. The API has no filter by state, so the whole list is read for one: it is at most 50 pages.
func batchesItems() *cobra.Command {
	var (
		state string
		all   bool
		limit int
	)
	cmd := &cobra.Command{
		Use: "items ID", Short: "List the items of a batch: where each stands, and why", Args: exactly("the id of a batch"),
		Example: "  orbitq batches items 01JM8WR6C1F3G5H7J9K1M3N5P7 --state failed\n  orbitq batches items 01JM8WR6C1F3G5H7J9K1M3N5P7 --all -o json | jq -r .items[].data_point_id",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkItems(state, limit); err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			if all {
				limit = 0
			}
			page := pageSize(limit)
			if state != "" {
				page = pageSize(0)
			}
			list, err := firstOf(only(c.BatchItems(cmd.Context(), args[0], page), job.TrackState(state)), limit)
			if err != nil {
				return err
			}
			return show(cmd, list, func(out io.Writer) error { return writeItems(out, &list) })
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only items in this state: pending, running, succeeded, skipped, failed or cancelled")
	cmd.Flags().BoolVar(&all, "all", false, "list all of them")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to list at most; 0 is all")
	return cmd
}

// checkItems refuses what the list of items does not know: a misspelt state would look like none.
func checkItems(state string, limit int) error {
	if limit < 0 {
		return usageError{fmt.Errorf("--limit is how many items to list, not %d", limit)}
	}
	var known job.Counts
	known.Add(job.TrackState(state))
	if state != "" && known.Total() == 0 {
		return usageError{fmt.Errorf("--state is pending, running, succeeded, skipped, failed or cancelled, not %q", state)}
	}
	return nil
}

// only keeps items in a state; empty keeps all, and so does an error.
func only(all iter.Seq2[client.BatchItem, error], state job.TrackState) iter.Seq2[client.BatchItem, error] {
	return func(yield func(client.BatchItem, error) bool) {
		for item, err := range all {
			if err == nil && state != "" && item.State != state {
				continue
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// batchesAdd adds points to a batch that goes on.
func batchesAdd() *cobra.Command {
	return &cobra.Command{
		Use: "add ID POINT...", Short: "Add up to 99 points to a batch that has not ended, all or none", Args: some("the id of a batch"),
		Example: "  orbitq batches add 01JM8WR6C1F3G5H7J9K1M3N5P7 01JM8WQ5Z3T5V9B0C2D4E6F8GH",
		RunE: func(cmd *cobra.Command, args []string) error {
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

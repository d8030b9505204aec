package main

import (
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

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
			// A limit counts what is shown, not what is read: with a state the pages are as large as they may be.
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

// checkItems refuses what the list of items does not know: after a walk over all pages, a misspelt state would look
// like a batch without such items.
func checkItems(state string, limit int) error {
	if limit < 0 {
		return usageError{fmt.Errorf("--limit is how many items to list, not %d", limit)}
	}
	known := job.Counts{}.With(job.TrackState(state))
	if state != "" && known.Total() == 0 {
		return usageError{fmt.Errorf("--state is pending, running, succeeded, skipped, failed or cancelled, not %q", state)}
	}
	return nil
}

// only keeps items in a state; empty keeps all, and so does an error.
func only(all iter.Seq2[client.BatchItem, error], state job.TrackState) iter.Seq2[client.BatchItem, error] {
	return func(yield func(client.BatchItem, error) bool) {
		for item, err := range all {
			// An error goes through: a list that ends early must not look like a batch without such items.
			if err == nil && state != "" && item.State != state {
				continue
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// watching are the flags of commands that can watch a batch to its end. Unlike waiting for a job there is no limit unless
// one is asked for: the items of a batch may wait for an image of next week.
type watching struct {
	watch   bool
	timeout time.Duration
}

// flags adds them.
func (f *watching) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.watch, "watch", false, "show the progress until the end; Ctrl-C stops watching, not the batch")
	f.patience(cmd)
}

// patience adds the flag that a command has that always watches.
func (f *watching) patience(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "stop watching after this; the batch goes on; 0 is never")
}

// begun shows a batch that was started or retried, or watches it if that is wanted.
func (f *watching) begun(cmd *cobra.Command, c *client.Client, b *client.Batch) error {
	if !f.watch {
		return showBatch(cmd, b)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "batch %s of %d items; %s\n", b.ID, b.Total, batchWayOut(b.ID))
	return f.follow(cmd, c, b.ID, b.Total)
}

// batchWayOut says how to look again and how to stop.
func batchWayOut(id string) string {
	return "watch it: orbitq batches watch " + id + "; stop it: orbitq batches cancel " + id
}

// follow watches a batch to its end. Whoever stops watching does not stop it, and hears how to. An end without the
// success of all is a failure, so that a script does not go on as if all were well.
func (f *watching) follow(cmd *cobra.Command, c *client.Client, id string, total int) error {
	ctx, cancel := limited(cmd.Context(), f.timeout)
	defer cancel()
	m := newBatchMeter(cmd.ErrOrStderr()) // not where the result goes: that stays one JSON value
	b, err := c.WatchBatch(ctx, id, lookPause(total), func(b client.Batch) { m.show(&b, time.Now()) })
	m.end()
	if ctx.Err() != nil {
		err = errors.New("stopped watching; the batch goes on; " + batchWayOut(id))
	}
	// Without a single look there is nothing to show.
	if b.ID == "" {
		return err
	}
	if err == nil {
		err = batchFault(&b)
		if n := b.Counts; n != nil && n.Skipped > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d skipped: the limit of the cycle is used up; they are made up in the next one, or now: orbitq usage make-up\n", n.Skipped)
		}
	}
	return errors.Join(showBatch(cmd, &b), err)
}

// lookPause is the pause between two looks. A look counts the rows of all items, so large batches are looked at less
// often: six seconds for 5,000 items.
func lookPause(total int) time.Duration {
	return watchEvery + time.Duration(total)*time.Millisecond
}

// batchFault makes an end without the success of all a failure. A skipped item is none: its owner's limit is used up.
func batchFault(b *client.Batch) error {
	n := b.Counts
	if n == nil || n.Failed+n.Cancelled == 0 {
		return nil
	}
	what := fmt.Sprintf("%d of %d items failed", n.Failed, b.Total)
	if n.Cancelled > 0 {
		what = fmt.Sprintf("%d of %d items failed, %d were cancelled", n.Failed, b.Total, n.Cancelled)
	}
	return unwellError{fmt.Errorf("%s; why: orbitq batches items %s --state failed; again: orbitq batches retry %s --watch", what, b.ID, b.ID)}
}

// batchesWatch watches a batch.
func batchesWatch() *cobra.Command {
	w := watching{watch: true}
	cmd := &cobra.Command{
		Use: "watch ID", Short: "Watch a batch to its end; Ctrl-C stops watching, not the batch", Args: exactly("the id of a batch"),
		Example: "  orbitq batches watch 01JM8WR6C1F3G5H7J9K1M3N5P7\n  orbitq batches watch 01JM8WR6C1F3G5H7J9K1M3N5P7 --timeout 10m -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			b, err := c.Batch(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return w.follow(cmd, c, args[0], b.Total)
		},
	}
	w.patience(cmd)
	return cmd
}

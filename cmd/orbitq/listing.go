package main

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// listing is a command that lists what a user has of one sort. It stops at a limit unless it is told otherwise, because a
// list without an end is rarely wanted on a terminal, and it says when there is more.
type listing[Item any] struct {
	what, order, example string
	flags                func(*cobra.Command) // those of a filter, if it has any
	ask                  func(c *client.Client, ctx context.Context, page int) iter.Seq2[Item, error]
	write                func(w io.Writer, list *listOf[Item]) error
}

const newestFirst = "newest first"

// command returns it.
func (l listing[Item]) command() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List your " + l.what + ", " + l.order, Args: none, Example: l.example,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usageError{fmt.Errorf("--limit is how many %s to list, not %d", l.what, limit)}
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			list, err := firstOf(l.ask(c, cmd.Context(), pageSize(limit)), limit)
			if err != nil {
				return err
			}
			return show(cmd, list, func(out io.Writer) error { return l.write(out, &list) })
		},
	}
	if l.flags != nil {
		l.flags(cmd)
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to list at most; 0 is all")
	return cmd
}

package main

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// listing is a command that lists everything of one sort that a user has, and has no filter but how many.
type listing[Item any] struct {
	what, example string
	ask           func(c *client.Client, ctx context.Context, page int) iter.Seq2[Item, error]
	write         func(w io.Writer, list *listOf[Item]) error
}

// command returns it.
func (l listing[Item]) command() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List your " + l.what + ", newest first", Args: none, Example: l.example,
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
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to list at most; 0 is all")
	return cmd
}

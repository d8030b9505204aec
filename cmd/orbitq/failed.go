package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// failed are the commands about dead jobs: what users of other queues know as queue:failed, queue:retry, queue:forget.
func failed() *cobra.Command {
	cmd := &cobra.Command{
		Use: "failed", Short: "Look through dead jobs, run them again, forget them",
		Example: "  orbitq failed list\n  orbitq failed retry ID\n  orbitq failed retry --code PROVIDER_DENIED --dry-run",
	}
	cmd.AddCommand(failedList(), failedGroups(), failedRetry(), failedForget(), failedFlush(), failedPoison())
	return connected(group(cmd))
}

// failedList lists dead jobs. They stay dead until somebody retries or forgets them, so the list is what is left to do.
func failedList() *cobra.Command {
	var (
		f    client.FailedFilter
		code string
	)
	return listing[client.Job]{
		what: "dead jobs", order: "the latest death first",
		example: "  orbitq failed list\n  orbitq failed list --code PROVIDER_DENIED --limit 0   # all of them",
		flags:   func(cmd *cobra.Command) { filterFlags(cmd, &f, &code) },
		ask: func(c *client.Client, ctx context.Context, page int) iter.Seq2[client.Job, error] {
			f.Code, f.Page = job.Code(code), page
			return c.Failed(ctx, f)
		},
		write: func(out io.Writer, list *listOf[client.Job]) error {
			if len(list.Items) == 0 {
				return say(out, "no dead jobs")
			}
			return writeJobs(out, list)
		},
	}.command()
}

// failedRetry runs dead jobs again: some by id, or many by what they have in common. Everything at once must be said
// in words, because a forgotten flag must not mean all.
func failedRetry() *cobra.Command {
	var (
		f        client.FailedFilter
		code     string
		all, dry bool
		by       steps
	)
	cmd := &cobra.Command{
		Use: "retry [ID...]", Short: "Run dead jobs again, by id or by what they died of",
		Example: "  orbitq failed retry 01JM8WQ5Z4A1B2C3D4E5F6G7H8\n  orbitq failed retry --code PROVIDER_DENIED --dry-run\n  orbitq failed retry --fingerprint 2ad6051d231e --canary --watch\n  orbitq failed retry --all",
		RunE: func(cmd *cobra.Command, ids []string) error {
			f.Code = job.Code(code)
			filtered := f != client.FailedFilter{}
			many := all || filtered
			if many == (len(ids) > 0) || all && filtered {
				return usageError{errors.New("name jobs by id, or by a filter such as --code, or say --all")}
			}
			if err := by.check(cmd, many); err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			if by.wanted() && !dry {
				return by.start(cmd, c, f)
			}
			done := client.Retried{Matched: len(ids)}
			if many {
				done, err = c.RetryMany(cmd.Context(), f, dry)
			} else {
				done.Retried, err = eachID(cmd.Context(), ids, c.Retry)
			}
			return errors.Join(err, show(cmd, done, func(out io.Writer) error {
				return say(out, fmt.Sprintf("%d dead jobs found, %d queued again", done.Matched, done.Retried))
			}))
		},
	}
	filterFlags(cmd, &f, &code)
	cmd.Flags().BoolVar(&all, "all", false, "every dead job")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only count what the filter or --all mean")
	by.flags(cmd)
	return cmd
}

// failedForget drops dead jobs for good; their letters are deleted by the next sweep of the dead letter queue.
func failedForget() *cobra.Command {
	return &cobra.Command{
		Use: "forget ID...", Short: "Forget dead jobs for good", Args: some("the id of a job"),
		Example: "  orbitq failed forget 01JM8WQ5Z4A1B2C3D4E5F6G7H8",
		RunE: func(cmd *cobra.Command, ids []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			n, err := eachID(cmd.Context(), ids, c.Forget)
			return errors.Join(err, show(cmd, map[string]int{"forgotten": n}, func(out io.Writer) error {
				return say(out, fmt.Sprintf("%d forgotten", n))
			}))
		},
	}
}

// filterFlags are the flags that say which dead jobs are meant.
func filterFlags(cmd *cobra.Command, f *client.FailedFilter, code *string) {
	cmd.Flags().StringVar(code, "code", "", "only jobs that died of this code")
	cmd.Flags().StringVar(&f.Fingerprint, "fingerprint", "", "only jobs that died of this cause; see orbitq failed groups")
	cmd.Flags().StringVar(&f.Queue, "queue", "", "only jobs of this queue: high, default or low")
	cmd.Flags().StringVar(&f.Since, "since", "", "only jobs that died at this time or later, such as 2026-11-25T08:00:00Z")
	cmd.Flags().StringVar(&f.Until, "until", "", "only jobs that died before this time")
}

// jobsCancel takes open jobs back.
func jobsCancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID...", Short: "Take open jobs back", Args: some("the id of a job"),
		Example: "  orbitq jobs cancel 01JM8WQ5Z4A1B2C3D4E5F6G7H8",
		RunE: func(cmd *cobra.Command, ids []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			n, err := eachID(cmd.Context(), ids, c.Cancel)
			return errors.Join(err, show(cmd, map[string]int{"cancelled": n}, func(out io.Writer) error {
				return say(out, fmt.Sprintf("%d cancelled", n))
			}))
		},
	}
}

// eachID does one thing to several jobs, stops at the first that fails, and says how many were done.
func eachID(ctx context.Context, ids []string, do func(context.Context, string) (client.Job, error)) (int, error) {
	for i, id := range ids {
		if _, err := do(ctx, id); err != nil {
			return i, err
		}
	}
	return len(ids), nil
}

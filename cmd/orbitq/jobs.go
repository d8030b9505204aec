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

// jobs are the commands about jobs. There is no command that waits for one alone: dispatching again with the same key
// and --wait does just that.
func jobs() *cobra.Command {
	cmd := &cobra.Command{
		Use: "jobs", Short: "Dispatch jobs and see what became of them",
		Example: "  orbitq jobs list --state dead\n  orbitq jobs show ID\n  orbitq jobs dispatch POINT --queue high --wait",
	}
	cmd.AddCommand(jobsDispatch(), jobsShow(), jobsList(), jobsCalls(), jobsSnooze(), jobsCancel())
	return connected(group(cmd))
}

// jobsDispatch dispatches a job. A point gets its first one when it is stored, so this is for another try by hand; when
// the work is done already, the job ends as ALREADY_DONE and costs nothing.
func jobsDispatch() *cobra.Command {
	var (
		n    client.NewJob
		w    waiting
		sync bool
	)
	cmd := &cobra.Command{
		Use: "dispatch POINT", Short: "Dispatch a job for a stored point", Args: exactly("the id of a point"),
		Example: "  orbitq jobs dispatch 01JM8WQ5Z3T5V9B0C2D4E6F8GH --wait\n  orbitq jobs dispatch 01JM8WQ5Z3T5V9B0C2D4E6F8GH --queue high --key again-1\n  orbitq jobs dispatch 01JM8WQ5Z3T5V9B0C2D4E6F8GH --sync --unique-key weekly --tag weekly",
		RunE: func(cmd *cobra.Command, args []string) error {
			n.PointID = args[0]
			if sync {
				n.Mode = "sync"
			}
			return dispatchJob(cmd, n, w)
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.Kind, "kind", "enrich", "what to do")
	f.StringVar(&n.Queue, "queue", "", "high, default or low")
	f.StringVar(&n.Key, "key", "", "idempotency key: repeating the command with it dispatches nothing twice")
	f.BoolVar(&sync, "sync", false, "run it in the request, at most 25 s")
	f.StringVar(&n.Unique, "unique-key", "", "only one open job may have it; the answer is that job")
	f.StringSliceVar(&n.Tags, "tag", nil, "to find the job by")
	f.IntVar(&n.MaxWait, "max-wait", 0, "seconds within which it starts, or dies; 0 is no such promise")
	w.flags(cmd)
	return cmd
}

// dispatchJob dispatches the job, and waits if that is wanted. A death is shown and is a failure only for those who
// waited for it; a skipped job is neither, its owner's limit is used up and it says so.
func dispatchJob(cmd *cobra.Command, n client.NewJob, w waiting) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	j, err := c.Dispatch(cmd.Context(), n)
	if err != nil {
		return err //nolint:wrapcheck // the client's errors are written for people
	}
	if w.wait {
		duplicate := j.Duplicate // the job itself does not know
		if j, err = w.until(cmd.Context(), c, j.ID); err != nil {
			return err
		}
		j.Duplicate = duplicate
	}
	if j.Duplicate {
		fmt.Fprintln(cmd.ErrOrStderr(), "nothing was dispatched: this open job holds the unique key")
	}
	err = show(cmd, j, func(out io.Writer) error { return writeJob(out, &j) })
	if !w.wait && n.Mode != "sync" {
		return err
	}
	return errors.Join(err, died(&j))
}

// jobsShow shows a job with its last three attempts, which are all that the table keeps.
func jobsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a job: what became of it, when, and its last attempts", Args: exactly("the id of a job"),
		Example: "  orbitq jobs show 01JM8WQ5Z4A1B2C3D4E5F6G7H8\n  orbitq jobs show 01JM8WQ5Z4A1B2C3D4E5F6G7H8 -o json | jq -r .state",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			j, err := c.Job(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, j, func(out io.Writer) error { return writeJob(out, &j) })
		},
	}
}

// jobsList lists jobs.
func jobsList() *cobra.Command {
	var (
		f     client.Filter
		state string
	)
	return listing[client.Job]{
		what: "jobs", order: newestFirst, write: writeJobs,
		example: "  orbitq jobs list\n  orbitq jobs list --state dead --limit 0   # all of them\n  orbitq jobs list --queue high -o json | jq -r .items[].id",
		flags: func(cmd *cobra.Command) {
			flags := cmd.Flags()
			flags.StringVar(&state, "state", "", "only jobs in this state: scheduled, queued, running, waiting, retrying,\nsucceeded, skipped, dead, cancelled or forgotten")
			flags.StringVar(&f.Queue, "queue", "", "only jobs of this queue: high, default or low")
			flags.StringVar(&f.Kind, "kind", "", "only jobs of this kind")
			flags.StringVar(&f.Tag, "tag", "", "only jobs with this tag")
			flags.StringVar(&f.Point, "point", "", "only jobs of this point")
		},
		ask: func(c *client.Client, ctx context.Context, page int) iter.Seq2[client.Job, error] {
			f.State, f.Page = job.State(state), page
			return c.Jobs(ctx, f)
		},
	}.command()
}

// firstOf takes up to limit items of a list, all of them if it is 0, and notes whether there are more.
func firstOf[Item any](all iter.Seq2[Item, error], limit int) (listOf[Item], error) {
	list := listOf[Item]{Items: []Item{}}
	for j, err := range all {
		if err != nil {
			return list, err
		}
		if list.More = limit > 0 && len(list.Items) == limit; list.More {
			break
		}
		list.Items = append(list.Items, j)
	}
	return list, nil
}

// pageSize asks for one more than is shown, so that the list can say whether there are more. The API's largest page is
// the best for everything that needs several.
func pageSize(limit int) int {
	const largest = 100
	if limit == 0 || limit >= largest {
		return largest
	}
	return limit + 1
}

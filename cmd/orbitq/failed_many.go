package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// cause is what several dead jobs have in common.
type cause struct {
	Fingerprint string    `json:"fingerprint"`
	Code        job.Code  `json:"code"`
	Count       int       `json:"count"`
	First       time.Time `json:"first_at"`
	Last        time.Time `json:"last_at"`
	Example     string    `json:"example_job_id"`
	Message     string    `json:"example_message"`
}

// failedGroups groups dead jobs by cause: two thousand failures are mostly three.
func failedGroups() *cobra.Command {
	var (
		f    client.FailedFilter
		code string
	)
	cmd := &cobra.Command{
		Use: "groups", Short: "Group your dead jobs by cause", Args: none,
		Example: "  orbitq failed groups\n  orbitq failed groups --since 2026-11-25T00:00:00Z -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Code, f.Page = job.Code(code), pageSize(0)
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			var dead []client.Job
			for j, err := range c.Failed(cmd.Context(), f) {
				if err != nil {
					return err
				}
				dead = append(dead, j)
			}
			causes := causesOf(dead)
			return show(cmd, map[string]any{"items": causes}, func(out io.Writer) error { return writeCauses(out, causes) })
		},
	}
	filterFlags(cmd, &f, &code)
	return cmd
}

// causesOf groups jobs by fingerprint, the most frequent first.
func causesOf(dead []client.Job) []cause {
	at := map[string]int{}
	causes := []cause{}
	for i := range dead {
		j := &dead[i]
		died := j.CreatedAt
		if j.FinishedAt != nil {
			died = *j.FinishedAt
		}
		k, known := at[j.Fingerprint]
		if !known {
			k = len(causes)
			at[j.Fingerprint] = k
			causes = append(causes, cause{Fingerprint: j.Fingerprint, First: died, Last: died, Example: j.ID})
			if j.Error != nil {
				causes[k].Code, causes[k].Message = j.Error.Code, j.Error.Message
			}
		}
		g := &causes[k]
		g.Count++
		if died.Before(g.First) {
			g.First = died
		}
		if died.After(g.Last) {
			g.Last = died
		}
	}
	slices.SortStableFunc(causes, func(a, b cause) int { return b.Count - a.Count })
	return causes
}

// writeCauses shows groups to people.
func writeCauses(w io.Writer, causes []cause) error {
	if len(causes) == 0 {
		return say(w, "no dead jobs")
	}
	t := table{head: []string{"JOBS", "FINGERPRINT", "CODE", "FIRST", "LAST", "FOR EXAMPLE"}}
	for _, g := range causes {
		t.add(strconv.Itoa(g.Count), g.Fingerprint, string(g.Code), moment(g.First), moment(g.Last), g.Message)
	}
	return t.write(w)
}

// startRetry begins a retry of many that goes on by itself, and watches it. Whoever stops watching does not stop it.
func startRetry(cmd *cobra.Command, c *client.Client, f client.FailedFilter, canary bool, rate int) error {
	op, err := c.StartRetry(cmd.Context(), f, canary, rate)
	if err != nil {
		return err //nolint:wrapcheck // the client's errors are written for people
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "operation %s goes on by itself; orbitq operations abort %s stops it\n", op.ID, op.ID)
	step := op.Step
	for op.State == "running" {
		select {
		case <-cmd.Context().Done():
			return show(cmd, op, func(out io.Writer) error { return writeOperation(out, &op) })
		case <-time.After(time.Second):
		}
		if op, err = c.Operation(cmd.Context(), op.ID); err != nil {
			return err //nolint:wrapcheck // the client's errors are written for people
		}
		if op.Step != step {
			step = op.Step
			fmt.Fprintf(cmd.ErrOrStderr(), "step %d: %d retried, %d mended, %d returned, %d on their way\n", op.Step, op.Retried, op.Mended, op.Returned, op.Open)
		}
	}
	err = show(cmd, op, func(out io.Writer) error { return writeOperation(out, &op) })
	if op.State != "done" {
		err = errors.Join(err, fmt.Errorf("the operation is %s: %s", op.State, op.Reason))
	}
	return err
}

// failedFlush forgets dead jobs by the many. It cannot be taken back, so it has to be said twice.
func failedFlush() *cobra.Command {
	var (
		f            client.FailedFilter
		code         string
		confirm, all bool
	)
	cmd := &cobra.Command{
		Use: "flush", Short: "Forget dead jobs for good, by what they died of", Args: none,
		Example: "  orbitq failed flush --code INVALID_REQUEST            # only counts\n  orbitq failed flush --code INVALID_REQUEST --confirm\n  orbitq failed flush --all --confirm",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Code = job.Code(code)
			if filtered := f != (client.FailedFilter{}); filtered == all {
				return usageError{errors.New("give a filter such as --code, or say --all")}
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			done, err := c.Flush(cmd.Context(), f, !confirm)
			return errors.Join(err, show(cmd, done, func(out io.Writer) error {
				if !confirm {
					return say(out, fmt.Sprintf("%d dead jobs found; --confirm forgets them", done.Matched))
				}
				return say(out, fmt.Sprintf("%d dead jobs found, %d forgotten", done.Matched, done.Forgotten))
			}))
		},
	}
	filterFlags(cmd, &f, &code)
	cmd.Flags().BoolVar(&all, "all", false, "every dead job")
	cmd.Flags().BoolVar(&confirm, "confirm", false, "do it; without it they are only counted")
	return cmd
}

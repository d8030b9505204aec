package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
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
		// Without a time of death the acceptance is the best guess: a zero time would be first of all.
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
	// Stable, so that causes of one size stay in the order of the list: the latest death first.
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
			// Neither is an accident, and both contradict each other.
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

// failedPoison lists dead letters that carry no job. They belong to nobody, so the token needs the scope orbitq/operate.
func failedPoison() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "poison", Short: "List dead letters that carry no job, for operators", Args: none,
		Example: "  orbitq failed poison\n  orbitq failed poison -o json | jq -r .items[].payload",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 100 {
				return usageError{fmt.Errorf("--limit is how many letters to list, 1 to 100, not %d", limit)}
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			all, err := c.Poison(cmd.Context(), limit)
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, map[string]any{"items": all}, func(out io.Writer) error { return writePoison(out, all) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to list at most, up to 100")
	return cmd
}

// writePoison shows letters to people: the beginning of a payload, quoted, since nobody knows what is in it.
func writePoison(w io.Writer, all []client.Poison) error {
	if len(all) == 0 {
		return say(w, "no poison")
	}
	const enough = 40
	t := table{head: []string{"RECORDED", "QUEUE", "RECEIVES", "REASON", "PAYLOAD"}}
	for i := range all {
		p := &all[i]
		payload := strconv.QuoteToASCII(p.Payload)
		if len(p.Payload) > enough {
			payload = strconv.QuoteToASCII(strings.ToValidUTF8(p.Payload[:enough], "")) + "..."
		}
		t.add(moment(p.RecordedAt), p.Queue, strconv.Itoa(p.Receives), p.Reason, payload)
	}
	return t.write(w)
}

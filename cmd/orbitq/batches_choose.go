package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// chosen are the flags that choose points otherwise than by name.
type chosen struct{ file, campaign, metric, from, to string }

// flags adds them.
func (ch *chosen) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&ch.file, "file", "", "ids of points, one a line; - is standard input; # begins a comment")
	f.StringVar(&ch.campaign, "campaign", "", "all your points of this campaign")
	f.StringVar(&ch.metric, "metric", "", "with --campaign: only points of this metric")
	f.StringVar(&ch.from, "from", "", "with --campaign: only readings of this day or time, or later")
	f.StringVar(&ch.to, "to", "", "with --campaign: only readings up to this time, or to the end of this day")
}

// fill puts the choice into a request. Exactly one way must be given: none might mean all, and two leave open which.
func (ch *chosen) fill(cmd *cobra.Command, n *client.NewBatch, args []string) error {
	ways := 0
	for _, given := range []bool{len(args) > 0, ch.file != "", ch.campaign != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return usageError{errors.New("name points by id, or by one of --file and --campaign")}
	}
	if ch.campaign != "" {
		return ch.filter(n)
	}
	if ch.metric+ch.from+ch.to != "" {
		return usageError{errors.New("--metric, --from and --to go with --campaign")}
	}
	// Ids are not looked at here: which of them is wrong, the API says for all at once.
	n.PointIDs = args
	if ch.file == "" {
		return nil
	}
	ids, err := readIDs(cmd, ch.file)
	if err == nil && len(ids) == 0 {
		err = usageError{fmt.Errorf("there is no id in %s", ch.file)}
	}
	n.PointIDs = ids
	return err
}

// filter makes the choice of a campaign's points.
func (ch *chosen) filter(n *client.NewBatch) error {
	from, fromErr := instant("from", ch.from)
	to, toErr := instant("to", ch.to)
	if err := errors.Join(fromErr, toErr); err != nil {
		return err
	}
	if to != nil && len(ch.to) == len(time.DateOnly) {
		// The bound is inclusive, and who says a day means all of it.
		end := to.AddDate(0, 0, 1).Add(-time.Millisecond)
		to = &end
	}
	n.Filter = &client.PointFilter{CampaignID: ch.campaign, MetricID: ch.metric, CollectedFrom: from, CollectedTo: to}
	return nil
}

// readIDs reads a list of ids: the first word of each line, so that a table of jobs or items can be used as it is cut.
func readIDs(cmd *cobra.Command, name string) ([]string, error) {
	in := cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // the person names it
		if err != nil {
			return nil, usageError{fmt.Errorf("read ids: %w", err)}
		}
		defer func() { _ = file.Close() }() // only read from
		in = file
	}
	ids := []string{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		// Blank lines and comments are no ids; who edits a list by hand leaves both.
		if words := strings.Fields(line); len(words) > 0 {
			ids = append(ids, words[0])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read ids from %s: %w", name, err)
	}
	return ids, nil
}

// callbacks are the flags that say what happens when a batch has come to a point.
type callbacks struct{ then, catch, finally string }

// flags adds them.
func (k *callbacks) flags(cmd *cobra.Command) {
	const what = ": URL (a signed POST), notify, or job:KIND:POINT"
	cmd.Flags().StringVar(&k.then, "then", "", "when every item succeeded"+what)
	cmd.Flags().StringVar(&k.catch, "catch", "", "at the first failure"+what)
	cmd.Flags().StringVar(&k.finally, "finally", "", "at the end, however it came"+what)
}

// fill puts them into a request.
func (k *callbacks) fill(n *client.NewBatch) error {
	var errs [3]error
	n.Then, errs[0] = callback("then", k.then)
	n.Catch, errs[1] = callback("catch", k.catch)
	n.Finally, errs[2] = callback("finally", k.finally)
	return errors.Join(errs[:]...)
}

// callback reads one. Whether a URL may be called, and whether there is such a kind and point, is the API's business.
func callback(flag, s string) (*client.Callback, error) {
	// The order of the cases matters: "job:" has no "://", so a URL is never taken for a job.
	kind, of, isJob := strings.Cut(strings.TrimPrefix(s, "job:"), ":")
	switch {
	case s == "":
		return nil, nil //nolint:nilnil // no callback is a good answer
	case s == "notify":
		return &client.Callback{Notify: true}, nil
	case strings.HasPrefix(s, "job:") && isJob && kind != "" && of != "":
		return &client.Callback{Job: &client.CallbackJob{Kind: kind, PointID: of}}, nil
	case strings.Contains(s, "://"):
		return &client.Callback{Webhook: s}, nil
	default:
		return nil, usageError{fmt.Errorf("--%s is a URL, notify, or job:KIND:POINT, not %q", flag, s)}
	}
}

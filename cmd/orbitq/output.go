package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// wantsJSON reports whether a program reads the output.
func wantsJSON(cmd *cobra.Command) bool { return text(cmd, "output") == "json" }

// show writes a result: v as JSON, or what the writer of text makes of it. Every command ends here, which is how both
// formats stay complete: a command without JSON does not compile.
func show(cmd *cobra.Command, v any, people func(w io.Writer) error) error {
	out := cmd.OutOrStdout()
	if !wantsJSON(cmd) {
		return people(out)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// table is rows under a head; cells that should line up come padded. There are no lines and no colours in it: what is
// pasted into an issue, searched or cut into columns stays what it was.
type table struct {
	head []string
	rows [][]string
	gap  int // blanks between columns; 0 is two
}

// add appends a row.
func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write lays the table out.
func (t *table) write(w io.Writer) error {
	gap := t.gap
	if gap == 0 {
		gap = 2
	}
	tw := tabwriter.NewWriter(w, 0, 0, gap, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		// Empty cells at the end would leave blanks behind.
		line := strings.TrimRight(strings.Join(row, "\t"), "\t")
		if line == "" {
			continue
		}
		if _, err := fmt.Fprintln(tw, line); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// sheet is names and values, one pair a line; pairs without a value are left out.
type sheet struct{ table }

// putf appends a pair.
func (s *sheet) putf(name, format string, args ...any) {
	if value := strings.TrimSpace(fmt.Sprintf(format, args...)); value != "" {
		s.add(name, value)
	}
}

// moment writes a time to the second, in UTC wherever the reader is, as the API and the logs have it.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// later writes a time that may not have come.
func later(t *time.Time) string {
	if t == nil {
		return ""
	}
	return moment(*t)
}

// span writes a duration as short as is useful.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}

// percent writes a share.
func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// short writes the mean of an index where there is little room.
func short(s *client.Stats) string {
	if s == nil {
		return "     -"
	}
	return fmt.Sprintf("%6.3f", s.Mean)
}

// indexNames are the columns of the seven indices.
func indexNames() []string { return []string{"NDVI", "NDMI", "NDRE", "EVI", "MSI", "SAVI", "GNDVI"} }

// meaning says in words why a job ended as it did.
func meaning(o job.Outcome) string {
	switch o {
	case job.Success:
		return "all seven indices, billed once"
	case job.Partial:
		return "some indices, billed once"
	case job.AlreadyDone:
		return "another job had done it, not billed"
	case job.NoLocation:
		return "the point has no coordinates, not billed"
	case job.OutOfCoverage:
		return "the satellite never looks there, not billed"
	case job.NoAcquisition:
		return "no image in the 15 days around, not billed"
	case job.PreMission:
		return "collected before the first image of 2015-07-04, not billed"
	case job.NotYetAvailable:
		return "the image is not published yet, not billed"
	case job.Clouded:
		return "images exist, all under cloud, not billed"
	case job.UserQuotaExceeded:
		return "the limit of this cycle is used up, not billed"
	case job.PointDeleted:
		return "the point is gone, not billed"
	case job.Analysed:
		return "the verdict of the rules is stored, not billed"
	case job.Notified:
		return "the message is in the inbox, not billed"
	case job.NotWanted:
		return "its owner mutes such messages, not billed"
	default:
		return ""
	}
}

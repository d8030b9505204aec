package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// pointsQuality shows what rules and people say about a reading. It is beside show and not in it: the verdict is about the
// reading, the analysis about what the satellite saw, and either may be there without the other.
func pointsQuality() *cobra.Command {
	return &cobra.Command{
		Use: "quality ID", Short: "Show what the rules and people say about a reading", Args: exactly("the id of a point"),
		Example: "  orbitq points quality 01JM8WQ5Z3T5V9B0C2D4E6F8GH\n  orbitq points quality 01JM8WQ5Z3T5V9B0C2D4E6F8GH -o json | jq -r .flags[].type",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			q, err := c.Quality(cmd.Context(), args[0])
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, q, func(out io.Writer) error { return writeQuality(out, &q) })
		},
	}
}

// writeQuality shows it to people. What nobody has analysed yet says how to get it, and shows flags of people all the
// same.
func writeQuality(w io.Writer, q *client.Quality) error {
	s := sheet{}
	s.putf("point", "%s  revision %d", q.PointID, q.Revision)
	if q.Score == nil {
		s.putf("rules", "not analysed yet: orbitq chains start %s --wait", q.PointID)
	} else {
		s.putf("rules", "%s, score %d of 100", deref(q.Recommendation), *q.Score)
	}
	s.putf("version", "%s", deref(q.RuleVersion))
	s.putf("enrichment", "%s", q.Outcome)
	s.putf("analysed", "%s", later(q.AnalysedAt))
	s.putf("job", "%s", q.JobID)
	if err := s.write(w); err != nil || len(q.Flags) == 0 {
		return err
	}
	t := table{head: []string{"\nFLAG", "SEVERITY", "BY", "AT", "REASON"}}
	for i := range q.Flags {
		f, by := &q.Flags[i], "a person"
		if f.Automatic {
			by = "rules"
		}
		t.add(f.Type, f.Severity, by, moment(f.At), f.Reason)
	}
	return t.write(w)
}

// deref is a text that may not be there.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// pointsReview stores what a person says about a reading. Flags never change the status, and no analysis removes one.
func pointsReview() *cobra.Command {
	var o client.Opinion
	cmd := &cobra.Command{
		Use: "review ID", Short: "Approve or reject a reading, or raise a flag", Args: exactly("the id of a point"),
		Example: "  orbitq points review 01JM8WQ5Z3T5V9B0C2D4E6F8GH --status approved\n  orbitq points review 01JM8WQ5Z3T5V9B0C2D4E6F8GH --flag suspicious_value --reason \"twice what the neighbour has\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Status == "" && o.Flag == "" {
				return usageError{errors.New("say --status, --flag, or both")}
			}
			// A reason alone would be dropped in silence.
			if (o.Flag == "") != (o.Reason == "") {
				return usageError{errors.New("--flag and --reason go together")}
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			p, err := c.Review(cmd.Context(), args[0], o)
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, p, func(out io.Writer) error { return writeReview(out, &p, o.Flag) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Status, "status", "", "approved, rejected, or pending, which takes a review back")
	f.StringVar(&o.Notes, "notes", "", "with --status: what is worth knowing")
	f.StringVar(&o.Flag, "flag", "", "type of a flag to raise: manual_review, suspicious_value, data_quality or duplicate_reading")
	f.StringVar(&o.Reason, "reason", "", "with --flag: why, 5 to 500 characters")
	return cmd
}

// writeReview shows what a review left. The flag is not part of the point, so what was raised is repeated from the request.
func writeReview(w io.Writer, p *client.Point, flag string) error {
	s := sheet{}
	s.putf("point", "%s", p.ID)
	s.putf("status", "%s", p.Status)
	s.putf("reviewed", "%s", later(p.ReviewedAt))
	s.putf("notes", "%s", p.ReviewNotes)
	s.putf("flagged", "%s", flag)
	return s.write(w)
}

package main

import (
	"fmt"
	"io"

	"orbitq/internal/client"
)

// pointView is a point with all that is known about it: the answer to "what became of it?" in one piece, for which the
// API takes two or three requests.
type pointView struct {
	Point    client.Point      `json:"data_point"`
	Job      *client.Job       `json:"job,omitempty"` // where it says more than the analyses
	Analyses []client.Analysis `json:"analyses"`
}

// write shows it to people.
func (v *pointView) write(w io.Writer) error {
	p, s := &v.Point, sheet{}
	s.putf("point", "%s", p.ID)
	s.putf("place", "%.6f, %.6f  accuracy %g m", p.Latitude, p.Longitude, p.Accuracy)
	s.putf("value", "%g %s", p.Value, p.MetricID)
	s.putf("collected", "%s", moment(p.CollectedAt))
	s.putf("campaign", "%s", p.CampaignID)
	s.putf("notes", "%s", p.Notes)
	if v.Job != nil {
		s.putf("job", "%s  %s", v.Job.ID, verdict(v.Job))
	}
	if err := s.write(w); err != nil {
		return err
	}
	for i := range v.Analyses {
		if err := writeAnalysis(w, &v.Analyses[i]); err != nil {
			return err
		}
	}
	if len(v.Analyses) == 0 && v.Job == nil {
		return say(w, "\nno analysis, and no job among the last hundred; make one: orbitq jobs dispatch %s", p.ID)
	}
	return nil
}

// writeAnalysis shows one analysis: where and when the pixels come from, then the seven indices. How far the image is
// from the reading stands first, because an index of another week may be right and useless.
func writeAnalysis(w io.Writer, a *client.Analysis) error {
	if err := say(w, "\n%s of %s (%+d d, %s), %.0f m a side, revision %d\ncloud %s  snow %s  water %s  valid %s\n",
		a.Source, a.AcquiredOn, a.DayOffset, a.TemporalQuality, 2*a.HalfSideM, a.Revision,
		percent(a.CloudFraction), percent(a.SnowFraction), percent(a.WaterFraction), percent(a.ValidFraction)); err != nil {
		return err
	}
	t := table{head: []string{"INDEX", "   MEAN", "    MIN", "    MAX", " ST_DEV", "PIXELS"}}
	for i, stats := range a.Indices.InOrder() {
		if stats == nil {
			t.add(indexNames()[i], "      -")
			continue
		}
		t.add(indexNames()[i], number(stats.Mean), number(stats.Min), number(stats.Max), number(stats.StDev),
			fmt.Sprintf("%d of %d", stats.SampleCount-stats.NoDataCount, stats.SampleCount))
	}
	return t.write(w)
}

// number writes an index so that columns line up. Four decimals are what the original stored, and finer than the sensor.
func number(v float64) string { return fmt.Sprintf("%7.4f", v) }

// say writes a line.
func say(w io.Writer, format string, args ...any) error {
	if _, err := fmt.Fprintf(w, format+"\n", args...); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

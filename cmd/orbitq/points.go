package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// pollEvery is how often a waiting command looks. A job takes well under a second here and a few seconds on AWS, and a
// look costs one read.
const pollEvery = 200 * time.Millisecond

// points are the commands about data points.
func points() *cobra.Command {
	cmd := &cobra.Command{
		Use: "points", Short: "Store data points and read what the satellite saw there",
		Example: "  orbitq points create --lat 25.0646 --lon -11.2213 --value 21.5 --collected-at 2020-02-19 --wait\n  orbitq points show ID",
	}
	cmd.AddCommand(pointsCreate(), pointsShow(), pointsQuality(), pointsReview())
	return connected(group(cmd))
}

// waiting are the flags of commands that can wait for a job. Waiting is a choice: a script that stores a thousand points
// wants the queue to do it.
type waiting struct {
	wait    bool
	timeout time.Duration
}

// flags adds them.
func (f *waiting) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait until the work has ended, and show what came of it")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 2*time.Minute, "stop waiting after this; the work goes on")
}

// until waits for the job. The end of patience is no end of the job, and the error says so.
func (f *waiting) until(ctx context.Context, c *client.Client, id string) (client.Job, error) {
	ctx, cancel := limited(ctx, f.timeout)
	defer cancel()
	j, err := c.Wait(ctx, id, pollEvery)
	if err != nil {
		return j, fmt.Errorf("%w; the job goes on, look again with: orbitq jobs show %s", err, id)
	}
	return j, nil
}

// pointsCreate stores a point. Its flags are the fields of the API's request under the names that people type; what is
// not among them (device, sensor, calibration) is for programs, which have the API.
func pointsCreate() *cobra.Command {
	var (
		p         client.NewPoint
		collected string
		w         waiting
		alone     bool
	)
	cmd := &cobra.Command{
		Use: "create --lat N --lon N --value N", Short: "Store a data point; its enrichment starts by itself", Args: none,
		Example: `  # A reading in the scene that the local stack has pixels of; wait for the result.
  orbitq points create --lat 25.0646 --lon -11.2213 --value 21.5 --collected-at 2020-02-19T11:30:00Z --wait

  # The same key again gives the same point, so a script may repeat it safely.
  orbitq points create --lat 25.0646 --lon -11.2213 --value 21.5 --key reading-4711 -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(needs(cmd, "lat", "lon", "value"), finite(&p)); err != nil {
				return err
			}
			at, err := instant("collected-at", collected)
			if err != nil {
				return err
			}
			p.CollectedAt = at
			if alone {
				p.Enrich = new(bool)
			}
			if alone && w.wait {
				return usageError{errors.New("with --no-enrich there is no job to wait for")}
			}
			return createPoint(cmd, p, w)
		},
	}
	f := cmd.Flags()
	f.Float64Var(&p.Latitude, "lat", 0, "degrees north, -90 to 90")
	f.Float64Var(&p.Longitude, "lon", 0, "degrees east, -180 to 180")
	f.Float64Var(&p.Value, "value", 0, "what was measured, in the unit of its metric")
	f.Float64Var(&p.Accuracy, "accuracy", 0, "GPS radius in metres; the analysed square grows with it, from 120 to 500 m a side")
	f.StringVar(&collected, "collected-at", "", "when it was measured: 2020-02-19 or 2020-02-19T11:30:00Z (default: now)")
	f.StringVar(&p.MetricID, "metric", "", "id of the metric")
	f.StringVar(&p.CampaignID, "campaign", "", "id of the campaign")
	f.StringVar(&p.Notes, "notes", "", "anything worth knowing")
	f.StringVar(&p.Queue, "queue", "", "high, default or low")
	f.StringVar(&p.Key, "key", "", "idempotency key: repeating the command with it stores nothing twice")
	f.BoolVar(&alone, "no-enrich", false, "store the point alone, for a chain or batch to work on")
	w.flags(cmd)
	return cmd
}

// finite refuses what a flag can say and JSON cannot: strconv reads "NaN" and "Inf" as numbers. Ranges are the API's
// business, so that they are written down once.
func finite(p *client.NewPoint) error {
	for name, v := range map[string]float64{"lat": p.Latitude, "lon": p.Longitude, "value": p.Value, "accuracy": p.Accuracy} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return usageError{fmt.Errorf("--%s must be a finite number", name)}
		}
	}
	return nil
}

// instant reads a day or an exact time; nothing stays nothing. A day is its midnight in UTC, because the enrichment
// counts in days of UTC.
func instant(flag, s string) (*time.Time, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // the API's own default is now
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			t = t.UTC()
			return &t, nil
		}
	}
	return nil, usageError{fmt.Errorf("--%s is a day (2020-02-19) or a time (2020-02-19T11:30:00Z), not %q", flag, s)}
}

// createPoint stores the point, and waits if that is wanted. What was stored is shown in both cases, with the job that
// came with it; when that died, the command fails after it has shown everything.
func createPoint(cmd *cobra.Command, p client.NewPoint, w waiting) error {
	// Connecting is no request yet: it only finds out whom to ask.
	ctx := cmd.Context()
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	created, err := c.CreatePoint(ctx, p)
	if err != nil {
		return err //nolint:wrapcheck // the client's errors are written for people
	}
	if !w.wait {
		return show(cmd, created, func(out io.Writer) error { return writeCreated(out, &created) })
	}
	j, err := w.until(ctx, c, created.JobID)
	if err != nil {
		return err
	}
	analyses, err := c.Analyses(ctx, created.PointID)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	v := pointView{Point: created.Point, Job: &j, Analyses: analyses}
	return errors.Join(show(cmd, v, v.write), died(&j))
}

// writeCreated shows what was accepted, and how to follow it.
func writeCreated(out io.Writer, c *client.Created) error {
	s := sheet{}
	s.putf("point", "%s", c.PointID)
	if c.JobID == "" {
		s.putf("enrich it", "orbitq chains start %s --wait", c.PointID)
		return s.write(out)
	}
	s.putf("job", "%s  %s in %s", c.JobID, c.Job.State, c.Job.Queue)
	s.putf("follow it", "orbitq jobs show %s", c.JobID)
	s.putf("result", "orbitq points show %s", c.PointID)
	return s.write(out)
}

// died makes the death of a job a failure of the command. An outcome without data is none: the work was done, and the
// answer is that the sky was cloudy.
func died(j *client.Job) error {
	if j.State != job.Dead && j.State != job.Cancelled {
		return nil
	}
	return fmt.Errorf("the job is %s; why: orbitq jobs show %s", j.State, j.ID)
}

// pointsShow shows a point. Whoever has only the id of a job finds the point's id with jobs show.
func pointsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a data point with its analysis, or why it has none", Args: exactly("the id of a point"),
		Example: "  orbitq points show 01JM8WQ5Z3T5V9B0C2D4E6F8GH\n  orbitq points show 01JM8WQ5Z3T5V9B0C2D4E6F8GH -o json | jq .analyses[0].indices.ndvi.mean",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			v, err := readPoint(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return show(cmd, v, v.write)
		},
	}
}

// readPoint reads a point with its analyses; without one the newest job of the point says why, if it is among the
// last hundred.
func readPoint(ctx context.Context, c *client.Client, id string) (pointView, error) {
	p, err := c.Point(ctx, id)
	if err != nil {
		return pointView{}, err //nolint:wrapcheck // the client's errors are written for people
	}
	v := pointView{Point: p}
	if v.Analyses, err = c.Analyses(ctx, id); err != nil || len(v.Analyses) > 0 {
		return v, err //nolint:wrapcheck // as above
	}
	// The API has no list of a point's jobs; the newest page is what an asking person most often means.
	const recent = 100
	seen := 0
	for j, err := range c.Jobs(ctx, client.Filter{Page: recent}) {
		if err != nil {
			return v, err
		}
		if seen++; j.PointID == id {
			v.Job = &j
			break
		}
		if seen == recent {
			break
		}
	}
	return v, nil
}

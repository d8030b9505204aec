package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// batchMeter shows how far a batch is: one line that changes on a terminal, and elsewhere a line for each change, so that the
// log of a build stays readable.
type batchMeter struct {
	out   io.Writer
	live  bool      // out is a terminal
	began time.Time // of watching
	base  int       // items that were final then
	last  string    // what was shown last, without pace
}

// newBatchMeter returns one that has shown nothing.
func newBatchMeter(out io.Writer) *batchMeter { return &batchMeter{out: out, live: terminal(out)} }

// show draws the state of things.
func (m *batchMeter) show(b *client.Batch, now time.Time) {
	counts := countsOf(b)
	if m.began.IsZero() {
		m.began, m.base = now, counts.Final()
	}
	line := batchTally(b.State, counts)
	switch {
	case m.live:
		_, _ = fmt.Fprintf(m.out, "\r\x1b[K  %s%s", line, m.pace(b, now)) // only decoration
	case line != m.last:
		_, _ = fmt.Fprintf(m.out, "  %s%s\n", line, m.pace(b, now)) // as above
	}
	m.last = line
}

// end leaves the last line behind.
func (m *batchMeter) end() {
	if m.live && m.last != "" {
		_, _ = fmt.Fprintln(m.out) // as above
	}
}

// pace says how fast it goes, as seen since the watching began, and when it would be over, as the API says.
func (m *batchMeter) pace(b *client.Batch, now time.Time) string {
	text := ""
	done, seconds := countsOf(b).Final()-m.base, now.Sub(m.began).Seconds()
	switch {
	case done <= 0 || seconds <= 0:
	case float64(done) >= seconds:
		text = fmt.Sprintf("  %.1f/s", float64(done)/seconds)
	default:
		text = fmt.Sprintf("  %.1f/min", 60*float64(done)/seconds)
	}
	if b.ETA != nil && !b.Ended() {
		text += fmt.Sprintf("  ETA %s (%s)", b.ETA.UTC().Format("15:04:05Z"), span(max(b.ETA.Sub(now), 0).Round(time.Second)))
	}
	return text
}

// countsOf are the counts of a batch; none where the API left them out.
func countsOf(b *client.Batch) job.Counts {
	if b.Counts == nil {
		return job.Counts{}
	}
	return *b.Counts
}

// batchTally is a bar of what is over, and how many items are in which state; the state alone where nothing was counted.
func batchTally(state string, n job.Counts) string {
	if n.Total() == 0 {
		return state
	}
	filled := barWidth * n.Final() / n.Total()
	line := fmt.Sprintf("%s%s %3d %%  %d/%d", strings.Repeat("█", filled), strings.Repeat("░", barWidth-filled), n.Progress(), n.Final(), n.Total())
	if text := tallied(n); text != "" {
		line += "  " + text
	}
	if state != "running" && state != "finished" {
		line += "  " + state
	}
	return line
}

// tallied is how many items are in each state that has any, in the order of an item's life.
func tallied(n job.Counts) string {
	var parts []string
	for _, c := range []struct {
		state job.TrackState
		n     int
	}{
		{job.TrackPending, n.Pending},
		{job.TrackRunning, n.Running},
		{job.TrackSucceeded, n.Succeeded},
		{job.TrackSkipped, n.Skipped},
		{job.TrackFailed, n.Failed},
		{job.TrackCancelled, n.Cancelled},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", c.state, c.n))
		}
	}
	return strings.Join(parts, "  ")
}

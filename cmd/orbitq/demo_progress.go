package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"orbitq/internal/job"
)

// progress shows how far many jobs are: one line that changes on a terminal, and a line now and then elsewhere, so that
// a log of a build stays readable. It belongs to one goroutine.
type progress struct {
	out     io.Writer
	live    bool // out is a terminal
	started time.Time
	last    string    // what was shown last, without the time
	at      time.Time // when that was
	took    time.Duration
}

// barWidth is the length of the bar in characters.
const barWidth = 24

// calmly is the time between two lines where there is no terminal.
const calmly = time.Second

// newProgress starts the clock.
func newProgress(out io.Writer, now time.Time) *progress {
	return &progress{out: out, live: terminal(out), started: now}
}

// terminal reports whether a person watches. A character device is close enough: the one that is no terminal, /dev/null,
// does not mind the control characters.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// show draws the state of things. Nothing is drawn twice where lines stay: a change is news, time alone is not.
func (p *progress) show(states map[string]job.State, total int, now time.Time) {
	line := tally(states, total)
	switch {
	case p.live:
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K  %s  %s", line, span(now.Sub(p.started))) // only decoration
	case line != p.last && now.Sub(p.at) >= calmly:
		p.line(line, now)
	}
}

// end leaves the final state behind, whether or not it was time for a line.
func (p *progress) end(states map[string]job.State, total int, now time.Time) {
	p.show(states, total, now)
	switch line := tally(states, total); {
	case p.live:
		_, _ = fmt.Fprintln(p.out) // as above
	case line != p.last:
		p.line(line, now)
	}
	p.took = now.Sub(p.started)
}

// line writes a line that stays.
func (p *progress) line(line string, now time.Time) {
	_, _ = fmt.Fprintf(p.out, "  %s  %s\n", line, span(now.Sub(p.started))) // as above
	p.last, p.at = line, now
}

// tally is a bar of what is over, and how many jobs are in which state, in the order of a job's life.
func tally(states map[string]job.State, total int) string {
	counts, over := map[job.State]int{}, 0
	for _, s := range states {
		counts[s]++
		if !s.Open() {
			over++
		}
	}
	filled := barWidth * over / max(total, 1)
	parts := []string{fmt.Sprintf("%s%s  %d/%d", strings.Repeat("█", filled), strings.Repeat("░", barWidth-filled), over, total)}
	for _, s := range append(job.States(), postponed, refused) {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, counts[s]))
		}
	}
	return strings.Join(parts, "  ")
}

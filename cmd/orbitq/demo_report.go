package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"orbitq/internal/job"
)

// demoReport is what the demo has to show, to people as a table and to programs as it is here.
type demoReport struct {
	Rows       []row    `json:"points"`
	Unexpected []string `json:"unexpected"` // empty when everything ended as it had to
	Totals     bill     `json:"totals"`
	Billable   int      `json:"billable"` // outcomes that must be billed
	TookMS     int64    `json:"took_ms"`
	URLs       urls     `json:"urls"`
	Credit     string   `json:"attribution"`
	// Flows is the second part of the demo; nil where there was none.
	Flows *flowReport `json:"flows,omitempty"`
}

// urls is where the stack of the demo listens; flags are what makes the commands find it.
type urls struct {
	flags string

	API        string `json:"api"`
	AWS        string `json:"aws"`
	Copernicus string `json:"copernicus"`
}

// judge fills in what follows from rows and totals. The bill is judged too: a point too many or too few on it is the
// kind of mistake that no row shows.
func (r *demoReport) judge() {
	r.Unexpected = []string{}
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.ok() {
			r.Unexpected = append(r.Unexpected, fmt.Sprintf("%s: expected %s, got %s", row.Name, row.Want, row.why()))
		}
		if row.Job != nil && row.Job.Outcome.Billable() {
			r.Billable++
		}
	}
	if r.Flows != nil {
		r.Unexpected = append(r.Unexpected, r.Flows.unexpected()...)
	}
	if r.Totals.Billed != r.Billable {
		r.Unexpected = append(r.Unexpected, fmt.Sprintf("usage: expected %d billed units, one for each analysis, got %d", r.Billable, r.Totals.Billed))
	}
}

// why is what became of a row, with the reason if it has one: enough to know where to look without running it again.
func (r *row) why() string {
	switch {
	case r.Problem != nil:
		return r.Problem.Error()
	case r.Job != nil && r.Job.Error != nil && r.Job.State != job.Succeeded:
		return fmt.Sprintf("%s (%s: %s)", r.Got, r.Job.State, r.Job.Error.Message)
	default:
		return r.Got
	}
}

// write shows the table and the totals to people. Columns are one blank apart, which keeps the widest row at 120
// characters.
func (r *demoReport) write(w io.Writer) error {
	t := table{gap: 1}
	t.head = append(append([]string{"POINT", "PLACE", "OUTCOME"}, indexHeads()...), "CLOUD", "TRIES", "WAIT", " RUN", "AWS")
	for i := range r.Rows {
		t.add(r.Rows[i].cells()...)
	}
	if err := say(w, ""); err != nil {
		return err
	}
	if err := t.write(w); err != nil {
		return err
	}
	s := sheet{}
	s.putf("points", "%d, %d as expected, in %s", len(r.Rows), len(r.Rows)-r.wrong(), span(time.Duration(r.TookMS)*time.Millisecond))
	s.putf("provider calls", "%s", counts(r.Totals.Provider))
	s.putf("AWS requests", "%s", counts(r.Totals.AWS))
	s.putf("billed", "%d units for %d analyses", r.Totals.Billed, r.Billable)
	s.putf("pixels", "%s", r.Credit)
	if err := say(w, "\nWAIT and RUN are milliseconds; AWS is requests that name the point or its job.\n"); err != nil {
		return err
	}
	if err := s.write(w); err != nil || r.Flows == nil {
		return err
	}
	return r.Flows.write(w)
}

// wrong counts rows that ended otherwise. It is less than the list of what is unexpected when the bill is wrong too.
func (r *demoReport) wrong() int {
	n := 0
	for i := range r.Rows {
		if !r.Rows[i].ok() {
			n++
		}
	}
	return n
}

// cells is a row of the table. A refused point has no job, and not every job has an analysis: a dash is a value that
// does not exist, a blank is one that makes no sense.
func (r *row) cells() []string {
	got := r.Got
	if !r.ok() {
		got += " (!)"
	}
	cells := []string{r.Name, fmt.Sprintf("%.3f %.3f", r.Lat, r.Lon), got}
	if r.Job == nil {
		return append(cells, slices.Repeat([]string{""}, 7)...)
	}
	cloud := "    -"
	if r.Analysis == nil {
		cells = append(cells, slices.Repeat([]string{"     -"}, 7)...)
	} else {
		for _, s := range r.Analysis.Indices.InOrder() {
			cells = append(cells, short(s))
		}
		cloud = fmt.Sprintf("%4.0f%%", 100*r.Analysis.CloudFraction)
	}
	run := "   -" // a job that waits for another day has no run that counts
	if r.Job.FinishedAt != nil {
		run = fmt.Sprintf("%4d", r.RunMS)
	}
	return append(cells, cloud, fmt.Sprintf("%5d", r.Job.Attempts), fmt.Sprintf("%4d", r.WaitMS), run, fmt.Sprintf("%3d", r.Requests))
}

// indexHeads stand above the numbers of the indices, not above their signs: columns are padded by hand, because a
// tabwriter aligns all columns or none to the right.
func indexHeads() []string {
	heads := indexNames()
	for i := range heads {
		heads[i] = fmt.Sprintf("%6s", heads[i])
	}
	return heads
}

// counts writes numbers with their names, and their sum in front, in an order that does not change between runs.
func counts(of map[string]int) string {
	sum, parts := 0, []string{}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		sum += of[name]
		parts = append(parts, fmt.Sprintf("%s %d", name, of[name]))
	}
	return fmt.Sprintf("%d (%s)", sum, strings.Join(parts, ", "))
}

// onwards says where everything is, and what to try next: three commands that can be pasted as they are. The point to
// look at is the last with an analysis, the wide square, whose minimum and maximum differ.
func (r *demoReport) onwards(w io.Writer) error {
	id := ""
	for i := range r.Rows {
		if r.Rows[i].Analysis != nil {
			id = r.Rows[i].PointID
		}
	}
	first := r.Rows[0]
	return say(w, `
  API         %[1]s
  AWS         %[2]s   for the AWS CLI and SDKs
  Copernicus  %[3]s   a stand-in with one real scene

Go on, in another terminal:
  bin/orbitq points show %[4]s%[7]s
  bin/orbitq points create --lat %[5]g --lon %[6]g --value 21.5 --collected-at 2020-02-19 --wait%[7]s
  curl -H "Authorization: Bearer $(bin/orbitq token%[7]s)" "%[1]s/v1/jobs?limit=3"`,
		r.URLs.API, r.URLs.AWS, r.URLs.Copernicus, id, first.Lat, first.Lon, r.URLs.flags)
}

package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// flowReport is what became of the chain and the batch.
type flowReport struct {
	Chain    client.Chain    `json:"chain"`
	Quality  client.Quality  `json:"quality"`
	Estimate client.Estimate `json:"estimate"`
	// Rounds: the batch after its first end, and after its failed items were retried.
	Rounds   []client.Batch `json:"rounds"`
	Messages []string       `json:"messages"`
	Costs    []executed     `json:"executions"`
	AWS      map[string]int `json:"aws_requests"`
	// ChainRequests and BatchRequests: calls to AWS that name what they are about, the storing of the points too.
	ChainRequests int `json:"chain_requests"`
	BatchRequests int `json:"batch_requests"`
}

// unexpected lists what ended otherwise than it had to.
func (r *flowReport) unexpected() []string {
	var all []string
	expect := func(what, got, want string) {
		if got != want {
			all = append(all, what+": expected "+want+", got "+got)
		}
	}
	expect("chain", string(r.Chain.State), string(job.TrackSucceeded))
	for i, want := range []string{
		fmt.Sprintf("succeeded %d  failed %d, then waiting, catch delivered, finally delivered", flowPoints-barrenPoints, barrenPoints),
		fmt.Sprintf("succeeded %d, then delivered, catch waiting, finally delivered", flowPoints),
	} {
		expect(fmt.Sprintf("round %d of the batch", i+1), tallied(countsOf(&r.Rounds[i]))+fired(&r.Rounds[i]), want)
	}
	return all
}

// fired is the callbacks of a batch with what became of them.
func fired(b *client.Batch) string {
	var text strings.Builder
	for _, c := range b.Callbacks {
		text.WriteString(", " + c.Name + " " + c.State)
	}
	return text.String()
}

// write shows the chain, the batch and what both cost.
func (r *flowReport) write(w io.Writer) error {
	s := sheet{}
	for _, step := range r.Chain.Steps {
		outcome := ""
		if step.Job != nil {
			outcome = string(step.Job.Outcome)
		}
		s.putf("chain", "%-8s %s %s", step.Kind, step.State, outcome)
	}
	score := "-"
	if r.Quality.Score != nil {
		score = strconv.Itoa(*r.Quality.Score)
	}
	s.putf("quality", "score %s, %d flags", score, len(r.Quality.Flags))
	for i := range r.Rounds {
		s.putf(fmt.Sprintf("batch, round %d", i+1), "%s%s", tallied(countsOf(&r.Rounds[i])), fired(&r.Rounds[i]))
	}
	if err := say(w, ""); err != nil {
		return err
	}
	if err := s.write(w); err != nil {
		return err
	}
	t := table{gap: 2}
	t.head = []string{"EXECUTION", "STATUS", "TRANSITIONS", "EXPECTED"}
	for _, e := range r.Costs {
		expected := "-" // a retry works on what is left
		switch e.Name {
		case r.Chain.Execution:
			expected = strconv.Itoa(2 + 2*len(r.Chain.Steps))
		case job.ExecutionName(r.Rounds[0].ID, 0):
			expected = strconv.Itoa(r.Estimate.Cost.Transitions)
		}
		t.add(e.Machine+" "+e.Name[len(e.Name)-8:], e.Status, strconv.Itoa(e.Transitions), expected)
	}
	if err := say(w, ""); err != nil {
		return err
	}
	if err := t.write(w); err != nil {
		return err
	}
	s = sheet{}
	s.putf("requests", "%d that name the chain's point or steps, %.1f for each item of the batch in both rounds", r.ChainRequests, float64(r.BatchRequests)/float64(r.Estimate.Total))
	s.putf("AWS altogether", "%s", counts(r.AWS))
	s.putf("price", "$%.6f expected for %d items before the start, by the prices of %s", r.Estimate.Cost.USD, r.Estimate.Total, r.Estimate.Cost.PricedOn)
	if err := say(w, "\nAn item that waits for a slot makes three transitions more, a chain five.\n"); err != nil {
		return err
	}
	return s.write(w)
}

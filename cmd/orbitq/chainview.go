package main

import (
	"errors"
	"io"
	"strings"

	"orbitq/internal/client"
)

// writeChains shows a list of chains to people.
func writeChains(w io.Writer, l *listOf[client.Chain]) error {
	if len(l.Items) == 0 {
		return say(w, "no chains; make one: orbitq chains start POINT")
	}
	t := table{head: []string{"CHAIN", "STATE", "STEP", "OUTCOME", "QUEUE", "CREATED", "POINT"}}
	for i := range l.Items {
		c := &l.Items[i]
		t.add(c.ID, string(c.State), dash(c.Next+c.Failed), chainReason(c), c.Queue, moment(c.CreatedAt), c.PointID)
	}
	return errors.Join(t.write(w), l.rest(w))
}

// dash stands for nothing in a column that has others behind it.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// chainReason is the shortest word for why a chain is where it is. An error comes first: the outcome of an earlier step
// would look like success.
func chainReason(c *client.Chain) string {
	if c.Error != nil {
		return string(c.Error.Code)
	}
	return dash(string(c.Outcome))
}

// writeChain shows a chain with its steps. The steps of an answer to a write have no jobs: then the table has states
// alone, and the sheet says how to see more.
func writeChain(w io.Writer, c *client.Chain) error {
	s := sheet{}
	s.putf("chain", "%s  in %s", c.ID, c.Queue)
	s.putf("state", "%s %s", c.State, c.Outcome)
	s.putf("point", "%s", c.PointID)
	if c.Error != nil {
		// One of both is set: the step that failed, or the one on which an execution gave up.
		s.putf("error", "%s: %s: %s", c.Next+c.Failed, c.Error.Code, c.Error.Message)
	}
	s.putf("tags", "%s", strings.Join(c.Tags, ", "))
	s.putf("execution", "%s", c.Execution)
	s.putf("created", "%s", moment(c.CreatedAt))
	s.putf("finished", "%s", later(c.FinishedAt))
	if !c.State.Final() {
		s.putf("follow it", "orbitq chains show %s", c.ID)
	}
	if err := s.write(w); err != nil {
		return err
	}
	t := table{head: []string{"\nSTEP", "STATE", "TRIES", "STARTED", "TOOK", "OUTCOME", "JOB"}}
	for i := range c.Steps {
		t.add(stepCells(&c.Steps[i])...)
	}
	return t.write(w)
}

// stepCells is a row of the table of steps. A step that was tried several times shows its last try, whose start is the one
// that the log has.
func stepCells(s *client.ChainStep) []string {
	j := s.Job
	if j == nil {
		return []string{s.Kind, s.State}
	}
	started, took := dash(later(j.StartedAt)), "-"
	if j.StartedAt != nil && j.FinishedAt != nil {
		took = span(j.FinishedAt.Sub(*j.StartedAt))
	}
	return []string{s.Kind, s.State, tries(j), started, took, reason(j), j.ID}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// writeBatches shows a list of batches to people.
func writeBatches(w io.Writer, l *listOf[client.Batch]) error {
	if len(l.Items) == 0 {
		return say(w, "no batches; make one: orbitq batches start --name NAME POINT...")
	}
	t := table{head: []string{"BATCH", "STATE", "ITEMS", "FAILED", "ROUND", "CREATED", "NAME"}}
	for i := range l.Items {
		b := &l.Items[i]
		failed := "-" // not known before the end
		if b.Counts != nil {
			failed = strconv.Itoa(b.Counts.Failed)
		}
		t.add(b.ID, b.State, strconv.Itoa(b.Total), failed, strconv.Itoa(b.Round), moment(b.CreatedAt), b.Name)
	}
	return errors.Join(t.write(w), l.rest(w))
}

// writeBatch shows a batch with its callbacks. What the API leaves out of an answer to a write is left out here too.
func writeBatch(w io.Writer, b *client.Batch) error {
	s := sheet{}
	s.putf("batch", "%s  %s", b.ID, b.Name)
	s.putf("state", "%s%s", b.State, stopped(b))
	s.putf("items", "%d", b.Total)
	if b.Counts != nil {
		s.putf("progress", "%d %%  %s", b.Counts.Progress(), tallied(*b.Counts))
	}
	s.putf("steps", "%s  in %s", strings.Join(b.Steps, ", "), b.Queue)
	s.putf("tags", "%s", strings.Join(b.Tags, ", "))
	if b.AllowFailures {
		s.putf("failures", "allowed")
	}
	// Both, because executions are what Step Functions lists: each is named after the batch and its number.
	s.putf("round", "%d, executions %d", b.Round, b.Executions)
	s.putf("created", "%s", moment(b.CreatedAt))
	s.putf("finished", "%s", later(b.FinishedAt))
	s.putf("expected", "%s", later(b.ETA))
	if b.Cost != nil {
		s.putf("cost so far", "%s", price(b.Cost))
	}
	if !b.Ended() {
		s.putf("follow it", "orbitq batches watch %s", b.ID)
	}
	if err := s.write(w); err != nil || len(b.Callbacks) == 0 {
		return err
	}
	t := table{head: []string{"\nCALLBACK", "STATE", "FIRED", "FAILED TRIES", "WHAT", "REASON"}}
	for i := range b.Callbacks {
		c := &b.Callbacks[i]
		t.add(c.Name, c.State, dash(later(c.FiredAt)), strconv.Itoa(c.FailedTries), called(c), dash(c.Reason))
	}
	return t.write(w)
}

// stopped says why nothing starts any more. It stays after the end, because cancelled items ask for it.
func stopped(b *client.Batch) string {
	switch b.StopReason {
	case job.StopFailed:
		return ", stopped by a failure"
	case job.StopCancelled:
		return ", taken back"
	default:
		return ""
	}
}

// called is what a callback does, as it is typed.
func called(c *client.Called) string {
	switch {
	case c.Notify:
		return "notify"
	case c.Job != nil:
		return "job:" + c.Job.Kind + ":" + c.Job.PointID
	default:
		return c.Webhook
	}
}

// price is a cost in one line, with the date of the prices: nobody should take it for a bill.
func price(c *client.Cost) string {
	return fmt.Sprintf("%.6f USD at prices of %s: %d transitions, %d invocations, %d provider requests", c.USD, c.PricedOn, c.Transitions, c.Invocations, c.ProviderRequests)
}

// writeEstimate shows what a batch would be.
func writeEstimate(w io.Writer, e *client.Estimate) error {
	s := sheet{}
	s.putf("items", "%d", e.Total)
	s.putf("transitions", "%d", e.Cost.Transitions)
	s.putf("invocations", "%d", e.Cost.Invocations)
	s.putf("table", "%d write units, %d read units", e.Cost.WriteUnits, e.Cost.ReadUnits)
	s.putf("provider", "%d requests", e.Cost.ProviderRequests)
	s.putf("price", "%.6f USD at prices of %s", e.Cost.USD, e.Cost.PricedOn)
	return errors.Join(s.write(w), say(w, "nothing was started; without --dry-run it is"))
}

// writeItems shows items to people.
func writeItems(w io.Writer, l *listOf[client.BatchItem]) error {
	if len(l.Items) == 0 {
		return say(w, "no items")
	}
	t := table{head: []string{"POINT", "STATE", "STEP", "OUTCOME", "JOB", "FINISHED", "REASON"}}
	for i := range l.Items {
		it := &l.Items[i]
		// The error comes first: the outcome of an earlier step would look like success.
		outcome, why := dash(string(it.Outcome)), "-"
		if it.Error != nil {
			outcome, why = string(it.Error.Code), it.Error.Message
		}
		t.add(it.PointID, string(it.State), dash(it.Step), outcome, it.JobID, dash(later(it.FinishedAt)), why)
	}
	return errors.Join(t.write(w), l.rest(w))
}

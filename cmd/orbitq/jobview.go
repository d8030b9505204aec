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

// listOf is what commands that list show. It is no page of the API: the client has followed the cursors already.
type listOf[Item any] struct {
	Items []Item `json:"items"`
	More  bool   `json:"more"` // the list goes on
}

// rest says that the list goes on.
func (l *listOf[Item]) rest(w io.Writer) error {
	if l.More {
		return say(w, "\nthere are more: --limit 0 lists all")
	}
	return nil
}

// jobList is a list of jobs.
type jobList = listOf[client.Job]

// writeJobs shows it to people.
func writeJobs(w io.Writer, l *jobList) error {
	if len(l.Items) == 0 {
		return say(w, "no jobs; make one: orbitq points create --lat N --lon N --value N")
	}
	t := table{head: []string{"JOB", "STATE", "OUTCOME", "QUEUE", "TRIES", "CREATED", "POINT"}}
	for i := range l.Items {
		j := &l.Items[i]
		t.add(j.ID, string(j.State), reason(j), j.Queue, tries(j), moment(j.CreatedAt), j.PointID)
	}
	return errors.Join(t.write(w), l.rest(w))
}

// reason is the shortest word for why a job is where it is: its outcome, or what stopped its last attempt. An attempt
// that failed before another succeeded is history, and not a reason.
func reason(j *client.Job) string {
	switch {
	case j.Outcome != "":
		return string(j.Outcome)
	case j.Error != nil && j.State != job.Succeeded:
		return string(j.Error.Code)
	default:
		return "-"
	}
}

// tries is how many attempts were made of how many.
func tries(j *client.Job) string { return fmt.Sprintf("%d of %d", j.Attempts, j.MaxAttempts) }

// verdict says in one line what became of a job, for who asks "was this point processed, and if not, why?".
func verdict(j *client.Job) string {
	switch {
	case j.Outcome == job.Success:
		return "succeeded: " + meaning(j.Outcome)
	case j.Outcome != "":
		return fmt.Sprintf("%s, %s: %s", j.State, j.Outcome, meaning(j.Outcome))
	case j.Error != nil && j.State != job.Succeeded:
		return fmt.Sprintf("%s, %s: %s", j.State, j.Error.Code, j.Error.Message)
	default:
		return string(j.State)
	}
}

// writeJob shows a job with its attempts. Lines without a value are left out: a queued job has four, and a dead one all
// that is known of its end.
func writeJob(w io.Writer, j *client.Job) error {
	s := sheet{}
	s.putf("job", "%s  %s in %s", j.ID, j.Kind, j.Queue)
	s.putf("state", "%s", verdict(j))
	s.putf("point", "%s", j.PointID)
	s.putf("attempts", "%s", tries(j))
	if j.Generation > 0 {
		s.putf("generation", "%d", j.Generation)
	}
	s.putf("created", "%s", moment(j.CreatedAt))
	s.putf("started", "%s", later(j.StartedAt))
	s.putf("finished", "%s", later(j.FinishedAt))
	s.putf("due", "%s", later(j.NextAt))
	s.putf("start by", "%s", later(j.StartBy))
	s.putf("unique key", "%s", j.Unique)
	s.putf("tags", "%s", strings.Join(j.Tags, ", "))
	s.putf("cause", "%s", j.Fingerprint)
	if j.StartedAt != nil && j.FinishedAt != nil {
		s.putf("took", "waited %s, ran %s", span(j.StartedAt.Sub(j.CreatedAt)), span(j.FinishedAt.Sub(*j.StartedAt)))
	}
	if err := s.write(w); err != nil || len(j.History) == 0 {
		return err
	}
	t := table{head: []string{"\nTRY", "STARTED", "TOOK", "ENDED AS", "RELEASE", "REQUEST"}}
	for _, a := range j.History {
		took := "-"
		if a.EndedAt != nil {
			took = span(a.EndedAt.Sub(a.StartedAt))
		}
		t.add(strconv.Itoa(a.Number), moment(a.StartedAt), took, string(a.Code), a.Version, a.RequestID)
	}
	return t.write(w)
}

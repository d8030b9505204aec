package sim_test

import (
	"context"
	"fmt"

	"orbitq/internal/job"
)

// holding is an owner's unique key.
type holding struct{ owner, key string }

// keys keeps who holds which unique key: whoever is open.
func (o *oracle) keys(old, next *job.Job) {
	if next.Unique == "" {
		return
	}
	k := holding{next.Owner, next.Unique}
	holder := o.holders[k]
	if !next.State.Open() {
		if holder == next.ID {
			delete(o.holders, k)
		}
		return
	}
	if o.broken(uniqueKept, holder == "" || holder == next.ID) {
		o.failf(uniqueKept, "job %s became %s from %q with key %q, which open job %s holds", next.ID, next.State, old.State, k.key, holder)
	}
	o.holders[k] = next.ID
}

// turnedAway holds a request that was answered with another job against the key.
func (o *oracle) turnedAway(asked *job.Job, answer *job.Job) {
	if o.answers[asked.ID] != "" {
		o.remembered(asked.ID, answer.ID)
		return
	}
	holder := o.holders[holding{asked.Owner, asked.Unique}]
	if o.broken(uniqueKept, asked.Unique != "" && holder == answer.ID && answer.Owner == asked.Owner) {
		o.failf(uniqueKept, "a request for key %q was answered with %s job %s, held by %q", asked.Unique, answer.State, answer.ID, holder)
	}
}

// remembered holds the answer to a request that has no job against the first one.
func (o *oracle) remembered(asked, answer string) {
	first, known := o.answers[asked]
	if o.broken(i7, !known || first == answer) {
		o.failf(i7, "the request of job %s was answered with %s, then with %s", asked, first, answer)
	}
	o.answers[asked] = answer
}

// died expects that a death is told.
func (o *oracle) died(j *job.Job) {
	o.deaths[fmt.Sprintf("%s.%d.dead", j.ID, j.Generation)] = news{job: *j}
	o.untold++
}

// news is a death and what was told of it.
type news struct {
	job  job.Job
	told job.Event
	n    int
}

// tell hears of an event.
func (o *oracle) tell(_ context.Context, e job.Event) error {
	d, known := o.deaths[e.ID]
	if o.broken(i17, known) {
		o.failf(i17, "event %s tells of no death", e.ID)
		return nil
	}
	j := &d.job
	e.Tries = 0 // how often it could not be told is no part of what is told
	if o.broken(i17, e.Type == job.DiedEvent && e.Job == j.ID && e.Owner == j.Owner && e.Code == j.Code && e.Reason == j.Reason && e.Attempts == j.Attempts) {
		o.failf(i17, "event %+v of job %+v", e, *j)
	}
	if o.broken(i17, d.n == 0 || d.told == e) {
		o.failf(i17, "event %+v was told before as %+v", e, d.told)
	}
	if d.n++; d.n == 1 {
		o.untold--
	}
	d.told = e
	o.deaths[e.ID] = d
	return nil
}

// startsInTime holds a row against max_wait.
func (o *oracle) startsInTime(e *effect, old, next *job.Job) {
	fresh := !old.StartBy.IsZero() && old.Attempts == 0 && old.Passes == 0
	if next.State == job.Running && e.op == "claim" {
		if o.broken(startedInTime, !fresh || e.at.Before(old.StartBy)) {
			o.failf(startedInTime, "job %s started at %v instead of before %v", e.id, e.at, old.StartBy)
		}
	}
	if next.State == job.Dead && next.Code == job.MaxWaitExceeded {
		if o.broken(startedInTime, fresh && !e.at.Before(old.StartBy)) {
			o.failf(startedInTime, "job %s died at %v of a max_wait until %v, after %d attempts", e.id, e.at, old.StartBy, old.Attempts)
		}
	}
}

package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// amend changes a job and demands a code ("" for success).
func amend(t *testing.T, s Store, id string, decide func(job.Job) (job.Job, error), want job.Code) job.Job {
	t.Helper()
	j, err := s.Amend(context.Background(), id, decide)
	switch {
	case err == nil && want == "":
	case err == nil, job.CodeOf(err) != want:
		t.Fatalf("amend: %v, want code %q", err, want)
	}
	return j
}

// cancelAt, rerunAt and forgetAt are the decisions of package job at a time.
func cancelAt(now time.Time) func(job.Job) (job.Job, error) {
	return func(j job.Job) (job.Job, error) { return job.Cancel(j, now) }
}

// rerunAt is the decision of a person who retries.
func rerunAt(now time.Time) func(job.Job) (job.Job, error) {
	return func(j job.Job) (job.Job, error) { return job.Rerun(j, Timing(), now) }
}

// forgetAt is the decision of a person who forgets.
func forgetAt(now time.Time) func(job.Job) (job.Job, error) {
	return func(j job.Job) (job.Job, error) { return job.Forget(j, now) }
}

// died stores a job of an owner and lets it die at a time.
func died(t *testing.T, s Store, owner string, now time.Time) job.Job {
	t.Helper()
	j := accepted(t, s, func(j *job.Job) { j.Owner = owner })
	held := claim(t, s, request(j.Message(), "lease-"+j.ID, start()), job.Run)
	dead := job.Failed(held, job.Errorf(job.InvalidRequest, "400"), Timing(), 0, job.Carried{Ticket: 1, Sent: start()}, report(now))
	conclude(t, s, &held, dead, worker.Written)
	return dead
}

// operateRules: a decision is written on the row that it was made on, or made again.
func operateRules() []rule {
	return []rule{
		{"a cancelled running job gives its unit back, and its worker cannot settle", cancelsRunning},
		{"cancelling twice is once, cancelling what ended is refused", cancelsOnce},
		{"a retried job is a new generation; old messages and a second retry do nothing", retriesOnce},
		{"a skipped job may be retried, an open or succeeded one not", retriesSkipped},
	}
}

// failureRules: the list of failures is complete, ordered and private.
func failureRules() []rule {
	return []rule{
		{"a forgotten job leaves the list, and its letter is surplus", forgets},
		{"amending no job is NOT_FOUND, a refusal changes nothing", amendsNothing},
		{"dead jobs are one owner's, the latest death first, page by page, each once", graveyard},
	}
}

// graveyard lists five dead jobs in pages of two beside another owner's.
func graveyard(t *testing.T, s Store) {
	owner := "u-" + id(t)
	died(t, s, "u-"+id(t), start())
	var want []string
	for i := range 5 {
		// In the order of death, not of acceptance: people look for what broke last.
		want = append([]string{died(t, s, owner, start().Add(time.Duration(i)*time.Second)).ID}, want...)
	}
	var got []string
	for after, pages := "", 0; pages < 5; pages++ {
		page, next, err := s.Dead(context.Background(), owner, after, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("page of %d, %v", len(page), err)
		}
		for i := range page {
			got = append(got, page[i].ID)
		}
		if after = next; next == "" {
			break
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// cancelsRunning: the worker is not stopped: only the row can keep it from billing.
func cancelsRunning(t *testing.T, s Store) {
	held := running(t, s, limited("u-"+id(t), 5))
	cancelled := amend(t, s, held.ID, cancelAt(later()), "")
	settle(t, s, &held, later(), worker.Superseded)
	if got := row(t, s, held.ID); !reflect.DeepEqual(got, cancelled) || got.State != job.Cancelled || meter(t, s, &held) != (job.Meter{}) {
		t.Errorf("row %+v, meter %+v", got, meter(t, s, &held))
	}
	claim(t, s, request(held.Message(), "x", later()), job.Drop)
}

// cancelsOnce: a person clicks twice; the second click must not look like a failure.
func cancelsOnce(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	first := amend(t, s, j.ID, cancelAt(start()), "")
	if again := amend(t, s, j.ID, cancelAt(later()), ""); !reflect.DeepEqual(first, again) {
		t.Errorf("first %+v\nagain %+v", first, again)
	}
	held := running(t, s, nil)
	settle(t, s, &held, start(), worker.Written)
	amend(t, s, held.ID, cancelAt(later()), job.StateConflict)
}

// retriesOnce: the dead letter is still there, and a console redrive of it at the
// same time must not make the job run twice.
func retriesOnce(t *testing.T, s Store) {
	dead := died(t, s, "u-"+id(t), start())
	old := job.Message{Version: 1, Job: dead.ID, Ticket: 1}
	again := amend(t, s, dead.ID, rerunAt(later()), "")
	amend(t, s, dead.ID, rerunAt(later()), job.StateConflict)
	claim(t, s, request(old, "x", later()), job.Drop)
	if got := claim(t, s, request(again.Message(), "y", later()), job.Run); got.Generation != 1 || got.Attempts != 1 {
		t.Errorf("claimed %+v", got)
	}
}

// retriesSkipped: an upgrade of the plan makes a skipped job worth another try.
func retriesSkipped(t *testing.T, s Store) {
	j := accepted(t, s, limited("u-"+id(t), 0))
	amend(t, s, j.ID, rerunAt(later()), job.StateConflict)
	claim(t, s, request(j.Message(), "x", start()), job.Skip)
	if got := amend(t, s, j.ID, rerunAt(later()), ""); got.State != job.Queued || got.Outcome != "" {
		t.Errorf("retried %+v", got)
	}
}

// forgets: otherwise the next sweep would bring the failure back.
func forgets(t *testing.T, s Store) {
	dead := died(t, s, "u-"+id(t), start())
	amend(t, s, dead.ID, forgetAt(later()), "")
	amend(t, s, dead.ID, forgetAt(later()), "")
	// The letter is still in the queue when a person forgets the job.
	bury(t, s, job.Message{Version: 1, Job: dead.ID, Ticket: 1}, later(), deadletter.Surplus)
	if all, _, err := s.Dead(context.Background(), dead.Owner, "", 10); err != nil || len(all) != 0 {
		t.Errorf("listed %+v, %v", all, err)
	}
	amend(t, s, dead.ID, rerunAt(later()), job.StateConflict)
}

// amendsNothing: a refusal is an answer about the row as it is.
func amendsNothing(t *testing.T, s Store) {
	amend(t, s, id(t), cancelAt(start()), job.NotFound)
	j := accepted(t, s, nil)
	amend(t, s, j.ID, forgetAt(start()), job.StateConflict)
	if got := row(t, s, j.ID); !reflect.DeepEqual(got, j) {
		t.Errorf("row %+v\nwant %+v", got, j)
	}
}

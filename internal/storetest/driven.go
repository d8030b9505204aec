package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/relay"
	"orbitq/internal/worker"
)

// pages reads a list to its end, two at a time, and returns the ids in its order.
func pages[T any](t *testing.T, list func(ctx context.Context, owner, after string, n int) ([]T, string, error), owner string, id func(*T) string) []string {
	t.Helper()
	var ids []string
	for after, n := "", 0; n < 10; n++ {
		page, next, err := list(context.Background(), owner, after, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("page of %d, %v", len(page), err)
		}
		for i := range page {
			ids = append(ids, id(&page[i]))
		}
		if after = next; next == "" {
			return ids
		}
	}
	t.Fatal("the list has no end")
	return nil
}

// listsFlows: two of the five are of one moment, as requests of one client may be.
func listsFlows(t *testing.T, s Store) {
	ctx, mine := context.Background(), account(t)
	// Of other owners, before and between: they must not appear.
	acceptedChain(t, s)
	acceptedBatch(t, s, 0)
	var chains, batches []string
	for i := range 5 {
		c, b := newChain(t), newBatch(t)
		c.Account, b.Account = mine, mine
		c.Created, b.Created = start().Add(time.Duration(i/2)*time.Second), start().Add(time.Duration(i/2)*time.Second)
		_, _, err := s.AcceptChain(ctx, &c)
		_, _, err2 := s.AcceptBatch(ctx, &b, nil)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		chains = append(chains, fmt.Sprintf("%d#%s", i/2, c.ID))
		batches = append(batches, fmt.Sprintf("%d#%s", i/2, b.ID))
	}
	if got, want := pages(t, s.OwnChains, mine.Owner, func(c *job.Chain) string { return c.ID }), newestFirst(chains); !reflect.DeepEqual(got, want) {
		t.Errorf("chains %v\nwant %v", got, want)
	}
	if got, want := pages(t, s.OwnBatches, mine.Owner, func(b *job.Batch) string { return b.ID }), newestFirst(batches); !reflect.DeepEqual(got, want) {
		t.Errorf("batches %v\nwant %v", got, want)
	}
}

// newestFirst returns the ids of "second#id", the highest first.
func newestFirst(all []string) []string {
	slices.Sort(all)
	slices.Reverse(all)
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i][2:]
	}
	return ids
}

// openFlows returns the places of some flows among those that are due.
func openFlows(t *testing.T, s Store, now time.Time, want ...job.Flow) []job.Flow {
	t.Helper()
	found, err := s.OpenFlows(context.Background(), now, all)
	if err != nil {
		t.Fatalf("open flows: %v", err)
	}
	return slices.DeleteFunc(found, func(f job.Flow) bool { return !slices.Contains(want, f) })
}

// findsOpenFlows: what has ended is asked after by nobody, what goes on again is.
func findsOpenFlows(t *testing.T, s Store) {
	c, b := newChain(t), newBatch(t)
	// The batch is accepted second and due first: the order is that of the looks.
	b.Look = c.Look.Add(-time.Second)
	_, _, err := s.AcceptChain(context.Background(), &c)
	_, _, err2 := s.AcceptBatch(context.Background(), &b, nil)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	both := []job.Flow{job.BatchFlow(b.ID), job.ChainFlow(c.ID)}
	// One after the other on the same two rows: each step leaves what the next one begins with.
	for _, step := range []struct {
		name string
		now  time.Time
		do   func() error
		want []job.Flow
	}{
		{"before any look", b.Look.Add(-time.Millisecond), nil, nil},
		{"at the first look", b.Look, nil, both[:1]},
		{"at both", c.Look, nil, both},
		{"an ended chain", later(), func() error {
			_, err := s.AmendChain(context.Background(), c.ID, func(c job.Chain) (job.Chain, error) {
				ended := c.Track
				ended.State = job.TrackSucceeded
				return c.On(ended), nil
			})
			return err //nolint:wrapcheck // the rule prints it
		}, both[:1]},
		{"a closed batch", later(), func() error { return closeBatch(s, b.ID, job.Counts{}) }, nil},
	} {
		if step.do != nil {
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
		}
		if got := openFlows(t, s, step.now, both...); !slices.Equal(got, step.want) {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
	// Bounded, because a sweep has a minute: the oldest looks are the ones it must reach.
	if few, err := s.OpenFlows(context.Background(), later(), 1); err != nil || len(few) > 1 {
		t.Errorf("%d of at most 1, %v", len(few), err)
	}
}

// drivenRules: a job of a chain or batch has one driver, which is not the relay.
func drivenRules() []rule {
	return []rule{
		{"chains and batches are listed by owner, newest first, page by page, each once", listsFlows},
		{"only what goes on and is due is an open flow, the oldest look first", findsOpenFlows},
		{"a job of a flow is never due, whatever becomes of it, and never sent again", neverResent},
		{"a job of a flow is in its owner's list, and dead in the list of failures", listedAllTheSame},
		{"a skipped job of a flow that is made up is due like any other", leavesItsFlow},
	}
}

// driven makes a job a step of a chain.
func driven(j *job.Job) { j.Flow = job.ChainFlow(j.Point) }

// neverResent: a second driver would run the step twice at once.
func neverResent(t *testing.T, s Store) {
	unseen := func(name string, j job.Job) {
		// Long after every look, lease and deadline of the job: time alone must not give it away.
		now := j.Look.Add(48 * time.Hour)
		if _, found := hint(t, s, j.ID, now); found {
			t.Errorf("%s: due", name)
		}
		seen, err := s.Peek(context.Background(), []relay.Hint{{ID: j.ID, Look: j.Look}}, now)
		if err != nil || len(seen) != 0 {
			t.Errorf("%s: peeked %+v, %v", name, seen, err)
		}
		if _, ok, err := s.Retake(context.Background(), &j, time.Time{}, Timing(), now); ok || err != nil {
			t.Errorf("%s: taken %v, %v", name, ok, err)
		}
	}
	j := accepted(t, s, driven)
	unseen("accepted", j)
	held := claim(t, s, request(j.Message(), "x", start()), job.Run)
	unseen("running", held)
	retrying := job.Failed(held, job.Errorf(job.ProviderUnavailable, "503"), Timing(), 0, job.Carried{}, report(start()))
	conclude(t, s, &held, retrying, worker.Written)
	unseen("retrying", row(t, s, j.ID))
	held = claim(t, s, request(j.Message(), "y", start().Add(time.Minute)), job.Run)
	conclude(t, s, &held, job.Released(held, job.ProviderRateLimit, "429", time.Minute, Timing(), start()), worker.Written)
	unseen("waiting", row(t, s, j.ID))
}

// listedAllTheSame: a person looks for failures in one place, whoever drove the job.
func listedAllTheSame(t *testing.T, s Store) {
	held := running(t, s, driven)
	dead := job.Failed(held, job.Errorf(job.InvalidRequest, "400"), Timing(), 0, job.Carried{}, report(start()))
	conclude(t, s, &held, dead, worker.Written)
	all := func(ctx context.Context, owner, after string, n int) ([]job.Job, string, error) {
		return s.Jobs(ctx, owner, job.AllJobs, after, n)
	}
	if got := pages(t, all, dead.Owner, func(j *job.Job) string { return j.ID }); !slices.Equal(got, []string{dead.ID}) {
		t.Errorf("listed %v", got)
	}
	if got := pages(t, s.Dead, dead.Owner, func(j *job.Job) string { return j.ID }); !slices.Equal(got, []string{dead.ID}) {
		t.Errorf("failures %v", got)
	}
	if got := row(t, s, dead.ID); got.Flow != held.Flow || got.State != job.Dead {
		t.Errorf("row %+v", got)
	}
	// A retry of its own would send a message, and the chain would not know that it goes on.
	amend(t, s, dead.ID, rerunAt(later()), job.StateConflict)
	again := amend(t, s, dead.ID, func(j job.Job) (job.Job, error) { return job.Restarted(j, Timing(), later()) }, "")
	if _, found := hint(t, s, dead.ID, again.Look.Add(time.Hour)); found || again.Flow != held.Flow {
		t.Errorf("due %v: %+v", found, again)
	}
}

// leavesItsFlow: its chain went on without it long ago, so nobody else would run it.
func leavesItsFlow(t *testing.T, s Store) {
	j := accepted(t, s, func(j *job.Job) {
		limited("u-"+id(t), 0)(j)
		driven(j)
	})
	skipped := claim(t, s, request(j.Message(), "x", start()), job.Skip)
	if _, found := lapsed(t, s, j.ID, skipped.Look); !found || skipped.Flow == "" {
		t.Fatalf("lapsed %v: %+v", found, skipped)
	}
	again := amend(t, s, j.ID, func(j job.Job) (job.Job, error) { return job.MadeUp(j, Timing(), skipped.Look) }, "")
	if h, found := hint(t, s, j.ID, again.Look); !found || !h.Look.Equal(again.Look) || again.Flow != "" {
		t.Errorf("due %v: %+v", found, again)
	}
}

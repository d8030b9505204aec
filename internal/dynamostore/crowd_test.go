package dynamostore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orbitq/internal/dynamostore"
	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
	"orbitq/internal/storetest"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// The crowd: owners with a limit, each with twice as many points as units, and two
// jobs for each point, so that somebody is a duplicate, waits, or is skipped.
const (
	crowdOwners = 3
	crowdLimit  = 4
	crowdJobs   = 16 // of each owner
	crowdHands  = 8
	crowdSteps  = 60 // of each hand
)

// crowd is many hands at one table at once.
type crowd struct {
	*testing.T
	store  *dynamostore.Store
	jobs   []string
	millis atomic.Int64
	ran    atomic.Int64 // claims that ran
}

func crowdStart() time.Time { return time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC) }

// owner names an owner of the crowd.
func owner(n int) string { return fmt.Sprintf("crowd-%d", n) }

// gather fills the table.
func gather(t *testing.T, s *dynamostore.Store) *crowd {
	t.Helper()
	c := &crowd{T: t, store: s}
	for o := range crowdOwners {
		for i := range crowdJobs {
			j := job.Accepted(job.Job{
				ID: fmt.Sprintf("job-%d-%d", o, i), Kind: "enrich", Owner: owner(o), Tier: "free", Limit: crowdLimit, Queue: "default",
				Point: fmt.Sprintf("point-%d-%d", o, i/2), Revision: 1, BodyHash: "h", MaxAttempts: 3,
			}, crowdStart(), 6*time.Hour, 15*time.Minute)
			_, _, err := s.Accept(t.Context(), &j)
			c.accept(err)
			c.jobs = append(c.jobs, j.ID)
		}
	}
	return c
}

// accept allows what an operation may say to one of many at once: that the row is
// not in a state for it, or that it changed too often meanwhile.
func (c *crowd) accept(err error) {
	c.Helper()
	if err != nil && job.CodeOf(err) != job.StateConflict && job.CodeOf(err) != job.Throttled {
		c.Errorf("%v", err)
	}
}

// step does one thing to one job, as it was read a moment before.
func (c *crowd) step(r *rand.Rand, lease string) {
	ctx, now := c.Context(), crowdStart().Add(time.Duration(c.millis.Add(r.Int64N(5_000)))*time.Millisecond)
	j, err := c.store.Job(ctx, c.jobs[r.IntN(len(c.jobs))])
	c.accept(err)
	switch r.IntN(12) {
	case 0:
		_, err = c.store.Amend(ctx, j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, now) })
	case 1, 2:
		_, err = c.store.Amend(ctx, j.ID, func(j job.Job) (job.Job, error) { return job.Rerun(j, storetest.Timing(), now) })
	case 3:
		_, _, err = c.store.Retake(ctx, &j, time.Time{}, storetest.Timing(), now)
	default:
		err = c.attempt(ctx, r, j.Message(), lease, now)
	}
	c.accept(err)
}

// attempt brings a message to the table and, if it may run, ends the attempt somehow.
func (c *crowd) attempt(ctx context.Context, r *rand.Rand, m job.Message, lease string, now time.Time) error {
	got, err := c.store.Claim(ctx, job.ClaimRequest{
		Message: m, Now: now, Lease: job.Lease{Token: lease, Until: now.Add(30 * time.Second)},
		Carried: job.Carried{Ticket: m.Ticket, Sent: now},
	})
	if err != nil || got.Verdict != job.Run {
		return err
	}
	c.ran.Add(1)
	held, end := got.Job, job.Report{Now: now.Add(time.Second), Version: "v", RequestID: lease}
	next := job.Ended(held, job.AlreadyDone, end)
	switch r.IntN(8) {
	case 0: // the worker crashes
		return nil
	case 1:
		next = job.Failed(held, job.Errorf(job.ProviderUnavailable, "503"), storetest.Timing(), 0, job.Carried{Ticket: m.Ticket, Sent: now}, end)
	case 2:
		next = job.Failed(held, job.Errorf(job.InvalidRequest, "400"), storetest.Timing(), 0, job.Carried{Ticket: m.Ticket, Sent: now}, end)
	case 3:
		next = job.Released(held, job.ProviderRateLimit, "429", time.Minute, storetest.Timing(), end.Now)
	default:
		a := satellite.Result(satellite.Day{}, &point.Point{ID: held.Point, Revision: 1, CollectedAt: now}, 60)
		a.Job, a.CreatedAt = held.ID, end.Now
		ended := job.Ended(held, job.Success, end)
		if answer, err := c.store.Settle(ctx, &held, &ended, &a); err != nil || answer != worker.Duplicate {
			return err
		}
	}
	_, err = c.store.Conclude(ctx, &held, &next)
	return err
}

// audit holds jobs, analyses and meters of an owner against each other, and returns
// what is billed. The jobs come out of the owner's list, which must have each once.
func (c *crowd) audit(owner string) int {
	ctx := context.Background()
	listed, _, err := c.store.Jobs(ctx, owner, "", "", crowdJobs+1)
	if err != nil || len(listed) != crowdJobs {
		c.Errorf("%s has %d jobs, %v", owner, len(listed), err)
	}
	billed, held := 0, 0
	for i := range listed {
		j := &listed[i]
		if j.UsageKey != "" {
			held++
		}
		if !j.State.Known() || (j.State == job.Running) != (j.Lease != "") || !j.State.Open() && j.UsageKey != "" ||
			j.State.Open() != j.Finished.IsZero() || j.Attempts < 0 || j.Attempts > j.MaxAttempts || j.ValidTicket > j.Ticket {
			c.Errorf("no row may look like this: %+v", j)
		}
		found, err := c.store.Analyses(ctx, j.Point)
		success := j.State == job.Succeeded && j.Outcome == job.Success
		if mine := len(found) == 1 && found[0].Job == j.ID; err != nil || len(found) > 1 || mine != success {
			c.Errorf("%s is %s %s beside the analyses %+v, %v", j.ID, j.State, j.Outcome, found, err)
		}
		if success {
			billed++
		}
	}
	m, err := c.store.Meter(ctx, owner, usage.MeterKey("free", time.Time{}, crowdStart()))
	if want := (job.Meter{Used: billed, Taken: billed + held}); err != nil || m != want || m.Taken > crowdLimit {
		c.Errorf("meter of %s is %+v, want %+v and at most %d, %v", owner, m, want, crowdLimit, err)
	}
	return billed
}

// play lets the crowd loose on a store, and audits what it leaves.
func play(t *testing.T, wrap func(dynamostore.Client) dynamostore.Client) {
	t.Helper()
	c := gather(t, newStore(t, wrap))
	var wg sync.WaitGroup
	for h := range crowdHands {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(11, uint64(h)))
			for n := range crowdSteps {
				c.step(r, fmt.Sprintf("lease-%d-%d", h, n))
			}
		})
	}
	wg.Wait()
	billed := 0
	for o := range crowdOwners {
		billed += c.audit(owner(o))
	}
	// A table that refuses everything would be consistent, too.
	if c.ran.Load() < crowdOwners*crowdLimit || billed < crowdOwners {
		t.Errorf("only %d attempts and %d analyses", c.ran.Load(), billed)
	}
}

func TestACrowdLeavesTheTableConsistent(t *testing.T) {
	t.Parallel()
	play(t, func(c dynamostore.Client) dynamostore.Client { return c })
}

// TestACrowdWithLostRepliesLeavesTheTableConsistent loses the reply of every fourth
// write of a job, after it went through, in the middle of the crowd.
func TestACrowdWithLostRepliesLeavesTheTableConsistent(t *testing.T) {
	t.Parallel()
	var writes atomic.Int64
	play(t, func(c dynamostore.Client) dynamostore.Client {
		return &unsteady{c, func(call string, _ bool, send func() error) error {
			if !strings.HasPrefix(call, "put ") && writes.Add(1)%4 == 0 {
				_ = send() // its reply is lost, so the client sends it again
			}
			return send()
		}}
	})
}

package memstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
	"orbitq/internal/storetest"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// crowd is many hands at one table at once: workers, the relay, the reconciler and
// the owners of the jobs, none of whom knows of another. What they do is random;
// what must be true of the table afterwards is not.
type crowd struct {
	store  *memstore.Store
	jobs   []string // ids; two neighbours share a point, so that one of them is a duplicate
	owners int
	limit  int          // of the first owner
	millis atomic.Int64 // the clock, which every hand moves on
	latest atomic.Int64 // the job that somebody went for last

	mu       sync.Mutex
	verdicts map[job.Verdict]int
	answers  map[worker.Settlement]int
	other    map[string]int
	failures []string
}

func crowdStart() time.Time { return time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC) }

// gather fills a table with the jobs of owners who each have a limit.
func gather(s *memstore.Store, owners, perOwner, limit int) *crowd {
	c := &crowd{
		store: s, owners: owners, limit: limit,
		verdicts: map[job.Verdict]int{}, answers: map[worker.Settlement]int{}, other: map[string]int{},
	}
	for o := range owners {
		for i := range perOwner {
			j := job.Accepted(job.Job{
				ID: fmt.Sprintf("job-%d-%d", o, i), Kind: "enrich", Owner: "u" + strconv.Itoa(o), Tier: "free", Limit: c.limitOf(o), Queue: "default",
				Point: fmt.Sprintf("point-%d-%d", o, i/2), Revision: 1, MaxAttempts: 3,
			}, crowdStart(), 6*time.Hour, 15*time.Minute)
			if _, existed, err := s.Accept(context.Background(), &j); err != nil || existed {
				c.failf("accept %s: existed %v, %v", j.ID, existed, err)
			}
			c.jobs = append(c.jobs, j.ID)
		}
	}
	return c
}

// limitOf makes the later owners richer, so that some run out of units and some do not.
func (c *crowd) limitOf(owner int) int { return c.limit << (3 * owner) }

func (c *crowd) failf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, fmt.Sprintf(format, args...))
}

// count notes that something happened, in one of the tallies.
func count[K comparable](c *crowd, tally map[K]int, what K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tally[what]++
}

// tick moves the clock on by up to two seconds.
func (c *crowd) tick(r *rand.Rand) time.Time {
	return crowdStart().Add(time.Duration(c.millis.Add(r.Int64N(2_000))) * time.Millisecond)
}

// run lets hands do steps each, all at once.
func (c *crowd) run(seed uint64, hands, steps int) {
	var wg sync.WaitGroup
	for h := range hands {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(h)))
			var pocket []job.Job // attempts of this hand that have not ended yet
			for n := range steps {
				pocket = c.step(r, pocket, fmt.Sprintf("lease-%d-%d", h, n))
			}
		})
	}
	wg.Wait()
}

// step does one thing to one job. The row is read first and the thing done later, so
// that what was decided upon may have changed: just what conditions are for. An
// attempt ends several steps after its claim, when its lease may be over.
func (c *crowd) step(r *rand.Rand, pocket []job.Job, lease string) []job.Job {
	defer c.meters("during the run")
	ctx, now := context.Background(), c.tick(r)
	if len(pocket) > 0 && r.IntN(5) == 0 {
		c.end(r, &pocket[0], now)
		return pocket[1:]
	}
	at := int(c.latest.Load())
	if r.IntN(5) == 0 { // else everybody goes for the same one
		at = r.IntN(len(c.jobs))
		c.latest.Store(int64(at))
	}
	j, err := c.store.Job(ctx, c.jobs[at])
	c.checked(err, "read")
	runtime.Gosched()
	switch n := r.IntN(40); {
	case n < 30:
		if held := c.claim(&j, lease, now); held != nil {
			pocket = append(pocket, *held)
		}
	case n < 35:
		c.amend(r, j.ID, now)
	case n < 38:
		_, taken, err := c.store.Retake(ctx, &j, time.Time{}, storetest.Timing(), now)
		c.checked(err, fmt.Sprintf("retaken %v", taken))
	default:
		fate, err := c.store.Bury(ctx, j.Message(), deadletter.Letter{Sent: now, Receives: 4}, now)
		c.checked(err, fmt.Sprintf("fate %d", fate))
	}
	return pocket
}

// checked notes an answer that must not be an error.
func (c *crowd) checked(err error, what string) {
	if err != nil {
		c.failf("%s: %v", what, err)
	}
	count(c, c.other, what)
}

// amend is a person at work. Being refused is fine: most jobs are in no state for it.
func (c *crowd) amend(r *rand.Rand, id string, now time.Time) {
	name, decide := "cancel", func(j job.Job) (job.Job, error) { return job.Cancel(j, now) }
	switch r.IntN(10) {
	case 0, 1, 2:
		name, decide = "forget", func(j job.Job) (job.Job, error) { return job.Forget(j, now) }
	case 3, 4, 5, 6, 7:
		name, decide = "rerun", func(j job.Job) (job.Job, error) { return job.Rerun(j, storetest.Timing(), now) }
	}
	if _, err := c.store.Amend(context.Background(), id, decide); err != nil {
		if job.CodeOf(err) != job.StateConflict {
			c.failf("%s: %v", name, err)
		}
		return
	}
	count(c, c.other, name)
}

// claim brings a job's message to the table, and returns the job if it may run.
func (c *crowd) claim(j *job.Job, lease string, now time.Time) *job.Job {
	m := j.Message()
	if j.State == job.Dead {
		m.Ticket = j.DeadTicket // what a redrive sends
	}
	got, err := c.store.Claim(context.Background(), job.ClaimRequest{
		Message: m, Now: now, Lease: job.Lease{Token: lease, Until: now.Add(10 * time.Second)},
		Carried: job.Carried{Ticket: m.Ticket, Sent: now.Add(-5 * time.Second)},
	})
	c.checked(err, "claim")
	count(c, c.verdicts, got.Verdict)
	if got.Verdict != job.Run {
		return nil
	}
	return &got.Job
}

// end makes an end of an attempt, one of all that there are.
func (c *crowd) end(r *rand.Rand, held *job.Job, now time.Time) {
	end := job.Report{Now: now, Version: "v", RequestID: held.Lease}
	carried := job.Carried{Ticket: held.Ticket, Sent: now.Add(-5 * time.Second)}
	next := job.Ended(*held, job.Clouded, end)
	switch r.IntN(12) {
	case 0: // the worker crashes
		return
	case 1, 2:
		next = job.Failed(*held, job.Errorf(job.ProviderUnavailable, "503"), storetest.Timing(), 0, carried, end)
	case 3:
		next = job.Failed(*held, job.Errorf(job.InvalidRequest, "400"), storetest.Timing(), 0, carried, end)
	case 4:
		next = job.Released(*held, job.ProviderRateLimit, "429", time.Minute, storetest.Timing(), now)
	case 5: // no image, free of charge
	default:
		if c.settle(held, end) {
			return
		}
		next = job.Ended(*held, job.AlreadyDone, end)
	}
	answer, err := c.store.Conclude(context.Background(), held, &next)
	c.checked(err, "conclude")
	count(c, c.answers, answer)
}

// settle ends an attempt with its analysis; false if there was one already.
func (c *crowd) settle(held *job.Job, end job.Report) bool {
	a := satellite.Result(satellite.Day{}, &point.Point{ID: held.Point, Revision: held.Revision, CollectedAt: end.Now}, 60)
	a.Job, a.CreatedAt = held.ID, end.Now
	ended := job.Ended(*held, job.Success, end)
	answer, err := c.store.Settle(context.Background(), held, &ended, &a)
	c.checked(err, "settle")
	count(c, c.answers, answer)
	return answer != worker.Duplicate
}

// meters demands that no owner has ever more than the limit, or used more than taken.
func (c *crowd) meters(when string) {
	for o := range c.owners {
		m, err := c.store.Meter(context.Background(), "u"+strconv.Itoa(o), crowdMeter())
		if err != nil || m.Used < 0 || m.Used > m.Taken || m.Taken > c.limitOf(o) {
			c.failf("%s: meter of u%d is %+v under a limit of %d, %v", when, o, m, c.limitOf(o), err)
		}
	}
}

// crowdMeter is the one meter that counts: the clock never leaves the month.
func crowdMeter() string { return usage.MeterKey("free", time.Time{}, crowdStart()) }

// audit holds the table at rest against itself: jobs, analyses and meters must tell
// the same story.
func (c *crowd) audit() {
	ctx := context.Background()
	analyses, reserved, points := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, id := range c.jobs {
		j, err := c.store.Job(ctx, id)
		if err != nil {
			c.failf("read job: %v", err)
		}
		if why := illegal(&j); why != "" {
			c.failf("%s: %s: %+v", id, why, j)
		}
		if j.UsageKey != "" {
			reserved[j.Owner]++
		}
		found, err := c.store.Analyses(ctx, j.Point)
		mine := len(found) == 1 && found[0].Job == id
		if err != nil || len(found) > 1 || mine != (j.State == job.Succeeded && j.Outcome == job.Success) {
			c.failf("%s is %s %s, and its point has the analyses %+v, %v", id, j.State, j.Outcome, found, err)
		}
		if !points[j.Point] {
			points[j.Point] = true
			analyses[j.Owner] += len(found)
		}
	}
	c.meters("at rest")
	for o := range c.owners {
		owner := "u" + strconv.Itoa(o)
		m, err := c.store.Meter(ctx, owner, crowdMeter())
		if want := (job.Meter{Used: analyses[owner], Taken: analyses[owner] + reserved[owner]}); err != nil || m != want {
			c.failf("meter of %s is %+v, want %+v, %v", owner, m, want, err)
		}
	}
}

// illegal says why no row may look like this, or nothing.
func illegal(j *job.Job) string {
	open := j.State.Open()
	switch {
	case !j.State.Known():
		return "unknown state"
	case (j.State == job.Running) != (j.Lease != ""):
		return "a lease goes with running, and with nothing else"
	case !open && j.UsageKey != "":
		return "an ended job holds a unit"
	case (j.State == job.Running || j.State == job.Retrying) && j.UsageKey == "":
		return "an attempt without a unit"
	case open != j.Finished.IsZero(), (open || j.State == job.Skipped) == j.Look.IsZero(): // the skipped wait for new units
		return "open and skipped jobs are looked at, ended ones are finished"
	case j.Attempts < 0 || j.Attempts > j.MaxAttempts, len(j.History) > job.HistorySize:
		return "more attempts than there may be"
	case j.ValidTicket > j.Ticket, (j.State == job.Dead) && j.Code == "":
		return "a ticket that was never sent, or a death without a cause"
	default:
		return ""
	}
}

func TestACrowdLeavesTheTableConsistent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		c := gather(memstore.New(storetest.Timing()), rapid.IntRange(1, 4).Draw(r, "owners"), rapid.IntRange(2, 16).Draw(r, "jobs"), rapid.IntRange(0, 6).Draw(r, "limit"))
		c.run(rapid.Uint64().Draw(r, "seed"), rapid.IntRange(2, 12).Draw(r, "hands"), 80)
		c.audit()
		if len(c.failures) > 0 {
			r.Fatalf("%d failures, the first: %s", len(c.failures), c.failures[0])
		}
	})
}

// TestTheCrowdGoesEverywhere: a crowd that nobody stands in the way of proves nothing.
func TestTheCrowdGoesEverywhere(t *testing.T) {
	t.Parallel()
	c := gather(memstore.New(storetest.Timing()), 3, 250, 2)
	c.run(7, 8, 2000)
	c.audit()
	if len(c.failures) > 0 {
		t.Fatalf("%d failures, the first: %s", len(c.failures), c.failures[0])
	}
	t.Logf("%v %v %v", c.verdicts, c.answers, c.other)
	for _, v := range []job.Verdict{job.Run, job.Drop, job.Hold, job.NotYet, job.Carrier, job.Revive, job.Skip, job.Wait} {
		if c.verdicts[v] == 0 {
			t.Errorf("no claim had the verdict %d: %v", v, c.verdicts)
		}
	}
	for _, a := range []worker.Settlement{worker.Written, worker.Superseded, worker.LeaseLost, worker.Duplicate} {
		if c.answers[a] == 0 {
			t.Errorf("no settlement was %d: %v", a, c.answers)
		}
	}
	for _, what := range []string{"cancel", "rerun", "forget", "retaken true", "fate 0", "fate 1", "fate 2"} {
		if c.other[what] == 0 {
			t.Errorf("never: %s: %v", what, c.other)
		}
	}
}

// TestTheCrowdNoticesABrokenRule takes one guard away at a time.
func TestTheCrowdNoticesABrokenRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		remove func(*memstore.Rules)
	}{
		{"no limit", func(r *memstore.Rules) { r.JudgeQuota = func(job.Meter, int) job.QuotaVerdict { return job.HasRoom } }},
		{"no unit comes back", func(r *memstore.Rules) { r.GivesBack = func(_, _ *job.Job) bool { return false } }},
		{"no fence", func(r *memstore.Rules) { r.HeldBy = func(_, _ *job.Job) bool { return true } }},
		{"no duplicates", func(r *memstore.Rules) { r.Duplicate = func(bool) bool { return false } }},
		{"dead letters end everything", func(r *memstore.Rules) {
			r.MayBury = func(*job.Job, job.Message, time.Time) bool { return true }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rules := memstore.Protocol()
			c.remove(&rules)
			crowd := gather(memstore.NewWith(storetest.Timing(), rules), 3, 250, 2)
			crowd.run(7, 8, 2000)
			crowd.audit()
			if len(crowd.failures) == 0 {
				t.Error("nobody noticed")
			}
		})
	}
}

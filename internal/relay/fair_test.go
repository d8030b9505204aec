package relay_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/relay"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// system is everything between a request and a call to the provider, on the memory table
// and queues, under the clock of a synctest bubble: hours pass in a moment.
type system struct {
	t      *testing.T
	store  *memstore.Store
	queues *memqueue.Queues
	policy limit.Policy
	relay  *relay.Relay
	intake *intake.Intake
	worker *worker.Worker

	mu    sync.Mutex
	calls []called
	down  bool
}

// called is a call to the provider.
type called struct {
	at    time.Time
	owner string
	high  bool
	job   string
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{t: t, store: memstore.New(job.DefaultTiming()), policy: limit.DefaultPolicy()}
	s.policy.Requests, s.policy.Units = 0, 0
	s.queues = memqueue.New(memqueue.Config{Now: time.Now, Visibility: 6 * time.Minute, MaxReceives: 8, Names: []string{"high", "default", "low"}})
	g := s.gate()
	enrich := s.enrich(g, limit.Patience)
	s.worker = worker.New(worker.Config{
		Store: s.store, Queue: s.queues, Kinds: []worker.Kind{enrich}, Now: time.Now, Token: token(), Jitter: half,
		Timing: job.DefaultTiming(), LeaseMargin: 30 * time.Second, Version: "v1",
	})
	s.relay = relay.New(relay.Config{
		Store: s.store, Skipped: s.store, Sender: s.queues, Line: s.store, Pacer: s.gate(), Policies: kinds.Policies(),
		NeedsCall: enrich.NeedsCall, Limit: s.policy, PaceFor: 58 * time.Second, Sleep: sleep,
		Now: time.Now, Timing: job.DefaultTiming(),
	})
	s.intake = intake.New(intake.Config{
		Store: s.store, Plans: s.store, Sender: s.queues, Bulk: s.queues, Pacer: s.gate(), AsksProvider: enrich.AsksProvider, Policies: kinds.Policies(),
		Now: time.Now, Entropy: entropy(), Deadline: 24 * time.Hour, Resend: 15 * time.Minute, Tries: 3,
	})
	return s
}

// gate returns the limiter as one process sees it.
func (s *system) gate() *gate.Gate {
	return gate.New(gate.Config{Store: s.store, Policy: s.policy, Now: time.Now, Jitter: half, Sleep: sleep})
}

func half() float64 { return 0.5 }

// sleep waits by the bubble's clock.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// token returns lease tokens, each another one.
func token() func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprint("token ", n)
	}
}

// entropy returns the random parts of ids, each another one.
func entropy() func() [10]byte {
	var mu sync.Mutex
	n := 0
	return func() (b [10]byte) {
		mu.Lock()
		defer mu.Unlock()
		n++
		copy(b[:], fmt.Sprintf("%010d", n))
		return b
	}
}

// enrich is the kind of all jobs here.
func (s *system) enrich(g *gate.Gate, patience time.Duration) *kinds.Enrich {
	return &kinds.Enrich{
		Points: s.store, Now: time.Now, Patience: patience,
		Imagery: &kinds.Remembering{Provider: provider{s, g}, Cache: s.store, Left: g.Left, Now: time.Now},
	}
}

// provider answers after a second, with a full day.
type provider struct {
	s *system
	g *gate.Gate
}

func (p provider) Statistics(ctx context.Context, pass *limit.Pass, _ satellite.Area, w satellite.Window) (satellite.Series, error) {
	if err := p.g.Enter(ctx, pass); err != nil {
		return satellite.Series{}, err
	}
	p.s.mu.Lock()
	p.s.calls = append(p.s.calls, called{time.Now(), pass.Owner, pass.High, pass.Job})
	down := p.s.down
	p.s.mu.Unlock()
	<-time.After(time.Second)
	c := limit.Call{At: time.Now(), Type: limit.Enrichment, Job: pass.Job, Owner: pass.Owner}
	if down {
		p.g.Left(c)
		return satellite.Series{}, job.Errorf(job.InvalidRequest, "400")
	}
	p.g.Left(c)
	day := satellite.Day{Date: w.From.AddDate(0, 0, 7), ValidFraction: 1}
	for i := range day.Indices {
		day.Indices[i] = &satellite.Stats{Mean: 0.5, SampleCount: 144}
	}
	return satellite.Series{Days: []satellite.Day{day}}, nil
}

func (p provider) Seen(context.Context, *limit.Pass, satellite.Area, satellite.Window) (bool, error) {
	return true, nil
}

// run lets the relay's schedule and the event source mappings work until ctx ends.
func (s *system) run(ctx context.Context, all *sync.WaitGroup) {
	all.Go(func() {
		for sleep(ctx, time.Minute) == nil {
			all.Go(func() {
				if _, err := s.relay.Pace(ctx); err != nil {
					s.t.Error("pace:", err)
				}
			})
			if _, err := s.relay.Sweep(ctx); err != nil {
				s.t.Error("sweep:", err)
			}
		}
	})
	all.Go(func() {
		for sleep(ctx, 50*time.Millisecond) == nil {
			for _, queue := range []string{"high", "default", "low"} {
				for _, d := range s.queues.Receive(queue, 10) {
					all.Go(func() { s.handle(ctx, d) })
				}
			}
		}
	})
}

// handle works on one delivery in a function of 60 s.
func (s *system) handle(ctx context.Context, d worker.Delivery) {
	ctx, cancel := context.WithDeadline(ctx, time.Now().Add(time.Minute))
	defer cancel()
	if h := s.worker.Handle(ctx, d); !h.Keep {
		s.queues.Acknowledge(d.Source, d.Receipt)
	}
}

// simulate runs the system in a bubble while act acts, and stops it then.
func simulate(t *testing.T, act func(s *system)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		<-time.After(26 * 365 * 24 * time.Hour) // bubbles begin in 2000, Sentinel-2 in 2015
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		s.run(ctx, &all)
		act(s)
		cancel()
		all.Wait()
	})
}

// reading returns a reading of long ago, each at another place.
func reading(n int) point.Input {
	lat, lon, value, at := float64(n%8000)/100-40, float64(n/8000)/100, 1.0, time.Now().AddDate(0, 0, -60)
	return point.Input{Latitude: &lat, Longitude: &lon, Value: &value, CollectedAt: &at}
}

// create accepts readings of an owner, each with its job, and returns the jobs.
func (s *system) create(owner string, tier usage.Tier, queue string, from, n int) []job.Job {
	s.t.Helper()
	var all []job.Job
	for i := from; i < from+n; i++ {
		r := intake.Request{Principal: intake.Principal{Owner: owner, Tier: tier}}
		a, err := s.intake.CreatePoint(s.t.Context(), r, reading(i), queue, false)
		if err != nil || a.SendErr != nil {
			s.t.Fatal(err, a.SendErr)
		}
		all = append(all, a.Job)
	}
	return all
}

// made returns the calls so far.
func (s *system) made() []called {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// pass lets time go by.
func pass(d time.Duration) { <-time.After(d) }

// windows holds the calls of the shared lane from a time on against the allowance: each
// window of 60 s has at least nine tenths of it.
func (s *system) windows(from, to time.Time) (least int) {
	calls := s.made()
	least = len(calls)
	for at := from; !at.Add(time.Minute).After(to); at = at.Add(time.Second) {
		n := 0
		for _, c := range calls {
			if !c.at.Before(at) && c.at.Before(at.Add(time.Minute)) {
				n++
			}
		}
		least = min(least, n)
	}
	return least
}

// startOf returns how long after a time the first call of an owner was made, and how many
// of others were made in between.
func (s *system) startOf(owner string, from time.Time) (time.Duration, int) {
	before := 0
	for _, c := range s.made() {
		switch {
		case c.at.Before(from):
		case c.owner == owner:
			return c.at.Sub(from), before
		default:
			before++
		}
	}
	return -1, before
}

// TestANewOwnerWaitsForFourCallsAtMost: 10,000 jobs of one owner wait, and then comes one
// of another.
func TestANewOwnerWaitsForFourCallsAtMost(t *testing.T) {
	t.Parallel()
	simulate(t, func(s *system) {
		s.create("a", usage.Enterprise, "default", 0, 10_000)
		pass(5*time.Minute + 20*time.Second)
		from := time.Now()
		s.create("b", usage.Enterprise, "default", 10_000, 1)
		pass(time.Minute)
		took, before := s.startOf("b", from)
		s.t.Logf("10,000 jobs of A wait at 24 calls a minute; the job of B starts after %v and %d calls of A", took, before)
		if took < 0 || before > 3 {
			s.t.Errorf("B starts after %v, %d calls of A come first; want 3 at most", took, before)
		}
	})
}

// TestSlotsGoRoundBetweenOwners: ten owners with 10 to 10,000 jobs each get the same number
// of calls while all of them wait.
func TestSlotsGoRoundBetweenOwners(t *testing.T) {
	t.Parallel()
	simulate(t, func(s *system) {
		s.create("first", usage.Enterprise, "default", 20_000, 24) // what is free at once is gone
		from := 0
		for i, n := range []int{10_000, 5000, 2000, 1000, 500, 200, 100, 50, 20, 10} {
			s.create(fmt.Sprint("owner ", i), usage.Enterprise, "default", from, n)
			from += n
		}
		began := time.Now()
		pass(7 * time.Minute)
		counts := map[string]float64{}
		for i, c := range s.made() {
			if c.owner == "first" {
				continue
			}
			counts[c.owner]++
			if counts[c.owner] == 10 && c.owner == "owner 9" {
				s.t.Logf("all wait for %d calls, %v", i+1, c.at.Sub(began))
				break // it does not wait any more
			}
		}
		sum, squares := 0.0, 0.0
		for _, n := range counts {
			sum, squares = sum+n, squares+n*n
		}
		jain := sum * sum / (10 * squares)
		s.t.Logf("calls by owner while all wait: %v; Jain's index %.3f", counts, jain)
		if jain < 0.95 {
			s.t.Errorf("Jain's index is %.3f, want 0.95 at least", jain)
		}
	})
}

// TestWeightsGiveMoreTurns: an owner of a tier with weight 3 gets three slots for one.
func TestWeightsGiveMoreTurns(t *testing.T) {
	t.Parallel()
	simulate(t, func(s *system) {
		s.policy.Weights = map[string]int{"enterprise": 3}
		s.relay.Limit = s.policy
		s.create("a", usage.Enterprise, "default", 0, 500)
		s.create("b", usage.Pro, "default", 500, 90)
		pass(3 * time.Minute) // one owner was there before the other
		from := len(s.made())
		pass(5 * time.Minute)
		counts := map[string]int{}
		for _, c := range s.made()[from:] {
			counts[c.owner]++
		}
		if share := float64(counts["a"]) / float64(counts["b"]); share < 2.5 || share > 3.5 {
			s.t.Errorf("calls %v, want three to one", counts)
		}
	})
}

// dispatch accepts many jobs for one point of an owner.
func (s *system) dispatch(owner string, tier usage.Tier, point, queue string, n int) {
	s.t.Helper()
	wishes := make([]intake.Wish, n)
	for i := range wishes {
		wishes[i].Dispatch = intake.Dispatch{Kind: kinds.EnrichName, Point: point, Queue: queue}
	}
	for i, a := range s.intake.DispatchMany(s.t.Context(), intake.Request{Principal: intake.Principal{Owner: owner, Tier: tier}}, wishes) {
		if a.Err != nil {
			s.t.Fatalf("job %d: %v", i, a.Err)
		}
	}
}

// TestJobsThatCannotRunHoldNoSlots: a free user dispatches 500 jobs for one point, of which
// ten hold the units of the plan for days. A paying user who comes then starts within a
// window, and nine tenths of the allowed calls are made in each.
func TestJobsThatCannotRunHoldNoSlots(t *testing.T) {
	t.Parallel()
	for _, queue := range []string{"default", "high"} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			simulate(t, func(s *system) {
				// Ten readings of today: each keeps its unit while it waits for an image.
				for i := range 10 {
					r := reading(i)
					r.CollectedAt = new(time.Now().Add(-time.Hour))
					if _, err := s.intake.CreatePoint(s.t.Context(), intake.Request{Principal: intake.Principal{Owner: "free", Tier: usage.Free}}, r, queue, false); err != nil {
						s.t.Fatal(err)
					}
				}
				pass(time.Minute)
				p := s.create("free", usage.Free, queue, 20, 1)[0].Point
				for range 5 {
					s.dispatch("free", usage.Free, p, queue, 100)
				}
				pass(time.Minute)
				from := time.Now()
				s.create("paying", usage.Enterprise, queue, 100, 400)
				pass(11 * time.Minute)
				took, _ := s.startOf("paying", from)
				least := s.windows(from.Add(time.Minute), from.Add(11*time.Minute))
				s.t.Logf("501 jobs without a unit stand in front: the paying user starts after %v; at least %d of %d calls in each window", took, least, s.allowed(queue))
				if took < 0 || took > time.Minute {
					s.t.Errorf("the paying user starts after %v", took)
				}
				if 10*least < 9*s.allowed(queue) {
					s.t.Errorf("only %d of %d calls in a window", least, s.allowed(queue))
				}
			})
		})
	}
}

// allowed returns the calls that jobs of a queue may make in a window.
func (s *system) allowed(queue string) int {
	if queue == "high" {
		return s.policy.Shared + s.policy.Reserved
	}
	return s.policy.Shared
}

// TestNoMixOfJobsWastesSlots puts jobs in front that are blocked, cancelled, dead before they
// start, skipped, or answered from what is known already.
func TestNoMixOfJobsWastesSlots(t *testing.T) {
	t.Parallel()
	simulate(t, func(s *system) {
		s.create("skipped", usage.Free, "default", 0, 10) // ten units
		pass(2 * time.Minute)
		s.create("fills", usage.Enterprise, "default", 100, 40)
		first := s.create("same", usage.Enterprise, "default", 200, 1)[0]
		s.dispatch("same", usage.Enterprise, first.Point, "default", 300) // one call answers all
		s.create("skipped", usage.Free, "default", 300, 40)               // the limit of the plan
		for _, j := range s.create("cancelled", usage.Enterprise, "default", 500, 300) {
			if _, err := s.store.Amend(s.t.Context(), j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, time.Now()) }); err != nil {
				s.t.Fatal(err)
			}
		}
		late := 1
		for i := range 200 {
			d := intake.Dispatch{Kind: kinds.EnrichName, Point: first.Point, MaxWait: &late}
			if _, err := s.intake.DispatchJob(s.t.Context(), intake.Request{Principal: intake.Principal{Owner: fmt.Sprint("late ", i%5), Tier: usage.Enterprise}}, d); job.CodeOf(err) != job.NotFound {
				s.t.Fatal(err)
			}
		}
		s.create("runs", usage.Enterprise, "default", 1000, 500)
		from := time.Now()
		pass(15 * time.Minute)
		// The first window after a burst may still be filled by it.
		least := s.windows(from.Add(2*time.Minute), from.Add(15*time.Minute))
		counts := map[string]int{}
		for _, c := range s.made() {
			counts[c.owner]++
		}
		s.t.Logf("at least %d of 24 calls in each window; calls by owner %v", least, counts)
		if least < 22 || counts["same"] > 2 || counts["skipped"] != 10 || counts["cancelled"] > 24 {
			s.t.Errorf("%d calls in a window, by owner %v", least, counts)
		}
		row, err := s.store.Door(s.t.Context())
		if err != nil || row.Budget.Requests > len(s.made()) {
			s.t.Errorf("%d requests are counted, %d calls were made, %v", row.Budget.Requests, len(s.made()), err)
		}
	})
}

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/cdse"
	"orbitq/internal/local/gateway"
)

// The storm: how often something is killed, how many users write meanwhile, and how many points each of them has. A
// user stays below the limit of the pro plan, so that every unit that is taken is also given back or billed.
const (
	stormKills  = 200
	stormUsers  = 10
	stormPoints = 80
)

// kill is one moment of the plan: a while after the last one, and then at once or with one of the next calls of AWS that
// the victim makes. Most of its calls take a millisecond, which blind kills would hardly ever meet.
type kill struct {
	victim string
	after  time.Duration
	call   int64 // 0 is at once
}

// plan makes the kills of a seed. Workers and the write API have the most to lose, so they die most.
func plan(random *rand.Rand, n int) []kill {
	victims := []string{
		"enrich", "enrich", "enrich", "enrich", "enrich", "enrich", "enrich", "enrich", "enrich",
		"enqueue", "enqueue", "enqueue", "enqueue", "enqueue", "relay", "relay", "dlq", "dlq", "query", "gateway",
	}
	all := make([]kill, n)
	for i := range all {
		all[i] = kill{
			victim: victims[random.IntN(len(victims))], after: time.Duration(20+random.IntN(280)) * time.Millisecond,
			call: max(0, random.Int64N(9)-4),
		}
	}
	return all
}

// seed is what SEED says, or the one that is always run.
func seed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SEED")
	if text == "" {
		return 9
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SEED: %v", err)
	}
	return n
}

// storm is what was accepted, by user.
type storm struct {
	w       *world
	seed    uint64
	clients []*client.Client
	struck  atomic.Int64 // kills so far
	aimed   int          // of which with a call
	outages []outage     // when nobody could reach the table or the queues

	mu       sync.Mutex
	accepted map[string]string // point by job
	repeats  int               // requests that had to be repeated
	gaveUp   int               // readings whose client went away after its first failure
	copies   int               // messages that were sent twice
}

// outage is a time without a gateway.
type outage struct{ from, to time.Time }

// TestTwoHundredKills kills functions and the gateway at random moments while jobs are accepted, run, duplicated and looked
// after. Whoever was told 2xx has a job that ends, and has it once.
func TestTwoHundredKills(t *testing.T) {
	t.Parallel() // it mostly waits for leases of the killed
	n := seed(t)
	t.Logf("replay with: SEED=%d go test ./internal/e2e -run TestTwoHundredKills -v", n)
	w := own(t, unmetered)
	// A job must last for a moment, or kills would only meet idle workers.
	if err := w.Provider().SetFaults(cdse.Fault{Kind: cdse.FaultSlow, Endpoint: cdse.EndpointStatistics, DelayMS: 250}); err != nil {
		t.Fatal(err)
	}
	s := &storm{w: w, seed: n, accepted: map[string]string{}}
	for user := range stormUsers {
		s.clients = append(s.clients, w.as(t, fmt.Sprintf("storm-%d", user), "pro"))
	}
	began := time.Now()
	kills := s.rage(t)
	over := time.Since(began)
	dead := w.rest(t, 0)
	t.Logf("%d kills in %v, %d of them with a call: %v; at rest %v later; %d requests repeated, %d readings given up, %d messages sent twice",
		s.struck.Load(), over, s.aimed, kills, time.Since(began)-over, s.repeats, s.gaveUp, s.copies)
	if s.struck.Load() != stormKills {
		t.Errorf("%d kills", s.struck.Load())
	}
	s.reviveDead(t, dead)
	s.check(t)
}

// rage lets users write and kills functions until the plan is done, and returns how often each of them was killed.
func (s *storm) rage(t *testing.T) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	points := s.w.clear(stormUsers * stormPoints)
	var writing sync.WaitGroup
	for user := range stormUsers {
		writing.Go(func() { s.write(ctx, t, user, points[user*stormPoints:][:stormPoints]) })
	}
	random, kills := rand.New(rand.NewPCG(s.seed, 0)), map[string]int{}
	for _, k := range plan(random, stormKills) {
		if !pause(ctx, k.after) {
			break
		}
		switch {
		case k.victim == "gateway":
			from := time.Now()
			if err := s.w.CrashGateway(ctx, k.after); err != nil {
				t.Fatal(err)
			}
			s.outages = append(s.outages, outage{from: from, to: time.Now()})
		case k.call > 0 && s.aim(k, random):
			s.aimed++
		default:
			for !s.strike(k.victim, random) {
				if !pause(ctx, 5*time.Millisecond) {
					t.Fatalf("nothing of %s runs", k.victim)
				}
			}
		}
		kills[k.victim]++
		s.struck.Add(1)
	}
	writing.Wait()
	return kills
}

// aim kills the victim with one of its next calls, which may or may not be carried out; false is when it made none.
func (s *storm) aim(k kill, random *rand.Rand) bool {
	var calls atomic.Int64
	hit := make(chan bool, 1)
	fire := func() { hit <- s.strike(k.victim, random) }
	var once sync.Once
	s.w.Intercept(func(principal, operation string) (gateway.Fault, bool) {
		// Those two are made by the event source mapping, on the victim's behalf.
		if principal == k.victim && operation != "ReceiveMessage" && operation != "DeleteMessageBatch" && calls.Add(1) >= k.call {
			once.Do(fire)
		}
		return gateway.Fault{}, false
	})
	timer := time.AfterFunc(400*time.Millisecond, func() { once.Do(func() { hit <- false }) })
	defer timer.Stop()
	defer s.w.Intercept(nil)
	return <-hit
}

// pause waits; false means that the time is over.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// strike kills a process of the victim, if it has one.
func (s *storm) strike(victim string, random *rand.Rand) bool {
	_, ok := s.w.Kill(victim, random)
	return ok
}

// write is one user, whose readings are spread over all kills. Now and then a message comes twice, a second job is
// dispatched for the same point, and a client does not come back after a failure.
func (s *storm) write(ctx context.Context, t *testing.T, user int, points []client.NewPoint) {
	t.Helper()
	random, c := rand.New(rand.NewPCG(s.seed, uint64(user)+1)), s.clients[user]
	for i, p := range points {
		// Something is written between any two kills, so that there always is somebody to kill.
		for s.struck.Load() < int64((i*stormUsers+user)*stormKills/(len(points)*stormUsers)) {
			if !pause(ctx, 10*time.Millisecond) {
				return
			}
		}
		pause(ctx, time.Duration(random.IntN(400))*time.Millisecond)
		p.Key, p.Queue = fmt.Sprintf("reading-%d", i), queues()[random.IntN(3)]
		twice, again, patient := random.IntN(4) == 0, random.IntN(8) == 0, random.IntN(3) > 0
		created, ok := insist(ctx, t, s, patient, func() (client.Created, error) { return c.CreatePoint(ctx, p) })
		if !ok {
			continue
		}
		s.accept(created.JobID, created.PointID)
		insist(ctx, t, s, true, func() (client.Job, error) { return c.Job(ctx, created.JobID) })
		if twice {
			queue := map[string]string{"high": "satellite-high", "default": "satellite", "low": "satellite-low"}[p.Queue]
			insist(ctx, t, s, true, func() (struct{}, error) { return struct{}{}, s.w.put(ctx, queue, firstMessage(created.JobID)) })
			s.count(&s.copies)
		}
		if again {
			second := client.NewJob{Kind: "enrich", PointID: created.PointID, Key: p.Key}
			if j, ok := insist(ctx, t, s, true, func() (client.Job, error) { return c.Dispatch(ctx, second) }); ok {
				s.accept(j.ID, created.PointID)
			}
		}
	}
}

// accept notes a job that the API has promised.
func (s *storm) accept(id, point string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted[id] = point
}

// count adds one.
func (s *storm) count(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

// insist repeats a request until it is answered, a write with its key, as a client should; one that is not patient goes away after
// the first failure and never learns what became of it.
func insist[T any](ctx context.Context, t *testing.T, s *storm, patient bool, write func() (T, error)) (T, bool) {
	t.Helper()
	for {
		got, err := write()
		if err == nil {
			return got, true
		}
		if p, ok := errors.AsType[*client.Problem](err); ok && p.Status < 500 {
			t.Errorf("refused: %v", err)
			return got, false
		}
		if !patient {
			s.count(&s.gaveUp)
			return got, false
		}
		s.count(&s.repeats)
		if !pause(ctx, 50*time.Millisecond) {
			t.Errorf("never accepted: %v", err)
			return got, false
		}
	}
}

// killed reports whether an attempt was lost with its worker, or failed because there was no gateway just then.
func (s *storm) killed(a client.Attempt) bool {
	overlaps := func(o outage) bool { return a.EndedAt != nil && a.StartedAt.Before(o.to) && a.EndedAt.After(o.from) }
	return a.Code == job.AttemptLost || a.Code == job.Internal && slices.ContainsFunc(s.outages, overlaps)
}

// reviveDead tries those again whose every attempt was killed, which is what a person would do; no other death is fine.
func (s *storm) reviveDead(t *testing.T, dead int) {
	t.Helper()
	found := 0
	for _, c := range s.clients {
		for j, err := range c.Failed(t.Context(), client.FailedFilter{Page: 100}) {
			if err != nil {
				t.Fatal(err)
			}
			lost := 0
			for _, a := range j.History {
				if s.killed(a) {
					lost++
				}
			}
			t.Logf("dead job %s: %+v, history %+v", j.ID, j.Error, j.History)
			if lost != j.MaxAttempts {
				t.Errorf("dead job %+v, error %+v, history %+v", j, j.Error, j.History)
			}
			found++
		}
		if _, err := c.RetryMany(t.Context(), client.FailedFilter{}, false); err != nil {
			t.Fatal(err)
		}
	}
	if found != dead {
		t.Errorf("%d dead jobs are listed, the table has %d", found, dead)
	}
	if left := s.w.rest(t, 0); left != 0 {
		t.Errorf("%d dead jobs after a retry", left)
	}
}

// check counts everything once more: each accepted job succeeded, each point has one analysis, and each analysis was
// billed once.
func (s *storm) check(t *testing.T) {
	t.Helper()
	ends, left := map[string]int{}, maps.Clone(s.accepted)
	listed, lost, used := 0, 0, 0
	for _, c := range s.clients {
		for j, err := range c.Jobs(t.Context(), client.Filter{Page: 100}) {
			if err != nil {
				t.Fatal(err)
			}
			listed++
			ends[fmt.Sprint(j.State, " ", j.Outcome)]++
			for _, a := range j.History {
				if a.Code == job.AttemptLost {
					lost++
				}
			}
			if point, ok := left[j.ID]; ok && point != j.PointID {
				t.Errorf("job %s is for %s, not for %s", j.ID, j.PointID, point)
			}
			delete(left, j.ID)
		}
		u, err := c.Usage(t.Context())
		if err != nil || u.Reserved != 0 {
			t.Errorf("usage %+v, %v", u, err)
		}
		used += u.Used
	}
	rows, calls := s.w.tally(t), s.w.Provider().Calls().Counts
	t.Logf("%d accepted jobs, ends %v, %d attempts lost, %d billed, rows %v, provider calls %v", len(s.accepted), ends, lost, used, rows, calls)
	points := rows["POINT "]
	if len(left) != 0 || ends["succeeded SUCCEEDED"]+ends["succeeded ALREADY_DONE"] != listed || rows["JOB succeeded"] != listed {
		t.Errorf("accepted jobs are missing: %v, or did not succeed", left)
	}
	if rows["ANALYSIS "] != points || used != points || ends["succeeded SUCCEEDED"] != points {
		t.Errorf("%d points, but another number of analyses or of billed units", points)
	}
	if given := stormUsers * stormPoints; points < given-s.gaveUp || points > given {
		t.Errorf("%d points of %d readings, of which %d were given up", points, given, s.gaveUp)
	}
	if denied := s.w.Counters().Denied; len(denied) != 0 || lost == 0 {
		t.Errorf("denied %v, %d attempts lost", denied, lost)
	}
}

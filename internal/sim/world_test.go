package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
)

// The deployment's numbers, as template.yaml has them.
const (
	tries       = 3
	maxReceives = 8
	timeout     = 60 * time.Second  // of the worker function
	visibility  = 360 * time.Second // six times the timeout
	leaseMargin = 30 * time.Second
	bound       = 21 * 24 * time.Hour // everything comes to rest this long after the last fault
)

// timing is the deployment's policy.
func timing() job.Timing { return job.DefaultTiming() }

// queueNames lists the work queues.
func queueNames() []string { return []string{"high", "default", "low"} }

// tally is what a run did, for the report.
type tally struct {
	jobs, redrives, persons, invocations, deliveries, killed, calls, poison, steps, effects, checks int

	faults [6]int
	states map[job.State]int
	drain  time.Duration
}

// world is one run.
type world struct {
	scheduler
	seed   uint64
	rand   *rand.Rand
	now    time.Time
	faults faulty.Random
	script faulty.Plan   // instead of random faults, in scenarios
	calm   bool          // the faults are over
	skewed bool          // clocks differ by up to five minutes
	apart  time.Duration // the clock of the next processes, in scenarios

	table   *observed
	queues  *memqueue.Queues
	oracle  *oracle
	clients []*client
	points  map[string][]string // owner -> points that were answered for
	alive   []*process
	poison  []string
	answer  func() error // of the provider, in scenarios; nil for an image
	log     func(format string, args ...any)

	mood
	tally
}

// mood is what this seed makes likely: each run explores a corner of its own.
type mood struct {
	failing   float64 // provider errors that a retry can mend
	throttled float64 // provider rate limits
	hopeless  float64 // provider errors that nothing mends
	cloudy    float64 // answers without a usable day
	zombies   float64 // functions that outlive their deadline
	shared    float64 // jobs that are about a point that has one already
}

// newWorld returns the run of a seed. rules are the table's guards.
func newWorld(seed uint64, rules memstore.Rules) *world {
	w := &world{seed: seed, rand: rand.New(rand.NewPCG(seed, 7)), points: map[string][]string{}}
	w.states = map[job.State]int{}
	// Far in the future, so that deadlines of contexts never pass by themselves;
	// near the end of a month, so that some runs cross a billing cycle.
	w.now = time.Date(2100, 3, 31, 12+w.rand.IntN(12), 0, 0, 0, time.UTC)
	some := func(most float64) float64 { return most * float64(w.rand.IntN(4)) / 3 }
	w.mood = mood{some(0.3), some(0.2), some(0.1), some(0.3), some(0.1), some(0.5)}
	w.skewed = w.rand.IntN(2) == 0
	w.faults.Rand = w.rand
	for _, f := range faulty.Faults() {
		w.faults.Chance[f] = some(0.04)
	}
	w.faults.Chance[faulty.Twice] = some(0.5)
	store := memstore.NewWith(timing(), rules)
	w.oracle = newOracle(store)
	limits := map[string]int{}
	for i := range 1 + w.rand.IntN(4) {
		limits[fmt.Sprintf("user-%d", i)] = max(w.rand.IntN(18)-6, job.Unlimited)
	}
	if w.skewed {
		w.oracle.skew = 10 * time.Minute
	}
	w.table = &observed{Store: store, oracle: w.oracle, limit: func(owner string) int { return limits[owner] }}
	w.queues = memqueue.New(memqueue.Config{
		Now: func() time.Time { return w.now }, Visibility: visibility, MaxReceives: maxReceives, Names: queueNames(),
	})
	for i := range 10 + w.rand.IntN(30) {
		w.clients = append(w.clients, newClient(w, i, fmt.Sprintf("user-%d", w.rand.IntN(len(limits)))))
	}
	return w
}

// Next implements faulty.Plan for every process.
func (w *world) Next(op string) faulty.Fault {
	if w.calm {
		return faulty.None
	}
	if w.script != nil {
		return w.script.Next(op)
	}
	return w.faults.Next(op)
}

func (w *world) chance(p float64) bool { return w.rand.Float64() < p }

// broken reports whether an invariant was violated.
func (w *world) broken() bool { return len(w.oracle.wrong) > 0 }

// run lives the seed through and returns what broke.
func (w *world) run() []string {
	defer w.close()
	w.storm()
	if !w.broken() {
		w.settleDown()
	}
	w.jobs, w.effects, w.checks = len(w.oracle.rows), w.oracle.effects, w.oracle.checks
	w.tally.faults = w.faults.Injected
	for id := range w.oracle.rows {
		w.states[w.oracle.rows[id].State]++
	}
	return w.oracle.wrong
}

// storm is the part with faults: anything may happen at any time.
func (w *world) storm() {
	most := 120 * len(w.clients)
	for w.steps < most && !w.broken() {
		w.steps++
		if n := len(w.tasks); n > 30 || n > 0 && w.rand.IntN(100) < 80 {
			w.resume(w.rand.IntN(n))
			continue
		}
		switch r := w.rand.IntN(100); {
		case r < 25:
			w.request()
		case r < 60:
			w.deliver(queueNames()[w.rand.IntN(3)], 1+w.rand.IntN(10))
		case r < 63:
			w.relay()
		case r < 66:
			w.reconcile()
		case r < 68:
			w.mischief()
		case r < 70:
			w.person()
		default:
			w.pass()
		}
	}
}

// pass lets time go by: mostly a moment, sometimes a night.
func (w *world) pass() {
	most := time.Second
	switch r := w.rand.IntN(100); {
	case r < 50:
	case r < 80:
		most = 30 * time.Second
	case r < 98:
		most = 10 * time.Minute
	default:
		most = 8 * time.Hour
	}
	w.advance(time.Duration(w.rand.Int64N(int64(most))).Truncate(time.Millisecond))
}

// advance moves the clock and ends the processes whose time is over.
func (w *world) advance(d time.Duration) {
	w.now = w.now.Add(d)
	kept := w.alive[:0]
	for _, p := range w.alive {
		if p.open > 0 && !p.Down() && !w.now.Before(p.until) {
			p.Kill()
			w.killed++
		}
		if p.open > 0 {
			kept = append(kept, p)
		}
	}
	w.alive = kept
}

// mischief is what strangers and the platform do to queues.
func (w *world) mischief() {
	queue := queueNames()[w.rand.IntN(3)]
	switch w.rand.IntN(4) {
	case 0: // a message that is none of ours
		bodies := []string{"", "{", "null", "[]", `{"v":2,"job":"x","gen":0,"tk":1}`, `{"v":1,"job":"` + job.DerivedID("none") + `","gen":0,"tk":1}`}
		body := bodies[w.rand.IntN(len(bodies))]
		if err := w.queues.SendBody(queue, body, 0); err == nil {
			w.poison = append(w.poison, body)
			w.tally.poison++
		}
	case 1: // a throttled poller: received, never handed to a function
		w.queues.Receive(queue, 5)
	case 2: // messages come back before their visibility timeout, again and again
		w.impatience(1 + w.rand.IntN(maxReceives+1))
	case 3: // a person redrives the dead letters
		w.redrive()
	}
}

// redrive moves the dead letters back, as from the console.
func (w *world) redrive() {
	for _, body := range w.queues.Dead().Redrive() {
		w.redrives++
		if m, err := job.DecodeMessage(body); err == nil {
			w.oracle.redriven[m] = true
		}
	}
}

// impatience makes the messages of a running batch visible while they are worked
// on, n times: up to their move to the dead letters.
func (w *world) impatience(n int) {
	if len(w.alive) == 0 {
		return
	}
	for _, d := range w.alive[w.rand.IntN(len(w.alive))].batch {
		for range n {
			if w.queues.Hide(context.Background(), d.Source, d.Receipt, 0) != nil {
				break
			}
			for _, again := range w.queues.Receive(d.Source, 10) {
				if again.MessageID == d.MessageID {
					d.Receipt = again.Receipt
				}
			}
		}
	}
}

// settleDown is the part without faults: everything must come to rest in time.
// Sweeps come less often while they find nothing to do, which a schedule does not
// do; it saves the simulation the minutes of a week.
func (w *world) settleDown() {
	w.calm = true
	from, sweep, gap := w.now, w.now, time.Minute
	for w.now.Sub(from) < bound && !w.broken() {
		w.steps++
		switch {
		case len(w.tasks) > 0:
			w.resume(0)
		case w.deliverAll():
			gap = time.Minute
		case !w.now.Before(sweep) && w.needsSweep():
			sweep, gap = w.now.Add(gap), min(2*gap, time.Hour)
			w.relay()
			w.reconcile()
		case w.atRest():
			w.drain = w.now.Sub(from)
			w.quiet()
			return
		default:
			w.advance(w.untilNext(sweep))
		}
	}
	w.oracle.mustf(w.broken(), "I24", "not at rest %v after the last fault", bound)
}

// deliverAll hands every visible message out.
func (w *world) deliverAll() bool {
	some := false
	for _, name := range queueNames() {
		some = w.deliver(name, 10) || some
	}
	return some
}

// needsSweep reports whether the relay or the reconciler may have something to do.
func (w *world) needsSweep() bool {
	if w.queues.Depth("dead") > 0 {
		return true
	}
	for id := range w.oracle.rows {
		if j := w.oracle.rows[id]; j.State.Open() && !w.now.Before(j.Look) {
			return true
		}
	}
	return false
}

// atRest reports whether every job is final and every work queue empty.
func (w *world) atRest() bool {
	for _, name := range queueNames() {
		if w.queues.Depth(name) > 0 {
			return false
		}
	}
	for id := range w.oracle.rows {
		if w.oracle.rows[id].State.Open() {
			return false
		}
	}
	return true
}

// untilNext returns how long nothing happens: until a message is visible, a job
// is looked at, or the next sweep is due.
func (w *world) untilNext(sweep time.Time) time.Duration {
	wait := bound
	earlier := func(t time.Time) {
		if t.After(w.now) {
			wait = min(wait, t.Sub(w.now))
		}
	}
	if next, ok := w.queues.NextVisible(); ok {
		earlier(next)
	}
	if w.needsSweep() {
		earlier(sweep)
	}
	for id := range w.oracle.rows {
		if j := w.oracle.rows[id]; j.State.Open() {
			earlier(j.Look)
		}
	}
	return wait
}

// quiet sweeps the dead letters until nothing is hidden any more, and checks the
// end.
func (w *world) quiet() {
	for range 3 {
		w.advance(visibility + time.Minute)
		w.reconcile()
		for len(w.tasks) > 0 {
			w.resume(0)
		}
	}
	w.oracle.rest(w.queues.Depth("dead") - len(w.poison))
	recorded, err := w.table.Poisoned(context.Background(), 1000)
	w.oracle.mustf(err == nil, "I12", "read poison: %v", err)
	known := map[string]bool{}
	for _, p := range recorded {
		known[p.Letter.Body] = p.Reason != ""
	}
	for _, body := range w.poison {
		w.oracle.mustf(known[body], "I12", "poison %q has no record", body)
	}
}

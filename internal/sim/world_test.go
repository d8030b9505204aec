package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/limit"
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
	requestTime = 29 * time.Second // of a request to the API
)

// timing is the deployment's policy.
func timing() job.Timing { return job.DefaultTiming() }

// queueNames lists the work queues.
func queueNames() []string { return []string{"high", "default", "low"} }

// world is one run.
type world struct {
	scheduler
	seed   uint64
	rand   *rand.Rand
	later  *rand.Rand // of what newer worlds have and older ones had not
	now    time.Time
	faults faulty.Random
	script faulty.Plan   // instead of random faults, in scenarios
	calm   bool          // the faults are over
	skewed time.Duration // clocks are off by as much
	policy limit.Policy  // of the provider's door
	apart  time.Duration // the clock of the next processes, in scenarios

	table    *observed
	view     faulty.Table // what processes see of it
	tracks   faulty.FlowTable
	rows     faulty.Knowledge
	starter  flow.Executions
	machines machines
	flows    *crowd // who wants chains and batches; nil in worlds without any
	queues   *memqueue.Queues
	dead     *memqueue.DeadLetters
	oracle   *oracle
	clients  []*client
	points   map[string][]string // owner -> points that were answered for
	alive    []*process
	poison   []string

	sabotage *sabotage    // of the system, to see whether it is noticed; mostly none
	answer   func() error // of the provider, in scenarios; nil for an image
	doomed   string       // point for which the provider never has an answer
	log      func(format string, args ...any)

	mood
	tally
}

// mood is what this seed makes likely: each run explores a corner of its own.
type mood struct {
	failing   float64 // provider errors that a retry can mend
	throttled float64 // provider rate limits
	hopeless  float64 // provider errors that nothing mends
	denied    float64 // refused credentials: no call works
	drained   float64 // the provider's own count of the month is full; rare, because the rest of the month is long
	cloudy    float64 // answers without a usable day
	hasty     float64 // moments in which little time goes by, so that functions end in time
	zombies   float64 // functions that outlive their deadline
	shared    float64 // jobs that are about a point that has one already
	strange   float64 // acts of mischief that put a message of a stranger into a queue
	fickle    float64 // steps in which an owner comes with another plan
	forging   float64 // of those, messages that name a job of ours and a send that never was
}

// newWorld returns the run of a seed. rules are the table's guards.
func newWorld(l *lab, seed uint64, rules memstore.Rules) *world {
	w := &world{scheduler: scheduler{lab: l}, seed: seed, rand: rand.New(rand.NewPCG(seed, 7)), points: map[string][]string{}}
	w.states = map[job.State]int{}
	// Far in the future, so that deadlines of contexts never pass by themselves;
	// near the end of a month, so that some runs cross a billing cycle.
	w.now = time.Date(2100, 3, 31, 12+w.rand.IntN(12), 0, 0, 0, time.UTC)
	some := func(most float64) float64 { return most * float64(w.rand.IntN(4)) / 3 }
	w.mood = mood{some(0.3), some(0.2), some(0.1), some(0.01), 0, some(0.3), some(0.95), some(0.1), some(0.5), some(0.15), 0, 0}
	if w.chance(0.05) {
		w.drained = 0.02
	}
	// A second source, so that what was added later leaves the draws of older seeds as they were.
	w.later = rand.New(rand.NewPCG(seed, 11))
	if w.later.IntN(3) == 0 {
		w.forging = 0.8
	}
	if w.later.IntN(3) == 0 {
		w.fickle = 0.02
	}
	w.skewed = []time.Duration{0, time.Second / 2, 5 * time.Minute, 5 * time.Minute}[w.rand.IntN(4)]
	w.policy = limit.DefaultPolicy()
	if w.skewed <= time.Second && w.chance(0.75) { // so narrow that few jobs fill it
		w.policy.Shared, w.policy.Reserved = 1+w.rand.IntN(6), w.rand.IntN(3)
		w.policy.Exceptions = 2 + w.rand.IntN(4)
		if w.chance(0.1) {
			w.policy.Requests = 8 + w.rand.IntN(40)
		}
	}
	w.faults.Rand = w.rand
	for _, f := range faulty.Faults() {
		w.faults.Chance[f] = some(0.04)
	}
	w.faults.Chance[faulty.Twice] = some(0.5)
	store := memstore.NewWith(timing(), rules)
	w.oracle = newOracle(store, l.moves)
	limits := map[string]int{}
	for i := range 1 + w.rand.IntN(4) {
		limits[fmt.Sprintf("user-%d", i)] = max(w.rand.IntN(18)-6, job.Unlimited)
	}
	w.oracle.skew = 2 * w.skewed
	w.oracle.traffic.policy, w.oracle.traffic.exact = w.policy, w.skewed <= time.Second/2
	w.table = &observed{Store: store, oracle: w.oracle, limit: func(owner string) int { return limits[owner] }, now: func() time.Time { return w.now }}
	w.view, w.tracks, w.rows, w.sabotage = w.table, w.table, w.table, &sabotage{w: w}
	w.machines.w, w.starter = w, &w.machines
	w.queues = memqueue.New(memqueue.Config{
		Now: func() time.Time { return w.now }, Visibility: visibility, MaxReceives: maxReceives, Names: queueNames(),
	})
	w.dead = w.queues.Dead()
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
	w.storm()
	if !w.broken() {
		w.settleDown()
	}
	w.worlds, w.jobs, w.effects, w.checks = 1, len(w.oracle.rows), w.oracle.effects, w.oracle.checks
	w.tally.faults = w.faults.Injected
	w.countFlows(w)
	for _, j := range w.oracle.rows {
		w.states[j.State]++
	}
	wrong := w.oracle.wrong
	for _, p := range w.alive {
		p.Kill()
	}
	w.drop()
	return wrong
}

// storm is the part with faults: anything may happen at any time.
func (w *world) storm() {
	most := 120*len(w.clients) + w.flows.patience()
	for w.steps < most && !w.broken() {
		w.steps++
		if w.steps%2000 == 0 {
			w.oracle.audit()
		}
		if w.idle() && w.chance(0.05) {
			return
		}
		if n := len(w.tasks); n > 30 || n > 0 && w.rand.IntN(100) < 80 {
			w.turn(w.rand.IntN(n))
			continue
		}
		if w.fickle > 0 && w.later.Float64() < w.fickle {
			w.replan()
			continue
		}
		if w.flows != nil && w.chance(0.6) {
			w.flowing()
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

// idle reports whether nothing is left to do but what people and strangers may do
// to jobs that have ended.
func (w *world) idle() bool {
	return w.oracle.open == 0 && len(w.tasks) == 0 && w.flowsRest() && !slices.ContainsFunc(w.clients, (*client).waits)
}

// turn lets task i go on, or another one if that sleeps. If all sleep, time goes by.
func (w *world) turn(i int) {
	wake := time.Time{}
	for k := range w.tasks {
		t := w.tasks[(i+k)%len(w.tasks)]
		if !w.now.Before(t.until) {
			w.resume((i + k) % len(w.tasks))
			return
		}
		if wake.IsZero() || t.until.Before(wake) {
			wake = t.until
		}
	}
	w.advance(wake.Sub(w.now))
}

// sleep stops the running task for d.
func (w *world) sleep(d time.Duration) {
	w.current.until = w.now.Add(d)
	w.pause()
}

// pass lets time go by: mostly a moment, sometimes a night or a day.
func (w *world) pass() {
	most := time.Second
	switch r := w.rand.IntN(1000); {
	case r < 500, w.chance(w.hasty):
	case r < 800:
		most = 30 * time.Second
	case r < 980:
		most = 10 * time.Minute
	case r < 998:
		most = 8 * time.Hour
	default:
		most = 30 * time.Hour
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
		} else {
			p.rest()
		}
	}
	w.alive = kept
}

// mischief is what strangers and the platform do to queues.
func (w *world) mischief() {
	queue := queueNames()[w.rand.IntN(3)]
	if w.chance(w.strange) { // a message that is none of ours
		bodies := []string{"", "{", "null", "[]", `{"v":2,"job":"x","gen":0,"tk":1}`, `{"v":1,"job":"` + job.DerivedID("none") + `","gen":0,"tk":1}`}
		body := bodies[w.rand.IntN(len(bodies))]
		if id, ok := w.someJob(); ok && w.later.Float64() < w.forging {
			body = job.Message{Version: 1, Job: id, Generation: w.oracle.rows[id].Generation + w.later.IntN(2), Ticket: forged + w.later.IntN(3)}.Encode()
		}
		if err := w.queues.SendBody(queue, body, 0); err == nil {
			w.poison = append(w.poison, body)
			w.tally.poison++
		}
		return
	}
	switch w.rand.IntN(3) {
	case 0: // a throttled poller: received, never handed to a function, at worst until SQS gives up
		for range w.rand.IntN(2 * maxReceives) {
			for _, d := range w.queues.Receive(queue, 5) {
				_ = w.queues.Hide(context.Background(), d.Source, d.Receipt, 0)
			}
		}
		w.queues.Receive(queue, 5)
	case 1: // messages come back before their visibility timeout, again and again
		w.impatience(1 + w.rand.IntN(maxReceives+1))
	case 2: // a person redrives the dead letters
		w.redrive()
	}
}

// forged is a ticket that no run takes.
const forged = 1 << 20

// someJob returns a job that was accepted for a client, open if there is one.
func (w *world) someJob() (id string, ok bool) {
	if len(w.clients) == 0 {
		return "", false
	}
	from := w.later.IntN(len(w.clients))
	for i := range w.clients {
		c := w.clients[(from+i)%len(w.clients)]
		if row, known := w.oracle.rows[c.job]; known && (id == "" || row.State.Open()) {
			if id = c.job; row.State.Open() {
				break
			}
		}
	}
	return id, id != ""
}

// redrive moves the dead letters back, as from the console.
func (w *world) redrive() {
	for _, body := range w.dead.Redrive() {
		w.redrives++
		if m, ours := read(body); ours {
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

package sim_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/memstore"
)

// live runs a world; a panic anywhere in it is a failure of its seed.
func live(w *world, log func(string, ...any)) (_ *world, wrong []string) {
	if log != nil {
		w.log = func(format string, args ...any) {
			log(w.now.Format("02 15:04:05.000 ")+format, args...)
		}
		w.table.log = w.log
	}
	return w, w.run()
}

// budget is how much a swarm may do: whatever is used up first ends it.
type budget struct {
	make   func(*lab, uint64, memstore.Rules) *world
	first  []uint64 // seeds to begin with
	from   uint64   // then all from here on
	worlds int
	lives  int       // jobs that were accepted
	end    time.Time // zero for no end

	mu    sync.Mutex
	taken int
	spent bool
}

// next returns the next seed, and false if there is none.
func (b *budget) next() (uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent || b.taken >= b.worlds || !b.end.IsZero() && time.Now().After(b.end) {
		return 0, false
	}
	n := b.taken
	b.taken++
	if n < len(b.first) {
		return b.first[n], true
	}
	return b.from + uint64(n-len(b.first)), true
}

// swarm lives seeds on every processor, each in turn as long as the budget lasts
// and each says so, and returns what they did.
func swarm(b *budget, rules memstore.Rules, each func(*world, []string) (goOn bool)) *tally {
	total := &tally{states: map[job.State]int{}, moves: map[edge]int{}}
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			l := newLab()
			defer l.close()
			for seed, more := b.next(); more; seed, more = b.next() {
				w, wrong := live(b.make(l, seed, rules), nil)
				b.mu.Lock()
				total.add(&w.tally)
				b.spent = !each(w, wrong) || b.spent || b.lives > 0 && total.jobs >= b.lives
				b.mu.Unlock()
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			for e, n := range l.moves {
				total.moves[e] += n
			}
		})
	}
	wg.Wait()
	total.seeds = fmt.Sprintf("%d..%d", b.from, b.from+uint64(max(b.taken-len(b.first), 1))-1)
	if len(b.first) > 0 {
		total.seeds = fmt.Sprintf("%d with a story, then %s", len(b.first), total.seeds)
	}
	return total
}

// tally is what runs did, for the report.
type tally struct {
	worlds, jobs, redrives, persons, invocations, deliveries, killed, calls, saved, poison, steps, effects int

	chains, batches, items, executions, inline, chunked, died int

	seeds  string
	checks checked
	faults [6]int
	states map[job.State]int
	moves  map[edge]int
	drain  time.Duration
}

func (t *tally) add(u *tally) {
	t.worlds += u.worlds
	t.jobs += u.jobs
	t.redrives += u.redrives
	t.persons += u.persons
	t.invocations += u.invocations
	t.deliveries += u.deliveries
	t.killed += u.killed
	t.calls += u.calls
	t.saved += u.saved
	t.poison += u.poison
	t.steps += u.steps
	t.effects += u.effects
	t.chains += u.chains
	t.batches += u.batches
	t.items += u.items
	t.executions += u.executions
	t.inline += u.inline
	t.chunked += u.chunked
	t.died += u.died
	for i, n := range u.checks {
		t.checks[i] += n
	}
	for f, n := range u.faults {
		t.faults[f] += n
	}
	for s, n := range u.states {
		t.states[s] += n
	}
	t.drain = max(t.drain, u.drain)
}

// struck returns the number of faults.
func (t *tally) struck() int {
	n := t.killed
	for _, f := range t.faults {
		n += f
	}
	return n
}

// String is the report of a swarm.
func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "did: %d worlds, %d jobs, %d invocations, %d deliveries, %d provider calls (%d saved by the cache), %d steps, %d effects, %d redriven, %d asked by people\n",
		t.worlds, t.jobs, t.invocations, t.deliveries, t.calls, t.saved, t.steps, t.effects, t.redrives, t.persons)
	if t.executions > 0 {
		fmt.Fprintf(&b, "flows: %d chains, %d batches of %d items, %d executions (%d inline, %d in chunks), %d of them died\n",
			t.chains, t.batches, t.items, t.executions, t.inline, t.chunked, t.died)
	}
	fmt.Fprintf(&b, "faults:")
	for _, f := range faulty.Faults() {
		fmt.Fprintf(&b, " %d %v,", t.faults[f], f)
	}
	fmt.Fprintf(&b, " %d killed at the deadline, %d poisoned\n", t.killed, t.poison)
	fmt.Fprintf(&b, "checked %d times: %v\nended:", t.checks.all(), &t.checks)
	for _, s := range job.States() {
		if n := t.states[s]; n > 0 {
			fmt.Fprintf(&b, " %d %s,", n, s)
		}
	}
	fmt.Fprintf(&b, " at rest %v after the last fault at most", t.drain)
	return b.String()
}

// covered demands that a swarm met everything that it is there for; flows says whether
// chains and batches are.
func covered(t *testing.T, total *tally, flows bool) {
	t.Helper()
	for _, f := range faulty.Faults() {
		if total.faults[f] == 0 {
			t.Errorf("fault %v never struck", f)
		}
	}
	for i := range invariants {
		if total.checks[i] == 0 && (flows || !i.ofFlows()) {
			t.Errorf("%v was never checked", i)
		}
	}
	for _, s := range []job.State{job.Succeeded, job.Skipped, job.Dead, job.Cancelled, job.Forgotten} {
		if total.states[s] == 0 {
			t.Errorf("no job ended %s", s)
		}
	}
	if total.killed == 0 || total.redrives == 0 || total.poison == 0 {
		t.Errorf("%d killed, %d redriven, %d poisoned", total.killed, total.redrives, total.poison)
	}
	var never, rarely []string
	for e, n := range total.moves {
		switch {
		case n == 0 && !flows && (e.to == job.Cancelled && (e.from == "" || e.from == job.Dead) || e.from == job.Cancelled):
			// Only whoever drives a step does that.
		case n == 0:
			never = append(never, e.String())
		case n < 10:
			rarely = append(rarely, fmt.Sprintf("%v (%d)", e, n))
		}
	}
	slices.Sort(never)
	slices.Sort(rarely)
	t.Logf("%d of %d transitions taken; never: %v; rarely: %v", len(total.moves)-len(never), len(total.moves), never, rarely)
	// The rarest one happens once in 80,000 lives.
	if len(never) > 0 && total.jobs >= 1_000_000 {
		t.Errorf("transitions that never happened: %v", never)
	}
}

package sim_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/memstore"
)

// worlds returns how many seeds a swarm has: about 25 jobs each.
func worlds() int {
	if n, err := strconv.Atoi(os.Getenv("SIM_WORLDS")); err == nil {
		return n
	}
	if testing.Short() || raceEnabled {
		return 250
	}
	return 4000
}

// live runs one seed; a panic anywhere in it is a failure of that seed.
func live(seed uint64, rules memstore.Rules, log func(string, ...any)) (w *world, wrong []string) {
	w = newWorld(seed, rules)
	if log != nil {
		w.log = func(format string, args ...any) {
			log(w.now.Format("02 15:04:05.000 ")+format, args...)
		}
		w.table.log = w.log
	}
	return w, w.run()
}

// swarm runs seeds 1..n on every processor.
func swarm(n int, rules memstore.Rules, each func(*world, []string) (goOn bool)) {
	var next atomic.Uint64
	var mu sync.Mutex
	var wg sync.WaitGroup
	var stop atomic.Bool
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := next.Add(1); seed <= uint64(n) && !stop.Load(); seed = next.Add(1) {
				w, wrong := live(seed, rules, nil)
				mu.Lock()
				if !each(w, wrong) {
					stop.Store(true)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestSwarm(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var total tally
	total.states = map[job.State]int{}
	failed := 0
	swarm(worlds(), memstore.Protocol(), func(w *world, wrong []string) bool {
		total.add(&w.tally)
		if len(wrong) > 0 {
			failed++
			t.Errorf("seed %d (replay: SEED=%d go test ./internal/sim -run Replay -v)\n%s", w.seed, w.seed, strings.Join(wrong, "\n"))
		}
		return failed < 5
	})
	t.Logf("%v in %v", &total, time.Since(began).Round(time.Millisecond))
	if failed == 0 {
		covered(t, &total)
	}
}

// TestReplay runs the seed in SEED with a log of every effect.
func TestReplay(t *testing.T) {
	t.Parallel()
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = 1
	}
	log := func(string, ...any) {}
	if testing.Verbose() && err == nil {
		log = t.Logf
	}
	first, wrong := live(seed, memstore.Protocol(), log)
	if len(wrong) > 0 {
		t.Errorf("seed %d\n%s", seed, strings.Join(wrong, "\n"))
	}
	again, _ := live(seed, memstore.Protocol(), nil)
	if first.String() != again.String() {
		t.Errorf("seed %d did not repeat:\n%v\n%v", seed, first, again)
	}
}

func (t *tally) add(u *tally) {
	t.jobs += u.jobs
	t.redrives += u.redrives
	t.persons += u.persons
	t.invocations += u.invocations
	t.deliveries += u.deliveries
	t.killed += u.killed
	t.calls += u.calls
	t.poison += u.poison
	t.steps += u.steps
	t.effects += u.effects
	t.checks += u.checks
	for f, n := range u.faults {
		t.faults[f] += n
	}
	for s, n := range u.states {
		t.states[s] += n
	}
	t.drain = max(t.drain, u.drain)
}

// String is the report of a swarm.
func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d jobs, %d invocations, %d deliveries, %d provider calls, %d steps, %d effects, %d checks; faults:", t.jobs, t.invocations, t.deliveries, t.calls, t.steps, t.effects, t.checks)
	for _, f := range faulty.Faults() {
		fmt.Fprintf(&b, " %d %v,", t.faults[f], f)
	}
	fmt.Fprintf(&b, " %d killed at the deadline, %d redriven, %d poisoned, %d asked by people; ended:", t.killed, t.redrives, t.poison, t.persons)
	for _, s := range job.States() {
		if n := t.states[s]; n > 0 {
			fmt.Fprintf(&b, " %d %s,", n, s)
		}
	}
	fmt.Fprintf(&b, " at rest %v after the last fault at most", t.drain)
	return b.String()
}

// covered demands that a swarm met everything that it is there for.
func covered(t *testing.T, total *tally) {
	t.Helper()
	for _, f := range faulty.Faults() {
		if total.faults[f] == 0 {
			t.Errorf("fault %v never struck", f)
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
}

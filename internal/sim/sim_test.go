package sim_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/memstore"
)

// TestMain lets the collector wait: the worlds are small and many, and it would
// otherwise look at them hundreds of times a second.
func TestMain(m *testing.M) {
	debug.SetGCPercent(2000)
	m.Run()
}

// setting returns a number from the environment.
func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// genre is a sort of worlds.
type genre struct {
	make    func(*lab, uint64, memstore.Rules) *world
	stories string // file of the seeds that have one
	replay  string // command that lives the seed %d again
	seed    string // variable with a seed to live again
	seconds string // variable with how long to live
}

// jobsAlone are worlds without chains and batches.
func jobsAlone() genre {
	return genre{newWorld, "seeds.txt", "make sim SEED=%d", "SEED", "SIM_SECONDS"}
}

// TestSwarm lives as many lives as a minute allows, at most a million.
func TestSwarm(t *testing.T) {
	t.Parallel()
	began := time.Now()
	total, failed := jobsAlone().hunt(t, &budget{lives: 1_000_000}, 60)
	t.Logf("measured: %d lifecycles with %d faults in %v, %d comparisons of %d invariants, %d violations, seeds %s\n%v",
		total.jobs, total.struck(), time.Since(began).Round(time.Second/10), total.checks.all(), int(invariants), failed, total.seeds, total)
	if failed == 0 {
		covered(t, total, false)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	jobsAlone().repeat(t)
}

// hunt lives worlds until a time is over, those with a story first, and fails with the seed of each that breaks an
// invariant. It gives up after the fifth. SIM_WORLDS bounds the worlds instead, and SIM_FROM is the first seed.
func (g genre) hunt(t *testing.T, b *budget, seconds int) (total *tally, failed int) {
	t.Helper()
	if testing.Short() || raceEnabled {
		seconds = 3
	}
	b.make, b.from, b.worlds = g.make, uint64(setting("SIM_FROM", 1)), setting("SIM_WORLDS", 1<<40)
	if os.Getenv("SIM_WORLDS") == "" {
		b.end = time.Now().Add(time.Duration(setting(g.seconds, seconds)) * time.Second)
	}
	for _, s := range g.told(t) {
		b.first = append(b.first, s.seed)
	}
	total = swarm(b, memstore.Protocol(), func(w *world, wrong []string) bool {
		if len(wrong) > 0 {
			failed++
			t.Errorf("seed %d: replay with %s, then add it to testdata/%s\n%s", w.seed, fmt.Sprintf(g.replay, w.seed), g.stories, strings.Join(wrong, "\n"))
		}
		return failed < 5
	})
	return total, failed
}

// repeat lives a seed twice with a log of every effect, if the variable has one, or else every seed that has a story: a
// run must repeat.
func (g genre) repeat(t *testing.T) {
	t.Helper()
	seeds, log := []uint64{}, func(string, ...any) {}
	if seed, err := strconv.ParseUint(os.Getenv(g.seed), 10, 64); err == nil {
		seeds, log = append(seeds, seed), t.Logf
	} else {
		for _, s := range g.told(t) {
			seeds = append(seeds, s.seed)
		}
	}
	l := newLab()
	defer l.close()
	for _, seed := range seeds {
		first, wrong := live(g.make(l, seed, memstore.Protocol()), log)
		if len(wrong) > 0 {
			t.Errorf("seed %d\n%s", seed, strings.Join(wrong, "\n"))
		}
		again, _ := live(g.make(l, seed, memstore.Protocol()), nil)
		if first.String() != again.String() {
			t.Errorf("seed %d did not repeat:\n%v\n%v", seed, first, again)
		}
	}
}

// story is a seed with the reason why it is always run.
type story struct {
	seed uint64
	why  string
}

// told reads the seeds that once failed, or that reach what few others do.
func (g genre) told(t *testing.T) (all []story) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + g.stories)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		number, why, _ := strings.Cut(strings.TrimSpace(line), " ")
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil || why == "" {
			t.Fatalf("%s: %q is no seed with a reason: %v", g.stories, line, err)
		}
		all = append(all, story{seed, strings.TrimSpace(why)})
	}
	return all
}

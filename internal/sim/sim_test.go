package sim_test

import (
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

// TestSwarm lives as many lives as a minute allows, at most a million. First come
// the seeds that have a story.
//
// SIM_SECONDS is its time, SIM_WORLDS bounds the worlds instead, and SIM_FROM is
// the first seed.
func TestSwarm(t *testing.T) {
	t.Parallel()
	seconds := 60
	if testing.Short() || raceEnabled {
		seconds = 3
	}
	b := budget{from: uint64(setting("SIM_FROM", 1)), worlds: setting("SIM_WORLDS", 1<<40), lives: 1_000_000}
	if os.Getenv("SIM_WORLDS") == "" {
		b.end = time.Now().Add(time.Duration(setting("SIM_SECONDS", seconds)) * time.Second)
	}
	for _, s := range stories(t, "seeds.txt") {
		b.first = append(b.first, s.seed)
	}
	failed := 0
	began := time.Now()
	total := swarm(&b, memstore.Protocol(), func(w *world, wrong []string) bool {
		if len(wrong) > 0 {
			failed++
			t.Errorf("seed %d: replay with make sim SEED=%d, then add it to testdata/seeds.txt\n%s", w.seed, w.seed, strings.Join(wrong, "\n"))
		}
		return failed < 5
	})
	t.Logf("measured: %d lifecycles with %d faults in %v, %d comparisons of %d invariants, %d violations, seeds %s\n%v",
		total.jobs, total.struck(), time.Since(began).Round(time.Second/10), total.checks.all(), int(invariants), failed, total.seeds, total)
	if failed == 0 {
		covered(t, total, false)
	}
}

// TestReplay runs the seed in SEED with a log of every effect, and every seed that
// has a story twice: a run must repeat.
func TestReplay(t *testing.T) {
	t.Parallel()
	seeds := []uint64{}
	log := func(string, ...any) {}
	if seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seeds, log = append(seeds, seed), t.Logf
	} else {
		for _, s := range stories(t, "seeds.txt") {
			seeds = append(seeds, s.seed)
		}
	}
	l := newLab()
	defer l.close()
	for _, seed := range seeds {
		first, wrong := live(newWorld(l, seed, memstore.Protocol()), log)
		if len(wrong) > 0 {
			t.Errorf("seed %d\n%s", seed, strings.Join(wrong, "\n"))
		}
		again, _ := live(newWorld(l, seed, memstore.Protocol()), nil)
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

// stories reads the seeds that once failed, or that reach what few others do.
func stories(t *testing.T, file string) (all []story) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
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
			t.Fatalf("%s: %q is no seed with a reason: %v", file, line, err)
		}
		all = append(all, story{seed, strings.TrimSpace(why)})
	}
	return all
}

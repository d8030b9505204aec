package sim_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/memstore"
)

// TestFlowSwarm lives worlds in which chains and batches are wanted, for a quarter of a
// minute: FLOW_SECONDS. First come the seeds that have a story. SIM_WORLDS bounds the
// worlds instead, and SIM_FROM is the first seed.
func TestFlowSwarm(t *testing.T) {
	t.Parallel()
	seconds := 15
	if testing.Short() || raceEnabled {
		seconds = 3
	}
	b := budget{make: newFlowWorld, from: uint64(setting("SIM_FROM", 1)), worlds: setting("SIM_WORLDS", 1<<40)}
	if os.Getenv("SIM_WORLDS") == "" {
		b.end = time.Now().Add(time.Duration(setting("FLOW_SECONDS", seconds)) * time.Second)
	}
	for _, s := range stories(t, "flow_seeds.txt") {
		b.first = append(b.first, s.seed)
	}
	failed := 0
	began := time.Now()
	total := swarm(&b, memstore.Protocol(), func(w *world, wrong []string) bool {
		if len(wrong) > 0 {
			failed++
			t.Errorf("seed %d: replay with FLOW_SEED=%d go test -run TestFlowReplay\n%s", w.seed, w.seed, strings.Join(wrong, "\n"))
		}
		return failed < 5
	})
	t.Logf("measured: %d chains and %d batches of %d items with %d faults in %v, %d violations, seeds %s\n%v",
		total.chains, total.batches, total.items, total.struck(), time.Since(began).Round(time.Second/10), failed, total.seeds, total)
	if failed == 0 && total.worlds >= 100 {
		covered(t, total, true)
	}
	if total.inline == 0 || total.chunked == 0 || total.died == 0 {
		t.Errorf("%d executions inline, %d in chunks, %d died", total.inline, total.chunked, total.died)
	}
}

// TestFlowReplay runs the seed in FLOW_SEED with a log of every effect, and every seed that
// has a story twice: a run must repeat.
func TestFlowReplay(t *testing.T) {
	t.Parallel()
	var seeds []uint64
	log := func(string, ...any) {}
	for _, s := range stories(t, "flow_seeds.txt") {
		seeds = append(seeds, s.seed)
	}
	if seed, err := strconv.ParseUint(os.Getenv("FLOW_SEED"), 10, 64); err == nil {
		seeds, log = []uint64{seed}, t.Logf
	}
	l := newLab()
	defer l.close()
	for _, seed := range seeds {
		first, wrong := live(newFlowWorld(l, seed, memstore.Protocol()), log)
		if len(wrong) > 0 {
			t.Errorf("seed %d\n%s", seed, strings.Join(wrong, "\n"))
		}
		again, _ := live(newFlowWorld(l, seed, memstore.Protocol()), nil)
		if first.String() != again.String() {
			t.Errorf("seed %d did not repeat:\n%v\n%v", seed, first, again)
		}
	}
}

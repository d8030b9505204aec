package sim_test

import (
	"testing"
	"time"
)

// withFlows are worlds in which chains and batches are wanted.
func withFlows() genre {
	return genre{newFlowWorld, "flow_seeds.txt", "FLOW_SEED=%d go test -run FlowReplay -v ./internal/sim", "FLOW_SEED", "FLOW_SECONDS"}
}

// TestFlowSwarm lives worlds with chains and batches for a quarter of a minute.
func TestFlowSwarm(t *testing.T) {
	t.Parallel()
	began := time.Now()
	total, failed := withFlows().hunt(t, &budget{}, 15)
	t.Logf("measured: %d chains and %d batches of %d items with %d faults in %v, %d violations, seeds %s\n%v",
		total.chains, total.batches, total.items, total.struck(), time.Since(began).Round(time.Second/10), failed, total.seeds, total)
	if failed == 0 && total.worlds >= 100 {
		covered(t, total, true)
	}
	if total.inline == 0 || total.chunked == 0 || total.died == 0 {
		t.Errorf("%d executions inline, %d in chunks, %d died", total.inline, total.chunked, total.died)
	}
}

func TestFlowReplay(t *testing.T) {
	t.Parallel()
	withFlows().repeat(t)
}

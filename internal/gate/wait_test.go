package gate_test

import (
	"slices"
	"testing"
	"time"

	"orbitq/internal/limit"
)

// TestTheTimeOfTheDecisionIsPartOfTheWait: a slow table makes nobody miss the slot that
// is booked meanwhile.
func TestTheTimeOfTheDecisionIsPartOfTheWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		latency time.Duration
		slept   time.Duration
	}{
		{"a quick table", 0, 1200 * time.Millisecond},
		{"a slow one", time.Second, 200 * time.Millisecond},
		{"a little slower than the slot is far", 1500 * time.Millisecond, 0},
	} {
		b := newBench(single)
		slot := start().Add(1200 * time.Millisecond)
		b.shelf.put(t, limit.Row{Shared: made(slot.Add(-61500 * time.Millisecond))})
		b.shelf.latency = c.latency
		if err := b.Enter(t.Context(), &limit.Pass{Patience: limit.Patience}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !slices.Equal(b.slept, []time.Duration{c.slept}) || b.now.Before(slot) {
			t.Errorf("%s: slept %v, entered at %v, slot %v", c.name, b.slept, b.now, slot)
		}
	}
}

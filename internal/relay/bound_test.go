package relay_test

import (
	"testing"

	"orbitq/internal/relay"
)

// TestOneSweepIsBoundedBesideTheShards: on the 1st there are many
// jobs to make up; the next sweeps take what one leaves.
func TestOneSweepIsBoundedBesideTheShards(t *testing.T) {
	t.Parallel()
	r := newRoad()
	r.PerTurn = 1
	names := sameShard(2)
	first := r.skip(t, names[0], nil)
	r.skip(t, names[1], nil)
	r.now = first.Look
	r.sweep(t, relay.Swept{MadeUp: 1})
	r.sweep(t, relay.Swept{MadeUp: 1, Seen: 1, Paced: 1})
	r.sweep(t, relay.Swept{Seen: 1, Paced: 1})
}

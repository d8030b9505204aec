package relay_test

import (
	"fmt"
	"testing"

	"orbitq/internal/relay"
)

// TestOneSweepIsBoundedBesideTheShards: after an outage there are many deaths to tell and
// many jobs to make up; the next sweeps take what one leaves.
func TestOneSweepIsBoundedBesideTheShards(t *testing.T) {
	t.Parallel()
	r := newRoad()
	r.PerTurn = 1
	for i := range 12 {
		r.die(t, fmt.Sprint("dead ", i))
	}
	r.sweep(t, relay.Swept{Told: 10})
	r.sweep(t, relay.Swept{Told: 2})
	names := sameShard(2)
	first := r.skip(t, names[0], nil)
	r.skip(t, names[1], nil)
	r.now = first.Look
	r.sweep(t, relay.Swept{MadeUp: 1})
	r.sweep(t, relay.Swept{MadeUp: 1, Seen: 1, Paced: 1})
	r.sweep(t, relay.Swept{Seen: 1, Paced: 1})
}

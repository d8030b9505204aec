package relay_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"orbitq/internal/job"
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

// TestSlowReceiversHoldUpOnlyWhatIsTold: each may take ten seconds to refuse, and behind the
// events of one owner the function has the chains and batches of all others to look at.
func TestSlowReceiversHoldUpOnlyWhatIsTold(t *testing.T) {
	t.Parallel()
	r := newRoad()
	for i := range 12 {
		r.die(t, fmt.Sprint("dead ", i))
	}
	r.Tell = func(context.Context, job.Event) error {
		r.now = r.now.Add(10 * time.Second)
		return job.Errorf(job.WebhookFailed, "no answer in time")
	}
	began := r.now
	r.sweep(t, relay.Swept{})
	if took := r.now.Sub(began); took != 20*time.Second {
		t.Errorf("a sweep took %v, want 20s", took)
	}
	waiting, err := r.store.Pending(t.Context(), r.now, 100)
	if err != nil || len(waiting) != 10 {
		t.Errorf("%d events wait for the next sweep, %v; want the 10 that were not tried", len(waiting), err)
	}
}

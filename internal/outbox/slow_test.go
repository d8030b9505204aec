package outbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/outbox"
)

// network has receivers of which all but one never answer, in the time of a bubble.
type network struct {
	mu    sync.Mutex
	heard map[string]time.Time // by event
}

// Notification implements outbox.Notifier.
func (n *network) Notification(_ context.Context, e job.Event) (string, func(context.Context) error, error) {
	host := e.Owner + ".example"
	if e.Lane() == job.OperatorLane {
		host = ""
	}
	return host, func(ctx context.Context) error {
		if e.Lane() != job.OperatorLane && e.Owner != "good" {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // as package webhook does
			defer cancel()
			<-ctx.Done()
			return job.Errorf(job.WebhookFailed, "no answer in time")
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.heard[e.ID] = time.Now()
		return nil
	}, nil
}

// TestFiftyReceiversThatNeverAnswerDelayNobody: the one that does hears its notice within 90 s,
// and operators theirs within 60 s. Goroutines and clock are those of the product, the time is
// virtual.
func TestFiftyReceiversThatNeverAnswerDelayNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		net := &network{heard: map[string]time.Time{}}
		store := memstore.New(job.DefaultTiming())
		box := outbox.New(outbox.Config{Store: store, Receivers: store, Notifier: net, Now: time.Now})
		f.store, f.now = store, time.Now()
		for i := range 50 {
			for n := range 24 { // the first of them had 24 notices, and nobody else's was tried
				f.notice(t, fmt.Sprint("deaf-", i), "", n)
			}
		}
		f.now = f.now.Add(time.Millisecond)
		good, death := f.notice(t, "good", "", 0), f.death(t, "a")
		written := f.now
		// At worst the relay has just swept.
		var longest time.Duration
		for minute := range 5 {
			<-time.After(time.Until(written.Add(time.Duration(1+minute) * time.Minute)))
			began := time.Now()
			if _, err := box.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			longest = max(longest, time.Since(began))
		}
		notice, event := net.heard[good.ID].Sub(written), net.heard[death.ID].Sub(written)
		t.Logf("measured: the notice arrived after %v, the operators' event after %v; the longest sweep took %v", notice, event, longest)
		if notice <= 0 || notice > 90*time.Second || event <= 0 || event > time.Minute || longest > 25*time.Second {
			t.Error("too late")
		}
	})
}

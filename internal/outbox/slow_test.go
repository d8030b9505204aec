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

	flying, most int // deliveries to receivers that never answer, now and at most
	asked        int
}

// hang is a receiver that never answers: the delivery ends with its time.
func (n *network) hang(ctx context.Context) error {
	n.mu.Lock()
	n.flying++
	n.asked++
	n.most = max(n.most, n.flying)
	n.mu.Unlock()
	<-ctx.Done()
	n.mu.Lock()
	n.flying--
	n.mu.Unlock()
	return job.Errorf(job.WebhookFailed, "no answer in time")
}

// Notification implements outbox.Notifier.
func (n *network) Notification(_ context.Context, e job.Event) (string, func(context.Context) error, error) {
	host := e.Owner + ".example"
	if e.Lane() == job.OperatorLane {
		host = ""
	}
	return host, func(ctx context.Context) error {
		if e.Lane() != job.OperatorLane && e.Owner != "good" {
			return n.hang(ctx)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.heard[e.ID] = time.Now()
		return nil
	}, nil
}

// TestFiftyReceiversThatNeverAnswerDelayNoOtherOwner: the one that does hears its notice within 90 s,
// and operators theirs within 60 s. Goroutines and clock are those of the product, the time is
// virtual.
func TestFiftyReceiversThatNeverAnswerDelayNoOtherOwner(t *testing.T) {
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

// TestOneOwnerHasFourDeliveriesAtATime, and one while its receiver is probed.
func TestOneOwnerHasFourDeliveriesAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		net := &network{heard: map[string]time.Time{}}
		f.now = time.Now()
		box := outbox.New(outbox.Config{Store: f.store, Receivers: f.store, Notifier: net, Now: time.Now})
		for i := range 30 {
			f.notice(t, "deaf", "", i)
		}
		for sweep, most := range []int{4, 1, 1} {
			net.most, net.asked = 0, 0
			if _, err := box.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if net.most != most || sweep > 0 && net.asked != 1 {
				t.Errorf("sweep %d: %d deliveries at a time, %d altogether; want %d at a time", sweep, net.most, net.asked, most)
			}
			<-time.After(40 * time.Minute)
		}
	})
}

// slowReceivers answers each question after longer than the one before.
type slowReceivers struct {
	*memstore.Store

	mu   sync.Mutex
	wait time.Duration
}

func (s *slowReceivers) Receivers(ctx context.Context, owner string) (outbox.Breakers, error) {
	s.mu.Lock()
	wait := s.wait
	s.wait += 11 * time.Second
	s.mu.Unlock()
	b, err := s.Store.Receivers(ctx, owner)
	<-time.After(wait)
	return b, err
}

// TestNoFailureIsLost between the workers of a sweep, when one reads what is known of the
// receivers while another one learns more.
func TestNoFailureIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		net := &network{heard: map[string]time.Time{}}
		f.now = time.Now()
		box := outbox.New(outbox.Config{Store: f.store, Receivers: &slowReceivers{Store: f.store, wait: time.Second}, Notifier: net, Now: time.Now})
		for i := range 3 {
			f.notice(t, "deaf", "", i)
		}
		if _, err := box.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b, err := f.store.Receivers(t.Context(), "deaf"); err != nil || net.asked != 3 || b["deaf.example"].Failures != 3 {
			t.Errorf("%d failures of %d deliveries, %v", b["deaf.example"].Failures, net.asked, err)
		}
	})
}

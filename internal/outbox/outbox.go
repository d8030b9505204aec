// Package outbox is the use case that delivers events: what happened to the operators'
// topic, notices and callbacks to the receivers that their owners named.
//
// An event is a row, written in the transaction that made it true. It is delivered first and
// marked second, so that a crash in between delivers it twice, with one id, and never not at
// all. Every delivery goes through this package and is noted the same way, so that a receiver
// which refused is never asked again.
//
// A receiver that never answers costs its own owner only:
//
//	lanes          operators' events have a lane of their own, delivered first; those of
//	               users are in lanes by owner, so that a crowd fills one of them
//	turns          owners take turns; one has at most PerOwner deliveries in a sweep and
//	               inFlight at a time
//	places         what an owner has beyond that is put off to a later sweep, so that it
//	               does not stand in front of others when the lane is read again
//	breakers       after five failures in a row a receiver is left alone for a while; see
//	               Breaker
//	time           a sweep begins deliveries for some seconds, and what it does not begin
//	               keeps its place
//
// It refuses to know how an event is delivered: a Notifier does.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"orbitq/internal/job"
)

// Limits of a sweep.
const (
	// Concurrency is how many deliveries go side by side. They wait for the network, and for
	// a receiver that never answers ten seconds.
	Concurrency = 64
	// PerOwner is the most deliveries of one owner that a sweep begins.
	PerOwner = 100
	// inFlight is the most deliveries of one owner that go side by side.
	inFlight = 4
	// pageSize is how many events are read at once.
	pageSize = 200
	// maxRead is the most events that a sweep reads of a lane, over all pages.
	maxRead = 10_000
)

// Times of a sweep, which ends within 36 s; the function of the relay has 50, and does its other
// work meanwhile.
const (
	operatorsFor = 4 * time.Second  // deliveries to operators begin for so long,
	usersFor     = 12 * time.Second // and then those to users
	readFor      = 5 * time.Second  // lanes are read, and what is beyond a cap is put off
	longest      = 10 * time.Second // one delivery
	// between is the time from one sweep to the next.
	between = time.Minute
)

// Store keeps events that are still to be delivered, and those that were.
type Store interface {
	// Pending returns up to n events of a lane (see job.Event.Lane) that are due, those that
	// are due the longest first, after a position, and the position after the last one.
	Pending(ctx context.Context, lane int, now time.Time, after string, n int) ([]job.Event, string, error)
	// MarkDelivered takes an event that was delivered out of its lane.
	MarkDelivered(ctx context.Context, id string, now time.Time) error
	// MarkFailed takes note that an event could not be delivered, and when it is due again;
	// the zero time gives it up.
	MarkFailed(ctx context.Context, id, reason string, next, now time.Time) error
	// Postpone moves an event to a later time. It is no failure.
	Postpone(ctx context.Context, id string, next time.Time) error
}

// Receivers keeps what is known of the receivers of each owner.
type Receivers interface {
	// Receivers returns an owner's breakers; none is an empty map.
	Receivers(ctx context.Context, owner string) (Breakers, error)
	// SaveReceivers replaces an owner's breakers.
	SaveReceivers(ctx context.Context, owner string, b Breakers, now time.Time) error
}

// Notifier knows where events are heard.
type Notifier interface {
	// Notification returns the host that an event goes to, which is empty if that is no
	// receiver of a user, and how to send it there.
	Notification(ctx context.Context, e job.Event) (host string, send func(context.Context) error, err error)
}

// Config has the parts of an Outbox.
type Config struct {
	Store     Store
	Receivers Receivers
	Notifier  Notifier
	Now       func() time.Time
	// Together runs functions side by side and returns when all have ended; goroutines by
	// default.
	Together func(run ...func())
}

// Outbox delivers events.
type Outbox struct {
	Config
}

// New returns an Outbox.
func New(c Config) *Outbox {
	if c.Together == nil {
		c.Together = together
	}
	return &Outbox{Config: c}
}

// together runs functions in goroutines.
func together(run ...func()) {
	var wg sync.WaitGroup
	for _, f := range run {
		wg.Go(f)
	}
	wg.Wait()
}

// Swept counts what a sweep did.
type Swept struct {
	Delivered int // events delivered
	Failed    int // deliveries that failed, and are tried again or given up
	Postponed int // events put off, because their owner has too many or their receiver fails
}

// sweep is the state of one Sweep, shared by its workers.
type sweep struct {
	began time.Time

	mu        sync.Mutex
	total     Swept
	errs      []error
	passed    map[string]int      // events of an owner that were put off
	receivers map[string]Breakers // of the owners met
	changed   map[string]bool     // owners whose receivers must be saved
}

func newSweep(now time.Time) *sweep {
	return &sweep{began: now, passed: map[string]int{}, receivers: map[string]Breakers{}, changed: map[string]bool{}}
}

// fail collects an error; nil is none.
func (s *sweep) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// count changes the totals.
func (s *sweep) count(change func(*Swept)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.total)
}

// Sweep delivers what is due: operators' events first, then users'. An event that cannot be
// delivered does not keep the others back; the errors come together at the end.
func (o *Outbox) Sweep(ctx context.Context) (Swept, error) {
	s := newSweep(o.Now())
	operators, users := []int{job.OperatorLane}, make([]int, 0, job.UserLanes)
	// Not always the same lane first: a sweep that is out of time would starve the last.
	first := int(s.began.Unix()/60) % job.UserLanes
	for i := range job.UserLanes {
		users = append(users, 1+(first+i)%job.UserLanes)
	}
	o.lanes(ctx, s, operators, operatorsFor)
	o.lanes(ctx, s, users, usersFor)
	o.save(ctx, s)
	return s.total, errors.Join(s.errs...)
}

// lanes delivers what is due in some lanes, beginning deliveries for a time.
func (o *Outbox) lanes(ctx context.Context, s *sweep, lanes []int, begin time.Duration) {
	began := o.Now()
	within := func(d time.Duration) bool { return o.Now().Sub(began) < d }
	q, over := o.read(ctx, s, lanes, within)
	o.each(len(over), func(i int) bool {
		o.postpone(ctx, s, &over[i], s.began.Add(between))
		return within(readFor)
	})
	workers := make([]func(), min(Concurrency, q.len()))
	for i := range workers {
		workers[i] = func() {
			for within(begin) {
				e, ok := q.take()
				if !ok {
					return // those in flight take what is left of their owners
				}
				if err := o.deliver(ctx, s, e); err != nil {
					s.fail(err)
				}
				q.done(e)
			}
		}
	}
	o.Together(workers...)
}

// each calls do for 0 to n-1, side by side, until it says no.
func (o *Outbox) each(n int, do func(i int) bool) {
	var mu sync.Mutex
	next := 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	workers := make([]func(), min(Concurrency, n))
	for k := range workers {
		workers[k] = func() {
			for i := take(); i < n && do(i); i = take() {
			}
		}
	}
	o.Together(workers...)
}

// read returns the events of some lanes that this sweep delivers, in turns of their owners,
// and those that their owners have beyond the cap. The lanes are read page by page in turn.
func (o *Outbox) read(ctx context.Context, s *sweep, lanes []int, within func(time.Duration) bool) (*turns, []job.Event) {
	q, over := newTurns(), []job.Event(nil)
	after := make([]string, len(lanes))
	for range maxRead / pageSize {
		var left []int
		var next []string
		for i, lane := range lanes {
			events, rest, err := o.Store.Pending(ctx, lane, s.began, after[i], pageSize)
			if err != nil {
				s.fail(fmt.Errorf("find events of lane %d: %w", lane, err))
				continue
			}
			for k := range events {
				if !q.add(events[k]) {
					over = append(over, events[k])
				}
			}
			if rest != "" {
				left, next = append(left, lane), append(next, rest)
			}
		}
		lanes, after = left, next
		if len(lanes) == 0 || !within(readFor) {
			break
		}
	}
	q.order()
	return q, over
}

// postpone puts an event off: to a time, and the more of its owner were put off before it, the
// later, so that each sweep finds as many of them as it delivers.
func (o *Outbox) postpone(ctx context.Context, s *sweep, e *job.Event, earliest time.Time) {
	s.mu.Lock()
	n := s.passed[e.Owner]
	s.passed[e.Owner]++
	s.mu.Unlock()
	if err := o.Store.Postpone(ctx, e.ID, earliest.Add(time.Duration(n/PerOwner)*between)); err != nil {
		s.fail(fmt.Errorf("postpone event %s: %w", e.ID, err))
		return
	}
	s.count(func(t *Swept) { t.Postponed++ })
}

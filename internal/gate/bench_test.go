package gate_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"orbitq/internal/gate"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
)

func start() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// errGone is a table that cannot be reached.
var errGone = errors.New("unreachable")

// shelf is the table as a gate sees it, with its calls counted and its faults set.
type shelf struct {
	*memstore.Store

	mu      sync.Mutex
	reads   int
	writes  int // tries
	lost    int // tries that somebody else was quicker than
	records [][]limit.Call

	latency   time.Duration         // of each write
	readErr   error                 // of each read
	writeErr  error                 // of each write
	replyErr  error                 // of each write, after it went through
	taken     bool                  // somebody is quicker than any write
	recordErr error                 // of each record
	between   func(writes int)      // runs before each write
	advance   func(d time.Duration) // how time passes during a write
}

func newShelf() *shelf { return &shelf{Store: memstore.New(job.DefaultTiming())} }

func (s *shelf) Door(ctx context.Context) (limit.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.readErr != nil {
		return limit.Row{}, s.readErr
	}
	return s.Store.Door(ctx)
}

func (s *shelf) SaveDoor(ctx context.Context, next limit.Row) (limit.Row, bool, error) {
	s.mu.Lock()
	s.writes++
	n, latency, err, reply, taken := s.writes, s.latency, s.writeErr, s.replyErr, s.taken
	s.mu.Unlock()
	if s.between != nil {
		s.between(n)
	}
	if s.advance != nil {
		s.advance(latency)
	} else {
		<-time.After(latency) // of a bubble's clock
	}
	if err == nil {
		err = ctx.Err() // a request ends with its caller's time
	}
	if err != nil {
		return limit.Row{}, false, err
	}
	if taken {
		row, err := s.Store.Door(ctx)
		return row, false, err
	}
	row, ok, err := s.Store.SaveDoor(ctx, next)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok {
		s.lost++
	}
	if reply != nil {
		return limit.Row{}, false, reply
	}
	return row, ok, err
}

func (s *shelf) RecordCalls(ctx context.Context, calls []limit.Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recordErr != nil {
		return s.recordErr
	}
	s.records = append(s.records, calls)
	return s.Store.RecordCalls(ctx, calls)
}

// row is the door's row as it is stored.
func (s *shelf) row(t *testing.T) limit.Row {
	t.Helper()
	r, err := s.Store.Door(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// put stores a row as the next version.
func (s *shelf) put(t *testing.T, r limit.Row) {
	t.Helper()
	r.Version = s.row(t).Version + 1
	if _, ok, err := s.Store.SaveDoor(t.Context(), r); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

// bench is a gate under a clock that moves by hand and by sleeping.
type bench struct {
	*gate.Gate

	shelf    *shelf
	now      time.Time
	slept    []time.Duration
	sleepErr error
	onSleep  func()
	jitter   float64
}

func newBench(edit func(*limit.Policy)) *bench {
	b := &bench{shelf: newShelf(), now: start(), jitter: 0.5}
	b.shelf.advance = func(d time.Duration) { b.now = b.now.Add(d) }
	p := limit.DefaultPolicy()
	if edit != nil {
		edit(&p)
	}
	b.Gate = gate.New(gate.Config{
		Store: b.shelf, Policy: p, Now: func() time.Time { return b.now }, Jitter: func() float64 { return b.jitter },
		Sleep: func(_ context.Context, d time.Duration) error {
			b.slept = append(b.slept, d)
			b.now = b.now.Add(d)
			if b.onSleep != nil {
				b.onSleep()
			}
			return b.sleepErr
		},
	})
	return b
}

// single makes a policy one of one slot at a time.
func single(p *limit.Policy) { p.Shared, p.Reserved = 1, 0 }

// refused demands an error of a code and returns it. Every refusal is of a kind that
// costs no attempt.
func refused(t *testing.T, err error, want job.Code) *job.Error {
	t.Helper()
	e, ok := errors.AsType[*job.Error](err)
	if !ok || e.Code != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	if want != job.ProviderTimeout && want.Class() != job.Release {
		t.Errorf("%s costs an attempt", want)
	}
	return e
}

// bubbleGate is a gate on the clock of a synctest bubble.
func bubbleGate(s *shelf, edit func(*limit.Policy)) *gate.Gate {
	p := limit.DefaultPolicy()
	if edit != nil {
		edit(&p)
	}
	return gate.New(gate.Config{
		Store: s, Policy: p, Now: time.Now, Jitter: func() float64 { return 0.5 },
		Sleep: func(ctx context.Context, d time.Duration) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(d):
				return nil
			}
		},
	})
}

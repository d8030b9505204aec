package gate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"orbitq/internal/gate"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
)

// forgetful is a table that does not take records for a while.
type forgetful struct {
	*memstore.Store

	err error
}

// TestRecordsWaitForTheirTable keeps the records of calls that could not be written for the next flush.
func TestRecordsWaitForTheirTable(t *testing.T) {
	t.Parallel()
	store := &forgetful{Store: memstore.New(job.DefaultTiming()), err: errors.New("down")}
	g := gate.New(gate.Config{
		Store: store, Policy: limit.DefaultPolicy(), Now: func() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) },
		Jitter: func() float64 { return 0 },
	})
	for i := range 1200 {
		g.Left(limit.Call{Job: "j", Cached: true, Attempt: i})
	}
	if err := g.Flush(t.Context()); !errors.Is(err, store.err) {
		t.Errorf("flush: %v", err)
	}
	store.err = nil
	if err := g.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	calls, err := store.Calls(t.Context(), "j")
	if err != nil || len(calls) != 1000 || calls[0].Attempt != 200 {
		t.Errorf("%d records, %v: the newest thousand should be there", len(calls), err)
	}
}

func (f *forgetful) RecordCalls(ctx context.Context, calls []limit.Call) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.RecordCalls(ctx, calls)
}

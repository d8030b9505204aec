package deadletter_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
)

// running saves a running operation of an owner as it is, past the limit of Start.
func (d *desk) running(t *testing.T, owner, name string) string {
	t.Helper()
	op := deadletter.Operation{ID: job.DerivedID(name), Owner: owner, State: deadletter.OperationRunning, Rate: 1, Version: 1, Created: d.now, Updated: d.now}
	if ok, err := d.store.SaveOperation(t.Context(), &op); err != nil || !ok {
		t.Fatalf("save operation: %v, %v", ok, err)
	}
	d.now = d.now.Add(time.Millisecond)
	return op.ID
}

// dawdling makes every read of an operation take a time.
type dawdling struct {
	deadletter.Operations

	d    *desk
	each time.Duration
	read []string
}

func (s *dawdling) Operation(ctx context.Context, id string) (deadletter.Operation, error) {
	s.d.now = s.d.now.Add(s.each)
	s.read = append(s.read, id)
	return s.Operations.Operation(ctx, id)
}

// TestEveryOperationHasItsStep: those that a sweep had no time for come first in the next one.
func TestEveryOperationHasItsStep(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.Operations = &dawdling{Operations: d.store, d: d, each: time.Second}
	var ids []string
	for i := range 25 {
		ids = append(ids, d.running(t, fmt.Sprint("owner-", i), fmt.Sprint("op-", i)))
	}
	for range 3 { // ten steps fit into a sweep
		began := d.now
		if _, err := d.Advance(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := d.now.Sub(began); took > 11*time.Second {
			t.Errorf("a sweep took %v", took)
		}
	}
	for _, id := range ids {
		if got, err := d.store.Operation(t.Context(), id); err != nil || got.Version == 1 {
			t.Errorf("operation %s had no step in three sweeps: %+v, %v", id, got, err)
		}
	}
}

// TestOneOwnersOperationsDelayNoOtherOwners: an owner with a hundred of them has one step before
// another owner has its own.
func TestOneOwnersOperationsDelayNoOtherOwners(t *testing.T) {
	t.Parallel()
	d := newDesk()
	for i := range 100 {
		d.running(t, "crowd", fmt.Sprint("op-", i))
	}
	mine := d.running(t, "me", "mine")
	slow := &dawdling{Operations: d.store, d: d, each: 50 * time.Millisecond}
	d.Operations = slow
	if n, err := d.Advance(t.Context()); n != 101 || err != nil {
		t.Fatalf("%d operations, %v", n, err)
	}
	steps := 0
	for i := range 100 {
		got, err := d.store.Operation(t.Context(), job.DerivedID(fmt.Sprint("op-", i)))
		if err != nil {
			t.Fatal(err)
		}
		steps += got.Version - 1
	}
	if got := d.find(t, mine); got.Version != 2 || steps == 0 || steps == 100 {
		t.Errorf("mine: %+v; the crowd had %d steps: the sweep was to be too short for all of them", got, steps)
	}
}

// TestAnOwnerRunsTenOperations and is told so when it wants an eleventh.
func TestAnOwnerRunsTenOperations(t *testing.T) {
	t.Parallel()
	d := newCampaign(t, 1)
	var first deadletter.Operation
	for i := range deadletter.MaxRunning {
		if op := d.begin(t, deadletter.Operation{}); i == 0 {
			first = op
		}
	}
	if _, err := d.Start(t.Context(), deadletter.Operation{Owner: "me"}); job.CodeOf(err) != job.LimitExceeded {
		t.Errorf("got %v", err)
	}
	if _, err := d.Start(t.Context(), deadletter.Operation{Owner: "you"}); err != nil {
		t.Errorf("another owner: %v", err)
	}
	if _, err := d.Abort(t.Context(), "me", first.ID); err != nil {
		t.Fatal(err)
	}
	d.begin(t, deadletter.Operation{})
}

package sim_test

import (
	"context"
	"slices"

	"orbitq/internal/deadletter"
)

// frozen is the table of operations; sabotaged, it shows the first of them alone, in an order
// that no step changes.
type frozen struct {
	*observed

	sabotage *sabotage
}

func (f frozen) OpenOperations(ctx context.Context, n int) ([]string, error) {
	ids, err := f.observed.OpenOperations(ctx, n)
	if f.sabotage.frozen {
		slices.Sort(ids)
		ids = ids[:min(1, len(ids))]
	}
	return ids, err
}

// advances holds a sweep over operations without faults against what it has to do: each that
// runs has a step, of this sweep or of another driver.
func (w *world) advances(ctx context.Context, o *deadletter.Operator) {
	before := map[string]int{}
	ids, err := w.table.OpenOperations(ctx, 1000)
	w.oracle.mustf(i25, err == nil, "read operations: %v", err)
	for _, id := range ids {
		op, err := w.table.Operation(ctx, id)
		w.oracle.mustf(i25, err == nil, "read operation: %v", err)
		before[id] = op.Version
	}
	_, failed := o.Advance(ctx)
	for _, id := range ids {
		op, err := w.table.Operation(ctx, id)
		w.oracle.mustf(stepsKept, err == nil && op.Version > before[id], "operation %s had no step in a sweep over %d: %v", id, len(ids), failed)
	}
}

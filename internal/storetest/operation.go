package storetest

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
)

// operationRules: an operation has one driver at a time.
func operationRules() []rule {
	return []rule{
		{"an operation is kept whole, and written by one who read it only", operationIsVersioned},
		{"the running operations are listed, the longest without a step first, and the ended ones not", listsRunning},
		{"the running operations of an owner are counted, no others", countsRunning},
		{"no operation is NOT_FOUND", noOperation},
	}
}

// operation returns one with every field set.
func operation(t *testing.T) deadletter.Operation {
	t.Helper()
	return deadletter.Operation{
		ID: id(t), Owner: "u-" + id(t), Canary: true, Rate: 20, State: deadletter.OperationRunning, Reason: "why", Step: 2, Cursor: "c", AtEnd: true,
		Filter:  deadletter.Filter{Code: job.Internal, Print: "f", Queue: "low", Since: start().Add(-time.Hour), Until: start()},
		Watched: []deadletter.Watch{{Job: id(t), Print: "f", Generation: 3}, {Job: id(t)}},
		Retried: 7, Mended: 4, Returned: 1, Created: start(), Updated: start().Add(time.Second), Version: 1,
	}
}

// save writes an operation and demands an answer.
func save(t *testing.T, s Store, o deadletter.Operation, want bool) {
	t.Helper()
	if ok, err := s.SaveOperation(context.Background(), &o); err != nil || ok != want {
		t.Fatalf("save of version %d: %v, %v", o.Version, ok, err)
	}
}

// operationIsVersioned: a driver that was slower must not overwrite what the other saw.
func operationIsVersioned(t *testing.T, s Store) {
	ctx, o := context.Background(), operation(t)
	skipped := o
	skipped.Version = 2
	save(t, s, skipped, false) // there is no first version
	save(t, s, o, true)
	if got, err := s.Operation(ctx, o.ID); err != nil || !reflect.DeepEqual(got, o) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, o)
	}
	for _, version := range []int{1, 3} {
		lost := o
		lost.Version, lost.Step = version, 99
		save(t, s, lost, false)
	}
	o.Version, o.State, o.Watched = 2, deadletter.OperationStopped, nil
	// Ten drivers, as a schedule that fires twice makes two: one write decides.
	wrote := make([]bool, 10)
	var wg sync.WaitGroup
	for i := range wrote {
		wg.Go(func() {
			mine := o
			ok, err := s.SaveOperation(ctx, &mine)
			if err != nil {
				t.Errorf("save: %v", err)
			}
			wrote[i] = ok
		})
	}
	wg.Wait()
	if won := len(slices.DeleteFunc(wrote, func(ok bool) bool { return !ok })); won != 1 {
		t.Errorf("%d of 10 wrote version 2", won)
	}
	if got, err := s.Operation(ctx, o.ID); err != nil || !reflect.DeepEqual(got, o) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, o)
	}
}

// listsRunning: each sweep asks for them.
func listsRunning(t *testing.T, s Store) {
	var ids []string
	for range 3 {
		o := operation(t)
		o.ID = job.NewID(start().Add(time.Duration(len(ids))*time.Second), [10]byte([]byte(id(t))[16:]))
		o.Updated = start().Add(time.Duration(len(ids)) * time.Second)
		save(t, s, o, true)
		ids = append(ids, o.ID)
	}
	if got := listed(t, s, ids); !slices.Equal(got, ids) {
		t.Errorf("running: %v, want %v", got, ids)
	}
	// A step moves the place to the end.
	first, err := s.Operation(context.Background(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	first.Version, first.Updated = 2, start().Add(time.Minute)
	save(t, s, first, true)
	ids = append(ids[1:], ids[0])
	if got := listed(t, s, ids); !slices.Equal(got, ids) {
		t.Errorf("running after a step: %v, want %v", got, ids)
	}
	for i, state := range []deadletter.OperationState{deadletter.OperationDone, deadletter.OperationAborted} {
		o, err := s.Operation(context.Background(), ids[i])
		if err != nil {
			t.Fatal(err)
		}
		o.State, o.Version = state, 2
		save(t, s, o, true)
	}
	if got := listed(t, s, ids); !slices.Equal(got, ids[2:]) {
		t.Errorf("running: %v, want %v", got, ids[2:])
	}
	if one, err := s.OpenOperations(context.Background(), 1); err != nil || len(one) != 1 {
		t.Errorf("one of many: %v, %v", one, err)
	}
}

// countsRunning: the limit of an owner regards no other owner's, and nothing that has ended.
func countsRunning(t *testing.T, s Store) {
	owner := "u-" + id(t)
	count := func(who string, n, want int) {
		t.Helper()
		if got, err := s.CountOperations(context.Background(), who, n); err != nil || got != want {
			t.Errorf("%d running of %s, %v, want %d", got, who, err, want)
		}
	}
	count(owner, 10, 0)
	var all []deadletter.Operation
	for range 3 {
		o := operation(t)
		o.Owner = owner
		save(t, s, o, true)
		all = append(all, o)
	}
	count(owner, 10, 3)
	count(owner, 2, 2)
	count("u-"+id(t), 10, 0)
	all[0].State, all[0].Version = deadletter.OperationDone, 2
	save(t, s, all[0], true)
	count(owner, 10, 2)
}

// listed returns those of the given operations that run.
func listed(t *testing.T, s Store, ids []string) []string {
	t.Helper()
	got, err := s.OpenOperations(context.Background(), all)
	if err != nil {
		t.Fatalf("list operations: %v", err)
	}
	return slices.DeleteFunc(got, func(id string) bool { return !slices.Contains(ids, id) })
}

// noOperation: nothing is found where nothing was written.
func noOperation(t *testing.T, s Store) {
	if _, err := s.Operation(context.Background(), id(t)); job.CodeOf(err) != job.NotFound {
		t.Errorf("got %v", err)
	}
}

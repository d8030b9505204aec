package limit_test

import (
	"reflect"
	"testing"
	"time"

	"orbitq/internal/limit"
)

// TestTheHighQueueSparesTheSharedLane: where both lanes have a slot at one moment it
// takes its own, which nobody else may have; a nearer one it takes wherever it is.
func TestTheHighQueueSparesTheSharedLane(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		row  limit.Row
		want limit.Row
	}{
		{"both are free", limit.Row{}, limit.Row{Reserved: []time.Time{at(0)}}},
		{"both are free later", limit.Row{Shared: []time.Time{at(-6)}, Reserved: []time.Time{at(-6)}}, limit.Row{Shared: []time.Time{at(-6)}, Reserved: []time.Time{at(60)}}},
		{"its own is later", limit.Row{Reserved: []time.Time{at(0)}}, limit.Row{Shared: []time.Time{at(0)}, Reserved: []time.Time{at(0)}}},
		{"the shared one is later", limit.Row{Shared: []time.Time{at(0)}}, limit.Row{Shared: []time.Time{at(0)}, Reserved: []time.Time{at(0)}}},
	} {
		if got, slots := narrow().Book(c.row, true, 1, start()); len(slots) != 1 || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: slots %v, row %+v, want %+v", c.name, slots, got, c.want)
		}
	}
}

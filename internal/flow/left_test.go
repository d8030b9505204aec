package flow_test

import (
	"fmt"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// TestASweepFindsWhatAnExecutionLeft while the execution goes on with other items, which
// may wait for what those that were left hold.
func TestASweepFindsWhatAnExecutionLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after time.Duration // the look at the batch
		code  job.Code      // of the step's attempt; empty for none at all
		want  string        // points that another execution works on
	}{
		{"nothing has begun", time.Hour, "", "[]"},
		{"due, and nobody came", time.Hour, job.ProviderUnavailable, fmt.Sprint([]string{pointID(1)})},
		{"due, and somebody may be on the way", 15 * time.Minute, job.ProviderUnavailable, "[]"},
		{"died", time.Hour, job.InvalidRequest, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.acts["enrich"] = failing(c.code)
			id := b.batch(2, func(w *flow.BatchWish) { w.AllowFailures = true }).ID
			if c.code != "" {
				if _, err := b.VisitItem(t.Context(), id, pointID(1), "r"); err != nil {
					t.Fatal(err)
				}
			}
			b.now = b.now.Add(c.after)
			resumed := 0
			if c.want != "[]" {
				resumed = 1
			}
			b.sweep(flow.Swept{Seen: 1, Resumed: resumed})
			if got := fmt.Sprint(append([]string{}, b.exec.inputs[job.ExecutionName(id, 1)].Points...)); got != c.want || b.batchRow(id).Runs != resumed {
				t.Errorf("started over %v, want %v: %+v", got, c.want, b.batchRow(id))
			}
			b.sweep(flow.Swept{}) // the look was moved on
		})
	}
}

// TestALookSeesSoManyItems and each look others, until all were seen.
func TestALookSeesSoManyItems(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	n := 2*flow.PerLook + 1
	b.acts["enrich"] = failing(job.ProviderUnavailable)
	id := b.batch(n, nil).ID
	for i := range n {
		if _, err := b.VisitItem(t.Context(), id, pointID(i+1), "r"); err != nil {
			t.Fatal(err)
		}
	}
	b.now = b.now.Add(time.Hour)
	seen := map[string]bool{}
	for range 3 {
		calls := b.seam.calls
		b.sweep(flow.Swept{Seen: 1, Resumed: 1})
		if got := b.seam.calls - calls; got > flow.PerLook+20 { // and pages, and the batch
			t.Errorf("%d calls for at most %d items", got, flow.PerLook)
		}
		for _, p := range b.exec.inputs[job.ExecutionName(id, b.batchRow(id).Runs)].Points {
			seen[p] = true
		}
		b.now = b.now.Add(15 * time.Minute)
	}
	if len(seen) != n {
		t.Errorf("%d of %d items were seen", len(seen), n)
	}
}

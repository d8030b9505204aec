package flow_test

import (
	"testing"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// TestASlowVisitMovesNothingBack: neither to an earlier step, nor into a later round.
func TestASlowVisitMovesNothingBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		do    act
		quick func(b *bench, id string) error
		at    int
		state job.TrackState
	}{
		{"two steps behind", succeed, func(b *bench, id string) error {
			return firstOf(only(b.VisitChain(b.t.Context(), id, "")), only(b.VisitChain(b.t.Context(), id, "")))
		}, 2, job.TrackRunning},
		{"a round behind", failing(job.InvalidRequest), func(b *bench, id string) error {
			return firstOf(only(b.VisitChain(b.t.Context(), id, "")), second(b.RedriveChain(b.t.Context(), owner, id)))
		}, 0, job.TrackPending},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.acts["enrich"] = c.do
			id := b.chain().ID
			b.seam.before["AmendChain"] = func() {
				if err := c.quick(b, id); err != nil {
					t.Error(err)
				}
			}
			if _, err := b.VisitChain(t.Context(), id, "slow"); err != nil {
				t.Error(err)
			}
			if got := b.chainRow(id); got.At != c.at || got.State != c.state {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestASlowVisitMovesNoItemBack: the same for the items of a batch.
func TestASlowVisitMovesNoItemBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, func(w *flow.BatchWish) { w.Steps = flow.DefaultSteps() }).ID
	b.acts["notify"] = failing(job.ProviderUnavailable)
	b.seam.before["AmendItem"] = func() {
		if a, err := b.VisitItem(t.Context(), id, pointID(1), "quick"); err != nil || a.Next != "notify" {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if a, err := b.VisitItem(t.Context(), id, pointID(1), "slow"); err != nil || a.Next != "notify" || len(b.runs) != 3 {
		t.Errorf("%+v, %v after %v", a, err, b.runs)
	}
	// A visit that saw a death is overtaken by the next round.
	b = newBench(t)
	id = b.batch(1, nil).ID
	b.acts["enrich"] = failing(job.InvalidRequest)
	b.seam.before["AmendItem"] = func() {
		_, _ = b.VisitItem(t.Context(), id, pointID(1), "quick")
		_, _ = b.Summarise(t.Context(), id)
		if _, _, err := b.RetryBatch(t.Context(), owner, id); err != nil {
			t.Error(err)
		}
		clear(b.acts)
		b.acts["enrich"] = failing(job.ProviderUnavailable)
		if a, err := b.VisitItem(t.Context(), id, pointID(1), "next round"); err != nil || a.State != job.TrackRunning {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if a, err := b.VisitItem(t.Context(), id, pointID(1), "slow"); err != nil || a.State != job.TrackRunning {
		t.Errorf("%+v, %v", a, err)
	}
	if got := b.batchRow(id); got.Round != 1 || got.Caught || b.counts(id) != (job.Counts{Running: 1}) {
		t.Errorf("%+v", got)
	}
}

package flow_test

import (
	"testing"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// TestABatchGrowsToItsLimitOnly: all its items are counted within one request.
func TestABatchGrowsToItsLimitOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		total int
		code  job.Code // empty for none
	}{
		{"room for both", flow.MaxItems - 2, ""},
		{"room for one", flow.MaxItems - 1, job.InvalidField},
		{"no room", flow.MaxItems, job.InvalidField},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.batch(1, nil).ID
			_, err := b.store.AmendBatch(t.Context(), id, func(b job.Batch) (job.Batch, flow.Change, error) {
				b.Total = c.total
				return b, flow.Change{}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = b.AddItems(t.Context(), job.Account{Owner: owner}, id, b.points(owner, 2, 2))
			if code := job.CodeOf(err); (err == nil) != (c.code == "") || err != nil && code != c.code {
				t.Errorf("got %v, want %q", err, c.code)
			}
			if got := b.batchRow(id).Total; err != nil && got != c.total {
				t.Errorf("refused, but the batch has %d items", got)
			}
		})
	}
}

// TestAddedItemsBringThePlanOfWhoAdds: also of a token that does not say when it was issued. One of an older
// token brings nothing back, and who restarts the batch without a token leaves it as it is.
func TestAddedItemsBringThePlanOfWhoAdds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, nil).ID
	rich := b.batchRow(id).Account
	poor := job.Account{Owner: owner, Tier: "free", Limit: 10}
	newer := poor
	newer.Issued = b.now
	for i, c := range []struct {
		by, want job.Account
	}{
		{poor, poor}, {rich, rich}, {job.Account{Owner: owner}, rich}, {newer, newer}, {rich, newer},
	} {
		got, _, err := b.AddItems(t.Context(), c.by, id, b.points(owner, 10+i, 1))
		if err != nil || got.Account != c.want || b.batchRow(id).Account != c.want {
			t.Errorf("%+v added: %+v, %v", c.by, got.Account, err)
		}
	}
}

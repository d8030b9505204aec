package storetest

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// flows are the ports on chains, batches and what belongs to them.
type flows interface {
	flow.Chains
	flow.Batches
	flow.Items
	flow.Points
	flow.Open
}

// crowdSize is how many decide upon one row at once, where a rule wants many.
const crowdSize = 20

// account is a payer of its own without a limit.
func account(t *testing.T) job.Account {
	t.Helper()
	return job.Account{Owner: "u-" + id(t), Tier: "enterprise", Limit: job.Unlimited}
}

// newChain returns a chain that was just asked for.
func newChain(t *testing.T) job.Chain {
	t.Helper()
	return job.NewChain(job.Chain{
		Account: account(t), Track: job.Track{Point: id(t), Revision: 1, Steps: []string{"enrich", "analyze"}},
		ID: id(t), Queue: "high", Tags: []string{"a#b"}, BodyHash: "h",
	}, start(), 15*time.Minute)
}

// acceptedChain stores a new chain.
func acceptedChain(t *testing.T, s Store) job.Chain {
	t.Helper()
	c := newChain(t)
	if _, existed, err := s.AcceptChain(context.Background(), &c); err != nil || existed {
		t.Fatalf("accept chain: existed %v, %v", existed, err)
	}
	return c
}

// chainRow demands what is stored of a chain.
func chainRow(t *testing.T, s Store, want *job.Chain) {
	t.Helper()
	if got, err := s.Chain(context.Background(), want.ID); err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("chain %+v, %v\nwant %+v", got, err, want)
	}
}

// chainRules: a chain is one row, decided upon as a whole.
func chainRules() []rule {
	return []rule{
		{"a chain is accepted once: asked again, the first one is the answer", acceptsChainOnce},
		{"of ten accepts of one chain at once exactly one is new", oneOfTenChains},
		{"a chain, batch, item or notice that is not there is NOT_FOUND", missingFlows},
		{"a decision on a chain is written, and a refusal changes nothing", amendsChain},
		{"a chain that twenty amend at once loses no decision", chainUnderContention},
	}
}

// acceptsChainOnce: whether the request is the same is the caller's to say, by the hash of
// the row that was there first.
func acceptsChainOnce(t *testing.T, s Store) {
	c := acceptedChain(t, s)
	again := c
	again.BodyHash, again.Created = "other", later()
	got, existed, err := s.AcceptChain(context.Background(), &again)
	if err != nil || !existed || !reflect.DeepEqual(got, c) {
		t.Errorf("existed %v, %v\ngot %+v\nwant %+v", existed, err, got, c)
	}
	chainRow(t, s, &c)
}

// oneOfTenChains: whoever is told that the chain is new starts its execution.
func oneOfTenChains(t *testing.T, s Store) {
	c := newChain(t)
	news := make([]bool, 10)
	var wg sync.WaitGroup
	for i := range news {
		wg.Go(func() {
			mine := c
			mine.Tags = []string{strconv.Itoa(i)}
			_, existed, err := s.AcceptChain(context.Background(), &mine)
			if err != nil {
				t.Errorf("accept chain: %v", err)
			}
			news[i] = !existed
		})
	}
	wg.Wait()
	got, err := s.Chain(context.Background(), c.ID)
	first := slices.Index(news, true)
	if err != nil || first < 0 || slices.Contains(news[first+1:], true) || !reflect.DeepEqual(got.Tags, []string{strconv.Itoa(first)}) {
		t.Errorf("new: %v, stored %+v, %v", news, got, err)
	}
}

// missingFlows: the edge answers 404 for this code alone, and an amendment must not make a
// row out of nothing.
func missingFlows(t *testing.T, s Store) {
	ctx, none, b := context.Background(), id(t), newBatch(t)
	errs := map[string]error{}
	_, errs["chain"] = s.Chain(ctx, none)
	_, errs["amended chain"] = s.AmendChain(ctx, none, func(c job.Chain) (job.Chain, error) { return c, nil })
	_, errs["batch"] = s.Batch(ctx, none)
	_, errs["amended batch"] = s.AmendBatch(ctx, none, func(b job.Batch) (job.Batch, flow.Change, error) { return b, flow.Change{}, nil })
	_, errs["item"] = s.Item(ctx, &b, none)
	_, errs["amended item"] = s.AmendItem(ctx, &b, none, func(it job.Item) (job.Item, error) { return it, nil })
	_, errs["notice"] = s.Notice(ctx, "u", none)
	for name, err := range errs {
		if job.CodeOf(err) != job.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// amendsChain: cancelling twice is once, and what ended cannot be cancelled.
func amendsChain(t *testing.T, s Store) {
	c := acceptedChain(t, s)
	cancel := func(c job.Chain) (job.Chain, error) { return job.CancelChain(c, later()) }
	for range 2 {
		got, err := s.AmendChain(context.Background(), c.ID, cancel)
		if err != nil || got.State != job.TrackCancelled || !got.Finished.Equal(later()) {
			t.Fatalf("cancelled %+v, %v", got, err)
		}
		chainRow(t, s, &got)
		c = got
	}
	_, err := s.AmendChain(context.Background(), c.ID, func(c job.Chain) (job.Chain, error) {
		c.Tags[0] = "changed although it was refused"
		return job.RedriveChain(c, later(), time.Minute)
	})
	if job.CodeOf(err) != job.StateConflict {
		t.Errorf("redrive of a cancelled chain: %v", err)
	}
	chainRow(t, s, &c)
}

// crowded lets a crowd do something at once, each with a number of its own.
func crowded(t *testing.T, do func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range crowdSize {
		wg.Go(func() {
			if err := do(i); err != nil {
				t.Errorf("%d of %d: %v", i, crowdSize, err)
			}
		})
	}
	wg.Wait()
}

// chainUnderContention: a decision that was overtaken is made again on the newer row.
func chainUnderContention(t *testing.T, s Store) {
	c := acceptedChain(t, s)
	crowded(t, func(int) error {
		_, err := s.AmendChain(context.Background(), c.ID, func(c job.Chain) (job.Chain, error) {
			return job.ResumeChain(c, later(), time.Minute), nil
		})
		return err //nolint:wrapcheck // the rule prints it
	})
	c.Generation, c.Look = crowdSize, later().Add(time.Minute)
	chainRow(t, s, &c)
}

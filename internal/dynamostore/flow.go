package dynamostore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
)

// chainDoc says how a chain is written.
func chainDoc(id string) kept[job.Chain] {
	k := chainRow(id)
	return kept[job.Chain]{what: "chain " + id, key: k, row: func(c *job.Chain) (writer, error) {
		w, err := document(chainRow(c.ID), c)
		return w.flow(chainsOf(c.Owner), place(c.Created, c.ID), c.Look, c.Finished), err
	}}
}

// flow sets what the indexes and the table's TTL look at.
func (w writer) flow(owner, position string, look, finished time.Time) writer {
	if w == nil {
		return nil
	}
	w.str("own", owner)
	w.str("os", position)
	if look.IsZero() {
		w["ttl"] = num(finished.Add(keepFinal).Unix())
		return w
	}
	w["ok"], w["look"] = str(flowKey), num(ms(look))
	return w
}

// AcceptChain implements flow.Chains.
func (s *Store) AcceptChain(ctx context.Context, c *job.Chain) (job.Chain, bool, error) {
	return acceptDoc(ctx, s, chainDoc(c.ID), c)
}

// Chain implements flow.Chains.
func (s *Store) Chain(ctx context.Context, id string) (job.Chain, error) {
	return findDoc(ctx, s, chainDoc(id))
}

// AmendChain implements flow.Chains.
func (s *Store) AmendChain(ctx context.Context, id string, decide func(job.Chain) (job.Chain, error)) (job.Chain, error) {
	return amendDoc(ctx, s, chainDoc(id), alone(decide))
}

// alone is a decision that nothing else is written with.
func alone[T any](decide func(T) (T, error)) func(T) (T, []types.TransactWriteItem, error) {
	return func(v T) (T, []types.TransactWriteItem, error) {
		next, err := decide(v)
		return next, nil, err
	}
}

// OwnChains implements flow.Chains.
func (s *Store) OwnChains(ctx context.Context, owner, after string, n int) ([]job.Chain, string, error) {
	return listDocs[job.Chain](ctx, s, chainsOf(owner), after, n)
}

// listDocs returns a page of a partition of the owner index, the newest first.
func listDocs[T any](ctx context.Context, s *Store, partition, after string, n int) ([]T, string, error) {
	keys, next, err := s.owned(ctx, partition, after, n)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.rows(ctx, keys)
	if err != nil {
		return nil, "", err
	}
	all := make([]T, 0, len(rows))
	for _, row := range ordered(rows, keys) {
		v, err := undocument[T](row)
		if err != nil {
			return nil, "", err
		}
		all = append(all, v)
	}
	return all, next, nil
}

// OpenFlows implements flow.Open.
func (s *Store) OpenFlows(ctx context.Context, now time.Time, n int) ([]job.Flow, error) {
	rows, err := s.due(ctx, flowKey, now, n)
	flows := make([]job.Flow, 0, len(rows))
	for _, row := range rows {
		r := reader(row)
		if id := nameIn(r.str("pk")); r.str("sk") == "CHAIN" {
			flows = append(flows, job.ChainFlow(id))
		} else {
			flows = append(flows, job.BatchFlow(id))
		}
	}
	return flows, err
}

package dynamostore

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// keepItem is how long the row of an item stays: longer than any batch may go on. It has
// an end from the start, because a request that died half-way leaves items without a batch.
const keepItem = 400 * 24 * time.Hour

// chainDoc says how a chain is written.
func chainDoc(id string) kept[job.Chain] {
	k := key("CHAIN#"+id, "CHAIN")
	return kept[job.Chain]{what: "chain " + id, key: k, row: func(c *job.Chain) (writer, error) {
		w, err := document(key("CHAIN#"+c.ID, "CHAIN"), c)
		return w.flow("CHAINS#"+c.Owner, place(c.Created, c.ID), c.Look, c.Finished), err
	}}
}

// batchDoc says how a batch is written.
func batchDoc(id string) kept[job.Batch] {
	k := key("BATCH#"+id, "BATCH")
	return kept[job.Batch]{what: "batch " + id, key: k, row: func(b *job.Batch) (writer, error) {
		w, err := document(key("BATCH#"+b.ID, "BATCH"), b)
		return w.flow("BATCHES#"+b.Owner, place(b.Created, b.ID), b.Look, b.Finished), err
	}}
}

// itemDoc says how an item is written; see job.Batch for why no other request can write
// over it.
func itemDoc(b *job.Batch, point string) kept[job.Item] {
	k := itemKey(b, point)
	return kept[job.Item]{what: "item " + point, key: k, row: func(it *job.Item) (writer, error) {
		w, err := document(itemKey(b, it.Point), it)
		if err == nil {
			w["ttl"] = num(b.Created.Add(keepItem).Unix())
		}
		return w, err
	}}
}

// itemKey returns the key of a batch's item.
func itemKey(b *job.Batch, point string) item {
	return key("ITEMS#"+b.Partition(), point)
}

// place returns where a row stands in its owner's list, as text that sorts.
func place(created time.Time, id string) string {
	return fmt.Sprintf("%013d#%s", created.UnixMilli(), id)
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
	return listDocs(ctx, s, "CHAINS#"+owner, after, n, func(c *job.Chain) string { return c.ID })
}

// AcceptBatch implements flow.Batches: the items first, because a batch that is there
// vouches for all of them. Items without a batch are found by nobody and expire.
func (s *Store) AcceptBatch(ctx context.Context, b *job.Batch, items []job.Item) (job.Batch, bool, error) {
	if old, err := s.Batch(ctx, b.ID); err == nil {
		return old, true, nil // its items may have moved on: they must not be written again
	} else if job.CodeOf(err) != job.NotFound {
		return *b, false, err
	}
	rows := make([]item, 0, len(items))
	for i := range items {
		w, err := itemDoc(b, items[i].Point).row(&items[i])
		if err != nil {
			return *b, false, err
		}
		rows = append(rows, item(w))
	}
	if err := s.writeAll(ctx, "write items", puts(rows)); err != nil {
		return *b, false, err
	}
	return acceptDoc(ctx, s, batchDoc(b.ID), b)
}

// Batch implements flow.Batches.
func (s *Store) Batch(ctx context.Context, id string) (job.Batch, error) {
	return findDoc(ctx, s, batchDoc(id))
}

// AmendBatch implements flow.Batches.
func (s *Store) AmendBatch(ctx context.Context, id string, decide func(job.Batch) (job.Batch, flow.Change, error)) (job.Batch, error) {
	return amendDoc(ctx, s, batchDoc(id), func(b job.Batch) (job.Batch, []types.TransactWriteItem, error) {
		next, change, err := decide(b)
		if err != nil {
			return next, nil, err
		}
		var with []types.TransactWriteItem
		for _, e := range change.Events {
			with = append(with, s.putEvent(e))
		}
		for i := range change.Items {
			w, err := itemDoc(&next, change.Items[i].Point).row(&change.Items[i])
			if err != nil {
				return next, nil, err
			}
			with = append(with, s.putNew(item(w)))
		}
		return next, with, nil
	})
}

// OwnBatches implements flow.Batches.
func (s *Store) OwnBatches(ctx context.Context, owner, after string, n int) ([]job.Batch, string, error) {
	return listDocs(ctx, s, "BATCHES#"+owner, after, n, func(b *job.Batch) string { return b.ID })
}

// listDocs returns a page of a partition of the owner index, the newest first.
func listDocs[T any](ctx context.Context, s *Store, partition, after string, n int, id func(*T) string) ([]T, string, error) {
	keys, next, err := s.owned(ctx, partition, after, n)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.rows(ctx, keys)
	if err != nil {
		return nil, "", err
	}
	found := map[string]T{}
	for _, row := range rows {
		v, err := undocument[T](row)
		if err != nil {
			return nil, "", err
		}
		found[id(&v)] = v
	}
	all := make([]T, 0, len(keys))
	for _, k := range keys { // rows that are read by their keys come in no order
		if v, ok := found[afterHash(reader(k).str("pk"))]; ok {
			all = append(all, v)
		}
	}
	return all, next, nil
}

// Items implements flow.Items: a consistent query, because what is counted decides
// whether a batch is at its end. An index could miss the last item.
func (s *Store) Items(ctx context.Context, b *job.Batch, after string, n int) ([]job.Item, string, error) {
	expr, consistent, limit := "pk = :pk", true, int32(min(n, 1000)) //nolint:gosec // G115: at most 1000
	values := item{":pk": str("ITEMS#" + b.Partition())}
	if after != "" {
		expr += " AND sk > :after"
		values[":after"] = str(after)
	}
	out, err := s.db.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.table, KeyConditionExpression: &expr, ConsistentRead: &consistent, Limit: &limit, ExpressionAttributeValues: values,
	})
	if err != nil {
		return nil, "", coded("query items", err)
	}
	items := make([]job.Item, 0, len(out.Items))
	for _, row := range out.Items {
		it, err := undocument[job.Item](row)
		if err != nil {
			return nil, "", err
		}
		items = append(items, it)
	}
	return items, reader(out.LastEvaluatedKey).str("sk"), nil
}

// Item implements flow.Items.
func (s *Store) Item(ctx context.Context, b *job.Batch, point string) (job.Item, error) {
	return findDoc(ctx, s, itemDoc(b, point))
}

// AmendItem implements flow.Items.
func (s *Store) AmendItem(ctx context.Context, b *job.Batch, point string, decide func(job.Item) (job.Item, error)) (job.Item, error) {
	return amendDoc(ctx, s, itemDoc(b, point), alone(decide))
}

// OpenFlows implements flow.Open.
func (s *Store) OpenFlows(ctx context.Context, now time.Time, n int) ([]job.Flow, error) {
	rows, err := s.due(ctx, flowKey, now, n)
	flows := make([]job.Flow, 0, len(rows))
	for _, row := range rows {
		r := reader(row)
		if id := afterHash(r.str("pk")); r.str("sk") == "CHAIN" {
			flows = append(flows, job.ChainFlow(id))
		} else {
			flows = append(flows, job.BatchFlow(id))
		}
	}
	return flows, err
}

package dynamostore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orbitq/internal/job"
)

// keepItem is how long the row of an item stays: longer than any batch may go on. It has
// an end from the start, because a request that died half-way leaves items without a batch.
const keepItem = 400 * 24 * time.Hour

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

// Items implements flow.Items: a consistent query, because what is counted decides
// whether a batch is at its end. An index could miss the last item.
func (s *Store) Items(ctx context.Context, b *job.Batch, after string, n int) ([]job.Item, string, error) {
	expr, consistent, limit := "pk = :pk", true, int32(min(n, 1000)) //nolint:gosec // G115: at most 1000
	values := item{":pk": str(itemRows(b))}
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

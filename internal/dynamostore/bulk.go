package dynamostore

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
)

// What DynamoDB does in one request.
const (
	readAtOnce  = 100
	writeAtOnce = 25
)

// turns follows a piece of work for which a table is asked again and again: it hands back
// what it did not come to. What it is asked for in all is no measure of patience, only how
// often in a row it does nothing.
type turns struct {
	what string // rows that are left, such as "unread"
	idle int
}

// next waits before the next request, if the last one was not done as a whole, and gives
// up when a table does nothing any more.
func (t *turns) next(ctx context.Context, s *Store, asked, undone, left int) error {
	if undone < asked {
		t.idle = 0
	} else if t.idle++; t.idle == maxTries {
		return job.Errorf(job.Throttled, "%d rows stayed %s", left, t.what)
	}
	if undone == 0 {
		return nil
	}
	return s.pause(ctx, firstWait<<t.idle)
}

// rows reads rows by their keys, in no order; those that are gone are left out. It may miss
// what was written a moment ago.
func (s *Store) rows(ctx context.Context, keys []item) ([]item, error) {
	return s.readAll(ctx, keys, false)
}

// readAll reads rows by their keys, in no order; those that are gone are left out.
func (s *Store) readAll(ctx context.Context, keys []item, consistent bool) ([]item, error) {
	var all []item
	t := turns{what: "unread"}
	for len(keys) > 0 {
		now := keys[:min(len(keys), readAtOnce)]
		out, err := s.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{s.table: {Keys: now, ConsistentRead: &consistent}},
		})
		if err != nil {
			return nil, coded("read rows", err)
		}
		all = append(all, out.Responses[s.table]...)
		undone := out.UnprocessedKeys[s.table].Keys
		keys = append(slices.Clone(undone), keys[len(now):]...)
		if err := t.next(ctx, s, len(now), len(undone), len(keys)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ordered returns rows that were read by their keys in the order of the keys.
func ordered(rows, keys []item) []item {
	nameOf := func(r item) [2]string { return [2]string{reader(r).str("pk"), reader(r).str("sk")} }
	found := make(map[[2]string]item, len(rows))
	for _, row := range rows {
		found[nameOf(row)] = row
	}
	all := make([]item, 0, len(rows))
	for _, k := range keys {
		if row, ok := found[nameOf(k)]; ok {
			all = append(all, row)
		}
	}
	return all
}

// writeAll writes rows without a condition. A request that is throttled as a whole is
// repeated like any other write.
func (s *Store) writeAll(ctx context.Context, what string, puts []types.WriteRequest) error {
	t := turns{what: "unwritten"}
	for len(puts) > 0 {
		now := puts[:min(len(puts), writeAtOnce)]
		var out *dynamodb.BatchWriteItemOutput
		err := s.repeat(ctx, func() (err error) {
			out, err = s.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{s.table: now}})
			return err //nolint:wrapcheck // wrapped below
		})
		if err != nil {
			return coded(what, err)
		}
		undone := out.UnprocessedItems[s.table]
		puts = append(slices.Clone(undone), puts[len(now):]...)
		if err := t.next(ctx, s, len(now), len(undone), len(puts)); err != nil {
			return err
		}
	}
	return nil
}

// puts are the requests that write rows.
func puts(rows []item) []types.WriteRequest {
	all := make([]types.WriteRequest, len(rows))
	for i := range rows {
		all[i] = types.WriteRequest{PutRequest: &types.PutRequest{Item: rows[i]}}
	}
	return all
}

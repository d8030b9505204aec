package dynamostore

import (
	"context"
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orbitq/internal/job"
	"orbitq/internal/relay"
)

// openIndex is the sparse index of jobs that somebody may have to look at.
const openIndex = "open"

// Due implements relay.Store. The index is read eventually consistent, as indexes
// are: it may show a job that has moved on, or miss one until the next sweep.
func (s *Store) Due(ctx context.Context, shard int, now time.Time, n int) ([]relay.Hint, error) {
	rows, err := s.due(ctx, shardKey(shard), now, n)
	return hintsOf(rows), err
}

// due returns up to n rows of a partition of the open index whose look is not after
// now, the oldest first; the zero time means all.
func (s *Store) due(ctx context.Context, partition string, now time.Time, n int) ([]item, error) {
	in := s.openQuery(partition, min(n, 1000), true)
	if !now.IsZero() {
		expr := *in.KeyConditionExpression + " AND look <= :now"
		in.KeyConditionExpression, in.ExpressionAttributeValues[":now"] = &expr, num(ms(now))
	}
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return nil, coded("query open index", err)
	}
	return out.Items, nil
}

// openQuery returns the query for up to n rows of a partition of the open index, in
// the order of their look or against it.
func (s *Store) openQuery(partition string, n int, forward bool) *dynamodb.QueryInput {
	index, expr, limit := openIndex, "ok = :ok", int32(n) //nolint:gosec // G115: at most 1000
	return &dynamodb.QueryInput{
		TableName: &s.table, IndexName: &index, KeyConditionExpression: &expr, Limit: &limit, ScanIndexForward: &forward,
		ExpressionAttributeValues: item{":ok": str(partition)},
	}
}

// hintsOf reads rows of the open index.
func hintsOf(rows []item) []relay.Hint {
	hints := make([]relay.Hint, 0, len(rows))
	for _, row := range rows {
		r := reader(row)
		hints = append(hints, relay.Hint{ID: nameIn(r.str("pk")), Look: r.time("look")})
	}
	return hints
}

// Peek implements relay.Store: a hundred rows in one request.
func (s *Store) Peek(ctx context.Context, hints []relay.Hint, now time.Time) ([]job.Job, error) {
	keys := make([]item, len(hints))
	for i := range hints {
		keys[i] = jobKey(hints[i].ID)
	}
	rows, err := s.rows(ctx, keys)
	if err != nil {
		return nil, err
	}
	found := make(map[string]job.Job, len(rows))
	for _, row := range rows {
		j := decodeJob(row)
		found[j.ID] = j
	}
	var seen []job.Job
	for _, h := range hints {
		if j, ok := found[h.ID]; ok && j.Look.Equal(h.Look) && job.MayResend(&j, now) {
			seen = append(seen, j)
		}
	}
	return seen, nil
}

// Retake implements relay.Store: the job's own row is written on the condition that
// it is the one that was seen. A random mark (rm) tells a write of ours whose reply
// was lost from that of another relay, which may act on the same hint in the same
// millisecond: each must have a ticket of its own.
func (s *Store) Retake(ctx context.Context, seen *job.Job, slot time.Time, t job.Timing, now time.Time) (job.Job, bool, error) {
	if !job.MayResend(seen, now) {
		return job.Job{}, false, nil
	}
	row, next := encodeJob(seen), job.Resent(*seen, slot, t, now)
	after := encodeJob(&next)
	after["rm"] = float(s.jitter())
	update := s.jobUpdate(next.ID, changeOf(row, after), unchanged(row).and(equals("look", row["look"])))
	err := s.repeat(ctx, func() error { return s.single(ctx, update) })
	if now, moved := oldImage(err); moved {
		return next, reflect.DeepEqual(now, after), nil
	}
	if err != nil {
		return job.Job{}, false, coded("take ticket", err)
	}
	return next, true, nil
}

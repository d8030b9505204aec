package dynamostore

import (
	"context"
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
	index, expr, limit := openIndex, "ok = :shard AND look <= :now", int32(min(n, 1000)) //nolint:gosec // G115: at most 1000
	out, err := s.db.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.table, IndexName: &index, KeyConditionExpression: &expr, Limit: &limit,
		ExpressionAttributeValues: item{":shard": str(shardKey(shard)), ":now": num(ms(now))},
	})
	if err != nil {
		return nil, coded("query open index", err)
	}
	hints := make([]relay.Hint, 0, len(out.Items))
	for _, row := range out.Items {
		r := reader(row)
		hints = append(hints, relay.Hint{ID: afterHash(r.str("pk")), Look: r.time("look")})
	}
	return hints, nil
}

// Retake implements relay.Store: the job's own row is read and then written on
// the condition that it is unchanged; the index row is only a hint. The read is
// what the doubling of the looks costs: resends are rare.
func (s *Store) Retake(ctx context.Context, h relay.Hint, t job.Timing, now time.Time) (job.Job, bool, error) {
	row, err := s.get(ctx, jobKey(h.ID))
	if err != nil || row == nil {
		return job.Job{}, false, err
	}
	j := decodeJob(row)
	if !j.Look.Equal(h.Look) || !job.MayResend(&j, now) {
		return job.Job{}, false, nil
	}
	next := job.Resent(j, t, now)
	w, err := s.replace(ctx, &j, &next, unchanged(row).and(equals("look", row["look"])))
	return next, w.ok && err == nil, err
}

package dynamostore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
	"orbitq/internal/relay"
	"orbitq/internal/usage"
)

// lineIndex is the sparse index of jobs that wait for a slot of the limiter, and of their
// owners.
const lineIndex = "line"

// join enters the owner of a job that is about to stand in line. It comes before the
// job's own write: a job in line whose owner is not entered would wait for ever, an owner
// without jobs is taken out by the relay.
func (s *Store) join(ctx context.Context, j *job.Job) error {
	if !j.AwaitsSlot {
		return nil
	}
	expr := "SET wk = :line, wt = if_not_exists(wt, :first) REMOVE #ttl, gone"
	err := s.repeat(ctx, func() error {
		return s.single(ctx, &types.Update{
			TableName: &s.table, Key: ownerInLine(j.Queue, j.Owner), UpdateExpression: &expr,
			ExpressionAttributeNames:  map[string]string{"#ttl": "ttl"},
			ExpressionAttributeValues: item{":line": str(waitersKey(j.Queue)), ":first": num(0)},
		})
	})
	if err != nil {
		return coded("enter owner in line", err)
	}
	return nil
}

// lineQuery returns up to n rows of a partition of the line, the oldest first.
func (s *Store) lineQuery(ctx context.Context, partition string, until time.Time, n int) ([]item, error) {
	index, expr, most := lineIndex, "wk = :wk AND wt <= :until", int32(min(n, 1000)) //nolint:gosec // G115: at most 1000
	out, err := s.db.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.table, IndexName: &index, KeyConditionExpression: &expr, Limit: &most,
		ExpressionAttributeValues: item{":wk": str(partition), ":until": num(ms(until))},
	})
	if err != nil {
		return nil, coded("query line", err)
	}
	return out.Items, nil
}

// Waiters implements relay.Line.
func (s *Store) Waiters(ctx context.Context, queue string, now time.Time, n int) ([]relay.Waiter, error) {
	rows, err := s.lineQuery(ctx, waitersKey(queue), now, n)
	all := make([]relay.Waiter, 0, len(rows))
	for _, row := range rows {
		r := reader(row)
		all = append(all, relay.Waiter{Owner: nameIn(r.str("pk")), Turn: r.time("wt")})
	}
	return all, err
}

// endOfTime is later than any job.
func endOfTime() time.Time { return time.UnixMilli(1 << 46) }

// InLine implements relay.Line. The index may still show a job that has left the line: the
// rows decide.
func (s *Store) InLine(ctx context.Context, queue, owner string, n int) ([]job.Job, error) {
	hints, err := s.lineQuery(ctx, inLineKey(queue, owner), endOfTime(), n)
	if err != nil || len(hints) == 0 {
		return nil, err
	}
	rows, err := s.readAll(ctx, keysOf(hints), true)
	var all []job.Job
	for _, row := range rows {
		if j := decodeJob(row); j.AwaitsSlot && j.Queue == queue {
			all = append(all, j)
		}
	}
	slices.SortFunc(all, func(a, b job.Job) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return all, err
}

// Served implements relay.Line.
func (s *Store) Served(ctx context.Context, queue, owner string, next time.Time) error {
	_, err := s.inLine(ctx, queue, owner, "attribute_exists(wk)", "SET wt = :next REMOVE gone", item{":next": num(ms(next))})
	return err
}

// Emptied implements relay.Line.
func (s *Store) Emptied(ctx context.Context, queue, owner string, next, now time.Time) error {
	left, err := s.inLine(ctx, queue, owner, "attribute_exists(wk) AND gone <= :before", "SET #ttl = :ttl REMOVE wk, wt, gone", item{
		":before": num(ms(now.Add(-relay.KeepEmpty))), ":ttl": num(now.Add(time.Hour).Unix()),
	})
	if err != nil || left {
		return err
	}
	_, err = s.inLine(ctx, queue, owner, "attribute_exists(wk)", "SET wt = :next, gone = if_not_exists(gone, :now)", item{
		":next": num(ms(next)), ":now": num(ms(now)),
	})
	return err
}

// inLine changes the row of an owner in line under a condition; false means that it did not
// hold.
func (s *Store) inLine(ctx context.Context, queue, owner, guard, expr string, values item) (bool, error) {
	return s.changeIf(ctx, "owner in line", ownerInLine(queue, owner), guard, expr, values)
}

// Units implements relay.Line.
func (s *Store) Units(ctx context.Context, j *job.Job, now time.Time) (m job.Meter, limit int, err error) {
	next, err := s.entitled(ctx, j)
	if err != nil {
		return m, 0, err
	}
	if !next.NeedsUnit() {
		return m, job.Unlimited, nil
	}
	m, err = s.Meter(ctx, j.Owner, usage.KeyOf(&next, now))
	return m, next.Limit, err
}

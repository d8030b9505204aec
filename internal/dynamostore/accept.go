package dynamostore

import (
	"context"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/usage"
)

// absent is the condition of every first write.
const absent = "attribute_not_exists(pk)"

// Accept implements intake.Store: one conditional put.
//
// A read before the put would be cheaper for repetitions, but there are few of
// them, and only the condition decides between two requests at once.
func (s *Store) Accept(ctx context.Context, j *job.Job) (job.Job, bool, error) {
	if err := s.join(ctx, j); err != nil {
		return job.Job{}, false, err
	}
	if j.Unique != "" {
		return s.acceptUnique(ctx, j)
	}
	err := s.putUnder(ctx, s.ifFree(encodeJob(j), j))
	if row, ok := oldImage(err); ok {
		return s.first(ctx, row, j)
	}
	if err != nil {
		return job.Job{}, false, coded("put job", err)
	}
	return *j, false, nil
}

// acceptUnique stores a job and takes its unique key, both or neither. If an open
// job holds the key, that one is the answer.
func (s *Store) acceptUnique(ctx context.Context, j *job.Job) (job.Job, bool, error) {
	err := s.transact(ctx, types.TransactWriteItem{Put: s.ifFree(encodeJob(j), j)}, s.lock(j))
	if err == nil {
		return *j, false, nil
	}
	rs, _ := reasons(err)
	if row, ok := refused(rs, 0); ok {
		return s.first(ctx, row, j)
	}
	holder := lockHolder(err)
	if holder == "" {
		return job.Job{}, false, coded("put unique job", err)
	}
	held, err := s.Job(ctx, holder)
	return held, true, err
}

// AcceptPoint implements intake.Store: both rows in one transaction, and a unit of
// the owner's data points, if the plan has a limit for them.
func (s *Store) AcceptPoint(ctx context.Context, p *point.Point, j *job.Job) (point.Point, job.Job, bool, error) {
	items := []types.TransactWriteItem{s.putNew(encodePoint(p))}
	if j.ID != "" {
		if err := s.join(ctx, j); err != nil {
			return point.Point{}, job.Job{}, false, err
		}
		items = append(items, s.putNew(encodeJob(j)))
	}
	meter := len(items)
	limit := usage.Tier(j.Tier).PointLimit()
	if limit != job.Unlimited {
		take, guard := "ADD used :one, taken :one", "attribute_not_exists(taken) OR taken < :limit"
		items = append(items, types.TransactWriteItem{Update: &types.Update{
			TableName: &s.table, Key: meterKey(j.Owner, usage.PointKey(usage.Tier(j.Tier), j.Anchor, p.CreatedAt)),
			UpdateExpression: &take, ConditionExpression: &guard,
			ExpressionAttributeValues: item{":one": num(1), ":limit": num(limit)},
		}})
	}
	err := s.transact(ctx, items...)
	rs, cancelled := reasons(err)
	switch {
	case err == nil:
		return *p, *j, false, nil
	case !cancelled:
		return point.Point{}, job.Job{}, false, coded("put point and job", err)
	}
	// The point decides: both rows have ids from the same request, so there is no
	// job without its point.
	row, ok := refused(rs, 0)
	if _, full := refused(rs, meter); full && !ok {
		return point.Point{}, job.Job{}, false, job.Errorf(job.LimitExceeded, "the plan %s allows %d data points in a cycle", j.Tier, limit)
	}
	if !ok {
		return point.Point{}, job.Job{}, false, coded("put point and job", err)
	}
	if reflect.DeepEqual(row, encodePoint(p)) {
		return *p, *j, false, nil // its own write, as in Accept
	}
	// The job's row may have expired long ago; the point is kept, and so is the
	// answer that it exists.
	old, err := s.Job(ctx, j.ID)
	if err != nil && job.CodeOf(err) != job.NotFound {
		return point.Point{}, job.Job{}, false, err
	}
	return decodePoint(row), old, true, nil
}

// putNew returns the put of a row that must not exist. The old row comes back
// with a refusal, which saves the read that would have to follow.
func (s *Store) putNew(row item) types.TransactWriteItem {
	guard := absent
	return types.TransactWriteItem{Put: &types.Put{
		TableName: &s.table, Item: row, ConditionExpression: &guard,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}

package dynamostore

import (
	"context"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
)

// A request that is answered with the holder of its unique key has no job of its own. If it has
// an Idempotency-Key, its answer stands where its job would: a row of the same key that has the
// holder's id (dup), the hash of the request (bh) and an expiry. So the one condition of an accept
// decides between both, and a repeated request finds the first answer.

// Remember implements intake.Store.
func (s *Store) Remember(ctx context.Context, j, holder *job.Job) (job.Job, error) {
	w := writer(jobKey(j.ID))
	w.str("dup", holder.ID)
	w.str("bh", j.BodyHash)
	w["ttl"] = num(j.Created.Add(job.KeyLife).Unix())
	err := s.putUnder(ctx, s.ifFree(item(w), j))
	if row, ok := oldImage(err); ok {
		first, _, err := s.first(ctx, row, j)
		return first, err
	}
	if err != nil {
		return job.Job{}, coded("put answer", err)
	}
	return *holder, nil
}

// ifFree returns the put of a row under a job's id, on the condition that no job and no answer that
// still counts is there: DynamoDB may remove what has expired two days late.
func (s *Store) ifFree(row item, j *job.Job) *types.Put {
	guard := absent + " OR (attribute_exists(dup) AND #ttl <= :now)"
	return &types.Put{
		TableName: &s.table, Item: row, ConditionExpression: &guard,
		ExpressionAttributeNames:            map[string]string{"#ttl": "ttl"},
		ExpressionAttributeValues:           item{":now": num(j.Created.Unix())},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// first returns the answer to the first request with j's id, from the row under it, and whether
// that was another request than the one at hand.
func (s *Store) first(ctx context.Context, row item, j *job.Job) (job.Job, bool, error) {
	r := reader(row)
	switch {
	case !r.has("dup"):
		// The very same row is this put's own: an earlier try went through and only its reply was
		// lost. Calling it a repetition would leave the message unsent until the relay looks.
		return decodeJob(row), !reflect.DeepEqual(row, encodeJob(j)), nil
	case r.str("bh") != j.BodyHash:
		return job.Job{}, true, job.ErrKeyReused() //nolint:wrapcheck // it has a code and says all
	}
	holder, err := s.Job(ctx, r.str("dup"))
	return holder, true, err
}

// jobRow returns a row of a job; the answer that may stand in its place is no job.
func jobRow(row item) item {
	if reader(row).has("dup") {
		return nil
	}
	return row
}

// getJob reads the row of a job consistently; nil if there is none.
func (s *Store) getJob(ctx context.Context, id string) (item, error) {
	row, err := s.get(ctx, jobKey(id))
	return jobRow(row), err
}

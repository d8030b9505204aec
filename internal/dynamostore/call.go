package dynamostore

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/limit"
)

// keepCall is how long the record of a call is kept.
const keepCall = 90 * 24 * time.Hour

// RecordCalls implements gate.Store: each under its job, 25 in a request.
func (s *Store) RecordCalls(ctx context.Context, calls []limit.Call) error {
	var writes []types.WriteRequest
	for i := range calls {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: encodeCall(&calls[i])}})
	}
	for tries := 0; len(writes) > 0; tries++ {
		if tries > maxTries+len(writes)/25 {
			return fmt.Errorf("%d call records stayed unwritten", len(writes))
		}
		now := writes[:min(len(writes), 25)]
		out, err := s.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{s.table: now}})
		if err != nil {
			return coded("write call records", err)
		}
		writes = append(append([]types.WriteRequest{}, out.UnprocessedItems[s.table]...), writes[len(now):]...)
	}
	return nil
}

// encodeCall returns the row of a call.
func encodeCall(c *limit.Call) item {
	w := writer(key("JOB#"+c.Job, fmt.Sprintf("CALL#%013d#%d#%d", ms(c.At), c.Attempt, c.Sequence)))
	w.str("type", c.Type)
	w["ms"], w["status"] = num(c.Took.Milliseconds()), num(c.Status)
	w["cached"] = &types.AttributeValueMemberBOOL{Value: c.Cached}
	w.str("code", c.Code)
	w["pu"], w["credits"] = float(c.Units), float(c.Credits())
	w.str("who", c.Owner)
	w.str("pt", c.Point)
	w.num("att", c.Attempt)
	w.time("at", c.At)
	w["ttl"] = num(c.At.Add(keepCall).Unix())
	return item(w)
}

// Calls implements query.Store: the calls of a job, the oldest first.
func (s *Store) Calls(ctx context.Context, jobID string) ([]limit.Call, error) {
	rows, err := s.partition(ctx, "JOB#"+jobID, true, 0)
	calls := []limit.Call{}
	for _, row := range rows {
		r := reader(row)
		if r.str("sk") == "JOB" {
			continue
		}
		cached, _ := row["cached"].(*types.AttributeValueMemberBOOL)
		calls = append(calls, limit.Call{
			At: r.time("at"), Took: time.Duration(r.num("ms")) * time.Millisecond, Type: r.str("type"), Cached: cached != nil && cached.Value,
			Status: r.num("status"), Code: r.str("code"), Units: r.float("pu"), Job: jobID, Owner: r.str("who"), Point: r.str("pt"), Attempt: r.num("att"),
		})
	}
	return calls, err
}

package dynamostore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/limit"
)

// keepCall is how long the record of a call is kept.
const keepCall = 90 * 24 * time.Hour

// RecordCalls implements gate.Store: each under its job, 25 in a request.
func (s *Store) RecordCalls(ctx context.Context, calls []limit.Call) error {
	rows := make([]item, len(calls))
	for i := range calls {
		rows[i] = encodeCall(&calls[i])
	}
	return s.writeAll(ctx, "write call records", puts(rows))
}

// encodeCall returns the row of a call.
func encodeCall(c *limit.Call) item {
	w := writer(callKey(c))
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
	rows, err := s.partition(ctx, jobRows(jobID), true, 0)
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

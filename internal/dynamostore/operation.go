package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
)

// SaveOperation implements deadletter.Operations. As at the door, a random mark tells
// a write of ours whose reply was lost from that of another driver.
func (s *Store) SaveOperation(ctx context.Context, o *deadletter.Operation) (bool, error) {
	text, err := json.Marshal(o) //nolint:musttag // only Operation reads it
	if err != nil {
		return false, fmt.Errorf("encode operation: %w", err)
	}
	w := writer(operationRow(o.ID))
	w.str("op", string(text))
	w.num("ver", o.Version)
	mark := strconv.FormatFloat(s.jitter(), 'g', -1, 64)
	w.str("rm", mark)
	if o.State == deadletter.OperationRunning {
		// Each step moves the place to the end: no operation stands in front of the others for ever.
		w["ok"], w["look"] = str(operationKey), num(ms(o.Updated))
		w["own"], w["os"] = str(operationsKey(o.Owner)), str(o.ID)
	} else {
		w["ttl"] = num(o.Updated.Add(keepFinal).Unix())
	}
	guard, values := "ver = :last", item{":last": num(o.Version - 1)}
	if o.Version == 1 {
		guard, values = absent, nil
	}
	err = s.put(ctx, &types.Put{
		TableName: &s.table, Item: item(w), ConditionExpression: &guard, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if row, taken := oldImage(err); taken {
		return reader(row).str("rm") == mark && reader(row).num("ver") == o.Version, nil
	}
	if err != nil {
		return false, coded("save operation", err)
	}
	return true, nil
}

// Operation implements deadletter.Operations.
func (s *Store) Operation(ctx context.Context, id string) (deadletter.Operation, error) {
	row, err := s.get(ctx, operationRow(id))
	if err != nil {
		return deadletter.Operation{}, err
	}
	if row == nil {
		return deadletter.Operation{}, job.Errorf(job.NotFound, "no operation %s", id)
	}
	var o deadletter.Operation
	if err := json.Unmarshal([]byte(reader(row).str("op")), &o); err != nil { //nolint:musttag // only SaveOperation writes it
		return deadletter.Operation{}, fmt.Errorf("decode operation %s: %w", id, err)
	}
	return o, nil
}

// CountOperations implements deadletter.Operations.
func (s *Store) CountOperations(ctx context.Context, owner string, n int) (int, error) {
	keys, _, err := s.owned(ctx, operationsKey(owner), "", n)
	return len(keys), err
}

// OpenOperations implements deadletter.Operations.
func (s *Store) OpenOperations(ctx context.Context, n int) ([]string, error) {
	rows, err := s.due(ctx, operationKey, time.Time{}, n)
	ids := make([]string, 0, len(rows))
	for _, row := range rows {
		ids = append(ids, nameIn(reader(row).str("pk")))
	}
	return ids, err
}

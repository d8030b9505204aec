package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
)

func operationRow(id string) item { return key("OPERATION#"+id, "OPERATION") }

// SaveOperation implements deadletter.Operations.
func (s *Store) SaveOperation(ctx context.Context, o *deadletter.Operation) (bool, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return false, fmt.Errorf("encode operation: %w", err)
	}
	w := writer(operationRow(o.ID))
	w.str("op", string(text))
	w.num("ver", o.Version)
	if o.State == deadletter.OperationRunning {
		w["ok"], w["look"] = str(operationKey), num(ms(o.Created))
	} else {
		w["ttl"] = num(o.Updated.Add(keepFinal).Unix())
	}
	guard, values := "ver = :last", item{":last": num(o.Version - 1)}
	if o.Version == 1 {
		guard, values = absent, nil
	}
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: item(w), ConditionExpression: &guard, ExpressionAttributeValues: values,
	})
	if _, taken := oldImage(err); taken {
		return false, nil
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
	if err := json.Unmarshal([]byte(reader(row).str("op")), &o); err != nil {
		return deadletter.Operation{}, fmt.Errorf("decode operation %s: %w", id, err)
	}
	return o, nil
}

// OpenOperations implements deadletter.Operations.
func (s *Store) OpenOperations(ctx context.Context, n int) ([]string, error) {
	rows, err := s.due(ctx, operationKey, time.Time{}, n)
	ids := make([]string, 0, len(rows))
	for _, row := range rows {
		ids = append(ids, afterHash(reader(row).str("pk")))
	}
	return ids, err
}

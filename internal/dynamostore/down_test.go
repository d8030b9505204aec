package dynamostore_test

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orbitq/internal/deadletter"
	"orbitq/internal/dynamostore"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/point"
	"orbitq/internal/relay"
	"orbitq/internal/satellite"
)

// down is a client that reaches nothing.
type down struct{ err error }

func (d down) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return nil, d.err
}

func (d down) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return nil, d.err
}

func (d down) UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return nil, d.err
}

func (d down) Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return nil, d.err
}

func (d down) BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	return nil, d.err
}

func (d down) BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return nil, d.err
}

func (d down) TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return nil, d.err
}

// besides calls what serves not the jobs alone: the door, events, books, operations.
func besides(ctx context.Context, s *dynamostore.Store) map[string]func() error {
	now, j := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), job.Job{ID: job.DerivedID("x"), State: job.Queued, Ticket: 1}
	unique := j
	unique.Unique = "k"
	return map[string]func() error{
		"NotePlan":      func() error { _, err := s.NotePlan(ctx, "u", job.Plan{Issued: now}); return err },
		"Plan":          func() error { _, err := s.Plan(ctx, "u"); return err },
		"Remember":      func() error { _, err := s.Remember(ctx, &j, &j); return err },
		"Accept unique": func() error { _, _, err := s.Accept(ctx, &unique); return err },
		"AcceptPoint":   func() error { _, _, _, err := s.AcceptPoint(ctx, &point.Point{ID: j.ID}, &j); return err },
		"Bury":          func() error { _, err := s.Bury(ctx, j.Message(), letter(), now); return err },
		"Due":           func() error { _, err := s.Due(ctx, 0, now, 1); return err },
		"Lapsed":        func() error { _, err := s.Lapsed(ctx, now, 1); return err },
		"Peek":          func() error { _, err := s.Peek(ctx, []relay.Hint{{ID: j.ID}}, now); return err },
		"Retake": func() error {
			_, _, err := s.Retake(ctx, &j, time.Time{}, job.DefaultTiming(), now)
			return err
		},
		"Pending":         func() error { _, _, err := s.Pending(ctx, 0, now, "", 1); return err },
		"MarkDelivered":   func() error { return s.MarkDelivered(ctx, "e", now) },
		"Door":            func() error { _, err := s.Door(ctx); return err },
		"SaveDoor":        func() error { _, _, err := s.SaveDoor(ctx, limit.Row{Version: 1}); return err },
		"RecordCalls":     func() error { return s.RecordCalls(ctx, []limit.Call{{Job: j.ID}}) },
		"Calls":           func() error { _, err := s.Calls(ctx, j.ID); return err },
		"Cached":          func() error { _, _, err := s.Cached(ctx, "h", now); return err },
		"Keep":            func() error { return s.Keep(ctx, "h", satellite.Series{}, now) },
		"Ledger":          func() error { _, _, err := s.Ledger(ctx, "u", "", 1); return err },
		"Poisoned":        func() error { _, err := s.Poisoned(ctx, 1); return err },
		"SaveOperation":   func() error { _, err := s.SaveOperation(ctx, &deadletter.Operation{Version: 1}); return err },
		"Operation":       func() error { _, err := s.Operation(ctx, j.ID); return err },
		"CountOperations": func() error { _, err := s.CountOperations(ctx, "u", 1); return err },
		"OpenOperations":  func() error { _, err := s.OpenOperations(ctx, 1); return err },
		"Token":           func() error { _, _, err := s.Token(ctx); return err },
	}
}

func letter() deadletter.Letter { return deadletter.Letter{MessageID: "m", Body: "x"} }

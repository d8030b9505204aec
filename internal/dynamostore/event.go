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
)

// keepEvent is how long an event is kept after it was told.
const keepEvent = 7 * 24 * time.Hour

// putEvent returns the write of an event. It has no condition: the row that goes
// with it is written once, so the event is, too.
func (s *Store) putEvent(e job.Event) types.TransactWriteItem {
	w := writer(key("EVENT#"+e.ID, "EVENT"))
	w.str("type", e.Type)
	w.time("at", e.At)
	w.str("job", e.Job)
	w["gen"] = num(e.Generation)
	w.str("kd", e.Kind)
	w.str("who", e.Owner)
	w.str("pt", e.Point)
	w.str("q", e.Queue)
	w.str("code", string(e.Code))
	w.str("why", e.Reason)
	w.str("fp", e.Print)
	w.num("att", e.Attempts)
	w["ok"], w["look"] = str(eventKey), num(ms(e.At))
	return types.TransactWriteItem{Put: &types.Put{TableName: &s.table, Item: item(w)}}
}

// decodeEvent reads an event's row.
func decodeEvent(row item) job.Event {
	r := reader(row)
	return job.Event{
		ID: afterHash(r.str("pk")), Type: r.str("type"), At: r.time("at"), Job: r.str("job"), Generation: r.num("gen"),
		Kind: r.str("kd"), Owner: r.str("who"), Point: r.str("pt"), Queue: r.str("q"), Code: job.Code(r.str("code")),
		Reason: r.str("why"), Print: r.str("fp"), Attempts: r.num("att"),
	}
}

// Pending implements relay.Outbox.
func (s *Store) Pending(ctx context.Context, n int) ([]job.Event, error) {
	keys, err := s.due(ctx, eventKey, time.Time{}, n)
	if err != nil {
		return nil, err
	}
	rows, err := s.rows(ctx, keysOf(keys))
	events := make([]job.Event, 0, len(rows))
	for _, row := range rows {
		// The index may still show one that was told.
		if _, pending := row["ok"]; pending {
			events = append(events, decodeEvent(row))
		}
	}
	// Rows that are read by their keys come in no order.
	slices.SortFunc(events, func(a, b job.Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return events, err
}

// Told implements relay.Outbox. The row stays for a while, out of the index.
func (s *Store) Told(ctx context.Context, id string, now time.Time) error {
	expr, names := "SET #ttl = :ttl REMOVE ok, look", map[string]string{"#ttl": "ttl"}
	guard := "attribute_exists(pk)"
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: key("EVENT#"+id, "EVENT"), UpdateExpression: &expr, ConditionExpression: &guard,
		ExpressionAttributeNames: names, ExpressionAttributeValues: item{":ttl": num(now.Add(keepEvent).Unix())},
	})
	if _, gone := oldImage(err); err == nil || gone {
		return nil
	}
	return coded("remove event", err)
}

// Lapsed implements relay.Skipped.
func (s *Store) Lapsed(ctx context.Context, now time.Time, n int) ([]relay.Hint, error) {
	rows, err := s.due(ctx, skippedKey, now, n)
	return hintsOf(rows), err
}

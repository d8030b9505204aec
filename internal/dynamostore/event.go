package dynamostore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/relay"
)

// keepEvent is how long an event is kept after it was told: as long as the batch that shows
// what became of its callbacks.
const keepEvent = keepFinal

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
		Reason: r.str("why"), Print: r.str("fp"), Attempts: r.num("att"), Tries: r.num("tries"),
	}
}

// Pending implements relay.Outbox.
func (s *Store) Pending(ctx context.Context, now time.Time, n int) ([]job.Event, error) {
	keys, err := s.due(ctx, eventKey, now, n)
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
	return s.mailed(ctx, id, pendingEvent, "SET #ttl = :ttl, told = :now REMOVE ok, look, miss", item{
		":ttl": num(now.Add(keepEvent).Unix()), ":now": num(ms(now)),
	})
}

// Missed implements relay.Outbox.
func (s *Store) Missed(ctx context.Context, id, reason string, next, now time.Time) error {
	if next.IsZero() {
		return s.mailed(ctx, id, pendingEvent, "SET #ttl = :ttl, miss = :why REMOVE ok, look ADD tries :one", item{
			":ttl": num(now.Add(keepFinal).Unix()), ":why": str(reason), ":one": num(1),
		})
	}
	// Another relay may have told it meanwhile: then it is not pending any more. And a write
	// that is repeated because its reply was lost must not count the same try again.
	return s.mailed(ctx, id, pendingEvent+" AND look <> :next", "SET look = :next, miss = :why ADD tries :one", item{
		":next": num(ms(next)), ":why": str(reason), ":one": num(1),
	})
}

// pendingEvent is the condition that an event is still to be told.
const pendingEvent = "attribute_exists(ok)"

// mailed changes the row of an event under a condition; if that fails, there is nothing to
// change any more.
func (s *Store) mailed(ctx context.Context, id, guard, expr string, values item) error {
	names := map[string]string(nil)
	if strings.Contains(expr, "#ttl") {
		names = map[string]string{"#ttl": "ttl"}
	}
	err := s.repeat(ctx, func() error {
		_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &s.table, Key: key("EVENT#"+id, "EVENT"), UpdateExpression: &expr, ConditionExpression: &guard,
			ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		})
		return err //nolint:wrapcheck // decided and wrapped below
	})
	if _, gone := oldImage(err); err == nil || gone {
		return nil
	}
	return coded("change event", err)
}

// Deliveries implements flow.Mail. It reads consistently: the callbacks of a batch are
// looked for as soon as it has closed.
func (s *Store) Deliveries(ctx context.Context, ids []string) ([]flow.Delivery, error) {
	keys := make([]item, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, key("EVENT#"+id, "EVENT"))
	}
	rows, err := s.readAll(ctx, keys, true)
	all := make([]flow.Delivery, 0, len(rows))
	for _, row := range rows {
		r := reader(row)
		all = append(all, flow.Delivery{Event: decodeEvent(row), Tries: r.num("tries"), Told: r.time("told"), Next: r.time("look"), Reason: r.str("miss")})
	}
	return all, err
}

// Lapsed implements relay.Skipped.
func (s *Store) Lapsed(ctx context.Context, now time.Time, n int) ([]relay.Hint, error) {
	rows, err := s.due(ctx, skippedKey, now, n)
	return hintsOf(rows), err
}

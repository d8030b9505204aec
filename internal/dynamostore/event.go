package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/outbox"
	"orbitq/internal/relay"
)

// keepEvent is how long an event is kept after it was told: as long as the batch that shows
// what became of its callbacks.
const keepEvent = keepFinal

// putEvent returns the write of an event. It has no condition: the row that goes
// with it is written once, so the event is, too.
func (s *Store) putEvent(e job.Event) types.TransactWriteItem {
	w := writer(eventRow(e.ID))
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
	w["ok"], w["look"] = str(laneKey(e.Lane())), num(ms(e.At))
	return types.TransactWriteItem{Put: &types.Put{TableName: &s.table, Item: item(w)}}
}

// decodeEvent reads an event's row.
func decodeEvent(row item) job.Event {
	r := reader(row)
	return job.Event{
		ID: nameIn(r.str("pk")), Type: r.str("type"), At: r.time("at"), Job: r.str("job"), Generation: r.num("gen"),
		Kind: r.str("kd"), Owner: r.str("who"), Point: r.str("pt"), Queue: r.str("q"), Code: job.Code(r.str("code")),
		Reason: r.str("why"), Print: r.str("fp"), Attempts: r.num("att"), Tries: r.num("tries"),
	}
}

// Pending implements outbox.Store. A position is the place of a row in the index.
func (s *Store) Pending(ctx context.Context, lane int, now time.Time, after string, n int) ([]job.Event, string, error) {
	in := s.openQuery(laneKey(lane), min(n, 1000), true)
	if !now.IsZero() {
		expr := *in.KeyConditionExpression + " AND look <= :now"
		in.KeyConditionExpression, in.ExpressionAttributeValues[":now"] = &expr, num(ms(now))
	}
	if look, id, found := strings.Cut(after, "#"); found {
		in.ExclusiveStartKey = eventRow(id)
		in.ExclusiveStartKey["ok"], in.ExclusiveStartKey["look"] = str(laneKey(lane)), &types.AttributeValueMemberN{Value: look}
	}
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return nil, "", coded("query open index", err)
	}
	rows, err := s.rows(ctx, keysOf(out.Items))
	if err != nil {
		return nil, "", err
	}
	events := make([]job.Event, 0, len(rows))
	for _, row := range ordered(rows, out.Items) {
		if row["ok"] != nil { // the index may still show one that was delivered
			events = append(events, decodeEvent(row))
		}
	}
	next := ""
	if last := reader(out.LastEvaluatedKey); len(last) > 0 {
		next = strconv.FormatInt(ms(last.time("look")), 10) + "#" + nameIn(last.str("pk"))
	}
	return events, next, nil
}

// MarkDelivered implements outbox.Store. The row stays for a while, out of the index.
func (s *Store) MarkDelivered(ctx context.Context, id string, now time.Time) error {
	return s.mailed(ctx, id, pendingEvent, "SET #ttl = :ttl, told = :now REMOVE ok, look, miss", item{
		":ttl": num(now.Add(keepEvent).Unix()), ":now": num(ms(now)),
	})
}

// MarkFailed implements outbox.Store.
func (s *Store) MarkFailed(ctx context.Context, id, reason string, next, now time.Time) error {
	if next.IsZero() {
		return s.mailed(ctx, id, pendingEvent, "SET #ttl = :ttl, miss = :why REMOVE ok, look ADD tries :one", item{
			":ttl": num(now.Add(keepFinal).Unix()), ":why": str(reason), ":one": num(1),
		})
	}
	// Another relay may have delivered it meanwhile: then it is not pending any more. And a
	// write that is repeated because its reply was lost must not count the same try again.
	return s.mailed(ctx, id, pendingEvent+" AND look <> :next", "SET look = :next, miss = :why ADD tries :one", item{
		":next": num(ms(next)), ":why": str(reason), ":one": num(1),
	})
}

// Postpone implements outbox.Store.
func (s *Store) Postpone(ctx context.Context, id string, next time.Time) error {
	return s.mailed(ctx, id, pendingEvent, "SET look = :next", item{":next": num(ms(next))})
}

// keepReceivers is how long it is kept after the last change; it is worth nothing by then.
const keepReceivers = 24 * time.Hour

// Receivers implements outbox.Receivers.
func (s *Store) Receivers(ctx context.Context, owner string) (outbox.Breakers, error) {
	row, err := s.get(ctx, receiversKey(owner))
	if err != nil || row == nil {
		return outbox.Breakers{}, err
	}
	var b outbox.Breakers
	if err := json.Unmarshal([]byte(reader(row).str("hosts")), &b); err != nil {
		return nil, fmt.Errorf("decode receivers of %s: %w", owner, err)
	}
	return b, nil
}

// SaveReceivers implements outbox.Receivers. It has no condition: of two writers at once the
// last one is right enough.
func (s *Store) SaveReceivers(ctx context.Context, owner string, b outbox.Breakers, now time.Time) error {
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode receivers: %w", err)
	}
	w := writer(receiversKey(owner))
	w.str("hosts", string(text))
	w["ttl"] = num(now.Add(keepReceivers).Unix())
	if err := s.putUnder(ctx, &types.Put{TableName: &s.table, Item: item(w)}); err != nil {
		return coded("save receivers", err)
	}
	return nil
}

// pendingEvent is the condition that an event is still to be told.
const pendingEvent = "attribute_exists(ok)"

// mailed changes the row of an event under a condition; if that fails, there is nothing to
// change any more.
func (s *Store) mailed(ctx context.Context, id, guard, expr string, values item) error {
	_, err := s.changeIf(ctx, "event", eventRow(id), guard, expr, values)
	return err
}

// Deliveries implements flow.Mail. It reads consistently: the callbacks of a batch are
// looked for as soon as it has closed.
func (s *Store) Deliveries(ctx context.Context, ids []string) ([]flow.Delivery, error) {
	keys := make([]item, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, eventRow(id))
	}
	rows, err := s.readAll(ctx, keys, true)
	all := make([]flow.Delivery, 0, len(rows))
	for _, row := range rows {
		r := reader(row)
		all = append(all, flow.Delivery{Event: decodeEvent(row), Tries: r.num("tries"), Delivered: r.time("told"), Next: r.time("look"), Reason: r.str("miss")})
	}
	return all, err
}

// Lapsed implements relay.Skipped.
func (s *Store) Lapsed(ctx context.Context, now time.Time, n int) ([]relay.Hint, error) {
	rows, err := s.due(ctx, skippedKey, now, n)
	return hintsOf(rows), err
}

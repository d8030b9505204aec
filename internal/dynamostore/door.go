package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/limit"
)

// Door implements gate.Store.
func (s *Store) Door(ctx context.Context) (limit.Row, error) {
	row, err := s.get(ctx, doorKey())
	if err != nil {
		return limit.Row{}, err
	}
	return decodeDoor(row), nil
}

// SaveDoor implements gate.Store. A refusal brings the row that is in the way, so
// that the next try needs no read. A random mark (rm) tells a write of ours whose
// reply was lost from that of another worker: two that book the next slot in the same
// moment would write the very same row, and both believe that the slot is theirs.
func (s *Store) SaveDoor(ctx context.Context, next limit.Row) (limit.Row, bool, error) {
	text, err := encodeDoor(&next)
	if err != nil {
		return limit.Row{}, false, err
	}
	mark := strconv.FormatFloat(s.jitter(), 'g', -1, 64)
	expr, guard := "SET ver = :next, door = :door, rm = :mark", "ver = :last"
	values := item{":next": num(next.Version), ":door": str(text), ":mark": str(mark), ":last": num(next.Version - 1)}
	if next.Version == 1 {
		guard = "attribute_not_exists(ver)"
		delete(values, ":last")
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: doorKey(), UpdateExpression: &expr, ConditionExpression: &guard, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if row, taken := oldImage(err); taken {
		if reader(row).str("rm") == mark && reader(row).str("door") == text {
			return next, true, nil
		}
		return decodeDoor(row), false, nil
	}
	if err != nil {
		return limit.Row{}, false, coded("write limiter", err)
	}
	return next, true, nil
}

// doorRow is the limiter's row as text: times in milliseconds, so that thirty slots
// and all the rest stay under one write unit.
type doorRow struct {
	Shared   []int64 `json:"s,omitempty"`
	Reserved []int64 `json:"h,omitempty"`
	Failures []int64 `json:"f,omitempty"`
	Until    int64   `json:"u,omitempty"`
	Probe    int64   `json:"p,omitempty"`
	Month    string  `json:"m,omitempty"`
	Requests int     `json:"r,omitempty"`
	Units    float64 `json:"pu,omitempty"`
	Closed   bool    `json:"c,omitempty"`
}

// encodeDoor writes the limiter's row.
func encodeDoor(r *limit.Row) (string, error) {
	text, err := json.Marshal(doorRow{
		Shared: millis(r.Shared), Reserved: millis(r.Reserved), Failures: millis(r.Breaker.Failures),
		Until: milli(r.Breaker.Until), Probe: milli(r.Breaker.Probe),
		Month: r.Budget.Month, Requests: r.Budget.Requests, Units: r.Budget.Units, Closed: r.Budget.Closed,
	})
	if err != nil {
		return "", fmt.Errorf("encode the limiter's row: %w", err)
	}
	return string(text), nil
}

// decodeDoor reads the limiter's row; a missing one is the zero row, which admits
// like one that nobody has used for long.
func decodeDoor(row item) limit.Row {
	var d doorRow
	out := limit.Row{Version: reader(row).num("ver")}
	if err := json.Unmarshal([]byte(reader(row).str("door")), &d); err != nil {
		return out
	}
	out.Shared, out.Reserved = moments(d.Shared), moments(d.Reserved)
	out.Breaker = limit.Breaker{Failures: moments(d.Failures), Until: moment(d.Until), Probe: moment(d.Probe)}
	out.Budget = limit.Budget{Month: d.Month, Requests: d.Requests, Units: d.Units, Closed: d.Closed}
	return out
}

// milli is a time as the row holds it; the zero time is 0.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return ms(t)
}

// moment is the time that milli wrote.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// millis is a lane as the row holds it.
func millis(all []time.Time) []int64 {
	var out []int64
	for _, t := range all {
		out = append(out, milli(t))
	}
	return out
}

// moments is the lane that millis wrote.
func moments(all []int64) []time.Time {
	var out []time.Time
	for _, n := range all {
		out = append(out, moment(n))
	}
	return out
}

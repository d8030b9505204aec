package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
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

// doorRow is the limiter's row as text. Times are milliseconds, those of bookings and
// waiters after From, so that forty bookings and all the rest stay under two write units.
type doorRow struct {
	From     int64       `json:"o,omitempty"`
	Shared   []bookedRow `json:"s,omitempty"`
	Reserved []bookedRow `json:"h,omitempty"`
	Waiting  []waiterRow `json:"w,omitempty"`
	Failures []int64     `json:"f,omitempty"`
	Until    int64       `json:"u,omitempty"`
	Probe    int64       `json:"p,omitempty"`
	Month    string      `json:"m,omitempty"`
	Requests int         `json:"r,omitempty"`
	Units    float64     `json:"pu,omitempty"`
	Closed   bool        `json:"c,omitempty"`
}

// bookedRow is a booking: "<ms>.<job>.<owner>", with a ! behind it for an allowed call.
type bookedRow string

// waiterRow is an owner that waits: "<ms>.<owner>".
type waiterRow string

// encodeDoor writes the limiter's row.
func encodeDoor(r *limit.Row) (string, error) {
	from := earliest(r)
	booked := func(all []limit.Booking) (rows []bookedRow) {
		for _, b := range all {
			made := ""
			if b.Made {
				made = "!"
			}
			rows = append(rows, bookedRow(fmt.Sprintf("%d.%s.%s%s", ms(b.At)-from, b.Job, b.Owner, made)))
		}
		return rows
	}
	d := doorRow{
		From: from, Shared: booked(r.Shared), Reserved: booked(r.Reserved), Failures: millis(r.Breaker.Failures),
		Until: milli(r.Breaker.Until), Probe: milli(r.Breaker.Probe),
		Month: r.Budget.Month, Requests: r.Budget.Requests, Units: r.Budget.Units, Closed: r.Budget.Closed,
	}
	for _, w := range r.Waiting {
		d.Waiting = append(d.Waiting, waiterRow(fmt.Sprintf("%d.%s", ms(w.Until)-from, w.Owner)))
	}
	text, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("encode the limiter's row: %w", err)
	}
	return string(text), nil
}

// earliest returns the time that others in the row count from.
func earliest(r *limit.Row) (from int64) {
	note := func(t time.Time) {
		if n := ms(t); from == 0 || n < from {
			from = n
		}
	}
	for _, lane := range [][]limit.Booking{r.Shared, r.Reserved} {
		for _, b := range lane {
			note(b.At)
		}
	}
	for _, w := range r.Waiting {
		note(w.Until)
	}
	return from
}

// decodeDoor reads the limiter's row; a missing one is the zero row, which admits
// like one that was not used for long.
func decodeDoor(row item) limit.Row {
	var d doorRow
	out := limit.Row{Version: reader(row).num("ver")}
	if err := json.Unmarshal([]byte(reader(row).str("door")), &d); err != nil {
		return out
	}
	at := func(text string) time.Time {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return time.Time{} // long ago: it takes no place
		}
		return moment(d.From + n)
	}
	booked := func(rows []bookedRow) (all []limit.Booking) {
		for _, row := range rows {
			text, made := strings.CutSuffix(string(row), "!")
			when, who, _ := strings.Cut(text, ".")
			j, owner, _ := strings.Cut(who, ".")
			all = append(all, limit.Booking{At: at(when), Job: j, Owner: owner, Made: made})
		}
		return all
	}
	out.Shared, out.Reserved = booked(d.Shared), booked(d.Reserved)
	for _, row := range d.Waiting {
		when, owner, _ := strings.Cut(string(row), ".")
		out.Waiting = append(out.Waiting, limit.Waiter{Owner: owner, Until: at(when)})
	}
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

// millis are times as the row holds them.
func millis(all []time.Time) []int64 {
	var out []int64
	for _, t := range all {
		out = append(out, milli(t))
	}
	return out
}

// moments are the times that millis wrote.
func moments(all []int64) []time.Time {
	var out []time.Time
	for _, n := range all {
		out = append(out, moment(n))
	}
	return out
}

package dynamostore

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/limit"
	"orbitq/internal/satellite"
)

// doorKey is the row of the provider's limiter, breaker and budget.
func doorKey() item { return key("LIMIT#copernicus-api", "LIMIT") }

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

// Cached implements kinds.Cache. The end is compared here: the table's TTL may be
// days late.
func (s *Store) Cached(ctx context.Context, hash string, now time.Time) (satellite.Series, bool, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: key("CACHE#"+hash, "CACHE")})
	if err != nil {
		return satellite.Series{}, false, coded("read cache", err)
	}
	packed, ok := out.Item["series"].(*types.AttributeValueMemberB)
	if !ok || !now.Before(reader(out.Item).time("until")) {
		return satellite.Series{}, false, nil
	}
	var series satellite.Series
	unpacked, err := gzip.NewReader(bytes.NewReader(packed.Value))
	if err == nil {
		err = json.NewDecoder(io.LimitReader(unpacked, maxCached)).Decode(&series) //nolint:musttag // only Keep writes it
	}
	if err != nil {
		return satellite.Series{}, false, fmt.Errorf("unpack cached series: %w", err)
	}
	return series, true, nil
}

// maxCached is the longest series that is read from the cache, in bytes.
const maxCached = 1 << 20

// Keep implements kinds.Cache. Packed, two weeks of days fit into two write units.
func (s *Store) Keep(ctx context.Context, hash string, series satellite.Series, until time.Time) error {
	var packed bytes.Buffer
	pack := gzip.NewWriter(&packed)
	if err := json.NewEncoder(pack).Encode(series); err != nil { //nolint:musttag // only Cached reads it
		return fmt.Errorf("pack series: %w", err)
	}
	if err := pack.Close(); err != nil {
		return fmt.Errorf("pack series: %w", err)
	}
	w := writer(key("CACHE#"+hash, "CACHE"))
	w["series"] = &types.AttributeValueMemberB{Value: packed.Bytes()}
	w.time("until", until)
	w["ttl"] = num(until.Unix())
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: item(w)})
	if err != nil {
		return coded("keep series", err)
	}
	return nil
}

package dynamostore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/worker"
)

// Record implements worker.Store. The refused item decides, the job's row first, as in
// Settle.
func (s *Store) Record(ctx context.Context, held, ended *job.Job, q *quality.Record, n *job.Notice) (worker.Settlement, error) {
	after := encodeJob(ended)
	items, err := s.recorded(held, ended, q, n)
	if err != nil {
		return worker.LeaseLost, err
	}
	err = s.transact(ctx, items...)
	if err == nil {
		return worker.Written, nil
	}
	rs, _ := reasons(err)
	if row, ok := refused(rs, 0); ok {
		if landed(row, after) {
			return worker.Written, nil
		}
		return s.lost(row), nil
	}
	if row, ok := refused(rs, 1); ok {
		if q != nil && q.AutoApproved && reader(row).num("rev") == q.Revision {
			judged := *q // by a person, who was quicker: rules have the first word, not the last
			judged.AutoApproved = false
			return s.Record(ctx, held, ended, &judged, n)
		}
		return worker.Duplicate, nil // told before, or about a reading that is not so any more
	}
	w, err := s.readBack(ctx, held.ID, after, err)
	if err != nil || !w.ok {
		return worker.LeaseLost, err
	}
	return worker.Written, nil
}

// recorded returns what is written with the end of a job; a verdict or a notice comes
// second.
func (s *Store) recorded(held, ended *job.Job, q *quality.Record, n *job.Notice) ([]types.TransactWriteItem, error) {
	after := encodeJob(ended)
	items := []types.TransactWriteItem{{Update: s.jobUpdate(held.ID, changeOf(encodeJob(held), after), mine(held))}}
	if q != nil {
		w, err := document(qualityKey(q.Point, q.Revision), q)
		if err != nil {
			return nil, err
		}
		items = append(items, s.stillRevision(q, ended.Finished), types.TransactWriteItem{Put: &types.Put{TableName: &s.table, Item: item(w)}})
	}
	if n != nil {
		put, err := s.putNotice(n)
		if err != nil {
			return nil, err
		}
		items = append(items, put...)
	}
	items = append(items, s.besides(held, ended)...)
	if held.UsageKey != "" && ended.UsageKey == "" {
		items = append(items, s.giveBack(held)) // nothing of this is billed
	}
	return items, nil
}

// stillRevision is the condition that a reading is still the one that was analysed; if the
// rules approve it by themselves, it is approved with it, unless a person has judged it.
func (s *Store) stillRevision(q *quality.Record, now time.Time) types.TransactWriteItem {
	guard, values := "rev = :rev", item{":rev": num(q.Revision)}
	if !q.AutoApproved {
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &s.table, Key: pointKey(q.Point), ConditionExpression: &guard, ExpressionAttributeValues: values,
		}}
	}
	// A reading that waits for a review has no status.
	guard += " AND attribute_not_exists(#status)"
	expr := "SET #status = :approved, rvat = :now"
	values[":approved"], values[":now"] = str(string(point.Approved)), num(ms(now))
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: pointKey(q.Point), UpdateExpression: &expr, ConditionExpression: &guard,
		ExpressionAttributeNames: map[string]string{"#status": "status"}, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}

// Quality implements kinds.Readings: what the rules say about a revision, or nil.
func (s *Store) Quality(ctx context.Context, point string, revision int) (*quality.Record, error) {
	row, err := s.get(ctx, qualityKey(point, revision))
	if err != nil || row == nil {
		return nil, err
	}
	q, err := undocument[quality.Record](row)
	return &q, err
}

// reviewed returns the write of a point's review: all of it is set or removed, because the
// row may still have an earlier one.
func (s *Store) reviewed(p *point.Point) types.TransactWriteItem {
	row, before, after := encodePoint(p), item{}, item{}
	for _, name := range []string{"status", "rvat", "rvnotes"} {
		before[name] = str("?") // differs from every review
		if v, ok := row[name]; ok {
			after[name] = v
		}
	}
	ch, c := changeOf(before, after), equals("rev", num(p.Revision))
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: pointKey(p.ID), UpdateExpression: &ch.expr, ConditionExpression: &c.expr,
		ExpressionAttributeNames: merged(ch.names, c.names), ExpressionAttributeValues: merged(ch.values, c.values),
	}}
}

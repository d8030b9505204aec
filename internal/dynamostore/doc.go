package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
)

// A document is a row that one value fills as text (doc), with a version that every write
// raises (ver) and the random marks of the last writes (rm), which tell a write of ours whose
// reply was lost from those of others, also when somebody else has written since. Chains, batches and their items are documents: each
// is small, changes seldom, and is decided upon as a whole.

// document returns the row of a value, without what an index needs.
func document(k item, v any) (writer, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode row: %w", err)
	}
	w := writer(k)
	w.str("doc", string(text))
	w.num("ver", 1)
	return w, nil
}

// undocument reads the value of a row.
func undocument[T any](row item) (v T, err error) {
	if err := json.Unmarshal([]byte(reader(row).str("doc")), &v); err != nil {
		return v, fmt.Errorf("decode row: %w", err)
	}
	return v, nil
}

// kept says how a kind of document is written.
type kept[T any] struct {
	what string
	key  item
	row  func(v *T) (writer, error)
}

// findDoc returns a document, or a NotFound error.
func findDoc[T any](ctx context.Context, s *Store, d kept[T]) (v T, err error) {
	row, err := s.get(ctx, d.key)
	if err != nil {
		return v, err
	}
	if row == nil {
		return v, job.Errorf(job.NotFound, "no %s", d.what)
	}
	return undocument[T](row)
}

// acceptDoc stores a new document; one that exists already is returned, with true.
func acceptDoc[T any](ctx context.Context, s *Store, d kept[T], v *T) (T, bool, error) {
	w, err := d.row(v)
	if err != nil {
		return *v, false, err
	}
	guard := absent
	mark := s.mark(w, nil)
	err = s.putUnder(ctx, &types.Put{
		TableName: &s.table, Item: item(w), ConditionExpression: &guard,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	row, exists := oldImage(err)
	switch {
	case exists && !marked(row, mark):
		old, err := undocument[T](row)
		return old, true, err
	case err != nil && !exists:
		return *v, false, coded("put "+d.what, err)
	default:
		return *v, false, nil
	}
}

// keepMarks is how many writes a row remembers: more than a crowd makes while one of its
// members repeats a write.
const keepMarks = 16

// mark gives a row the random mark of this write, beside those of the writes before it.
func (s *Store) mark(w writer, before item) string {
	mark := strconv.FormatInt(int64(s.jitter()*(1<<40)), 36)
	marks := append(strings.Fields(reader(before).str("rm")), mark)
	w.str("rm", strings.Join(marks[max(len(marks)-keepMarks, 0):], " "))
	return mark
}

// marked reports whether a write with the mark went into a row.
func marked(row item, mark string) bool {
	return slices.Contains(strings.Fields(reader(row).str("rm")), mark)
}

// amendDoc replaces a document by what decide says about it, together with other writes,
// on the condition that it is still the one that was decided upon; else it is decided
// again, a little later: one of a crowd wins each race, and all the others would race on.
// What decide leaves as it is, is not written.
func amendDoc[T any](ctx context.Context, s *Store, d kept[T], decide func(T) (T, []types.TransactWriteItem, error)) (T, error) {
	var none T
	for tries := range maxTries {
		if err := s.unlessFirst(ctx, tries); err != nil {
			return none, err
		}
		row, err := s.get(ctx, d.key)
		if err != nil {
			return none, err
		}
		if row == nil {
			return none, job.Errorf(job.NotFound, "no %s", d.what)
		}
		seen, err := undocument[T](row)
		if err != nil {
			return none, err
		}
		next, with, err := decide(seen)
		if err != nil {
			return seen, err
		}
		if len(with) == 0 && reflect.DeepEqual(seen, next) {
			return seen, nil
		}
		won, err := replaceDoc(ctx, s, d, row, &next, with)
		if err != nil || won {
			return next, err
		}
	}
	return none, job.Errorf(job.Throttled, "%s changed %d times while it was decided upon", d.what, maxTries)
}

// replaceDoc writes the next version of a document; false means that it changed meanwhile.
func replaceDoc[T any](ctx context.Context, s *Store, d kept[T], seen item, next *T, with []types.TransactWriteItem) (bool, error) {
	w, err := d.row(next)
	if err != nil {
		return false, err
	}
	ver := reader(seen).num("ver")
	w["ver"] = num(ver + 1)
	mark := s.mark(w, seen)
	guard, values := "ver = :last", item{":last": num(ver)}
	put := &types.Put{
		TableName: &s.table, Item: item(w), ConditionExpression: &guard, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if len(with) > 0 {
		err = s.transact(ctx, append([]types.TransactWriteItem{{Put: put}}, with...)...)
	} else {
		err = s.putUnder(ctx, put)
	}
	row, moved := firstRefused(err)
	if moved || err != nil && !anyRefused(err) {
		return s.ours(ctx, d.key, row, mark, err)
	}
	if err != nil {
		return false, job.Errorf(job.StateConflict, "one of the items is in the batch already")
	}
	return true, nil
}

// put sends a put that stands alone.
func (s *Store) put(ctx context.Context, p *types.Put) error {
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: p.TableName, Item: p.Item, ConditionExpression: p.ConditionExpression,
		ExpressionAttributeNames: p.ExpressionAttributeNames, ExpressionAttributeValues: p.ExpressionAttributeValues,
		ReturnValuesOnConditionCheckFailure: p.ReturnValuesOnConditionCheckFailure,
	})
	return err //nolint:wrapcheck // the callers decide by the error's type and wrap it
}

// putUnder sends a put that stands alone, again while it only loses races.
func (s *Store) putUnder(ctx context.Context, p *types.Put) error {
	return s.repeat(ctx, func() error { return s.put(ctx, p) })
}

// ours settles a write that was refused, or whose reply was lost: if the row has the mark
// of the write, it went through.
func (s *Store) ours(ctx context.Context, k, row item, mark string, cause error) (bool, error) {
	refusedNow := row != nil
	if !refusedNow {
		var err error
		if row, err = s.get(ctx, k); err != nil {
			return false, coded("write row", cause)
		}
	}
	if marked(row, mark) {
		return true, nil
	}
	if refusedNow {
		return false, nil
	}
	return false, coded("write row", cause)
}

// anyRefused reports whether the condition of any item of a transaction failed.
func anyRefused(err error) bool {
	rs, _ := reasons(err)
	for i := range rs {
		if _, ok := refused(rs, i); ok {
			return true
		}
	}
	return false
}

package dynamostore

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
)

// written is what became of a conditional write of a job's row.
type written struct {
	ok     bool
	row    item   // the row as it stands when ok is false; nil if there is none
	holder string // the job that holds next's unique key, if that is in the way
}

// replace writes next over old under a condition, and in the same transaction what
// goes with it: a reservation that is given up, a unique key that is taken or freed,
// the event of a death.
//
// A condition may fail because an earlier try of the same write went through and
// only its reply was lost; then the row already equals next, and that counts as
// written.
func (s *Store) replace(ctx context.Context, old, next *job.Job, c condition) (written, error) {
	if err := s.join(ctx, next); err != nil {
		return written{}, err
	}
	before, after := encodeJob(old), encodeJob(next)
	update := s.jobUpdate(next.ID, changeOf(before, after), c)
	// A transaction costs twice a single write, so it is made only when something
	// goes with the row.
	with := s.besides(old, next)
	if old.UsageKey != "" && next.UsageKey == "" {
		with = append(with, s.giveBack(old))
	}
	var err error
	if len(with) > 0 {
		err = s.transact(ctx, append([]types.TransactWriteItem{{Update: update}}, with...)...)
	} else {
		err = s.repeat(ctx, func() error { return s.single(ctx, update) })
	}
	row, failed := firstRefused(err)
	switch {
	case err == nil:
		return written{ok: true}, nil
	case failed:
		return written{ok: landed(row, after), row: row}, nil
	}
	if holder := lockHolder(err); holder != "" {
		return written{holder: holder}, nil
	}
	return s.readBack(ctx, next.ID, after, err)
}

// besides returns what has to be written together with a change of a job's row: its
// unique key first, then the event of its death.
func (s *Store) besides(old, next *job.Job) []types.TransactWriteItem {
	var with []types.TransactWriteItem
	if next.Unique != "" && old.State.Open() != next.State.Open() {
		with = append(with, s.lock(next))
	}
	if next.State == job.Dead && old.State != job.Dead {
		with = append(with, s.putEvent(job.Death(next)))
	}
	return with
}

// readBack settles a write whose reply was lost: if the row is what was to be
// written, the write went through; otherwise cause stands.
func (s *Store) readBack(ctx context.Context, id string, after item, cause error) (written, error) {
	row, err := s.get(ctx, jobKey(id))
	if err == nil && landed(row, after) {
		return written{ok: true}, nil
	}
	return written{}, fmt.Errorf("write job %s: %w", id, coded("update row", cause))
}

// landed reports whether row is what a write was to make of it. Ticket, resends and
// the relay's mark do not count: the relay may have sent again since, or a little before.
func landed(row, after item) bool {
	if len(row) == 0 {
		return false
	}
	row, after = maps.Clone(row), maps.Clone(after)
	for _, name := range []string{"tk", "rs", "rm"} {
		delete(row, name)
		delete(after, name)
	}
	return reflect.DeepEqual(row, after)
}

// jobUpdate returns the update of a job's row.
func (s *Store) jobUpdate(id string, ch change, c condition) *types.Update {
	return &types.Update{
		TableName: &s.table, Key: jobKey(id),
		UpdateExpression: &ch.expr, ConditionExpression: &c.expr,
		ExpressionAttributeNames:            merged(ch.names, c.names),
		ExpressionAttributeValues:           merged(ch.values, c.values),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// single sends an update that stands alone: half the price of a transaction.
func (s *Store) single(ctx context.Context, u *types.Update) error {
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: u.TableName, Key: u.Key, UpdateExpression: u.UpdateExpression, ConditionExpression: u.ConditionExpression,
		ExpressionAttributeNames: u.ExpressionAttributeNames, ExpressionAttributeValues: u.ExpressionAttributeValues,
		ReturnValuesOnConditionCheckFailure: u.ReturnValuesOnConditionCheckFailure,
	})
	return err //nolint:wrapcheck // the callers decide by the error's type and wrap it
}

// changeIf changes a row under a condition, again while it only loses races, and reports whether
// the condition held. what names the row in errors.
func (s *Store) changeIf(ctx context.Context, what string, key item, guard, expr string, values item) (bool, error) {
	u := &types.Update{TableName: &s.table, Key: key, UpdateExpression: &expr, ConditionExpression: &guard, ExpressionAttributeValues: values}
	if strings.Contains(expr, "#ttl") {
		u.ExpressionAttributeNames = map[string]string{"#ttl": "ttl"}
	}
	err := s.repeat(ctx, func() error { return s.single(ctx, u) })
	if _, refused := oldImage(err); refused {
		return false, nil
	}
	if err != nil {
		return false, coded("change "+what, err)
	}
	return true, nil
}

// transact writes all items or none, and repeats what only lost a race.
func (s *Store) transact(ctx context.Context, items ...types.TransactWriteItem) error {
	return s.repeat(ctx, func() error {
		_, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
		return err //nolint:wrapcheck // the callers decide by the error's type and wrap it
	})
}

// giveBack returns a job's reserved unit to the meter it came from. Its guard
// must never fail: it would mean that more was given back than taken.
func (s *Store) giveBack(j *job.Job) types.TransactWriteItem {
	// A comparison with an attribute that does not exist is false.
	expr, guard := "ADD taken :minus", "taken > used OR (attribute_not_exists(used) AND taken > :none)"
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: meterKey(j.Owner, j.UsageKey),
		UpdateExpression: &expr, ConditionExpression: &guard,
		ExpressionAttributeValues: item{":minus": num(-1), ":none": num(0)},
	}}
}

// firstRefused returns the old image of the job's row if its condition failed,
// alone or as the first item of a transaction.
func firstRefused(err error) (item, bool) {
	if row, ok := oldImage(err); ok {
		return row, true
	}
	if rs, ok := reasons(err); ok {
		return refused(rs, 0)
	}
	return nil, false
}

package dynamostore

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// mine is the condition that held's lease is still the row's: the fence that
// keeps a zombie from writing anything.
func mine(held *job.Job) condition {
	return equals("st", str(string(job.Running))).and(equals("gen", num(held.Generation))).and(equals("lt", str(held.Lease)))
}

// Settle implements worker.Store: job, analysis and usage in one transaction.
// The refused item decides, the job's row first.
func (s *Store) Settle(ctx context.Context, held, ended *job.Job, a *satellite.Analysis) (worker.Settlement, error) {
	after := encodeJob(ended)
	// The order is that of the questions below.
	items := append([]types.TransactWriteItem{
		{Update: s.jobUpdate(held.ID, changeOf(encodeJob(held), after), mine(held))},
		s.putNew(ledgered(a, held.Owner)),
		s.bill(held, ended.Finished),
	}, s.besides(held, ended)...)
	err := s.transact(ctx, items...)
	if err == nil {
		return worker.Written, nil
	}
	// In this order, because several may be refused at once: who is not the holder
	// learns nothing from an analysis that exists.
	rs, _ := reasons(err)
	if row, ok := refused(rs, 0); ok {
		if landed(row, after) {
			return worker.Written, nil
		}
		return s.lost(row), nil
	}
	if _, ok := refused(rs, 1); ok {
		return worker.Duplicate, nil
	}
	w, err := s.readBack(ctx, held.ID, after, err)
	if err != nil || !w.ok {
		return worker.LeaseLost, err
	}
	return worker.Written, nil
}

// lost says, as package worker does for every store, what a row means that is not under the caller's lease.
func (s *Store) lost(row item) worker.Settlement {
	j := decodeJob(row)
	return worker.NotMine(&j)
}

// bill counts one unit as used. A reserved unit was taken before; a job of an
// unlimited owner takes it now.
func (s *Store) bill(held *job.Job, now time.Time) types.TransactWriteItem {
	expr, sort := "ADD used :one", held.UsageKey
	if sort == "" {
		expr, sort = "ADD used :one, taken :one", usage.KeyOf(held, now)
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: meterKey(held.Owner, sort),
		UpdateExpression: &expr, ExpressionAttributeValues: item{":one": num(1)},
	}}
}

// Conclude implements worker.Store.
func (s *Store) Conclude(ctx context.Context, held, next *job.Job) (worker.Settlement, error) {
	guard := mine(held)
	if next.Ticket != held.Ticket {
		// A release sends a message with the next ticket: the relay must not
		// have taken it meanwhile.
		guard = guard.and(equals("tk", num(held.Ticket)))
	}
	w, err := s.replace(ctx, held, next, guard)
	switch {
	case err != nil:
		return worker.LeaseLost, fmt.Errorf("conclude: %w", err)
	case w.ok:
		return worker.Written, nil
	default:
		return s.lost(w.row), nil
	}
}

// Bury implements deadletter.Store.
func (s *Store) Bury(ctx context.Context, m job.Message, l deadletter.Letter, now time.Time) (deadletter.Fate, error) {
	// Read first: most letters are looked at again and again and change nothing,
	// and a refused write costs twice what a read does.
	row, err := s.getJob(ctx, m.Job)
	if err != nil {
		return deadletter.Pending, err
	}
	for range maxTries {
		if row == nil {
			return deadletter.Orphan, nil
		}
		j := decodeJob(row)
		if !job.MayBury(&j, m, now) {
			return deadletter.FateOf(&j, m), nil
		}
		next := job.BuriedUnreported(j, m, l.Sent, l.Receives, now)
		w, err := s.replace(ctx, &j, &next, unchanged(row))
		if err != nil {
			return deadletter.Pending, err
		}
		if w.ok {
			return deadletter.Recorded, nil
		}
		row = w.row
	}
	return deadletter.Pending, nil
}

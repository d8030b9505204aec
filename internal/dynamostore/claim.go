package dynamostore

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
	"orbitq/internal/usage"
)

// Claim implements worker.Store: the row is read, package job decides, and the decision is written
// on the condition that the row is still the one that was read.
//
// It used to be one blind write for the common case. But whose job it is, and so under which plan
// it runs, only the row says.
func (s *Store) Claim(ctx context.Context, r job.ClaimRequest) (job.Claim, error) {
	row, err := s.getJob(ctx, r.Message.Job)
	if err != nil {
		return job.Claim{}, fmt.Errorf("claim: %w", err)
	}
	// Each turn decides upon the row as it is now; a turn is lost only to somebody
	// who changed it meanwhile, so that the system as a whole goes on.
	for range maxTries {
		if row == nil {
			return job.Claim{Verdict: job.Orphan, Job: job.Job{ID: r.Message.Job}}, nil
		}
		c, current, err := s.decide(ctx, decodeJob(row), row, r)
		if err != nil || c != nil {
			return deref(c), err
		}
		row = current
	}
	return job.Claim{}, job.Errorf(job.Throttled, "job %s changed %d times while it was claimed", r.Message.Job, maxTries)
}

// deref returns *c, or nothing.
func deref(c *job.Claim) job.Claim {
	if c == nil {
		return job.Claim{}
	}
	return *c
}

// decide writes what package job says about the row. A nil claim means that the
// row changed meanwhile; it is returned as it is now.
func (s *Store) decide(ctx context.Context, j job.Job, row item, r job.ClaimRequest) (*job.Claim, item, error) {
	if j.State == job.Running && j.Lease == r.Lease.Token {
		// An earlier try of this very claim went through; only its reply was lost.
		return &job.Claim{Verdict: job.Run, Job: j}, nil, nil
	}
	v := job.Judge(&j, &r)
	switch v {
	case job.Spent, job.Expired, job.Late:
		code, reason := job.Unrunnable(&j, v)
		return s.write(ctx, job.Carrier, &j, job.Buried(j, code, reason, r.Carried, r.Now), row)
	case job.Revive:
		return s.write(ctx, job.Revive, &j, job.Revived(j, s.timing, r.Now), row)
	case job.Run:
		return s.run(ctx, &j, row, r)
	case job.Drop, job.Hold, job.NotYet, job.Carrier, job.Skip, job.Wait, job.Orphan:
	}
	return &job.Claim{Verdict: v, Job: j}, nil, nil
}

// write replaces the row if it is unchanged.
func (s *Store) write(ctx context.Context, v job.Verdict, old *job.Job, next job.Job, row item) (*job.Claim, item, error) {
	w, err := s.replace(ctx, old, &next, unchanged(row))
	switch {
	case err != nil:
		return nil, nil, err
	case w.holder != "":
		// Its unique key is taken: it stays a dead letter until that is free.
		return &job.Claim{Verdict: job.Carrier, Job: *old}, nil, nil
	case !w.ok:
		return nil, w.row, nil
	}
	return &job.Claim{Verdict: v, Job: next}, nil, nil
}

// run claims a job that may run, under its owner's plan: with a limit it takes a unit.
func (s *Store) run(ctx context.Context, old *job.Job, row item, r job.ClaimRequest) (*job.Claim, item, error) {
	j, err := s.entitled(ctx, old)
	if err != nil {
		return nil, nil, err
	}
	if !j.NeedsUnit() {
		return s.write(ctx, job.Run, old, job.Claimed(j, r.Lease, r.Now), row)
	}
	return s.reserve(ctx, old, j, row, r)
}

// reserve claims the job and takes one unit of its owner, both or neither. A
// full meter decides between waiting and skipping. old is the job of the row, j the same under the
// plan that is in force.
func (s *Store) reserve(ctx context.Context, old *job.Job, j job.Job, row item, r job.ClaimRequest) (*job.Claim, item, error) {
	next := job.Claimed(j, r.Lease, r.Now)
	// The row remembers where the unit was taken: a job that waits over the end of
	// a cycle gives it back there.
	next.UsageKey = usage.KeyOf(&j, r.Now)
	// A limit of zero has no condition that could refuse it: the first write of a
	// meter finds no attribute to compare with.
	meter := job.Meter{}
	if j.Limit > 0 {
		take, guard := "ADD taken :one", "attribute_not_exists(taken) OR taken < :limit"
		err := s.transact(ctx,
			types.TransactWriteItem{Update: s.jobUpdate(j.ID, changeOf(encodeJob(old), encodeJob(&next)), unchanged(row))},
			types.TransactWriteItem{Update: &types.Update{
				TableName: &s.table, Key: meterKey(j.Owner, next.UsageKey),
				UpdateExpression: &take, ConditionExpression: &guard,
				ExpressionAttributeValues:           item{":one": num(1), ":limit": num(j.Limit)},
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}},
		)
		if err == nil {
			return &job.Claim{Verdict: job.Run, Job: next}, nil, nil
		}
		// The job's row decides before the meter: both may refuse at once, and a
		// meter says nothing about a job that is not waiting for it any more.
		rs, _ := reasons(err)
		if current, changed := refused(rs, 0); changed {
			return nil, current, nil
		}
		// The refusal shows the meter as it was at that moment, so waiting and
		// skipping are decided upon without another read.
		full, ok := refused(rs, 1)
		if !ok {
			return nil, nil, fmt.Errorf("reserve unit: %w", coded("claim job", err))
		}
		meter = decodeMeter(full)
	}
	if job.JudgeQuota(meter, j.Limit) == job.Reserved {
		return s.write(ctx, job.Wait, old, job.WaitingForQuota(j, s.timing, r.Now), row)
	}
	return s.write(ctx, job.Skip, old, job.SkippedByQuota(j, usage.CycleOf(&j, r.Now).End, r.Now), row)
}

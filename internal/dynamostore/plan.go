package dynamostore

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
)

// NotePlan implements intake.Plans. Mostly there is nothing to write, so the row is read first. What
// is written replaces the row that was decided upon, or is decided upon again: of two tokens at once
// the newer one stays.
func (s *Store) NotePlan(ctx context.Context, owner string, p job.Plan) (job.Plan, error) {
	row, err := s.get(ctx, planKey(owner))
	if err != nil {
		return job.Plan{}, err
	}
	for range maxTries {
		inForce, note := job.NotePlan(decodePlan(row), p)
		if !note {
			return inForce, nil
		}
		c := equals("pi", row["pi"]).and(equals("lim", row["lim"])) // two tokens of one moment differ in the limit
		err := s.putUnder(ctx, &types.Put{
			TableName: &s.table, Item: encodePlan(owner, p), ConditionExpression: &c.expr,
			ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		if err == nil {
			return inForce, nil
		}
		moved, refused := oldImage(err)
		if !refused {
			return job.Plan{}, coded("put plan", err)
		}
		row = moved
	}
	return job.Plan{}, job.Errorf(job.Throttled, "the owner's plan changed %d times while it was decided upon", maxTries)
}

// Plan implements query.Books.
func (s *Store) Plan(ctx context.Context, owner string) (job.Plan, error) {
	row, err := s.get(ctx, planKey(owner))
	return decodePlan(row), err
}

// entitled returns a job under the newest plan of its owner, which is read if it may count.
func (s *Store) entitled(ctx context.Context, j *job.Job) (job.Job, error) {
	if !j.NeedsPlan() {
		return *j, nil
	}
	known, err := s.Plan(ctx, j.Owner)
	if err != nil {
		return *j, fmt.Errorf("read plan: %w", err)
	}
	return job.Entitled(*j, known), nil
}

// encodePlan returns the row of an owner's plan. It has no expiry: an owner who does not come for a
// year must not be entitled to what jobs of last year say.
func encodePlan(owner string, p job.Plan) item {
	w := writer(planKey(owner))
	w.str("tier", p.Tier)
	if p.Limit != job.Unlimited {
		w["lim"] = num(p.Limit)
	}
	w.time("an", p.Anchor)
	w.time("pi", p.Issued)
	return item(w)
}

// decodePlan reads the row of a plan; a missing row is the zero Plan, of which nothing is known.
func decodePlan(row item) job.Plan {
	if row == nil {
		return job.Plan{}
	}
	r := reader(row)
	p := job.Plan{Tier: r.str("tier"), Limit: job.Unlimited, Anchor: r.time("an"), Issued: r.time("pi")}
	if r.has("lim") {
		p.Limit = r.num("lim")
	}
	return p
}

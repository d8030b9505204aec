package dynamostore_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/dynamostore"
	"orbitq/internal/job"
	"orbitq/internal/storetest"
)

// rows is a table whose rows a test may write past the store.
type rows struct {
	*dynamostore.Store

	db    *dynamodb.Client
	table string
}

func newRows(t *testing.T) *rows {
	t.Helper()
	db, table := newTable(t)
	return &rows{dynamostore.New(dynamostore.Config{Client: db, Table: table, Timing: storetest.Timing(), Jitter: rand.Float64}), db, table}
}

// put writes a row.
func (r *rows) put(t *testing.T, row map[string]types.AttributeValue) {
	t.Helper()
	if _, err := r.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &r.table, Item: row}); err != nil {
		t.Fatal(err)
	}
}

// get reads a number or text of a row.
func (r *rows) get(t *testing.T, pk, sk, name string) string {
	t.Helper()
	out, err := r.db.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &r.table, Key: map[string]types.AttributeValue{"pk": word(pk), "sk": word(sk)},
	})
	if err != nil {
		t.Fatal(err)
	}
	switch v := out.Item[name].(type) {
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberS:
		return v.Value
	default:
		return ""
	}
}

func word(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

// claimed stores a job of "u" and claims it.
func (r *rows) claimed(t *testing.T, edit func(*job.Job)) job.Job {
	t.Helper()
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	j := job.Job{ID: job.DerivedID(t.Name()), Kind: "enrich", Owner: "u", Tier: "free", Limit: 3, Queue: "default", Point: job.DerivedID("p"), Revision: 1, MaxAttempts: 3}
	if edit != nil {
		edit(&j)
	}
	j = job.Accepted(j, now, time.Hour, time.Minute)
	if _, _, err := r.Accept(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	c, err := r.Claim(t.Context(), job.ClaimRequest{Message: j.Message(), Now: now, Lease: job.Lease{Token: "t", Until: now.Add(time.Minute)}})
	if err != nil || c.Verdict != job.Run {
		t.Fatal(c.Verdict, err)
	}
	return c.Job
}

// cancel ends a job, which gives its unit and its key back.
func (r *rows) cancel(ctx context.Context, j *job.Job) error {
	_, err := r.Amend(ctx, j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, j.Started) })
	return err
}

// TestNoUnitIsGivenBackThatWasBilled: a meter that has lost a reservation must not lose a
// billed unit, too: its owner could take one more than the limit.
func TestNoUnitIsGivenBackThatWasBilled(t *testing.T) {
	t.Parallel()
	r := newRows(t)
	j := r.claimed(t, nil)
	r.put(t, map[string]types.AttributeValue{"pk": word("USER#u"), "sk": word(j.UsageKey), "taken": number("1"), "used": number("1")})
	if err := r.cancel(t.Context(), &j); err == nil {
		t.Error("the unit was given back")
	}
	if taken := r.get(t, "USER#u", j.UsageKey, "taken"); taken != "1" {
		t.Errorf("%s taken, want 1", taken)
	}
}

// TestNoKeyIsFreedThatAnotherJobHolds: a job that lost its unique key must not free it.
func TestNoKeyIsFreedThatAnotherJobHolds(t *testing.T) {
	t.Parallel()
	r := newRows(t)
	j := r.claimed(t, func(j *job.Job) { j.Unique = "weekly" })
	r.put(t, map[string]types.AttributeValue{"pk": word("LOCK#u#weekly"), "sk": word("LOCK"), "job": word("another")})
	if err := r.cancel(t.Context(), &j); err == nil {
		t.Error("the job was cancelled, and the key freed")
	}
	if holder := r.get(t, "LOCK#u#weekly", "LOCK", "job"); holder != "another" {
		t.Errorf("the key is held by %q", holder)
	}
}

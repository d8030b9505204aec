package dynamostore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
)

// plans is a table with one plan, which another token changes before every write.
type plans struct {
	down

	writes int
}

func (*plans) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{}, nil
}

func (p *plans) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	p.writes++
	if p.err != nil {
		return nil, p.err
	}
	return nil, &types.ConditionalCheckFailedException{Item: row{"tier": text("free"), "pi": &types.AttributeValueMemberN{Value: "1"}}}
}

// TestAPlanThatCannotBeNoted is an error of the request: it must not be decided under a guess.
func TestAPlanThatCannotBeNoted(t *testing.T) {
	t.Parallel()
	said := job.Plan{Tier: "pro", Limit: 100, Issued: noon()}
	never := &plans{}
	if _, err := on(never).NotePlan(t.Context(), "u", said); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), "changed 8 times") || never.writes != 8 {
		t.Errorf("after %d writes: %v", never.writes, err)
	}
	if _, err := on(&plans{down: down{errDropped}}).NotePlan(t.Context(), "u", said); !errors.Is(err, errDropped) {
		t.Errorf("got %v", err)
	}
}

// planless is a table of which everything can be read but plans.
type planless struct{ *restless }

func (p planless) GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if sk, ok := in.Key["sk"].(*types.AttributeValueMemberS); ok && sk.Value == "PLAN" {
		return nil, errDropped
	}
	return p.restless.GetItem(ctx, in, opts...)
}

// TestAClaimNeedsThePlan: a job does not run under a plan that could not be read.
func TestAClaimNeedsThePlan(t *testing.T) {
	t.Parallel()
	s := on(planless{&restless{}})
	j := job.Accepted(job.Job{ID: job.DerivedID("x"), Owner: "u", Tier: "enterprise", Limit: job.Unlimited, MaxAttempts: 3}, noon(), time.Hour, time.Minute)
	if _, _, err := s.Accept(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Claim(t.Context(), job.ClaimRequest{Message: j.Message(), Now: noon()}); !errors.Is(err, errDropped) {
		t.Errorf("got %+v, %v", c, err)
	}
}

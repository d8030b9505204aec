package dynamostore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"orbitq/internal/dynamostore"
	"orbitq/internal/job"
	"orbitq/internal/satellite"
	"orbitq/internal/storetest"
	"orbitq/internal/worker"
)

// unsteady is a client whose writes go wrong in one way. call names the write: the
// same write repeated has the same name.
type unsteady struct {
	dynamostore.Client
	write func(call string, transaction bool, send func() error) error
}

// putOf names the put of a row: two writers of one row write different marks.
func putOf(item map[string]types.AttributeValue) string {
	mark, _ := item["rm"].(*types.AttributeValueMemberS)
	if mark == nil {
		return "put " + keyOf(item)
	}
	return "put " + keyOf(item) + mark.Value
}

// keyOf names a row.
func keyOf(key map[string]types.AttributeValue) string {
	pk, _ := key["pk"].(*types.AttributeValueMemberS)
	return pk.Value
}

func (c *unsteady) PutItem(ctx context.Context, in *dynamodb.PutItemInput, opts ...func(*dynamodb.Options)) (out *dynamodb.PutItemOutput, err error) {
	err = c.write(putOf(in.Item), false, func() (err error) {
		out, err = c.Client.PutItem(ctx, in, opts...)
		return err
	})
	return out, err
}

func (c *unsteady) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (out *dynamodb.UpdateItemOutput, err error) {
	err = c.write(*in.UpdateExpression+keyOf(in.Key), false, func() (err error) {
		out, err = c.Client.UpdateItem(ctx, in, opts...)
		return err
	})
	return out, err
}

func (c *unsteady) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, opts ...func(*dynamodb.Options)) (out *dynamodb.TransactWriteItemsOutput, err error) {
	var call string
	switch first := in.TransactItems[0]; {
	case first.Update != nil:
		call = *first.Update.UpdateExpression + keyOf(first.Update.Key)
	case first.ConditionCheck != nil:
		call = *first.ConditionCheck.ConditionExpression + keyOf(first.ConditionCheck.Key)
	default:
		call = putOf(first.Put.Item)
	}
	err = c.write(call, true, func() (err error) {
		anew := *in
		anew.ClientRequestToken = nil // as after the ten minutes that a token lives
		out, err = c.Client.TransactWriteItems(ctx, &anew, opts...)
		return err
	})
	return out, err
}

// TestConformanceWhenEveryWriteIsSentTwice: the client repeats a write whose reply
// was lost. The second one meets its own effect, and every rule still holds. The
// lock of the token is the exception: whoever lost the reply waits for its end.
func TestConformanceWhenEveryWriteIsSentTwice(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newStore(t, func(c dynamostore.Client) dynamostore.Client {
		return &unsteady{c, func(call string, _ bool, send func() error) error {
			if !strings.Contains(call, "TOKEN#") {
				_ = send() // its reply is lost
			}
			return send()
		}}
	}))
}

// TestConformanceUnderConflicts: every write of rows that transactions touch first
// loses a race, which no emulator does by itself.
func TestConformanceUnderConflicts(t *testing.T) {
	t.Parallel()
	var lost sync.Map
	storetest.Run(t, newStore(t, func(c dynamostore.Client) dynamostore.Client {
		return &unsteady{c, func(call string, transaction bool, send func() error) error {
			if _, again := lost.LoadAndDelete(call); again || apart(call) {
				return send()
			}
			lost.Store(call, true)
			if !transaction {
				return &types.TransactionConflictException{}
			}
			return &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{
				{Code: aws.String("None")}, {Code: aws.String("TransactionConflict")},
			}}
		}}
	}))
}

// apart reports whether a write is of a row that no transaction touches.
func apart(call string) bool {
	return slices.ContainsFunc([]string{"TOKEN#", "POISON#", "LIMIT#", "OPERATION#", "CACHE#"}, func(kind string) bool { return strings.Contains(call, kind) })
}

// errDropped is a reply that never came, after the client gave up repeating.
var errDropped = errors.New("connection reset by peer")

// TestLostRepliesAreReadBack loses the reply of one write for good: what was
// written counts as written, and nothing is done twice.
func TestLostRepliesAreReadBack(t *testing.T) {
	t.Parallel()
	var lose atomic.Bool
	s := newStore(t, func(c dynamostore.Client) dynamostore.Client {
		return &unsteady{c, func(_ string, _ bool, send func() error) error {
			err := send()
			if err == nil && lose.Swap(false) {
				return errDropped
			}
			return err
		}}
	})
	ctx, now := t.Context(), time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	run := func(name string) job.Job {
		j := job.Accepted(job.Job{ID: job.DerivedID(name), Kind: "enrich", Owner: name, Tier: "free", Limit: 5, Queue: "default", Point: job.DerivedID("point", name), Revision: 1, MaxAttempts: 3}, now, time.Hour, time.Hour)
		if _, existed, err := s.Accept(ctx, &j); err != nil || existed {
			t.Fatal(existed, err)
		}
		c, err := s.Claim(ctx, job.ClaimRequest{Message: j.Message(), Now: now, Lease: job.Lease{Token: "t", Until: now.Add(time.Minute)}})
		if err != nil || c.Verdict != job.Run {
			t.Fatal(c.Verdict, err)
		}
		return c.Job
	}
	report := job.Report{Now: now, Version: "v", RequestID: "r"}
	for name, end := range map[string]func(held *job.Job) (worker.Settlement, error){
		"settle": func(held *job.Job) (worker.Settlement, error) {
			ended := job.Ended(*held, job.Success, report)
			return s.Settle(ctx, held, &ended, &satellite.Analysis{Job: held.ID, Point: held.Point, Revision: 1, CreatedAt: now})
		},
		"retry": func(held *job.Job) (worker.Settlement, error) {
			next := job.Failed(*held, job.Errorf(job.ProviderUnavailable, "503"), storetest.Timing(), 0, job.Carried{}, report)
			return s.Conclude(ctx, held, &next)
		},
		"death": func(held *job.Job) (worker.Settlement, error) {
			next := job.Failed(*held, job.Errorf(job.InvalidRequest, "400"), storetest.Timing(), 0, job.Carried{Ticket: 1, Sent: now}, report)
			return s.Conclude(ctx, held, &next)
		},
	} {
		held := run(name)
		lose.Store(true)
		if got, err := end(&held); err != nil || got != worker.Written || lose.Load() {
			t.Errorf("%s: settlement %d, %v", name, got, err)
		}
		if row, err := s.Job(ctx, held.ID); err != nil || row.State == job.Running {
			t.Errorf("%s: row %+v, %v", name, row, err)
		}
	}
}

// TestUnreachableTable: nothing was written, and every call says so with a code.
func TestUnreachableTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want job.Code
	}{
		{"reset", errDropped, job.Internal},
		{"throttled", &smithy.GenericAPIError{Code: "ProvisionedThroughputExceededException"}, job.Throttled},
		{"denied", &smithy.GenericAPIError{Code: "AccessDeniedException"}, job.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := dynamostore.New(dynamostore.Config{Client: down{c.err}, Table: "t", Timing: storetest.Timing(), Jitter: func() float64 { return 0 }})
			ctx, j := t.Context(), job.Job{ID: job.DerivedID("x"), State: job.Running, UsageKey: "U", Ticket: 1}
			next := job.Ended(j, job.Clouded, job.Report{})
			for name, call := range map[string]func() error{
				"Accept":       func() error { _, _, err := s.Accept(ctx, &j); return err },
				"Claim":        func() error { _, err := s.Claim(ctx, job.ClaimRequest{Message: j.Message()}); return err },
				"Settle":       func() error { _, err := s.Settle(ctx, &j, &next, &satellite.Analysis{}); return err },
				"Conclude":     func() error { _, err := s.Conclude(ctx, &j, &next); return err },
				"Job":          func() error { _, err := s.Job(ctx, j.ID); return err },
				"Jobs":         func() error { _, _, err := s.Jobs(ctx, "u", "", "", 1); return err },
				"Dead":         func() error { _, _, err := s.Dead(ctx, "u", "", 1); return err },
				"Amend":        func() error { _, err := s.Amend(ctx, j.ID, nil); return err },
				"Point":        func() error { _, err := s.Point(ctx, j.ID); return err },
				"Subject":      func() error { _, _, err := s.Subject(ctx, j.ID, 1); return err },
				"Analyses":     func() error { _, err := s.Analyses(ctx, j.ID); return err },
				"Meter":        func() error { _, err := s.Meter(ctx, "u", "k"); return err },
				"LockToken":    func() error { _, err := s.LockToken(ctx, time.Now(), time.Now()); return err },
				"SaveToken":    func() error { return s.SaveToken(ctx, "v", time.Now()) },
				"RecordPoison": func() error { return s.RecordPoison(ctx, letter(), "why", time.Now()) },
			} {
				if err := call(); err == nil || job.CodeOf(err) != c.want {
					t.Errorf("%s: %v", name, err)
				}
			}
			for _, calls := range []map[string]func() error{besides(ctx, s), driven(ctx, s), told(ctx, s), judged(ctx, s)} {
				for name, call := range calls {
					if err := call(); err == nil || job.CodeOf(err) != c.want {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		})
	}
}

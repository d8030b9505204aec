package dynamostore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"orbitq/internal/job"
)

// maxTries bounds how often a write that only lost a race is repeated: ten jobs of
// one owner in a batch meet on one meter, and with full jitter eight tries are
// enough for the last of them. Whoever still loses keeps its message.
const maxTries = 8

// firstWait is the longest wait before the first repetition; it doubles, to about
// a second in sum: far below the margin before a function's deadline.
const firstWait = 10 * time.Millisecond

// coded gives an error of the client its code; one that has a code keeps it.
func coded(what string, err error) error {
	if known, ok := errors.AsType[*job.Error](err); ok {
		return job.Errorf(known.Code, "%s: %w", what, err)
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "TransactionInProgressException":
			return job.Errorf(job.Throttled, "%s: %w", what, err)
		}
	}
	return job.Errorf(job.Internal, "%s: %w", what, err)
}

// oldImage returns the row that made the condition of a single write fail, and
// whether err is such a failure.
func oldImage(err error) (item, bool) {
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return failed.Item, true
	}
	return nil, false
}

// reasons returns why each item of a transaction was refused.
func reasons(err error) ([]types.CancellationReason, bool) {
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return cancelled.CancellationReasons, true
	}
	return nil, false
}

// refused reports whether the condition of item i of a transaction failed, and
// returns its old image.
func refused(rs []types.CancellationReason, i int) (item, bool) {
	if i < len(rs) && rs[i].Code != nil && *rs[i].Code == "ConditionalCheckFailed" {
		return rs[i].Item, true
	}
	return nil, false
}

// contended reports whether a write lost a race with another transaction on the
// same rows, or was throttled: nothing was decided, and it may be repeated.
func contended(err error) bool {
	var conflict *types.TransactionConflictException
	if errors.As(err, &conflict) || job.CodeOf(coded("", err)) == job.Throttled {
		return true
	}
	rs, ok := reasons(err)
	if !ok {
		return false
	}
	// One item that lost a race is enough: nothing was written, and the conditions
	// of the others are judged again.
	for i := range rs {
		if rs[i].Code == nil {
			continue
		}
		switch *rs[i].Code {
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			return true
		}
	}
	return false
}

// repeat calls write until it is not contended any more, with full jitter in
// between, inside ctx and maxTries.
func (s *Store) repeat(ctx context.Context, write func() error) error {
	wait := firstWait
	for range maxTries {
		err := write()
		if err == nil || !contended(err) {
			return err
		}
		if err := s.pause(ctx, wait); err != nil {
			return err
		}
		wait *= 2
	}
	return job.Errorf(job.Throttled, "rows stayed contended after %d tries", maxTries)
}

// unlessFirst waits before every try but the first, longer each time.
func (s *Store) unlessFirst(ctx context.Context, tries int) error {
	if tries == 0 {
		return nil
	}
	return s.pause(ctx, firstWait<<tries)
}

// pause waits a random part of a time: whoever lost one race together would lose the next
// one as well.
func (s *Store) pause(ctx context.Context, longest time.Duration) error {
	timer := time.NewTimer(time.Duration(s.jitter() * float64(longest)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return job.Errorf(job.Throttled, "rows stayed contended: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}

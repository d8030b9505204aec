package sim_test

import (
	"context"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/quality"
	"orbitq/internal/worker"
)

func (s *observed) AcceptChain(ctx context.Context, c *job.Chain) (job.Chain, bool, error) {
	stored, existed, err := s.Store.AcceptChain(ctx, c)
	if err == nil && !existed {
		s.oracle.chainAccepted(new(stored))
		s.notef("chain    %s %v", c.ID[20:], c.Steps)
	}
	return stored, existed, err
}

func (s *observed) AmendChain(ctx context.Context, id string, decide func(job.Chain) (job.Chain, error)) (job.Chain, error) {
	c, err := s.Store.AmendChain(ctx, id, decide)
	if err == nil {
		s.oracle.chainAmended(&c)
		s.notef("chain    %s %s gen %d at %d round %d least %d look %s %s", id[20:], c.State, c.Generation, c.At, c.Round, c.Least, short(c.Look), c.Code)
	}
	return c, err
}

func (s *observed) AcceptBatch(ctx context.Context, b *job.Batch, items []job.Item) (job.Batch, bool, error) {
	stored, existed, err := s.Store.AcceptBatch(ctx, b, items)
	if err == nil && !existed {
		s.oracle.batchAccepted(&stored, items)
		s.notef("batch    %s of %d %v, allows %v, calls %v", b.ID[20:], b.Total, b.Steps, b.AllowFailures, b.Calls)
	}
	return stored, existed, err
}

func (s *observed) AmendBatch(ctx context.Context, id string, decide func(job.Batch) (job.Batch, flow.Change, error)) (job.Batch, error) {
	var change flow.Change
	b, err := s.Store.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, flow.Change, error) {
		next, c, err := decide(b)
		change = c
		return next, c, err
	})
	if err == nil {
		s.oracle.batchAmended(&b, &change)
		s.notef("batch    %s round %d run %d of %d stop %q caught %v closed %v look %s, %d events", id[20:], b.Round, b.Runs, b.Total, b.Stop, b.Caught, b.Closed, short(b.Look), len(change.Events))
	}
	return b, err
}

func (s *observed) AmendItem(ctx context.Context, b *job.Batch, point string, decide func(job.Item) (job.Item, error)) (job.Item, error) {
	it, err := s.Store.AmendItem(ctx, b, point, decide)
	if err == nil {
		s.oracle.itemAmended(b.ID, &it)
		s.notef("item     %s %s %s at %d round %d least %d %s", b.ID[20:], point[20:], it.State, it.At, it.Round, it.Least, it.Code)
	}
	return it, err
}

func (s *observed) PutNotice(ctx context.Context, n *job.Notice) error {
	_, missing := s.Notice(ctx, n.Owner, n.ID)
	err := s.Store.PutNotice(ctx, n)
	if err == nil {
		s.oracle.noticeWritten(n, missing == nil)
	}
	return err
}

func (s *observed) MarkFailed(ctx context.Context, id, reason string, next, now time.Time) error {
	err := s.Store.MarkFailed(ctx, id, reason, next, now)
	if err == nil && next.IsZero() {
		s.oracle.givenUp(id, now)
	}
	return err
}

func (s *observed) Record(ctx context.Context, held, ended *job.Job, q *quality.Record, n *job.Notice) (worker.Settlement, error) {
	r, err := s.Store.Record(ctx, held, ended, q, n)
	s.see(ctx, &effect{op: "settle", id: held.ID, at: ended.Finished, holder: held.Lease})
	if err == nil && r == worker.Written && n != nil {
		s.oracle.noticeWritten(n, false)
	}
	return r, err
}

// notef writes a line into the log of a replay.
func (s *observed) notef(format string, args ...any) {
	if s.log != nil {
		s.log(format, args...)
	}
}

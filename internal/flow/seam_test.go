package flow_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// errCut is what a call returns whose process ended.
var errCut = errors.New("the process is down")

// seam stands between the use case and its table: it counts calls, fails one of them,
// and lets others act in front of one.
type seam struct {
	calls  int
	cut    int              // number of the call with which the process ends; 0 for none
	late   bool             // it ends behind the effect
	down   bool             // every further call fails until somebody clears it
	broken map[string]error // by method: fails for as long as it is there
	before map[string]func()
}

// through makes one call.
func through[T any](s *seam, op string, do func() (T, error)) (T, error) {
	var none T
	if s.down {
		return none, errCut
	}
	if act, ok := s.before[op]; ok {
		delete(s.before, op)
		act()
	}
	if err := s.broken[op]; err != nil {
		return none, err
	}
	s.calls++
	ends := s.calls == s.cut
	if ends {
		s.down = true
	}
	if ends && !s.late {
		return none, errCut
	}
	v, err := do()
	if ends {
		return none, errCut
	}
	return v, err
}

// thrice is through for methods with three results.
func thrice[A, B any](s *seam, op string, do func() (A, B, error)) (A, B, error) {
	var b B
	a, err := through(s, op, func() (A, error) {
		a, second, err := do()
		b = second
		return a, err
	})
	return a, b, err
}

// once is through for methods that return only an error.
func once(s *seam, op string, do func() error) error {
	_, err := through(s, op, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// table is the memory table behind the seam.
type table struct {
	*memstore.Store

	seam *seam
	gone *string // a point that is there no more, once its batch was accepted
}

func (t table) AcceptChain(ctx context.Context, c *job.Chain) (job.Chain, bool, error) {
	return thrice(t.seam, "AcceptChain", func() (job.Chain, bool, error) { return t.Store.AcceptChain(ctx, c) })
}

func (t table) Chain(ctx context.Context, id string) (job.Chain, error) {
	return through(t.seam, "Chain", func() (job.Chain, error) { return t.Store.Chain(ctx, id) })
}

func (t table) AmendChain(ctx context.Context, id string, decide func(job.Chain) (job.Chain, error)) (job.Chain, error) {
	return through(t.seam, "AmendChain", func() (job.Chain, error) { return t.Store.AmendChain(ctx, id, decide) })
}

func (t table) OwnChains(ctx context.Context, owner, after string, n int) ([]job.Chain, string, error) {
	return thrice(t.seam, "OwnChains", func() ([]job.Chain, string, error) { return t.Store.OwnChains(ctx, owner, after, n) })
}

func (t table) AcceptBatch(ctx context.Context, b *job.Batch, items []job.Item) (job.Batch, bool, error) {
	return thrice(t.seam, "AcceptBatch", func() (job.Batch, bool, error) { return t.Store.AcceptBatch(ctx, b, items) })
}

func (t table) Batch(ctx context.Context, id string) (job.Batch, error) {
	return through(t.seam, "Batch", func() (job.Batch, error) { return t.Store.Batch(ctx, id) })
}

func (t table) AmendBatch(ctx context.Context, id string, decide func(job.Batch) (job.Batch, flow.Change, error)) (job.Batch, error) {
	return through(t.seam, "AmendBatch", func() (job.Batch, error) {
		return t.Store.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, flow.Change, error) {
			_, _, _ = decide(b) // a table whose condition failed asks once more
			return decide(b)
		})
	})
}

func (t table) OwnBatches(ctx context.Context, owner, after string, n int) ([]job.Batch, string, error) {
	return thrice(t.seam, "OwnBatches", func() ([]job.Batch, string, error) { return t.Store.OwnBatches(ctx, owner, after, n) })
}

func (t table) Items(ctx context.Context, b *job.Batch, after string, n int) ([]job.Item, string, error) {
	return thrice(t.seam, "Items", func() ([]job.Item, string, error) { return t.Store.Items(ctx, b, after, n) })
}

func (t table) Item(ctx context.Context, b *job.Batch, point string) (job.Item, error) {
	return through(t.seam, "Item", func() (job.Item, error) { return t.Store.Item(ctx, b, point) })
}

func (t table) AmendItem(ctx context.Context, b *job.Batch, point string, decide func(job.Item) (job.Item, error)) (job.Item, error) {
	return through(t.seam, "AmendItem", func() (job.Item, error) { return t.Store.AmendItem(ctx, b, point, decide) })
}

func (t table) Accept(ctx context.Context, j *job.Job) (job.Job, bool, error) {
	return thrice(t.seam, "Accept", func() (job.Job, bool, error) { return t.Store.Accept(ctx, j) })
}

func (t table) Job(ctx context.Context, id string) (job.Job, error) {
	return through(t.seam, "Job", func() (job.Job, error) { return t.Store.Job(ctx, id) })
}

func (t table) Amend(ctx context.Context, id string, decide func(job.Job) (job.Job, error)) (job.Job, error) {
	return through(t.seam, "Amend", func() (job.Job, error) { return t.Store.Amend(ctx, id, decide) })
}

func (t table) Points(ctx context.Context, ids []string) ([]point.Point, error) {
	return through(t.seam, "Points", func() ([]point.Point, error) {
		if slices.Contains(ids, *t.gone) {
			return nil, nil
		}
		return t.Store.Points(ctx, ids)
	})
}

func (t table) FindPoints(ctx context.Context, owner string, f flow.Filter, n int) ([]point.Point, error) {
	return through(t.seam, "FindPoints", func() ([]point.Point, error) { return t.Store.FindPoints(ctx, owner, f, n) })
}

func (t table) OpenFlows(ctx context.Context, now time.Time, n int) ([]job.Flow, error) {
	return through(t.seam, "OpenFlows", func() ([]job.Flow, error) { return t.Store.OpenFlows(ctx, now, n) })
}

func (t table) Deliveries(ctx context.Context, ids []string) ([]flow.Delivery, error) {
	return through(t.seam, "Deliveries", func() ([]flow.Delivery, error) { return t.Store.Deliveries(ctx, ids) })
}

func (t table) MarkDelivered(ctx context.Context, id string, now time.Time) error {
	return once(t.seam, "MarkDelivered", func() error { return t.Store.MarkDelivered(ctx, id, now) })
}

func (t table) Notice(ctx context.Context, owner, id string) (job.Notice, error) {
	return through(t.seam, "Notice", func() (job.Notice, error) { return t.Store.Notice(ctx, owner, id) })
}

func (t table) PutNotice(ctx context.Context, n *job.Notice) error {
	return once(t.seam, "PutNotice", func() error { return t.Store.PutNotice(ctx, n) })
}

func (t table) Claim(ctx context.Context, r job.ClaimRequest) (job.Claim, error) {
	return through(t.seam, "Claim", func() (job.Claim, error) { return t.Store.Claim(ctx, r) })
}

func (t table) Settle(ctx context.Context, held, ended *job.Job, a *satellite.Analysis) (worker.Settlement, error) {
	return through(t.seam, "Settle", func() (worker.Settlement, error) { return t.Store.Settle(ctx, held, ended, a) })
}

func (t table) Record(ctx context.Context, held, ended *job.Job, q *quality.Record, n *job.Notice) (worker.Settlement, error) {
	return through(t.seam, "Record", func() (worker.Settlement, error) { return t.Store.Record(ctx, held, ended, q, n) })
}

func (t table) Conclude(ctx context.Context, held, next *job.Job) (worker.Settlement, error) {
	return through(t.seam, "Conclude", func() (worker.Settlement, error) { return t.Store.Conclude(ctx, held, next) })
}

// Preferences implements flow.Mail.
func (t table) Preferences(ctx context.Context, owner string) (job.Preferences, error) {
	return through(t.seam, "Preferences", func() (job.Preferences, error) { return t.Store.Preferences(ctx, owner) })
}

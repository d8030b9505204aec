package faulty

import (
	"context"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/outbox"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/relay"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// relays are the ports of the relay that change a job or its place in line.
type relays interface {
	relay.Store
	relay.Line
	// Lapsed is relay.Skipped without Amend, which deadletter.Rows has as well.
	Lapsed(ctx context.Context, now time.Time, n int) ([]relay.Hint, error)
}

// Table is every port of the table that changes a job.
type Table interface {
	worker.Store
	intake.Store
	intake.Plans
	relays
	outbox.Store
	outbox.Receivers
	gate.Store
	deadletter.Store
	kinds.Points
	deadletter.Rows
}

// Store is a table as one process sees it.
type Store struct {
	Table
	Process *Process
}

// Compile-time proof that no port of the table escapes its faults.
var _ Table = (*Store)(nil)

// Claim implements worker.Store.
func (s *Store) Claim(ctx context.Context, r job.ClaimRequest) (job.Claim, error) {
	return call(s.Process, "Claim", func() (job.Claim, error) { return s.Table.Claim(ctx, r) })
}

// Settle implements worker.Store.
func (s *Store) Settle(ctx context.Context, held, ended *job.Job, a *satellite.Analysis) (worker.Settlement, error) {
	return call(s.Process, "Settle", func() (worker.Settlement, error) { return s.Table.Settle(ctx, held, ended, a) })
}

// Record implements worker.Store.
func (s *Store) Record(ctx context.Context, held, ended *job.Job, q *quality.Record, n *job.Notice) (worker.Settlement, error) {
	return call(s.Process, "Record", func() (worker.Settlement, error) { return s.Table.Record(ctx, held, ended, q, n) })
}

// Conclude implements worker.Store.
func (s *Store) Conclude(ctx context.Context, held, next *job.Job) (worker.Settlement, error) {
	return call(s.Process, "Conclude", func() (worker.Settlement, error) { return s.Table.Conclude(ctx, held, next) })
}

// stored is the answer to an accepted write.
type stored struct {
	point   point.Point
	job     job.Job
	existed bool
}

// AcceptPoint implements intake.Store.
func (s *Store) AcceptPoint(ctx context.Context, p *point.Point, j *job.Job) (point.Point, job.Job, bool, error) {
	got, err := call(s.Process, "AcceptPoint", func() (a stored, err error) {
		a.point, a.job, a.existed, err = s.Table.AcceptPoint(ctx, p, j)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.point, got.job, got.existed, err
}

// Accept implements intake.Store.
func (s *Store) Accept(ctx context.Context, j *job.Job) (job.Job, bool, error) {
	got, err := call(s.Process, "Accept", func() (a stored, err error) {
		a.job, a.existed, err = s.Table.Accept(ctx, j)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.job, got.existed, err
}

// Remember implements intake.Store.
func (s *Store) Remember(ctx context.Context, j, holder *job.Job) (job.Job, error) {
	return call(s.Process, "Remember", func() (job.Job, error) { return s.Table.Remember(ctx, j, holder) })
}

// NotePlan implements intake.Plans.
func (s *Store) NotePlan(ctx context.Context, owner string, p job.Plan) (job.Plan, error) {
	return call(s.Process, "NotePlan", func() (job.Plan, error) { return s.Table.NotePlan(ctx, owner, p) })
}

// Point implements intake.Store.
func (s *Store) Point(ctx context.Context, id string) (point.Point, error) {
	return read(s.Process, "Point", func() (point.Point, error) { return s.Table.Point(ctx, id) })
}

// subject is what an enrichment starts from.
type subject struct {
	point    point.Point
	analysis *satellite.Analysis
}

// Subject implements kinds.Points.
func (s *Store) Subject(ctx context.Context, id string, revision int) (point.Point, *satellite.Analysis, error) {
	got, err := read(s.Process, "Subject", func() (a subject, err error) {
		a.point, a.analysis, err = s.Table.Subject(ctx, id, revision)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.point, got.analysis, err
}

// Due implements relay.Store.
func (s *Store) Due(ctx context.Context, shard int, now time.Time, n int) ([]relay.Hint, error) {
	return read(s.Process, "Due", func() ([]relay.Hint, error) { return s.Table.Due(ctx, shard, now, n) })
}

// Retake implements relay.Store.
func (s *Store) Retake(ctx context.Context, seen *job.Job, slot time.Time, t job.Timing, now time.Time) (job.Job, bool, error) {
	got, err := call(s.Process, "Retake", func() (a stored, err error) {
		a.job, a.existed, err = s.Table.Retake(ctx, seen, slot, t, now)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.job, got.existed, err
}

// Bury implements deadletter.Store.
func (s *Store) Bury(ctx context.Context, m job.Message, l deadletter.Letter, now time.Time) (deadletter.Fate, error) {
	return call(s.Process, "Bury", func() (deadletter.Fate, error) { return s.Table.Bury(ctx, m, l, now) })
}

// RecordPoison implements deadletter.Store.
func (s *Store) RecordPoison(ctx context.Context, l deadletter.Letter, reason string, now time.Time) error {
	return do(s.Process, "RecordPoison", func() error { return s.Table.RecordPoison(ctx, l, reason, now) })
}

// Amend implements deadletter.Rows.
func (s *Store) Amend(ctx context.Context, id string, decide func(job.Job) (job.Job, error)) (job.Job, error) {
	return call(s.Process, "Amend", func() (job.Job, error) { return s.Table.Amend(ctx, id, decide) })
}

// Jobs implements deadletter.Rows.
func (s *Store) Jobs(ctx context.Context, owner string, group job.Group, after string, n int) ([]job.Job, string, error) {
	got, err := read(s.Process, "Jobs", func() (p page[job.Job], err error) {
		p.rows, p.next, err = s.Table.Jobs(ctx, owner, group, after, n)
		return p, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.rows, got.next, err
}

// Dead implements deadletter.Rows.
func (s *Store) Dead(ctx context.Context, owner, after string, n int) ([]job.Job, string, error) {
	got, err := read(s.Process, "Dead", func() (p page[job.Job], err error) {
		p.rows, p.next, err = s.Table.Dead(ctx, owner, after, n)
		return p, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.rows, got.next, err
}

// Peek implements relay.Store.
func (s *Store) Peek(ctx context.Context, hints []relay.Hint, now time.Time) ([]job.Job, error) {
	return read(s.Process, "Peek", func() ([]job.Job, error) { return s.Table.Peek(ctx, hints, now) })
}

// Waiters implements relay.Line.
func (s *Store) Waiters(ctx context.Context, queue string, now time.Time, n int) ([]relay.Waiter, error) {
	return read(s.Process, "Waiters", func() ([]relay.Waiter, error) { return s.Table.Waiters(ctx, queue, now, n) })
}

// InLine implements relay.Line.
func (s *Store) InLine(ctx context.Context, queue, owner string, n int) ([]job.Job, error) {
	return read(s.Process, "InLine", func() ([]job.Job, error) { return s.Table.InLine(ctx, queue, owner, n) })
}

// Served implements relay.Line.
func (s *Store) Served(ctx context.Context, queue, owner string, next time.Time) error {
	return do(s.Process, "Served", func() error { return s.Table.Served(ctx, queue, owner, next) })
}

// Emptied implements relay.Line.
func (s *Store) Emptied(ctx context.Context, queue, owner string, next, now time.Time) error {
	return do(s.Process, "Emptied", func() error { return s.Table.Emptied(ctx, queue, owner, next, now) })
}

// counted is a meter with its limit.
type counted struct {
	meter job.Meter
	limit int
}

// Units implements relay.Line.
func (s *Store) Units(ctx context.Context, j *job.Job, now time.Time) (m job.Meter, limit int, err error) {
	got, err := read(s.Process, "Units", func() (c counted, err error) {
		c.meter, c.limit, err = s.Table.Units(ctx, j, now)
		return c, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.meter, got.limit, err
}

// Pending implements outbox.Store.
func (s *Store) Pending(ctx context.Context, lane int, now time.Time, after string, n int) ([]job.Event, string, error) {
	got, err := read(s.Process, "Pending", func() (p page[job.Event], err error) {
		p.rows, p.next, err = s.Table.Pending(ctx, lane, now, after, n)
		return p, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.rows, got.next, err
}

// MarkDelivered implements outbox.Store.
func (s *Store) MarkDelivered(ctx context.Context, id string, now time.Time) error {
	return do(s.Process, "MarkDelivered", func() error { return s.Table.MarkDelivered(ctx, id, now) })
}

// MarkFailed implements outbox.Store.
func (s *Store) MarkFailed(ctx context.Context, id, reason string, next, now time.Time) error {
	return do(s.Process, "MarkFailed", func() error { return s.Table.MarkFailed(ctx, id, reason, next, now) })
}

// Postpone implements outbox.Store.
func (s *Store) Postpone(ctx context.Context, id string, next time.Time) error {
	return do(s.Process, "Postpone", func() error { return s.Table.Postpone(ctx, id, next) })
}

// Receivers implements outbox.Receivers.
func (s *Store) Receivers(ctx context.Context, owner string) (outbox.Breakers, error) {
	return read(s.Process, "Receivers", func() (outbox.Breakers, error) { return s.Table.Receivers(ctx, owner) })
}

// SaveReceivers implements outbox.Receivers.
func (s *Store) SaveReceivers(ctx context.Context, owner string, b outbox.Breakers, now time.Time) error {
	return do(s.Process, "SaveReceivers", func() error { return s.Table.SaveReceivers(ctx, owner, b, now) })
}

// Lapsed implements relay.Skipped.
func (s *Store) Lapsed(ctx context.Context, now time.Time, n int) ([]relay.Hint, error) {
	return read(s.Process, "Lapsed", func() ([]relay.Hint, error) { return s.Table.Lapsed(ctx, now, n) })
}

// Door implements gate.Store.
func (s *Store) Door(ctx context.Context) (limit.Row, error) {
	return read(s.Process, "Door", func() (limit.Row, error) { return s.Table.Door(ctx) })
}

// saved is the answer to a write of the limiter's row.
type saved struct {
	row limit.Row
	ok  bool
}

// SaveDoor implements gate.Store.
func (s *Store) SaveDoor(ctx context.Context, next limit.Row) (limit.Row, bool, error) {
	got, err := call(s.Process, "SaveDoor", func() (a saved, err error) {
		a.row, a.ok, err = s.Table.SaveDoor(ctx, next)
		return a, err //nolint:wrapcheck // a decorator hands errors on as they are
	})
	return got.row, got.ok, err
}

// RecordCalls implements gate.Store.
func (s *Store) RecordCalls(ctx context.Context, calls []limit.Call) error {
	return do(s.Process, "RecordCalls", func() error { return s.Table.RecordCalls(ctx, calls) })
}

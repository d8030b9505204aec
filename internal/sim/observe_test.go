package sim_test

import (
	"context"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// observed is the table with the oracle behind every write. It stands inside the
// faults: what it sees has happened, whoever learns of it.
type observed struct {
	*memstore.Store
	oracle *oracle
	limit  func(owner string) int // small limits, so that jobs meet them
	now    func() time.Time       // the true time
	log    func(format string, args ...any)
}

func (s *observed) see(ctx context.Context, e *effect) {
	before := s.oracle.effects
	s.oracle.see(ctx, e)
	if s.log == nil || s.oracle.effects == before {
		return
	}
	if j, ok := s.oracle.rows[e.id]; ok {
		s.log("%-8s %s %s gen %d tk %d/%d att %d lease %.4q due %s look %s %s%s", e.op, e.id[20:], j.State, j.Generation, j.Ticket, j.ValidTicket, j.Attempts, j.Lease, short(j.Due), short(j.Look), j.Outcome, j.Code)
	}
}

// short is a time for the log.
func short(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("02 15:04:05")
}

func (s *observed) Claim(ctx context.Context, r job.ClaimRequest) (job.Claim, error) {
	c, err := s.Store.Claim(ctx, r)
	s.see(ctx, &effect{op: "claim", id: r.Message.Job, at: r.Now, message: r.Message})
	return c, err
}

func (s *observed) Settle(ctx context.Context, held, ended *job.Job, a *satellite.Analysis) (worker.Settlement, error) {
	r, err := s.Store.Settle(ctx, held, ended, a)
	s.see(ctx, &effect{op: "settle", id: held.ID, at: ended.Finished, holder: held.Lease})
	return r, err
}

func (s *observed) Conclude(ctx context.Context, held, next *job.Job) (worker.Settlement, error) {
	r, err := s.Store.Conclude(ctx, held, next)
	at := next.Finished
	if len(next.History) > 0 && next.State == job.Retrying {
		at = next.History[len(next.History)-1].Ended
	}
	s.see(ctx, &effect{op: "settle", id: held.ID, at: at, holder: held.Lease})
	return r, err
}

func (s *observed) AcceptPoint(ctx context.Context, p *point.Point, j *job.Job) (point.Point, job.Job, bool, error) {
	j.Limit = s.limit(j.Owner)
	stored, accepted, existed, err := s.Store.AcceptPoint(ctx, p, j)
	s.see(ctx, &effect{op: "accept", id: accepted.ID})
	return stored, accepted, existed, err
}

func (s *observed) Accept(ctx context.Context, j *job.Job) (job.Job, bool, error) {
	if j.Kind == kinds.EnrichName { // the others take no unit
		j.Limit = s.limit(j.Owner)
	}
	accepted, existed, err := s.Store.Accept(ctx, j)
	s.see(ctx, &effect{op: "accept", id: accepted.ID})
	if err == nil && accepted.ID != j.ID {
		s.oracle.turnedAway(j, &accepted)
	}
	return accepted, existed, err
}

func (s *observed) Remember(ctx context.Context, j, holder *job.Job) (job.Job, error) {
	first, err := s.Store.Remember(ctx, j, holder)
	if err == nil && first.ID != j.ID {
		s.oracle.remembered(j.ID, first.ID)
	}
	return first, err
}

func (s *observed) Retake(ctx context.Context, seen *job.Job, slot time.Time, t job.Timing, now time.Time) (job.Job, bool, error) {
	j, ok, err := s.Store.Retake(ctx, seen, slot, t, now)
	s.see(ctx, &effect{op: "relay", id: seen.ID, at: now})
	return j, ok, err
}

func (s *observed) SaveDoor(ctx context.Context, next limit.Row) (limit.Row, bool, error) {
	row, ok, err := s.Store.SaveDoor(ctx, next)
	if err == nil && ok {
		s.oracle.moved(&row, s.now())
	}
	return row, ok, err
}

func (s *observed) SaveOperation(ctx context.Context, next *deadletter.Operation) (bool, error) {
	ok, err := s.Store.SaveOperation(ctx, next)
	if err == nil && ok {
		s.oracle.driven(next)
	}
	return ok, err
}

func (s *observed) Amend(ctx context.Context, id string, decide func(job.Job) (job.Job, error)) (job.Job, error) {
	j, err := s.Store.Amend(ctx, id, decide)
	s.see(ctx, &effect{op: "amend", id: id})
	return j, err
}

func (s *observed) Bury(ctx context.Context, m job.Message, l deadletter.Letter, now time.Time) (deadletter.Fate, error) {
	f, err := s.Store.Bury(ctx, m, l, now)
	s.see(ctx, &effect{op: "bury", id: m.Job, at: now, message: m})
	return f, err
}

// heard is the queues with a log of what is sent.
type heard struct {
	worker.Queue
	log func(format string, args ...any)
}

func (h heard) Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error {
	err := h.Queue.Send(ctx, queue, m, delay)
	h.log("send     %s gen %d tk %d to %s in %v %v", m.Job[20:], m.Generation, m.Ticket, queue, delay, err)
	return err
}

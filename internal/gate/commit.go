package gate

import (
	"context"
	"reflect"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// ask has a decision made on the row as it is. The caller that finds no other one writing
// makes the decisions of all that wait; they are made in order, on one row, and hold when
// that row is written. What a decision took is given back if its caller does not learn of
// it: the write failed, and may have gone through all the same, or the caller has left.
func (g *Gate) ask(ctx context.Context, decide func(limit.Row, time.Time) limit.Row, booked func() []limit.Booking) error {
	q := &question{decide: decide, booked: booked, done: make(chan struct{})}
	g.mu.Lock()
	g.asking = append(g.asking, q)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if lead {
		g.answerAll(ctx)
	}
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-q.done: // answered in the same moment
		return q.err
	default:
		q.left = true
		// The attempt is not lost: the job was never at the provider.
		return job.Errorf(job.Throttled, "ask the limiter: %w", ctx.Err())
	}
}

// answerAll answers until no caller asks. It outlives the deadline of the caller who
// leads, because others wait for it; maxWait bounds it instead.
func (g *Gate) answerAll(ctx context.Context) {
	for {
		g.mu.Lock()
		asked, reports := g.asking, g.reports
		g.asking, g.reports = nil, nil
		if len(asked) == 0 {
			g.reports = reports
			g.busy = false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		turn, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxWait)
		err := g.decide(turn, asked, reports)
		cancel()
		g.answer(asked, reports, err)
	}
}

// answer tells callers what became of their decisions. News that was not written waits for
// the next write.
func (g *Gate) answer(asked []*question, reports []report, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.reports = append(reports, g.reports...)
	}
	for _, q := range asked {
		if q.booked != nil && (err != nil || q.left) {
			g.undo(q.booked()...)
		}
		q.err = err
		close(q.done)
	}
}

// decide applies reports and decisions to the row and writes it, unless nothing
// changed. A version that somebody else took means that the row is newer: all is
// decided again on that one.
func (g *Gate) decide(ctx context.Context, asked []*question, reports []report) error {
	row, err := g.current(ctx)
	if err != nil {
		return err
	}
	wait := pause
	for range maxTries {
		now := g.Now()
		next := row
		for _, news := range reports {
			if news.call != nil {
				next = g.Policy.Report(next, news.call, now)
			} else {
				next = g.Policy.Undo(next, news.undo, now)
			}
		}
		for _, q := range asked {
			next = q.decide(next, now)
		}
		if reflect.DeepEqual(next, row) {
			return nil
		}
		next.Version = row.Version + 1
		stored, ok, err := g.Store.SaveDoor(ctx, next)
		if err != nil {
			g.forget()                                                           // the write may have gone through: what it took can be given back on the row as it is alone
			return job.Errorf(job.Throttled, "write the limiter's row: %w", err) // not the job's fault
		}
		g.remember(stored)
		if ok {
			return nil
		}
		row = stored
		if err := g.Sleep(ctx, time.Duration(g.Jitter()*float64(wait))); err != nil {
			return job.Errorf(job.Throttled, "write the limiter's row: %w", err)
		}
		wait = min(2*wait, 8*pause) // more would outlast the caller's patience
	}
	return job.Errorf(job.Throttled, "the limiter's row changed %d times while it was written", maxTries)
}

// current returns the row, read anew when the known one is old.
func (g *Gate) current(ctx context.Context) (limit.Row, error) {
	g.mu.Lock()
	row, fresh := g.row, !g.read.IsZero() && g.Now().Sub(g.read) < stale
	g.mu.Unlock()
	if fresh {
		return row, nil
	}
	row, err := g.Store.Door(ctx)
	if err != nil {
		return limit.Row{}, job.Errorf(job.Throttled, "read the limiter's row: %w", err)
	}
	g.remember(row)
	return row, nil
}

// forget has the row read anew by the next decision.
func (g *Gate) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.read = time.Time{}
}

// remember keeps the row as it is now known.
func (g *Gate) remember(row limit.Row) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if row.Version != g.row.Version {
		clear(g.lent) // who was sent has booked, or soon will
	}
	g.row, g.read = row, g.Now()
}

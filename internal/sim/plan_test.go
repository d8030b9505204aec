package sim_test

import (
	"context"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
)

// replan lets an owner come with a token of another plan, mostly the newest, now and then an older
// one that is still valid.
func (w *world) replan() {
	owner := w.clients[w.later.IntN(len(w.clients))].request.Principal.Owner
	limit := max(w.later.IntN(14)-4, job.Unlimited)
	p := job.Plan{Tier: "free", Limit: limit, Issued: w.now}
	if w.later.IntN(3) == 0 {
		p.Issued = w.now.Add(-time.Duration(w.later.Int64N(int64(time.Hour))))
	}
	at := w.process(requestTime)
	at.spawn(requestTime, func(ctx context.Context) { _, _ = at.store.NotePlan(ctx, owner, p) })
	w.persons++
}

// NotePlan lets the oracle know what has been said.
func (s *observed) NotePlan(ctx context.Context, owner string, p job.Plan) (job.Plan, error) {
	inForce, err := s.Store.NotePlan(ctx, owner, p)
	if err == nil {
		s.oracle.said(ctx, owner, p)
	}
	return inForce, err
}

// said holds the plan that is known against everything that was said: it may lag behind the
// newest token by a few minutes, and by no more.
func (o *oracle) said(ctx context.Context, owner string, p job.Plan) {
	if p.Issued.After(o.newest[owner]) {
		o.newest[owner] = p.Issued
	}
	known, err := o.store.Plan(ctx, owner)
	if o.broken(underPlan, err == nil && !known.Issued.Before(o.newest[owner].Add(-5*time.Minute))) {
		o.failf(underPlan, "the plan of %s is known as of %v, and a token of %v was used: %v", owner, known.Issued, o.newest[owner], err)
	}
}

// entitled holds a claim against the plan that was known at that moment.
func (o *oracle) entitled(ctx context.Context, e *effect, old, next *job.Job) {
	if e.op != "claim" || !old.NeedsPlan() {
		return
	}
	limit := old.Limit
	known, err := o.store.Plan(ctx, old.Owner)
	if o.broken(underPlan, err == nil) {
		o.failf(underPlan, "read plan: %v", err)
	}
	if !known.Issued.IsZero() && !known.Issued.Before(old.Issued) {
		limit = known.Limit // of two tokens of one moment the known one has the smaller limit
	}
	switch {
	case next.State == job.Running && next.UsageKey == "":
		if o.broken(underPlan, limit == job.Unlimited) {
			o.failf(underPlan, "job %s runs without a unit under a limit of %d", e.id, limit)
		}
	case next.State == job.Running:
		taken := o.units[meter{next.Owner, next.UsageKey}].Taken // its own is counted after this
		if o.broken(underPlan, limit != job.Unlimited && taken < limit) {
			o.failf(underPlan, "job %s took a unit beside %d, under a limit of %d", e.id, taken, limit)
		}
	case next.State == job.Skipped || next.State == job.Waiting:
		if o.broken(underPlan, limit != job.Unlimited) {
			o.failf(underPlan, "job %s is %s, and its owner has no limit", e.id, next.State)
		}
	}
}

// TestAPlanChangesWhileJobsWait: they were accepted without a limit, and their owner has ten units by now.
func TestAPlanChangesWhileJobsWait(t *testing.T) {
	t.Parallel()
	s := newScene(t, job.Unlimited, faulty.Script{})
	for range 12 {
		s.accept("")
	}
	if _, err := s.table.NotePlan(t.Context(), "user", job.Plan{Tier: "free", Limit: 10, Issued: s.now}); err != nil {
		t.Fatal(err)
	}
	want := []job.Outcome{job.UserQuotaExceeded, job.UserQuotaExceeded}
	for range 10 {
		want = append(want, job.Success)
	}
	s.work()
	s.end(10, 10, 0, want...)
}

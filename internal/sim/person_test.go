package sim_test

import (
	"context"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
)

// person lets an owner act on their jobs, or somebody else try it.
func (w *world) person() {
	c := w.clients[w.rand.IntN(len(w.clients))]
	if c.job == "" {
		return
	}
	owner, foreign := c.request.Principal.Owner, w.chance(0.2)
	if foreign {
		owner = "stranger"
	}
	p := w.process(requestTime)
	var err error
	p.spawn(requestTime, func(ctx context.Context) {
		if w.chance(0.25) {
			foreign = false // who has no jobs changes none
			err = w.manage(ctx, p.operator, owner)
			return
		}
		_, err = w.act(ctx, p.operator, owner, c.job)
	})
	p.end = func() {
		code := job.Code("")
		if err != nil {
			code = job.CodeOf(err)
		}
		fault := code == job.Throttled || code == job.Internal
		allowed := code == "" || code == job.StateConflict || code == job.UniqueHeld || code == job.LimitExceeded
		w.oracle.mustf(i25, fault || foreign == (code == job.NotFound) && (foreign || allowed), "%s was answered with %q, foreign %v", owner, code, foreign)
		w.persons++
	}
}

// act does something with one job.
func (w *world) act(ctx context.Context, o *deadletter.Operator, owner, id string) (job.Job, error) {
	switch w.rand.IntN(5) {
	case 0:
		return o.Cancel(ctx, owner, id)
	case 1:
		return o.Forget(ctx, owner, id)
	case 2:
		return o.Snooze(ctx, owner, id, time.Duration(w.rand.Int64N(int64(2*time.Hour))).Truncate(time.Second))
	default:
		return o.Retry(ctx, owner, id)
	}
}

// manage does something with many jobs.
func (w *world) manage(ctx context.Context, o *deadletter.Operator, owner string) (err error) {
	dry := w.chance(0.3)
	switch r := w.rand.IntN(20); {
	case r < 8:
		_, err = o.RetryMany(ctx, owner, deadletter.Filter{}, "", dry)
	case r < 14:
		_, err = o.Start(ctx, deadletter.Operation{Owner: owner, Canary: w.chance(0.7), Rate: 1 + w.rand.IntN(20)})
	case r < 19:
		plan := job.Plan{Tier: "pro", Limit: job.Unlimited}
		if limit := w.table.limit(owner); limit != job.Unlimited {
			plan.Limit = limit + 3
		}
		_, err = o.MakeUp(ctx, owner, plan, "", dry)
	default:
		_, err = o.Flush(ctx, owner, deadletter.Filter{}, "", dry)
	}
	return err
}

// driven holds the new state of an operation against the last one.
func (o *oracle) driven(next *deadletter.Operation) {
	old, known := o.operations[next.ID]
	if o.broken(i25, !known || old.State == deadletter.OperationRunning) {
		o.failf(i25, "operation %s went on after it was %s", next.ID, old.State)
	}
	if o.broken(i25, next.Mended+next.Returned+len(next.Watched) == next.Retried && next.Retried >= old.Retried && next.Mended >= old.Mended && next.Returned >= old.Returned) {
		o.failf(i25, "operation %+v counts wrong, it was %+v", *next, old)
	}
	chosen := next.Retried - old.Retried
	if o.broken(i25, !next.Canary || chosen == 0 || chosen == len(next.Watched) && chosen <= 5<<(2*old.Step)) {
		o.failf(i25, "canary %+v took %d jobs, it was %+v", *next, chosen, old)
	}
	o.operations[next.ID] = *next
}

package sim_test

import (
	"context"
	"slices"
	"time"

	"orbitq/internal/job"
)

// meddle lets an owner act on a chain or batch or on a step of it, or somebody else try.
func (w *world) meddle() {
	x := w.flows.wishes[w.rand.IntN(len(w.flows.wishes))]
	if x.id == "" {
		return
	}
	owner, foreign := x.request.Owner, w.chance(0.1)
	if foreign {
		owner = "stranger"
	}
	p := w.process(requestTime)
	act, what := w.deed(p, x)
	var err error
	p.spawn(requestTime, func(ctx context.Context) { err = act(ctx, owner) })
	p.end = func() {
		code := job.Code("")
		if err != nil {
			code = job.CodeOf(err)
		}
		w.notef("person   %s %s: %v", what, x.id[20:], err)
		fault := code == job.Throttled || code == job.Internal
		allowed := code == "" || code == job.StateConflict || code == job.UniqueHeld
		w.oracle.mustf(i25, fault || foreign == (code == job.NotFound) && (foreign || allowed), "%s by %s was answered with %v, foreign %v", what, owner, err, foreign)
		w.persons++
	}
}

// deed draws what is done.
func (w *world) deed(p *process, x *wish) (act func(context.Context, string) error, what string) {
	id := x.id // the wish may get another one while this is under way
	if steps := w.oracle.flows.jobsOf(x.flow()); len(steps) > 0 && w.chance(0.4) {
		id := steps[w.rand.IntN(len(steps))]
		return w.stepDeed(p, id)
	}
	if x.chain != nil {
		if w.chance(0.3) {
			w.oracle.flows.byHand[id] = true
			return func(ctx context.Context, owner string) error {
				_, err := p.flow.CancelChain(ctx, owner, id)
				return err
			}, "cancel chain"
		}
		return func(ctx context.Context, owner string) error {
			_, _, err := p.flow.RedriveChain(ctx, owner, id)
			return err
		}, "redrive chain"
	}
	switch r := w.rand.IntN(10); {
	case r < 2:
		return func(ctx context.Context, owner string) error {
			_, err := p.flow.CancelBatch(ctx, owner, id)
			return err
		}, "cancel batch"
	case r < 5:
		own := w.flows.points[x.request.Owner]
		more := w.sample(own, 1+w.rand.IntN(min(len(own), 8)))
		if w.chance(0.7) { // else it is refused, unless nobody has them
			more = slices.DeleteFunc(more, func(point string) bool { return w.oracle.flows.has(x.id, point) })
		}
		if len(more) > 0 {
			return func(ctx context.Context, owner string) error {
				_, _, err := p.flow.AddItems(ctx, job.Account{Owner: owner}, id, more)
				return err
			}, "add items"
		}
	}
	return func(ctx context.Context, owner string) error {
		_, _, err := p.flow.RetryBatch(ctx, owner, id)
		return err
	}, "retry batch"
}

// stepDeed draws what is done to the job of a step.
func (w *world) stepDeed(p *process, id string) (act func(context.Context, string) error, what string) {
	o := p.operator
	switch w.rand.IntN(6) {
	case 0:
		w.oracle.flows.byHand[id] = true
		return func(ctx context.Context, owner string) error {
			_, err := o.Cancel(ctx, owner, id)
			return err
		}, "cancel step"
	case 1:
		return func(ctx context.Context, owner string) error {
			_, err := o.Forget(ctx, owner, id)
			return err
		}, "forget step"
	case 2:
		wait := time.Duration(w.rand.Int64N(int64(2 * time.Hour))).Truncate(time.Second)
		return func(ctx context.Context, owner string) error {
			_, err := o.Snooze(ctx, owner, id, wait)
			return err
		}, "snooze step"
	default:
		return func(ctx context.Context, owner string) error {
			_, err := o.Retry(ctx, owner, id)
			return err
		}, "retry step"
	}
}

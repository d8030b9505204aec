package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"orbitq/internal/job"
)

// PerSweep is the most chains and batches that one sweep asks after.
const PerSweep = 200

// sweepFor is how long one sweep goes on asking: a large batch takes a second or more, and
// the function has 50. The next sweep begins with what this one leaves.
const sweepFor = 15 * time.Second

// Swept counts what a sweep did.
type Swept struct {
	Seen    int // chains and batches that it asked after
	Resumed int // executions started
}

// Sweep asks after the executions of chains and batches that have been silent for long.
// One that goes on is left alone; one that never began is started; and where it ended
// before its chain or batch did, another one goes on with what is left. One that cannot be
// asked after does not keep the others back.
func (f *Flow) Sweep(ctx context.Context) (Swept, error) {
	var s Swept
	flows, err := f.Open.OpenFlows(ctx, f.Now(), PerSweep)
	if err != nil {
		return s, fmt.Errorf("find open flows: %w", err)
	}
	var errs []error
	began := f.Now()
	for _, flow := range flows {
		if f.Now().Sub(began) >= sweepFor {
			break
		}
		s.Seen++
		resumed, err := f.resume(ctx, flow)
		if err != nil {
			errs = append(errs, fmt.Errorf("resume %s: %w", flow, err), f.behind(ctx, flow))
		}
		if resumed {
			s.Resumed++
		}
	}
	return s, errors.Join(errs...)
}

// resume makes sure that a chain or batch has an execution.
func (f *Flow) resume(ctx context.Context, flow job.Flow) (bool, error) {
	kind, id := flow.Parts()
	if kind == "chain" {
		return f.resumeChain(ctx, id)
	}
	return f.resumeBatch(ctx, id)
}

// behind puts a chain or batch that could not be asked after behind the others that are due:
// as many of them as a sweep asks after would hide all others.
func (f *Flow) behind(ctx context.Context, flow job.Flow) (err error) {
	kind, id := flow.Parts()
	if kind == "chain" {
		_, err = f.Chains.AmendChain(ctx, id, func(c job.Chain) (job.Chain, error) {
			if due(c.Look, f.Now()) {
				c.Look = f.Now()
			}
			return c, nil
		})
	} else {
		_, err = f.Batches.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, Change, error) {
			if due(b.Look, f.Now()) {
				b.Look = f.Now()
			}
			return b, Change{}, nil
		})
	}
	if err = unlessGone(err); err != nil {
		return fmt.Errorf("put %s behind: %w", flow, err)
	}
	return nil
}

// resumeChain starts the execution of a chain that has none.
func (f *Flow) resumeChain(ctx context.Context, id string) (bool, error) {
	seen, err := f.Chains.Chain(ctx, id)
	if err != nil || !due(seen.Look, f.Now()) {
		return false, unlessGone(err)
	}
	if seen.State.Final() {
		return false, f.release(ctx, &seen)
	}
	// Step Functions itself is asked, not a row: an execution that was killed from the console
	// leaves no trace in any.
	running, err := f.Executions.Running(ctx, ChainMachine, job.ExecutionName(id, seen.Generation))
	if err != nil {
		return false, fmt.Errorf("ask after execution: %w", err)
	}
	won := false
	c, err := f.Chains.AmendChain(ctx, id, func(c job.Chain) (job.Chain, error) {
		// The question took time. Of two sweeps that asked, the one whose look is still in the
		// row decides; the number in it grows by the write, so the name is used once.
		won = !c.State.Final() && c.Generation == seen.Generation && c.Look.Equal(seen.Look)
		switch {
		case !won:
			return c, nil // another sweep was quicker
		case running:
			c.Look = f.Now().Add(f.Lookback)
			return c, nil
		default:
			return job.ResumeChain(c, f.Now(), f.Lookback), nil
		}
	})
	if err != nil || running || !won {
		return false, unlessGone(err)
	}
	return true, f.execute(ctx, &c)
}

// release ends the step of a cancelled chain, if its execution could not, and asks no more
// when it has ended.
func (f *Flow) release(ctx context.Context, c *job.Chain) error {
	a, err := f.leave(ctx, c)
	if err != nil {
		return err
	}
	_, err = f.Chains.AmendChain(ctx, c.ID, func(c job.Chain) (job.Chain, error) {
		if !c.State.Final() {
			return c, nil // redriven meanwhile: somebody must look at it again
		}
		c.Look = time.Time{}
		if a.Wait > 0 {
			c.Look = f.Now().Add(a.Wait)
		}
		return c, nil
	})
	if err != nil {
		return fmt.Errorf("write chain: %w", err)
	}
	return nil
}

// resumeBatch starts an execution of a batch that has none. One that has nothing left to
// do is closed, and one that was stopped is stopped on.
func (f *Flow) resumeBatch(ctx context.Context, id string) (bool, error) {
	// Counted first: if the last execution died behind its last item, there is nothing left to
	// start, and the batch is closed here.
	seen, err := f.Summarise(ctx, id)
	after := f.Lookback
	if err == nil && seen.Stop != "" && due(seen.Look, f.Now()) {
		after = stopLook
		seen, err = f.stopRest(ctx, &seen)
	}
	if err != nil || !due(seen.Look, f.Now()) {
		return false, unlessGone(err)
	}
	running, err := f.running(ctx, &seen)
	if err != nil {
		return false, err
	}
	work, look, err := f.work(ctx, &seen, running, f.Now().Add(after))
	if err != nil {
		return false, err
	}
	won, goesOn := false, len(work) == 0
	b, err := f.Batches.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, Change, error) {
		won = !b.Closed && b.Runs == seen.Runs && b.Look.Equal(seen.Look)
		switch {
		case !won:
			return b, Change{}, nil // another sweep was quicker
		case goesOn:
			b.Look = look
			return b, Change{}, nil
		default:
			return job.ResumeBatch(b, f.Now(), f.Lookback), Change{}, nil
		}
	})
	if err != nil || goesOn || !won {
		return false, unlessGone(err)
	}
	// Also beside an execution that goes on: both may visit an item, and the job's lease decides.
	return true, f.executeItems(ctx, &b, work)
}

// PerAsk is the most executions of a batch that are asked after in one look.
const PerAsk = 10

// running reports whether any of a batch's newest executions goes on. The newest alone says
// too little: one over a few items that were added is soon over, while the first still
// works on thousands, and another one beside it would do nothing but cost as much again.
func (f *Flow) running(ctx context.Context, b *job.Batch) (bool, error) {
	for n := b.Runs; n >= 0 && n > b.Runs-PerAsk; n-- {
		running, err := f.Executions.Running(ctx, BatchMachine, job.ExecutionName(b.ID, n))
		if err != nil {
			return false, fmt.Errorf("ask after execution: %w", err)
		}
		if running {
			return true, nil
		}
	}
	return false, nil
}

// work returns the items that another execution should work on, and when to look at the
// batch again if there are none. Without an execution that is everything that can go on; a
// batch in which all wait for a day is left alone until then.
func (f *Flow) work(ctx context.Context, b *job.Batch, running bool, look time.Time) ([]job.Item, time.Time, error) {
	if running {
		left, err := f.left(ctx, b)
		return left, look, err
	}
	ready, next, err := f.rest(ctx, b)
	if next.After(look) && b.Stop == "" {
		look = next
	}
	return ready, look, err
}

// PerLook is the most items whose jobs are looked at when a batch is asked after.
const PerLook = 200

// left returns items that an execution which goes on has left: their jobs are due and
// nobody came. They may not wait for its end, because it may wait for theirs: a job that
// was left holds a unit of its owner's plan, for which other items of the batch wait. Of
// many items each look sees another part.
func (f *Flow) left(ctx context.Context, b *job.Batch) ([]job.Item, error) {
	items, err := f.items(ctx, b)
	if err != nil {
		return nil, err
	}
	items = slices.DeleteFunc(items, func(it job.Item) bool { return b.Now(it).State.Final() })
	now, n := f.Now(), len(items)
	first := 0
	if n > PerLook {
		// Each look begins where the one before ended, by the clock, so that no cursor is kept.
		first = int(now.Unix()/max(int64(f.Lookback/time.Second), 1)*PerLook) % n
	}
	var left []job.Item
	for i := range min(n, PerLook) {
		it := b.Now(items[(first+i)%n])
		if !it.Due.IsZero() { // no execution waits for it
			if !it.Due.After(now) {
				left = append(left, it)
			}
			continue
		}
		j, err := f.Jobs.Job(ctx, job.StepID(it.Key, it.Kind()))
		switch {
		case job.CodeOf(err) == job.NotFound && err != nil:
			// It has not begun: its turn may be still to come.
		case err != nil:
			return nil, fmt.Errorf("read step: %w", err)
		case j.State.Open() && !j.LeaseLive(now) && !now.Before(j.Look):
			left = append(left, it)
		}
	}
	return left, nil
}

// due reports whether a look has passed; the row of what has ended has none.
func due(look, now time.Time) bool { return !look.IsZero() && !now.Before(look) }

// unlessGone drops the error that a row is not there: an index may still show it.
func unlessGone(err error) error {
	if job.CodeOf(err) == job.NotFound {
		return nil
	}
	return err
}

// Restart lets an owner's chain or batch go on with what failed.
func (f *Flow) Restart(ctx context.Context, owner string, flow job.Flow) (err error) {
	kind, id := flow.Parts()
	if kind == "chain" {
		_, _, err = f.RedriveChain(ctx, owner, id)
	} else {
		_, _, err = f.RetryBatch(ctx, owner, id)
	}
	return err
}

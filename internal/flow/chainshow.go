package flow

import (
	"context"
	"fmt"

	"orbitq/internal/job"
)

// CancelChain takes a chain back: the step that runs is counted if it ends, but is the
// last one.
func (f *Flow) CancelChain(ctx context.Context, owner, id string) (job.Chain, error) {
	c, err := f.chain(ctx, owner, id)
	if err != nil {
		return c, err
	}
	c, err = f.Chains.AmendChain(ctx, id, func(c job.Chain) (job.Chain, error) { return job.CancelChain(c, f.Now()) })
	if err != nil {
		return c, fmt.Errorf("cancel chain: %w", err)
	}
	_, err = f.leave(ctx, &c)
	return c, err
}

// RedriveChain lets a failed chain go on from the step that failed.
func (f *Flow) RedriveChain(ctx context.Context, owner, id string) (c job.Chain, startErr, err error) {
	if _, err = f.chain(ctx, owner, id); err != nil {
		return c, nil, err
	}
	c, err = f.Chains.AmendChain(ctx, id, func(c job.Chain) (job.Chain, error) { return job.RedriveChain(c, f.Now(), f.Lookback) })
	if err != nil {
		return c, nil, fmt.Errorf("redrive chain: %w", err)
	}
	return c, f.execute(ctx, &c), nil
}

// chain returns an owner's chain.
func (f *Flow) chain(ctx context.Context, owner, id string) (job.Chain, error) {
	if !job.ValidID(id) {
		return job.Chain{}, job.Errorf(job.NotFound, "no chain %s", id)
	}
	c, err := f.Chains.Chain(ctx, id)
	if err != nil {
		return c, fmt.Errorf("read chain: %w", err)
	}
	if c.Owner != owner {
		return job.Chain{}, job.Errorf(job.NotFound, "no chain %s", id)
	}
	return c, nil
}

// ChainStep is one step of a chain as a person sees it: its job, if it has one.
type ChainStep struct {
	Kind string
	Job  *job.Job
}

// ShowChain returns an owner's chain with its steps.
func (f *Flow) ShowChain(ctx context.Context, owner, id string) (job.Chain, []ChainStep, error) {
	c, err := f.chain(ctx, owner, id)
	if err != nil {
		return c, nil, err
	}
	steps := make([]ChainStep, len(c.Steps))
	for i, kind := range c.Steps {
		steps[i].Kind = kind
		j, err := f.Jobs.Job(ctx, job.StepID(c.Key, kind))
		switch {
		case err == nil:
			steps[i].Job = &j
		case job.CodeOf(err) != job.NotFound:
			return c, nil, fmt.Errorf("read step: %w", err)
		}
	}
	return c, steps, nil
}

package stack

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"orbitq/internal/local/engines"
)

// prepare starts and fills the engines while the functions are built.
func (s *Stack) prepare(ctx context.Context) error {
	built := make(chan error, 1)
	go func() { built <- s.opts.builder().build(ctx, s.template.Functions) }()

	err := s.engines(ctx)
	if err == nil {
		err = provisioner{tables: s.tables.URL, queues: s.queues.URL, states: s.statesURL(), region: s.opts.Region}.provision(ctx, s.template)
	}

	return errors.Join(err, <-built)
}

// engines starts all engines at once.
func (s *Stack) engines(ctx context.Context) error {
	cfg := engines.Config{
		Tools: s.opts.tools(), Logs: LogFolder(s.opts.Data), Region: s.opts.Region, Public: s.aws.address(),
		Script: filepath.Join(s.opts.Root, "local", "states.py"), Speed: s.opts.Speed,
	}
	if s.opts.Keep {
		cfg.Data = s.opts.Data
	}

	var (
		all      sync.WaitGroup
		problems [3]error
	)

	all.Go(func() { s.tables, problems[0] = engines.DynamoDB(ctx, cfg) })
	all.Go(func() { s.queues, problems[1] = engines.ElasticMQ(ctx, cfg) })
	all.Go(func() { problems[2] = s.startStates(ctx, cfg) })
	all.Wait()

	for _, e := range []*engines.Engine{s.tables, s.queues, s.states} {
		if e == nil {
			continue
		}

		// Stop ends the engine too, and that is no failure.
		stopping := make(chan struct{})

		s.onStop(func() error { close(stopping); return e.Stop() })

		go func() {
			err := <-e.Done()

			select {
			case <-stopping:
			default:
				s.fail(err)
			}
		}()
	}

	return errors.Join(problems[:]...)
}

package stack

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"orbitq/internal/local/apigw"
	"orbitq/internal/local/cfn"
	"orbitq/internal/local/engines"
	"orbitq/internal/local/trigger"
)

// call finds the function that a part of the template names.
func (s *Stack) call(name string) (func(ctx context.Context, payload []byte) ([]byte, string, error), error) {
	f, ok := s.functions[short(name)]
	if !ok {
		return nil, fmt.Errorf("function %s is not in the template", name)
	}

	return f.Call, nil
}

// composeMappings lets each mapping poll with its function's role, as Lambda does.
func (s *Stack) composeMappings() error {
	for _, m := range s.template.Mappings {
		call, err := s.call(m.Function)
		if err != nil {
			return fmt.Errorf("event source mapping of %s: %w", m.QueueARN, err)
		}

		if err := s.mayPoll(m); err != nil {
			return err
		}

		i := slices.IndexFunc(s.template.Queues, func(q cfn.Queue) bool { return q.ARN == m.QueueARN })
		if i < 0 {
			return fmt.Errorf("event source mapping of %s: its queue %s is not in the template", m.Function, m.QueueARN)
		}

		made, err := trigger.NewMapping(trigger.MappingConfig{
			Queue:    &trigger.HTTPQueue{Endpoint: s.aws.url(), URL: s.template.Queues[i].URL, Region: s.opts.Region, AccessKey: accessKey(m.Function), Client: &http.Client{}},
			QueueARN: m.QueueARN, Invoke: call, BatchSize: m.BatchSize, MaximumBatchingWindow: time.Duration(m.BatchWindow) * time.Second,
			MaximumConcurrency: m.MaxConcurrency, ReportBatchItemFailures: m.PartialResponses, Disabled: !m.Enabled,
			LongPoll: s.longPoll(), Drain: drain, Log: s.log(),
		})
		if err != nil {
			return fmt.Errorf("event source mapping of %s: %w", m.QueueARN, err)
		}

		s.mappings = append(s.mappings, made)
	}

	return nil
}

// longPoll is how long an idle poll waits. It is a wait like others, and shorter in compressed time: a mapping that is
// disabled waits for the polls that are out.
func (s *Stack) longPoll() time.Duration {
	return max(shortestPoll, time.Duration(float64(longestPoll)/max(1, s.opts.Speed)))
}

// composeSchedules hands the rules to the scheduler, which divides their rates itself.
func (s *Stack) composeSchedules() error {
	rules := make([]trigger.Rule, 0, len(s.template.Schedules))

	for _, r := range s.template.Schedules {
		call, err := s.call(r.Function)
		if err != nil {
			return fmt.Errorf("schedule %s: %w", r.Name, err)
		}

		rules = append(rules, trigger.Rule{Name: r.Name, ARN: r.ARN, Expression: r.Expression, Invoke: call, Disabled: !r.Enabled})
	}

	made, err := trigger.NewScheduler(trigger.SchedulerConfig{Rules: rules, Speed: s.opts.Speed, Log: s.log()})
	if err != nil {
		return fmt.Errorf("make schedules: %w", err)
	}

	s.scheduler = made

	return nil
}

// composeAPI makes the HTTP API from the routes that SAM has written into its body, with the stage's limits. Its access
// log is a file like those of functions.
func (s *Stack) composeAPI() error {
	cfg := apigw.Config{
		Account: engines.Account, AccessLogFormat: s.template.Stage.AccessLogFormat,
		Throttle: apigw.Throttle{Rate: float64(s.template.Stage.Rate), Burst: s.template.Stage.Burst},
	}

	// A template without an authorizer is an open API.
	if s.template.Issuer != "" {
		cfg.JWT = &apigw.JWT{Issuer: s.template.Issuer, Audience: s.template.Audience}
	}

	for _, r := range s.template.Routes {
		call, err := s.call(r.Function)
		if err != nil {
			return fmt.Errorf("route %s %s: %w", r.Method, r.Path, err)
		}

		cfg.Routes = append(cfg.Routes, apigw.Route{Key: r.Method + " " + r.Path, Invoke: call, Authorize: r.Authorized, Scopes: r.Scopes})
	}

	out, err := s.logs.open("api")
	if err != nil {
		return err
	}

	cfg.AccessLog = out

	s.httpAPI, err = apigw.New(cfg)
	if err != nil {
		return fmt.Errorf("make HTTP API: %w", err)
	}

	return nil
}

// run opens the doors.
func (s *Stack) run(ctx context.Context) error {
	s.aws.serve(s.handlerOfAWS(), s.fail)
	s.api.serve(s.httpAPI, s.fail)

	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // Stop ends it, not the end of the start
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		s.runSources(ctx)
	}()

	s.onStop(func() error { cancel(); <-ended; return nil })

	return nil
}

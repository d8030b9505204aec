package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"orbitq/internal/local/apigw"
	"orbitq/internal/local/cfn"
	"orbitq/internal/local/cron"
	"orbitq/internal/local/engines"
	"orbitq/internal/local/esm"
	"orbitq/internal/local/gateway"
	"orbitq/internal/local/lambdart"
)

// Limits that an account has on AWS, at the size of one machine.
const (
	// instances bounds the processes of one function; the account's limit on AWS is 1000.
	instances   = 64
	idleTimeout = time.Minute
	drain       = 5 * time.Second // how long running work may take when the stack stops
)

// compose connects the parts as the template says; nothing runs yet.
func (s *Stack) compose(context.Context) error {
	s.principals = map[string]*gateway.Principal{}
	invokers := map[string]gateway.Invoker{}

	for _, f := range s.template.Functions {
		p, err := s.principal(f)
		if err != nil {
			return err
		}

		s.principals[accessKey(f.Name)] = p

		made, err := s.function(f)
		if err != nil {
			return err
		}

		s.functions[short(f.Name)] = made
		invokers[f.Name] = made.Call
		s.onStop(func() error { made.Close(); return nil })
	}

	s.gateway = gateway.New(gateway.Config{
		Region: s.opts.Region, Account: engines.Account, DynamoDB: s.tables.URL, SQS: s.queues.URL,
		Principals: s.principals, HashKeys: s.hashKeys(), Secrets: s.secrets(), Functions: invokers,
	})

	return errors.Join(s.composeMappings(), s.composeSchedules(), s.composeAPI())
}

// principal is a function with the statements of its role.
func (s *Stack) principal(f cfn.Function) (*gateway.Principal, error) {
	i := slices.IndexFunc(s.template.Roles, func(r cfn.Role) bool { return r.ARN == f.Role })
	if i < 0 {
		return nil, fmt.Errorf("function %s: its role %s is not in the template", f.Name, f.Role)
	}

	role := s.template.Roles[i]
	statements := role.Statements

	// SAM attaches managed policies on its own, for tracing for example; they are part of what the role allows.
	for _, arn := range role.Managed {
		more, known := gateway.Managed(arn)
		if !known {
			return nil, fmt.Errorf("role %s: the managed policy %s is not known to the local run", role.Name, arn)
		}

		statements = append(statements, more...)
	}

	return &gateway.Principal{Function: f.Name, Role: role.Name, Account: engines.Account, Statements: statements}, nil
}

// function is a function with the environment that Lambda gives it.
func (s *Stack) function(f cfn.Function) (*lambdart.Function, error) {
	// The key names the function, so that the gateway knows whose role to apply. The template's variables come last: it
	// may override what Lambda sets, but for what lambdart reserves.
	env := map[string]string{
		"AWS_ENDPOINT_URL": s.aws.url(), "AWS_ACCESS_KEY_ID": accessKey(f.Name), "AWS_SECRET_ACCESS_KEY": "local",
		"AWS_LAMBDA_LOG_FORMAT": "JSON",
	}
	maps.Copy(env, f.Env)

	out, err := s.logs.open(short(f.Name))
	if err != nil {
		return nil, err
	}

	made, err := lambdart.New(lambdart.Config{
		Name: f.Name, Binary: s.opts.builder().binary(f), Env: env, Region: s.opts.Region, ARN: f.ARN, Version: "1",
		Timeout: time.Duration(f.Timeout) * time.Second, MemoryMB: f.Memory, MaxInstances: instances, IdleTimeout: idleTimeout, Log: out,
	})
	if err != nil {
		return nil, fmt.Errorf("make function: %w", err)
	}

	return made, nil
}

// accessKey is what a function signs with; it names the function, and so its role.
func accessKey(function string) string { return "local-" + function }

// secrets are the template's, as the gateway answers them.
func (s *Stack) secrets() []gateway.Secret {
	all := make([]gateway.Secret, 0, len(s.template.Secrets))
	for _, secret := range s.template.Secrets {
		all = append(all, gateway.Secret(secret))
	}

	return all
}

// hashKeys tells the gateway which attribute is the partition key of each table and index.
func (s *Stack) hashKeys() map[string]string {
	all := map[string]string{}
	for _, t := range s.template.Tables {
		maps.Copy(all, t.HashKeys)
	}

	return all
}

// call finds the function that a part of the template names.
func (s *Stack) call(name string) (func(ctx context.Context, payload []byte) ([]byte, string, error), error) {
	f, ok := s.functions[short(name)]
	if !ok {
		return nil, fmt.Errorf("function %s is not in the template", name)
	}

	return f.Call, nil
}

// mayPoll refuses a mapping whose function may not do what polling needs, as Lambda does when a mapping is created.
func (s *Stack) mayPoll(m cfn.Mapping) error {
	p := s.principals[accessKey(m.Function)]
	for _, action := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		if err := p.Check(gateway.Call{Action: "sqs:" + action, Resource: m.QueueARN}); err != nil {
			return fmt.Errorf("event source mapping: the function execution role does not have permissions to call %s on SQS: %w", action, err)
		}
	}

	return nil
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

		made, err := esm.New(esm.Config{
			Queue:    &esm.HTTPQueue{Endpoint: s.aws.url(), URL: s.template.Queues[i].URL, Region: s.opts.Region, AccessKey: accessKey(m.Function), Client: &http.Client{}},
			QueueARN: m.QueueARN, Invoke: call, BatchSize: m.BatchSize, MaximumBatchingWindow: time.Duration(m.BatchWindow) * time.Second,
			MaximumConcurrency: m.MaxConcurrency, ReportBatchItemFailures: m.PartialResponses, Drain: drain, Log: s.log(),
		})
		if err != nil {
			return fmt.Errorf("event source mapping of %s: %w", m.QueueARN, err)
		}

		s.mappings = append(s.mappings, made)
	}

	return nil
}

// composeSchedules hands the rules to the scheduler, which divides their rates itself.
func (s *Stack) composeSchedules() error {
	rules := make([]cron.Rule, 0, len(s.template.Schedules))

	for _, r := range s.template.Schedules {
		call, err := s.call(r.Function)
		if err != nil {
			return fmt.Errorf("schedule %s: %w", r.Name, err)
		}

		rules = append(rules, cron.Rule{Name: r.Name, ARN: r.ARN, Expression: r.Expression, Invoke: call, Disabled: !r.Enabled})
	}

	made, err := cron.New(cron.Config{Rules: rules, Speed: s.opts.Speed, Log: s.log()})
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

package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"orbitq/internal/local/cfn"
	"orbitq/internal/local/engines"
	"orbitq/internal/local/gateway"
	"orbitq/internal/local/lambdart"
)

// Limits that an account has on AWS, at the size of one machine.
const (
	// instances bounds the processes of one function; the account's limit on AWS is 1000.
	instances   = 64
	idleTimeout = time.Minute
	drain       = 5 * time.Second // how long running work may take when the stack stops

	longestPoll  = 20 * time.Second
	shortestPoll = 2 * time.Second
)

// compose connects the parts as the template says; nothing runs yet.
func (s *Stack) compose(context.Context) error {
	s.principals = map[string]*gateway.Principal{}
	invokers := map[string]gateway.Invoker{}

	for _, f := range s.template.Functions {
		p, err := s.principalOf(f)
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

	if err := errors.Join(s.composeMachines(), s.composeMappings(), s.composeSchedules(), s.composeAPI()); err != nil {
		return err
	}

	// Last, because it shows the mappings to the functions.
	s.gateway = gateway.New(gateway.Config{
		Region: s.opts.Region, Account: engines.Account, DynamoDB: s.tables.URL, SQS: s.queues.URL,
		Principals: s.principals, HashKeys: s.hashKeys(), Secrets: s.secrets(), Functions: invokers,
		Mappings: s.controls(), Topics: s.topics(), States: s.statesURL(), Buckets: s.buckets(), Aliases: s.aliases(),
	})

	return nil
}

// principalOf is a function with the statements of its role.
func (s *Stack) principalOf(f cfn.Function) (*gateway.Principal, error) {
	i := slices.IndexFunc(s.template.Roles, func(r cfn.Role) bool { return r.ARN == f.Role })
	if i < 0 {
		return nil, fmt.Errorf("function %s: its role %s is not in the template", f.Name, f.Role)
	}

	return s.principal(f.Name, s.template.Roles[i])
}

// principal is whoever has a role, with its statements.
func (s *Stack) principal(name string, role cfn.Role) (*gateway.Principal, error) {
	statements := role.Statements

	// SAM attaches managed policies on its own, for tracing for example; they are part of what the role allows.
	for _, arn := range role.Managed {
		more, known := gateway.Managed(arn)
		if !known {
			return nil, fmt.Errorf("role %s: the managed policy %s is not known to the local run", role.Name, arn)
		}

		statements = append(statements, more...)
	}

	return &gateway.Principal{Function: name, Role: role.Name, Account: engines.Account, Statements: statements}, nil
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

// topics are the template's, as the gateway keeps them.
func (s *Stack) topics() []gateway.Topic {
	all := make([]gateway.Topic, 0, len(s.template.Topics))
	for _, topic := range s.template.Topics {
		all = append(all, gateway.Topic(topic))
	}

	return all
}

// controls are the mappings with the pollers that a control call turns on and off.
func (s *Stack) controls() []gateway.Mapping {
	all := make([]gateway.Mapping, 0, len(s.mappings))
	for i, m := range s.template.Mappings {
		all = append(all, gateway.Mapping{
			UUID: m.UUID, ARN: m.ARN, FunctionARN: m.FunctionARN, QueueARN: m.QueueARN, BatchSize: m.BatchSize,
			BatchWindow: m.BatchWindow, MaxConcurrency: m.MaxConcurrency, PartialResponses: m.PartialResponses, Pollers: s.mappings[i],
		})
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

package stack

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"orbitq/internal/local/apigw"
	"orbitq/internal/local/cdse"
	"orbitq/internal/local/cfn"
	"orbitq/internal/local/engines"
	"orbitq/internal/local/gateway"
	"orbitq/internal/local/issuer"
	"orbitq/internal/local/lambdart"
	"orbitq/internal/local/trigger"
)

// Names and numbers that clients may rely on.
const (
	// OperatorKey is the access key of who may do everything: the AWS CLI, boto3, people.
	OperatorKey  = "operator"
	audience     = "orbitq"
	issuerPath   = "/_orbitq/issuer"
	stopPatience = 10 * time.Second
	awsPort      = 4566 // what people expect of a local AWS; the next free one when it is taken
)

// Stack is a running local AWS.
type Stack struct {
	opts     Options
	template *cfn.Stack
	state    State

	tables, queues     *engines.Engine
	states             *engines.Engine // nil without state machines
	gateway            *gateway.Gateway
	issuer             *issuer.Issuer
	provider           *cdse.Server
	aws, api, provided *site
	functions          map[string]*lambdart.Function // by short name
	principals         map[string]*gateway.Principal // by access key
	mappings           []*trigger.Mapping            // in the order of the template's
	scheduler          *trigger.Scheduler
	httpAPI            *apigw.API
	logs               *logBook

	mu     sync.Mutex         // what tests do to the whole stack, one at a time
	paused []*trigger.Mapping // that Pause has stopped and Resume starts

	// undo is what Stop does, last first.
	undo   []func() error
	failed chan error
	once   sync.Once
	stopE  error
}

// Start starts a stack and returns when everything answers. On an error nothing is left running.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}

	s := &Stack{opts: opts, failed: make(chan error, 1), functions: map[string]*lambdart.Function{}}

	for _, step := range []func(context.Context) error{
		s.claim, s.install, s.open, s.read, s.prepare, s.compose, s.run, s.publish,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}

	return s, nil
}

// onStop adds what Stop has to do.
func (s *Stack) onStop(undo func() error) { s.undo = append(s.undo, undo) }

// Stop ends everything, in the reverse order of its start, and removes the state file. It may be called again.
func (s *Stack) Stop() error {
	s.once.Do(func() {
		var all []error
		for _, undo := range slices.Backward(s.undo) {
			all = append(all, undo())
		}

		s.stopE = errors.Join(all...)
	})

	return s.stopE
}

// Done gets an error when a part of the stack ends on its own; the stack is of no use then.
func (s *Stack) Done() <-chan error { return s.failed }

// fail reports the first failure.
func (s *Stack) fail(err error) {
	select {
	case s.failed <- err:
	default: // one is enough
	}
}

// handlerOfAWS serves the issuer's documents beside the gateway.
func (s *Stack) handlerOfAWS() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(issuerPath+"/", s.issuer)
	mux.Handle("/", s.gateway)

	return mux
}

// log is where parts report what people may want to know later.
func (s *Stack) log() *slog.Logger { return s.opts.Log }

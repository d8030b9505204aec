package entry

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/gate"
	"orbitq/internal/job"
)

// StepEvent is what a state of a state machine asks for. Which fields count depends on
// the operation:
//
//	chain         the next step of Chain
//	chain-failed  Chain could not go on: Error says why
//	items         what can be done now for Points of Batch
//	summarise     count Batch, and close it if all is final
//	callback      deliver callback Name of Batch, if it has fired
type StepEvent struct {
	Op      string    `json:"op"`
	Chain   string    `json:"chain"`
	Batch   string    `json:"batch"`
	Points  []string  `json:"points"`
	Name    string    `json:"name"`
	Request string    `json:"request"` // ARN of the execution, for the attempt's history
	Error   StepError `json:"error"`
}

// StepError is what a Catch hands on.
type StepError struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}

// StepAnswer is what a state machine branches on.
type StepAnswer struct {
	State   string `json:"state"`
	Next    string `json:"next"`    // kind of the step that is next or goes on
	Seconds int    `json:"seconds"` // until the next visit; 0 for none
	Code    string `json:"code"`
	Reason  string `json:"reason"`
	Closed  bool   `json:"closed"`
	Then    bool   `json:"then"`
	Finally bool   `json:"finally"`
}

// Step returns the handler of the state machines' tasks. A step that failed for good is an
// error with our code as its name, so that the execution shows it; one that must wait is an
// answer. Everything else that goes wrong is an error that Retry knows.
func Step(f *flow.Flow, g *gate.Gate, log *slog.Logger) func(context.Context, StepEvent) (StepAnswer, error) {
	s := &stepper{flow: f, log: log}
	return func(ctx context.Context, e StepEvent) (StepAnswer, error) {
		began := time.Now()
		out, err := s.handle(ctx, &e)
		// What the calls came to is written before the process may freeze; a failure here is no
		// failure of the step, whose row is settled already.
		if flushErr := g.Flush(ctx); flushErr != nil {
			log.LogAttrs(ctx, slog.LevelWarn, "provider calls not recorded", slog.String("error", clip(flushErr.Error(), maxReason)))
		}
		s.line(ctx, &e, &out, err, time.Since(began))
		if err != nil {
			return out, named(err)
		}
		return out, nil
	}
}

// stepper carries out operations.
type stepper struct {
	flow *flow.Flow
	log  *slog.Logger
}

// handle carries out one operation.
func (s *stepper) handle(ctx context.Context, e *StepEvent) (StepAnswer, error) {
	switch e.Op {
	case "chain":
		return s.chain(ctx, e)
	case "chain-failed":
		return s.chainFailed(ctx, e)
	case "items":
		return s.items(ctx, e)
	case "summarise":
		return s.summarise(ctx, e)
	case "callback":
		if err := s.flow.Callback(ctx, e.Batch, e.Name); err != nil {
			return StepAnswer{}, err //nolint:wrapcheck // named by its code below
		}
		return StepAnswer{}, nil
	default:
		return StepAnswer{}, job.Errorf(job.InvalidRequest, "no operation %q", clip(e.Op, maxQuoted))
	}
}

// chain visits a chain.
func (s *stepper) chain(ctx context.Context, e *StepEvent) (StepAnswer, error) {
	a, err := s.flow.VisitChain(ctx, e.Chain, executionName(e.Request))
	if err != nil {
		return StepAnswer{}, err //nolint:wrapcheck // named by its code below
	}
	s.visited(ctx, "chain", e.Chain, &a)
	// Only here is an answer turned into an error: the execution fails under our code, and a
	// person who looks at the console alone sees why.
	if a.State == job.TrackFailed {
		return StepAnswer{}, job.Errorf(final(a.Job.Code), "%s: %s", a.Next, a.Job.Reason)
	}
	return answer(&a), nil
}

// final is the name under which a step's death is told: not one that Retry would take for
// a passing trouble of ours.
func final(c job.Code) job.Code {
	if c == job.Internal || c == job.Throttled || c == "" {
		return job.AttemptsSpent
	}
	return c
}

// answer says how the execution goes on.
func answer(a *flow.Answer) StepAnswer {
	return StepAnswer{State: string(a.State), Next: a.Next, Seconds: int(a.Wait / time.Second)}
}

// chainFailed records that an execution gave up, and answers with what the chain's row
// says: mostly that a step died, which it knows already.
func (s *stepper) chainFailed(ctx context.Context, e *StepEvent) (StepAnswer, error) {
	code := job.Code(e.Error.Error)
	if !knownCode(e.Error.Error) {
		code = job.AttemptLost
	}
	// The cause stays with the execution: it is what a function said, with names of our
	// parts, and the row is shown to its owner.
	c, err := s.flow.TroubleChain(ctx, e.Chain, code, "the execution gave up: "+clip(e.Error.Error, maxQuoted))
	if err != nil {
		return StepAnswer{}, err //nolint:wrapcheck // named by its code below
	}
	return StepAnswer{State: string(c.State), Next: c.Kind(), Code: string(cmp.Or(c.Code, code)), Reason: c.Kind() + ": " + c.Reason}, nil
}

// knownCode reports whether an error's name is one of our codes: they have no dot, unlike
// the names that AWS gives.
func knownCode(name string) bool {
	return name != "" && strings.ToUpper(name) == name && !strings.Contains(name, ".")
}

// items visits items of a batch side by side. The answer is about all of them: the first
// that is due says when to come again.
func (s *stepper) items(ctx context.Context, e *StepEvent) (StepAnswer, error) {
	answers, errs := make([]flow.Answer, len(e.Points)), make([]error, len(e.Points))
	var wg sync.WaitGroup
	for i, point := range e.Points {
		// Side by side: ten items that each ask the provider would not fit into the function's
		// time one after the other.
		wg.Go(func() {
			answers[i], errs[i] = s.flow.VisitItem(ctx, e.Batch, point, executionName(e.Request))
			s.visited(ctx, "batch", e.Batch, &answers[i])
		})
	}
	wg.Wait()
	// One item that could not be visited repeats the call for all of them. That is harmless:
	// the others are final by then, or answer with their wait.
	if err := errors.Join(errs...); err != nil {
		return StepAnswer{}, err
	}
	out := StepAnswer{State: string(job.TrackSucceeded)}
	for i := range answers {
		if seconds := int(answers[i].Wait / time.Second); seconds > 0 && (out.Seconds == 0 || seconds < out.Seconds) {
			out.Seconds, out.State = seconds, string(job.TrackRunning)
		}
	}
	return out, nil
}

// summarise counts a batch.
func (s *stepper) summarise(ctx context.Context, e *StepEvent) (StepAnswer, error) {
	b, err := s.flow.Summarise(ctx, e.Batch)
	if err != nil {
		return StepAnswer{}, err //nolint:wrapcheck // named by its code below
	}
	_, then := b.Calls[job.CallThen]
	_, finally := b.Calls[job.CallFinally]
	return StepAnswer{
		// A skipped item does not keep "then" back: its owner's limit is used up, which is an
		// answer and not a failure.
		State: b.View(), Closed: b.Closed, Finally: finally, Then: then && b.Ended.Failed == 0 && b.Ended.Cancelled == 0,
	}, nil
}

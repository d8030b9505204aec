package stack

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"orbitq/internal/local/cdse"
	"orbitq/internal/local/cfn"
	"orbitq/internal/local/gateway"
)

// runSources runs what invokes functions on its own, until the context ends and all of it has returned.
func (s *Stack) runSources(ctx context.Context) {
	var all sync.WaitGroup

	for _, m := range s.mappings {
		all.Go(func() { m.Run(ctx) })
	}

	all.Go(func() { s.scheduler.Run(ctx) })
	all.Wait()
}

// describe is the state as other processes see it.
func (s *Stack) describe() State {
	state := State{
		APIURL: s.api.url(), AWSURL: s.aws.url(), CopernicusURL: s.provided.url(), Region: s.opts.Region,
		Queues: shortNames(s.template.Queues), Issuer: s.issuer.URL(), Audience: audience, Speed: max(1, s.opts.Speed), Data: s.opts.Data,
		PIDs:      map[string]int{"stack": os.Getpid(), "tables": s.tables.PID, "queues": s.queues.PID},
		StartedAt: time.Now().UTC(),
	}

	if len(s.template.Tables) > 0 {
		state.Table = s.template.Tables[0].Name
	}

	for _, f := range s.template.Functions {
		state.Functions = append(state.Functions, short(f.Name))
	}

	return state
}

// ignored lists the types of resources that the local run leaves out, but for those that it has in another shape: log
// files for log groups, and the newest code for versions, aliases and the permissions to invoke them.
func ignored(t *cfn.Stack) []string {
	inAnotherShape := []string{"AWS::Logs::LogGroup", "AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::Permission"}

	var types []string

	for _, resource := range t.Ignored {
		kind, _, _ := strings.Cut(resource, " ")
		if !slices.Contains(types, kind) && !slices.Contains(inAnotherShape, kind) {
			types = append(types, kind)
		}
	}

	return types
}

// State returns addresses and names.
func (s *Stack) State() State { return s.state }

// Token mints a token that the HTTP API accepts.
func (s *Stack) Token(t Token) (string, error) { return s.state.Mint(t) }

// Counters returns how often each function called which operation.
func (s *Stack) Counters() gateway.Counters { return s.gateway.Counters() }

// SetFaults makes AWS calls fail as planned; none ends it. A principal is a function's short name.
func (s *Stack) SetFaults(plan ...gateway.Fault) {
	for i := range plan {
		if plan[i].Principal != "" {
			plan[i].Principal = Name + "-" + short(plan[i].Principal)
		}
	}

	s.gateway.SetFaults(plan...)
}

// Intercept asks a function of every AWS call; nil ends it. A principal is a function's short name, or operator.
func (s *Stack) Intercept(decide func(principal, operation string) (gateway.Fault, bool)) {
	if decide == nil {
		s.gateway.Intercept(nil)

		return
	}

	s.gateway.Intercept(func(principal, operation string) (gateway.Fault, bool) { return decide(short(principal), operation) })
}

// Provider is the Copernicus stand-in, which has faults and counters of its own.
func (s *Stack) Provider() *cdse.Server { return s.provider }

// Kill kills a random execution environment of a function, a busy one if there is any. It returns false when there was
// none.
func (s *Stack) Kill(function string, random *rand.Rand) (pid int, ok bool) {
	f, found := s.functions[short(function)]
	if !found {
		return 0, false
	}

	return f.KillOne(random)
}

// Invoke runs a function once, as the Lambda API does.
func (s *Stack) Invoke(ctx context.Context, function string, payload []byte) (response []byte, functionError string, err error) {
	call, err := s.call(function)
	if err != nil {
		return nil, "", err
	}

	return call(ctx, payload)
}

// Pause stops all event source mappings and waits until no poll is out; Resume ends it.
func (s *Stack) Pause(ctx context.Context) error {
	for _, m := range s.mappings {
		if err := m.Pause(ctx); err != nil {
			return fmt.Errorf("pause event source mapping: %w", err)
		}
	}

	return nil
}

// Resume lets event source mappings poll again.
func (s *Stack) Resume() {
	for _, m := range s.mappings {
		m.Resume()
	}
}

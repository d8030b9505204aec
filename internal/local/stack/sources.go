package stack

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"orbitq/internal/local/cfn"
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
		StartedAt: time.Now().UTC(), StateMachines: machineARNs(s.template.StateMachines),
	}

	if s.states != nil {
		state.PIDs["states"] = s.states.PID
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
// files for log groups, and the newest code for versions and the permissions to invoke them.
func ignored(t *cfn.Stack) []string {
	inAnotherShape := []string{"AWS::Logs::LogGroup", "AWS::Lambda::Version", "AWS::Lambda::Permission"}

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

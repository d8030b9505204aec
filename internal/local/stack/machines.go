package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"orbitq/internal/local/cfn"
	"orbitq/internal/local/engines"
	"orbitq/internal/local/gateway"
)

const (
	targetStates = "AWSStepFunctions."    // prefix of X-Amz-Target
	service      = "states.amazonaws.com" // who assumes a state machine's role
)

// machine makes a state machine from the template's own definition: compressed time is the engine's business.
func (p provisioner) machine(ctx context.Context, m cfn.StateMachine) error {
	status, answer, err := p.call(ctx, p.states, "states", targetStates+"CreateStateMachine", map[string]any{
		"name": m.Name, "definition": m.Definition, "roleArn": m.Role, "type": m.Type,
	})
	if err := refused(status, answer, err); err != nil {
		return err
	}

	var made struct {
		ARN string `json:"stateMachineArn"`
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}

	// Roles and functions know it by the name that the template gives.
	if made.ARN != m.ARN {
		return fmt.Errorf("its ARN is %s instead of %s", made.ARN, m.ARN)
	}

	return nil
}

// composeMachines lets state machines call with the role of the template. Machines that share a role are one principal,
// named after the first: a call of the engine tells no more.
func (s *Stack) composeMachines() error {
	for _, m := range s.template.StateMachines {
		i := slices.IndexFunc(s.template.Roles, func(r cfn.Role) bool { return r.ARN == m.Role })
		if i < 0 {
			return fmt.Errorf("state machine %s: its role %s is not in the template", m.Name, m.Role)
		}

		if role := s.template.Roles[i]; !slices.Contains(role.Trusted, service) {
			return fmt.Errorf("state machine %s: its role %s does not trust %s", m.Name, role.Name, service)
		}

		key := gateway.RoleKey(s.template.Roles[i].Name)
		if s.principals[key] != nil {
			continue
		}

		p, err := s.principal(m.Name, s.template.Roles[i])
		if err != nil {
			return err
		}

		s.principals[key] = p
	}

	return nil
}

// startStates starts the interpreter, unless the template has nothing for it.
func (s *Stack) startStates(ctx context.Context, cfg engines.Config) (err error) {
	if len(s.template.StateMachines) == 0 {
		return nil
	}

	s.states, err = engines.States(ctx, cfg)

	return err //nolint:wrapcheck // the engine names itself
}

// statesURL is where the interpreter is; empty when there is none.
func (s *Stack) statesURL() string {
	if s.states == nil {
		return ""
	}

	return s.states.URL
}

// aliases are the names with which functions may be called besides their own.
func (s *Stack) aliases() map[string]bool {
	all := map[string]bool{}
	for _, a := range s.template.Aliases {
		all[a.Function+":"+a.Name] = true
	}

	return all
}

// buckets are the template's, as the gateway keeps them.
func (s *Stack) buckets() []gateway.Bucket {
	all := make([]gateway.Bucket, 0, len(s.template.Buckets))
	for _, b := range s.template.Buckets {
		all = append(all, gateway.Bucket(b))
	}

	return all
}

// Executions returns every execution of every state machine since the start, oldest first, with what it has cost.
func (s *Stack) Executions(ctx context.Context) ([]gateway.Execution, error) {
	all, err := s.gateway.Executions(ctx)
	if err != nil {
		return nil, fmt.Errorf("list executions: %w", err)
	}

	return all, nil
}

// machineARNs maps the names of a template's state machines, without the stack's, to their ARNs.
func machineARNs(machines []cfn.StateMachine) map[string]string {
	all := map[string]string{}
	for _, m := range machines {
		all[short(m.Name)] = m.ARN
	}

	return all
}

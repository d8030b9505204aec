package stack

import (
	"context"
	"fmt"
	"math/rand/v2"

	"orbitq/internal/local/cdse"
	"orbitq/internal/local/gateway"
	"orbitq/internal/local/trigger"
)

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
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, m := range s.mappings {
		// What a control call has disabled is not Resume's to enable.
		if m.State() == trigger.Enabled {
			s.paused = append(s.paused, m)
		}

		if err := m.Pause(ctx); err != nil {
			return fmt.Errorf("pause event source mapping: %w", err)
		}
	}

	return nil
}

// Resume lets event source mappings poll again that Pause has stopped.
func (s *Stack) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, m := range s.paused {
		m.Resume()
	}

	s.paused = nil
}

// Published returns the last 10,000 messages of a topic, oldest first. The name may leave out the stack's.
func (s *Stack) Published(topic string) []gateway.Published {
	if found := s.gateway.Published(topic); len(found) > 0 {
		return found
	}

	return s.gateway.Published(Name + "-" + topic)
}

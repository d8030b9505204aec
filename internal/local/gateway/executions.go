package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Execution is an execution of a state machine with what it has cost.
type Execution struct {
	Name    string     `json:"name"`
	Machine string     `json:"machine"` // name of the state machine
	Status  string     `json:"status"`  // RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED
	Started time.Time  `json:"started"`
	Stopped *time.Time `json:"stopped"` // nil while it runs
	// Transitions is states entered plus retries, which is what AWS bills; those of the children of a distributed Map
	// are in it.
	Transitions int `json:"transitions"`
	Retries     int `json:"retries"`
	// Events is the length of its own history, of which 25,000 is the end.
	Events int `json:"events"`
}

// Executions returns every execution since the start, oldest first; none without a state machine. It asks the engine,
// and fails when that does not answer.
func (g *Gateway) Executions(ctx context.Context) ([]Execution, error) {
	all := []Execution{}
	if g.States == "" {
		return all, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.States+"/_orbitq/executions", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for executions: %w", err)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for executions: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for executions: status %d", resp.StatusCode)
	}
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("read executions: %w", err)
	}
	return all, nil
}

// executions answers whoever asks over HTTP.
func (g *Gateway) executions(w http.ResponseWriter, r *http.Request) {
	all, err := g.Executions(r.Context())
	if err != nil {
		failure(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
		return
	}
	reply(w, http.StatusOK, map[string]any{"executions": all})
}

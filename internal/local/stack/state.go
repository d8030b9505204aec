package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"orbitq/internal/local/cfn"
)

// Errors of Read and Start.
var (
	ErrNotRunning = errors.New("no local stack is running")
	ErrRunning    = errors.New("a local stack is running already")
)

// State is what other processes may know about a running stack; it has no secret in it.
type State struct {
	APIURL        string            `json:"api_url"`
	AWSURL        string            `json:"aws_url"`
	CopernicusURL string            `json:"copernicus_url"`
	Region        string            `json:"region"`
	Queues        map[string]string `json:"queues"` // URL by name without the stack's
	Table         string            `json:"table"`
	Functions     []string          `json:"functions"`
	StateMachines map[string]string `json:"state_machines"` // ARN by name without the stack's
	PIDs          map[string]int    `json:"pids"`
	Issuer        string            `json:"issuer"`
	Audience      string            `json:"audience"`
	Speed         float64           `json:"speed"`
	Data          string            `json:"data"`
	StartedAt     time.Time         `json:"started_at"`
}

// stateFile is there exactly while a stack runs, unless it was killed.
func stateFile(data string) string { return filepath.Join(data, "state.json") }

// write puts the state file in place in one step.
func (s State) write() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}

	half := stateFile(s.Data) + ".new"
	if err := errors.Join(os.WriteFile(half, append(text, '\n'), 0o600), os.Rename(half, stateFile(s.Data))); err != nil {
		return fmt.Errorf("write state: %w", err)
	}

	return nil
}

// removeState removes what may not be there.
func removeState(data string) error {
	if err := os.Remove(stateFile(data)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove state: %w", err)
	}

	return nil
}

// Read returns the state of the stack that runs in a data folder. What a killed stack left behind does not count.
func Read(data string) (State, error) {
	var s State

	text, err := os.ReadFile(stateFile(data))
	if errors.Is(err, os.ErrNotExist) {
		return s, ErrNotRunning
	}

	if err != nil {
		return s, fmt.Errorf("read state: %w", err)
	}

	// The file alone proves nothing: a stack that was killed has had no time to remove it.
	if !Claimed(data) {
		return s, ErrNotRunning
	}

	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read state: %w", err)
	}

	return s, nil
}

// shortNames maps the names of a template's queues, without the stack's, to their URLs.
func shortNames(queues []cfn.Queue) map[string]string {
	all := map[string]string{}
	for _, q := range queues {
		all[short(q.Name)] = q.URL
	}

	return all
}

// short is a resource's name without the stack's.
func short(name string) string { return strings.TrimPrefix(name, Name+"-") }

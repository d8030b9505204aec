package sim_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// state is what the model has of a state of a definition.
type state struct {
	Type           string
	TimeoutSeconds int
	Parameters     struct {
		Payload struct {
			Op string `json:"op"`
		}
	}
	Retry []struct {
		ErrorEquals     []string
		IntervalSeconds int
		BackoffRate     int
		MaxDelaySeconds int
		MaxAttempts     int
		JitterStrategy  string
	}
	ItemProcessor definition
}

// definition is a state machine, or what a map does for each item.
type definition struct{ States map[string]state }

// tasks returns all tasks of a definition.
func (d *definition) tasks() (all []state) {
	for _, s := range d.States {
		if s.Type == "Task" {
			all = append(all, s)
		}
		all = append(all, s.ItemProcessor.tasks()...)
	}
	return all
}

// TestTheModelIsAsTheDefinitions: an execution of the simulation tries a task as the
// definitions say, and asks for the same operations.
func TestTheModelIsAsTheDefinitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, ops string }{
		{"chain", "chain chain-failed"},
		{"batch", "callback items summarise"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../../statemachines/" + c.name + ".asl.json")
			if err != nil {
				t.Fatal(err)
			}
			var d definition
			if err := json.Unmarshal(text, &d); err != nil {
				t.Fatal(err)
			}
			var ops []string
			for _, s := range d.tasks() {
				ops = append(ops, s.Parameters.Payload.Op)
				s.compare(t)
			}
			slices.Sort(ops)
			if got := strings.Join(slices.Compact(ops), " "); got != c.ops {
				t.Errorf("operations %q, the model has %q", got, c.ops)
			}
		})
	}
}

// compare holds how a task is tried against the model's numbers.
func (s *state) compare(t *testing.T) {
	t.Helper()
	if s.TimeoutSeconds != int(taskTimeout.Seconds()) || len(s.Retry) != 1 {
		t.Fatalf("%s: %d s, %d rules", s.Parameters.Payload.Op, s.TimeoutSeconds, len(s.Retry))
	}
	r := s.Retry[0]
	if r.MaxAttempts != taskRetries || r.IntervalSeconds != int(retryFirst.Seconds()) || r.BackoffRate != retryGrowth ||
		r.MaxDelaySeconds != int(retryLongest.Seconds()) || r.JitterStrategy != "FULL" {
		t.Errorf("%s is tried by %+v", s.Parameters.Payload.Op, r)
	}
	for _, code := range r.ErrorEquals {
		if !again(code) {
			t.Errorf("the model gives up on %s, the definition does not", code)
		}
	}
}

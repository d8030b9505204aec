package archtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// machine is one definition in the Amazon States Language, as far as the checks look at it.
type machine struct {
	name string // of its file, without .asl.json
	text []byte
	scope
}

// scope is a set of states that lead only to each other: a definition, or what a Map does with an item.
type scope struct {
	StartAt string
	States  map[string]state
}

// state has the fields of all types; what a type does not have is zero.
type state struct {
	Type, Comment, Next, Default, Resource  string
	End                                     bool
	Choices                                 []map[string]any
	Parameters, ResultSelector              map[string]any
	Result                                  any
	ResultPath, SecondsPath                 string
	Timestamp, TimestampPath                string
	TimeoutSeconds, Seconds, MaxConcurrency float64
	Retry                                   []retrier
	Catch                                   []catcher
	Error, Cause, ErrorPath, CausePath      string
	ItemReader                              map[string]any
	ItemProcessor                           *processor
	ToleratedFailurePercentage              float64
	Label                                   string
}

type retrier struct {
	ErrorEquals                                                []string
	IntervalSeconds, BackoffRate, MaxDelaySeconds, MaxAttempts float64
	JitterStrategy                                             string
}

type catcher struct {
	ErrorEquals      []string
	ResultPath, Next string
}

type processor struct {
	ProcessorConfig struct{ Mode, ExecutionType string }
	scope
}

// How a state is left.
const (
	byNext    = "next"
	byCatch   = "error"
	byRule    = "rule"
	byDefault = "otherwise"
)

// way is a transition from one state to another.
type way struct {
	from, to, kind string
	why            string // the rule of a Choice, the errors of a Catch
}

// String names a transition in a complaint; no two of a definition have the same name.
func (w way) String() string { return w.from + " -> " + w.to + " (" + w.why + ")" }

// ways returns the transitions out of a state, in the order in which Step Functions tries them.
func (s state) ways(name string) (all []way) {
	for _, rule := range s.Choices {
		to, _ := rule["Next"].(string)
		all = append(all, way{name, to, byRule, condition(rule)})
	}

	if s.Default != "" {
		all = append(all, way{name, s.Default, byDefault, byDefault})
	}

	if s.Next != "" {
		all = append(all, way{name, s.Next, byNext, byNext})
	}

	for _, c := range s.Catch {
		all = append(all, way{name, c.Next, byCatch, strings.Join(c.ErrorEquals, ", ")})
	}

	return all
}

// condition writes a rule of a Choice as a person would: "answer.state is succeeded".
func condition(rule map[string]any) string {
	for _, join := range []string{"And", "Or"} {
		var parts []string

		for _, part := range list(rule[join]) {
			inner, _ := part.(map[string]any)
			parts = append(parts, condition(inner))
		}

		if parts != nil {
			return strings.Join(parts, " "+strings.ToLower(join)+" ")
		}
	}

	variable, _ := rule["Variable"].(string)
	words := map[string]string{"StringEquals": "is", "BooleanEquals": "is", "NumericGreaterThan": "over"}

	for _, operator := range slices.Sorted(maps.Keys(rule)) {
		if operator == "Variable" || operator == "Next" {
			continue
		}

		word := operator
		if known, ok := words[operator]; ok {
			word = known
		}

		return fmt.Sprint(strings.TrimPrefix(variable, "$."), " ", word, " ", rule[operator])
	}

	return variable
}

// ends reports whether an execution or an iteration may end in a state.
func (s state) ends() bool { return s.End || s.Type == "Succeed" || s.Type == "Fail" }

// order returns the states of a scope, the start first and the others as they are reached; what is never reached is
// missing.
func (s scope) order() []string {
	reached := []string{s.StartAt}

	for i := 0; i < len(reached); i++ { // it grows
		for _, w := range s.States[reached[i]].ways(reached[i]) {
			if !slices.Contains(reached, w.to) {
				reached = append(reached, w.to)
			}
		}
	}

	return slices.DeleteFunc(reached, func(name string) bool { _, ok := s.States[name]; return !ok })
}

// sorted calls f for each state of a scope, by name, the unreachable included.
func (s scope) sorted(f func(name string, s state)) {
	for _, name := range slices.Sorted(maps.Keys(s.States)) {
		f(name, s.States[name])
	}
}

// within returns a scope and every scope inside of it.
func (s scope) within() []scope {
	all := []scope{s}

	s.sorted(func(_ string, st state) {
		if st.ItemProcessor != nil {
			all = append(all, st.ItemProcessor.within()...)
		}
	})

	return all
}

// each calls f for every state of a definition, inner ones included.
func (m machine) each(f func(name string, s state)) {
	for _, s := range m.within() {
		s.sorted(f)
	}
}

// ways returns every transition of a definition, inner ones included.
func (m machine) ways() (all []way) {
	m.each(func(name string, s state) { all = append(all, s.ways(name)...) })

	return all
}

func define(name string, text []byte) (machine, error) {
	m := machine{name: name, text: text}
	if err := json.Unmarshal(text, &m.scope); err != nil {
		return m, fmt.Errorf("decode %s: %w", name, err)
	}

	return m, nil
}

// machines returns every definition of the repository.
func machines(t *testing.T) (all []machine) {
	t.Helper()

	paths, err := filepath.Glob(root + "/statemachines/*.asl.json")
	if err != nil || len(paths) < 2 {
		t.Fatalf("definitions %v, %v", paths, err)
	}

	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}

		m, err := define(strings.TrimSuffix(filepath.Base(path), ".asl.json"), text)
		if err != nil {
			t.Fatal(err)
		}

		all = append(all, m)
	}

	return all
}

// substituted returns a definition as SAM deploys it.
func (m machine) substituted() string {
	return strings.ReplaceAll(string(m.text), "${StepFunctionArn}", "arn:aws:lambda:eu-central-1:123456789012:function:step")
}

// validator returns how to call asl-validator, or ends the test. Node is optional; setup.sh leaves the reason why it did
// without, and then even CI does.
func validator(t *testing.T) (node, script string) {
	t.Helper()

	home, err := filepath.Abs(root + "/.orbitq/tools")
	if err != nil {
		t.Fatal(err)
	}

	if reason, err := os.ReadFile(home + "/asl.skipped"); err == nil {
		t.Skipf("not held against asl-validator: %s", strings.TrimSpace(string(reason)))
	}

	return "/usr/bin/env", tool(t, "../../asl/node_modules/asl-validator/dist/bin/asl-validator.js")
}

func TestASLValidatorAcceptsTheDefinitions(t *testing.T) {
	t.Parallel()

	env, script := validator(t)
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		return path
	}

	for _, m := range machines(t) {
		text := m.substituted()
		if _, err := run(t.Context(), env, "node", script, "--json-path", write(m.name, text)); err != nil {
			t.Error(err)
		}

		// It would be no check if it took anything.
		for _, broken := range []string{
			strings.Replace(text, `"Type": "Choice"`, `"Type": "Chance"`, 1),
			strings.Replace(text, `"StartAt": "`, `"StartAt": "Never`, 1),
		} {
			if out, err := run(t.Context(), env, "node", script, "--json-path", write("broken", broken)); err == nil {
				t.Errorf("%s is accepted when broken: %s", m.name, out)
			}
		}
	}
}

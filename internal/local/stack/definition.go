package stack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"orbitq/internal/local/cfn"
)

// state is the part of a state that decides whether the interpreter can run it. The states below it, of a Map or of the
// branches of a Parallel, are machines again.
type state struct {
	Type      string `json:"Type"`
	Resource  string `json:"Resource"`
	Processor *asl   `json:"ItemProcessor"`
	Iterator  *asl   `json:"Iterator"`
	Branches  []*asl `json:"Branches"`

	Language    string          `json:"QueryLanguage"`
	Batcher     json.RawMessage `json:"ItemBatcher"`
	Credentials json.RawMessage `json:"Credentials"`
	Writer      json.RawMessage `json:"ResultWriter"`
	Reader      *struct {
		Resource string `json:"Resource"`
	} `json:"ItemReader"`
}

// asl is a machine, or what a Map runs for each item.
type asl struct {
	Language string           `json:"QueryLanguage"`
	States   map[string]state `json:"States"`
	Config   struct {
		Mode      string `json:"Mode"`
		Execution string `json:"ExecutionType"`
	} `json:"ProcessorConfig"`
}

// callable lists the resources that the interpreter calls as AWS does, and whose errors it names as AWS does.
func callable(resource string) bool {
	return slices.Contains([]string{
		"arn:aws:states:::lambda:invoke", "arn:aws:states:::sqs:sendMessage",
		"arn:aws:states:::dynamodb:getItem", "arn:aws:states:::dynamodb:putItem",
		"arn:aws:states:::dynamodb:updateItem", "arn:aws:states:::dynamodb:deleteItem",
	}, resource)
}

// runnable refuses a state machine that the interpreter would run unlike AWS, or not at all. It is better not to start
// than to pass tests that AWS would fail.
func runnable(m cfn.StateMachine) error {
	if m.Type != "STANDARD" {
		return fmt.Errorf("state machine %s: type %s is not part of the local run, only STANDARD is", m.Name, m.Type)
	}

	var definition asl
	if err := json.Unmarshal([]byte(m.Definition), &definition); err != nil {
		return fmt.Errorf("state machine %s: read definition: %w", m.Name, err)
	}

	if why := definition.unknown(); why != "" {
		return fmt.Errorf("state machine %s: %s is not part of the local run", m.Name, why)
	}

	return nil
}

// unknown names the first state with what the interpreter does not have, in the order of names; empty for none.
func (a *asl) unknown() string {
	if a.Language == "JSONata" {
		return "the query language JSONata"
	}

	if a.Config.Execution == "EXPRESS" {
		return "EXPRESS children"
	}

	names := make([]string, 0, len(a.States))
	for name := range a.States {
		names = append(names, name)
	}

	slices.Sort(names)

	for _, name := range names {
		s := a.States[name]
		if why := s.unknown(); why != "" {
			// The innermost state is the one to look at.
			if strings.HasPrefix(why, "state ") {
				return why
			}

			return "state " + name + ": " + why
		}
	}

	return ""
}

// unknown says what of a state the interpreter does not have.
func (s *state) unknown() string {
	switch {
	case s.Language == "JSONata":
		return "the query language JSONata"
	case s.Batcher != nil:
		return "ItemBatcher"
	case s.Writer != nil:
		return "ResultWriter"
	case s.Credentials != nil:
		return "Credentials"
	case s.Type == "Task" && !callable(s.Resource):
		return "the resource " + s.Resource
	case s.Reader != nil && s.Reader.Resource != "arn:aws:states:::s3:getObject":
		return "an item reader of " + s.Reader.Resource
	}

	for _, below := range append([]*asl{s.Processor, s.Iterator}, s.Branches...) {
		if below == nil {
			continue
		}

		if why := below.unknown(); why != "" {
			return why
		}
	}

	return ""
}

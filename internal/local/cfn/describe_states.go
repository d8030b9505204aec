package cfn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// addStateMachine describes a state machine with the definition that Step Functions would get.
func (r *resolver) addStateMachine(out *Stack, name string, p properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	if p.text("RoleArn") == "" {
		return errors.New("it has no role")
	}
	definition, err := r.definition(p)
	if err != nil {
		return err
	}
	kind := p.text("StateMachineType")
	if kind == "" {
		kind = "STANDARD"
	}
	level := p.child("LoggingConfiguration").text("Level")
	out.StateMachines = append(out.StateMachines, StateMachine{
		Name: physical, ARN: arn, Role: p.text("RoleArn"), Definition: definition, Type: kind,
		Logged: level != "" && level != "OFF", Traced: p.child("TracingConfiguration").text("Enabled") == "true",
	})
	return nil
}

// definition finds the text in the two places that a template has for it, and substitutes its variables. A file is read
// here, as CloudFormation reads the bucket: the text may hold variables where JSON wants a number.
func (r *resolver) definition(p properties) (string, error) {
	text := p.text("DefinitionString")
	if file := p.child("DefinitionS3Location").text("Key"); file != "" {
		raw, err := os.ReadFile(filepath.Join(filepath.Dir(r.source.Template), filepath.FromSlash(file)))
		if err != nil {
			return "", fmt.Errorf("read definition: %w", err)
		}
		text = string(raw)
	}
	text, err := substitute(text, p.child("DefinitionSubstitutions"))
	if err != nil {
		return "", err
	}
	if !json.Valid([]byte(text)) {
		return "", fmt.Errorf("its definition is not JSON: %w", badJSON(text))
	}
	return text, nil
}

// substitute replaces the variables of a definition. One without a value stays as it is on AWS, where the state machine
// fails when it gets there; here it is found at once.
func substitute(text string, values properties) (string, error) {
	var missing []string
	out := variable.ReplaceAllStringFunc(text, func(match string) string {
		key := strings.TrimSuffix(strings.TrimPrefix(match, "${"), "}")
		v, ok := values[key]
		if !ok {
			missing = append(missing, key)
			return match
		}
		return fmt.Sprint(v)
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("its definition names %s, which DefinitionSubstitutions does not have", strings.Join(missing, ", "))
	}
	return out, nil
}

// badJSON says where a text stops being JSON, in words that a person can use.
func badJSON(text string) error {
	var v any
	err := json.NewDecoder(bytes.NewReader([]byte(text))).Decode(&v)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at := min(int(syntax.Offset), len(text))
		return fmt.Errorf("line %d: %w", 1+strings.Count(text[:at], "\n"), err)
	}
	if err == nil {
		return errors.New("something follows its end")
	}
	return fmt.Errorf("read: %w", err)
}

// addBucket describes a bucket; versions, encryption, life cycles and policies mean nothing to the one that stands in.
func (r *resolver) addBucket(out *Stack, name string, _ properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	out.Buckets = append(out.Buckets, Bucket{Name: physical, ARN: arn})
	return nil
}

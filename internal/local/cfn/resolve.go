package cfn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

// document is the expanded template.
type document struct {
	Parameters map[string]struct {
		Type    string `json:"Type"`
		Default any    `json:"Default"`
		Pattern string `json:"AllowedPattern"`
		Allowed []any  `json:"AllowedValues"`
	} `json:"Parameters"`
	Conditions map[string]any      `json:"Conditions"`
	Resources  map[string]resource `json:"Resources"`
}

// resource is one resource as the template has it.
type resource struct {
	Type       string         `json:"Type"`
	Condition  string         `json:"Condition"`
	Properties map[string]any `json:"Properties"`
}

// resolver evaluates intrinsic functions.
type resolver struct {
	doc    document
	values map[string]string // parameters and pseudo parameters
	source Source
	open   map[string]bool // conditions that are being evaluated
}

// newResolver reads a document, and checks the parameters' values.
func newResolver(raw []byte, s Source) (*resolver, error) {
	r := &resolver{source: s, open: map[string]bool{}, values: map[string]string{
		"AWS::Region": s.Region, "AWS::AccountId": s.Account, "AWS::StackName": s.Stack,
		"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
	}}
	// Numbers stay as they are written: as a float, fourteen days in seconds would read 1.2096e+06.
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	if err := in.Decode(&r.doc); err != nil {
		return nil, fmt.Errorf("read expanded template: %w", err)
	}
	for name, p := range r.doc.Parameters {
		v, given := s.Parameters[name]
		switch {
		case given:
			r.values[name] = v
		case p.Default != nil:
			r.values[name] = fmt.Sprint(p.Default)
		default:
			return nil, fmt.Errorf("parameter %s has no value and no default", name)
		}
		// CloudFormation would refuse the value before it made anything.
		if err := accepts(p.Pattern, p.Allowed, r.values[name]); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	// A parameter that does not exist is a typing error, here as there.
	for name := range s.Parameters {
		if _, ok := r.doc.Parameters[name]; !ok {
			return nil, fmt.Errorf("the template has no parameter %s", name)
		}
	}
	return r, nil
}

// accepts checks a parameter's value; a pattern speaks of the whole value, and no pattern of none.
func accepts(pattern string, allowed []any, value string) error {
	whole, err := regexp.Compile(`^(?:` + pattern + `)$`)
	switch {
	case err != nil:
		return fmt.Errorf("read its pattern: %w", err)
	case pattern != "" && !whole.MatchString(value):
		return fmt.Errorf("its value does not match %s", pattern)
	case len(allowed) > 0 && !slices.ContainsFunc(allowed, func(a any) bool { return fmt.Sprint(a) == value }):
		return fmt.Errorf("its value is none of %v", allowed)
	}
	return nil
}

// condition evaluates a named condition.
func (r *resolver) condition(name string) (bool, error) {
	body, ok := r.doc.Conditions[name]
	if !ok {
		return false, fmt.Errorf("no condition %s", name)
	}
	if r.open[name] {
		return false, fmt.Errorf("condition %s depends on itself", name)
	}
	r.open[name] = true
	defer delete(r.open, name)
	v, err := r.value(body)
	if err != nil {
		return false, fmt.Errorf("condition %s: %w", name, err)
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("condition %s is not a condition", name)
	}
	return b, nil
}

// noValue is what Ref AWS::NoValue stands for: the property is left out.
type noValue struct{}

// value evaluates any part of the template.
func (r *resolver) value(v any) (any, error) {
	switch t := v.(type) {
	case map[string]any:
		if name, arg, ok := intrinsic(t); ok {
			return r.call(name, arg)
		}
		out := map[string]any{}
		for k, inner := range t {
			got, err := r.value(inner)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			if _, gone := got.(noValue); !gone {
				out[k] = got
			}
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(t))
		for _, inner := range t {
			got, err := r.value(inner)
			if err != nil {
				return nil, err
			}
			if _, gone := got.(noValue); !gone {
				out = append(out, got)
			}
		}
		return out, nil
	default:
		return v, nil
	}
}

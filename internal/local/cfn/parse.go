package cfn

import (
	"fmt"
	"sort"
	"strings"
)

// Parse resolves an expanded template.
func Parse(raw []byte, s Source) (*Stack, error) {
	r, err := newResolver(raw, s)
	if err != nil {
		return nil, err
	}
	// In the order of names, so that the same template always gives the same stack.
	names := make([]string, 0, len(r.doc.Resources))
	for name := range r.doc.Resources {
		names = append(names, name)
	}
	sort.Strings(names)
	out := &Stack{}
	for _, name := range names {
		res := r.doc.Resources[name]
		if res.Condition != "" {
			made, err := r.condition(res.Condition)
			if err != nil {
				return nil, fmt.Errorf("resource %s (%s): %w", name, res.Type, err)
			}
			if !made {
				continue
			}
		}
		if err := r.add(out, name, res); err != nil {
			return nil, fmt.Errorf("resource %s (%s): %w", name, res.Type, err)
		}
	}
	return out, nil
}

// add describes one resource.
func (r *resolver) add(out *Stack, name string, res resource) error {
	describe, known := map[string]func(*Stack, string, properties) error{
		"AWS::SQS::Queue":                  r.addQueue,
		"AWS::DynamoDB::Table":             r.addTable,
		"AWS::Lambda::Function":            r.addFunction,
		"AWS::Lambda::EventSourceMapping":  r.addMapping,
		"AWS::Events::Rule":                r.addSchedule,
		"AWS::SecretsManager::Secret":      r.addSecret,
		"AWS::SNS::Topic":                  r.addTopic,
		"AWS::IAM::Role":                   r.addRole,
		"AWS::Lambda::Alias":               r.addAlias,
		"AWS::StepFunctions::StateMachine": r.addStateMachine,
		"AWS::S3::Bucket":                  r.addBucket,
		"AWS::ApiGatewayV2::Api":           r.addAPI,
		"AWS::ApiGatewayV2::Stage":         r.addStage,
	}[res.Type]
	if !known {
		out.Ignored = append(out.Ignored, res.Type+" "+name)
		return nil
	}
	v, err := r.value(res.Properties)
	if err != nil {
		return err
	}
	p, _ := v.(map[string]any)
	if err := misshapen(p); err != nil {
		return err
	}
	return describe(out, name, properties(p))
}

// properties are the evaluated properties of a resource.
type properties map[string]any

// text returns a value as text, or nothing.
func (p properties) text(name string) string {
	if v, ok := p[name]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// number returns a whole number, which templates also write as text.
func (p properties) number(name string, absent int) int {
	n := absent
	if v, ok := p[name]; ok {
		if _, err := fmt.Sscan(fmt.Sprint(v), &n); err != nil {
			return absent
		}
	}
	return n
}

// child returns an object below; one that is not there is empty, so that looking deeper needs no checks.
func (p properties) child(name string) properties {
	c, _ := p[name].(map[string]any)
	return c
}

// texts returns a list; a single value is a list of one.
func (p properties) texts(name string) []string {
	switch v := p[name].(type) {
	case nil:
		return nil
	case []any:
		out := make([]string, len(v))
		for i := range v {
			out[i] = fmt.Sprint(v[i])
		}
		return out
	default:
		return []string{fmt.Sprint(v)}
	}
}

// functionName returns a function's name from its name, ARN or alias ARN.
func functionName(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) >= 7 {
		return parts[6]
	}
	return arn
}

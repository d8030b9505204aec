package gateway

import (
	"fmt"
	"strings"

	"orbitq/internal/local/cfn"
)

// Call is one request to an AWS service.
type Call struct {
	Action   string              // such as "dynamodb:PutItem"
	Resource string              // its ARN
	Context  map[string][]string // condition keys, such as dynamodb:LeadingKeys
}

// Principal is a function with its role.
type Principal struct {
	Function   string
	Role       string
	Account    string
	Statements []cfn.Statement
}

// Check returns nil if the principal may make the call, else an error in the
// words of AWS, which name the action.
func (p *Principal) Check(c Call) error {
	allowed := false
	for i := range p.Statements {
		s := &p.Statements[i]
		deny := s.Effect == "Deny"
		if !anyMatches(s.Action, c.Action, true) || !anyMatches(s.Resource, c.Resource, false) {
			continue
		}
		// A condition that is not understood must never widen a role: it denies where it could, and allows nothing.
		switch holds, known := conditionsHold(s.Condition, c.Context); {
		case deny && (holds || !known):
			return p.refusal(c, "with an explicit deny in an identity-based policy")
		case !deny && holds && known:
			allowed = true
		}
	}
	if allowed {
		return nil
	}
	return p.refusal(c, "because no identity-based policy allows the "+c.Action+" action")
}

// refusal is AWS's message.
func (p *Principal) refusal(c Call, why string) error {
	return fmt.Errorf("User: arn:aws:sts::%s:assumed-role/%s/%s is not authorized to perform: %s on resource: %s %s", //nolint:staticcheck // AWS's own words
		p.Account, p.Role, p.Function, c.Action, c.Resource, why)
}

// anyMatches reports whether a pattern matches; actions ignore case.
func anyMatches(patterns []string, s string, fold bool) bool {
	for _, p := range patterns {
		if fold {
			p, s = strings.ToLower(p), strings.ToLower(s)
		}
		if Matches(p, s) {
			return true
		}
	}
	return false
}

// Matches reports whether s matches a pattern with * (any text) and ? (any one
// character).
func Matches(pattern, s string) bool {
	star, retry := -1, 0
	i := 0
	for k := 0; k < len(s); {
		switch {
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[k] && pattern[i] != '*'):
			i++
			k++
		case i < len(pattern) && pattern[i] == '*':
			star, retry = i, k
			i++
		case star >= 0:
			retry++
			i, k = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// conditionsHold reports whether every condition holds, and whether all of them
// are known here.
func conditionsHold(conditions map[string]map[string]any, context map[string][]string) (holds, known bool) {
	holds, known = true, true
	for operator, keys := range conditions {
		for key, wanted := range keys {
			h, k := conditionHolds(operator, context[key], wanted)
			holds, known = holds && h, known && k
		}
	}
	return holds, known
}

// conditionHolds evaluates one operator on one key.
func conditionHolds(operator string, got []string, wanted any) (holds, known bool) {
	var match func(pattern, s string) bool
	base, forAll := strings.CutPrefix(operator, "ForAllValues:")
	switch base {
	case "StringEquals", "ArnEquals":
		match = func(p, s string) bool { return p == s }
	case "StringLike", "ArnLike":
		match = Matches
	case "Bool":
		match = strings.EqualFold
	default:
		return false, false
	}
	// ForAllValues holds for no values at all, as it does on AWS.
	if len(got) == 0 {
		return forAll, true
	}
	for _, s := range got {
		if !listed(wanted, s, match) {
			return false, true
		}
		if !forAll {
			return true, true
		}
	}
	return true, true
}

// listed reports whether s matches one of the wanted values.
func listed(wanted any, s string, match func(pattern, s string) bool) bool {
	all, ok := wanted.([]any)
	if !ok {
		all = []any{wanted}
	}
	for _, w := range all {
		if match(fmt.Sprint(w), s) {
			return true
		}
	}
	return false
}

// Managed returns the statements of one of AWS's managed policies, and whether it
// is known here.
func Managed(arn string) ([]cfn.Statement, bool) {
	allow := func(actions ...string) []cfn.Statement {
		return []cfn.Statement{{Effect: "Allow", Action: actions, Resource: []string{"*"}}}
	}
	switch arn[strings.LastIndex(arn, "/")+1:] {
	case "AWSLambdaBasicExecutionRole":
		return allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"), true
	case "AWSLambdaSQSQueueExecutionRole":
		return allow("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
			"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"), true
	case "AWSXrayWriteOnlyAccess", "AWSXRayDaemonWriteAccess":
		return allow("xray:PutTraceSegments", "xray:PutTelemetryRecords"), true
	default:
		return nil, false
	}
}

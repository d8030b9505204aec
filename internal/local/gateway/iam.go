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

// Principal is a function or a state machine with its role.
type Principal struct {
	Function   string // its name
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

package gateway_test

import (
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
	"orbitq/internal/local/gateway"
)

const (
	table = "arn:aws:dynamodb:eu-central-1:000000000000:table/orbitq-Table"
	queue = "arn:aws:sqs:eu-central-1:000000000000:orbitq-satellite"
)

func allow(action, resource string) cfn.Statement {
	return cfn.Statement{Effect: "Allow", Action: []string{action}, Resource: []string{resource}}
}

func deny(action, resource string) cfn.Statement {
	return cfn.Statement{Effect: "Deny", Action: []string{action}, Resource: []string{resource}}
}

// when adds a condition.
func when(s cfn.Statement, operator, key string, value any) cfn.Statement {
	s.Condition = map[string]map[string]any{operator: {key: value}}

	return s
}

func TestCheck(t *testing.T) {
	t.Parallel()

	leading := func(keys ...string) map[string][]string { return map[string][]string{"dynamodb:LeadingKeys": keys} }
	tls := func(is string) map[string][]string { return map[string][]string{"aws:SecureTransport": {is}} }
	own := when(allow("dynamodb:Query", table), "ForAllValues:StringLike", "dynamodb:LeadingKeys", []any{"USER#1", "USER#1#*"})

	for _, c := range []struct {
		name     string
		policy   []cfn.Statement
		action   string
		resource string
		context  map[string][]string
		want     bool
	}{
		{"nothing allows", nil, "dynamodb:GetItem", table, nil, false},
		{"exactly", []cfn.Statement{allow("dynamodb:GetItem", table)}, "dynamodb:GetItem", table, nil, true},
		{"another action", []cfn.Statement{allow("dynamodb:GetItem", table)}, "dynamodb:PutItem", table, nil, false},
		{"another resource", []cfn.Statement{allow("sqs:SendMessage", queue)}, "sqs:SendMessage", queue + "-dlq", nil, false},
		{"an index is not its table", []cfn.Statement{allow("dynamodb:Query", table)}, "dynamodb:Query", table + "/index/open", nil, false},
		{"any index", []cfn.Statement{allow("dynamodb:Query", table+"/index/*")}, "dynamodb:Query", table + "/index/open", nil, true},
		{"action with a wildcard", []cfn.Statement{allow("dynamodb:*Item", table)}, "dynamodb:UpdateItem", table, nil, true},
		{"wildcard of one character", []cfn.Statement{allow("sqs:SendMessag?", queue)}, "sqs:SendMessage", queue, nil, true},
		{"everything", []cfn.Statement{allow("*", "*")}, "sqs:SendMessage", queue, nil, true},
		{"actions ignore case", []cfn.Statement{allow("DynamoDB:getitem", table)}, "dynamodb:GetItem", table, nil, true},
		{"resources do not", []cfn.Statement{allow("sqs:SendMessage", strings.ToUpper(queue))}, "sqs:SendMessage", queue, nil, false},
		{"deny wins", []cfn.Statement{allow("*", "*"), deny("sqs:*", queue)}, "sqs:SendMessage", queue, nil, false},
		{"deny elsewhere", []cfn.Statement{allow("*", "*"), deny("sqs:*", queue)}, "sqs:SendMessage", queue + "-low", nil, true},

		{"own keys", []cfn.Statement{own}, "dynamodb:Query", table, leading("USER#1"), true},
		{"own keys by pattern", []cfn.Statement{own}, "dynamodb:Query", table, leading("USER#1", "USER#1#x"), true},
		{"a foreign key among them", []cfn.Statement{own}, "dynamodb:Query", table, leading("USER#1", "USER#2"), false},
		{
			"equal, not like",
			[]cfn.Statement{when(allow("dynamodb:Query", table), "ForAllValues:StringEquals", "dynamodb:LeadingKeys", "USER#*")},
			"dynamodb:Query", table, leading("USER#1"), false,
		},
		{
			"a key that must be there",
			[]cfn.Statement{when(allow("dynamodb:Query", table), "StringEquals", "dynamodb:LeadingKeys", "USER#1")},
			"dynamodb:Query", table, nil, false,
		},
		{
			"TLS only, with TLS",
			[]cfn.Statement{allow("*", "*"), when(deny("*", "*"), "Bool", "aws:SecureTransport", "false")},
			"sqs:SendMessage", queue, tls("true"), true,
		},
		{
			"TLS only, without",
			[]cfn.Statement{allow("*", "*"), when(deny("*", "*"), "Bool", "aws:SecureTransport", false)},
			"sqs:SendMessage", queue, tls("false"), false,
		},
		{
			"an unknown operator allows nothing",
			[]cfn.Statement{when(allow("*", "*"), "IpAddress", "aws:SourceIp", "10.0.0.0/8")},
			"sqs:SendMessage", queue, nil, false,
		},
		{
			"an unknown operator denies",
			[]cfn.Statement{allow("*", "*"), when(deny("*", "*"), "IpAddress", "aws:SourceIp", "10.0.0.0/8")},
			"sqs:SendMessage", queue, nil, false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			p := &gateway.Principal{Function: "orbitq-enrich", Role: "orbitq-EnrichRole", Account: "000000000000", Statements: c.policy}
			if err := p.Check(gateway.Call{Action: c.action, Resource: c.resource, Context: c.context}); (err == nil) != c.want {
				t.Errorf("got %v, want allowed: %v", err, c.want)
			}
		})
	}
}

func TestRefusalIsAWSsMessage(t *testing.T) {
	t.Parallel()

	p := &gateway.Principal{Function: "orbitq-enrich", Role: "orbitq-EnrichRole", Account: "000000000000"}
	user := "User: arn:aws:sts::000000000000:assumed-role/orbitq-EnrichRole/orbitq-enrich is not authorized to perform: dynamodb:UpdateItem on resource: " + table

	err := p.Check(gateway.Call{Action: "dynamodb:UpdateItem", Resource: table})
	if want := user + " because no identity-based policy allows the dynamodb:UpdateItem action"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}

	p.Statements = []cfn.Statement{deny("*", "*")}

	err = p.Check(gateway.Call{Action: "dynamodb:UpdateItem", Resource: table})
	if want := user + " with an explicit deny in an identity-based policy"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		pattern, in string
		want        bool
	}{
		{"", "", true},
		{"*", "", true},
		{"a*c", "abbbc", true},
		{"a*c", "abbb", false},
		{"a*b*c", "aXbXbXc", true},
		{"?", "", false},
		{"a?c", "abc", true},
		{"abc", "abcd", false},
		{"abcd", "abc", false},
		{"**", "x", true},
		{"*literal", "a*literal", true},
	} {
		if got := gateway.Matches(c.pattern, c.in); got != c.want {
			t.Errorf("%q on %q: got %v", c.pattern, c.in, got)
		}
	}
}

func TestManagedPolicies(t *testing.T) {
	t.Parallel()

	for _, name := range []string{"AWSLambdaBasicExecutionRole", "AWSLambdaSQSQueueExecutionRole", "AWSXrayWriteOnlyAccess"} {
		if all, ok := gateway.Managed("arn:aws:iam::aws:policy/service-role/" + name); !ok || len(all) == 0 {
			t.Errorf("%s is not known", name)
		}
	}

	if _, ok := gateway.Managed("arn:aws:iam::aws:policy/AdministratorAccess"); ok {
		t.Error("a policy that nobody described is known")
	}
}

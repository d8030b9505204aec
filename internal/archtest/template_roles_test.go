package archtest

import (
	"slices"
	"strings"
	"testing"
)

// allowedActions is what each function may do, and all that it may do. A change of a role is a change of this table.
func allowedActions() map[string][]string {
	on := func(resource string, actions ...string) (grants []string) {
		for _, action := range actions {
			grants = append(grants, action+" on "+resource)
		}

		return grants
	}
	onWorkQueues := func(actions ...string) []string {
		return slices.Concat(on("SatelliteQueue.Arn", actions...), on("SatelliteHighQueue.Arn", actions...), on("SatelliteLowQueue.Arn", actions...))
	}

	onFeeds := func(action string) (all []string) {
		for _, feed := range []string{"Satellite", "SatelliteHigh", "SatelliteLow"} {
			all = append(all, action+" on arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:event-source-mapping:${EnrichFunction"+feed+"}")
		}

		return all
	}

	machine := func(kind, name string) string {
		return "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:" + kind + ":${AWS::StackName}-" + name
	}
	startFlows := slices.Concat(
		on(machine("stateMachine", "chain"), "states:StartExecution"),
		on(machine("stateMachine", "batch"), "states:StartExecution"),
		on("${Lists.Arn}/batches/*", "s3:PutObject"),
	)
	works := slices.Concat(
		on("Table.Arn", "dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem",
			"dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem"),
		on("${Table.Arn}/index/owner", "dynamodb:Query"),
		on("CopernicusSecret", "secretsmanager:GetSecretValue"),
	)

	return map[string][]string{
		"EnqueueFunction": slices.Concat(
			on("Table.Arn", "dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:Query", "dynamodb:ConditionCheckItem"),
			on("${Table.Arn}/index/open", "dynamodb:Query"),
			on("${Table.Arn}/index/owner", "dynamodb:Query"),
			on("${Table.Arn}/index/group", "dynamodb:Query"),
			onWorkQueues("sqs:SendMessage"),
			on("CopernicusSecret", "secretsmanager:GetSecretValue"),
			onFeeds("lambda:UpdateEventSourceMapping"),
			startFlows,
		),
		"QueryFunction": slices.Concat(
			on("Table.Arn", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"),
			on("${Table.Arn}/index/owner", "dynamodb:Query"),
			on("${Table.Arn}/index/group", "dynamodb:Query"),
			on("${Table.Arn}/index/open", "dynamodb:Query"),
			onWorkQueues("sqs:GetQueueAttributes"),
			on("DeadLetterQueue.Arn", "sqs:GetQueueAttributes"),
			onFeeds("lambda:GetEventSourceMapping"),
			on("WebhookSecret", "secretsmanager:GetSecretValue"),
		),
		"EnrichFunction": slices.Concat(
			works,
			onWorkQueues("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility", "sqs:SendMessage"),
		),
		"StepFunction": slices.Concat(
			works,
			onWorkQueues("sqs:SendMessage"),
			on("WebhookSecret", "secretsmanager:GetSecretValue"),
		),
		"RelayFunction": slices.Concat(
			on("${Table.Arn}/index/open", "dynamodb:Query"),
			on("${Table.Arn}/index/line", "dynamodb:Query"),
			on("Table.Arn", "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:BatchGetItem", "dynamodb:Query"),
			onWorkQueues("sqs:SendMessage"),
			on("OperatorsTopic", "sns:Publish"),
			on("NoticesTopic", "sns:Publish"),
			startFlows,
			on(machine("execution", "chain:*"), "states:DescribeExecution"),
			on(machine("execution", "batch:*"), "states:DescribeExecution"),
			on("WebhookSecret", "secretsmanager:GetSecretValue"),
		),
		"DlqFunction": slices.Concat(
			on("Table.Arn", "dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:GetItem"),
			on("DeadLetterQueue.Arn", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:ListMessageMoveTasks"),
		),
	}
}

// everybody is what each function needs besides: its own log group, and X-Ray, which has no resources to name.
func everybody(logGroup string) []string {
	return []string{
		"logs:CreateLogStream on ${" + logGroup + ".Arn}", "logs:PutLogEvents on ${" + logGroup + ".Arn}",
		"xray:PutTraceSegments on *", "xray:PutTelemetryRecords on *",
	}
}

// grants returns what a role's own statements allow.
func grants(role map[string]any) (all []string) {
	for _, policy := range list(role["Policies"]) {
		for _, statement := range list(at(policy, "PolicyDocument", "Statement")) {
			if at(statement, "Effect") != "Allow" {
				continue
			}

			for _, action := range list(at(statement, "Action")) {
				for _, resource := range list(at(statement, "Resource")) {
					all = append(all, text(action)+" on "+text(resource))
				}
			}
		}
	}

	return all
}

func TestRolesAllowWhatIsExpectedAndNoMore(t *testing.T) {
	t.Parallel()

	d := load(t)
	seen := map[string]string{}

	d.CFN.of(t, "AWS::Lambda::Function", func(function string, properties map[string]any) {
		roleName, _, _ := strings.Cut(text(properties["Role"]), ".")
		role := d.CFN.Resources[roleName]

		if role.Type != "AWS::IAM::Role" {
			t.Errorf("%s: role %s is no role of this template", function, roleName)

			return
		}

		if other := seen[roleName]; other != "" {
			t.Errorf("%s shares the role %s with %s", function, roleName, other)
		}

		seen[roleName] = function
		want := slices.Concat(allowedActions()[function], everybody(text(at(properties, "LoggingConfig", "LogGroup"))))
		got := grants(role.Properties)

		for _, grant := range got {
			if !slices.Contains(want, grant) {
				t.Errorf("%s may %s, which is not expected", function, grant)
			}
		}

		for _, grant := range want {
			if !slices.Contains(got, grant) {
				t.Errorf("%s may not %s, which it needs", function, grant)
			}
		}

		// SAM gives generated roles policies of AWS's, such as AWSLambdaSQSQueueExecutionRole, which allows receiving
		// and deleting on every queue of the account. A written role carries none.
		for _, arn := range list(role.Properties["ManagedPolicyArns"]) {
			t.Errorf("%s carries the managed policy %s: give it a role with statements of its own", function, text(arn))
		}

		if trusted := text(at(list(at(role.Properties, "AssumeRolePolicyDocument", "Statement"))[0], "Principal", "Service")); trusted != "lambda.amazonaws.com" {
			t.Errorf("%s: the role trusts %s", function, trusted)
		}
	})

	for function := range allowedActions() {
		if d.CFN.Resources[function].Type != "AWS::Lambda::Function" {
			t.Errorf("%s is in the table of roles, but not in the template", function)
		}
	}
}

func TestNothingIsAllowedOnEverything(t *testing.T) {
	t.Parallel()

	load(t).CFN.of(t, "AWS::IAM::Role", func(name string, role map[string]any) {
		for _, grant := range grants(role) {
			_, resource, _ := strings.Cut(grant, " on ")
			if strings.Contains(grant, "*") && !within(resource) && !nameless(grant) {
				t.Errorf("%s may %s", name, grant)
			}
		}
	})
}

// within reports whether a star of a resource stands behind a name of this stack: the lists of batches, and executions,
// whose names nobody knows beforehand.
func within(resource string) bool {
	named, tail, _ := strings.Cut(resource, "*")

	return tail == "" && (named == "${Lists.Arn}/batches/" || strings.Contains(named, ":execution:${AWS::StackName}-"))
}

// nameless reports whether a grant is one that AWS knows no resources for: traces, and the delivery of a state machine's log.
func nameless(grant string) bool {
	return strings.HasPrefix(grant, "xray:") || slices.Contains(deliverLogs(), grant)
}

// deliverLogs is what AWS wants of a role whose state machine logs.
func deliverLogs() (all []string) {
	for _, action := range []string{
		"CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries", "PutResourcePolicy",
		"DescribeResourcePolicies", "DescribeLogGroups",
	} {
		all = append(all, "logs:"+action+" on *")
	}

	return all
}

func TestSecretsComeFromHiddenParameters(t *testing.T) {
	t.Parallel()

	d := load(t)

	d.CFN.of(t, "AWS::SecretsManager::Secret", func(name string, secret map[string]any) {
		if secret["GenerateSecretString"] != nil {
			if secret["SecretString"] != nil || number(at(secret, "GenerateSecretString", "PasswordLength")) < 32 {
				t.Errorf("%s is not 32 characters that nobody chose", name)
			}

			return
		}

		value := text(secret["SecretString"])
		for _, parameter := range []string{"CopernicusClientId", "CopernicusClientSecret"} {
			if !strings.Contains(value, "${"+parameter+"}") {
				t.Errorf("%s does not come from %s", name, parameter)
			}
		}
	})

	for name, parameter := range d.SAM.Parameters {
		if secret := strings.Contains(name, "Secret") || strings.Contains(name, "ClientId"); secret && parameter["NoEcho"] != true {
			t.Errorf("parameter %s is shown in the console", name)
		} else if secret && parameter["Default"] != nil {
			t.Errorf("parameter %s has a default", name)
		}
	}
}

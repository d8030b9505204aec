package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
)

// TestWhatACallNeeds gives the worker exactly what a call needs, and then everything but one.
func TestWhatACallNeeds(t *testing.T) {
	t.Parallel()

	const (
		db    = "DynamoDB_20120810."
		sfn   = "AWSStepFunctions."
		queue = "arn:aws:sqs:eu-central-1:000000000000:jobs"
		jobs  = `{"QueueUrl":"http://x/000000000000/jobs"}`
	)

	for _, c := range []struct {
		name, service, target, path, body string
		needs                             []string // pairs of action and resource
	}{
		{"one item", "dynamodb", db + "GetItem", "/", `{"TableName":"T"}`, []string{"dynamodb:GetItem", prefix + "T"}},
		{"index", "dynamodb", db + "Query", "/", `{"TableName":"T","IndexName":"open"}`, []string{"dynamodb:Query", prefix + "T/index/open"}},
		{
			"transaction", "dynamodb", db + "TransactWriteItems", "/",
			`{"TransactItems":[{"Put":{"TableName":"A"}},{"Update":{"TableName":"A"}},{"Delete":{"TableName":"B"}},{"ConditionCheck":{"TableName":"B"}}]}`,
			[]string{"dynamodb:PutItem", prefix + "A", "dynamodb:UpdateItem", prefix + "A", "dynamodb:DeleteItem", prefix + "B", "dynamodb:ConditionCheckItem", prefix + "B"},
		},
		{"reading transaction", "dynamodb", db + "TransactGetItems", "/", `{"TransactItems":[{"Get":{"TableName":"A"}}]}`, []string{"dynamodb:GetItem", prefix + "A"}},
		{
			"batch", "dynamodb", db + "BatchGetItem", "/", `{"RequestItems":{"A":{"Keys":[]},"B":{"Keys":[]}}}`,
			[]string{"dynamodb:BatchGetItem", prefix + "A", "dynamodb:BatchGetItem", prefix + "B"},
		},
		{"message", "sqs", "AmazonSQS.SendMessage", "/", jobs, []string{"sqs:SendMessage", queue}},
		{"messages", "sqs", "AmazonSQS.SendMessageBatch", "/", jobs, []string{"sqs:SendMessage", queue}},
		{"deletes", "sqs", "AmazonSQS.DeleteMessageBatch", "/", jobs, []string{"sqs:DeleteMessage", queue}},
		{"visibilities", "sqs", "AmazonSQS.ChangeMessageVisibilityBatch", "/", jobs, []string{"sqs:ChangeMessageVisibility", queue}},
		{"queue by name", "sqs", "AmazonSQS.GetQueueUrl", "/", `{"QueueName":"jobs"}`, []string{"sqs:GetQueueUrl", queue}},
		{"queue by ARN", "sqs", "AmazonSQS.StartMessageMoveTask", "/", `{"SourceArn":"` + queue + `"}`, []string{"sqs:StartMessageMoveTask", queue}},
		{"form", "sqs", "", "/", "Action=ReceiveMessage&QueueUrl=http%3A%2F%2Fx%2F000000000000%2Fjobs", []string{"sqs:ReceiveMessage", queue}},
		{"form at the queue", "sqs", "", "/000000000000/jobs", "Action=ReceiveMessage", []string{"sqs:ReceiveMessage", queue}},
		{"secret by ARN", "secretsmanager", "secretsmanager.GetSecretValue", "/", `{"SecretId":"arn:secret"}`, []string{"secretsmanager:GetSecretValue", "arn:secret"}},
		{"secret by name", "secretsmanager", "secretsmanager.GetSecretValue", "/", `{"SecretId":"copernicus"}`, []string{"secretsmanager:GetSecretValue", "arn:secret"}},
		{
			"invoke", "lambda", "", "/2015-03-31/functions/worker/invocations", `{}`,
			[]string{"lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:000000000000:function:worker"},
		},
		{
			"invoke an alias", "lambda", "", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A000000000000%3Afunction%3Aworker%3Alive/invocations", `{}`,
			[]string{"lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:000000000000:function:worker:live"},
		},
		{
			"invoke an alias in the query", "lambda", "", "/2015-03-31/functions/worker/invocations?Qualifier=live", `{}`,
			[]string{"lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:000000000000:function:worker:live"},
		},
		{"start", "states", sfn + "StartExecution", "/", `{"stateMachineArn":"arn:machine","name":"x"}`, []string{"states:StartExecution", "arn:machine"}},
		{"describe", "states", sfn + "DescribeExecution", "/", `{"executionArn":"arn:execution"}`, []string{"states:DescribeExecution", "arn:execution"}},
		{"stop", "states", sfn + "StopExecution", "/", `{"executionArn":"arn:execution"}`, []string{"states:StopExecution", "arn:execution"}},
		{"redrive", "states", sfn + "RedriveExecution", "/", `{"executionArn":"arn:execution"}`, []string{"states:RedriveExecution", "arn:execution"}},
		{"history", "states", sfn + "GetExecutionHistory", "/", `{"executionArn":"arn:execution"}`, []string{"states:GetExecutionHistory", "arn:execution"}},
		{"executions", "states", sfn + "ListExecutions", "/", `{"stateMachineArn":"arn:machine"}`, []string{"states:ListExecutions", "arn:machine"}},
		{"map run", "states", sfn + "DescribeMapRun", "/", `{"mapRunArn":"arn:run"}`, []string{"states:DescribeMapRun", "arn:run"}},
		{"machines", "states", sfn + "ListStateMachines", "/", `{}`, []string{"states:ListStateMachines", "*"}},
		{"publish", "sns", "", "/", "Action=Publish&Message=m&TopicArn=" + alerts, []string{"SNS:Publish", alerts}},
		{"publish to a target", "sns", "", "/", "Action=Publish&Message=m&TargetArn=" + alerts, []string{"SNS:Publish", alerts}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			if status, text, _ := start(t, grants(c.needs...)...).send(t, "worker-key", c.service, c.target, c.path, c.body); status != http.StatusOK {
				t.Errorf("with exactly what it needs: %d %s", status, text)
			}

			for i := 0; i < len(c.needs); i += 2 {
				less := append(slices.Clone(c.needs[:i]), c.needs[i+2:]...)
				b := start(t, grants(less...)...)

				status, text, _ := b.send(t, "worker-key", c.service, c.target, c.path, c.body)
				if status == http.StatusOK || !strings.Contains(text, map[bool]string{true: "AuthorizationError", false: "AccessDeniedException"}[c.service == "sns"]) || !strings.Contains(text, "perform: "+c.needs[i]+" on resource: "+c.needs[i+1]) {
					t.Errorf("without %s: %d %s", c.needs[i], status, text)
				}

				if len(b.reached()) != 0 || len(b.gateway.Counters().Denied) != 1 {
					t.Errorf("without %s: reached %v, denied %v", c.needs[i], b.reached(), b.gateway.Counters().Denied)
				}
			}
		})
	}
}

func TestLeadingKeys(t *testing.T) {
	t.Parallel()

	own := cfn.Statement{Effect: "Allow", Action: []string{"dynamodb:*"}, Resource: []string{prefix + "T", prefix + "T/index/*"}, Condition: map[string]map[string]any{
		"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "USER#1*"},
	}}

	for _, c := range []struct{ name, operation, mine string }{
		{"get", "GetItem", `{"TableName":"T","Key":{"pk":{"S":"USER#1"}}}`},
		{"put", "PutItem", `{"TableName":"T","Item":{"pk":{"S":"USER#1"},"x":{"S":"USER#9"}}}`},
		{"query", "Query", `{"TableName":"T","KeyConditionExpression":"sk > :s AND pk = :p","ExpressionAttributeValues":{":p":{"S":"USER#1"},":s":{"S":"a"}}}`},
		{
			"query by alias", "Query",
			`{"TableName":"T","IndexName":"open","KeyConditionExpression":"#k=:p","ExpressionAttributeNames":{"#k":"ok"},"ExpressionAttributeValues":{":p":{"S":"USER#1"}}}`,
		},
		{"batch get", "BatchGetItem", `{"RequestItems":{"T":{"Keys":[{"pk":{"S":"USER#10"}},{"pk":{"S":"USER#1"}}]}}}`},
		{"batch write", "BatchWriteItem", `{"RequestItems":{"T":[{"PutRequest":{"Item":{"pk":{"S":"USER#10"}}}},{"DeleteRequest":{"Key":{"pk":{"S":"USER#1"}}}}]}}`},
		{
			"transaction", "TransactWriteItems",
			`{"TransactItems":[{"Put":{"TableName":"T","Item":{"pk":{"S":"USER#10"}}}},{"Update":{"TableName":"T","Key":{"pk":{"S":"USER#1"}}}}]}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := start(t, own)
			if status, text := b.tables(t, "worker-key", c.operation, c.mine); status != http.StatusOK {
				t.Errorf("own: %d %s", status, text)
			}

			foreign := strings.Replace(c.mine, `{"S":"USER#1"}`, `{"S":"USER#2"}`, 1)
			if status, text := b.tables(t, "worker-key", c.operation, foreign); status != http.StatusBadRequest {
				t.Errorf("foreign: %d %s", status, text)
			}
		})
	}
}

func TestOperatorMayDoEverything(t *testing.T) {
	t.Parallel()

	b := start(t)
	if status, text := b.tables(t, "anybody", "Scan", `{"TableName":"T"}`); status != http.StatusOK {
		t.Errorf("got %d %s", status, text)
	}

	if status, text := b.tables(t, "worker-key", "Scan", `{"TableName":"T"}`); status != http.StatusBadRequest {
		t.Errorf("the worker: %d %s", status, text)
	}
}

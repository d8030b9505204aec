package cfn_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
)

// resources resolves a template that has only resources, given as JSON.
func resources(t *testing.T, text string) (*cfn.Stack, error) {
	t.Helper()

	return cfn.Parse([]byte(`{"Resources":{`+text+`}}`), cfn.Source{Region: "r", Account: "1", Stack: "st", Endpoint: "http://here"})
}

// described resolves one resource that must be fine.
func described(t *testing.T, text string) *cfn.Stack {
	t.Helper()

	s, err := resources(t, text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	return s
}

func TestQueuesWithAndWithoutTheirProperties(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name, in string
		want     cfn.Queue
	}{
		{
			"defaults", `"Q":{"Type":"AWS::SQS::Queue"}`,
			cfn.Queue{Name: "st-Q", URL: "http://here/1/st-Q", ARN: "arn:aws:sqs:r:1:st-Q", VisibilityTimeout: 30, Retention: 345600},
		},
		{
			"everything", `"Q":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":"q","VisibilityTimeout":360,"MessageRetentionPeriod":"1209600",
				"ReceiveMessageWaitTimeSeconds":20,"DelaySeconds":5,"RedrivePolicy":{"deadLetterTargetArn":"arn:dead","maxReceiveCount":8}}}`,
			cfn.Queue{
				Name: "q", URL: "http://here/1/q", ARN: "arn:aws:sqs:r:1:q", VisibilityTimeout: 360, Retention: 1209600,
				ReceiveWait: 20, Delay: 5, DeadLetterARN: "arn:dead", MaxReceives: 8,
			},
		},
	} {
		if got := described(t, c.in).Queues[0]; got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestATableKeepsItsKeysAndLeavesItsComforts(t *testing.T) {
	t.Parallel()

	table := described(t, `"T":{"Type":"AWS::DynamoDB::Table","Properties":{"BillingMode":"PROVISIONED","ProvisionedThroughput":{"ReadCapacityUnits":1},
		"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],
		"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"SSESpecification":{"SSEEnabled":true},
		"GlobalSecondaryIndexes":[{"IndexName":"open","KeySchema":[{"AttributeName":"ok","KeyType":"HASH"}]}],
		"LocalSecondaryIndexes":[{"IndexName":"late","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}]}],
		"TimeToLiveSpecification":{"AttributeName":"ttl","Enabled":true}}}`).Tables[0]

	var create map[string]any
	if err := json.Unmarshal(table.Create, &create); err != nil {
		t.Fatal(err)
	}

	if create["TableName"] != "st-T" || create["BillingMode"] != "PAY_PER_REQUEST" || create["SSESpecification"] != nil || create["ProvisionedThroughput"] != nil || len(create) != 6 {
		t.Errorf("create %v", create)
	}

	want := map[string]string{"st-T": "pk", "st-T/index/open": "ok", "st-T/index/late": "pk"}
	if table.TTL != "ttl" || table.ARN != "arn:aws:dynamodb:r:1:table/st-T" || !reflect.DeepEqual(table.HashKeys, want) {
		t.Errorf("table %+v", table)
	}
}

func TestFunctionsLearnTheirLogLevel(t *testing.T) {
	t.Parallel()

	all := described(t, `"A":{"Type":"AWS::Lambda::Function","Properties":{"Code":{"S3Bucket":"local","S3Key":"functions/a/"},"Role":"arn:role"}},
		"B":{"Type":"AWS::Lambda::Function","Properties":{"FunctionName":"b","Code":{"S3Key":"b"},"Timeout":"60","MemorySize":256,
			"LoggingConfig":{"ApplicationLogLevel":"DEBUG"},"Environment":{"Variables":{"N":1,"S":"x"}}}}`).Functions

	want := []cfn.Function{
		{Name: "st-A", ARN: "arn:aws:lambda:r:1:function:st-A", Role: "arn:role", Code: "functions/a/", Timeout: 3, Memory: 128, Env: map[string]string{}},
		{Name: "b", ARN: "arn:aws:lambda:r:1:function:b", Code: "b", Timeout: 60, Memory: 256, Env: map[string]string{"N": "1", "S": "x", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}},
	}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("got  %+v\nwant %+v", all, want)
	}
}

func TestEventsFindTheirFunctionBehindAnAlias(t *testing.T) {
	t.Parallel()

	s := described(t, `"F":{"Type":"AWS::Lambda::Function","Properties":{"FunctionName":"f","Code":{"S3Key":"f"}}},
		"L":{"Type":"AWS::Lambda::Alias","Properties":{"FunctionName":{"Ref":"F"},"Name":"live"}},
		"M":{"Type":"AWS::Lambda::EventSourceMapping","Properties":{"EventSourceArn":"arn:q","FunctionName":{"Ref":"L"},"BatchSize":5,
			"MaximumBatchingWindowInSeconds":2,"FunctionResponseTypes":["ReportBatchItemFailures"],"ScalingConfig":{"MaximumConcurrency":2}}},
		"P":{"Type":"AWS::Lambda::EventSourceMapping","Properties":{"EventSourceArn":"arn:p","FunctionName":"f","Enabled":false}},
		"R":{"Type":"AWS::Events::Rule","Properties":{"ScheduleExpression":"rate(1 minute)","State":"DISABLED","Targets":[{"Arn":{"Ref":"L"}},{"Arn":{"Fn::GetAtt":["F","Arn"]}}]}}`)

	if want := (cfn.Alias{Function: "f", Name: "live"}); len(s.Aliases) != 1 || s.Aliases[0] != want {
		t.Errorf("aliases %v, want %v", s.Aliases, want)
	}

	mappings := []cfn.Mapping{
		{QueueARN: "arn:q", Function: "f", FunctionARN: "arn:aws:lambda:r:1:function:f:live", Enabled: true, BatchSize: 5, MaxConcurrency: 2, BatchWindow: 2, PartialResponses: true},
		{QueueARN: "arn:p", Function: "f", FunctionARN: "arn:aws:lambda:r:1:function:f", BatchSize: 10, MaxConcurrency: 10},
	}

	// Their UUIDs are made up, and must only differ.
	for i := range min(len(mappings), len(s.Mappings)) {
		mappings[i].UUID, mappings[i].ARN = s.Mappings[i].UUID, "arn:aws:lambda:r:1:event-source-mapping:"+s.Mappings[i].UUID
	}

	if s.Mappings[0].UUID == s.Mappings[1].UUID {
		t.Errorf("one UUID for two: %s", s.Mappings[0].UUID)
	}

	if !reflect.DeepEqual(s.Mappings, mappings) {
		t.Errorf("mappings %+v", s.Mappings)
	}

	rule := cfn.Schedule{Name: "st-R", ARN: "arn:aws:events:r:1:rule/st-R", Expression: "rate(1 minute)", Function: "f"}
	if !reflect.DeepEqual(s.Schedules, []cfn.Schedule{rule, rule}) {
		t.Errorf("schedules %+v", s.Schedules)
	}
}

// TestWhatNothingHereWatchesIsAccepted has the resources that tell people, on whatever metric they look.
func TestWhatNothingHereWatchesIsAccepted(t *testing.T) {
	t.Parallel()

	s := described(t, `"T":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":"alerts","Subscription":[{"Protocol":"email","Endpoint":"a@b"}]}},
		"P":{"Type":"AWS::SNS::TopicPolicy","Properties":{"Topics":[{"Ref":"T"}]}},
		"S":{"Type":"AWS::SNS::Subscription","Properties":{"TopicArn":{"Ref":"T"}}},
		"F":{"Type":"AWS::Logs::MetricFilter","Properties":{"FilterPattern":"{ $.level = \"ERROR\" }"}},
		"A":{"Type":"AWS::CloudWatch::Alarm","Properties":{"Namespace":"orbitq","MetricName":"ProviderBudget","AlarmActions":[{"Ref":"T"}]}},
		"M":{"Type":"AWS::CloudWatch::Alarm","Properties":{"Metrics":[{"Id":"e","Expression":"a/b"}]}},
		"C":{"Type":"AWS::CloudWatch::CompositeAlarm","Properties":{"AlarmRule":{"Fn::Sub":"ALARM(${A}) OR ALARM(${M})"}}}`)

	if want := []cfn.Topic{{Name: "alerts", ARN: "arn:aws:sns:r:1:alerts"}}; !reflect.DeepEqual(s.Topics, want) {
		t.Errorf("topics %+v", s.Topics)
	}

	want := "AWS::CloudWatch::Alarm A,AWS::CloudWatch::CompositeAlarm C,AWS::Logs::MetricFilter F,AWS::CloudWatch::Alarm M,AWS::SNS::TopicPolicy P,AWS::SNS::Subscription S"
	if got := strings.Join(s.Ignored, ","); got != want {
		t.Errorf("ignored %s", got)
	}
}

func TestRolesGatherTheirStatements(t *testing.T) {
	t.Parallel()

	role := described(t, `"R":{"Type":"AWS::IAM::Role","Properties":{"ManagedPolicyArns":["arn:managed"],
		"AssumeRolePolicyDocument":{"Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","states.amazonaws.com"]}},{"Effect":"Allow","Principal":{"AWS":"*"}}]},"Policies":[
		{"PolicyDocument":{"Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:q"}]}},
		{"PolicyDocument":{"Statement":[{"Effect":"Deny","Action":["a:b","c:d"],"Resource":["x","y"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}}]}}`).Roles[0]

	want := cfn.Role{
		Name: "st-R", ARN: "arn:aws:iam::1:role/st-R", Managed: []string{"arn:managed"}, Trusted: []string{"lambda.amazonaws.com", "states.amazonaws.com"},
		Statements: []cfn.Statement{
			{Effect: "Allow", Action: []string{"sqs:SendMessage"}, Resource: []string{"arn:q"}},
			{Effect: "Deny", Action: []string{"a:b", "c:d"}, Resource: []string{"x", "y"}, Condition: map[string]map[string]any{"Bool": {"aws:SecureTransport": "false"}}},
		},
	}
	if !reflect.DeepEqual(role, want) {
		t.Errorf("got  %+v\nwant %+v", role, want)
	}
}

func TestRoutesOfTheBody(t *testing.T) {
	t.Parallel()

	uri := `"uri":"arn:aws:apigateway:r:lambda:path/2015-03-31/functions/arn:aws:lambda:r:1:function:f:live/invocations"`
	s := described(t, `"A":{"Type":"AWS::ApiGatewayV2::Api","Properties":{"Body":{
		"paths":{"/x":{"get":{"x-amazon-apigateway-integration":{`+uri+`},"security":[{"Jwt":["read"]}]},"options":{}},
			"/y":{"x-amazon-apigateway-any-method":{},"post":{"x-amazon-apigateway-integration":{`+uri+`},"security":[{"NONE":[]}]}}},
		"components":{"securitySchemes":{"Jwt":{"x-amazon-apigateway-authorizer":{"jwtConfiguration":{"issuer":"http://i","audience":["a","b"]}}}}}}}},
		"S":{"Type":"AWS::ApiGatewayV2::Stage","Properties":{"DefaultRouteSettings":{"ThrottlingRateLimit":7,"ThrottlingBurstLimit":9},"AccessLogSettings":{"Format":"$x"}}}`)

	byPath := map[string]cfn.Route{}
	for _, r := range s.Routes {
		byPath[r.Path] = r
	}

	want := map[string]cfn.Route{
		"/x": {Method: "GET", Path: "/x", Function: "f", Authorized: true, Scopes: []string{"read"}},
		"/y": {Method: "POST", Path: "/y", Function: "f"},
	}
	if !reflect.DeepEqual(byPath, want) || s.Issuer != "http://i" || !reflect.DeepEqual(s.Audience, []string{"a", "b"}) {
		t.Errorf("routes %+v, issuer %s, audience %v", byPath, s.Issuer, s.Audience)
	}

	if (s.Stage != cfn.Stage{Rate: 7, Burst: 9, AccessLogFormat: "$x"}) {
		t.Errorf("stage %+v", s.Stage)
	}
}

func TestWhatWouldBehaveOtherwiseIsRefused(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, in, want string }{
		{"a filter that deletes messages", `"M":{"Type":"AWS::Lambda::EventSourceMapping","Properties":{"FilterCriteria":{}}}`, "FilterCriteria"},
		{"a rule without a schedule", `"R":{"Type":"AWS::Events::Rule","Properties":{"EventPattern":{}}}`, "only rules with a schedule"},
		{"a condition that is not there", `"Q":{"Type":"AWS::SQS::Queue","Condition":"Never"}`, "no condition Never"},
		{"an intrinsic inside", `"S":{"Type":"AWS::SecretsManager::Secret","Properties":{"SecretString":{"Fn::ImportValue":["x"]}}}`, "Fn::ImportValue"},
		{"a name that cannot be told", `"Q":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":{"Ref":"Nobody"}}}`, "Nobody"},
	} {
		if _, err := resources(t, c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}

	if _, err := cfn.Parse([]byte("{"), cfn.Source{}); err == nil {
		t.Error("half a template was read")
	}
}

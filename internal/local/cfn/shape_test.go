package cfn_test

import (
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
)

func TestAWrongShapeNamesResourceAndProperty(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, kind, properties, want string }{
		{"a word for seconds", "SQS::Queue", `{"VisibilityTimeout":"soon"}`, "VisibilityTimeout must be a whole number, not soon"},
		{"a number with a unit", "SQS::Queue", `{"DelaySeconds":"5s"}`, "DelaySeconds must be a whole number, not 5s"},
		{"half a second", "SQS::Queue", `{"ReceiveMessageWaitTimeSeconds":0.5}`, "ReceiveMessageWaitTimeSeconds"},
		{"below a property", "SQS::Queue", `{"RedrivePolicy":{"maxReceiveCount":[3]}}`, "maxReceiveCount"},
		{"one key instead of a schema", "DynamoDB::Table", `{"KeySchema":{"AttributeName":"pk","KeyType":"HASH"}}`, "KeySchema must be a list"},
		{"in an index", "DynamoDB::Table", `{"GlobalSecondaryIndexes":[{"IndexName":"open","KeySchema":"pk"}]}`, "KeySchema must be a list"},
		{"a function's timeout", "Lambda::Function", `{"Timeout":true}`, "Timeout must be a whole number"},
		{"a function's memory", "Lambda::Function", `{"MemorySize":"128 MB"}`, "MemorySize"},
		{"a mapping's concurrency", "Lambda::EventSourceMapping", `{"ScalingConfig":{"MaximumConcurrency":"many"}}`, "MaximumConcurrency"},
		{"one target", "Events::Rule", `{"ScheduleExpression":"rate(1 minute)","Targets":{"Arn":"x"}}`, "Targets must be a list"},
		{"one policy", "IAM::Role", `{"Policies":{"PolicyName":"p"}}`, "Policies must be a list"},
		{"one statement", "IAM::Role", `{"Policies":[{"PolicyDocument":{"Statement":{"Effect":"Allow"}}}]}`, "Statement must be a list"},
		{"a stage's limit", "ApiGatewayV2::Stage", `{"DefaultRouteSettings":{"ThrottlingRateLimit":"fast"}}`, "ThrottlingRateLimit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			_, err := resources(t, `"Odd":{"Type":"AWS::`+c.kind+`","Properties":`+c.properties+`}`)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "resource Odd (AWS::"+c.kind+"): ") {
				t.Errorf("got %v, want the resource and %q", err, c.want)
			}
		})
	}
}

func TestLargeNumbersStayAsTheyAreWritten(t *testing.T) {
	t.Parallel()

	s := described(t, `"Q":{"Type":"AWS::SQS::Queue","Properties":{"MessageRetentionPeriod":1209600}},
		"F":{"Type":"AWS::Lambda::Function","Properties":{"Code":{"S3Key":"f"},"Environment":{"Variables":{"MAX":10000000,"PART":0.25,"Timeout":"soon"}}}}`)

	if got := s.Queues[0].Retention; got != 1209600 {
		t.Errorf("retention %d", got)
	}

	for name, want := range map[string]string{"MAX": "10000000", "PART": "0.25", "Timeout": "soon"} {
		if got := s.Functions[0].Env[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestParametersThatAreAccepted(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, parameter, value, want, refusal string }{
		{name: "the default", parameter: `{"Default":"dev"}`, want: "dev"},
		{name: "a number as the default", parameter: `{"Type":"Number","Default":1000000}`, want: "1000000"},
		{name: "the override", parameter: `{"Default":"dev"}`, value: "prod", want: "prod"},
		{name: "part of the value matches", parameter: `{"AllowedPattern":"[a-z]+"}`, value: "abc1", refusal: "does not match [a-z]+"},
		{name: "one of two patterns", parameter: `{"AllowedPattern":"a|b"}`, value: "b", want: "b"},
		{name: "begins with one of two", parameter: `{"AllowedPattern":"a|b"}`, value: "ax", refusal: "does not match a|b"},
		{name: "a default that its pattern refuses", parameter: `{"Default":"X","AllowedPattern":"[a-z]"}`, refusal: "parameter P"},
		{name: "a broken pattern", parameter: `{"Default":"x","AllowedPattern":"("}`, refusal: "read its pattern"},
		{name: "several lines and no pattern", parameter: `{"Default":"a\nb"}`, want: "a\nb"},
		{name: "in the list", parameter: `{"AllowedValues":[1,30]}`, value: "30", want: "30"},
		{name: "not in the list", parameter: `{"AllowedValues":["dev","prod"]}`, value: "test", refusal: "none of [dev prod]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			src := cfn.Source{Stack: "st"}
			if c.value != "" {
				src.Parameters = map[string]string{"P": c.value}
			}

			s, err := cfn.Parse([]byte(`{"Parameters":{"P":`+c.parameter+`},"Resources":{"S":{"Type":"AWS::SecretsManager::Secret","Properties":{"SecretString":{"Ref":"P"}}}}}`), src)
			if c.refusal != "" {
				if err == nil || !strings.Contains(err.Error(), c.refusal) || strings.Contains(err.Error(), "%!") {
					t.Errorf("got %v, want %q", err, c.refusal)
				}

				return
			}

			if err != nil || s.Secrets[0].Value != c.want {
				t.Errorf("got %+v, %v, want %q", s, err, c.want)
			}
		})
	}
}

func TestConditionsDecideWhatIsMade(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, conditions, want string }{
		{"equal", `"C":{"Fn::Equals":["a","a"]}`, "made"},
		{"a number equals its text", `"C":{"Fn::Equals":[1,"1"]}`, "made"},
		{"another case is another text", `"C":{"Fn::Equals":["a","A"]}`, ""},
		{"all of three", `"C":{"Fn::And":[{"Fn::Equals":[1,1]},{"Fn::Equals":[2,2]},{"Fn::Equals":[3,4]}]}`, ""},
		{"one of three", `"C":{"Fn::Or":[{"Fn::Equals":[1,2]},{"Fn::Equals":[2,3]},{"Fn::Equals":[3,3]}]}`, "made"},
		{"a double negation", `"C":{"Fn::Not":[{"Fn::Not":[{"Fn::Equals":[1,1]}]}]}`, "made"},
		{"through another one twice", `"C":{"Fn::And":[{"Condition":"D"},{"Condition":"D"}]},"D":{"Fn::Equals":[1,1]}`, "made"},
		{"of itself", `"C":{"Fn::Not":[{"Condition":"D"}]},"D":{"Fn::Not":[{"Condition":"C"}]}`, "condition C depends on itself"},
		{"a text", `"C":"yes"`, "condition C is not a condition"},
		{"equal to nothing", `"C":{"Fn::Equals":["a"]}`, "Fn::Equals with 1 arguments"},
		{"unknown within", `"C":{"Fn::Not":[{"Condition":"E"}]}`, "no condition E"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			s, err := cfn.Parse([]byte(`{"Conditions":{`+c.conditions+`},"Resources":{"Q":{"Type":"AWS::SQS::Queue","Condition":"C"},"N":{"Type":"AWS::Logs::LogGroup","Condition":"C"}}}`), cfn.Source{})
			if err != nil {
				if !strings.Contains(err.Error(), c.want) || c.want == "" || !strings.HasPrefix(err.Error(), "resource N (AWS::Logs::LogGroup): ") {
					t.Errorf("got %v, want %q", err, c.want)
				}

				return
			}

			if made := c.want == "made"; (len(s.Queues) == 1) != made || (len(s.Ignored) == 1) != made {
				t.Errorf("queues %v, ignored %v, want %q", s.Queues, s.Ignored, c.want)
			}
		})
	}
}

func TestIntrinsicFunctionsAtTheirEdges(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, in, want, refusal string }{
		{name: "a name that is left out", in: `{"Fn::If":["Prod","x",{"Ref":"AWS::NoValue"}]}`, want: "st-Q"},
		{name: "partition and suffix", in: `{"Fn::Sub":"${AWS::Partition}.${AWS::URLSuffix}.${AWS::AccountId}"}`, want: "aws.amazonaws.com.1"},
		{name: "the URL of a queue", in: `{"Fn::GetAtt":["Other","QueueUrl"]}`, want: "https://sqs.r.amazonaws.com/1/other"},
		{name: "the ARN of a type that is ignored", in: `{"Fn::GetAtt":["T","Arn"]}`, want: "arn:aws:sns:r:1:st-T"},
		{name: "a local name before a parameter", in: `{"Fn::Sub":["${Stage}",{"Stage":"mine"}]}`, want: "mine"},
		{name: "the same name twice", in: `{"Fn::Sub":"${Stage}${Stage}"}`, want: "devdev"},
		{name: "a dollar that is none", in: `{"Fn::Sub":"$Stage {Stage}"}`, want: "$Stage {Stage}"},
		{name: "joined numbers", in: `{"Fn::Join":[".",[1,2000000]]}`, want: "1.2000000"},
		{name: "nothing joined", in: `{"Fn::Join":["-",[]]}`, want: ""},
		{name: "selected by text", in: `{"Fn::Select":["0",["a","b"]]}`, want: "a"},
		{name: "three deep", in: `{"Fn::Select":[0,[{"Fn::If":["Dev",{"Fn::Sub":"${Letters}"},"x"]}]]}`, want: "abc"},
		{name: "joined text", in: `{"Fn::Join":["-","ab"]}`, refusal: "Fn::Join wants a list to join, not ab"},
		{name: "before the first", in: `{"Fn::Select":[-1,["a"]]}`, refusal: "no element -1"},
		{name: "no index", in: `{"Fn::Select":["x",["a"]]}`, refusal: "no element x"},
		{name: "selected from a text", in: `{"Fn::Select":[0,"abc"]}`, refusal: "no element 0"},
		{name: "two branches", in: `{"Fn::If":["Prod","x"]}`, refusal: "Fn::If wants 3 arguments, not 2"},
		{name: "an attribute without its name", in: `{"Fn::GetAtt":"Other"}`, refusal: "of Other is not known"},
		{name: "an attribute of nothing", in: `{"Fn::GetAtt":["Nobody","Arn"]}`, refusal: "no resource Nobody"},
		{name: "a variable's attribute of nothing", in: `{"Fn::Sub":"${Nobody.QueueName}"}`, refusal: "no resource Nobody"},
		{name: "a list for a reference", in: `{"Ref":["Stage"]}`, refusal: "no parameter or resource [Stage]"},
		{name: "an unknown one inside", in: `{"Fn::Join":["",[{"Fn::FindInMap":["a","b","c"]}]]}`, refusal: "Fn::FindInMap with 3 arguments"},
		{name: "a pseudo parameter that is not there", in: `{"Ref":"AWS::StackId"}`, refusal: "AWS::StackId"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			got, err := parse(t, c.in)
			if c.refusal == "" {
				if err != nil || got != c.want {
					t.Errorf("got %q, %v, want %q", got, err, c.want)
				}

				return
			}

			if err == nil || !strings.Contains(err.Error(), c.refusal) || !strings.Contains(err.Error(), "resource Q (AWS::SQS::Queue)") {
				t.Errorf("got %v, want the resource and %q", err, c.refusal)
			}
		})
	}
}

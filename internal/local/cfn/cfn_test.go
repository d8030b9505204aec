package cfn_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
	"orbitq/internal/local/enginestest"
)

// source returns a Source for the template of this repository, with the translator installed.
func source(t *testing.T) cfn.Source {
	t.Helper()

	root, err := enginestest.Root()
	if err != nil {
		t.Fatal(err)
	}

	tools := enginestest.Installer(root)
	if err := tools.Install(t.Context()); err != nil {
		t.Fatal(err)
	}

	python, err := tools.Python()
	if err != nil {
		t.Fatal(err)
	}

	return cfn.Source{
		Template: filepath.Join(root, "template.yaml"), Python: python, Script: filepath.Join(root, "local", "expand.py"),
		Cache: t.TempDir(), Region: "eu-central-1", Account: "000000000000", Stack: "orbitq",
		Endpoint: "http://127.0.0.1:4566",
		Parameters: map[string]string{
			"JwtIssuer": "http://127.0.0.1:4567", "CopernicusClientId": "id", "CopernicusClientSecret": "secret",
		},
	}
}

// find returns the element of a list that has a name.
func find[T any](t *testing.T, list []T, name func(T) string, want string) T {
	t.Helper()

	i := slices.IndexFunc(list, func(e T) bool { return name(e) == want })
	if i < 0 {
		t.Fatalf("no %s in %v", want, list)
	}

	return list[i]
}

func TestTemplateOfTheProject(t *testing.T) {
	t.Parallel()

	s, err := cfn.Load(t.Context(), source(t))
	if err != nil {
		t.Fatal(err)
	}

	q := find(t, s.Queues, func(q cfn.Queue) string { return q.Name }, "orbitq-satellite")
	if q.URL != "http://127.0.0.1:4566/000000000000/orbitq-satellite" || q.DeadLetterARN != "arn:aws:sqs:eu-central-1:000000000000:orbitq-satellite-dlq" || q.MaxReceives == 0 {
		t.Errorf("queue: %+v", q)
	}

	f := find(t, s.Functions, func(f cfn.Function) string { return f.Name }, "orbitq-enrich")
	if f.Code != "functions/enrich/" || f.Env["ORBITQ_QUEUE_URL"] != q.URL || f.Timeout == 0 {
		t.Errorf("function: %+v", f)
	}

	role := find(t, s.Roles, func(r cfn.Role) string { return r.ARN }, f.Role)
	if len(role.Statements) == 0 {
		t.Errorf("role %s has no statements", role.Name)
	}

	m := find(t, s.Mappings, func(m cfn.Mapping) string { return m.QueueARN }, q.ARN)
	if m.Function != f.Name || m.BatchSize != 10 || !m.PartialResponses {
		t.Errorf("mapping: %+v", m)
	}

	r := find(t, s.Routes, func(r cfn.Route) string { return r.Method + " " + r.Path }, "GET /v1/jobs/{id}")
	if !r.Authorized || !slices.Equal(r.Scopes, []string{"orbitq/read"}) || r.Function != "orbitq-query" {
		t.Errorf("route: %+v", r)
	}

	if open := find(t, s.Routes, func(r cfn.Route) string { return r.Path }, "/v1/health"); open.Authorized {
		t.Errorf("route: %+v", open)
	}

	table := s.Tables[0]
	if len(s.Tables) != 1 || table.TTL != "ttl" || !strings.Contains(string(table.Create), `"IndexName":"open"`) {
		t.Errorf("tables: %+v", s.Tables)
	}

	if s.Issuer != "http://127.0.0.1:4567" || !slices.Equal(s.Audience, []string{"orbitq"}) || s.Stage.Rate == 0 || len(s.Schedules) == 0 {
		t.Errorf("issuer %s, audience %v, stage %+v, schedules %v", s.Issuer, s.Audience, s.Stage, s.Schedules)
	}

	if secret := s.Secrets[0]; secret.Value != `{"client_id":"id","client_secret":"secret"}` {
		t.Errorf("secret: %+v", secret)
	}
}

func TestExpansionIsKept(t *testing.T) {
	t.Parallel()

	src := source(t)
	if _, err := cfn.Load(t.Context(), src); err != nil {
		t.Fatal(err)
	}

	src.Python = "/does/not/exist" // from now on only the cache can answer
	if _, err := cfn.Load(t.Context(), src); err != nil {
		t.Fatal(err)
	}

	src.Region = "us-east-1"
	if _, err := cfn.Load(t.Context(), src); err == nil {
		t.Error("another region came from the same expansion")
	}
}

func TestBrokenTemplateSaysWhy(t *testing.T) {
	t.Parallel()

	src := source(t)
	src.Template = filepath.Join(t.TempDir(), "template.yaml")

	text := "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {CodeUri: x/, Events: {A: {Type: Nonsense}}}\n"
	if err := os.WriteFile(src.Template, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := cfn.Load(context.Background(), src); err == nil || !strings.Contains(err.Error(), "Nonsense") {
		t.Errorf("got %v, want what SAM says", err)
	}
}

// parse resolves a template with one queue whose name is an expression.
func parse(t *testing.T, expression string) (string, error) {
	t.Helper()

	text := `{"Parameters":{"Stage":{"Type":"String","Default":"dev"},"Letters":{"Type":"String","Default":"x","AllowedPattern":"^[a-z]+$"}},
		"Conditions":{"Prod":{"Fn::Equals":[{"Ref":"Stage"},"prod"]},"Dev":{"Fn::Not":[{"Condition":"Prod"}]},
			"Both":{"Fn::And":[{"Condition":"Dev"},{"Condition":"Prod"}]},"Any":{"Fn::Or":[{"Condition":"Dev"},{"Condition":"Prod"}]}},
		"Resources":{"Q":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":` + expression + `}},
			"Other":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":"other"}},
			"T":{"Type":"AWS::SNS::Topic"},"Other2":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":"named"}},
			"M":{"Type":"AWS::Lambda::EventSourceMapping"},
			"A":{"Type":"AWS::CloudWatch::Alarm","Properties":{"MetricName":"Errors"}},
			"Gone":{"Type":"AWS::SQS::Queue","Condition":"Prod","Properties":{"QueueName":"gone"}}}}`

	s, err := cfn.Parse([]byte(text), cfn.Source{Region: "r", Account: "1", Stack: "st", Parameters: map[string]string{"Letters": "abc"}})
	if err != nil {
		return "", err
	}

	if len(s.Queues) != 2 || !slices.Equal(s.Ignored, []string{"AWS::CloudWatch::Alarm A"}) {
		t.Errorf("queues %v, ignored %v", s.Queues, s.Ignored)
	}

	return s.Queues[1].Name, nil
}

func TestIntrinsicFunctions(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, in, want string }{
		{"text", `"plain"`, "plain"},
		{"parameter", `{"Ref":"Letters"}`, "abc"},
		{"pseudo parameter", `{"Ref":"AWS::StackName"}`, "st"},
		{"queue", `{"Ref":"Other"}`, "https://sqs.r.amazonaws.com/1/other"},
		{"topic", `{"Ref":"T"}`, "arn:aws:sns:r:1:st-T"},
		{"topic with a name", `{"Ref":"Other2"}`, "arn:aws:sns:r:1:named"},
		{"attributes of a topic", `{"Fn::Sub":"${T.TopicArn} ${T.TopicName} ${Other2.TopicName}"}`, "arn:aws:sns:r:1:st-T st-T named"},
		{"event source mapping", `{"Ref":"M"}`, "70f6add7-1d4b-5a74-89b0-37071bb729eb"},
		{"its id", `{"Fn::GetAtt":["M","Id"]}`, "70f6add7-1d4b-5a74-89b0-37071bb729eb"},
		{"its ARN", `{"Fn::GetAtt":["M","EventSourceMappingArn"]}`, "arn:aws:lambda:r:1:event-source-mapping:70f6add7-1d4b-5a74-89b0-37071bb729eb"},
		{"alarm", `{"Fn::Sub":"${A} ${A.Arn}"}`, "st-A arn:aws:cloudwatch:r:1:alarm:st-A"},
		{"attribute", `{"Fn::GetAtt":["Other","Arn"]}`, "arn:aws:sqs:r:1:other"},
		{"attribute in one word", `{"Fn::GetAtt":"Other.QueueName"}`, "other"},
		{"substitution", `{"Fn::Sub":"${AWS::Region}-${Other.QueueName}-${!kept}"}`, "r-other-${kept}"},
		{"substitution with names", `{"Fn::Sub":["${A}-${Stage}",{"A":{"Ref":"Letters"}}]}`, "abc-dev"},
		{"join", `{"Fn::Join":["-",["a",{"Ref":"Stage"}]]}`, "a-dev"},
		{"select", `{"Fn::Select":[1,["a",{"Ref":"Stage"}]]}`, "dev"},
		{"if", `{"Fn::If":["Prod","p","d"]}`, "d"},
		{"if takes only one branch", `{"Fn::If":["Dev","d",{"Ref":"Nothing"}]}`, "d"},
		{"and, or", `{"Fn::Join":["",[{"Fn::If":["Both","1","0"]},{"Fn::If":["Any","1","0"]}]]}`, "01"},
		{"no value in a list", `{"Fn::Join":["-",["a",{"Ref":"AWS::NoValue"},"b"]]}`, "a-b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			got, err := parse(t, c.in)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestWhatIsNotUnderstoodIsNamed(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, in, want string }{
		{"unknown function", `{"Fn::Base64":["x"]}`, "Fn::Base64"},
		{"import", `{"Fn::ImportValue":"x"}`, "Fn::ImportValue"},
		{"unknown reference", `{"Ref":"Nothing"}`, "Nothing"},
		{"the id of something else", `{"Fn::GetAtt":["Other","Id"]}`, "Id of Other"},
		{"unknown attribute", `{"Fn::GetAtt":["Other","Color"]}`, "Color of Other"},
		{"unknown condition", `{"Fn::If":["Never","a","b"]}`, "Never"},
		{"not a list", `{"Fn::Join":"x"}`, "Fn::Join"},
		{"no such element", `{"Fn::Select":[2,["a"]]}`, "element 2"},
		{"unknown variable", `{"Fn::Sub":"${Nothing}"}`, "Nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			_, err := parse(t, c.in)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "resource Q") {
				t.Errorf("got %v, want the resource and %q", err, c.want)
			}
		})
	}
}

func TestParametersAreChecked(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(map[string]any{"Parameters": map[string]any{
		"Letters": map[string]any{"Type": "String", "AllowedPattern": "^[a-z]+$"},
	}})
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name string
		in   map[string]string
		want string
	}{
		{"missing", nil, "Letters has no value"},
		{"wrong", map[string]string{"Letters": "A1"}, "does not match"},
		{"unknown", map[string]string{"Letters": "a", "Digits": "1"}, "no parameter Digits"},
	} {
		if _, err := cfn.Parse(text, cfn.Source{Parameters: c.in}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

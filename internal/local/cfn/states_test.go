package cfn_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
)

// machine is the head of a state machine resource.
const machine = `"M":{"Type":"AWS::StepFunctions::StateMachine","Properties":{"RoleArn":"arn:role",`

func TestStateMachinesWithAndWithoutTheirProperties(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name, in string
		want     cfn.StateMachine
	}{
		{
			"defaults", machine + `"DefinitionString":"{}"}}`,
			cfn.StateMachine{Name: "st-M", ARN: "arn:aws:states:r:1:stateMachine:st-M", Role: "arn:role", Definition: "{}", Type: "STANDARD"},
		},
		{
			"everything", machine + `"StateMachineName":{"Fn::Sub":"${AWS::StackName}-chain"},"StateMachineType":"EXPRESS",
				"LoggingConfiguration":{"Level":"ERROR"},"TracingConfiguration":{"Enabled":true},
				"DefinitionString":{"Fn::Join":["\n",["{","\"n\": ${N}, \"f\": \"${F}\"","}"]]},"DefinitionSubstitutions":{"N":5,"F":{"Fn::GetAtt":["Q","Arn"]},"Timeout":"unused"}}},
				"Q":{"Type":"AWS::SQS::Queue"}`,
			cfn.StateMachine{
				Name: "st-chain", ARN: "arn:aws:states:r:1:stateMachine:st-chain", Role: "arn:role", Type: "EXPRESS", Logged: true, Traced: true,
				Definition: "{\n\"n\": 5, \"f\": \"arn:aws:sqs:r:1:st-Q\"\n}",
			},
		},
		{
			"not logged", machine + `"DefinitionString":"{}","LoggingConfiguration":{"Level":"OFF"},"TracingConfiguration":{"Enabled":false}}}`,
			cfn.StateMachine{Name: "st-M", ARN: "arn:aws:states:r:1:stateMachine:st-M", Role: "arn:role", Definition: "{}", Type: "STANDARD"},
		},
	} {
		if got := described(t, c.in).StateMachines[0]; got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestADefinitionIsReadWhereItLies(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	for name, text := range map[string]string{"good.json": `{"n": ${N}}`, "bad.json": "{\n\n,}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	for _, c := range []struct{ name, in, want, problem string }{
		{"a file", `"DefinitionS3Location":{"Bucket":"local","Key":"good.json"},"DefinitionSubstitutions":{"N":1}`, `{"n": 1}`, ""},
		{"no file", `"DefinitionS3Location":{"Bucket":"local","Key":"none.json"}`, "", "read definition"},
		{"no JSON", `"DefinitionS3Location":{"Bucket":"local","Key":"bad.json"}`, "", "line 3"},
		{"no value", `"DefinitionS3Location":{"Bucket":"local","Key":"good.json"},"DefinitionSubstitutions":{"M":1}`, "", "names N, which"},
		{"no definition", `"StateMachineType":"STANDARD"`, "", "not JSON"},
		{"two definitions", `"DefinitionString":"{} {}"`, "", "something follows"},
		{"no role", `"RoleArn":"","DefinitionString":"{}"`, "", "it has no role"},
	} {
		s, err := cfn.Parse([]byte(`{"Resources":{`+machine+c.in+`}}}}`), cfn.Source{Template: filepath.Join(dir, "template.yaml"), Stack: "st"})
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) || !strings.HasPrefix(err.Error(), "resource M ") {
				t.Errorf("%s: got %v, want %q", c.name, err, c.problem)
			}

			continue
		}

		if err != nil || s.StateMachines[0].Definition != c.want {
			t.Errorf("%s: got %v %v, want %s", c.name, s, err, c.want)
		}
	}
}

// TestAChangedDefinitionIsSeen expands once and changes the file of the definition: the cache must not keep the old one.
func TestAChangedDefinitionIsSeen(t *testing.T) {
	t.Parallel()

	root := source(t)
	dir := t.TempDir()
	root.Template, root.Parameters = filepath.Join(dir, "template.yaml"), nil

	template := `{"Transform":"AWS::Serverless-2016-10-31","Resources":{
		"R":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":{"Statement":[]}}},
		"M":{"Type":"AWS::Serverless::StateMachine","Properties":{"Name":{"Fn::Sub":"${AWS::StackName}-chain"},"DefinitionUri":"m.json",
			"DefinitionSubstitutions":{"Role":{"Fn::GetAtt":["R","Arn"]}},"Role":{"Fn::GetAtt":["R","Arn"]},
			"Logging":{"Level":"ALL","IncludeExecutionData":false,"Destinations":[]},"Tracing":{"Enabled":true}}},
		"I":{"Type":"AWS::Serverless::StateMachine","Properties":{"Definition":{"StartAt":"P","States":{"P":{"Type":"Pass","Result":{"Fn::GetAtt":["R","Arn"]},"End":true}}},"Role":{"Fn::GetAtt":["R","Arn"]}}}}}`
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("template.yaml", strings.ReplaceAll(template, "\t", " ")) // YAML knows no tabs

	for _, version := range []string{"1", "2"} {
		write("m.json", `{"Comment":"`+version+` ${Role}"}`)

		s, err := cfn.Load(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}

		m := find(t, s.StateMachines, func(m cfn.StateMachine) string { return m.Name }, "orbitq-chain")
		if want := `{"Comment":"` + version + ` arn:aws:iam::000000000000:role/orbitq-R"}`; m.Definition != want || m.Type != "STANDARD" || !m.Logged || !m.Traced {
			t.Errorf("got %+v, want %s", m, want)
		}

		inline := find(t, s.StateMachines, func(m cfn.StateMachine) string { return m.Name }, "orbitq-I")
		if !strings.Contains(inline.Definition, `"arn:aws:iam::000000000000:role/orbitq-R"`) || inline.Logged || inline.Traced {
			t.Errorf("got %+v", inline)
		}
	}
}

func TestBucketsAndWhatNamesThem(t *testing.T) {
	t.Parallel()

	s := described(t, `"Lists":{"Type":"AWS::S3::Bucket"},"Named":{"Type":"AWS::S3::Bucket","Properties":{"BucketName":"named"}},
		"F":{"Type":"AWS::Lambda::Function","Properties":{"Code":{"S3Key":"f"},"Environment":{"Variables":{
			"REF":{"Ref":"Named"},"ARN":{"Fn::GetAtt":["Lists","Arn"]},"MACHINE":{"Ref":"M"},"NAME":{"Fn::GetAtt":["M","Name"]}}}}},`+machine+`"DefinitionString":"{}"}}`)

	if got, want := s.Buckets, (cfn.Bucket{Name: "st-lists", ARN: "arn:aws:s3:::st-lists"}); len(got) != 2 || got[0] != want {
		t.Errorf("got %v, want %v first", got, want)
	}

	for name, want := range map[string]string{"REF": "named", "ARN": "arn:aws:s3:::st-lists", "MACHINE": "arn:aws:states:r:1:stateMachine:st-M", "NAME": "st-M"} {
		if got := s.Functions[0].Env[name]; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

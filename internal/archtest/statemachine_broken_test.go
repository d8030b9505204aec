package archtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// healthy is a definition with one of everything, which every check accepts.
const healthy = `{
  "StartAt": "Pick",
  "States": {
    "Pick": {"Type": "Choice", "Choices": [{"Variable": "$.many", "BooleanEquals": true, "Next": "Many"}], "Default": "Few"},
    "Few": {"Type": "Map", "MaxConcurrency": 40, "ResultPath": null, "Next": "Sum", "ItemProcessor": {
      "ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Item", "States": {"Item": {"Type": "Pass", "End": true}}}},
    "Many": {"Type": "Map", "MaxConcurrency": 40, "ToleratedFailurePercentage": 100, "Label": "Many", "ItemReader": {"Resource": "r"}, "Next": "Sum",
      "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "Child", "States": {"Child": {"Type": "Pass", "End": true}}}},
    "Sum": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "${F}", "Payload": {"op": "sum"}},
      "TimeoutSeconds": 75,
      "Retry": [{"ErrorEquals": ["States.Timeout", "THROTTLED"], "IntervalSeconds": 10, "BackoffRate": 3, "MaxDelaySeconds": 60, "MaxAttempts": 3, "JitterStrategy": "FULL"}],
      "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}],
      "Next": "Rest"},
    "Rest": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Done"},
    "Failed": {"Type": "Fail", "Error": "UNAVAILABLE", "Cause": "because"},
    "Done": {"Type": "Succeed"}
  }
}`

func TestStateMachineChecksCanFail(t *testing.T) {
	t.Parallel()

	codes := map[string]bool{"THROTTLED": true, "UNAVAILABLE": true}

	for _, c := range []struct{ name, from, to, want string }{
		{"unknown type", `"Type": "Wait"`, `"Type": "Sleep"`, `Rest: no type "Sleep"`},
		{"start is missing", `"StartAt": "Child"`, `"StartAt": "Nobody"`, `StartAt is "Nobody"`},
		{"target is missing", `"Next": "Rest"`, `"Next": "Rests"`, `leads to "Rests", which is not there`},
		{"target is in another scope", `"Next": "Rest"`, `"Next": "Item"`, `leads to "Item", which is not there`},
		{"nobody leads there", `"Next": "Rest"`, `"Next": "Done"`, "Rest: no way from Pick"},
		{"nobody leads there inside", `"Item": {`, `"Lost": {"Type": "Pass", "End": true}, "Item": {`, "Lost: no way from Item"},
		{"no end", `"Next": "Done"`, `"Next": "Rest"`, "Rest: no way to an end"},
		{"no end inside", `"Child": {"Type": "Pass", "End": true}`, `"Child": {"Type": "Pass", "Next": "Child"}`, "Child: no way to an end"},
		{"choice without default", `, "Default": "Few"`, ``, "Pick: has 0 of Next, Default and End"},
		{"two exits", `"Next": "Done"`, `"Next": "Done", "End": true`, "Rest: has 2 of Next"},
		{"name twice", `"StartAt": "Child", "States": {"Child"`, `"StartAt": "Item", "States": {"Item"`, "Item: a second state of that name"},

		{"another service", "states:::lambda:invoke", "states:::sqs:sendMessage", "want a function of the template"},
		{"literal function", "${F}", "arn:aws:lambda:f", "want a function of the template"},
		{"no timeout", `"TimeoutSeconds": 75,`, ``, "Sum: no TimeoutSeconds"},
		{"no catch", `"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}],`, ``, "Sum: no Catch"},
		{"no retry", `"Retry": [{`, `"Retries": [{`, "0 Retry rules"},
		{"retry of anything", `"States.Timeout", "THROTTLED"`, `"States.ALL"`, "want named errors"},
		{"retry at once", `"IntervalSeconds": 10`, `"IntervalSeconds": 1`, "IntervalSeconds:1 "},
		{"retry too evenly", `"BackoffRate": 3`, `"BackoffRate": 2`, "BackoffRate:2 "},
		{"retry too late", `"MaxDelaySeconds": 60`, `"MaxDelaySeconds": 600`, "MaxDelaySeconds:600 "},
		{"retry too often", `"MaxAttempts": 3`, `"MaxAttempts": 99`, "MaxAttempts:99 "},
		{"retry all together", `"FULL"`, `"NONE"`, "JitterStrategy:NONE"},

		{"catches too little", `["States.ALL"]`, `["States.Timeout"]`, "catches [States.Timeout], want States.ALL"},
		{"error replaces the input", `"ResultPath": "$.error"`, `"ResultPath": "$"`, "the error replaces the input"},
		{"failure is forgotten", `"ResultPath": "$.error", "Next": "Failed"`, `"ResultPath": "$.error", "Next": "Rest"`, "Rest does not record the failure"},

		{"retry of a code nobody has", `"THROTTLED"`, `"THROTTLE"`, "nothing reports THROTTLE"},
		{"retry of an invented name", `"States.Timeout"`, `"States.Slow"`, "nothing reports States.Slow"},
		{"fails with an invented code", `"Error": "UNAVAILABLE"`, `"Error": "BROKEN"`, `fails with Error "BROKEN"`},
		{"fails with two codes", `"Error": "UNAVAILABLE"`, `"Error": "UNAVAILABLE", "ErrorPath": "$.code"`, `ErrorPath "$.code"`},
		{"fails without a cause", `, "Cause": "because"`, ``, "without a cause"},

		{"too many at once", `"MaxConcurrency": 40, "ResultPath"`, `"MaxConcurrency": 400, "ResultPath"`, "MaxConcurrency is 400"},
		{"as many as there are", `"MaxConcurrency": 40, "ResultPath"`, `"ResultPath"`, "MaxConcurrency is 0"},
		{"inline from a bucket", `"MaxConcurrency": 40, "ResultPath"`, `"MaxConcurrency": 40, "ItemReader": {}, "ResultPath"`, "no ItemReader"},
		{"unknown mode", `"Mode": "INLINE"`, `"Mode": "LINE"`, `no mode "LINE"`},
		{"an item fails the map", `"ToleratedFailurePercentage": 100`, `"ToleratedFailurePercentage": 5`, "ToleratedFailurePercentage is 5"},
		{"no label", `"Label": "Many", `, ``, `Label ""`},
		{"children that cannot wait", `"ExecutionType": "STANDARD"`, `"ExecutionType": "EXPRESS"`, "must be STANDARD"},

		{"waits as the definition says", `"SecondsPath": "$.seconds"`, `"Seconds": 61`, "Rest: wants SecondsPath"},
		{"waits for a date", `"SecondsPath": "$.seconds"`, `"TimestampPath": "$.at"`, "Rest: wants SecondsPath"},
		{"too large", `"op": "sum"`, `"op": "` + strings.Repeat("x", maxDefinition) + `"`, "want less than 1000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			got := checkMachine(broken(t, c.from, c.to), codes, nil)
			if !strings.Contains(strings.Join(got, "\n"), c.want) || len(got) > 3 { // what lies behind a broken way is lost, too
				t.Errorf("got %q, want one complaint about %q", got, c.want)
			}
		})
	}
}

// broken returns the healthy definition with one place changed.
func broken(t *testing.T, from, to string) machine {
	t.Helper()

	if strings.Count(healthy, from) == 0 {
		t.Fatalf("no %s in the healthy definition", from)
	}

	m, err := define("x", []byte(strings.Replace(healthy, from, to, 1)))
	if err != nil {
		t.Fatal(err)
	}

	return m
}

func TestStateMachineChecksAcceptWhatIsFine(t *testing.T) {
	t.Parallel()

	codes := map[string]bool{"THROTTLED": true, "UNAVAILABLE": true}
	caught := `"ResultPath": "$.error", "Next": "Failed"`

	for _, c := range []struct {
		name, from, to string
		excused        map[string]string
	}{
		{"as it is", healthy, healthy, nil},
		{"a short wait", `"SecondsPath": "$.seconds"`, `"Seconds": 60`, nil},
		{"fails with the code it is given", `"Error": "UNAVAILABLE"`, `"ErrorPath": "$.code"`, nil},
		{"a failure that is recorded elsewhere", caught, `"ResultPath": "$.error", "Next": "Rest"`, map[string]string{"Sum": "in its row"}},
	} {
		text := strings.Replace(healthy, c.from, c.to, 1)
		if c.excused != nil {
			text = strings.Replace(text, `"Type": "Succeed"`, `"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "Failed"}], "Default": "Failed"`, 1)
		}

		m, err := define(c.name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}

		expectNone(t, checkMachine(m, codes, c.excused))
	}
}

func TestFailuresAreRecorded(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name string
		in   state
		want bool
	}{
		{"a function is given the error", state{Type: "Task", Parameters: map[string]any{"Payload": map[string]any{"error.$": "$.error"}}}, true},
		{"a function is given another", state{Type: "Task", Parameters: map[string]any{"Payload": map[string]any{"error.$": "$.other"}}}, false},
		{"an item is marked", state{Type: "Pass", Result: map[string]any{"left": true}}, true},
		{"an item is not marked", state{Type: "Pass", Result: map[string]any{"left": false}}, false},
		{"the execution fails under a name", state{Type: "Fail", Error: "UNAVAILABLE"}, true},
		{"the execution fails under a name it is given", state{Type: "Fail", ErrorPath: "$.code"}, true},
		{"the execution fails", state{Type: "Fail"}, false},
		{"the execution succeeds", state{Type: "Succeed"}, false},
	} {
		if got := records(c.in, "$.error"); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
	}
}

func TestJobCodesAreReadFromTheSource(t *testing.T) {
	t.Parallel()

	code := "package job\ntype Code string\nconst (\n\tA Code = \"ALPHA\"\n\tb = \"BETA\"\n\tC Other = \"GAMMA\"\n)"

	for _, c := range []struct{ path, want string }{
		{"internal/job/error.go", "map[ALPHA:true]"},
		{"internal/job/other.go", "map[]"},
	} {
		if got := fmt.Sprint(jobCodes(snippet(t, c.path, code))); got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
	}
}

func TestSubstitutionChecksCanFail(t *testing.T) {
	t.Parallel()

	const fine = `{"M": {"Type": "AWS::Serverless::StateMachine", "Properties": {
		"Type": "STANDARD", "DefinitionUri": "statemachines/x.asl.json", "DefinitionSubstitutions": {"F": "arn"}}}}`

	for _, c := range []struct{ from, to, want string }{
		{`"F": "arn"`, ``, "nothing is given for ${F}"},
		{`"F": "arn"`, `"F": "arn", "G": "arn"`, "G is given and not used"},
		{`AWS::Serverless::StateMachine`, `AWS::SQS::Queue`, "no state machine has the DefinitionUri statemachines/x.asl.json"},
		{`"STANDARD"`, `"EXPRESS"`, "M is EXPRESS"},
		{`"Type": "STANDARD", `, ``, ""},
		{fine[1:], `"N": {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": "statemachines/y.asl.json"}}, ` + fine[1:], "there is no definition statemachines/y.asl.json"},
		{fine, fine, ""},
	} {
		var r resources
		if err := json.Unmarshal([]byte(strings.Replace(fine, c.from, c.to, 1)), &r.Resources); err != nil {
			t.Fatal(err)
		}

		got := checkSubstitutions([]machine{broken(t, healthy, healthy)}, r)
		if c.want == "" {
			expectNone(t, got)

			continue
		}

		expectOne(t, got, c.want)
	}
}

package stack

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
)

func TestWhatTheInterpreterCannotRunIsNamed(t *testing.T) {
	t.Parallel()

	const call = `{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke"}`

	for _, c := range []struct{ name, definition, want string }{
		{"a task", `{"States":{"T":` + call + `}}`, ""},
		{"a pass", `{"States":{"T":{"Type":"Pass"}}}`, ""},
		{"JSONPath", `{"QueryLanguage":"JSONPath","States":{"T":{"Type":"Pass","QueryLanguage":"JSONPath"}}}`, ""},
		{"JSONata", `{"QueryLanguage":"JSONata","States":{}}`, "machine m: the query language JSONata"},
		{"JSONata in a state", `{"States":{"A":` + call + `,"T":{"Type":"Pass","QueryLanguage":"JSONata"}}}`, "machine m: state T: the query language JSONata"},
		{"another resource", `{"States":{"T":{"Type":"Task","Resource":"arn:aws:states:::sns:publish"}}}`, "state T: the resource arn:aws:states:::sns:publish"},
		{"a token", `{"States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken"}}}`, "state T: the resource"},
		{"a bare function", `{"States":{"T":{"Type":"Task","Resource":"arn:aws:lambda:eu-central-1:000000000000:function:f"}}}`, "state T: the resource"},
		{"credentials", `{"States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Credentials":{"RoleArn":"x"}}}}`, "state T: Credentials"},
		{"a batcher", `{"States":{"M":{"Type":"Map","ItemBatcher":{},"ItemProcessor":{"States":{"T":` + call + `}}}}}`, "state M: ItemBatcher"},
		{"a writer", `{"States":{"M":{"Type":"Map","ResultWriter":{}}}}`, "state M: ResultWriter"},
		{"a reader of lists", `{"States":{"M":{"Type":"Map","ItemReader":{"Resource":"arn:aws:states:::s3:listObjectsV2"}}}}`, "state M: an item reader of"},
		{"a reader", `{"States":{"M":{"Type":"Map","ItemReader":{"Resource":"arn:aws:states:::s3:getObject"}}}}`, ""},
		{"EXPRESS children", `{"States":{"M":{"Type":"Map","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"}}}}}`, "state M: EXPRESS children"},
		{"below a map", `{"States":{"M":{"Type":"Map","ItemProcessor":{"States":{"T":{"Type":"Task","Resource":"r"}}}}}}`, "machine m: state T: the resource r"},
		{"below an iterator", `{"States":{"M":{"Type":"Map","Iterator":{"States":{"T":{"Type":"Task","Resource":"r"}}}}}}`, "machine m: state T: the resource r"},
		{"in a branch", `{"States":{"P":{"Type":"Parallel","Branches":[{"States":{"A":` + call + `}},{"States":{"T":{"Type":"Task","Resource":"r"}}}]}}}`, "machine m: state T: the resource r"},
		{"the first of two", `{"States":{"B":{"Type":"Task","Resource":"b"},"A":{"Type":"Task","Resource":"a"}}}`, "state A: the resource a"},
		{"no object", `[]`, "read definition"},
	} {
		err := runnable(cfn.StateMachine{Name: "m", Type: "STANDARD", Definition: c.definition})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "state machine m: ")) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}

	if err := runnable(cfn.StateMachine{Name: "m", Type: "EXPRESS", Definition: "{}"}); err == nil || !strings.Contains(err.Error(), "type EXPRESS") {
		t.Errorf("got %v", err)
	}
}

// TestTheApplicationOfTheTestsIsRunnable would else fail later, and less clearly.
func TestTheApplicationOfTheTestsIsRunnable(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("testdata/states/work.asl.json")
	if err != nil {
		t.Fatal(err)
	}

	definition := strings.ReplaceAll(string(text), "${Failures}", "100")
	if !json.Valid([]byte(definition)) {
		t.Fatal("not JSON")
	}

	if err := runnable(cfn.StateMachine{Name: "m", Type: "STANDARD", Definition: definition}); err != nil {
		t.Error(err)
	}
}

package stack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orbitq/internal/local/gateway"
	"orbitq/internal/local/stack"
)

// caughtError is the name of the error that a state has caught into the output.
func caughtError(t *testing.T, d described) string {
	t.Helper()

	var out struct {
		Caught struct {
			Error string `json:"Error"`
			Cause string `json:"Cause"`
		} `json:"caught"`
	}
	if err := json.Unmarshal([]byte(d.Output), &out); err != nil || d.Status != "SUCCEEDED" {
		t.Fatalf("got %+v: %v", d, err)
	}

	return out.Caught.Error + ": " + out.Caught.Cause
}

// TestAStateMachineRuns shares one stack among everything that leaves it alive.
func TestAStateMachineRuns(t *testing.T) {
	t.Parallel()

	w := states(t, nil)
	w.aCutLineIsTriedAgain(t) // alone, so that the fault meets its own call

	for name, test := range map[string]func(*testing.T){
		"errors have their names":           w.errorsHaveTheirNames,
		"waits and retries are compressed":  w.waitsAreCompressed,
		"maps run their items":              w.mapsRunTheirItems,
		"it stores and sends":               w.itStoresAndSends,
		"a name is taken once":              w.aNameIsTakenOnce,
		"what does not exist has its error": w.whatDoesNotExist,
		"a function may not start it":       w.aFunctionMayNotStartIt,
		"an execution is stopped":           w.anExecutionIsStopped,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// errorsHaveTheirNames makes the function fail in every way: a definition catches what AWS would throw.
func (w *world) errorsHaveTheirNames(t *testing.T) {
	t.Helper()

	for do, want := range map[string]string{
		"named":     `Job.Rejected: {"errorMessage":"by name","errorType":"Job.Rejected"}`,
		"unnamed":   `errorString: {"errorMessage":"no name"`,
		"panic":     `string: {"errorMessage":"panic"`,
		"exit":      `Runtime.ExitError: {"errorType":"Runtime.ExitError","errorMessage":"RequestId: `,
		"slow":      `Sandbox.Timedout: {"errorType":"Sandbox.Timedout","errorMessage":"RequestId: `,
		"forbidden": `Lambda.AWSLambdaException: User: arn:aws:sts::000000000000:assumed-role/orbitq-WorkRole/orbitq-work is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:eu-central-1:000000000000:function:orbitq-other:live `,
	} {
		d, _ := w.ran(t, "error-"+do, `{"do":"`+do+`"}`)
		if got := caughtError(t, d); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", do, got, want)
		}
	}
}

// waitsAreCompressed has a wait of 30 s and retries after 30, 45 and 45 s, at sixty times the speed. Seconds that come
// out of data were divided where they were made, and are not divided again.
func (w *world) waitsAreCompressed(t *testing.T) {
	t.Helper()

	for _, c := range []struct {
		name, in    string
		least, most time.Duration
		status      string
	}{
		{"sleep", `{"do":"sleep"}`, 500 * time.Millisecond, 5 * time.Second, "SUCCEEDED"},
		{"path", `{"do":"wait","seconds":1}`, time.Second, 6 * time.Second, "SUCCEEDED"},
		{"no seconds", `{"do":"wait","seconds":0}`, 0, 5 * time.Second, "SUCCEEDED"},
		{"half a second", `{"do":"wait","seconds":0.5}`, 0, 5 * time.Second, "FAILED"},
		{"retries", `{"do":"flaky","times":3}`, 2 * time.Second, 8 * time.Second, "SUCCEEDED"},
		{"retries that do not help", `{"do":"flaky","times":4}`, 2 * time.Second, 8 * time.Second, "SUCCEEDED"},
	} {
		d, took := w.ran(t, strings.ReplaceAll(c.name, " ", "-"), c.in)
		if took < c.least || took > c.most || d.Status != c.status || d.Stop-d.Start < c.least.Seconds()-0.01 {
			t.Errorf("%s: took %v, want %v to %v: %+v", c.name, took, c.least, c.most, d)
		}
	}

	if got := caughtError(t, w.describe(t, "retries-that-do-not-help")); !strings.HasPrefix(got, "Job.Busy: ") {
		t.Errorf("got %s", got)
	}

	if e := w.counted(t, "retries"); e.Transitions != 6 || e.Retries != 3 || e.Machine != "orbitq-work" || e.Status != "SUCCEEDED" || e.Stopped == nil || e.Events < 15 {
		t.Errorf("Choose, Flaky, Done and three retries: %+v", e)
	}
}

// aCutLineIsTriedAgain loses a reply, which AWS knows as an error of its client and definitions try again.
func (w *world) aCutLineIsTriedAgain(t *testing.T) {
	t.Helper()

	w.SetFaults(gateway.Fault{Principal: "work", Operation: "InvokeFunction", Mode: gateway.DropReply, Count: 1})

	d, _ := w.ran(t, "cut", `{"do":"flaky","times":0}`)
	if e := w.counted(t, "cut"); strings.Contains(d.Output, "caught") || d.Status != "SUCCEEDED" || e.Retries != 1 {
		t.Errorf("got %+v %+v", d, e)
	}
}

// mapsRunTheirItems goes through both kinds of Map, of which one reads lists of lists from S3.
func (w *world) mapsRunTheirItems(t *testing.T) {
	t.Helper()

	items := make([]string, 100)
	for k := range items {
		items[k] = fmt.Sprintf("%q", fmt.Sprintf("p%d", k))
	}

	d, took := w.ran(t, "each", `{"do":"each","items":[`+strings.Join(items, ",")+`]}`)
	t.Logf("%d items inline in %v", len(items), took)

	var out struct {
		Results []struct {
			ID        string   `json:"id"`
			Index     int      `json:"index"`
			IDs       []string `json:"ids"`
			Parent    string   `json:"parent"`
			Execution string   `json:"execution"`
		} `json:"results"`
	}
	if err := json.Unmarshal([]byte(d.Output), &out); err != nil || len(out.Results) != len(items) {
		t.Fatalf("each: %+v %v", d, err)
	}

	for k, r := range out.Results {
		if r.ID != fmt.Sprintf("p%d", k) || r.Index != k {
			t.Errorf("item %d: %+v", k, r)
		}
	}

	if e := w.counted(t, "each"); e.Transitions != 3+len(items) {
		t.Errorf("each: %+v", e)
	}

	w.put(t, "lists/a.json", [][]string{{"a", "b"}, {"c"}, {}})

	d, _ = w.ran(t, "many", `{"do":"many","key":"lists/a.json"}`)
	if err := json.Unmarshal([]byte(d.Output), &out); err != nil || len(out.Results) != 3 || len(out.Results[0].IDs) != 2 || out.Results[1].IDs[0] != "c" {
		t.Fatalf("many: %+v %v", d, err)
	}

	// A child is an execution of its own; its transitions are the parent's bill.
	for _, r := range out.Results {
		if r.Parent != "many" || len(r.Execution) != 36 {
			t.Errorf("child %+v", r)
		}
	}

	if e := w.counted(t, "many"); e.Transitions != 3+3 || e.Events > 15 {
		t.Errorf("many: %+v", e)
	}

	for key, want := range map[string]string{"lists/none.json": "s3:ListBucket", "elsewhere.json": "s3:GetObject"} {
		d, _ := w.ran(t, strings.ReplaceAll(key, "/", "-"), `{"do":"many","key":"`+key+`"}`)
		if got := caughtError(t, d); !strings.HasPrefix(got, "States.ItemReaderFailed: ") || !strings.Contains(got, want) {
			t.Errorf("%s: got %s", key, got)
		}
	}
}

// itStoresAndSends calls table and queue with the machine's role, and knows their errors by name.
func (w *world) itStoresAndSends(t *testing.T) {
	t.Helper()

	d, _ := w.ran(t, "stored", `{"do":"store","key":"one"}`)
	if d.Status != "SUCCEEDED" || !strings.Contains(d.Output, `"MessageId"`) {
		t.Errorf("got %+v", d)
	}

	if got := w.keys(t); got != "one" {
		t.Errorf("the table has %s", got)
	}

	again, _ := w.ran(t, "stored-again", `{"do":"store","key":"one"}`)
	if got := caughtError(t, again); !strings.HasPrefix(got, "DynamoDB.ConditionalCheckFailedException: ") {
		t.Errorf("got %s", got)
	}

	url := w.State().Queues["Queue"]

	out, err := w.queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 5})
	if err != nil || len(out.Messages) != 1 || *out.Messages[0].Body != "one" {
		t.Errorf("got %v %v", out, err)
	}
}

// aNameIsTakenOnce starts the same again while it runs, and everything else that a name may meet.
func (w *world) aNameIsTakenOnce(t *testing.T) {
	t.Helper()

	const slow = `{"do":"wait","seconds":3}`

	_, first := w.start(t, "taken", slow)

	for _, c := range []struct {
		name, in string
		status   int
		want     string
	}{
		{"the same", slow, http.StatusOK, first},
		{"another input", `{"do":"wait","seconds":4}`, http.StatusBadRequest, "ExecutionAlreadyExists"},
		{"the same in other words", `{"do":"wait", "seconds":3}`, http.StatusBadRequest, "ExecutionAlreadyExists"},
	} {
		if status, text := w.start(t, "taken", c.in); status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %d %s, want %d %s", c.name, status, text, c.status, c.want)
		}
	}

	eventually(t, "it has ended", func() bool { return w.describe(t, "taken").Status == "SUCCEEDED" })

	if status, text := w.start(t, "taken", slow); status != http.StatusBadRequest || !strings.Contains(text, "ExecutionAlreadyExists") {
		t.Errorf("after its end: got %d %s", status, text)
	}
}

func (w *world) whatDoesNotExist(t *testing.T) {
	t.Helper()

	machine := w.State().StateMachines["work"]

	for _, c := range []struct {
		operation string
		in        map[string]any
		want      string
	}{
		{"StartExecution", map[string]any{"stateMachineArn": machine + "-not", "name": "x"}, "StateMachineDoesNotExist"},
		{"StartExecution", map[string]any{"stateMachineArn": machine, "name": "a b"}, "InvalidName"},
		{"StartExecution", map[string]any{"stateMachineArn": machine, "name": "x", "input": "no"}, "InvalidExecutionInput"},
		{"DescribeExecution", map[string]any{"executionArn": w.execution("never")}, "ExecutionDoesNotExist"},
		{"StopExecution", map[string]any{"executionArn": w.execution("never")}, "ExecutionDoesNotExist"},
		{"GetExecutionHistory", map[string]any{"executionArn": w.execution("never")}, "ExecutionDoesNotExist"},
		{"DescribeExecution", map[string]any{"executionArn": strings.ReplaceAll(w.execution("never"), "work", "none")}, "ExecutionDoesNotExist"},
	} {
		if status, text := w.states(t, c.operation, c.in); status != http.StatusBadRequest || !strings.Contains(text, `"__type": "`+c.want) && !strings.Contains(text, `"__type":"`+c.want) {
			t.Errorf("%s %v: got %d %s, want %s", c.operation, c.in, status, text, c.want)
		}
	}
}

// aFunctionMayNotStartIt because its role has no word about the state machine.
func (w *world) aFunctionMayNotStartIt(t *testing.T) {
	t.Helper()

	machine := w.State().StateMachines["work"]

	status, text := w.aws(t, "local-orbitq-step", "states", http.MethodPost, "/", "StartExecution", `{"stateMachineArn":"`+machine+`"}`)
	if status != http.StatusBadRequest || !strings.Contains(text, "AccessDeniedException") || !strings.Contains(text, "states:StartExecution on resource: "+machine+" ") {
		t.Errorf("got %d %s", status, text)
	}
}

func (w *world) anExecutionIsStopped(t *testing.T) {
	t.Helper()

	w.start(t, "stopped", `{"do":"wait","seconds":600}`)

	if status, text := w.states(t, "StopExecution", map[string]any{"executionArn": w.execution("stopped"), "error": "Chain.Cancelled", "cause": "by hand"}); status != http.StatusOK {
		t.Fatalf("got %d %s", status, text)
	}

	if d := w.describe(t, "stopped"); d.Status != "ABORTED" || d.Error != "Chain.Cancelled" || d.Cause != "by hand" || d.Stop == 0 {
		t.Errorf("got %+v", d)
	}

	if e := w.counted(t, "stopped"); e.Status != "ABORTED" || e.Stopped == nil {
		t.Errorf("got %+v", e)
	}
}

func TestADeadInterpreterBreaksTheStack(t *testing.T) {
	t.Parallel()

	w := states(t, nil)
	if err := syscall.Kill(w.State().PIDs["states"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	select {
	case err := <-w.Done():
		if err == nil || !strings.Contains(err.Error(), "states engine") {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody noticed")
	}
}

// TestOnlyMachinesNeedTheInterpreter spares everybody else its memory.
func TestOnlyMachinesNeedTheInterpreter(t *testing.T) {
	t.Parallel()

	w := started(t, nil)
	if pid, there := w.State().PIDs["states"]; there || len(w.State().StateMachines) != 0 {
		t.Errorf("process %d runs for %v", pid, w.State().StateMachines)
	}

	if all, err := w.Executions(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("got %v %v", all, err)
	}
}

func TestMachinesThatCannotRunStopTheStart(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, file, old, replacement, want string }{
		{"a batcher", "work.asl.json", `"Label": "Many",`, `"Label": "Many", "ItemBatcher": { "MaxItemsPerBatch": 2 },`, "state machine orbitq-work: state Many: ItemBatcher is not part of the local run"},
		{"EXPRESS", "template.yaml", "      Name: !Sub", "      Type: EXPRESS\n      Name: !Sub", "type EXPRESS"},
		{"a next state that is not there", "work.asl.json", `"Next": "Flaky"`, `"Nex": "Flaky"`, "make state machine orbitq-work"},
		{"a substitution without value", "template.yaml", "        Failures: 100\n", "", "names Failures"},
		{"a role that trusts another", "template.yaml", "Service: states.amazonaws.com", "Service: lambda.amazonaws.com", "its role orbitq-WorkRole does not trust states.amazonaws.com"},
		{"a role that is not there", "template.yaml", "Role: !GetAtt WorkRole.Arn", "Role: arn:aws:iam::000000000000:role/none", "its role arn:aws:iam::000000000000:role/none is not in the template"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			dir := t.TempDir()

			for _, file := range []string{"template.yaml", "work.asl.json"} {
				text, err := os.ReadFile(filepath.Join("testdata/states", file))
				if err != nil {
					t.Fatal(err)
				}

				if file == c.file {
					text = []byte(strings.Replace(string(text), c.old, c.replacement, 1))
				}

				if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}

			s, err := stack.Start(t.Context(), stack.Options{Root: "../../..", Template: filepath.Join(dir, "template.yaml"), Data: t.TempDir(), Speed: 60})
			if err == nil {
				err = s.Stop()
				t.Errorf("it started: %v", err)
			}

			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

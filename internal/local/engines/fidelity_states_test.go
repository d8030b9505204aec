package engines_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ending is how an execution ended, in one line: status, error, output.
func ending(out map[string]any) string {
	words := []string{fmt.Sprint(out["status"])}
	for _, field := range []string{"error", "output"} {
		if v, ok := out[field]; ok {
			words = append(words, strings.ReplaceAll(fmt.Sprint(v), ", ", ","))
		}
	}

	return strings.Join(words, " ")
}

// each is a Map over the input's items; a state of it may have more fields.
func each(more, item string) string {
	return `{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.items",` + more + `"End":true,"ItemProcessor":` + item + `}}}`
}

// lists is a distributed Map over the list in S3, whose second item fails.
func lists(more, key string) string {
	return `{"StartAt":"M","States":{"M":{"Type":"Map",` + more + `"End":true,
		"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON"},"Parameters":{"Bucket":"lists","Key":"` + key + `"}},
		"ItemSelector":{"ids.$":"$$.Map.Item.Value"},
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"T","States":{"T":` + invoke + `}}}}}`
}

const (
	invoke = `{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$"},"OutputPath":"$.Payload","End":true}`
	task   = `{"StartAt":"T","States":{"T":` + invoke + `}}`
	caught = `"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"C"}],`
	// runtime fails because its path finds nothing, which is a States.Runtime.
	runtime = `{"StartAt":"P","States":{"P":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$.not.there"},` +
		caught + `"End":true},"C":{"Type":"Pass","Result":"caught","End":true}}}`
)

// TestWhatTheLauncherPutsRight runs the same machines in moto as it comes and with our launcher. When moto comes closer
// to AWS a line of the last column changes: then the patch in local/interpreter.py can go, and the row here with it.
func TestWhatTheLauncherPutsRight(t *testing.T) {
	t.Parallel()

	g := newStandIn(t)
	ours, moto := states(t, g), plain(t, g)

	for k, c := range []struct{ name, definition, in, want, plain string }{
		{"a role that may not", task, `{"do":"denied"}`, "FAILED Lambda.AWSLambdaException", "FAILED Lambda.AccessDeniedException"},
		{"an error that Lambda has", task, `{"do":"throttled"}`, "FAILED Lambda.TooManyRequestsException", "FAILED Lambda.TooManyRequestsException"},
		{"a line that is cut", task, `{"do":"cut"}`, "FAILED Lambda.SdkClientException", "FAILED States.Runtime"},
		{"a function's error", task, `{"do":"failed"}`, "FAILED Job.Busy", "FAILED Job.Busy"},
		{"what cannot be caught", runtime, `{}`, "FAILED States.Runtime", "SUCCEEDED caught"},
		{"children that fail", lists("", "a"), `{}`, "FAILED States.ExceedToleratedFailureThreshold", `SUCCEEDED ["done",null,"done","done"]`},
		{"failures that are tolerated", lists(`"ToleratedFailureCount":1,`, "a"), `{}`, `SUCCEEDED ["done",null,"done","done"]`, `SUCCEEDED ["done",null,"done","done"]`},
		{"a quarter, tolerated", lists(`"ToleratedFailurePercentage":25,`, "a"), `{}`, `SUCCEEDED ["done",null,"done","done"]`, "refused"},
		{"less is tolerated", lists(`"ToleratedFailurePercentage":24.5,`, "a"), `{}`, "FAILED States.ExceedToleratedFailureThreshold", `SUCCEEDED ["done",null,"done","done"]`},
		{"one of two thresholds", lists(`"ToleratedFailureCount":1,"ToleratedFailurePercentage":24.5,`, "a"), `{}`, "FAILED States.ExceedToleratedFailureThreshold", `SUCCEEDED ["done",null,"done","done"]`},
		{"two branches", `{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[` + task + `,{"StartAt":"W","States":{"W":{"Type":"Pass","Result":2,"End":true}}}],"End":true}}}`, `{}`, `SUCCEEDED ["done",2]`, `SUCCEEDED ["done",2]`},
		{"a branch that fails", `{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[` + task + `],"End":true}}}`, `{"do":"failed"}`, "FAILED Job.Busy", "FAILED Job.Busy"},
		{"a list that is not there", lists("", "none"), `{}`, "FAILED States.ItemReaderFailed", "FAILED States.Runtime"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			name := fmt.Sprintf("m%d", k)
			if got := ours.outcome(t, name, c.definition, c.in); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}

			if got := moto.outcome(t, name, c.definition, c.in); got != c.plain {
				t.Errorf("moto as it comes: got %s, want %s", got, c.plain)
			}
		})
	}
}

// outcome makes and runs a machine, unless its definition is refused.
func (i interpreter) outcome(t *testing.T, name, definition, in string) string {
	t.Helper()

	status, out, err := i.call(t.Context(), "CreateStateMachine", map[string]any{"name": name, "definition": definition, "roleArn": machineRole})
	if err != nil || status != http.StatusOK {
		return "refused"
	}

	return ending(i.end(t, i.start(t, out["stateMachineArn"].(string), in)))
}

// TestDifferencesThatRemain holds docs/fidelity.md to what it says of Step Functions: what the interpreter does not know
// is refused by the stack, by the name of the state.
func TestDifferencesThatRemain(t *testing.T) {
	t.Parallel()

	i := states(t, newStandIn(t))

	for k, c := range []struct{ name, definition, want string }{
		{"ItemBatcher", each(`"ItemBatcher":{"MaxItemsPerBatch":2},`, strings.Replace(task, "{", `{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},`, 1)), "refused"},
		{"EXPRESS children", each("", strings.Replace(task, "{", `{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},`, 1)), "refused"},
	} {
		if got := i.outcome(t, fmt.Sprintf("m%d", k), c.definition, `{"items":[1]}`); got != c.want {
			t.Errorf("%s is known now: got %s, want %s", c.name, got, c.want)
		}
	}

	x := i.start(t, i.machine(t, each("", task)), `{"items":[{"do":"failed"}]}`)
	i.end(t, x)

	if _, out, err := i.call(t.Context(), "RedriveExecution", map[string]any{"executionArn": x}); err != nil || out["__type"] != "ExecutionNotRedrivable" {
		t.Errorf("a Map can be redriven now: %v %v", out, err)
	}
}

// TestNamesAreTakenOnce starts one name many times at once: one execution, and everybody learns of the same.
func TestNamesAreTakenOnce(t *testing.T) {
	t.Parallel()

	i := states(t, newStandIn(t))
	machine := i.machine(t, `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":30,"End":true}}}`)

	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		seen = map[string]int{}
	)

	for range 20 {
		all.Go(func() {
			_, out, err := i.call(t.Context(), "StartExecution", map[string]any{"stateMachineArn": machine, "name": "one", "input": `{"a":1}`})

			mu.Lock()
			defer mu.Unlock()

			seen[fmt.Sprint(out["executionArn"], out["startDate"], err)]++
		})
	}

	all.Wait()

	if len(seen) != 1 {
		t.Errorf("got %v", seen)
	}

	out := i.must(t, "ListExecutions", map[string]any{"stateMachineArn": machine})
	if list := out["executions"].([]any); len(list) != 1 {
		t.Errorf("got %d executions", len(list))
	}

	unnamed := i.must(t, "StartExecution", map[string]any{"stateMachineArn": machine})["executionArn"].(string)
	if strings.HasSuffix(unnamed, ":None") || len(unnamed) < 36 {
		t.Errorf("a name was left out: %s", unnamed)
	}
}

// TestAStoppedExecutionHasStopped is not kept waiting by a task that runs, and says why it was stopped.
func TestAStoppedExecutionHasStopped(t *testing.T) {
	t.Parallel()

	i := states(t, newStandIn(t))
	x := i.start(t, i.machine(t, `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":600,"End":true}}}`), `{}`)

	first := i.must(t, "StopExecution", map[string]any{"executionArn": x, "error": "Stop", "cause": "enough"})
	out := i.must(t, "DescribeExecution", map[string]any{"executionArn": x})

	if out["status"] != "ABORTED" || out["error"] != "Stop" || out["cause"] != "enough" || out["stopDate"] != first["stopDate"] {
		t.Errorf("got %v after %v", out, first)
	}

	if again := i.must(t, "StopExecution", map[string]any{"executionArn": x, "error": "Other"}); again["stopDate"] != first["stopDate"] {
		t.Errorf("stopped twice: %v and %v", first, again)
	}

	eventually(t, "the wait has ended", func() bool { return slices.Contains(i.history(t, x), "ExecutionAborted") })
}

// TestARedriveGoesOnWhereItFailed keeps what was done, the name and the input of the state, and counts on.
func TestARedriveGoesOnWhereItFailed(t *testing.T) {
	t.Parallel()

	g := newStandIn(t)
	i := states(t, g)
	// The stand-in fails until it is told otherwise; what the first state made is what the second gets again.
	x := i.start(t, i.machine(t, `{"StartAt":"A","States":{"A":{"Type":"Pass","Result":{"do":"once"},"Next":"T"},"T":`+invoke+`}}`), `{}`)

	if got := ending(i.end(t, x)); got != "FAILED Job.Busy" {
		t.Fatalf("got %s", got)
	}

	g.heal()

	if out := i.must(t, "RedriveExecution", map[string]any{"executionArn": x}); out["redriveDate"] == nil {
		t.Errorf("got %v", out)
	}

	out := i.end(t, x)
	if got := ending(out); got != `SUCCEEDED "done"` || out["redriveCount"] != 1.0 || out["redriveStatus"] != "NOT_REDRIVABLE" || out["error"] != nil {
		t.Errorf("got %v", out)
	}

	want := []string{
		"ExecutionStarted", "PassStateEntered", "PassStateExited", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed", "ExecutionFailed",
		"ExecutionRedriven", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded",
	}
	if got := i.history(t, x); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}

	if _, out, err := i.call(t.Context(), "RedriveExecution", map[string]any{"executionArn": x}); err != nil || out["__type"] != "ExecutionNotRedrivable" {
		t.Errorf("what has succeeded: %v %v", out, err)
	}
}

// TestAFailStateFailsAgain is why a definition that should be redriven must not end in one.
func TestAFailStateFailsAgain(t *testing.T) {
	t.Parallel()

	i := states(t, newStandIn(t))
	x := i.start(t, i.machine(t, `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"F"},"F":{"Type":"Fail","Error":"Chain.Failed","Cause":"c"}}}`), `{}`)
	i.end(t, x)
	i.must(t, "RedriveExecution", map[string]any{"executionArn": x})

	if out := i.end(t, x); ending(out) != "FAILED Chain.Failed" || out["redriveCount"] != 1.0 || out["redriveStatus"] != "REDRIVABLE" {
		t.Errorf("got %v", out)
	}
}

// history returns the types of an execution's events, page by page.
func (i interpreter) history(t *testing.T, execution string) (types []string) {
	t.Helper()

	in := map[string]any{"executionArn": execution, "maxResults": 3}

	for {
		out := i.must(t, "GetExecutionHistory", in)
		for _, e := range out["events"].([]any) {
			types = append(types, e.(map[string]any)["type"].(string))
		}

		if out["nextToken"] == nil {
			return types
		}

		in["nextToken"] = out["nextToken"]
	}
}

func TestHistoryHasPagesAndTwoDirections(t *testing.T) {
	t.Parallel()

	i := states(t, newStandIn(t))
	x := i.start(t, i.machine(t, task), `{}`)
	i.end(t, x)

	want := []string{"ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"}
	if got := i.history(t, x); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}

	last := i.must(t, "GetExecutionHistory", map[string]any{"executionArn": x, "reverseOrder": true, "maxResults": 1})["events"].([]any)[0].(map[string]any)
	if _, isTime := last["timestamp"].(float64); last["type"] != "ExecutionSucceeded" || !isTime {
		t.Errorf("got %v", last)
	}
}

func TestTimedOutExecutionsHaveEnded(t *testing.T) {
	t.Parallel()

	i := states(t, newStandIn(t))
	x := i.start(t, i.machine(t, `{"TimeoutSeconds":1,"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}}`), `{}`)

	if out := i.end(t, x); out["status"] != "TIMED_OUT" || out["stopDate"] == nil {
		t.Errorf("got %v", out)
	}
}

// TestMapsKeepTheirConcurrency runs 120 items without a limit: AWS runs 40 of them at once.
func TestMapsKeepTheirConcurrency(t *testing.T) {
	t.Parallel()

	g := newStandIn(t)
	i := states(t, g)

	items := make([]map[string]string, 120)
	for k := range items {
		items[k] = map[string]string{"do": "nap"}
	}

	in, err := json.Marshal(map[string]any{"items": items})
	if err != nil {
		t.Fatal(err)
	}

	began := time.Now()

	if out := i.end(t, i.start(t, i.machine(t, each("", task)), string(in))); out["status"] != "SUCCEEDED" {
		t.Errorf("got %v", out)
	}

	t.Logf("120 naps of 50 ms in %v, %d at once", time.Since(began), g.busiest)

	if g.busiest > 40 || g.busiest < 2 {
		t.Errorf("%d at once", g.busiest)
	}
}

// TestRetriesAreCompressed tries again after up to 100 and 200 s, a hundred times as fast and with jitter.
func TestRetriesAreCompressed(t *testing.T) {
	t.Parallel()

	cfg := statesConfig(t, newStandIn(t))
	cfg.Speed = 100

	i := started(t, cfg)
	x := i.start(t, i.machine(t, strings.Replace(task, `"OutputPath"`, `"Retry":[{"ErrorEquals":["Job.Busy"],"IntervalSeconds":100,"BackoffRate":2,"MaxAttempts":2,"JitterStrategy":"FULL"}],"OutputPath"`, 1)), `{"do":"failed"}`)
	began := time.Now()

	if got := ending(i.end(t, x)); got != "FAILED Job.Busy" || time.Since(began) > 20*time.Second {
		t.Errorf("got %s after %v", got, time.Since(began))
	}

	tried := 0

	for _, kind := range i.history(t, x) {
		if kind == "TaskFailed" {
			tried++
		}
	}

	if tried != 3 {
		t.Errorf("tried %d times", tried)
	}
}

// TestManyItemsOneByOne goes deeper than Python's calls may, with one worker and more items than its limit.
func TestManyItemsOneByOne(t *testing.T) {
	t.Parallel()

	i := states(t, newStandIn(t))
	in := `{"items":[` + strings.TrimSuffix(strings.Repeat("1,", 1500), ",") + `]}`
	pass := `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`

	if out := i.end(t, i.start(t, i.machine(t, each(`"MaxConcurrency":1,`, pass)), in)); out["status"] != "SUCCEEDED" {
		t.Errorf("got %.300v", out)
	}
}

// TestAFullHistoryEndsAnExecution is the limit that a Map with many waits meets.
func TestAFullHistoryEndsAnExecution(t *testing.T) {
	t.Parallel()

	i := states(t, newStandIn(t))
	loop := i.machine(t, `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}`)

	out := i.end(t, i.start(t, loop, `{}`))
	if out["status"] != "FAILED" || out["error"] != "States.Runtime" || !strings.Contains(fmt.Sprint(out["cause"]), "maximum number of history events (25000)") {
		t.Errorf("got %v", out)
	}
}

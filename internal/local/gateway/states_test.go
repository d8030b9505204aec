package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"orbitq/internal/local/cfn"
	"orbitq/internal/local/gateway"
)

// machine sends one call to Step Functions as the operator.
func (b *bench) machine(t *testing.T, operation, body string) (int, string) {
	t.Helper()

	status, text, _ := b.send(t, "operator", "states", "AWSStepFunctions."+operation, "/", body)

	return status, text
}

// machineList asks for the executions as people do.
func (b *bench) machineList(t *testing.T) (int, string) {
	t.Helper()

	res, err := b.http.Get(b.url + "/_orbitq/executions")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}

	return res.StatusCode, string(text)
}

func TestNamesAndInputsOfExecutions(t *testing.T) {
	t.Parallel()

	b := start(t)

	for _, c := range []struct {
		name, in string
		want     string // error; empty for none
	}{
		{"as ours are", `{"name":"01J9ZQ4Y8N4V3T2R1Q0P9M8K7J-12","input":"{\"job\":1}"}`, ""},
		{"no name, no input", `{}`, ""},
		{"as long as may be", `{"name":"` + strings.Repeat("n", 80) + `"}`, ""},
		{"letters of other scripts", `{"name":"Grüße_Жук-1.0=@!'()+"}`, ""},
		{"empty", `{"name":""}`, "InvalidName"},
		{"too long", `{"name":"` + strings.Repeat("n", 81) + `"}`, "InvalidName"},
		{"a space", `{"name":"a b"}`, "InvalidName"},
		{"a line", `{"name":"a\nb"}`, "InvalidName"},
		{"no break space", `{"name":"a` + "\u0085" + `b"}`, "InvalidName"},
		{"no character", `{"name":"a\ud800b"}`, "InvalidName"},
		{"a list", `{"input":"[1]"}`, ""},
		{"as large as may be", `{"input":"\"` + strings.Repeat("x", 256<<10-2) + `\""}`, ""},
		{"too large", `{"input":"\"` + strings.Repeat("x", 256<<10-1) + `\""}`, "InvalidExecutionInput"},
		{"not JSON", `{"input":"{"}`, "InvalidExecutionInput"},
		{"NaN", `{"input":"NaN"}`, "InvalidExecutionInput"},
	} {
		status, text := b.machine(t, "StartExecution", c.in)
		if want := c.want == ""; (status == http.StatusOK) != want || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %d %.200s, want %q", c.name, status, text, c.want)
		}
	}

	for _, bad := range "<>{}[]?*\"#%\\^|~`$&,;:/\t\x01\x7f" {
		name, err := json.Marshal("a" + string(bad))
		if err != nil {
			t.Fatal(err)
		}

		if status, text := b.machine(t, "StartExecution", `{"name":`+string(name)+`}`); status == http.StatusOK || !strings.Contains(text, "InvalidName") {
			t.Errorf("%q: got %d %s", bad, status, text)
		}
	}
}

func TestOperationsThatTheEngineIsNotTrustedWith(t *testing.T) {
	t.Parallel()

	b := start(t)

	for _, operation := range []string{"CreateStateMachine", "UpdateStateMachine", "DeleteStateMachine", "StartSyncExecution", "SendTaskSuccess", ""} {
		if status, text := b.machine(t, operation, `{}`); status != http.StatusBadRequest || !strings.Contains(text, "UnknownOperationException") {
			t.Errorf("%s: got %d %s", operation, status, text)
		}
	}

	if reached := b.reached(); len(reached) != 0 {
		t.Errorf("reached %v", reached)
	}
}

func TestWithoutMachinesThereAreNone(t *testing.T) {
	t.Parallel()

	g := gateway.New(gateway.Config{})
	if all, err := g.Executions(t.Context()); err != nil || all == nil || len(all) != 0 {
		t.Errorf("got %v, %v", all, err)
	}

	b := start(t)
	b.gateway.States = ""

	if status, text := b.machine(t, "StartExecution", `{"stateMachineArn":"arn:x"}`); status != http.StatusBadRequest || !strings.Contains(text, "StateMachineDoesNotExist") {
		t.Errorf("got %d %s", status, text)
	}
}

func TestExecutionsAndWhatTheyCost(t *testing.T) {
	t.Parallel()

	b := start(t)
	want := gateway.Execution{Name: "x", Machine: "work", Status: "RUNNING", Started: time.Date(2026, 1, 1, 0, 0, 0, 5e8, time.UTC), Transitions: 7, Retries: 2, Events: 30}

	all, err := b.gateway.Executions(t.Context())
	if err != nil || len(all) != 1 || !all[0].Started.Equal(want.Started) {
		t.Fatalf("got %v, %v", all, err)
	}

	if all[0].Started = want.Started; all[0] != want {
		t.Errorf("got %+v, want %+v", all[0], want)
	}

	status, text := b.machineList(t)
	if status != http.StatusOK || text != `{"executions":[{"name":"x","machine":"work","status":"RUNNING","started":"2026-01-01T00:00:00.5Z","stopped":null,"transitions":7,"retries":2,"events":30}]}` {
		t.Errorf("got %d %s", status, text)
	}

	b.gateway.States = "http://127.0.0.1:1"

	if status, text := b.machineList(t); status != http.StatusServiceUnavailable {
		t.Errorf("without the engine: %d %s", status, text)
	}

	if _, err := b.gateway.Executions(t.Context()); err == nil || !strings.Contains(err.Error(), "ask for executions") {
		t.Errorf("without the engine: %v", err)
	}
}

// TestAStateMachineIsACaller has its role, its counters and its faults.
func TestAStateMachineIsACaller(t *testing.T) {
	t.Parallel()

	const path, arn = "/2015-03-31/functions/worker:live/invocations", "arn:aws:lambda:eu-central-1:000000000000:function:worker"

	b := start(t, grants("lambda:InvokeFunction", arn+":live")...)
	b.gateway.SetFaults(gateway.Fault{Principal: "work", Operation: "InvokeFunction", Mode: gateway.DropRequest, Skip: 1, Count: 1})

	for step, c := range []struct {
		key, path string
		status    int
	}{
		{gateway.RoleKey("WorkRole"), path, http.StatusOK},
		{gateway.RoleKey("WorkRole"), path, 0},
		{gateway.RoleKey("WorkRole"), path, http.StatusOK},
		{gateway.RoleKey("WorkRole"), "/2015-03-31/functions/worker/invocations", http.StatusForbidden},
		{gateway.RoleKey("Unknown"), path, http.StatusForbidden},
	} {
		if status, text, _ := b.send(t, c.key, "lambda", "", c.path, `{}`); status != c.status {
			t.Errorf("step %d: got %d %s, want %d", step, status, text, c.status)
		}
	}

	if n := b.gateway.Counters().Calls["work"]["lambda:InvokeFunction"]; n != 4 {
		t.Errorf("counted %d", n)
	}
}

// TestOnlyAliasesOfTheTemplateAreThere tells a name that AWS would not find; without a list nobody asks.
func TestOnlyAliasesOfTheTemplateAreThere(t *testing.T) {
	t.Parallel()

	b := start(t)

	for _, c := range []struct {
		called  string
		aliases map[string]bool
		want    int
	}{
		{"worker:next", nil, http.StatusOK},
		{"worker:live", map[string]bool{"worker:live": true}, http.StatusOK},
		{"worker:$LATEST", map[string]bool{"worker:live": true}, http.StatusOK},
		{"worker", map[string]bool{}, http.StatusOK},
		{"worker:next", map[string]bool{"worker:live": true, "other:next": true}, http.StatusNotFound},
	} {
		b.gateway.Aliases = c.aliases
		if status, text, _ := b.send(t, "operator", "lambda", "", "/2015-03-31/functions/"+c.called+"/invocations", `{}`); status != c.want {
			t.Errorf("%s of %v: got %d %s, want %d", c.called, c.aliases, status, text, c.want)
		}
	}
}

// TestARoleOnTheFunctionMayNotCallItsAlias holds the rule in both directions.
func TestARoleOnTheFunctionMayNotCallItsAlias(t *testing.T) {
	t.Parallel()

	const arn = "arn:aws:lambda:eu-central-1:000000000000:function:worker"

	for _, c := range []struct {
		name, resource, called string
		want                   int
	}{
		{"itself", arn, "worker", http.StatusOK},
		{"its alias", arn, "worker:live", http.StatusForbidden},
		{"the alias", arn + ":live", "worker:live", http.StatusOK},
		{"another alias", arn + ":live", "worker:next", http.StatusForbidden},
		{"the function of an alias", arn + ":live", "worker", http.StatusForbidden},
		{"everything of it", arn + "*", "worker:live", http.StatusOK},
	} {
		b := start(t, cfn.Statement{Effect: "Allow", Action: []string{"lambda:InvokeFunction"}, Resource: []string{c.resource}})
		if status, text, _ := b.send(t, "worker-key", "lambda", "", "/2015-03-31/functions/"+c.called+"/invocations", `{}`); status != c.want {
			t.Errorf("%s: got %d %s, want %d", c.name, status, text, c.want)
		}
	}
}

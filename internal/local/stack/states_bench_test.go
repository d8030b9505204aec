package stack_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"orbitq/internal/local/gateway"
	"orbitq/internal/local/stack"
)

// states runs a stack of the application with a state machine.
func states(t *testing.T, change func(*stack.Options)) *world {
	t.Helper()

	return started(t, func(o *stack.Options) {
		o.Template = "testdata/states/template.yaml"
		if change != nil {
			change(o)
		}
	})
}

// aws sends one request as a signer would who has a key, and returns status and answer.
func (w *world) aws(t *testing.T, key, service, method, path, target, body string) (int, string) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), method, w.State().AWSURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20260101/eu-central-1/"+service+"/aws4_request, SignedHeaders=host, Signature=none")

	if target != "" {
		req.Header.Set("X-Amz-Target", "AWSStepFunctions."+target)
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	}

	res, err := http.DefaultClient.Do(req)
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

// states calls Step Functions as the operator.
func (w *world) states(t *testing.T, target string, in map[string]any) (int, string) {
	t.Helper()

	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}

	return w.aws(t, stack.OperatorKey, "states", http.MethodPost, "/", target, string(body))
}

// described is the part of DescribeExecution that tests look at.
type described struct {
	Status string  `json:"status"`
	Output string  `json:"output"`
	Error  string  `json:"error"`
	Cause  string  `json:"cause"`
	Start  float64 `json:"startDate"`
	Stop   float64 `json:"stopDate"`
}

// execution is the ARN of an execution of the only machine.
func (w *world) execution(name string) string {
	return strings.Replace(w.State().StateMachines["work"], ":stateMachine:", ":execution:", 1) + ":" + name
}

// start starts an execution.
func (w *world) start(t *testing.T, name, input string) (int, string) {
	t.Helper()

	return w.states(t, "StartExecution", map[string]any{"stateMachineArn": w.State().StateMachines["work"], "name": name, "input": input})
}

// describe looks at an execution.
func (w *world) describe(t *testing.T, name string) described {
	t.Helper()

	var d described
	if status, text := w.states(t, "DescribeExecution", map[string]any{"executionArn": w.execution(name)}); status != http.StatusOK || json.Unmarshal([]byte(text), &d) != nil {
		t.Fatalf("describe %s: %d %s", name, status, text)
	}

	return d
}

// ran starts an execution, waits for its end, and returns it with how long it took.
func (w *world) ran(t *testing.T, name, input string) (d described, took time.Duration) {
	t.Helper()

	began := time.Now()

	if status, text := w.start(t, name, input); status != http.StatusOK {
		t.Fatalf("start %s: %d %s", name, status, text)
	}

	eventually(t, name+" ends", func() bool { d = w.describe(t, name); return d.Status != "RUNNING" })

	return d, time.Since(began)
}

// counted finds what an execution has cost.
func (w *world) counted(t *testing.T, name string) gateway.Execution {
	t.Helper()

	all, err := w.Executions(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, e := range all {
		if e.Name == name {
			return e
		}
	}

	t.Fatalf("no execution %s in %v", name, all)

	return gateway.Execution{}
}

// put puts a list into the bucket.
func (w *world) put(t *testing.T, key string, v any) {
	t.Helper()

	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(v); err != nil {
		t.Fatal(err)
	}

	if status, text := w.aws(t, stack.OperatorKey, "s3", http.MethodPut, "/orbitq-lists/"+key, "", body.String()); status != http.StatusOK {
		t.Fatalf("put %s: %d %s", key, status, text)
	}
}

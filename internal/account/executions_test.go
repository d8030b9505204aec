package account_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"orbitq/internal/account"
	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// newExecutions returns state machines and a bucket over a service.
func newExecutions(t *testing.T, s *service) *account.Executions {
	t.Helper()
	base, keys := serve(t, s)
	return account.NewExecutions(account.ExecutionsConfig{
		Client: sfn.New(sfn.Options{Region: "eu-central-1", BaseEndpoint: base, Retryer: aws.NopRetryer{}, Credentials: keys}),
		Machines: map[flow.Machine]string{
			flow.ChainMachine: "arn:aws:states:eu-central-1:123456789012:stateMachine:orbitq-chain", flow.BatchMachine: "arn:of:nothing",
		},
		Bucket: "lists", AWS: aws.Config{Region: "eu-central-1", BaseEndpoint: base, Credentials: keys}, HTTP: http.DefaultClient, Now: time.Now,
	})
}

// TestStart: a name that was used is a success, everything else is an error that a repetition may mend.
func TestStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer string
		status       int
		code         job.Code
	}{
		{"started", `{"executionArn":"a","startDate":1}`, 200, ""},
		{"started before", `{"__type":"ExecutionAlreadyExists","message":"it is there"}`, 400, ""},
		{"no such machine", `{"__type":"StateMachineDoesNotExist","message":"none"}`, 400, job.Unavailable},
		{"not allowed", `{"__type":"AccessDeniedException","message":"no"}`, 400, job.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &service{status: c.status, answer: c.answer}
			err := newExecutions(t, s).Start(t.Context(), flow.ChainMachine, "c-0", []byte(`{"chain":"c"}`))
			if (err == nil) != (c.code == "") || err != nil && job.CodeOf(err) != c.code {
				t.Errorf("got %v", err)
			}
			if len(s.calls) != 1 || !strings.Contains(s.calls[0].body, `"name":"c-0"`) || !strings.Contains(s.calls[0].body, `:stateMachine:orbitq-chain"`) ||
				!strings.Contains(s.calls[0].body, `"input":"{\"chain\":\"c\"}"`) {
				t.Errorf("calls %+v", s.calls)
			}
		})
	}
}

// TestRunning asks after an execution by its machine and name.
func TestRunning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer string
		status       int
		want, fails  bool
	}{
		{"it goes on", `{"status":"RUNNING"}`, 200, true, false},
		{"it has ended", `{"status":"FAILED"}`, 200, false, false},
		{"there is none", `{"__type":"ExecutionDoesNotExist","message":"none"}`, 400, false, false},
		{"not allowed", `{"__type":"AccessDeniedException","message":"no"}`, 400, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &service{status: c.status, answer: c.answer}
			got, err := newExecutions(t, s).Running(t.Context(), flow.ChainMachine, "c-0")
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("got %v, %v", got, err)
			}
			if len(s.calls) != 1 || !strings.Contains(s.calls[0].body, `"arn:aws:states:eu-central-1:123456789012:execution:orbitq-chain:c-0"`) {
				t.Errorf("calls %+v", s.calls)
			}
		})
	}
}

// TestPutList is one signed request.
func TestPutList(t *testing.T) {
	t.Parallel()
	s := &service{status: 200}
	bucket, err := newExecutions(t, s).PutList(t.Context(), "batches/b-0.json", []byte(`[["p"]]`))
	if err != nil || bucket != "lists" || len(s.calls) != 1 || s.calls[0] != (call{"PUT /lists/batches/b-0.json", `[["p"]]`}) {
		t.Errorf("got %q, %v, calls %+v", bucket, err, s.calls)
	}
	s = &service{status: 403, answer: "<Error><Code>AccessDenied</Code></Error>"}
	if _, err := newExecutions(t, s).PutList(t.Context(), "k", nil); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("refused: %v", err)
	}
	if _, err := newExecutions(t, s).PutList(t.Context(), "a\x7f", nil); err == nil {
		t.Error("a key that no request can have")
	}
}

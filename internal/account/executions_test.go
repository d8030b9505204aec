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

// newExecutions returns executions over a service.
func newExecutions(t *testing.T, s *service) *account.Executions {
	t.Helper()
	base, keys := serve(t, s)
	return account.NewExecutions(account.ExecutionsConfig{
		Client:   sfn.New(sfn.Options{Region: "eu-central-1", BaseEndpoint: base, Retryer: aws.NopRetryer{}, Credentials: keys}),
		Machines: map[flow.Machine]string{flow.BatchMachine: "arn:aws:states:eu-central-1:123456789012:stateMachine:st-batch"},
		Bucket:   "lists", AWS: aws.Config{Region: "eu-central-1", BaseEndpoint: base, Credentials: keys}, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Now: func() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) },
	})
}

// TestAnExecutionStartsOnce: a name that was used is a success.
func TestAnExecutionStartsOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		answer string
		code   job.Code // empty for success
	}{
		{"started", 200, `{"executionArn":"e","startDate":1}`, ""},
		{"started before", 400, `{"__type":"ExecutionAlreadyExists"}`, ""},
		{"no such machine", 400, `{"__type":"StateMachineDoesNotExist"}`, job.Unavailable},
		{"down", 503, ``, job.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &service{status: c.status, answer: c.answer}
			err := newExecutions(t, s).Start(t.Context(), flow.BatchMachine, "b-1", []byte(`{"batch":"b"}`))
			if (err == nil) != (c.code == "") || err != nil && job.CodeOf(err) != c.code {
				t.Errorf("got %v, want %q", err, c.code)
			}
			if len(s.calls) != 1 || !strings.Contains(s.calls[0].body, `"name":"b-1"`) || !strings.Contains(s.calls[0].body, `:stateMachine:st-batch"`) || !strings.Contains(s.calls[0].body, `{\"batch\":\"b\"}`) {
				t.Errorf("asked %+v", s.calls)
			}
		})
	}
}

func TestWhetherAnExecutionGoesOn(t *testing.T) {
	t.Parallel()
	const described = `{"executionArn":"e","stateMachineArn":"m","startDate":1,"status":"`
	for _, c := range []struct {
		name   string
		status int
		answer string
		want   bool
		fails  bool
	}{
		{"runs", 200, described + `RUNNING"}`, true, false},
		{"failed", 200, described + `FAILED"}`, false, false},
		{"timed out", 200, described + `TIMED_OUT"}`, false, false},
		{"never began", 400, `{"__type":"ExecutionDoesNotExist"}`, false, false},
		{"may not be asked after", 400, `{"__type":"AccessDeniedException"}`, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &service{status: c.status, answer: c.answer}
			got, err := newExecutions(t, s).Running(t.Context(), flow.BatchMachine, "b-1")
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
			if want := `"executionArn":"arn:aws:states:eu-central-1:123456789012:execution:st-batch:b-1"`; len(s.calls) != 1 || !strings.Contains(s.calls[0].body, want) {
				t.Errorf("asked %+v, want %s", s.calls, want)
			}
		})
	}
}

func TestAListIsStored(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		answer string
		words  string // of the error, empty for none
	}{
		{"stored", 200, "", ""},
		{"refused", 403, "<Code>AccessDenied</Code>", "status 403: <Code>AccessDenied</Code>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &service{status: c.status, answer: c.answer}
			bucket, err := newExecutions(t, s).PutList(t.Context(), "batches/b-1.json", []byte(`[["p"]]`))
			if c.words == "" && (err != nil || bucket != "lists") || c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words)) {
				t.Errorf("got %q, %v", bucket, err)
			}
			if len(s.calls) != 1 || s.calls[0] != (call{"PUT /lists/batches/b-1.json", `[["p"]]`}) {
				t.Errorf("asked %+v", s.calls)
			}
		})
	}
}

package stack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orbitq/internal/local/gateway"
	"orbitq/internal/local/stack"
)

// world is a stack of the small application in testdata, with stock clients of an operator.
type world struct {
	*stack.Stack
	db      *dynamodb.Client
	queue   *sqs.Client
	control *lambda.Client
}

// started runs a stack of its own for one test.
func started(t *testing.T, change func(*stack.Options)) *world {
	t.Helper()

	opts := stack.Options{
		Root: "../../..", Template: "testdata/template.yaml", Data: t.TempDir(), Speed: 60,
		Say: func(line string) { t.Log(line) },
	}
	if change != nil {
		change(&opts)
	}

	s, err := stack.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})

	endpoint := s.State().AWSURL
	cfg := aws.Config{
		Region: s.State().Region, BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: stack.OperatorKey, SecretAccessKey: "x"}, nil
		}),
	}

	return &world{Stack: s, db: dynamodb.NewFromConfig(cfg), queue: sqs.NewFromConfig(cfg), control: lambda.NewFromConfig(cfg)}
}

// keys lists the table.
func (w *world) keys(t *testing.T) string {
	t.Helper()

	table := w.State().Table

	out, err := w.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}

	var keys []string

	for _, item := range out.Items {
		if pk, ok := item["pk"].(*types.AttributeValueMemberS); ok {
			keys = append(keys, pk.Value)
		}
	}

	return strings.Join(keys, "\n")
}

func (w *world) send(t *testing.T, body string) {
	t.Helper()

	url := w.State().Queues["work"]
	if _, err := w.queue.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) get(t *testing.T, path string, scopes ...string) (int, string) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.State().APIURL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}

	if len(scopes) > 0 {
		token, err := w.Token(stack.Token{User: "ana", Scopes: scopes, Expires: time.Hour})
		if err != nil {
			t.Fatal(err)
		}

		req.Header.Set("Authorization", "Bearer "+token)
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

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()

	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestTheTemplateRuns goes in at every door that the template has.
func TestTheTemplateRuns(t *testing.T) {
	t.Parallel()

	w := started(t, nil)

	status, text := w.get(t, "/open/door")

	var seen struct {
		Route string            `json:"route"`
		Path  map[string]string `json:"path"`
		Env   map[string]string `json:"env"`
	}
	if err := json.Unmarshal([]byte(text), &seen); err != nil || status != http.StatusOK || seen.Route != "GET /open/{name}" || seen.Path["name"] != "door" {
		t.Errorf("open route: %d %s", status, text)
	}

	for name, want := range map[string]string{
		"TABLE": w.State().Table, "QUEUE": w.State().Queues["work"], "PAUSE_SECONDS": "1", "PROVIDER": w.State().CopernicusURL,
		"AWS_REGION": "eu-central-1", "AWS_LAMBDA_FUNCTION_NAME": "orbitq-echo", "HOME": "",
	} {
		if seen.Env[name] != want {
			t.Errorf("variable %s is %q, want %q", name, seen.Env[name], want)
		}
	}

	for _, c := range []struct {
		scopes []string
		want   int
	}{{nil, http.StatusUnauthorized}, {[]string{"orbitq/write"}, http.StatusForbidden}, {[]string{"orbitq/read"}, http.StatusOK}} {
		if status, text := w.get(t, "/closed", c.scopes...); status != c.want {
			t.Errorf("closed route with %v: %d %s", c.scopes, status, text)
		}
	}

	w.send(t, "through the queue")
	eventually(t, "the message and a tick of the schedule are in the table", func() bool {
		keys := w.keys(t)

		return strings.Contains(keys, "through the queue") && strings.Contains(keys, "tick")
	})

	out, functionError, err := w.Invoke(t.Context(), "echo", []byte(`{"routeKey":"x"}`))
	if err != nil || functionError != "" || !strings.Contains(string(out), `"route":"x"`) {
		t.Errorf("invoke: %s %s %v", out, functionError, err)
	}

	if _, _, err := w.Invoke(t.Context(), "nobody", nil); err == nil {
		t.Error("a function that is not there was invoked")
	}
}

func TestRolesAreEnforcedAndPoisonDies(t *testing.T) {
	t.Parallel()

	w := started(t, nil)
	w.send(t, "forbidden")
	w.send(t, "poison")
	eventually(t, "the refusal names the action", func() bool {
		for message := range w.Counters().Denied {
			if strings.Contains(message, "orbitq-echo is not authorized to perform: dynamodb:Scan on resource") {
				return true
			}
		}

		return false
	})

	url := w.State().Queues["dead"]
	eventually(t, "both messages are dead", func() bool {
		out, err := w.queue.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameApproximateNumberOfMessages},
		})

		return err == nil && out.Attributes["ApproximateNumberOfMessages"] == "2"
	})
}

func TestFaultsReachFunctionsByTheirShortNames(t *testing.T) {
	t.Parallel()

	w := started(t, nil)
	w.SetFaults(gateway.Fault{Principal: "echo", Operation: "PutItem", Mode: gateway.Error, Code: "ThrottlingException", Count: 1})

	var asked string

	w.Intercept(func(principal, operation string) (gateway.Fault, bool) {
		if operation == "PutItem" {
			asked = principal
		}

		return gateway.Fault{}, false
	})

	if _, functionError, err := w.Invoke(t.Context(), "echo", []byte(`{"source":"aws.events"}`)); err != nil || functionError != "" {
		t.Errorf("the client did not repeat: %s %v", functionError, err)
	}

	w.Intercept(nil)

	if asked != "echo" || w.Counters().Calls["orbitq-echo"]["dynamodb:PutItem"] < 2 {
		t.Errorf("asked for %q, calls %v", asked, w.Counters().Calls)
	}

	if _, ok := w.Kill("echo", rand.New(rand.NewPCG(1, 1))); !ok {
		t.Error("nothing to kill")
	}

	if _, ok := w.Kill("nobody", rand.New(rand.NewPCG(1, 1))); ok {
		t.Error("killed what is not there")
	}

	if status, text := w.get(t, "/open/again"); status != http.StatusOK {
		t.Errorf("after the kill: %d %s", status, text)
	}
}

func TestPausedMappingsLeaveMessagesAlone(t *testing.T) {
	t.Parallel()

	w := started(t, func(o *stack.Options) { o.Speed = 1 })
	if err := w.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}

	w.send(t, "patience")

	url := w.State().Queues["work"]

	out, err := w.queue.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil || out.Attributes["ApproximateNumberOfMessages"] != "1" || out.Attributes["VisibilityTimeout"] != "60" {
		t.Errorf("got %v, %v", out.Attributes, err)
	}

	w.Resume()
	eventually(t, "the message is in the table", func() bool { return strings.Contains(w.keys(t), "patience") })
}

func TestKeptTableOutlivesTheStack(t *testing.T) {
	t.Parallel()

	data := t.TempDir()
	keep := func(o *stack.Options) { o.Data, o.Keep = data, true }

	first := started(t, keep)
	first.send(t, "kept")
	eventually(t, "the message is in the table", func() bool { return strings.Contains(first.keys(t), "kept") })

	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	if keys := started(t, keep).keys(t); !strings.Contains(keys, "kept") {
		t.Errorf("got %s", keys)
	}
}

func TestBrokenEngineEndsTheStack(t *testing.T) {
	t.Parallel()

	w := started(t, nil)
	if err := syscall.Kill(w.State().PIDs["queues"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	select {
	case err := <-w.Done():
		if !strings.Contains(err.Error(), "queues engine ended") {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed")
	}
}

func TestStateFileLivesAsLongAsTheStack(t *testing.T) {
	t.Parallel()

	data := t.TempDir()
	w := started(t, func(o *stack.Options) { o.Data = data })

	got, err := stack.Read(data)
	if err != nil || got.APIURL != w.State().APIURL || got.Queues["dead"] == "" || got.Table == "" {
		t.Errorf("got %+v, %v", got, err)
	}

	if _, err := stack.Start(t.Context(), stack.Options{Data: data}); !errors.Is(err, stack.ErrRunning) {
		t.Errorf("second start: got %v", err)
	}

	if err := w.Stop(); err != nil {
		t.Error(err)
	}

	if _, err := stack.Read(data); !errors.Is(err, stack.ErrNotRunning) {
		t.Errorf("after stop: got %v", err)
	}

	if entries, _ := filepath.Glob(filepath.Join(data, "state.json*")); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}

	// What a killed stack leaves is not believed.
	if err := os.WriteFile(filepath.Join(data, "state.json"), bytes.Repeat([]byte("{"), 3), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := stack.Read(data); !errors.Is(err, stack.ErrNotRunning) {
		t.Errorf("stale state: got %v", err)
	}
}

func TestBrokenTemplatesStopTheStart(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("testdata/template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct{ name, old, replacement, want string }{
		{"source that does not compile", "testdata/echo/", "testdata/nothing/", "build function orbitq-echo"},
		{"no such function in a speed variable", `PAUSE_SECONDS: "60"`, `PAUSE_SECONDS: soon`, "PAUSE_SECONDS"},
		{"not a template", "Transform: AWS::Serverless-2016-10-31", "Transform: [", "expand"},
		{"unknown managed policy", "Policies:", "Policies:\n        - arn:aws:iam::aws:policy/AdministratorAccess", "AdministratorAccess"},
		{"schedule that never is", "rate(1 minute)", "rate(1 fortnight)", "fortnight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			broken := filepath.Join(t.TempDir(), "template.yaml")
			if err := os.WriteFile(broken, []byte(strings.Replace(string(text), c.old, c.replacement, 1)), 0o600); err != nil {
				t.Fatal(err)
			}

			data := t.TempDir()

			_, err := stack.Start(t.Context(), stack.Options{Root: "../../..", Template: broken, Data: data, Speed: 60})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}

			if _, err := os.Stat(filepath.Join(data, "state.json")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("state file: %v", err)
			}
		})
	}
}

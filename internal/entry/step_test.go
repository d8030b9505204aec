package entry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"orbitq/internal/entry"
	"orbitq/internal/job"
)

// coded returns the name under which a state machine sees an error: the very type, not wrapped, or the runtime reports
// the name of a Go type.
func coded(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	named, ok := err.(messages.InvokeResponse_Error) //nolint:errorlint // the runtime asks for this type, too, and unwraps nothing
	if !ok {
		t.Fatalf("error is a %T: %v", err, err)
	}
	if len(named.Message) > 600 {
		t.Errorf("the message has %d bytes", len(named.Message))
	}
	return named.Type
}

// lines of the step function, by message.
func (l *lines) of(t *testing.T, message string) []map[string]any {
	t.Helper()
	return slices.DeleteFunc(l.all(t), func(line map[string]any) bool { return line["msg"] != message })
}

// known fails for a field of a step's lines that is not listed.
func (l *lines) known(t *testing.T) {
	t.Helper()
	shared := []string{"time", "level", "msg", "stack", "code", "error"}
	for message, own := range map[string][]string{
		"step":      {"action", "job", "kind", "attempt", "gen", "owner", "flow_state", "wait_s", "outcome"},
		"operation": {"op", "flow", "points", "state", "wait_s", "closed", "ms"},
	} {
		for _, line := range l.of(t, message) {
			for _, field := range slices.Sorted(maps.Keys(line)) {
				if !slices.Contains(own, field) && !slices.Contains(shared, field) {
					t.Errorf("%s has field %s", message, field)
				}
			}
		}
	}
}

// A chain goes on visit by visit: each writes one line about its step and one about itself, and each step is a job that
// names its chain.
func TestChainStepByStep(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	chain := b.chain(t, ann, `,"tags":["weekly"]`)
	for i, want := range []entry.StepAnswer{{State: "running", Next: "analyze"}, {State: "running", Next: "notify"}, {State: "succeeded"}, {State: "succeeded"}} {
		got, err := b.step(t, event("chain", chain.ID))
		if want.State == "running" && got.State == "pending" {
			got.State = "running" // no step is open between two
		}
		if err != nil || got != want {
			t.Errorf("visit %d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	if visits, operations := b.log.of(t, "step"), b.log.of(t, "operation"); len(visits) != 4 || len(operations) != 4 || visits[0]["kind"] != "enrich" || visits[0]["owner"] != "chain/"+chain.ID {
		t.Errorf("%d lines of visits, %d of operations:\n%s", len(visits), len(operations), b.log)
	}
	b.log.known(t)
	var steps []struct {
		Kind, State string
		Job         struct {
			ID, Flow, Outcome string
			Tags              []string
			History           []struct {
				RequestID string `json:"request_id"`
			}
		}
	}
	got := b.get(t, "/v1/chains/"+chain.ID)
	if err := json.Unmarshal(got.Steps, &steps); err != nil || got.State != "succeeded" || got.Outcome != "NO_ACQUISITION" || len(steps) != 3 {
		t.Fatalf("chain is %+v, %v", got, err)
	}
	for _, s := range steps {
		if s.State != "succeeded" || s.Job.Flow != "chain/"+chain.ID || len(s.Job.Tags) != 1 || s.Job.History[0].RequestID != chain.ID+"-0" {
			t.Errorf("step is %+v", s)
		}
	}
	var one object
	b.do(t, call{method: "GET", path: "/v1/jobs/" + steps[0].Job.ID, owner: ann}).into(t, http.StatusOK, &one)
	if one["flow"] != "chain/"+chain.ID {
		t.Errorf("job is %v", one)
	}
}

// A step that died is an error with the code of its death, unless that is the name of a trouble that Retry takes for
// passing; one that must wait is an answer.
func TestNamesOfErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		code job.Code
		want string // name of the error; empty for an answer that waits
	}{
		{"refused by the provider", job.ProviderDenied, "PROVIDER_DENIED"},
		{"wrong for ever", job.InvalidRequest, "INVALID_REQUEST"},
		{"a defect of ours", job.Internal, "ATTEMPTS_SPENT"},
		{"the provider is down", job.ProviderUnavailable, "PROVIDER_UNAVAILABLE"},
		{"we are throttled", job.Throttled, ""},
		{"the limiter says later", job.Limited, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t).live()
			b.run = dying(c.code)
			chain := b.chain(t, ann, `,"steps":["enrich"]`)
			var (
				got entry.StepAnswer
				err error
			)
			for range 3 { // as many attempts as a job has
				if got, err = b.step(t, event("chain", chain.ID)); err != nil {
					break
				}
				if got.Seconds < 1 || got.Next != "enrich" {
					t.Fatalf("an open step gives no time to come again: %+v", got)
				}
				b.now = b.now.Add(time.Duration(got.Seconds) * time.Second)
			}
			if name := coded(t, err); name != c.want {
				t.Errorf("got %q (%v), want %q", name, err, c.want)
			}
			if shown := b.get(t, "/v1/chains/"+chain.ID); (shown.State == "failed") != (c.want != "") || c.want != "" && (shown.Failed != "enrich" || shown.Error.Code != string(c.code)) {
				t.Errorf("chain is %+v", shown)
			}
			b.log.known(t)
		})
	}
}

func TestOperationsThatCannotBe(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, c := range []struct {
		event entry.StepEvent
		want  string
	}{
		{entry.StepEvent{}, "INVALID_REQUEST"},
		{entry.StepEvent{Op: strings.Repeat("x", 100_000)}, "INVALID_REQUEST"},
		{entry.StepEvent{Op: "Chain", Chain: id(1)}, "INVALID_REQUEST"},
		{event("chain", id(1)), "NOT_FOUND"},
		{event("chain-failed", id(1)), "NOT_FOUND"},
		{event("items", id(1), id(2)), "NOT_FOUND"},
		{event("summarise", id(1)), "NOT_FOUND"},
		{event("callback", id(1)), "NOT_FOUND"},
	} {
		got, err := b.step(t, c.event)
		if name := coded(t, err); name != c.want || got != (entry.StepAnswer{}) {
			t.Errorf("%.40v: %q, %+v, want %q", c.event, name, got, c.want)
		}
	}
	if all := b.log.of(t, "operation"); len(all) != 8 || all[1]["level"] != "WARN" || len(b.log.String()) > 8*2000 {
		t.Errorf("%d lines:\n%.3000s", len(all), b.log)
	}
	b.store.err = errAWS
	chain := b.chain(t, ann, "")
	if _, err := b.step(t, event("chain", chain.ID)); coded(t, err) != "INTERNAL" {
		t.Errorf("a table that is gone is %v", err)
	}
}

// An execution that gave up leaves its reason in the row; one whose step died changes nothing. What comes with the error
// is a function's own output, with names of tables and hosts: no owner sees it.
func TestExecutionThatGaveUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, want string }{
		{"States.Timeout", "ATTEMPT_LOST"}, {"Lambda.Unknown", "ATTEMPT_LOST"}, {"", "ATTEMPT_LOST"}, {"THROTTLED", "THROTTLED"}, {"INTERNAL", "INTERNAL"},
	} {
		b := start(t).live()
		chain := b.chain(t, ann, "")
		e := event("chain-failed", chain.ID)
		e.Error = entry.StepError{Error: c.name, Cause: `{"errorMessage":"` + errAWS.Error() + strings.Repeat("x", 50_000) + `"}`}
		got, err := b.step(t, e)
		if err != nil || got.Code != c.want || got.Next != "enrich" || got.State != "pending" {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		shown := b.do(t, call{method: "GET", path: "/v1/chains/" + chain.ID, owner: ann})
		if strings.Contains(shown.body, "10.0.0.7") || strings.Contains(shown.body, "DynamoDB") || !strings.Contains(shown.body, "the execution gave up") {
			t.Errorf("%s: the owner sees %.400s", c.name, shown.body)
		}
	}
	b := start(t).live()
	b.run = dying(job.ProviderDenied)
	chain := b.chain(t, ann, "")
	_, err := b.step(t, event("chain", chain.ID))
	e := event("chain-failed", chain.ID)
	e.Error.Error = coded(t, err)
	if got, err := b.step(t, e); err != nil || got.State != "failed" || got.Code != "PROVIDER_DENIED" || got.Reason != "enrich: provider said no" {
		t.Errorf("%+v, %v", got, err)
	}
	// One that was quicker has no failure of its own, and the Fail state wants a name all the same.
	b = start(t).live()
	chain = b.chain(t, ann, `,"steps":["analyze"]`)
	if _, err := b.step(t, event("chain", chain.ID)); err != nil {
		t.Fatal(err)
	}
	e = event("chain-failed", chain.ID)
	e.Error.Error = "Lambda.Unknown"
	if got, err := b.step(t, e); err != nil || got.State != "succeeded" || got.Code != "ATTEMPT_LOST" {
		t.Errorf("%+v, %v", got, err)
	}
}

// The items of a batch are visited side by side; one that fails is counted, and the summary closes the batch.
func TestBatchStepByStep(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	batch, points := b.batch(t, ann, 3, `,"allow_failures":true,"then":{"notify":true},"catch":{"job":{"kind":"notify","data_point_id":"`+b.plain(t, ann, "")+`"}},"finally":{"webhook":"https://hooks.example.com/a?token=planted"}`)
	if got, err := b.step(t, event("items", batch.ID, points[:2]...)); err != nil || got != (entry.StepAnswer{State: "succeeded"}) {
		t.Errorf("two items: %+v, %v", got, err)
	}
	if got, err := b.step(t, event("summarise", batch.ID)); err != nil || got != (entry.StepAnswer{State: "running", Then: true, Finally: true}) {
		t.Errorf("one is left: %+v, %v", got, err)
	}
	b.now = b.now.Add(time.Minute)
	if got := b.get(t, "/v1/batches/"+batch.ID); got.Counts != (job.Counts{Succeeded: 2, Pending: 1}) || got.Progress != 66 || len(got.Callbacks) != 3 || got.Callbacks[0].State != "waiting" {
		t.Errorf("batch is %+v", got)
	}
	b.run = dying(job.ProviderDenied)
	if got, err := b.step(t, event("items", batch.ID, points...)); err != nil || got.State != "succeeded" || got.Seconds != 0 {
		t.Errorf("a failed item is no error: %+v, %v", got, err)
	}
	if got, err := b.step(t, event("summarise", batch.ID)); err != nil || got != (entry.StepAnswer{State: "finished", Closed: true, Finally: true}) {
		t.Errorf("all are final: %+v, %v", got, err)
	}
	for _, name := range []string{"then", "catch", "finally", "finally", "other"} {
		e := event("callback", batch.ID)
		e.Name = name
		if got, err := b.step(t, e); err != nil || got != (entry.StepAnswer{}) {
			t.Errorf("callback %s: %+v, %v", name, got, err)
		}
	}
	if want := []string{batch.ID + "-0-finally https://hooks.example.com/a?token=planted"}; !slices.Equal(b.machines.posted, want) {
		t.Errorf("posted %v, want %v", b.machines.posted, want)
	}
	got := b.get(t, "/v1/batches/"+batch.ID)
	states := map[string]string{}
	for _, c := range got.Callbacks {
		states[c.Name] = c.State
	}
	if got.State != "finished" || got.Counts != (job.Counts{Succeeded: 2, Failed: 1}) || !maps.Equal(states, map[string]string{"then": "waiting", "catch": "delivered", "finally": "delivered"}) {
		t.Errorf("batch is %+v", got)
	}
	if n := len(b.log.of(t, "step")); n != 3 { // those that are final already write none
		t.Errorf("%d lines of visits, want 3", n)
	}
	b.log.known(t)
	for _, secret := range []string{"planted", ann, "hooks.example.com"} {
		for _, line := range append(b.log.of(t, "step"), b.log.of(t, "operation")...) {
			if strings.Contains(strings.Join(slices.Collect(maps.Keys(line)), " ")+" "+toText(line), secret) {
				t.Errorf("%q is in the log: %v", secret, line)
			}
		}
	}
}

// toText writes the values of a line.
func toText(line map[string]any) string {
	raw, err := json.Marshal(line)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// The first that is due says when to come again; none of them holds up the others.
func TestItemsThatWait(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	b.run = dying(job.ProviderUnavailable)
	batch, points := b.batch(t, ann, 2, "")
	got, err := b.step(t, event("items", batch.ID, points...))
	if err != nil || got.State != "running" || got.Seconds < 1 || got.Seconds > 60 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := b.step(t, event("items", batch.ID)); err != nil || got.State != "succeeded" || got.Seconds != 0 {
		t.Errorf("no items: %+v, %v", got, err)
	}
	got, err = b.step(t, event("items", batch.ID, points[0], id(7)))
	if coded(t, err) != "NOT_FOUND" || got != (entry.StepAnswer{}) {
		t.Errorf("a point that is no item: %+v, %v", got, err)
	}
}

// A receiver that is down is an error with its code, and what the owner sees of a callback that failed names none of our
// parts.
func TestCallbackThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                string
		down                error
		code, state, reason string
	}{
		{"refused", job.Errorf(job.WebhookRefused, "hooks.example.com answered 410"), "WEBHOOK_REFUSED", "given_up", "WEBHOOK_REFUSED: hooks.example.com answered 410"},
		{"down", job.Errorf(job.WebhookFailed, "hooks.example.com answered 503"), "WEBHOOK_FAILED", "pending", "WEBHOOK_FAILED: hooks.example.com answered 503"},
		{"a part of ours", fmt.Errorf("read secret: %w", errAWS), "INTERNAL", "pending", "it could not be delivered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t).live()
			batch, points := b.batch(t, ann, 1, `,"finally":{"webhook":"https://hooks.example.com/a"}`)
			_, err1 := b.step(t, event("items", batch.ID, points...))
			_, err2 := b.step(t, event("summarise", batch.ID))
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			b.machines.down = c.down
			e := event("callback", batch.ID)
			e.Name = "finally"
			_, err := b.step(t, e)
			if coded(t, err) != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
			got := b.get(t, "/v1/batches/"+batch.ID).Callbacks[0]
			if got.State != c.state || got.Tries != 1 || got.Reason != c.reason || got.EventID != batch.ID+"-0-finally" {
				t.Errorf("callback is %+v, want reason %q", got, c.reason)
			}
		})
	}
}

// The samples of events/ are tasks of the state machines as Step Functions sends them.
func TestStepsOfTheSamples(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, file := range []string{"step_chain.json", "step_items.json", "step_failed.json", "step_summarise.json", "step_callback.json"} {
		var e entry.StepEvent
		sample(t, file, &e)
		if _, err := b.step(t, e); coded(t, err) != "NOT_FOUND" {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// FuzzSteps sends any JSON to the step function: it answers, or fails with a code of ours, and writes one line.
func FuzzSteps(f *testing.F) {
	for _, raw := range []string{
		`{"op":"chain","chain":"01JM8WS0A1B2C3D4E5F6G7H8J9"}`, `{"op":"items","batch":"x","points":["",null]}`, `{"op":"summarise"}`,
		`{"op":"chain-failed","error":{"Error":"A.B","Cause":"{"}}`, `{"op":"callback","name":"\u0000"}`, `{"op":1}`, `[]`, `{"request":":::"}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e entry.StepEvent
		if json.Unmarshal(raw, &e) != nil {
			return // the runtime refuses it before the handler
		}
		b := start(t)
		_, err := b.step(t, e)
		if name := coded(t, err); err != nil && (name == "" || name == "INTERNAL") {
			t.Errorf("failed with %q: %v", name, err)
		}
		if n := len(b.log.of(t, "operation")); n != 1 {
			t.Errorf("%d lines", n)
		}
	})
}

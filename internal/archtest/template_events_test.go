package archtest

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"orbitq/internal/entry"
	"orbitq/internal/job"
	"orbitq/internal/openapi"
	"orbitq/internal/openapi/contracttest"
)

// shapes says what each file in events/ is; a file that is missing here fails the test.
func shapes() map[string]func(t *testing.T, payload []byte) {
	return map[string]func(t *testing.T, payload []byte){
		"dlq_alarm.json":         isAlarm,
		"http_create_point.json": isRequest,
		"http_enqueue.json":      isRequest,
		"http_get_job.json":      isRequest,
		"http_pause_queue.json":  isRequest,
		"http_retry_canary.json": isRequest,
		"http_start_batch.json":  isRequest,
		"schedule.json":          isSchedule,
		"sqs_batch_partial.json": func(t *testing.T, p []byte) { t.Helper(); isBatch(t, p, 3, true) },
		"sqs_one.json":           func(t *testing.T, p []byte) { t.Helper(); isBatch(t, p, 1, true) },
		"sqs_poison.json":        func(t *testing.T, p []byte) { t.Helper(); isBatch(t, p, 6, false) },
		"step_callback.json":     func(t *testing.T, p []byte) { t.Helper(); isStep(t, p, "callback", false, true, false) },
		"step_chain.json":        func(t *testing.T, p []byte) { t.Helper(); isStep(t, p, "chain", true, false, true) },
		"step_failed.json":       func(t *testing.T, p []byte) { t.Helper(); isStep(t, p, "chain-failed", true, false, true) },
		"step_items.json":        func(t *testing.T, p []byte) { t.Helper(); isStep(t, p, "items", false, true, true) },
		"step_summarise.json":    func(t *testing.T, p []byte) { t.Helper(); isStep(t, p, "summarise", false, true, false) },
	}
}

func TestEveryEventDecodes(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob(root + "/events/*.json")
	if err != nil {
		t.Fatal(err)
	}

	found := map[string]bool{}

	for _, path := range files {
		name := filepath.Base(path)
		found[name] = true

		t.Run(name, func(t *testing.T) {
			t.Parallel()

			payload, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}

			check := shapes()[name]
			if check == nil {
				t.Fatal("unknown event: say in shapes what it is")
			}

			check(t, payload)
		})
	}

	for name := range shapes() {
		if !found[name] {
			t.Errorf("events/%s is missing", name)
		}
	}
}

// decode reads a payload into the type that the handler takes; a field that AWS does not send fails.
func decode(t *testing.T, payload []byte, into any) {
	t.Helper()

	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()

	if err := dec.Decode(into); err != nil {
		t.Fatalf("decode event: %v", err)
	}
}

// isRequest checks an HTTP API event of payload format 2.0 behind the JWT authorizer, and its body by the contract.
func isRequest(t *testing.T, payload []byte) {
	t.Helper()

	var e events.APIGatewayV2HTTPRequest

	decode(t, payload, &e)

	if e.Version != "2.0" || e.RouteKey != e.RequestContext.RouteKey || e.RequestContext.RequestID == "" {
		t.Errorf("version %q, route %q, route in context %q, request id %q", e.Version, e.RouteKey, e.RequestContext.RouteKey, e.RequestContext.RequestID)
	}

	if e.RequestContext.Authorizer == nil || e.RequestContext.Authorizer.JWT.Claims["sub"] == "" || len(e.RequestContext.Authorizer.JWT.Scopes) != 1 {
		t.Error("the authorizer left no user or scope")
	}

	req, err := http.NewRequestWithContext(t.Context(), e.RequestContext.HTTP.Method, "https://"+e.RequestContext.DomainName+e.RawPath, nil)
	if err != nil {
		t.Fatal(err)
	}

	for name, value := range e.Headers {
		if name != strings.ToLower(name) {
			t.Errorf("header %s: API Gateway sends lower case", name)
		}

		req.Header.Set(name, value)
	}

	contract, err := contracttest.Load(openapi.YAML())
	if err != nil {
		t.Fatal(err)
	}

	if err := contract.Request(t.Context(), req, []byte(e.Body)); err != nil {
		t.Error(err)
	}
}

// isBatch checks an SQS event: digests that are true, ids that differ, bodies that are messages of ours or are not.
func isBatch(t *testing.T, payload []byte, size int, ours bool) {
	t.Helper()

	var e events.SQSEvent

	decode(t, payload, &e)

	if len(e.Records) != size {
		t.Errorf("%d records, want %d", len(e.Records), size)
	}

	ids := map[string]bool{}

	for _, r := range e.Records {
		if sum := md5.Sum([]byte(r.Body)); r.Md5OfBody != hex.EncodeToString(sum[:]) {
			t.Errorf("record %s: digest is %s, want %x", r.MessageId, r.Md5OfBody, sum)
		}

		if ids[r.MessageId] || r.ReceiptHandle == "" || r.EventSource != "aws:sqs" || r.Attributes["ApproximateReceiveCount"] == "" || r.Attributes["SentTimestamp"] == "" {
			t.Errorf("record %s is not as SQS sends it", r.MessageId)
		}

		ids[r.MessageId] = true

		if _, err := job.DecodeMessage(r.Body); ours != (err == nil) {
			t.Errorf("record %s: body %.40q decodes with %v", r.MessageId, r.Body, err)
		}
	}
}

func isSchedule(t *testing.T, payload []byte) {
	t.Helper()

	var e events.CloudWatchEvent

	decode(t, payload, &e)

	if e.DetailType != "Scheduled Event" || e.Source != "aws.events" || e.Time.IsZero() || len(e.Resources) != 1 {
		t.Errorf("not a scheduled event: %+v", e)
	}
}

// isAlarm checks what a CloudWatch alarm sends to its Lambda action; the events package has no type for it.
func isAlarm(t *testing.T, payload []byte) {
	t.Helper()

	var e struct {
		Source, AlarmArn, AccountID, Time, Region string
		AlarmData                                 struct {
			AlarmName                           string
			State, PreviousState, Configuration map[string]any
		}
	}

	decode(t, payload, &e)

	if e.Source != "aws.cloudwatch" || e.AlarmData.AlarmName == "" || e.AlarmData.State["value"] != "ALARM" {
		t.Errorf("not an alarm: %+v", e)
	}
}

// isStep checks what a state machine's task sends; the types of Error and Cause come out of a Catch of Step Functions.
func isStep(t *testing.T, payload []byte, op string, chain, batch, named bool) {
	t.Helper()

	var e entry.StepEvent

	decode(t, payload, &e)

	if e.Op != op || job.ValidID(e.Chain) != chain || job.ValidID(e.Batch) != batch || (e.Request != "") != named {
		t.Errorf("not the event of %s: %+v", op, e)
	}

	for _, id := range e.Points {
		if !job.ValidID(id) {
			t.Errorf("%q is no id of a data point", id)
		}
	}

	if failed := op == "chain-failed"; (e.Error.Error != "" && json.Valid([]byte(e.Error.Cause))) != failed {
		t.Errorf("the error is %+v", e.Error)
	}
}

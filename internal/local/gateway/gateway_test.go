package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"orbitq/internal/local/gateway"
)

func TestAnswersAreForwardedAsTheyAre(t *testing.T) {
	t.Parallel()

	status, text, header := start(t).send(t, "operator", "dynamodb", "DynamoDB_20120810.ListTables", "/", "{}")
	if status != http.StatusOK || header.Get("X-Amz-Crc32") != "123" || header.Get("X-Amzn-Requestid") == "" || !strings.Contains(text, "ConsumedCapacity") {
		t.Errorf("got %d %s %v", status, text, header)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, service, target, path, body, want string }{
		{"service", "kinesis", "", "/", "", "UnknownService"},
		{"secret", "secretsmanager", "secretsmanager.GetSecretValue", "/", `{"SecretId":"x"}`, "ResourceNotFoundException"},
		{"secret before a rotation", "secretsmanager", "secretsmanager.GetSecretValue", "/", `{"SecretId":"copernicus","VersionStage":"AWSPREVIOUS"}`, "ResourceNotFoundException"},
		{"secret operation", "secretsmanager", "secretsmanager.PutSecretValue", "/", `{"SecretId":"copernicus"}`, "InvalidRequestException"},
		{"function", "lambda", "", "/2015-03-31/functions/nobody/invocations", `{}`, "ResourceNotFoundException"},
		{"lambda operation", "lambda", "", "/2015-03-31/functions/worker", `{}`, "InvalidRequestContentException"},
		{"throttled function", "lambda", "", "/2015-03-31/functions/worker:live/invocations", `"busy"`, "TooManyRequestsException"},
		{"control", "", "", "/_orbitq/nothing", "", "NotFound"},
		{"faults that are none", "", "", "/_orbitq/faults", "{", "InvalidRequest"},
		{"large", "dynamodb", "DynamoDB_20120810.PutItem", "/", strings.Repeat("x", 9<<20), "RequestEntityTooLarge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			if status, text, _ := start(t).send(t, "operator", c.service, c.target, c.path, c.body); status < 400 || !strings.Contains(text, c.want) {
				t.Errorf("got %d %s, want %s", status, text, c.want)
			}
		})
	}
}

func TestFunctionErrorIsTold(t *testing.T) {
	t.Parallel()

	status, text, header := start(t).send(t, "operator", "lambda", "", "/2015-03-31/functions/worker/invocations", `"broken"`)
	if status != http.StatusOK || text != `"broken"` || header.Get("X-Amz-Function-Error") != "Unhandled" {
		t.Errorf("got %d %s %v", status, text, header)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()

	b := start(t, grants("dynamodb:*", "*")...)
	b.gateway.SetFaults(
		gateway.Fault{Principal: "worker", Operation: "PutItem", Mode: gateway.DropRequest, Skip: 1, Count: 1},
		gateway.Fault{Operation: "UpdateItem", Mode: gateway.DropReply, Count: 1},
		gateway.Fault{Operation: "GetItem", Mode: gateway.Error, Code: "ThrottlingException"},
	)

	for i, s := range []struct {
		key, operation string
		status         int
		reaches        bool
	}{
		{"worker-key", "PutItem", 200, true},
		{"worker-key", "PutItem", 0, false},
		{"worker-key", "PutItem", 200, true},
		{"operator", "UpdateItem", 0, true},
		{"operator", "UpdateItem", 200, true},
		{"operator", "GetItem", 400, false},
		{"worker-key", "GetItem", 400, false},
		{"operator", "PutItem", 200, true},
	} {
		before := len(b.reached())

		status, text := b.tables(t, s.key, s.operation, `{"TableName":"T"}`)
		if reached := len(b.reached()) > before; status != s.status || reached != s.reaches {
			t.Errorf("step %d %+v: status %d, reached %v: %s", i, s, status, reached, text)
		}
	}

	b.gateway.SetFaults()

	if status, _ := b.tables(t, "operator", "GetItem", `{"TableName":"T"}`); status != http.StatusOK {
		t.Errorf("after the faults: %d", status)
	}
}

func TestInterceptDecidesFirst(t *testing.T) {
	t.Parallel()

	b := start(t, grants("dynamodb:*", "*")...)
	b.gateway.Intercept(func(principal, operation string) (gateway.Fault, bool) {
		return gateway.Fault{Mode: gateway.Error, Code: "Chosen"}, principal == "worker" && operation == "GetItem"
	})

	if status, text := b.tables(t, "worker-key", "GetItem", `{}`); status != http.StatusBadRequest || !strings.Contains(text, "Chosen") {
		t.Errorf("got %d %s", status, text)
	}

	if status, text := b.tables(t, "operator", "GetItem", `{}`); status != http.StatusOK {
		t.Errorf("got %d %s", status, text)
	}
}

func TestCountersTellWhoCalledWhat(t *testing.T) {
	t.Parallel()

	id := "01M888TPEZQWJH1T69YBEJVCKE"
	b := start(t, grants("dynamodb:*", "*")...)
	body := `{"TableName":"T","ReturnConsumedCapacity":"TOTAL","Key":{"pk":{"S":"JOB#` + id + `"},"sk":{"S":"JOB#` + id + `"}}}`

	for range 3 {
		b.tables(t, "worker-key", "GetItem", body)
	}

	b.tables(t, "operator", "ListTables", `{}`)

	res, err := b.http.Get(b.url + "/_orbitq/counters")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	var got gateway.Counters
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}

	if got.Calls["worker"]["dynamodb:GetItem"] != 3 || got.Calls["operator"]["dynamodb:ListTables"] != 1 || got.Total() != 4 || got.Items[id] != 3 || got.Units["T"] != 4.5 {
		t.Errorf("got %+v", got)
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	t.Parallel()

	b := start(t)

	plan, err := json.Marshal([]gateway.Fault{{Operation: "GetItem", Mode: gateway.Error, Code: "Down", Count: 1}})
	if err != nil {
		t.Fatal(err)
	}

	res, err := b.http.Post(b.url+"/_orbitq/faults", "application/json", bytes.NewReader(plan))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	if status, text := b.tables(t, "operator", "GetItem", `{}`); res.StatusCode != http.StatusOK || status != http.StatusBadRequest || !strings.Contains(text, "Down") {
		t.Errorf("got %d, then %d %s", res.StatusCode, status, text)
	}
}

func TestEngineThatIsGone(t *testing.T) {
	t.Parallel()

	g := gateway.New(gateway.Config{DynamoDB: "http://127.0.0.1:1"})
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}"))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/r/dynamodb/aws4_request")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	g.ServeHTTP(w, r)

	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

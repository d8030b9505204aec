package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
	"orbitq/internal/local/gateway"
)

// control makes one request to the gateway itself.
func (b *bench) control(t *testing.T, method, path, body string) (int, string) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	res, err := b.http.Do(req)
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

func TestControlEndpoints(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"counters at the start", "GET", "/_orbitq/counters", "", 200, `{"calls":{},"items":{},"units":{},"denied":{}}`},
		{"messages of a topic that is not there", "GET", "/_orbitq/published?topic=x", "", 200, `{"messages":[]}`},
		{"calls of nobody", "GET", "/_orbitq/calls?id=x", "", 200, `{"calls":{}}`},
		{"no faults", "POST", "/_orbitq/faults", "[]", 200, `[]`},
		{"a plan comes back", "POST", "/_orbitq/faults", `[{"mode":"drop_reply","count":2}]`, 200, `"mode":"drop_reply","code":"","skip":0,"count":2`},
		{"one fault that is no list", "POST", "/_orbitq/faults", `{"mode":"error"}`, 400, "InvalidRequest"},
		{"a mode that does not exist", "POST", "/_orbitq/faults", `[{"mode":"error","code":"X"},{"mode":"explode"}]`, 400, "explode"},
		{"another method for faults", "GET", "/_orbitq/faults", "", 404, "NotFound"},
		{"another method for counters", "POST", "/_orbitq/counters", "", 404, "NotFound"},
		{"a path below", "GET", "/_orbitq/counters/calls", "", 404, "NotFound"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := start(t)
			if status, text := b.control(t, c.method, c.path, c.body); status != c.status || !strings.Contains(text, c.want) {
				t.Errorf("got %d %s, want %d %s", status, text, c.status, c.want)
			}

			if n := b.gateway.Counters().Total(); n != 0 || len(b.reached()) != 0 {
				t.Errorf("the request counted as %d calls, reached %v", n, b.reached())
			}
		})
	}
}

// TestARefusedPlanLeavesTheOldOne is about a plan that is wrong in part: no part of it may be in force.
func TestARefusedPlanLeavesTheOldOne(t *testing.T) {
	t.Parallel()

	b := start(t)
	b.gateway.SetFaults(gateway.Fault{Mode: gateway.Error, Code: "Old"})

	if status, text := b.control(t, http.MethodPost, "/_orbitq/faults", `[{"mode":"error","code":"New"},{"mode":"later"}]`); status != http.StatusBadRequest {
		t.Errorf("got %d %s", status, text)
	}

	if _, text := b.tables(t, "operator", "GetItem", `{}`); !strings.Contains(text, `"Old"`) {
		t.Errorf("got %s", text)
	}
}

func TestFaultsMeetCallsInTheirOrder(t *testing.T) {
	t.Parallel()

	failing := func(code string, skip, count int) gateway.Fault {
		return gateway.Fault{Mode: gateway.Error, Code: code, Skip: skip, Count: count}
	}

	for _, c := range []struct {
		name string
		plan []gateway.Fault
		want string // a code per call, or a dot
	}{
		{"none", nil, "...."},
		{"all", []gateway.Fault{failing("A", 0, 0)}, "AAAA"},
		{"from the third on", []gateway.Fault{failing("A", 2, 0)}, "..AA"},
		{"one in between", []gateway.Fault{failing("A", 1, 1)}, ".A.."},
		{"the first that fits wins", []gateway.Fault{failing("A", 0, 2), failing("B", 0, 0)}, "AABB"},
		{"rules do not see what an earlier one took", []gateway.Fault{failing("A", 1, 1), failing("B", 1, 1)}, ".AB."},
		{"skipped by both", []gateway.Fault{failing("A", 9, 0), failing("B", 3, 0)}, "...B"},
		{"of another operation", []gateway.Fault{{Operation: "PutItem", Mode: gateway.Error, Code: "A"}}, "...."},
		{"of another principal", []gateway.Fault{{Principal: "worker", Mode: gateway.Error, Code: "A"}}, "...."},
		{"of the operator", []gateway.Fault{{Principal: "operator", Operation: "GetItem", Mode: gateway.Error, Code: "A"}}, "AAAA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := start(t)
			b.gateway.SetFaults(c.plan...)

			var got strings.Builder

			for range len(c.want) {
				var failed struct {
					Code string `json:"__type"`
				}

				status, text := b.tables(t, "operator", "GetItem", `{}`)
				if err := json.Unmarshal([]byte(text), &failed); err != nil {
					t.Fatal(err)
				}

				if status == http.StatusOK {
					failed.Code = "."
				}

				got.WriteString(failed.Code)
			}

			if got.String() != c.want {
				t.Errorf("got %s, want %s", got.String(), c.want)
			}
		})
	}
}

func TestFaultsOfOtherProtocols(t *testing.T) {
	t.Parallel()

	const form = "Action=SendMessage&QueueUrl=http%3A%2F%2Fx%2F1%2Fjobs"

	b := start(t, grants("sqs:ReceiveMessage", "*")...)
	b.gateway.SetFaults(gateway.Fault{Operation: "SendMessage", Mode: gateway.Error, Code: "Busy", Count: 1}, gateway.Fault{Operation: "InvokeFunction", Mode: gateway.Error, Code: "Away"})

	// A refused call is no call that could fail on its way: the fault waits for the next.
	if status, text, _ := b.send(t, "worker-key", "sqs", "", "/", form); status != http.StatusBadRequest || !strings.Contains(text, "AccessDenied") {
		t.Errorf("refused: %d %s", status, text)
	}

	if status, text, header := b.send(t, "operator", "sqs", "", "/", form); status != http.StatusBadRequest || !strings.Contains(text, "Busy") || header.Get("X-Amzn-Errortype") != "Busy" {
		t.Errorf("failing: %d %s", status, text)
	}

	if status, text, _ := b.send(t, "operator", "sqs", "", "/", form); status != http.StatusOK {
		t.Errorf("after it: %d %s", status, text)
	}

	if status, text, _ := b.send(t, "operator", "lambda", "", "/2015-03-31/functions/worker/invocations", "{}"); status != http.StatusBadRequest || !strings.Contains(text, "Away") {
		t.Errorf("invoke: %d %s", status, text)
	}

	want := map[string]map[string]int{"worker": {"sqs:SendMessage": 1}, "operator": {"sqs:SendMessage": 2, "lambda:InvokeFunction": 1}}
	if got := b.gateway.Counters(); !reflect.DeepEqual(got.Calls, want) || !reflect.DeepEqual(b.reached(), []string{"queues SendMessage"}) {
		t.Errorf("calls %v, reached %v", got.Calls, b.reached())
	}
}

func TestUnitsOfOneAndOfManyTables(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name, body, answer string
		want               map[string]float64
	}{
		{"one table", `{"ReturnConsumedCapacity":"TOTAL"}`, `{"ConsumedCapacity":{"TableName":"T","CapacityUnits":2}}`, map[string]float64{"T": 4}},
		{"many", `{"ReturnConsumedCapacity":"TOTAL"}`, `{"ConsumedCapacity":[{"TableName":"T","CapacityUnits":2},{"TableName":"U","CapacityUnits":0.5}]}`, map[string]float64{"T": 4, "U": 1}},
		{"not asked for", `{}`, `{"ConsumedCapacity":{"TableName":"T","CapacityUnits":2}}`, map[string]float64{}},
		{"asked for and not told", `{"ReturnConsumedCapacity":"TOTAL"}`, `{}`, map[string]float64{}},
		{"an answer that is no JSON", `{"ReturnConsumedCapacity":"TOTAL"}`, `<html>`, map[string]float64{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.answer) }))
			t.Cleanup(engine.Close)

			g := gateway.New(gateway.Config{DynamoDB: engine.URL})
			front := httptest.NewServer(g)
			t.Cleanup(front.Close)

			for range 2 {
				send(t, front, "dynamodb", "DynamoDB_20120810.Query", c.body)
			}

			if got := g.Counters(); !reflect.DeepEqual(got.Units, c.want) {
				t.Errorf("got %v, want %v", got.Units, c.want)
			}
		})
	}
}

func TestCountersAreACopy(t *testing.T) {
	t.Parallel()

	b := start(t)
	b.tables(t, "operator", "ListTables", `{}`)

	got := b.gateway.Counters()
	got.Calls["operator"]["dynamodb:ListTables"], got.Items["x"], got.Units["x"], got.Denied["x"] = 9, 9, 9, 9

	if again := b.gateway.Counters(); again.Total() != 1 || len(again.Items)+len(again.Units)+len(again.Denied) != 0 {
		t.Errorf("got %+v", again)
	}
}

func TestLeadingKeysThatDoNotHold(t *testing.T) {
	t.Parallel()

	// StringLike without ForAllValues: a call that names no key is not allowed.
	own := cfn.Statement{Effect: "Allow", Action: []string{"dynamodb:*"}, Resource: []string{prefix + "*"}, Condition: map[string]map[string]any{
		"StringLike": {"dynamodb:LeadingKeys": []any{"USER#1", "USER#1#*"}},
	}}

	for _, c := range []struct {
		name, operation, body string
		want                  bool
	}{
		{"own", "GetItem", `{"TableName":"T","Key":{"pk":{"S":"USER#1"}}}`, true},
		{"below", "GetItem", `{"TableName":"T","Key":{"pk":{"S":"USER#1#x"}}}`, true},
		{"only the same beginning", "GetItem", `{"TableName":"T","Key":{"pk":{"S":"USER#10"}}}`, false},
		{"a number", "GetItem", `{"TableName":"T","Key":{"pk":{"N":"1"}}}`, false},
		{"a scan", "Scan", `{"TableName":"T"}`, false},
		{"the sort key alone", "Query", `{"TableName":"T","KeyConditionExpression":"sk = :p","ExpressionAttributeValues":{":p":{"S":"USER#1"}}}`, false},
		{"a range of keys", "Query", `{"TableName":"T","KeyConditionExpression":"pk >= :p","ExpressionAttributeValues":{":p":{"S":"USER#1"}}}`, false},
		{"a value that is not given", "Query", `{"TableName":"T","KeyConditionExpression":"pk = :p"}`, false},
		{"the table's key on an index", "Query", `{"TableName":"T","IndexName":"open","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"USER#1"}}}`, false},
		{"a table whose key is not known", "GetItem", `{"TableName":"U","Key":{"pk":{"S":"USER#1"}}}`, false},
		{"two tables of a batch, one foreign", "BatchGetItem", `{"RequestItems":{"T":{"Keys":[{"pk":{"S":"USER#1"}}]},"U":{"Keys":[{"pk":{"S":"USER#1"}}]}}}`, false},
		{"a batch that is none", "BatchWriteItem", `{"RequestItems":{"T":"USER#1"}}`, false},
		{"a foreign check in a transaction", "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"T","Item":{"pk":{"S":"USER#1"}}}},{"ConditionCheck":{"TableName":"T","Key":{"pk":{"S":"USER#2"}}}}]}`, false},
		{"no JSON", "GetItem", `{"TableName":`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := start(t, own)

			status, text := b.tables(t, "worker-key", c.operation, c.body)
			if allowed := status == http.StatusOK; allowed != c.want || allowed != (len(b.reached()) == 1) {
				t.Errorf("got %d %s, want allowed: %v", status, text, c.want)
			}
		})
	}
}

package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"orbitq/internal/local/gateway"
)

const (
	jobID   = "01JM8WQ5Z4A1B2C3D4E5F6G7H8"
	pointID = "01JM8WQ5Z3T5V9B0C2D4E6F8GH"
	otherID = "01JM8WQ5Z5T5V9B0C2D4E6F8GH"
)

// send makes one call as the operator.
func send(t *testing.T, front *httptest.Server, service, target, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=operator/20261125/eu-central-1/"+service+"/aws4_request, Signature=x")
	resp, err := front.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

func TestNamingCountsACallOnce(t *testing.T) {
	t.Parallel()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	t.Cleanup(engine.Close)
	g := gateway.New(gateway.Config{Region: "eu-central-1", Account: "000000000000", DynamoDB: engine.URL, SQS: engine.URL})
	front := httptest.NewServer(g)
	t.Cleanup(front.Close)

	send(t, front, "dynamodb", "DynamoDB_20120810.TransactWriteItems", `{"x":"JOB#`+jobID+`","y":"POINT#`+pointID+`","z":"`+jobID+`"}`)
	send(t, front, "dynamodb", "DynamoDB_20120810.Query", `{"x":"POINT#`+pointID+`"}`)
	send(t, front, "sqs", "AmazonSQS.SendMessage", `{"MessageBody":"{\"job\":\"`+jobID+`\"}"}`)
	send(t, front, "dynamodb", "DynamoDB_20120810.GetItem", `{"x":"JOB#`+otherID+`"}`)
	send(t, front, "sqs", "AmazonSQS.ReceiveMessage", `{}`)

	for _, c := range []struct {
		name string
		ids  []string
		want map[string]int
	}{
		{"a job and its point", []string{jobID, pointID}, map[string]int{"dynamodb:TransactWriteItems": 1, "dynamodb:Query": 1, "sqs:SendMessage": 1}},
		{"the job alone", []string{jobID}, map[string]int{"dynamodb:TransactWriteItems": 1, "sqs:SendMessage": 1}},
		{"nothing", nil, nil},
	} {
		if got := g.Naming(c.ids...)["operator"]; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}

	resp, err := front.Client().Get(front.URL + "/_orbitq/calls?id=" + otherID + "&id=" + pointID)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct{ Calls map[string]map[string]int }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]int{"operator": {"dynamodb:TransactWriteItems": 1, "dynamodb:Query": 1, "dynamodb:GetItem": 1}}
	if !reflect.DeepEqual(got.Calls, want) {
		t.Errorf("over HTTP: got %v, want %v", got.Calls, want)
	}
}

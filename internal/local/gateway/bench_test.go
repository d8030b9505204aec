package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"orbitq/internal/local/cfn"
	"orbitq/internal/local/gateway"
)

const prefix = "arn:aws:dynamodb:eu-central-1:000000000000:table/"

// bench is a gateway with engines that only remember what reached them.
type bench struct {
	gateway *gateway.Gateway
	url     string
	http    *http.Client // of its own: another bench that closes would break off calls of the default one
	pollers pollers      // of the mapping

	mu   sync.Mutex
	seen []string // engine and operation
}

// reached returns what the engines saw.
func (b *bench) reached() []string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return slices.Clone(b.seen)
}

func (b *bench) engine(name, answer string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)

		what := r.Header.Get("X-Amz-Target")
		if form, err := url.ParseQuery(string(raw)); what == "" && err == nil {
			what = form.Get("Action")
		}

		b.mu.Lock()
		b.seen = append(b.seen, name+" "+what)
		b.mu.Unlock()
		w.Header().Set("X-Amz-Crc32", "123")
		_, _ = io.WriteString(w, answer)
	})
}

// start runs a gateway whose only function, worker, has a role with the statements.
func start(t *testing.T, statements ...cfn.Statement) *bench {
	t.Helper()

	b := &bench{}
	tables := httptest.NewServer(b.engine("tables", `{"ConsumedCapacity":{"TableName":"T","CapacityUnits":1.5}}`))
	queues := httptest.NewServer(b.engine("queues", `{"QueueUrls":[]}`))
	machines := httptest.NewServer(b.engine("states", `[{"name":"x","machine":"work","status":"RUNNING","started":"2026-01-01T00:00:00.5+00:00","stopped":null,"transitions":7,"retries":2,"events":30}]`))
	b.gateway = gateway.New(gateway.Config{
		Region: "eu-central-1", Account: "000000000000", DynamoDB: tables.URL, SQS: queues.URL, States: machines.URL,
		Principals: map[string]*gateway.Principal{
			"worker-key":                {Function: "worker", Role: "WorkerRole", Account: "000000000000", Statements: statements},
			gateway.RoleKey("WorkRole"): {Function: "work", Role: "WorkRole", Account: "000000000000", Statements: statements},
		},
		Buckets:  []gateway.Bucket{{Name: "lists", ARN: "arn:aws:s3:::lists"}},
		HashKeys: map[string]string{"T": "pk", "T/index/open": "ok"},
		Secrets:  []gateway.Secret{{Name: "copernicus", ARN: "arn:secret", Value: "s3cret"}},
		Topics:   []gateway.Topic{{Name: "alerts", ARN: alerts}},
		Mappings: []gateway.Mapping{
			{
				UUID: mapped, ARN: mapping, FunctionARN: "arn:aws:lambda:eu-central-1:000000000000:function:worker:live", QueueARN: "arn:aws:sqs:eu-central-1:000000000000:jobs",
				BatchSize: 10, BatchWindow: 1, MaxConcurrency: 5, PartialResponses: true, Pollers: &b.pollers,
			},
			{UUID: "b", ARN: "arn:b", FunctionARN: "arn:aws:lambda:eu-central-1:000000000000:function:other", QueueARN: "arn:aws:sqs:eu-central-1:000000000000:more", BatchSize: 1, Pollers: &pollers{}},
		},
		Functions: map[string]gateway.Invoker{"worker": func(_ context.Context, payload []byte) ([]byte, string, error) {
			switch string(payload) {
			case `"busy"`:
				return nil, "", errors.New("Rate Exceeded")
			case `"broken"`:
				return payload, "Unhandled", nil
			default:
				return payload, "", nil
			}
		}},
	})
	front := httptest.NewServer(b.gateway)
	b.url, b.http = front.URL, front.Client()

	t.Cleanup(func() { front.Close(); tables.Close(); queues.Close(); machines.Close() })

	return b
}

// send makes one call as the owner of a key; status 0 is a connection that was cut.
func (b *bench) send(t *testing.T, key, service, target, path, body string) (int, string, http.Header) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	if target != "" {
		req.Header.Set("X-Amz-Target", target)
	}

	req.Header.Set("Authorization", signed(key, service))

	res, err := b.http.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()

	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}

	return res.StatusCode, string(text), res.Header
}

// signed is the header of a signature, of which only the names count.
func signed(key, service string) string {
	return "AWS4-HMAC-SHA256 Credential=" + key + "/20260101/eu-central-1/" + service + "/aws4_request, SignedHeaders=host, Signature=0"
}

// tables makes one DynamoDB call.
func (b *bench) tables(t *testing.T, key, operation, body string) (int, string) {
	t.Helper()

	status, text, _ := b.send(t, key, "dynamodb", "DynamoDB_20120810."+operation, "/", body)

	return status, text
}

// grants makes one statement of each pair of action and resource, so that each can be left out.
func grants(pairs ...string) []cfn.Statement {
	var all []cfn.Statement
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, cfn.Statement{Effect: "Allow", Action: []string{pairs[i]}, Resource: []string{pairs[i+1]}})
	}

	return all
}

package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"orbitq/internal/local/cfn"
)

const (
	mapped  = "7a4ec9cb-0000-5000-8000-000000000001"
	mapping = "arn:aws:lambda:eu-central-1:000000000000:event-source-mapping:" + mapped
)

// pollers are turned on and off, and may be busy with it.
type pollers struct {
	mu   sync.Mutex
	off  bool
	busy error
}

func (p *pollers) State() string {
	p.mu.Lock()
	defer p.mu.Unlock()

	return map[bool]string{true: "Disabled", false: "Enabled"}[p.off]
}

func (*pollers) Changed() time.Time { return time.UnixMilli(1_790_000_000_125).UTC() }

func (p *pollers) Switch(on bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.busy == nil {
		p.off = !on
	}

	return map[bool]string{true: "Enabling", false: "Disabling"}[on], p.busy
}

// config is that of a stock client of the worker.
func (b *bench) config() aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &b.url, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "worker-key", SecretAccessKey: "x"}, nil
		}),
	}
}

// TestAMappingIsSwitchedByAStockClient goes once around: look, disable, look, enable.
func TestAMappingIsSwitchedByAStockClient(t *testing.T) {
	t.Parallel()

	b := start(t, grants("lambda:GetEventSourceMapping", mapping, "lambda:UpdateEventSourceMapping", mapping)...)
	client := lambda.NewFromConfig(b.config())

	for _, step := range []struct {
		turn          *bool
		answer, after string
	}{{aws.Bool(false), "Disabling", "Disabled"}, {aws.Bool(false), "Disabling", "Disabled"}, {aws.Bool(true), "Enabling", "Enabled"}} {
		switched, err := client.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: aws.String(mapped), Enabled: step.turn})
		if err != nil || aws.ToString(switched.State) != step.answer {
			t.Fatalf("switch to %v: %+v, %v", *step.turn, switched, err)
		}

		got, err := client.GetEventSourceMapping(t.Context(), &lambda.GetEventSourceMappingInput{UUID: aws.String(mapped)})
		if err != nil {
			t.Fatal(err)
		}

		if aws.ToString(got.State) != step.after || aws.ToString(got.UUID) != mapped || aws.ToString(got.EventSourceMappingArn) != mapping ||
			!strings.HasSuffix(aws.ToString(got.FunctionArn), ":function:worker:live") || !strings.HasSuffix(aws.ToString(got.EventSourceArn), ":jobs") ||
			*got.BatchSize != 10 || *got.MaximumBatchingWindowInSeconds != 1 || *got.ScalingConfig.MaximumConcurrency != 5 ||
			!slices.Equal(got.FunctionResponseTypes, []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}) ||
			got.LastModified.UnixMilli() != 1_790_000_000_125 {
			t.Errorf("got %+v", got)
		}
	}

	calls := b.gateway.Counters().Calls["worker"]
	if calls["lambda:GetEventSourceMapping"] != 3 || calls["lambda:UpdateEventSourceMapping"] != 3 {
		t.Errorf("counted %v", calls)
	}
}

func TestMappingsAreListed(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, queue, function, want string }{
		{"all", "", "", mapped + " b"},
		{"of a queue", "arn:aws:sqs:eu-central-1:000000000000:jobs", "", mapped},
		{"of another queue", "arn:aws:sqs:eu-central-1:000000000000:jo", "", ""},
		{"of a function", "", "other", "b"},
		{"of a function by its alias", "", "worker:live", mapped},
		{"of a function by its ARN", "", "arn:aws:lambda:eu-central-1:000000000000:function:worker", mapped},
		{"of a function and the queue of another", "arn:aws:sqs:eu-central-1:000000000000:jobs", "other", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := start(t, grants("lambda:ListEventSourceMappings", "*")...)

			in := &lambda.ListEventSourceMappingsInput{}
			if c.queue != "" {
				in.EventSourceArn = &c.queue
			}

			if c.function != "" {
				in.FunctionName = &c.function
			}

			out, err := lambda.NewFromConfig(b.config()).ListEventSourceMappings(t.Context(), in)
			if err != nil || out.NextMarker != nil {
				t.Fatal(out, err)
			}

			var found []string
			for i := range out.EventSourceMappings {
				found = append(found, *out.EventSourceMappings[i].UUID)
			}

			if got := strings.Join(found, " "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestWhatTheControlOfMappingsRefuses(t *testing.T) {
	t.Parallel()

	const path = "/2015-03-31/event-source-mappings/"

	for _, c := range []struct {
		name, method, uuid, body string
		busy                     error
		status                   int
		want                     string
	}{
		{"unknown, read", "GET", "nobody", "", nil, 404, "ResourceNotFoundException"},
		{"unknown, switched", "PUT", "nobody", `{"Enabled":true}`, nil, 404, "ResourceNotFoundException"},
		{"no order", "PUT", mapped, `{}`, nil, 400, "InvalidParameterValueException"},
		{"an order that is none", "PUT", mapped, `{"Enabled":"no"}`, nil, 400, "InvalidParameterValueException"},
		{"not JSON", "PUT", mapped, `{`, nil, 400, "InvalidParameterValueException"},
		{"another batch size", "PUT", mapped, `{"Enabled":false,"BatchSize":1}`, nil, 400, "BatchSize cannot be changed"},
		{"on its way", "PUT", mapped, `{"Enabled":false}`, errors.New("it is in use"), 400, "ResourceInUseException"},
		{"deleted", "DELETE", mapped, "", nil, 400, "InvalidRequestContentException"},
		{"made", "POST", "", "{}", nil, 400, "InvalidRequestContentException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := start(t)
			b.pollers.busy = c.busy

			if status, text := b.lambda(t, "operator", c.method, path+c.uuid, c.body); status != c.status || !strings.Contains(text, c.want) {
				t.Errorf("got %d %s, want %d %s", status, text, c.status, c.want)
			}

			if got := b.pollers.State(); got != "Enabled" {
				t.Errorf("it is %s now", got)
			}
		})
	}
}

func TestTheControlOfMappingsNeedsItsPermission(t *testing.T) {
	t.Parallel()

	const path = "/2015-03-31/event-source-mappings/"

	own := func(function string) cfn.Statement {
		return cfn.Statement{
			Effect: "Allow", Action: []string{"lambda:UpdateEventSourceMapping"}, Resource: []string{"*"},
			Condition: map[string]map[string]any{"ArnLike": {"lambda:FunctionArn": "arn:aws:lambda:*:*:function:" + function + ":live"}},
		}
	}

	// As the template has it: the function itself, or a version or alias of it.
	listed := func(function string) cfn.Statement {
		s, arn := own(function), "arn:aws:lambda:eu-central-1:000000000000:function:"+function
		s.Condition = map[string]map[string]any{"ArnLike": {"lambda:FunctionArn": []any{arn, arn + ":*"}}}

		return s
	}

	for _, c := range []struct {
		name, method, uuid string
		may                []cfn.Statement
		status             int
		needs              string
	}{
		{"reading", "GET", mapped, grants("lambda:GetEventSourceMapping", mapping), 200, ""},
		{"reading another", "GET", "b", grants("lambda:GetEventSourceMapping", mapping), 403, "lambda:GetEventSourceMapping on resource: arn:aws:lambda:eu-central-1:000000000000:event-source-mapping:b"},
		{"reading is not switching", "PUT", mapped, grants("lambda:GetEventSourceMapping", mapping), 403, "lambda:UpdateEventSourceMapping on resource: " + mapping},
		{"the function's ARN is not the mapping's", "PUT", mapped, grants("lambda:*", "arn:aws:lambda:eu-central-1:000000000000:function:worker"), 403, "lambda:UpdateEventSourceMapping"},
		{"by the function", "PUT", mapped, []cfn.Statement{own("worker")}, 202, ""},
		{"by another function", "PUT", mapped, []cfn.Statement{own("enrich")}, 403, "lambda:UpdateEventSourceMapping"},
		{"by an alias of the function", "PUT", mapped, []cfn.Statement{listed("worker")}, 202, ""},
		{"by an alias of another function", "PUT", mapped, []cfn.Statement{listed("enrich")}, 403, "lambda:UpdateEventSourceMapping"},
		{"by a function whose name begins alike", "PUT", mapped, []cfn.Statement{listed("work")}, 403, "lambda:UpdateEventSourceMapping"},
		{"a list", "GET", "", grants("lambda:ListEventSourceMappings", "*"), 200, ""},
		{"a list is about everything", "GET", "", grants("lambda:ListEventSourceMappings", mapping), 403, "lambda:ListEventSourceMappings on resource: *"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			status, text := start(t, c.may...).lambda(t, "worker-key", c.method, path+c.uuid, `{"Enabled":false}`)
			if status != c.status || c.needs != "" && !strings.Contains(text, "not authorized to perform: "+c.needs) {
				t.Errorf("got %d %s, want %d %s", status, text, c.status, c.needs)
			}
		})
	}
}

// lambda makes one call of Lambda's API.
func (b *bench) lambda(t *testing.T, key, method, path, body string) (int, string) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	req.Header.Set("Authorization", signed(key, "lambda"))

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

package account_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"orbitq/internal/account"
	"orbitq/internal/job"
)

// call is one request of an SDK.
type call struct{ line, body string }

// service answers every request alike, and keeps them in order. It is asked by one
// test at a time.
type service struct {
	status int
	answer string
	calls  []call
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		http.Error(w, "unsigned", http.StatusForbidden)
		return
	}
	s.calls = append(s.calls, call{r.Method + " " + r.URL.Path, string(body)})
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.answer)
}

// serve starts a service and returns what a client needs to reach it.
func serve(t *testing.T, s *service) (base *string, keys aws.CredentialsProvider) {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return &web.URL, aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "key"}, nil
	})
}

// newMappings returns mappings of one queue over a service.
func newMappings(t *testing.T, s *service) *account.Mappings {
	t.Helper()
	base, keys := serve(t, s)
	client := lambda.New(lambda.Options{Region: "eu-central-1", BaseEndpoint: base, Retryer: aws.NopRetryer{}, Credentials: keys})
	return account.NewMappings(client, map[string]string{"low": "uuid-low", "high": "uuid-high"})
}

func TestMappings(t *testing.T) {
	t.Parallel()
	const path = "/2015-03-31/event-source-mappings/"
	enable := func(enabled bool) func(context.Context, *account.Mappings, string) (string, error) {
		return func(ctx context.Context, m *account.Mappings, queue string) (string, error) {
			return m.SetEnabled(ctx, queue, enabled)
		}
	}
	look := func(ctx context.Context, m *account.Mappings, queue string) (string, error) {
		return m.Feed(ctx, queue)
	}
	for _, c := range []struct {
		name   string
		do     func(context.Context, *account.Mappings, string) (string, error)
		queue  string
		status int
		answer string
		want   string
		code   job.Code // empty for none
		calls  []call
	}{
		{"pause", enable(false), "low", 202, `{"State":"Disabling"}`, "disabling", "", []call{{"PUT " + path + "uuid-low", `{"Enabled":false}`}}},
		{"resume", enable(true), "high", 202, `{"State":"Enabling"}`, "enabling", "", []call{{"PUT " + path + "uuid-high", `{"Enabled":true}`}}},
		{"resume what is", enable(true), "low", 202, `{"State":"Enabled"}`, "enabled", "", []call{{"PUT " + path + "uuid-low", `{"Enabled":true}`}}},
		{"look", look, "low", 200, `{"State":"Disabled"}`, "disabled", "", []call{{"GET " + path + "uuid-low", ""}}},
		{"no state in the answer", look, "low", 200, `{}`, "", "", []call{{"GET " + path + "uuid-low", ""}}},
		{"pause no queue", enable(false), "default", 202, `{}`, "", job.NotFound, nil},
		{"look at no queue", look, "", 200, `{}`, "", job.NotFound, nil},
		{"a change is under way", enable(false), "low", 400, `{"Type":"User","message":"in use"}`, "", job.Unavailable, []call{{"PUT " + path + "uuid-low", `{"Enabled":false}`}}},
		{"the service is down", look, "low", 503, `{}`, "", job.Unavailable, []call{{"GET " + path + "uuid-low", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &service{status: c.status, answer: c.answer}
			got, err := c.do(t.Context(), newMappings(t, s), c.queue)
			if got != c.want || (err != nil) != (c.code != "") || err != nil && job.CodeOf(err) != c.code {
				t.Errorf("got %q, %v", got, err)
			}
			if err != nil && !strings.Contains(err.Error(), c.queue) {
				t.Errorf("%v does not say which queue", err)
			}
			if !reflect.DeepEqual(s.calls, c.calls) {
				t.Errorf("asked %q, want %q", s.calls, c.calls)
			}
		})
	}
}

// death is an event with all that one has.
func death() job.Event {
	return job.Death(&job.Job{
		ID: job.DerivedID("j"), Generation: 2, Kind: "enrich", Owner: "o", Point: "p", Queue: "low", Code: job.InvalidRequest,
		Reason: `the "reason" & <more>`, Print: "f00d", Attempts: 3, Finished: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC),
	})
}

// newTopic returns a topic over a service.
func newTopic(t *testing.T, s *service) *account.Topic {
	t.Helper()
	base, keys := serve(t, s)
	client := sns.New(sns.Options{Region: "eu-central-1", BaseEndpoint: base, Retryer: aws.NopRetryer{}, Credentials: keys})
	return account.NewTopic(client, "arn:aws:sns:eu-central-1:123456789012:operators")
}

// TestAnEventWithoutCodeOrQueueIsPublished: SNS refuses attributes without a value, and subjects that end in a blank.
func TestAnEventWithoutCodeOrQueueIsPublished(t *testing.T) {
	t.Parallel()
	s := &service{status: 200, answer: `<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>`}
	if err := newTopic(t, s).Tell(t.Context(), job.Event{ID: "n", Type: "enrichment.succeeded"}); err != nil {
		t.Fatal(err)
	}
	form, err := url.ParseQuery(s.calls[0].body)
	if err != nil || form.Get("Subject") != "enrichment.succeeded" || form.Get("MessageAttributes.entry.1.Value.StringValue") != "enrichment.succeeded" || form.Has("MessageAttributes.entry.2.Name") {
		t.Errorf("published %v, %v", form, err)
	}
}

// TestAnEventIsPublishedWhole: listeners get every field, and can filter by some.
func TestAnEventIsPublishedWhole(t *testing.T) {
	t.Parallel()
	s := &service{status: 200, answer: `<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>`}
	e := death()
	if err := newTopic(t, s).Tell(t.Context(), e); err != nil || len(s.calls) != 1 {
		t.Fatalf("%d calls, %v", len(s.calls), err)
	}
	form, err := url.ParseQuery(s.calls[0].body)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Action": "Publish", "TopicArn": "arn:aws:sns:eu-central-1:123456789012:operators", "Subject": "job.dead INVALID_REQUEST"} {
		if got := form.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	var told map[string]any
	if err := json.Unmarshal([]byte(form.Get("Message")), &told); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": e.ID, "type": "job.dead", "at": "2026-03-15T12:00:00Z", "job_id": e.Job, "generation": 2.0, "kind": "enrich", "owner": "o",
		"data_point_id": "p", "queue": "low", "code": "INVALID_REQUEST", "reason": e.Reason, "fingerprint": "f00d", "attempts": 3.0,
	}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("told %v\nwant %v", told, want)
	}
	filters := map[string]string{}
	for i := 1; form.Has(fmt.Sprintf("MessageAttributes.entry.%d.Name", i)); i++ {
		at := fmt.Sprintf("MessageAttributes.entry.%d.", i)
		filters[form.Get(at+"Name")] = form.Get(at+"Value.DataType") + " " + form.Get(at+"Value.StringValue")
	}
	if wantFilters := map[string]string{"type": "String job.dead", "code": "String INVALID_REQUEST", "queue": "String low"}; !reflect.DeepEqual(filters, wantFilters) {
		t.Errorf("filters %v, want %v", filters, wantFilters)
	}
}

// TestAnEventThatCannotBePublishedIsAnError, so that it stays in the outbox.
func TestAnEventThatCannotBePublishedIsAnError(t *testing.T) {
	t.Parallel()
	late := death()
	late.At = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) // JSON has no such year
	for _, c := range []struct {
		name   string
		event  job.Event
		status int
		answer string
		words  string
		calls  int
	}{
		{"no such topic", death(), 404, `<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>no topic</Message></Error></ErrorResponse>`, "no topic", 1},
		{"the service is down", death(), 503, "", "publish event", 1},
		{"a year that cannot be said", late, 200, "", "encode event", 0},
	} {
		s := &service{status: c.status, answer: c.answer}
		if err := newTopic(t, s).Tell(t.Context(), c.event); err == nil || !strings.Contains(err.Error(), c.words) || len(s.calls) != c.calls {
			t.Errorf("%s: %v after %d calls", c.name, err, len(s.calls))
		}
	}
}

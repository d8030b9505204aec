package sqsqueue_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/query"
	"orbitq/internal/sqsqueue"
)

// answering is a client of an SQS that says the same to every call, and the times that
// it was asked.
func answering(t *testing.T, status int, body string) (client *sqs.Client, asked *int) {
	t.Helper()
	asked = new(int)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		*asked++
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(web.Close)
	return sqs.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &web.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}), asked
}

// TestSomeOfManyAreRefused: SQS names them, and the others are sent.
func TestSomeOfManyAreRefused(t *testing.T) {
	t.Parallel()
	c, asked := answering(t, http.StatusOK, `{"Successful":[],"Failed":[
		{"Id":"1","Code":"InternalError","Message":"later","SenderFault":false},
		{"Id":"x","Code":"InternalError","SenderFault":false},{"Id":"99","Code":"InternalError","SenderFault":false}]}`)
	q := sqsqueue.New(c, map[string]string{"default": "http://queue/0/a"})
	errs := q.SendMany(t.Context(), "default", make([]intake.Outgoing, 3))
	if errs[0] != nil || errs[2] != nil || job.CodeOf(errs[1]) != job.Throttled || !strings.Contains(errs[1].Error(), "InternalError later") || *asked != 1 {
		t.Errorf("asked %d times: %v", *asked, errs)
	}
}

// TestSendsAreNotRepeatedByTheClient: a ticket belongs to one physical send.
func TestSendsAreNotRepeatedByTheClient(t *testing.T) {
	t.Parallel()
	c, asked := answering(t, http.StatusInternalServerError, `{"__type":"InternalError"}`)
	q := sqsqueue.New(c, map[string]string{"default": "http://queue/0/a"})
	if err := q.Send(t.Context(), "default", job.Message{}, 0); err == nil || *asked != 1 {
		t.Errorf("send: asked %d times, %v", *asked, err)
	}
	if errs := q.SendMany(t.Context(), "default", make([]intake.Outgoing, 1)); errs[0] == nil || *asked != 2 {
		t.Errorf("send many: asked %d times, %v", *asked, errs)
	}
}

func TestDepthOfAQueue(t *testing.T) {
	t.Parallel()
	b, ok := open(t).(*bench)
	if !ok {
		t.Fatal("open gives no bench")
	}
	for ticket, delay := range []time.Duration{0, 0, 0, time.Minute} {
		if err := b.Send(t.Context(), "default", job.Message{Version: 1, Job: job.DerivedID("depth"), Ticket: ticket + 1}, delay); err != nil {
			t.Fatal(err)
		}
	}
	out, err := b.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &b.url, MaxNumberOfMessages: 1})
	if err != nil || len(out.Messages) != 1 {
		t.Fatal(out, err)
	}
	if got, err := b.Depth(t.Context(), "default"); err != nil || got != (query.Depth{Waiting: 2, InFlight: 1, Delayed: 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := b.Depth(t.Context(), "none"); job.CodeOf(err) != job.NotFound {
		t.Errorf("no such queue: %v", err)
	}
	odd, _ := answering(t, http.StatusOK, `{"Attributes":{"ApproximateNumberOfMessages":"some","ApproximateNumberOfMessagesDelayed":"3"}}`)
	q := sqsqueue.New(odd, map[string]string{"low": "http://queue/0/a"})
	if got, err := q.Depth(t.Context(), "low"); err != nil || got != (query.Depth{Delayed: 3}) {
		t.Errorf("odd numbers are %+v, %v", got, err)
	}
	denied, _ := answering(t, http.StatusBadRequest, `{"__type":"AccessDenied"}`)
	q = sqsqueue.New(denied, map[string]string{"low": "http://queue/0/a"})
	if _, err := q.Depth(t.Context(), "low"); err == nil || !strings.Contains(err.Error(), "read queue attributes") {
		t.Errorf("denied: %v", err)
	}
}

// TestMoveTasks: only one that goes on is in the sweep's way.
func TestMoveTasks(t *testing.T) {
	t.Parallel()
	for tasks, want := range map[string]bool{
		``: false, `{"Status":"COMPLETED"}`: false, `{"Status":"FAILED"},{"Status":"CANCELLED"}`: false,
		`{"Status":"COMPLETED"},{"Status":"RUNNING"}`: true, `{"Status":"CANCELLING"}`: true,
	} {
		c, _ := answering(t, http.StatusOK, `{"Results":[`+tasks+`]}`)
		if got, err := sqsqueue.NewDeadLetters(c, "http://queue/0/d", "arn:aws:sqs:eu-central-1:0:d").Moving(t.Context()); err != nil || got != want {
			t.Errorf("%s: moving %v, %v", tasks, got, err)
		}
	}
}

// TestALetterWithoutNumbers is read all the same: its body decides.
func TestALetterWithoutNumbers(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, http.StatusOK, `{"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"b","MD5OfBody":"92eb5ffee6ae2fec3ad71c777531578f","Attributes":{"SentTimestamp":"then"}}]}`)
	got, err := sqsqueue.NewDeadLetters(c, "http://queue/0/d", "arn:aws:sqs:eu-central-1:0:d").Receive(t.Context())
	if err != nil || len(got) != 1 || got[0].Body != "b" || got[0].Receives != 0 || got[0].Sent.UnixMilli() != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

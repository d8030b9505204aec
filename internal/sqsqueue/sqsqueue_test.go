package sqsqueue_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orbitq/internal/deadletter"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/local/enginestest"
	"orbitq/internal/queuetest"
	"orbitq/internal/sqsqueue"
	"orbitq/internal/worker"
)

// engines owns the engines of this test binary.
var engines enginestest.Bench

func TestMain(m *testing.M) {
	code := m.Run()
	engines.Close()
	os.Exit(code)
}

// bench is a queue of its own on the real engine.
type bench struct {
	*sqsqueue.Queues
	client         *sqs.Client
	url, deadURL   string
	name, arn, dlq string
}

func client(t *testing.T) *sqs.Client {
	t.Helper()
	endpoint := engines.ForTest(t).SQS
	return sqs.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

// create makes a queue and returns its URL and ARN.
func create(t *testing.T, c *sqs.Client, name string, attributes map[string]string) (url, arn string) {
	t.Helper()
	made, err := c.CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatalf("create queue: %v", err)
	}
	got, err := c.GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{
		QueueUrl: made.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatalf("queue attributes: %v", err)
	}
	return *made.QueueUrl, got.Attributes["QueueArn"]
}

func open(t *testing.T) queuetest.Bench {
	t.Helper()
	c := client(t)
	name := "q-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	deadURL, deadARN := create(t, c, name+"-dlq", map[string]string{"VisibilityTimeout": "60"})
	url, arn := create(t, c, name, map[string]string{
		"VisibilityTimeout": strconv.Itoa(int(queuetest.Visibility.Seconds())),
		"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, deadARN, queuetest.MaxReceives),
	})
	return &bench{
		Queues: sqsqueue.New(c, map[string]string{"default": url}), client: c,
		url: url, deadURL: deadURL, name: name, arn: arn, dlq: deadARN,
	}
}

// receive takes up to ten messages.
func (b *bench) receive(t *testing.T, wait time.Duration) []worker.Delivery {
	t.Helper()
	out, err := b.client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
		QueueUrl: &b.url, MaxNumberOfMessages: 10, WaitTimeSeconds: int32(wait.Seconds()),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	got := make([]worker.Delivery, 0, len(out.Messages))
	for i := range out.Messages {
		m := &out.Messages[i]
		sent, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		count, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, worker.Delivery{
			MessageID: *m.MessageId, Source: b.name, Receipt: *m.ReceiptHandle, Body: *m.Body, Sent: time.UnixMilli(sent), Receives: count,
		})
	}
	return got
}

func (b *bench) Now(t *testing.T) []worker.Delivery {
	t.Helper()
	return b.receive(t, 0)
}

func (b *bench) Soon(t *testing.T, within time.Duration) []worker.Delivery {
	t.Helper()
	return b.receive(t, within)
}

func (b *bench) Acknowledge(t *testing.T, d *worker.Delivery) {
	t.Helper()
	if _, err := b.client.DeleteMessage(context.Background(), &sqs.DeleteMessageInput{QueueUrl: &b.url, ReceiptHandle: &d.Receipt}); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

func (b *bench) Dead() deadletter.Queue { return sqsqueue.NewDeadLetters(b.client, b.deadURL, b.dlq) }

func (b *bench) Redrive(t *testing.T) {
	t.Helper()
	if _, err := b.client.StartMessageMoveTask(context.Background(), &sqs.StartMessageMoveTaskInput{SourceArn: &b.dlq, DestinationArn: &b.arn}); err != nil {
		t.Fatalf("start move task: %v", err)
	}
	for {
		moving, err := b.Dead().Moving(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !moving {
			return
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, open)
}

func TestUnknownNamesAreRefused(t *testing.T) {
	t.Parallel()
	q := sqsqueue.New(client(t), map[string]string{"default": "http://127.0.0.1:1/0/a"})
	if err := q.Send(context.Background(), "none", job.Message{}, 0); job.CodeOf(err) != job.Internal {
		t.Errorf("send: %v", err)
	}
	if err := q.Hide(context.Background(), "b", "r", 0); job.CodeOf(err) != job.Internal {
		t.Errorf("hide: %v", err)
	}
}

func TestAnUnreachableQueueIsAnErrorEverywhere(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := client(t)
	q := sqsqueue.New(c, map[string]string{"default": "http://127.0.0.1:1/0/a"})
	dead := sqsqueue.NewDeadLetters(c, "http://127.0.0.1:1/0/d", "arn:aws:sqs:eu-central-1:0:d")
	_, moving := dead.Moving(ctx)
	_, received := dead.Receive(ctx)
	for name, err := range map[string]error{
		"send": q.Send(ctx, "default", job.Message{}, 0), "hide": q.Hide(ctx, "a", "r", 0), "moving": moving,
		"receive": received, "delete": dead.Delete(ctx, "r"), "return": dead.Return(ctx, "r"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestManyMessagesGoInBatchesOfTen(t *testing.T) {
	t.Parallel()
	b, ok := open(t).(*bench)
	if !ok {
		t.Fatal("open gives no bench")
	}
	var out []intake.Outgoing
	for ticket := range 23 {
		out = append(out, intake.Outgoing{Message: job.Message{Version: 1, Job: job.DerivedID("many"), Ticket: ticket + 1}})
	}
	for i, err := range b.SendMany(t.Context(), "default", out) {
		if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	seen := map[int]bool{}
	for len(seen) < len(out) {
		got := b.Soon(t, 5*time.Second)
		if len(got) == 0 {
			t.Fatalf("%d of %d arrived", len(seen), len(out))
		}
		for i := range got {
			m, err := job.DecodeMessage(got[i].Body)
			if err != nil {
				t.Fatal(err)
			}
			seen[m.Ticket] = true
			b.Acknowledge(t, &got[i])
		}
	}
}

func TestManyMessagesThatCannotBeSentAreNamedOneByOne(t *testing.T) {
	t.Parallel()
	out := make([]intake.Outgoing, 12)
	q := sqsqueue.New(client(t), map[string]string{"default": "http://127.0.0.1:1/0/a"})
	for _, queue := range []string{"none", "default"} {
		errs := q.SendMany(t.Context(), queue, out)
		for i, err := range errs {
			if err == nil || len(errs) != len(out) {
				t.Errorf("%s %d: %v", queue, i, err)
			}
		}
	}
}

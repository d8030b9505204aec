package engines_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orbitq/internal/local/engines"
)

// queues is a work queue with its dead letter queue, on an engine of its own.
type queues struct {
	*sqs.Client
	work, dead, deadARN string
}

func newQueues(t *testing.T, maxReceives int) queues {
	t.Helper()

	e, err := engines.ElasticMQ(t.Context(), installed(t))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})

	q := queues{Client: sqs.NewFromConfig(config(e.URL))}
	create := func(name string, attributes map[string]string) string {
		out, err := q.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}

		return aws.ToString(out.QueueUrl)
	}

	q.deadARN = "arn:aws:sqs:eu-central-1:" + engines.Account + ":dead"
	q.dead = create("dead", map[string]string{"VisibilityTimeout": "30"})
	q.work = create("work", map[string]string{
		"VisibilityTimeout": "30", "RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, q.deadARN, maxReceives),
	})

	return q
}

func (q queues) send(t *testing.T, url, body string) {
	t.Helper()

	if _, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}

// receive waits up to a second for one message.
func (q queues) receive(t *testing.T, url string) (types.Message, bool) {
	t.Helper()

	out, err := q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &url, WaitTimeSeconds: 1, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}

	if len(out.Messages) == 0 {
		return types.Message{}, false
	}

	return out.Messages[0], true
}

// release makes a received message visible again.
func (q queues) release(t *testing.T, url string, m types.Message) {
	t.Helper()

	if _, err := q.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
}

// TestAMessageDiesAfterItsLastReceive: what was received too often goes to the dead letter queue, and a redrive brings
// it back as new.
func TestAMessageDiesAfterItsLastReceive(t *testing.T) {
	t.Parallel()

	q := newQueues(t, 2)
	q.send(t, q.work, "body")

	var first types.Message

	for i := range 2 {
		m, ok := q.receive(t, q.work)
		if !ok || m.Attributes["ApproximateReceiveCount"] != strconv.Itoa(i+1) {
			t.Fatalf("receive %d: %v", i+1, m.Attributes)
		}

		first = m

		q.release(t, q.work, m)
	}

	if m, ok := q.receive(t, q.work); ok {
		t.Fatalf("received once more: %v", m.Attributes)
	}

	dead, ok := q.receive(t, q.dead)
	if !ok || aws.ToString(dead.Body) != "body" || aws.ToString(dead.MessageId) != aws.ToString(first.MessageId) {
		t.Fatalf("dead letter: %+v", dead)
	}

	// As on AWS, a move by the redrive policy keeps the time of sending.
	if dead.Attributes["SentTimestamp"] != first.Attributes["SentTimestamp"] {
		t.Errorf("sent %s, dead %s", first.Attributes["SentTimestamp"], dead.Attributes["SentTimestamp"])
	}

	q.release(t, q.dead, dead)

	if _, err := q.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &q.deadARN}); err != nil {
		t.Fatal(err)
	}

	var again types.Message
	for deadline := time.Now().Add(20 * time.Second); !ok || again.Body == nil; again, ok = q.receive(t, q.work) {
		if time.Now().After(deadline) {
			t.Fatal("the redrive brought nothing back")
		}
	}

	if again.Attributes["ApproximateReceiveCount"] != "1" || again.Attributes["SentTimestamp"] == first.Attributes["SentTimestamp"] {
		t.Errorf("after the redrive: %v", again.Attributes)
	}

	// The difference: AWS makes a new message, with an id of its own.
	if aws.ToString(again.MessageId) != aws.ToString(first.MessageId) {
		t.Error("a redrive makes a new id now: say so in docs/fidelity.md")
	}
}

// TestAHiddenMessageComesBack by its own time.
func TestAHiddenMessageComesBack(t *testing.T) {
	t.Parallel()

	q := newQueues(t, 5)
	q.send(t, q.work, "body")

	m, _ := q.receive(t, q.work)
	if _, err := q.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.work, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 2,
	}); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	if _, ok := q.receive(t, q.work); ok {
		t.Error("a hidden message was received")
	}

	for ok := false; !ok; _, ok = q.receive(t, q.work) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("it never came back")
		}
	}

	// The first receipt is stale now. The difference: AWS answers OK and may delete nothing, the engine says so.
	var stale *types.ReceiptHandleIsInvalid
	if _, err := q.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &q.work, ReceiptHandle: m.ReceiptHandle}); !errors.As(err, &stale) {
		t.Errorf("delete by a stale receipt: %v; say so in docs/fidelity.md", err)
	}
}

// TestADelayedMessageComesLater, and the relay counts on it.
func TestADelayedMessageComesLater(t *testing.T) {
	t.Parallel()

	q := newQueues(t, 5)

	began := time.Now()
	if _, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.work, MessageBody: aws.String("later"), DelaySeconds: 2}); err != nil {
		t.Fatal(err)
	}

	for ok := false; !ok; _, ok = q.receive(t, q.work) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("it never came")
		}
	}

	if took := time.Since(began); took < 1900*time.Millisecond {
		t.Errorf("it came after %v", took)
	}
}

// TestLimitsOfTheQueue: what AWS refuses must not work here either.
func TestLimitsOfTheQueue(t *testing.T) {
	t.Parallel()

	q := newQueues(t, 5)

	for _, c := range []struct {
		name string
		call func() error
	}{
		{"delay beyond 15 minutes", func() error {
			_, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.work, MessageBody: aws.String("x"), DelaySeconds: 901})

			return err
		}},
		{"characters that XML lacks", func() error {
			_, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.work, MessageBody: aws.String("\x00")})

			return err
		}},
		{"more than ten at once", func() error {
			_, err := q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.work, MaxNumberOfMessages: 11})

			return err
		}},
		{"a receipt that nobody gave", func() error {
			_, err := q.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &q.work, ReceiptHandle: aws.String("x")})

			return err
		}},
		{"a queue that is not there", func() error {
			_, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(q.work + "x"), MessageBody: aws.String("x")})

			return err
		}},
	} {
		if c.call() == nil {
			t.Errorf("%s works", c.name)
		}
	}

	_, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(q.work + "x"), MessageBody: aws.String("x")})
	if _, ok := errors.AsType[*types.QueueDoesNotExist](err); !ok {
		t.Errorf("a queue that is not there: %v", err)
	}
}

// TestTheLargestMessage: AWS takes 1 MiB since 2025.
func TestTheLargestMessage(t *testing.T) {
	t.Parallel()

	q := newQueues(t, 5)

	for _, c := range []struct {
		size int
		ok   bool
	}{{1 << 20, true}, {1<<20 + 1, false}} {
		_, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.work, MessageBody: aws.String(strings.Repeat("x", c.size))})
		if (err == nil) != c.ok {
			t.Errorf("%d bytes: %v", c.size, err)
		}
	}
}

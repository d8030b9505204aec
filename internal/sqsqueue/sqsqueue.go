// Package sqsqueue is the queue ports on SQS: the work queues (send, hide) and
// the dead letter queue (receive, return, delete, move tasks).
//
// It promises that one Send is one physical send: the SDK's retries are off for
// SendMessage, because a repeated send would put two messages with one ticket
// into the queue. A send whose reply was lost is repeated by the relay, with a
// ticket of its own. Receiving from the work queues is the event source
// mapping's business, not this package's.
package sqsqueue

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orbitq/internal/deadletter"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/query"
	"orbitq/internal/relay"
	"orbitq/internal/worker"
)

// Compile-time proof that the queues serve every use case.
var (
	_ intake.Sender     = (*Queues)(nil)
	_ intake.BulkSender = (*Queues)(nil)
	_ relay.Sender      = (*Queues)(nil)
	_ worker.Queue      = (*Queues)(nil)
	_ deadletter.Queue  = (*DeadLetters)(nil)
	_ query.Queues      = (*Queues)(nil)
)

// maxVisibility is the longest that SQS hides a message.
const maxVisibility = 12 * time.Hour

// Queues are the work queues.
type Queues struct {
	client *sqs.Client
	urls   map[string]string // high, default, low -> URL
}

// New returns the work queues with their URLs by name.
func New(client *sqs.Client, urls map[string]string) *Queues {
	return &Queues{client: client, urls: urls}
}

// Send implements the senders; delay is rounded up to seconds and capped at the
// 15 minutes of SQS.
func (q *Queues) Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error {
	url, ok := q.urls[queue]
	if !ok {
		return job.Errorf(job.Internal, "no queue named %q", queue)
	}
	body := m.Encode()
	_, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &url, MessageBody: &body, DelaySeconds: seconds(min(delay, job.MaxDelay)),
	}, func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// batchSize is the most messages that SQS takes at once.
const batchSize = 10

// SendMany implements intake.BulkSender: ten messages per request, each of them
// sent once, as in Send.
func (q *Queues) SendMany(ctx context.Context, queue string, all []intake.Outgoing) []error {
	errs := make([]error, len(all))
	url, ok := q.urls[queue]
	if !ok {
		for i := range errs {
			errs[i] = job.Errorf(job.Internal, "no queue named %q", queue)
		}
		return errs
	}
	for from := 0; from < len(all); from += batchSize {
		to := min(from+batchSize, len(all))
		q.sendBatch(ctx, url, all[from:to], errs[from:to])
	}
	return errs
}

// sendBatch sends up to batchSize messages; SQS may refuse some of them.
func (q *Queues) sendBatch(ctx context.Context, url string, all []intake.Outgoing, errs []error) {
	entries := make([]types.SendMessageBatchRequestEntry, len(all))
	for i := range all {
		id, body := strconv.Itoa(i), all[i].Message.Encode()
		entries[i] = types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body, DelaySeconds: seconds(min(all[i].Delay, job.MaxDelay))}
	}
	out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries},
		func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		for i := range errs {
			errs[i] = fmt.Errorf("send messages: %w", err)
		}
		return
	}
	for i := range out.Failed {
		f := &out.Failed[i]
		if n, err := strconv.Atoi(aws.ToString(f.Id)); err == nil && n >= 0 && n < len(errs) {
			errs[n] = job.Errorf(job.Throttled, "SQS refused a message: %s %s", aws.ToString(f.Code), aws.ToString(f.Message))
		}
	}
}

// Depth implements query.Queues.
func (q *Queues) Depth(ctx context.Context, queue string) (query.Depth, error) {
	url, ok := q.urls[queue]
	if !ok {
		return query.Depth{}, job.Errorf(job.NotFound, "no queue named %q", queue)
	}
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}})
	if err != nil {
		return query.Depth{}, fmt.Errorf("read queue attributes: %w", err)
	}
	count := func(name types.QueueAttributeName) int {
		n, err := strconv.Atoi(out.Attributes[string(name)])
		if err != nil {
			return 0
		}
		return n
	}
	return query.Depth{
		Waiting: count(types.QueueAttributeNameApproximateNumberOfMessages), InFlight: count(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		Delayed: count(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
	}, nil
}

// Hide implements worker.Queue. source is the queue's name as its ARN ends.
func (q *Queues) Hide(ctx context.Context, source, receipt string, d time.Duration) error {
	for _, url := range q.urls {
		if strings.HasSuffix(url, "/"+source) {
			return setVisibility(ctx, q.client, url, receipt, min(d, maxVisibility))
		}
	}
	return job.Errorf(job.Internal, "no queue with the name %q", source)
}

// DeadLetters is the dead letter queue.
type DeadLetters struct {
	client *sqs.Client
	url    string
	arn    string
}

// NewDeadLetters returns the dead letter queue.
func NewDeadLetters(client *sqs.Client, url, arn string) *DeadLetters {
	return &DeadLetters{client: client, url: url, arn: arn}
}

// Moving implements deadletter.Queue.
func (q *DeadLetters) Moving(ctx context.Context) (bool, error) {
	out, err := q.client.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: &q.arn})
	if err != nil {
		return false, fmt.Errorf("list move tasks: %w", err)
	}
	for i := range out.Results {
		if s := aws.ToString(out.Results[i].Status); s == "RUNNING" || s == "CANCELLING" {
			return true, nil
		}
	}
	return false, nil
}

// Receive implements deadletter.Queue. The queue's own visibility timeout hides
// the letters while the sweep lasts.
func (q *DeadLetters) Receive(ctx context.Context) ([]deadletter.Letter, error) {
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		return nil, fmt.Errorf("receive messages: %w", err)
	}
	letters := make([]deadletter.Letter, 0, len(out.Messages))
	for i := range out.Messages {
		m := &out.Messages[i]
		letters = append(letters, deadletter.Letter{
			MessageID: aws.ToString(m.MessageId), Receipt: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body),
			Sent:     millis(m.Attributes["SentTimestamp"]),
			Receives: int(number(m.Attributes["ApproximateReceiveCount"])),
			Source:   m.Attributes["DeadLetterQueueSourceArn"],
		})
	}
	return letters, nil
}

// Delete implements deadletter.Queue.
func (q *DeadLetters) Delete(ctx context.Context, receipt string) error {
	_, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &receipt})
	if err != nil {
		return fmt.Errorf("delete message: %w", err)
	}
	return nil
}

// Return implements deadletter.Queue.
func (q *DeadLetters) Return(ctx context.Context, receipt string) error {
	return setVisibility(ctx, q.client, q.url, receipt, 0)
}

// setVisibility makes a received message visible again after d.
func setVisibility(ctx context.Context, c *sqs.Client, url, receipt string, d time.Duration) error {
	_, err := c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: &receipt, VisibilityTimeout: seconds(d),
	})
	if err != nil {
		return fmt.Errorf("change visibility: %w", err)
	}
	return nil
}

// seconds rounds up: a message that comes a moment too early only costs a
// receive.
func seconds(d time.Duration) int32 {
	return int32(math.Ceil(max(d, 0).Seconds()))
}

// millis reads a time in milliseconds since 1970, as SQS stamps it.
func millis(s string) time.Time { return time.UnixMilli(number(s)).UTC() }

// number reads an integer; SQS never sends anything else here.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

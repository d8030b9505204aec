package trigger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// HTTPQueue is a queue behind the JSON protocol of SQS, for endpoints that do not check signatures.
type HTTPQueue struct {
	Endpoint string // where requests go
	URL      string // the queue's own URL
	Region   string
	// AccessKey is named in the Authorization header, so that the endpoint knows whose role polls.
	AccessKey string
	Client    *http.Client // without a timeout below the long poll's; default http.DefaultClient
}

var _ Queue = (*HTTPQueue)(nil)

// received is a message as SQS writes it; the event has the same under names that begin in lower case.
type received struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	Body                   string
	MD5OfBody              string
	MD5OfMessageAttributes string
	Attributes             map[string]string
	MessageAttributes      map[string]struct {
		StringValue *string
		BinaryValue []byte
		DataType    string
	}
}

// Receive implements Queue. Waits are rounded up to whole seconds, which is all that SQS knows.
func (q *HTTPQueue) Receive(ctx context.Context, most int, wait time.Duration) ([]events.SQSMessage, error) {
	all := []string{"All"}
	var out struct{ Messages []received }
	err := q.call(ctx, "ReceiveMessage", map[string]any{
		"QueueUrl": q.URL, "MaxNumberOfMessages": most, "WaitTimeSeconds": int((wait + time.Second - 1) / time.Second),
		"AttributeNames": all, "MessageSystemAttributeNames": all, "MessageAttributeNames": all,
	}, &out)
	batch := make([]events.SQSMessage, 0, len(out.Messages))
	for i := range out.Messages {
		batch = append(batch, out.Messages[i].message())
	}
	return batch, err
}

// message is the same in the words of the event.
func (r *received) message() events.SQSMessage {
	m := events.SQSMessage{
		MessageId: r.MessageID, ReceiptHandle: r.ReceiptHandle, Body: r.Body, Md5OfBody: r.MD5OfBody,
		Md5OfMessageAttributes: r.MD5OfMessageAttributes, Attributes: r.Attributes,
		MessageAttributes: map[string]events.SQSMessageAttribute{},
	}
	for name, a := range r.MessageAttributes {
		m.MessageAttributes[name] = events.SQSMessageAttribute{
			StringValue: a.StringValue, BinaryValue: a.BinaryValue, DataType: a.DataType,
			StringListValues: []string{}, BinaryListValues: [][]byte{},
		}
	}
	return m
}

// Delete implements Queue. Some messages may fail and others not; the error then names those that did.
func (q *HTTPQueue) Delete(ctx context.Context, receipts []string) error {
	type entry struct {
		ID            string `json:"Id"`
		ReceiptHandle string
	}
	entries := make([]entry, 0, len(receipts))
	for i, receipt := range receipts {
		entries = append(entries, entry{strconv.Itoa(i), receipt})
	}
	var out struct {
		Failed []struct{ Code, Message string }
	}
	if err := q.call(ctx, "DeleteMessageBatch", map[string]any{"QueueUrl": q.URL, "Entries": entries}, &out); err != nil {
		return err
	}
	var failed []error
	for _, f := range out.Failed {
		failed = append(failed, fmt.Errorf("delete message: %s %s", f.Code, f.Message))
	}
	return errors.Join(failed...)
}

// call makes one request of the protocol: AWS JSON 1.0, with the operation in a header. The signature is a
// placeholder in the shape that an endpoint needs to find the access key.
func (q *HTTPQueue) call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("write %s: %w", operation, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.Endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("write %s: %w", operation, err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s/%s/sqs/aws4_request, SignedHeaders=host, Signature=none",
		q.AccessKey, time.Now().UTC().Format("20060102"), q.Region))
	client := q.Client
	set(&client, http.DefaultClient)
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", operation, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d: %.300s", operation, res.StatusCode, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read answer of %s: %w", operation, err)
	}
	return nil
}

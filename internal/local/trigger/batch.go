package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/aws/aws-lambda-go/events"
)

// deliver invokes the function with a batch and deletes what succeeded. A message whose delete fails is delivered
// again: SQS promises at least once, and so does this.
func (m *Mapping) deliver(ctx context.Context, batch []events.SQSMessage) {
	log := m.cfg.Log.With(slog.String("queue", m.cfg.QueueARN), slog.Int("messages", len(batch)))
	receipts, err := m.handle(ctx, batch)
	if err != nil {
		log.WarnContext(ctx, "batch stays in the queue", slog.String("error", err.Error()))
	}
	for part := range slices.Chunk(receipts, receiveLimit) {
		if err := m.cfg.Queue.Delete(ctx, part); err != nil {
			log.WarnContext(ctx, "delete", slog.String("error", err.Error()))
		}
	}
}

// handle invokes the function and returns the receipts of what succeeded; an error says why the whole batch did not.
func (m *Mapping) handle(ctx context.Context, batch []events.SQSMessage) ([]string, error) {
	payload, err := json.Marshal(m.event(batch))
	if err != nil {
		return nil, fmt.Errorf("write event: %w", err)
	}
	response, functionError, err := m.cfg.Invoke(ctx, payload)
	if err != nil {
		return nil, err
	}
	if functionError != "" {
		return nil, fmt.Errorf("function error %s: %.300s", functionError, response)
	}
	// Without the response type nothing that the function returns can fail a message.
	var failed map[string]bool
	if m.cfg.ReportBatchItemFailures {
		if failed, err = failures(response, batch); err != nil {
			return nil, err
		}
	}
	var receipts []string
	for i := range batch {
		if !failed[batch[i].MessageId] {
			receipts = append(receipts, batch[i].ReceiptHandle)
		}
	}
	return receipts, nil
}

// event completes the messages with what the mapping knows. Lambda writes an empty object where there are no message
// attributes, and so does this.
func (m *Mapping) event(batch []events.SQSMessage) events.SQSEvent {
	records := slices.Clone(batch)
	for i := range records {
		r := &records[i]
		r.EventSource, r.EventSourceARN, r.AWSRegion = "aws:sqs", m.cfg.QueueARN, m.region
		if r.MessageAttributes == nil {
			r.MessageAttributes = map[string]events.SQSMessageAttribute{}
		}
	}
	return events.SQSEvent{Records: records}
}

// failures reads which messages the function reports. Lambda documents two lists, and nothing in between exists:
//
//   - nothing failed: no response, null, {}, a null or an empty batchItemFailures;
//   - everything failed: not JSON, an itemIdentifier that is empty, null, of another name, or of no message.
//
// Names are compared exactly, as encoding/json alone would not. A response that is JSON but no object is not
// documented; it is read as the second.
func failures(response []byte, batch []events.SQSMessage) (map[string]bool, error) {
	if len(response) == 0 {
		return nil, nil //nolint:nilnil // no answer means no failure
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(response, &answer); err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	list := answer["batchItemFailures"]
	if list == nil {
		return nil, nil //nolint:nilnil // the same
	}
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, fmt.Errorf("read batchItemFailures: %w", err)
	}
	failed := map[string]bool{}
	for _, item := range items {
		id, err := identifier(item)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(batch, func(m events.SQSMessage) bool { return m.MessageId == id }) {
			return nil, fmt.Errorf("itemIdentifier %q is no message of the batch", id)
		}
		failed[id] = true
	}
	return failed, nil
}

// identifier reads one reported message.
func identifier(item map[string]json.RawMessage) (string, error) {
	var id string
	raw := item["itemIdentifier"]
	if raw == nil {
		return "", errors.New("batchItemFailures has an item without itemIdentifier")
	}
	if err := json.Unmarshal(raw, &id); err != nil || id == "" {
		return "", fmt.Errorf("itemIdentifier %s names no message", raw)
	}
	return id, nil
}

package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"orbitq/internal/local/cfn"
)

// provisioner makes tables, queues and state machines in the engines.
type provisioner struct {
	tables, queues, states, region string
}

// provision makes everything at the engines themselves, past the gateway: what the stack does is not what its functions
// do, and should not be counted or denied.
func (p provisioner) provision(ctx context.Context, t *cfn.Stack) error {
	for _, table := range t.Tables {
		if err := p.table(ctx, table); err != nil {
			return fmt.Errorf("make table %s: %w", table.Name, err)
		}
	}

	// A queue names its dead letter queue by ARN, and the engine wants that one to exist.
	ordered := slices.Clone(t.Queues)
	slices.SortStableFunc(ordered, func(a, b cfn.Queue) int { return len(a.DeadLetterARN) - len(b.DeadLetterARN) })

	for _, q := range ordered {
		if err := p.queue(ctx, q); err != nil {
			return fmt.Errorf("make queue %s: %w", q.Name, err)
		}
	}

	for _, m := range t.StateMachines {
		if err := p.machine(ctx, m); err != nil {
			return fmt.Errorf("make state machine %s: %w", m.Name, err)
		}
	}

	return nil
}

// table makes a table unless the data folder has it already.
func (p provisioner) table(ctx context.Context, t cfn.Table) error {
	status, _, err := p.call(ctx, p.tables, "dynamodb", targetTables+"DescribeTable", map[string]string{"TableName": t.Name})
	if err != nil || status == http.StatusOK {
		return err
	}

	status, answer, err := p.call(ctx, p.tables, "dynamodb", targetTables+"CreateTable", t.Create)
	if err != nil || status != http.StatusOK {
		return refused(status, answer, err)
	}

	if t.TTL == "" {
		return nil
	}

	status, answer, err = p.call(ctx, p.tables, "dynamodb", targetTables+"UpdateTimeToLive", map[string]any{
		"TableName": t.Name, "TimeToLiveSpecification": map[string]any{"AttributeName": t.TTL, "Enabled": true},
	})

	return refused(status, answer, err)
}

// queue makes a queue with the template's attributes. Encryption and policies mean nothing to the engine.
func (p provisioner) queue(ctx context.Context, q cfn.Queue) error {
	attributes := map[string]string{
		"VisibilityTimeout":             strconv.Itoa(q.VisibilityTimeout),
		"MessageRetentionPeriod":        strconv.Itoa(q.Retention),
		"ReceiveMessageWaitTimeSeconds": strconv.Itoa(q.ReceiveWait),
		"DelaySeconds":                  strconv.Itoa(q.Delay),
	}

	if q.DeadLetterARN != "" {
		policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": q.DeadLetterARN, "maxReceiveCount": q.MaxReceives})
		if err != nil {
			return fmt.Errorf("write redrive policy: %w", err)
		}

		attributes["RedrivePolicy"] = string(policy)
	}

	status, answer, err := p.call(ctx, p.queues, "sqs", targetQueues+"CreateQueue", map[string]any{"QueueName": q.Name, "Attributes": attributes})

	return refused(status, answer, err)
}

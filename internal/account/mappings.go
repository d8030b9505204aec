package account

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"orbitq/internal/job"
)

// Mappings are the event source mappings between the work queues and the worker. A
// queue is paused by disabling its mapping: its messages stay where they are, and
// what was received already is finished.
type Mappings struct {
	client *lambda.Client
	ids    map[string]string // by queue
}

// NewMappings returns the mappings with their UUIDs by queue.
func NewMappings(client *lambda.Client, ids map[string]string) *Mappings {
	return &Mappings{client: client, ids: ids}
}

// SetEnabled pauses (false) or resumes the feed of a queue, and returns the state
// that the service reports: the change takes it some seconds.
func (m *Mappings) SetEnabled(ctx context.Context, queue string, enabled bool) (string, error) {
	id, ok := m.ids[queue]
	if !ok {
		return "", job.Errorf(job.NotFound, "no queue %q", queue)
	}
	out, err := m.client.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: &id, Enabled: &enabled})
	if err != nil {
		return "", job.Errorf(job.Unavailable, "update event source mapping of %s: %w", queue, err)
	}
	return strings.ToLower(aws.ToString(out.State)), nil
}

// Feed returns the state of a queue's feed: enabled, disabled, or on the way.
func (m *Mappings) Feed(ctx context.Context, queue string) (string, error) {
	id, ok := m.ids[queue]
	if !ok {
		return "", job.Errorf(job.NotFound, "no queue %q", queue)
	}
	out, err := m.client.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id})
	if err != nil {
		return "", job.Errorf(job.Unavailable, "read event source mapping of %s: %w", queue, err)
	}
	return strings.ToLower(aws.ToString(out.State)), nil
}

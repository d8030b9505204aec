package account

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"orbitq/internal/job"
)

// Topic is the topic on which operators listen.
type Topic struct {
	client *sns.Client
	arn    string
}

// NewTopic returns the topic with an ARN.
func NewTopic(client *sns.Client, arn string) *Topic { return &Topic{client: client, arn: arn} }

// message is an event as listeners get it. The reason is a person's text; nothing in
// it is a secret, because no error of ours holds one.
type message struct {
	ID          string    `json:"id"`
	Type        string    `json:"type"`
	At          time.Time `json:"at"`
	Job         string    `json:"job_id"`
	Generation  int       `json:"generation"`
	Kind        string    `json:"kind"`
	Owner       string    `json:"owner"`
	Point       string    `json:"data_point_id"`
	Queue       string    `json:"queue"`
	Code        job.Code  `json:"code"`
	Reason      string    `json:"reason"`
	Fingerprint string    `json:"fingerprint"`
	Attempts    int       `json:"attempts"`
}

// Tell publishes an event. Its type, code and queue are attributes, so that a
// subscription can filter by them.
func (t *Topic) Tell(ctx context.Context, e job.Event) error {
	body, err := json.Marshal(message{
		ID: e.ID, Type: e.Type, At: e.At, Job: e.Job, Generation: e.Generation, Kind: e.Kind, Owner: e.Owner, Point: e.Point,
		Queue: e.Queue, Code: e.Code, Reason: e.Reason, Fingerprint: e.Print, Attempts: e.Attempts,
	})
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	text, subject := string(body), strings.TrimSpace(e.Type+" "+string(e.Code))
	attributes := map[string]types.MessageAttributeValue{}
	for name, value := range map[string]string{"type": e.Type, "code": string(e.Code), "queue": e.Queue} {
		if value == "" {
			continue // SNS refuses a message with an empty attribute
		}
		kind := "String"
		attributes[name] = types.MessageAttributeValue{DataType: &kind, StringValue: &value}
	}
	_, err = t.client.Publish(ctx, &sns.PublishInput{TopicArn: &t.arn, Subject: &subject, Message: &text, MessageAttributes: attributes})
	if err != nil {
		return fmt.Errorf("publish event: %w", err)
	}
	return nil
}

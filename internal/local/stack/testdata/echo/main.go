// Command echo is the function of the small application: it stores what it gets, and tells what it sees.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

func main() { lambda.Start(handle) }

// handle tells events apart by their fields. A message "forbidden" asks for what the role does not allow, "poison"
// always fails, "publish" goes to the topic, and everything else into the table.
func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	var event struct {
		RouteKey       string              `json:"routeKey"`
		PathParameters map[string]string   `json:"pathParameters"`
		Records        []events.SQSMessage `json:"Records"`
		Source         string              `json:"source"`
	}
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, err
	}
	switch {
	case event.RouteKey != "":
		return map[string]any{"route": event.RouteKey, "path": event.PathParameters, "env": environment()}, nil
	case event.Source == "aws.events":
		return nil, put(ctx, "tick")
	}
	var out events.SQSEventResponse
	for _, m := range event.Records {
		if err := work(ctx, m.Body); err != nil {
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return out, nil
}

func work(ctx context.Context, body string) error {
	switch body {
	case "poison":
		return errors.New("poison")
	case "forbidden":
		table := os.Getenv("TABLE")
		_, err := client().Scan(ctx, &dynamodb.ScanInput{TableName: &table})
		return err
	case "publish":
		topic := os.Getenv("TOPIC")
		_, err := sns.NewFromConfig(config()).Publish(ctx, &sns.PublishInput{TopicArn: &topic, Message: &body})
		return err
	default:
		return put(ctx, body)
	}
}

func put(ctx context.Context, key string) error {
	table := os.Getenv("TABLE")
	_, err := client().PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}}})
	return err
}

func client() *dynamodb.Client { return dynamodb.NewFromConfig(config()) }

func config() aws.Config {
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	return aws.Config{
		Region: os.Getenv("AWS_REGION"), BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}, nil
		}),
	}
}

func environment() map[string]string {
	out := map[string]string{}
	for _, name := range []string{"TABLE", "QUEUE", "PAUSE_SECONDS", "PROVIDER", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "HOME", "PATH"} {
		out[name] = os.Getenv(name)
	}
	return out
}

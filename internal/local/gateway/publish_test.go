package gateway_test

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"orbitq/internal/local/gateway"
)

const alerts = "arn:aws:sns:eu-central-1:000000000000:alerts"

func TestAStockClientPublishes(t *testing.T) {
	t.Parallel()

	b := start(t, grants("sns:Publish", alerts)...)
	client := sns.NewFromConfig(b.config())

	one, err := client.Publish(t.Context(), &sns.PublishInput{
		TopicArn: aws.String(alerts), Subject: aws.String("A job is dead"), Message: aws.String("line 1\nline 2 & <ü>"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"code":  {DataType: aws.String("String"), StringValue: aws.String("POISON")},
			"bytes": {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2, 3}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	many, err := client.PublishBatch(t.Context(), &sns.PublishBatchInput{TopicArn: aws.String(alerts), PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
		{Id: aws.String("a"), Message: aws.String("first")},
		{Id: aws.String("b"), Message: aws.String("")},
		{Id: aws.String("c"), Message: aws.String("second"), MessageAttributes: map[string]types.MessageAttributeValue{"n": {DataType: aws.String("Number"), StringValue: aws.String("7")}}},
	}})
	if err != nil {
		t.Fatal(err)
	}

	if len(many.Successful) != 2 || *many.Successful[1].Id != "c" || len(many.Failed) != 1 || *many.Failed[0].Id != "b" || *many.Failed[0].Code != "InvalidParameter" || !many.Failed[0].SenderFault {
		t.Errorf("batch: %+v %+v", many.Successful, many.Failed)
	}

	got := b.gateway.Published("alerts")
	if len(got) != 3 {
		t.Fatalf("published %+v", got)
	}

	if p := got[0]; p.MessageID != *one.MessageId || p.Subject != "A job is dead" || p.Message != "line 1\nline 2 & <ü>" ||
		!maps.Equal(p.Attributes, map[string]string{"code": "POISON", "bytes": "AQID"}) || time.Since(p.At) > time.Minute || p.At.Location() != time.UTC {
		t.Errorf("first %+v", p)
	}

	if got[1].Message != "first" || got[2].Message != "second" || got[2].Attributes["n"] != "7" || got[2].MessageID != *many.Successful[1].MessageId || got[1].MessageID == got[2].MessageID {
		t.Errorf("batch %+v", got[1:])
	}

	if calls := b.gateway.Counters().Calls["worker"]; calls["sns:Publish"] != 1 || calls["sns:PublishBatch"] != 1 {
		t.Errorf("counted %v", calls)
	}

	if status, text := b.control(t, http.MethodGet, "/_orbitq/published?topic=alerts", ""); status != http.StatusOK || !strings.Contains(text, `"subject":"A job is dead"`) {
		t.Errorf("over HTTP: %d %s", status, text)
	}
}

func TestWhatTopicsRefuse(t *testing.T) {
	t.Parallel()

	const large = 256<<10 + 1

	entries := func(ids ...string) string {
		form := url.Values{"Action": {"PublishBatch"}, "TopicArn": {alerts}}
		for i, id := range ids {
			form.Set("PublishBatchRequestEntries.member."+strconv.Itoa(i+1)+".Id", id)
			form.Set("PublishBatchRequestEntries.member."+strconv.Itoa(i+1)+".Message", "m")
		}

		return form.Encode()
	}

	publish := func(pairs ...string) string {
		form := url.Values{"Action": {"Publish"}, "TopicArn": {alerts}, "Message": {"m"}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}

		return form.Encode()
	}

	for _, c := range []struct {
		name, body string
		status     int
		code, want string
	}{
		{"a topic that is not there", publish("TopicArn", alerts+"x"), 404, "NotFound", "Topic does not exist"},
		{"no topic", publish("TopicArn", ""), 404, "NotFound", ""},
		{"a text message", publish("PhoneNumber", "+431"), 400, "InvalidParameter", "PhoneNumber"},
		{"an empty message", publish("Message", ""), 400, "InvalidParameter", "Invalid parameter: Empty message"},
		{"a large message", publish("Message", strings.Repeat("x", large)), 400, "InvalidParameter", "Message too long"},
		{"an empty subject", publish("Subject", ""), 400, "InvalidParameter", "Subject"},
		{"a subject of two lines", publish("Subject", "a\nb"), 400, "InvalidParameter", "Subject"},
		{"a long subject", publish("Subject", strings.Repeat("s", 101)), 400, "InvalidParameter", "Subject"},
		{"a subject that is not ASCII", publish("Subject", "Müll"), 400, "InvalidParameter", "Subject"},
		{"an attribute without a type", publish("MessageAttributes.entry.1.Name", "k", "MessageAttributes.entry.1.Value.StringValue", "v"), 400, "InvalidParameter", "The message attribute"},
		{"an attribute without a value", publish("MessageAttributes.entry.1.Name", "k", "MessageAttributes.entry.1.Value.DataType", "String"), 400, "InvalidParameter", "The message attribute"},
		{"an empty batch", entries(), 400, "EmptyBatchRequest", ""},
		{"a large batch", entries(strings.Split("abcdefghijk", "")...), 400, "TooManyEntriesInBatchRequest", ""},
		{"an id twice", entries("a", "a"), 400, "BatchEntryIdsNotDistinct", ""},
		{"an odd id", entries("a b"), 400, "InvalidBatchEntryId", ""},
		{"another action", "Action=CreateTopic", 400, "InvalidAction", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := start(t)
			status, text, _ := b.send(t, "operator", "sns", "", "/", c.body)

			if status != c.status || !strings.Contains(text, "<Code>"+c.code+"</Code>") || !strings.Contains(text, c.want) || len(b.gateway.Published("alerts")) != 0 {
				t.Errorf("got %d %s, want %d %s %s", status, text, c.status, c.code, c.want)
			}
		})
	}
}

func TestABatchIsAsLongAsAMessage(t *testing.T) {
	t.Parallel()

	half := strings.Repeat("x", 128<<10)
	form := url.Values{"Action": {"PublishBatch"}, "TopicArn": {alerts}}

	for i, message := range []string{half, half, "1"} {
		form.Set("PublishBatchRequestEntries.member."+strconv.Itoa(i+1)+".Id", strconv.Itoa(i))
		form.Set("PublishBatchRequestEntries.member."+strconv.Itoa(i+1)+".Message", message)
	}

	if status, text, _ := start(t).send(t, "operator", "sns", "", "/", form.Encode()); status != http.StatusBadRequest || !strings.Contains(text, "BatchRequestTooLong") {
		t.Errorf("got %d %s", status, text)
	}
}

// TestTheWayToATopicMayBreak says what a client sees, and whether the topic has the message.
func TestTheWayToATopicMayBreak(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name  string
		fault gateway.Fault
		code  string // of the client's error; empty for none that the service sent
		has   bool
	}{
		{"throttled", gateway.Fault{Operation: "Publish", Mode: gateway.Error, Code: "Throttled"}, "Throttled", false},
		{"lost on its way", gateway.Fault{Operation: "Publish", Mode: gateway.DropRequest}, "", false},
		{"lost on the way back", gateway.Fault{Operation: "Publish", Mode: gateway.DropReply}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := start(t, grants("sns:Publish", alerts)...)
			b.gateway.SetFaults(c.fault)

			_, err := sns.NewFromConfig(b.config()).Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(alerts), Message: aws.String("m")})

			var told smithy.APIError
			if err == nil || errors.As(err, &told) != (c.code != "") || told != nil && told.ErrorCode() != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}

			if has := len(b.gateway.Published("alerts")) == 1; has != c.has {
				t.Errorf("the topic has it: %v", has)
			}
		})
	}
}

func TestPublishingNeedsItsPermission(t *testing.T) {
	t.Parallel()

	b := start(t, grants("sns:Publish", alerts+"-of-others")...)

	_, err := sns.NewFromConfig(b.config()).Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(alerts), Message: aws.String("m")})
	if told, ok := errors.AsType[*types.AuthorizationErrorException](err); !ok || !strings.Contains(told.ErrorMessage(), "is not authorized to perform: SNS:Publish on resource: "+alerts) {
		t.Errorf("got %v", err)
	}

	if len(b.gateway.Published("alerts")) != 0 || len(b.gateway.Counters().Denied) != 1 {
		t.Errorf("published %v, denied %v", b.gateway.Published("alerts"), b.gateway.Counters().Denied)
	}
}

func TestATopicForgetsTheOldest(t *testing.T) {
	t.Parallel()

	b := start(t)
	form := url.Values{"Action": {"PublishBatch"}, "TopicArn": {alerts}}

	for round := range 1001 {
		for i := range 10 {
			form.Set("PublishBatchRequestEntries.member."+strconv.Itoa(i+1)+".Id", strconv.Itoa(i))
			form.Set("PublishBatchRequestEntries.member."+strconv.Itoa(i+1)+".Message", strconv.Itoa(10*round+i))
		}

		if status, text, _ := b.send(t, "operator", "sns", "", "/", form.Encode()); status != http.StatusOK {
			t.Fatal(text)
		}
	}

	got := b.gateway.Published("alerts")
	if len(got) != 10_000 || got[0].Message != "10" || got[9999].Message != "10009" {
		t.Errorf("%d messages from %s to %s", len(got), got[0].Message, got[len(got)-1].Message)
	}

	if others := b.gateway.Published("nothing"); len(others) != 0 {
		t.Errorf("another topic: %v", others)
	}
}

package stack_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orbitq/internal/local/trigger"
)

// visible asks the queue how many messages wait in it.
func (w *world) visible(t *testing.T, queue string) string {
	t.Helper()

	url := w.State().Queues[queue]

	out, err := w.queue.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}

	return out.Attributes["ApproximateNumberOfMessages"]
}

// TestAQueueIsPausedOverTheControlAPI is about an operator who stops a queue, waits until it has stopped, and starts it.
func TestAQueueIsPausedOverTheControlAPI(t *testing.T) {
	t.Parallel()

	w := started(t, nil)

	all, err := w.control.ListEventSourceMappings(t.Context(), &lambda.ListEventSourceMappingsInput{FunctionName: aws.String("orbitq-echo")})
	if err != nil || len(all.EventSourceMappings) != 1 {
		t.Fatal(all, err)
	}

	uuid := all.EventSourceMappings[0].UUID
	state := func() string {
		got, err := w.control.GetEventSourceMapping(t.Context(), &lambda.GetEventSourceMappingInput{UUID: uuid})
		if err != nil {
			t.Fatal(err)
		}

		return *got.State
	}
	turn := func(on bool) string {
		got, err := w.control.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: uuid, Enabled: &on})
		if err != nil {
			t.Fatal(err)
		}

		return *got.State
	}

	if before, answer := state(), turn(false); before != trigger.Enabled || answer != trigger.Disabling {
		t.Errorf("was %s, is going to be %s", before, answer)
	}

	eventually(t, "it is disabled", func() bool { return state() == trigger.Disabled })
	w.send(t, "patience")

	// A pause of the tests' own does not enable it at its end.
	if err := w.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}

	w.Resume()

	if got := w.visible(t, "work"); got != "1" || state() != trigger.Disabled {
		t.Errorf("%s messages wait, %s", got, state())
	}

	if answer := turn(true); answer != trigger.Enabling || state() != trigger.Enabled {
		t.Errorf("is going to be %s, is %s", answer, state())
	}

	eventually(t, "the message is in the table", func() bool { return strings.Contains(w.keys(t), "patience") })
}

func TestWhatFunctionsPublishCanBeRead(t *testing.T) {
	t.Parallel()

	w := started(t, nil)
	if got := w.Published("Topic"); len(got) != 0 {
		t.Errorf("at the start: %v", got)
	}

	w.send(t, "publish")
	eventually(t, "the topic has it", func() bool { return len(w.Published("Topic")) == 1 })

	if by := w.Published("orbitq-Topic"); len(by) != 1 || by[0].Message != "publish" || w.Counters().Calls["orbitq-echo"]["sns:Publish"] != 1 {
		t.Errorf("got %v, counted %v", by, w.Counters().Calls)
	}
}

package archtest

import (
	"slices"
	"strings"
	"testing"
)

const (
	fourteenDays = 1209600
	receives     = 8 // the code's tries (3) and receives that ran nothing
)

func TestQueuesLoseNothing(t *testing.T) {
	t.Parallel()

	load(t).CFN.of(t, "AWS::SQS::Queue", func(name string, queue map[string]any) {
		if got := number(queue["MessageRetentionPeriod"]); got != fourteenDays {
			t.Errorf("%s keeps messages for %v s, want 14 days", name, got)
		}

		if queue["SqsManagedSseEnabled"] != true && queue["KmsMasterKeyId"] == nil {
			t.Errorf("%s is not encrypted", name)
		}

		if name == "DeadLetterQueue" {
			return
		}

		if got := number(at(queue, "RedrivePolicy", "maxReceiveCount")); got != receives {
			t.Errorf("%s gives up after %v receives, want %d", name, got, receives)
		}

		if got := text(at(queue, "RedrivePolicy", "deadLetterTargetArn")); got != "DeadLetterQueue.Arn" {
			t.Errorf("%s gives up into %q", name, got)
		}
	})
}

// A message must not come back while its function may still run, retries of the poller included; AWS asks for six
// times the function's timeout.
func TestVisibilityOutlastsTheFunction(t *testing.T) {
	t.Parallel()

	d := load(t)

	d.CFN.of(t, "AWS::Lambda::EventSourceMapping", func(name string, mapping map[string]any) {
		queue, _, _ := strings.Cut(text(mapping["EventSourceArn"]), ".")
		function := strings.TrimSuffix(strings.SplitN(text(mapping["FunctionName"]), ".", 2)[0], "Aliaslive")

		visible := number(d.CFN.Resources[queue].Properties["VisibilityTimeout"])
		timeout := number(d.CFN.Resources[function].Properties["Timeout"])

		if timeout == 0 || visible < 6*timeout {
			t.Errorf("%s: messages of %s come back after %v s, %s may run %v s", name, queue, visible, function, timeout)
		}
	})
}

func TestEventSources(t *testing.T) {
	t.Parallel()

	d := load(t)

	var queues []string

	d.CFN.of(t, "AWS::Lambda::EventSourceMapping", func(name string, mapping map[string]any) {
		queues = append(queues, text(mapping["EventSourceArn"]))

		if mapping["FilterCriteria"] != nil {
			t.Errorf("%s has a filter: messages that do not match it are deleted", name)
		}

		if !slices.Contains(list(mapping["FunctionResponseTypes"]), any("ReportBatchItemFailures")) {
			t.Errorf("%s: one failed message brings the whole batch back", name)
		}

		if number(mapping["BatchSize"]) != 10 {
			t.Errorf("%s takes batches of %v, want 10", name, mapping["BatchSize"])
		}

		if at(mapping, "ScalingConfig", "MaximumConcurrency") == nil {
			t.Errorf("%s has no concurrency limit: throttled polls spend receives", name)
		}
	})

	slices.Sort(queues)

	if want := []string{"SatelliteHighQueue.Arn", "SatelliteLowQueue.Arn", "SatelliteQueue.Arn"}; !slices.Equal(queues, want) {
		t.Errorf("functions consume %v, want exactly the work queues %v; the dead letter queue has no consumer, ever", queues, want)
	}
}

func TestQueuesTakeOnlyTLS(t *testing.T) {
	t.Parallel()

	d := load(t)
	guarded := map[string]bool{}

	d.CFN.of(t, "AWS::SQS::QueuePolicy", func(_ string, policy map[string]any) {
		for _, statement := range list(at(policy, "PolicyDocument", "Statement")) {
			if at(statement, "Effect") != "Deny" || at(statement, "Action") != "sqs:*" || at(statement, "Principal") != "*" ||
				at(statement, "Condition", "Bool", "aws:SecureTransport") != "false" {
				continue
			}

			for _, resource := range list(at(statement, "Resource")) {
				queue, _, _ := strings.Cut(text(resource), ".")
				guarded[queue] = slices.ContainsFunc(list(policy["Queues"]), func(q any) bool { return text(q) == queue })
			}
		}
	})

	d.CFN.of(t, "AWS::SQS::Queue", func(name string, _ map[string]any) {
		if !guarded[name] {
			t.Errorf("%s answers without TLS", name)
		}
	})
}

func TestTableIsKept(t *testing.T) {
	t.Parallel()

	d := load(t)

	d.CFN.of(t, "AWS::DynamoDB::Table", func(name string, table map[string]any) {
		for what, got := range map[string]any{
			"point in time recovery": at(table, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"),
			"encryption":             at(table, "SSESpecification", "SSEEnabled"),
			"time to live":           at(table, "TimeToLiveSpecification", "Enabled"),
		} {
			if got != true {
				t.Errorf("%s has no %s", name, what)
			}
		}

		if table["BillingMode"] != "PAY_PER_REQUEST" {
			t.Errorf("%s is billed by %v, want on demand", name, table["BillingMode"])
		}

		if !strings.HasPrefix(d.SAM.Resources[name].DeletionPolicy, "Retain") {
			t.Errorf("%s goes with the stack", name)
		}
	})
}

package archtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// machineGrants is what each state machine may do, besides tracing and the delivery of its log.
func machineGrants() map[string][]string {
	run := "lambda:InvokeFunction on StepFunctionAliaslive"
	of := func(kind, name string) string {
		return "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:" + kind + ":${AWS::StackName}-" + name
	}

	return map[string][]string{
		"ChainMachine": {run},
		"BatchMachine": {
			run, "s3:GetObject on ${Lists.Arn}/batches/*", "states:StartExecution on " + of("stateMachine", "batch"),
			"states:DescribeExecution on " + of("execution", "batch*"), "states:StopExecution on " + of("execution", "batch*"),
		},
	}
}

func TestMachinesMayDoWhatIsExpectedAndNoMore(t *testing.T) {
	t.Parallel()

	d := load(t)

	d.CFN.of(t, "AWS::StepFunctions::StateMachine", func(name string, machine map[string]any) {
		roleName, _, _ := strings.Cut(text(machine["RoleArn"]), ".")
		role := d.CFN.Resources[roleName].Properties
		want := slices.Concat(machineGrants()[name], deliverLogs(), []string{
			"xray:PutTraceSegments on *", "xray:PutTelemetryRecords on *", "xray:GetSamplingRules on *", "xray:GetSamplingTargets on *",
		})
		got := grants(role)

		slices.Sort(got)
		slices.Sort(want)

		if !slices.Equal(got, want) {
			t.Errorf("%s may\n got %s\nwant %s", name, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}

		if trusted := text(at(list(at(role, "AssumeRolePolicyDocument", "Statement"))[0], "Principal", "Service")); trusted != "states.amazonaws.com" {
			t.Errorf("%s: the role trusts %s", name, trusted)
		}
	})
}

// What an execution carries names data points of people: it belongs in no log. Names must be those that roles and
// environments write out, because a reference would be a circle.
func TestMachinesAreBuiltAlike(t *testing.T) {
	t.Parallel()

	d := load(t)

	d.CFN.of(t, "AWS::StepFunctions::StateMachine", func(name string, machine map[string]any) {
		short := strings.ToLower(strings.TrimSuffix(name, "Machine"))
		group, _, _ := strings.Cut(text(at(list(at(machine, "LoggingConfiguration", "Destinations"))[0], "CloudWatchLogsLogGroup", "LogGroupArn")), ".")

		for what, pair := range map[string][2]string{
			"type":     {text(machine["StateMachineType"]), "STANDARD"},
			"name":     {text(machine["StateMachineName"]), "${AWS::StackName}-" + short},
			"tracing":  {text(at(machine, "TracingConfiguration", "Enabled")), "true"},
			"payloads": {text(at(machine, "LoggingConfiguration", "IncludeExecutionData")), "false"},
			"log":      {d.CFN.Resources[group].Type, "AWS::Logs::LogGroup"},
			"file":     {text(d.SAM.Resources[name].Properties["DefinitionUri"]), "statemachines/" + short + ".asl.json"},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s is %s, want %s", name, what, pair[0], pair[1])
			}
		}

		if d.CFN.Resources[group].Properties["RetentionInDays"] == nil {
			t.Errorf("%s: its log never expires", name)
		}
	})
}

// Every task calls the step function, waits longer than it may run, and asks for an operation that it has; only names
// that a retry can mend are retried, because the row counts the attempts of a job.
func TestTasksCallTheStepFunction(t *testing.T) {
	t.Parallel()

	d := load(t)
	timeout := number(d.CFN.Resources["StepFunction"].Properties["Timeout"])

	for file, want := range map[string][]string{
		"chain.asl.json": {"chain", "chain-failed"}, "batch.asl.json": {"callback", "items", "summarise"},
	} {
		var asked []string

		for name, task := range tasks(t, file) {
			asked = append(asked, text(at(task, "Parameters", "Payload", "op")))

			if at(task, "Parameters", "FunctionName") != "${StepFunctionArn}" || number(task["TimeoutSeconds"]) <= timeout || task["Catch"] == nil {
				t.Errorf("%s: %s is not a guarded call of the step function: %v", file, name, task)
			}

			for _, retry := range list(task["Retry"]) {
				for _, code := range list(at(retry, "ErrorEquals")) {
					if own := !strings.Contains(text(code), "."); own && code != "THROTTLED" && code != "INTERNAL" {
						t.Errorf("%s: %s repeats %s, which is final", file, name, code)
					}
				}
			}
		}

		slices.Sort(asked)

		if got := slices.Compact(asked); !slices.Equal(got, want) {
			t.Errorf("%s asks for %v, want %v", file, got, want)
		}
	}
}

// tasks returns the Task states of a state machine by name, those inside of a Map included.
func tasks(t *testing.T, file string) map[string]map[string]any {
	t.Helper()

	raw, err := os.ReadFile(filepath.Join(root, "statemachines", file))
	if err != nil {
		t.Fatal(err)
	}

	var machine map[string]any
	if err := json.Unmarshal(raw, &machine); err != nil {
		t.Fatal(err)
	}

	found := map[string]map[string]any{}

	var walk func(machine map[string]any)

	walk = func(machine map[string]any) {
		states, _ := machine["States"].(map[string]any)
		for name, state := range states {
			state, _ := state.(map[string]any)
			if state["Type"] == "Task" {
				found[name] = state
			}

			if inner, isMap := state["ItemProcessor"].(map[string]any); isMap {
				walk(inner)
			}
		}
	}
	walk(machine)

	if len(found) == 0 {
		t.Errorf("%s has no tasks", file)
	}

	return found
}

func TestBucketsAreClosed(t *testing.T) {
	t.Parallel()

	d := load(t)

	d.CFN.of(t, "AWS::S3::Bucket", func(name string, bucket map[string]any) {
		for _, what := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if at(bucket, "PublicAccessBlockConfiguration", what) != true {
				t.Errorf("%s: %s is off", name, what)
			}
		}

		if bucket["BucketEncryption"] == nil || len(list(at(bucket, "LifecycleConfiguration", "Rules"))) == 0 {
			t.Errorf("%s keeps what it has for ever, or readable", name)
		}
	})

	d.CFN.of(t, "AWS::S3::BucketPolicy", func(name string, policy map[string]any) {
		statement := list(at(policy, "PolicyDocument", "Statement"))[0]
		if at(statement, "Effect") != "Deny" || at(statement, "Action") != "s3:*" || at(statement, "Condition", "Bool", "aws:SecureTransport") != "false" {
			t.Errorf("%s lets in what does not come by TLS", name)
		}
	})
}

// The configuration of the SAM CLI grants CAPABILITY_IAM, and CloudFormation refuses a role with a name of its own
// under that. A bucket's name is taken in all regions and accounts at once, and knows no capitals, which a stack's does:
// a name that is written out fails in the second region.
func TestCloudFormationNamesRolesAndBuckets(t *testing.T) {
	t.Parallel()

	d := load(t)

	for kind, property := range map[string]string{"AWS::IAM::Role": "RoleName", "AWS::S3::Bucket": "BucketName"} {
		d.CFN.of(t, kind, func(name string, properties map[string]any) {
			if given, ok := properties[property]; ok {
				t.Errorf("%s has a %s of its own: %v", name, property, given)
			}
		})
	}
}

// CloudFormation cannot delete a bucket that has objects: the deletion of the stack would fail.
func TestABucketThatIsInUseOutlivesItsStack(t *testing.T) {
	t.Parallel()

	if got := load(t).CFN.Resources["Lists"].DeletionPolicy; got != "RetainExceptOnCreate" {
		t.Errorf("the bucket of lists has the DeletionPolicy %q", got)
	}
}

package cfn

import (
	"encoding/json"
	"errors"
	"fmt"
)

// identity returns a resource's name and ARN.
func (r *resolver) identity(name string) (physical, arn string, err error) {
	if physical, err = r.physical(name); err != nil {
		return "", "", err
	}
	arn, err = r.arn(name)
	return physical, arn, err
}

// addQueue describes a queue with the defaults of CloudFormation.
func (r *resolver) addQueue(out *Stack, name string, p properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	redrive := p.child("RedrivePolicy")
	out.Queues = append(out.Queues, Queue{
		Name: physical, URL: queueURL(r.source, physical), ARN: arn,
		VisibilityTimeout: p.number("VisibilityTimeout", 30),
		Retention:         p.number("MessageRetentionPeriod", 345600),
		ReceiveWait:       p.number("ReceiveMessageWaitTimeSeconds", 0),
		Delay:             p.number("DelaySeconds", 0),
		DeadLetterARN:     redrive.text("deadLetterTargetArn"),
		MaxReceives:       redrive.number("maxReceiveCount", 0),
	})
	return nil
}

// addTable keeps the template's own words for keys and indexes: the engine takes them as CreateTable does. Encryption,
// recovery and tags mean nothing to it and are left out.
func (r *resolver) addTable(out *Stack, name string, p properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	// On demand whatever the template says: an engine has no capacity to provision.
	create := map[string]any{"TableName": physical, "BillingMode": "PAY_PER_REQUEST"}
	for _, same := range []string{"KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"} {
		if v, ok := p[same]; ok {
			create[same] = v
		}
	}
	body, err := json.Marshal(create)
	if err != nil {
		return fmt.Errorf("encode table: %w", err)
	}
	out.Tables = append(out.Tables, Table{Name: physical, ARN: arn, Create: body, TTL: p.child("TimeToLiveSpecification").text("AttributeName"), HashKeys: hashKeys(physical, p)})
	return nil
}

// hashKeys finds the partition keys of a table and its indexes.
func hashKeys(table string, p properties) map[string]string {
	all := map[string]string{}
	note := func(name string, p properties) {
		schema, _ := p["KeySchema"].([]any)
		for _, element := range schema {
			e, _ := element.(map[string]any)
			if properties(e).text("KeyType") == "HASH" {
				all[name] = properties(e).text("AttributeName")
			}
		}
	}
	note(table, p)
	for _, kind := range []string{"GlobalSecondaryIndexes", "LocalSecondaryIndexes"} {
		indexes, _ := p[kind].([]any)
		for _, index := range indexes {
			i, _ := index.(map[string]any)
			note(table+"/index/"+properties(i).text("IndexName"), i)
		}
	}
	return all
}

// addFunction describes a function. The code's key is the folder of its source, which the expander has put there.
func (r *resolver) addFunction(out *Stack, name string, p properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	env := map[string]string{}
	for k, v := range p.child("Environment").child("Variables") {
		env[k] = fmt.Sprint(v)
	}
	// Lambda turns the logging configuration into variables, which is how runtimes learn of it.
	if level := p.child("LoggingConfig").text("ApplicationLogLevel"); level != "" {
		env["AWS_LAMBDA_LOG_LEVEL"] = level
	}
	out.Functions = append(out.Functions, Function{
		Name: physical, ARN: arn, Role: p.text("Role"), Code: p.child("Code").text("S3Key"),
		Timeout: p.number("Timeout", 3), Memory: p.number("MemorySize", 128), Env: env,
	})
	return nil
}

// addAlias describes an alias; there is one version here, so that it needs no more than names.
func (r *resolver) addAlias(out *Stack, _ string, p properties) error {
	out.Aliases = append(out.Aliases, Alias{Function: functionName(p.text("FunctionName")), Name: p.text("Name")})
	return nil
}

// addMapping describes an event source mapping.
func (r *resolver) addMapping(out *Stack, name string, p properties) error {
	if _, filtered := p["FilterCriteria"]; filtered {
		return errors.New("FilterCriteria on a queue deletes what does not match, and is not supported")
	}
	uuid, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	partial := false
	for _, t := range p.texts("FunctionResponseTypes") {
		partial = partial || t == "ReportBatchItemFailures"
	}
	out.Mappings = append(out.Mappings, Mapping{
		UUID: uuid, ARN: arn, FunctionARN: r.functionARN(p.text("FunctionName")), Enabled: p.text("Enabled") != "false",
		QueueARN: p.text("EventSourceArn"), Function: functionName(p.text("FunctionName")),
		BatchSize: p.number("BatchSize", 10), BatchWindow: p.number("MaximumBatchingWindowInSeconds", 0),
		MaxConcurrency:   p.child("ScalingConfig").number("MaximumConcurrency", 10),
		PartialResponses: partial,
	})
	return nil
}

// addSchedule describes each target of a rule as a schedule of its own.
func (r *resolver) addSchedule(out *Stack, name string, p properties) error {
	if p.text("ScheduleExpression") == "" {
		return errors.New("only rules with a schedule are run locally")
	}
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	targets, _ := p["Targets"].([]any)
	for _, t := range targets {
		target, _ := t.(map[string]any)
		out.Schedules = append(out.Schedules, Schedule{
			Name: physical, ARN: arn, Expression: p.text("ScheduleExpression"), Enabled: p.text("State") != "DISABLED",
			Function: functionName(properties(target).text("Arn")),
		})
	}
	return nil
}

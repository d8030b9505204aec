package cfn

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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

// addMapping describes an event source mapping.
func (*resolver) addMapping(out *Stack, _ string, p properties) error {
	if _, filtered := p["FilterCriteria"]; filtered {
		return errors.New("FilterCriteria on a queue deletes what does not match, and is not supported")
	}
	partial := false
	for _, t := range p.texts("FunctionResponseTypes") {
		partial = partial || t == "ReportBatchItemFailures"
	}
	out.Mappings = append(out.Mappings, Mapping{
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

// addSecret describes a secret; generated ones have no value here and would fail where they are read.
func (r *resolver) addSecret(out *Stack, name string, p properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	out.Secrets = append(out.Secrets, Secret{Name: physical, ARN: arn, Value: p.text("SecretString")})
	return nil
}

// addRole gathers the inline policies of a role; what they are called does not matter to a decision.
func (r *resolver) addRole(out *Stack, name string, p properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	role := Role{Name: physical, ARN: arn, Managed: p.texts("ManagedPolicyArns")}
	policies, _ := p["Policies"].([]any)
	for _, policy := range policies {
		one, _ := policy.(map[string]any)
		statements, _ := properties(one).child("PolicyDocument")["Statement"].([]any)
		for _, s := range statements {
			st, _ := s.(map[string]any)
			role.Statements = append(role.Statements, statement(st))
		}
	}
	out.Roles = append(out.Roles, role)
	return nil
}

// statement reads one statement of a policy.
func statement(p properties) Statement {
	s := Statement{Effect: p.text("Effect"), Action: p.texts("Action"), Resource: p.texts("Resource")}
	if len(p.child("Condition")) > 0 {
		s.Condition = map[string]map[string]any{}
		for operator := range p.child("Condition") {
			s.Condition[operator] = p.child("Condition").child(operator)
		}
	}
	return s
}

// addAPI reads routes and authorizer from the OpenAPI body that SAM writes.
func (*resolver) addAPI(out *Stack, _ string, p properties) error {
	body := p.child("Body")
	schemes := body.child("components").child("securitySchemes")
	// The product has one authorizer; SAM writes it as a security scheme.
	for name := range schemes {
		jwt := schemes.child(name).child("x-amazon-apigateway-authorizer").child("jwtConfiguration")
		out.Issuer, out.Audience = jwt.text("issuer"), jwt.texts("audience")
	}
	paths := body.child("paths")
	for path := range paths {
		for method := range paths.child(path) {
			operation := paths.child(path).child(method)
			// An operation without an integration, such as a CORS preflight, is no route of a function.
			if _, ok := operation["x-amazon-apigateway-integration"]; !ok {
				continue
			}
			route := Route{Method: strings.ToUpper(method), Path: path}
			uri := operation.child("x-amazon-apigateway-integration").text("uri")
			_, arn, _ := strings.Cut(uri, "/functions/")
			route.Function = functionName(strings.TrimSuffix(arn, "/invocations"))
			// Names that are no scheme, such as SAM's NONE, mean that the route is public.
			security, _ := operation["security"].([]any)
			for _, s := range security {
				one, _ := s.(map[string]any)
				for scheme := range one {
					if _, ok := schemes[scheme]; ok {
						route.Authorized, route.Scopes = true, properties(one).texts(scheme)
					}
				}
			}
			out.Routes = append(out.Routes, route)
		}
	}
	return nil
}

// addStage takes from a stage what a client can notice: its limits and its access log.
func (*resolver) addStage(out *Stack, _ string, p properties) error {
	settings := p.child("DefaultRouteSettings")
	out.Stage = Stage{
		Rate: settings.number("ThrottlingRateLimit", 0), Burst: settings.number("ThrottlingBurstLimit", 0),
		AccessLogFormat: p.child("AccessLogSettings").text("Format"),
	}
	return nil
}

package cfn

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// ref evaluates Ref: a parameter's value, or what CloudFormation returns for a
// resource of the type.
func (r *resolver) ref(name string) (any, error) {
	if v, ok := r.values[name]; ok {
		return v, nil
	}
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	res, ok := r.doc.Resources[name]
	if !ok {
		return nil, fmt.Errorf("no parameter or resource %s", name)
	}
	// What Ref returns is a matter of the type, and each type's own page of the documentation says what.
	switch res.Type {
	case "AWS::SQS::Queue":
		physical, err := r.physical(name)
		return queueURL(r.source, physical), err
	case "AWS::SecretsManager::Secret", "AWS::Lambda::Alias", "AWS::SNS::Topic", "AWS::StepFunctions::StateMachine":
		return r.arn(name)
	default:
		return r.physical(name)
	}
}

// queueURL is the URL of a queue, at the gateway or at AWS.
func queueURL(s Source, name string) string {
	endpoint := s.Endpoint
	if endpoint == "" {
		endpoint = "https://sqs." + s.Region + ".amazonaws.com"
	}
	return endpoint + "/" + s.Account + "/" + name
}

// physical returns the name that a resource gets.
func (r *resolver) physical(name string) (string, error) {
	res, ok := r.doc.Resources[name]
	if !ok {
		return "", fmt.Errorf("no resource %s", name)
	}
	if res.Type == "AWS::Lambda::EventSourceMapping" {
		return mappingUUID(r.source, name), nil
	}
	property := map[string]string{
		"AWS::SQS::Queue": "QueueName", "AWS::DynamoDB::Table": "TableName", "AWS::Lambda::Function": "FunctionName",
		"AWS::SNS::Topic": "TopicName", "AWS::CloudWatch::Alarm": "AlarmName", "AWS::IAM::Role": "RoleName", "AWS::Logs::LogGroup": "LogGroupName", "AWS::SecretsManager::Secret": "Name",
		"AWS::StepFunctions::StateMachine": "StateMachineName", "AWS::S3::Bucket": "BucketName",
	}[res.Type]
	// A name that CloudFormation would make up gets no random end here: one stack, one account, and names that people
	// can guess.
	if given, ok := res.Properties[property]; ok {
		v, err := r.value(given)
		if _, none := v.(noValue); !none || err != nil {
			return fmt.Sprint(v), err
		}
	}
	if res.Type == "AWS::S3::Bucket" { // the only kind of name that has no capitals
		return strings.ToLower(r.source.Stack + "-" + name), nil
	}
	return r.source.Stack + "-" + name, nil
}

// mappingUUID is the name of an event source mapping, which nobody can choose. It is made from the names in the
// template, so that it stays the same from run to run.
func mappingUUID(s Source, logical string) string {
	sum := sha256.Sum256([]byte(s.Stack + "/" + logical))
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80 // version 5: named, not random
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// functionARN completes what a template calls a function to its ARN.
func (r *resolver) functionARN(id string) string {
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	full, _ := arnOf("AWS::Lambda::Function", r.source.Region, r.source.Account, id)
	return full
}

// arnOf returns the ARN of a resource of a type, and whether the type has one here.
func arnOf(kind, region, account, name string) (string, bool) {
	formats := map[string]string{ //nolint:gosec // the forms of names, one of them a secret's
		"AWS::SQS::Queue":             "arn:aws:sqs:%s:%s:%s",
		"AWS::DynamoDB::Table":        "arn:aws:dynamodb:%s:%s:table/%s",
		"AWS::Lambda::Function":       "arn:aws:lambda:%s:%s:function:%s",
		"AWS::SecretsManager::Secret": "arn:aws:secretsmanager:%s:%s:secret:%s-LocAl1",
		"AWS::Logs::LogGroup":         "arn:aws:logs:%s:%s:log-group:%s:*",
		"AWS::SNS::Topic":             "arn:aws:sns:%s:%s:%s",
		"AWS::CloudWatch::Alarm":      "arn:aws:cloudwatch:%s:%s:alarm:%s",
		"AWS::Events::Rule":           "arn:aws:events:%s:%s:rule/%s",

		"AWS::Lambda::EventSourceMapping":  "arn:aws:lambda:%s:%s:event-source-mapping:%s",
		"AWS::StepFunctions::StateMachine": "arn:aws:states:%s:%s:stateMachine:%s",
	}
	// Roles belong to no region, and buckets to no account either.
	switch kind {
	case "AWS::IAM::Role":
		return fmt.Sprintf("arn:aws:iam::%s:role/%s", account, name), true
	case "AWS::S3::Bucket":
		return "arn:aws:s3:::" + name, true
	}
	f, ok := formats[kind]
	return fmt.Sprintf(f, region, account, name), ok
}

// arn returns a resource's ARN.
func (r *resolver) arn(name string) (string, error) {
	res, ok := r.doc.Resources[name]
	if !ok {
		return "", fmt.Errorf("no resource %s", name)
	}
	// An alias is what SAM connects events with; its ARN is the function's with the alias behind it.
	if res.Type == "AWS::Lambda::Alias" {
		function, err := r.value(res.Properties["FunctionName"])
		if err != nil {
			return "", err
		}
		full, _ := arnOf("AWS::Lambda::Function", r.source.Region, r.source.Account, fmt.Sprint(function))
		return full + ":" + fmt.Sprint(res.Properties["Name"]), nil
	}
	physical, err := r.physical(name)
	if err != nil {
		return "", err
	}
	full, ok := arnOf(res.Type, r.source.Region, r.source.Account, physical)
	// Types that nothing local looks at still need some ARN, because policies and outputs may mention them.
	if !ok {
		return "arn:aws:" + strings.ToLower(res.Type) + ":::" + physical, nil
	}
	return full, nil
}

// identifier evaluates the attribute Id, which means something else for each type that has it.
func (r *resolver) identifier(name string) (any, error) {
	if res := r.doc.Resources[name]; res.Type != "AWS::Lambda::EventSourceMapping" {
		return nil, fmt.Errorf("attribute Id of %s is not known to the local run", name)
	}
	return r.physical(name)
}

// getAtt evaluates Fn::GetAtt in both forms.
func (r *resolver) getAtt(arg any) (any, error) {
	name, attribute, _ := strings.Cut(fmt.Sprint(arg), ".")
	if pair, ok := arg.([]any); ok && len(pair) == 2 {
		name, attribute = fmt.Sprint(pair[0]), fmt.Sprint(pair[1])
	}
	switch attribute {
	case "Arn", "TopicArn", "EventSourceMappingArn":
		return r.arn(name)
	case "QueueName", "TopicName", "Name":
		return r.physical(name)
	case "Id":
		return r.identifier(name)
	case "Version": // of a function: there is one, and it has run since the start
		return "1", nil
	case "QueueUrl":
		return r.ref(name)
	default:
		return nil, fmt.Errorf("attribute %s of %s is not known to the local run", attribute, name)
	}
}

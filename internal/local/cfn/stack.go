package cfn

import (
	"encoding/json"
)

// Stack is what a deployment would create, as far as it matters locally.
type Stack struct {
	Queues    []Queue
	Tables    []Table
	Functions []Function
	Mappings  []Mapping
	Topics    []Topic
	Schedules []Schedule
	Secrets   []Secret
	Roles     []Role
	Routes    []Route

	StateMachines []StateMachine
	Buckets       []Bucket
	Aliases       []Alias

	Issuer   string   // of the JWT authorizer
	Audience []string // of the JWT authorizer
	Stage    Stage
	Ignored  []string // "type name" of what is not made locally
}

// Queue is an SQS queue.
type Queue struct {
	Name, URL, ARN    string
	VisibilityTimeout int    // seconds
	Retention         int    // seconds
	ReceiveWait       int    // seconds
	Delay             int    // seconds
	DeadLetterARN     string // empty for none
	MaxReceives       int
}

// Table is a DynamoDB table, in the words of CreateTable.
type Table struct {
	Name, ARN string
	Create    json.RawMessage // the body of a CreateTable request
	TTL       string          // attribute that holds an item's end; empty for none
	// HashKeys are the partition keys of the table, under its name, and of its indexes, under "table/index/name".
	HashKeys map[string]string
}

// Function is a Lambda function.
type Function struct {
	Name, ARN, Role string
	Code            string // folder of its source, as in CodeUri
	Timeout, Memory int    // seconds, MB
	Env             map[string]string
}

// Mapping is an event source mapping of a queue.
type Mapping struct {
	UUID, ARN                 string // what Ref returns, and how IAM names it
	QueueARN, Function        string
	FunctionARN               string // with the alias, if the template names one
	Enabled                   bool
	BatchSize, MaxConcurrency int
	BatchWindow               int // seconds
	PartialResponses          bool
}

// Topic is an SNS topic, without its subscriptions.
type Topic struct {
	Name, ARN string
}

// Schedule is one target of an EventBridge rule with a schedule.
type Schedule struct {
	Name, ARN, Expression, Function string
	Enabled                         bool
}

// Stage is the stage of the HTTP API.
type Stage struct {
	Rate, Burst     int // requests per second and at once, per route; 0 for no limit
	AccessLogFormat string
}

// Secret is a secret with its value.
type Secret struct {
	Name, ARN, Value string
}

// StateMachine is a Step Functions state machine.
type StateMachine struct {
	Name, ARN, Role string // the role's ARN
	Definition      string // Amazon States Language, its variables substituted
	Type            string // STANDARD or EXPRESS
	Logged, Traced  bool   // which nobody does locally
}

// Alias is another name of a function, with which roles and callers must name it then.
type Alias struct {
	Function, Name string
}

// Bucket is an S3 bucket.
type Bucket struct{ Name, ARN string }

// Role is an IAM role with its inline policies.
type Role struct {
	Name, ARN  string
	Statements []Statement
	Managed    []string // ARNs of AWS's managed policies
	Trusted    []string // services that may assume it, such as states.amazonaws.com
}

// Statement is one statement of a policy.
type Statement struct {
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]any
}

// Route is one route of the HTTP API.
type Route struct {
	Method, Path, Function string
	Authorized             bool
	Scopes                 []string
}

package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"sort"
	"strings"

	"orbitq/internal/local/iam"
)

// call is one request to an AWS service, understood as far as routing and
// permission need it.
type call struct {
	key       string // access key of the signature
	service   string // dynamodb, sqs, secretsmanager, lambda
	operation string // PutItem, SendMessage, ...
	function  string // of an invoke
	body      []byte
	json      body
}

// body is the part of a JSON request that names resources.
type body struct {
	TableName     string                                  `json:"TableName"`
	IndexName     string                                  `json:"IndexName"`
	RequestItems  map[string]json.RawMessage              `json:"RequestItems"`
	TransactItems []map[string]struct{ TableName string } `json:"TransactItems"`
	Key           map[string]json.RawMessage              `json:"Key"`
	QueueURL      string                                  `json:"QueueUrl"`
	QueueName     string                                  `json:"QueueName"`
	SourceArn     string                                  `json:"SourceArn"`
	SecretID      string                                  `json:"SecretId"`
}

// credential is the part of a signature that names key and service.
var credential = regexp.MustCompile(`Credential=([^/]+)/\d{8}/[^/]+/([^/]+)/aws4_request`)

// understand reads who calls what. The signature itself is not verified: locally
// the access key is the identity.
func understand(r *http.Request, raw []byte) call {
	c := call{body: raw}
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		c.key, c.service = m[1], m[2]
	}
	target := r.Header.Get("X-Amz-Target")
	switch {
	case target != "":
		c.operation = target[strings.LastIndex(target, ".")+1:]
		if json.Unmarshal(raw, &c.json) != nil {
			c.json = body{} // the engine answers with its own error
		}
	case c.service == "lambda" && strings.HasSuffix(r.URL.Path, "/invocations"):
		c.operation = "InvokeFunction"
		c.function = functionName(path.Base(path.Dir(r.URL.Path)))
	default:
		c.query(r, raw)
	}
	return c
}

// query reads the older form protocol of SQS.
func (c *call) query(r *http.Request, raw []byte) {
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return
	}
	c.operation = form.Get("Action")
	c.json = body{QueueURL: form.Get("QueueUrl"), QueueName: form.Get("QueueName"), SourceArn: form.Get("SourceArn")}
	if c.json.QueueURL == "" && strings.Count(r.URL.Path, "/") >= 2 {
		c.json.QueueURL = r.URL.Path
	}
}

// functionName takes a name, a name with a qualifier, or an ARN.
func functionName(id string) string {
	parts := strings.Split(id, ":")
	if len(parts) >= 7 {
		return parts[6]
	}
	return parts[0]
}

// permissionName is what IAM calls an operation: a batch needs the permission of its single form.
func permissionName(operation string) string {
	switch operation {
	case "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
		return strings.TrimSuffix(operation, "Batch")
	default:
		return operation
	}
}

// needs returns the permissions that a call needs, in a fixed order.
func (g *Gateway) needs(c *call) []iam.Call {
	all := c.needs(g.Region, g.Account)
	if c.service == "secretsmanager" {
		found, _ := g.secretOf(c.json.SecretID)
		all[0].Resource = found.ARN
	}
	for i := range all {
		// The stack listens on loopback only; what a TLS-only statement protects from is not here.
		all[i].Context = map[string][]string{"aws:SecureTransport": {"true"}}
	}
	return all
}

// needs returns what can be told from the call alone.
func (c *call) needs(region, account string) []iam.Call {
	switch c.service {
	case "dynamodb":
		return c.needsOfTables("arn:aws:dynamodb:" + region + ":" + account + ":table/")
	case "lambda":
		return []iam.Call{{Action: "lambda:" + c.operation, Resource: "arn:aws:lambda:" + region + ":" + account + ":function:" + c.function}}
	case "sqs":
		arn := c.json.SourceArn
		if arn == "" {
			name := c.json.QueueName
			if name == "" {
				name = path.Base(c.json.QueueURL)
			}
			arn = "arn:aws:sqs:" + region + ":" + account + ":" + name
		}
		return []iam.Call{{Action: "sqs:" + permissionName(c.operation), Resource: arn}}
	case "secretsmanager":
		return []iam.Call{{Action: "secretsmanager:" + c.operation, Resource: c.json.SecretID}}
	default:
		return []iam.Call{{Action: c.service + ":" + c.operation, Resource: "*"}}
	}
}

// needsOfTables returns what a DynamoDB call needs: a transaction needs the
// permission of each of its items, and no permission of its own.
func (c *call) needsOfTables(prefix string) []iam.Call {
	if len(c.json.TransactItems) > 0 {
		var all []iam.Call
		for _, entry := range c.json.TransactItems {
			for kind, op := range entry {
				action := map[string]string{
					"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem",
				}[kind]
				all = append(all, iam.Call{Action: "dynamodb:" + action, Resource: prefix + op.TableName})
			}
		}
		return all
	}
	action := "dynamodb:" + c.operation
	if len(c.json.RequestItems) > 0 {
		var all []iam.Call
		for table := range c.json.RequestItems {
			all = append(all, iam.Call{Action: action, Resource: prefix + table})
		}
		sort.Slice(all, func(i, k int) bool { return all[i].Resource < all[k].Resource })
		return all
	}
	resource := prefix + c.json.TableName
	if c.json.IndexName != "" {
		resource += "/index/" + c.json.IndexName
	}
	return []iam.Call{{Action: action, Resource: resource}}
}

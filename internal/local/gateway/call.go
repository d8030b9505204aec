package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// call is one request to an AWS service, understood as far as routing and
// permission need it.
type call struct {
	key       string // access key of the signature
	service   string // dynamodb, sqs, sns, secretsmanager, lambda, states, s3
	operation string // PutItem, SendMessage, ...
	function  string // of an invoke, without qualifier
	qualifier string // alias or version of an invoke
	mapping   string // UUID of the event source mapping that a control call names
	bucket    string
	object    string // key of an object
	chunked   bool   // the body of an object is in chunks
	body      []byte
	json      body
	form      url.Values // of the query protocol
}

// body is the part of a JSON request that names resources.
type body struct {
	keyed

	RequestItems  map[string]json.RawMessage `json:"RequestItems"`
	TransactItems []map[string]keyed         `json:"TransactItems"`
	QueueURL      string                     `json:"QueueUrl"`
	QueueName     string                     `json:"QueueName"`
	SourceArn     string                     `json:"SourceArn"`
	SecretID      string                     `json:"SecretId"`
	VersionStage  string                     `json:"VersionStage"`
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
	// Three ways to name an operation: JSON protocols by header, Lambda and S3 by path, and SNS and old SQS clients by a form field.
	target := r.Header.Get("X-Amz-Target")
	switch {
	case target != "":
		c.operation = target[strings.LastIndex(target, ".")+1:]
		if json.Unmarshal(raw, &c.json) != nil {
			c.json = body{} // the engine answers with its own error
		}
	case c.service == "lambda":
		c.byPath(r)
	case c.service == "s3":
		c.byObject(r)
	default:
		c.query(r, raw)
	}
	return c
}

// byPath reads a Lambda call. A path that is not known leaves the call without an operation.
func (c *call) byPath(r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if strings.HasSuffix(r.URL.Path, "/invocations") {
		named := path.Base(path.Dir(r.URL.Path))
		c.operation, c.function = "InvokeFunction", functionName(named)
		c.qualifier = functionQualifier(named)
		if c.qualifier == "" {
			c.qualifier = r.URL.Query().Get("Qualifier")
		}
		return
	}
	if len(parts) < 2 || len(parts) > 3 || parts[1] != "event-source-mappings" {
		return
	}
	if len(parts) == 3 {
		c.mapping = parts[2]
	}
	// Lists have no UUID, everything else has one.
	switch {
	case r.Method == http.MethodGet && c.mapping == "":
		c.operation = "ListEventSourceMappings"
	case r.Method == http.MethodGet:
		c.operation = "GetEventSourceMapping"
	case r.Method == http.MethodPut && c.mapping != "":
		c.operation = "UpdateEventSourceMapping"
	}
}

// query reads the form protocol, which SNS speaks and SQS once spoke.
func (c *call) query(r *http.Request, raw []byte) {
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return
	}
	c.form, c.operation = form, form.Get("Action")
	c.json = body{QueueURL: form.Get("QueueUrl"), QueueName: form.Get("QueueName"), SourceArn: form.Get("SourceArn")}
	// Old clients post to the queue's own address instead of naming it.
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

// functionQualifier returns the alias or version behind a name or an ARN.
func functionQualifier(id string) string {
	parts := strings.Split(id, ":")
	switch {
	case len(parts) == 8:
		return parts[7]
	case len(parts) == 2:
		return parts[1]
	default:
		return ""
	}
}

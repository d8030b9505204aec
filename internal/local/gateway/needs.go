package gateway

import (
	"path"
	"slices"
	"strings"
)

// needs returns the permissions that a call needs, in a fixed order.
func (g *Gateway) needs(c *call) []Call {
	own := ":" + g.Region + ":" + g.Account + ":"
	switch c.service {
	case "dynamodb":
		return g.needsOfTables(c, "arn:aws:dynamodb"+own+"table/")
	case "sqs":
		return []Call{permission("sqs:"+permissionName(c.operation), c.queue("arn:aws:sqs"+own))}
	case "secretsmanager":
		found, _ := g.secretOf(c.json.SecretID)
		return []Call{permission("secretsmanager:"+c.operation, found.ARN)}
	case "lambda":
		return []Call{g.needOfLambda(c, "arn:aws:lambda"+own)}
	case "sns":
		// SNS writes its own name in capitals, and gives a batch the permission of its single form.
		return []Call{permission("SNS:"+permissionName(c.operation), c.topic())}
	case "states":
		t := c.target()
		return []Call{permission("states:"+c.operation, t.resource())}
	case "s3":
		return []Call{permission(objectAction(c.operation), "arn:aws:s3:::"+c.bucket+"/"+c.object)}
	default:
		return []Call{permission(c.service+":"+c.operation, "*")}
	}
}

// permission is one call as IAM sees it. The stack listens on loopback only, so that what a TLS-only statement protects
// from is not here, and every call counts as safe.
func permission(action, resource string) Call {
	return Call{Action: action, Resource: resource, Context: map[string][]string{"aws:SecureTransport": {"true"}}}
}

// permissionName is what IAM calls an operation: a batch needs the permission of its single form.
func permissionName(operation string) string {
	switch operation {
	case "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "PublishBatch":
		return strings.TrimSuffix(operation, "Batch")
	default:
		return operation
	}
}

// needOfLambda is the permission of a Lambda call: on a function, on an event source mapping, or, for lists, on all.
func (g *Gateway) needOfLambda(c *call, prefix string) Call {
	action := "lambda:" + c.operation
	switch {
	case c.operation == "ListEventSourceMappings":
		return permission(action, "*")
	case c.mapping == "":
		// A policy on the bare function does not allow its alias (Lambda: Using versions, Granting permissions).
		return permission(action, strings.TrimSuffix(prefix+"function:"+c.function+":"+c.qualifier, ":"))
	}
	need := permission(action, prefix+"event-source-mapping:"+c.mapping)
	if m, ok := g.mappingOf(c.mapping); ok {
		need.Context["lambda:FunctionArn"] = []string{m.FunctionARN}
	}
	return need
}

// queue is the ARN of the queue that a call names.
func (c *call) queue(prefix string) string {
	switch {
	case c.json.SourceArn != "":
		return c.json.SourceArn
	case c.json.QueueName != "":
		return prefix + c.json.QueueName
	default:
		return prefix + path.Base(c.json.QueueURL)
	}
}

// needsOfTables returns what a DynamoDB call needs: a transaction needs the permission of each of its items, and no
// permission of its own; a batch needs its permission on each table.
func (g *Gateway) needsOfTables(c *call, prefix string) []Call {
	var all []Call
	// Each entry is judged on its own, so that a refusal names the action that is missing.
	for _, entry := range c.json.TransactItems {
		for kind, op := range entry {
			all = append(all, g.onTable("dynamodb:"+itemAction(kind), prefix, op.TableName, op))
		}
	}
	for table, raw := range c.json.RequestItems {
		all = append(all, g.onTable("dynamodb:"+c.operation, prefix, table, batched(raw)...))
	}
	// Everything else names one table. A call that names none needs a permission on no table, which nobody has.
	if len(all) == 0 {
		all = append(all, g.onTable("dynamodb:"+c.operation, prefix, c.json.TableName, c.json.keyed))
	}
	slices.SortStableFunc(all, func(a, b Call) int { return strings.Compare(a.Resource, b.Resource) })
	return all
}

// itemAction is the permission of an entry of a transaction.
func itemAction(kind string) string {
	if kind == "ConditionCheck" {
		return "ConditionCheckItem"
	}
	return kind + "Item"
}

// onTable is a call on a table, or on one of its indexes, with the partition keys that it names.
func (g *Gateway) onTable(action, prefix, table string, items ...keyed) Call {
	name := table
	if len(items) == 1 && items[0].IndexName != "" {
		name += "/index/" + items[0].IndexName
	}
	need := permission(action, prefix+name)
	for i := range items {
		if value, ok := items[i].leading(g.HashKeys[name]); ok {
			need.Context["dynamodb:LeadingKeys"] = append(need.Context["dynamodb:LeadingKeys"], value)
		}
	}
	return need
}

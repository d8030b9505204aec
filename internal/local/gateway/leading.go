package gateway

import (
	"encoding/json"
	"regexp"
)

// attributes are attribute values by name, as the protocol writes them: {"pk": {"S": "JOB#1"}}.
type attributes map[string]map[string]any

// keyed is the part of a request, or of one entry of a batch or transaction, that names an item.
type keyed struct {
	TableName                 string            `json:"TableName"`
	IndexName                 string            `json:"IndexName"`
	Key                       attributes        `json:"Key"`
	Item                      attributes        `json:"Item"`
	KeyConditionExpression    string            `json:"KeyConditionExpression"`
	ExpressionAttributeNames  map[string]string `json:"ExpressionAttributeNames"`
	ExpressionAttributeValues attributes        `json:"ExpressionAttributeValues"`
}

// equality is "name = :value" in a key condition; a partition key has no other operator.
var equality = regexp.MustCompile(`([#\w.-]+)\s*=\s*(:\w+)`)

// leading returns the partition key of the item, or of the query, which IAM knows as dynamodb:LeadingKeys.
func (k *keyed) leading(hashKey string) (string, bool) {
	// An item names its key in Key, or has it among everything else when it is put.
	for _, from := range []attributes{k.Key, k.Item} {
		if v, ok := from[hashKey]; ok {
			return scalar(v), true
		}
	}
	for _, m := range equality.FindAllStringSubmatch(k.KeyConditionExpression, -1) {
		name := m[1]
		if alias, ok := k.ExpressionAttributeNames[name]; ok {
			name = alias
		}
		if v, ok := k.ExpressionAttributeValues[m[2]]; ok && name == hashKey {
			return scalar(v), true
		}
	}
	return "", false
}

// scalar is the text of a key's value: {"S": "x"}, {"N": "1"} or {"B": "..."}.
func scalar(value map[string]any) string {
	for _, v := range value {
		if text, ok := v.(string); ok {
			return text
		}
	}
	return ""
}

// batched returns the keys of the entries for one table: those of BatchGetItem, or those of BatchWriteItem.
func batched(raw json.RawMessage) []keyed {
	var get struct {
		Keys []attributes `json:"Keys"`
	}
	if json.Unmarshal(raw, &get) == nil {
		all := make([]keyed, 0, len(get.Keys))
		for _, key := range get.Keys {
			all = append(all, keyed{Key: key})
		}
		return all
	}
	var write []map[string]keyed
	if json.Unmarshal(raw, &write) != nil {
		return nil
	}
	var all []keyed
	for _, entry := range write {
		for _, request := range entry {
			all = append(all, request)
		}
	}
	return all
}

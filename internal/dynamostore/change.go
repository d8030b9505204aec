package dynamostore

import (
	"maps"
	"reflect"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// condition is a condition expression with the names and values it uses.
type condition struct {
	expr   string
	names  map[string]string
	values item
}

// and joins conditions; names and values of both are kept.
func (c condition) and(d condition) condition {
	return condition{expr: "(" + c.expr + ") AND (" + d.expr + ")", names: merged(c.names, d.names), values: merged(c.values, d.values)}
}

// equals is the condition that an attribute has a value, or does not exist when
// the value is nil. Its placeholders start with if_ and those of a change with
// to_, so that both fit into one request.
func equals(name string, v types.AttributeValue) condition {
	names := map[string]string{"#" + name: name}
	if v == nil {
		return condition{expr: "attribute_not_exists(#" + name + ")", names: names}
	}
	return condition{expr: "#" + name + " = :if_" + name, names: names, values: item{":if_" + name: v}}
}

// unchanged is the condition that a row is still the one that was decided upon:
// every write of a job changes at least one of these attributes.
func unchanged(row item) condition {
	c := equals("st", row["st"])
	for _, name := range []string{"gen", "tk", "att", "lt", "uk"} {
		c = c.and(equals(name, row[name]))
	}
	return c
}

// change is an update expression that turns one row into another.
type change struct {
	expr   string
	names  map[string]string
	values item
}

// changeOf returns the change from old to next: what differs is set, what is gone
// is removed, what is equal is left alone. Leaving alone is more than thrift: the
// relay may have taken a ticket since old was read, and a write of the whole row
// would take it back.
func changeOf(old, next item) change {
	c := change{names: map[string]string{}, values: item{}}
	var set, remove []string
	for _, name := range sortedKeys(old, next) {
		before, after := old[name], next[name]
		switch {
		case reflect.DeepEqual(before, after):
			continue
		case after == nil:
			remove = append(remove, "#"+name)
		default:
			set = append(set, "#"+name+" = :to_"+name)
			c.values[":to_"+name] = after
		}
		c.names["#"+name] = name
	}
	var parts []string
	if len(set) > 0 {
		parts = append(parts, "SET "+strings.Join(set, ", "))
	}
	if len(remove) > 0 {
		parts = append(parts, "REMOVE "+strings.Join(remove, ", "))
	}
	c.expr = strings.Join(parts, " ")
	return c
}

// sortedKeys returns the names of both rows in order, so that an expression is
// the same for the same change.
func sortedKeys(rows ...item) []string {
	seen := map[string]bool{}
	var names []string
	for _, row := range rows {
		for name := range row {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	sort.Strings(names)
	return names
}

// merged returns the union of two maps; nil if it is empty, because DynamoDB
// refuses an empty map of names.
func merged[V any](a, b map[string]V) map[string]V {
	if len(a)+len(b) == 0 {
		return nil
	}
	m := make(map[string]V, len(a)+len(b))
	maps.Copy(m, a)
	maps.Copy(m, b)
	return m
}

package dynamostore

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// str is a text as DynamoDB holds it.
func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// num is a whole number; DynamoDB sends all numbers as text.
func num[N int | int64](n N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(n), 10)}
}

// float is a number with the fewest digits that read back as the same one.
func float(f float64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatFloat(f, 'g', -1, 64)}
}

// writer builds a row; empty values are left out, so that sparse indexes stay
// sparse and rows stay small.
type writer item

// str sets a text, unless it is empty.
func (w writer) str(name, s string) {
	if s != "" {
		w[name] = str(s)
	}
}

// num sets a number, unless it is zero, which is what a missing one reads as.
func (w writer) num(name string, n int) {
	if n != 0 {
		w[name] = num(n)
	}
}

// flag sets what is there or not.
func (w writer) flag(name string, is bool) {
	if is {
		w[name] = num(1)
	}
}

// time sets a moment, unless it is not set.
func (w writer) time(name string, t time.Time) {
	if !t.IsZero() {
		w[name] = num(ms(t))
	}
}

// list sets a list of texts, unless it is empty.
func (w writer) list(name string, all []string) {
	if len(all) == 0 {
		return
	}
	list := make([]types.AttributeValue, len(all))
	for i, s := range all {
		list[i] = str(s)
	}
	w[name] = &types.AttributeValueMemberL{Value: list}
}

// reader reads a row; absent and wrong values are zero. Rows are written by this
// package alone, so a wrong value is a defect that a test finds, not a caller.
type reader item

func (r reader) str(name string) string {
	if v, ok := r[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func (r reader) float(name string) float64 { return floatOf(r[name]) }

func (r reader) num(name string) int {
	if v, ok := r[name].(*types.AttributeValueMemberN); ok {
		n, err := strconv.Atoi(v.Value)
		if err == nil {
			return n
		}
	}
	return 0
}

// has tells zero from absent, where that makes a difference.
func (r reader) has(name string) bool {
	_, ok := r[name]
	return ok
}

func (r reader) time(name string) time.Time {
	return moment(int64(r.num(name)))
}

func (r reader) texts(name string) []string {
	var all []string
	for _, v := range r.list(name) {
		if s, ok := v.(*types.AttributeValueMemberS); ok {
			all = append(all, s.Value)
		}
	}
	return all
}

func (r reader) list(name string) []types.AttributeValue {
	if v, ok := r[name].(*types.AttributeValueMemberL); ok {
		return v.Value
	}
	return nil
}

func floatOf(v types.AttributeValue) float64 {
	if n, ok := v.(*types.AttributeValueMemberN); ok {
		f, err := strconv.ParseFloat(n.Value, 64)
		if err == nil {
			return f
		}
	}
	return 0
}

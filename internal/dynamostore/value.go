package dynamostore

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func num[N int | int64](n N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(n), 10)}
}

func float(f float64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatFloat(f, 'g', -1, 64)}
}

// writer builds a row; empty values are left out, so that sparse indexes stay
// sparse and rows stay small.
type writer item

func (w writer) str(name, s string) {
	if s != "" {
		w[name] = str(s)
	}
}

func (w writer) num(name string, n int) {
	if n != 0 {
		w[name] = num(n)
	}
}

func (w writer) time(name string, t time.Time) {
	if !t.IsZero() {
		w[name] = num(ms(t))
	}
}

// reader reads a row; absent and wrong values are zero.
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

func (r reader) has(name string) bool {
	_, ok := r[name]
	return ok
}

func (r reader) time(name string) time.Time {
	if n := r.num(name); n != 0 {
		return time.UnixMilli(int64(n)).UTC()
	}
	return time.Time{}
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

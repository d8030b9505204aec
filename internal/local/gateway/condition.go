package gateway

import (
	"fmt"
	"strings"
)

// Matches reports whether s matches a pattern with * (any text) and ? (any one
// character).
func Matches(pattern, s string) bool {
	star, retry := -1, 0
	i := 0
	for k := 0; k < len(s); {
		switch {
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[k] && pattern[i] != '*'):
			i++
			k++
		case i < len(pattern) && pattern[i] == '*':
			star, retry = i, k
			i++
		case star >= 0:
			retry++
			i, k = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// conditionsHold reports whether every condition holds, and whether all of them
// are known here.
func conditionsHold(conditions map[string]map[string]any, context map[string][]string) (holds, known bool) {
	holds, known = true, true
	for operator, keys := range conditions {
		for key, wanted := range keys {
			h, k := conditionHolds(operator, context[key], wanted)
			holds, known = holds && h, known && k
		}
	}
	return holds, known
}

// conditionHolds evaluates one operator on one key.
func conditionHolds(operator string, got []string, wanted any) (holds, known bool) {
	var match func(pattern, s string) bool
	base, forAll := strings.CutPrefix(operator, "ForAllValues:")
	switch base {
	case "StringEquals", "ArnEquals":
		match = func(p, s string) bool { return p == s }
	case "StringLike", "ArnLike":
		match = Matches
	case "Bool":
		match = strings.EqualFold
	default:
		return false, false
	}
	// ForAllValues holds for no values at all, as it does on AWS.
	if len(got) == 0 {
		return forAll, true
	}
	for _, s := range got {
		if !listed(wanted, s, match) {
			return false, true
		}
		if !forAll {
			return true, true
		}
	}
	return true, true
}

// listed reports whether s matches one of the wanted values.
func listed(wanted any, s string, match func(pattern, s string) bool) bool {
	all, ok := wanted.([]any)
	if !ok {
		all = []any{wanted}
	}
	for _, w := range all {
		if match(fmt.Sprint(w), s) {
			return true
		}
	}
	return false
}

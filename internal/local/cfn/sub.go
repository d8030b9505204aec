package cfn

import (
	"fmt"
	"regexp"
	"strings"
)

// variable is one ${...} of Fn::Sub; ${!literal} stays as it is.
var variable = regexp.MustCompile(`\$\{(!?)([^}]+)\}`)

// sub evaluates Fn::Sub in both forms.
func (r *resolver) sub(arg any) (any, error) {
	text, local := fmt.Sprint(arg), map[string]any{}
	if pair, ok := arg.([]any); ok && len(pair) == 2 {
		text = fmt.Sprint(pair[0])
		local, _ = pair[1].(map[string]any)
	}
	var failed error
	out := variable.ReplaceAllStringFunc(text, func(match string) string {
		parts := variable.FindStringSubmatch(match)
		if parts[1] == "!" {
			return "${" + parts[2] + "}"
		}
		v, err := r.named(parts[2], local)
		if err != nil {
			failed = err
		}
		return fmt.Sprint(v)
	})
	return out, failed
}

// named evaluates a variable of Fn::Sub.
func (r *resolver) named(name string, local map[string]any) (any, error) {
	if v, ok := local[name]; ok {
		return r.value(v)
	}
	if _, known := r.values[name]; !known && strings.Contains(name, ".") {
		return r.getAtt(name)
	}
	return r.ref(name)
}

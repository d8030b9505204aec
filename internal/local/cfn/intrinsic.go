package cfn

import (
	"fmt"
	"strings"
)

// intrinsic reports whether a map is a call of an intrinsic function.
func intrinsic(m map[string]any) (name string, arg any, ok bool) {
	if len(m) != 1 {
		return "", nil, false
	}
	for k, v := range m {
		if k == "Ref" || k == "Condition" || strings.HasPrefix(k, "Fn::") {
			_, plain := v.(string)
			return k, v, k != "Condition" || plain
		}
	}
	return "", nil, false
}

// call evaluates one intrinsic function.
func (r *resolver) call(name string, arg any) (any, error) {
	switch name {
	case "Ref":
		return r.ref(fmt.Sprint(arg))
	case "Condition":
		return r.condition(fmt.Sprint(arg))
	case "Fn::GetAtt":
		return r.getAtt(arg)
	case "Fn::Sub":
		return r.sub(arg)
	}
	args, err := r.list(arg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r.function(name, args)
}

// list returns the arguments of a function, not yet evaluated.
func (*resolver) list(arg any) ([]any, error) {
	args, ok := arg.([]any)
	if !ok {
		return nil, fmt.Errorf("wants a list, not %v", arg)
	}
	return args, nil
}

// function evaluates the functions over lists. Fn::If evaluates only the branch
// that is taken: the other may name resources that do not exist.
func (r *resolver) function(name string, args []any) (any, error) {
	if name == "Fn::If" {
		if len(args) != 3 {
			return nil, fmt.Errorf("Fn::If wants 3 arguments, not %d", len(args))
		}
		yes, err := r.condition(fmt.Sprint(args[0]))
		if err != nil {
			return nil, err
		}
		if yes {
			return r.value(args[1])
		}
		return r.value(args[2])
	}
	got := make([]any, len(args))
	for i := range args {
		v, err := r.value(args[i])
		if err != nil {
			return nil, err
		}
		got[i] = v
	}
	return apply(name, got)
}

// apply computes a function of evaluated arguments.
func apply(name string, args []any) (any, error) {
	switch {
	case name == "Fn::Equals" && len(args) == 2:
		return fmt.Sprint(args[0]) == fmt.Sprint(args[1]), nil
	case name == "Fn::Not" && len(args) == 1:
		return args[0] == false, nil
	case name == "Fn::And", name == "Fn::Or":
		for _, a := range args {
			if (a == true) == (name == "Fn::Or") {
				return name == "Fn::Or", nil
			}
		}
		return name == "Fn::And", nil
	case name == "Fn::Join" && len(args) == 2:
		parts, ok := args[1].([]any)
		if !ok {
			return nil, fmt.Errorf("Fn::Join wants a list to join, not %v", args[1])
		}
		texts := make([]string, len(parts))
		for i := range parts {
			texts[i] = fmt.Sprint(parts[i])
		}
		return strings.Join(texts, fmt.Sprint(args[0])), nil
	case name == "Fn::Select" && len(args) == 2:
		from, _ := args[1].([]any)
		var i int
		if _, err := fmt.Sscan(fmt.Sprint(args[0]), &i); err != nil || i < 0 || i >= len(from) {
			return nil, fmt.Errorf("Fn::Select has no element %v", args[0])
		}
		return from[i], nil
	}
	return nil, fmt.Errorf("intrinsic function %s with %d arguments is not known to the local run", name, len(args))
}

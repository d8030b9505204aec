package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"unicode/utf8"
)

// Limits of StartExecution, from its page of the API reference.
const (
	longestName  = 80        // characters
	largestInput = 256 << 10 // bytes
)

// RoleKey is the access key that a state machine signs with: it names the role's name, and so whose permissions count.
func RoleKey(role string) string { return roleKeys + role }

// roleKeys begins every key of a role. One whose role nobody has declared may do nothing, instead of everything.
const roleKeys = "role-"

// forbidden is what the name of an execution must not have in it: white space, brackets, wildcards, special and control
// characters. The end of each plane and what is no character at all are no names either.
var forbidden = regexp.MustCompile(`[\s<>{}\[\]?*"#%\\^|~` + "`" + `$&,;:/\x00-\x1f\x7f-\x9f\x{fffd}-\x{ffff}\x{10fffe}\x{10ffff}]`)

// target is the part of a request to Step Functions that names what it is about.
type target struct {
	Machine   string `json:"stateMachineArn"`
	Execution string `json:"executionArn"`
	MapRun    string `json:"mapRunArn"`
	Name      string `json:"name"`
	Input     string `json:"input"`
}

// resource is the ARN that IAM judges an operation by. A list of everything names none.
func (t *target) resource() string {
	for _, arn := range []string{t.Machine, t.Execution, t.MapRun} {
		if arn != "" {
			return arn
		}
	}
	return "*"
}

// stateOperation reports whether an operation is one that the engine is trusted with. Definitions are the template's, and
// changing them would pass by what the stack checks; and nothing here waits for a task token.
func stateOperation(name string) bool {
	switch name {
	case "StartExecution", "DescribeExecution", "StopExecution", "GetExecutionHistory", "ListExecutions",
		"RedriveExecution", "DescribeStateMachine", "DescribeStateMachineForExecution", "ListStateMachines", "DescribeMapRun", "ListMapRuns":
		return true
	default:
		return false
	}
}

// states checks what the engine does not, and passes the call on.
func (g *Gateway) states(w http.ResponseWriter, r *http.Request, c *call) {
	switch {
	case g.States == "":
		failure(w, http.StatusBadRequest, "StateMachineDoesNotExist", "the template has no state machine")
		return
	case !stateOperation(c.operation):
		failure(w, http.StatusBadRequest, "UnknownOperationException", c.operation+" of Step Functions is not part of the local stack")
		return
	case c.operation == "StartExecution":
		if code, why := startable(c.body); code != "" {
			failure(w, http.StatusBadRequest, code, why)
			return
		}
	}
	g.forward(w, r, c, g.States)
}

// startable finds the error that AWS has for a name or an input, if it has one.
func startable(body []byte) (code, why string) {
	// The name may be left out, but not be empty.
	var t struct {
		target
		Name *string `json:"name"`
	}
	if json.Unmarshal(body, &t) != nil {
		return "", "" // the engine answers with its own error
	}
	if n := t.Name; n != nil && (*n == "" || utf8.RuneCountInString(*n) > longestName || forbidden.MatchString(*n)) {
		return "InvalidName", "Invalid Name: '" + *n + "'"
	}
	switch {
	case len(t.Input) > largestInput:
		return "InvalidExecutionInput", "Invalid State Machine Execution Input: its size exceeds 262144 bytes"
	case t.Input != "" && !json.Valid([]byte(t.Input)):
		return "InvalidExecutionInput", "Invalid State Machine Execution Input: it is not JSON"
	}
	return "", ""
}

// target reads what a call to Step Functions is about.
func (c *call) target() target {
	var t target
	if err := json.NewDecoder(bytes.NewReader(c.body)).Decode(&t); err != nil {
		return target{}
	}
	return t
}

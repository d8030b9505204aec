package lambdart

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// unhandled is the only function error of today's runtimes.
const unhandled = "Unhandled"

// invocation is one request on its way through an environment.
type invocation struct {
	id            string
	trace         string
	clientContext string
	payload       []byte
	began         time.Time
	deadline      time.Time
	end           chan ending // buffered: nobody may be waiting any more

	// Guarded by the lock of the environment that has it.
	delivered bool    // a runtime has taken it
	posted    *ending // what the runtime answered
}

// ending is how an invocation ended: a result, and what becomes of the environment.
type ending struct {
	Result
	err         error // not the function's fault
	errorType   string
	gone        bool // the process ended with it
	undelivered bool // the process had ended before
}

// newInvocation names what the caller left unnamed. A trace that was begun here is not sampled: nothing collects it.
func newInvocation(payload []byte, opts InvokeOptions) *invocation {
	inv := &invocation{
		id: opts.RequestID, trace: opts.TraceID, clientContext: opts.ClientContext,
		payload: payload, end: make(chan ending, 1),
	}
	if inv.id == "" {
		inv.id = newRequestID()
	}
	if inv.trace == "" {
		inv.trace = fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", time.Now().Unix(), randomHex(12), randomHex(8))
	}
	return inv
}

// begin starts the clock of the function.
func (inv *invocation) begin(timeout time.Duration) {
	inv.began = time.Now()
	inv.deadline = inv.began.Add(timeout)
}

// failed makes the error document that Lambda gives when the runtime could not. The environment is gone in all such
// cases.
func failed(errorType, requestID, reason string) ending {
	return ending{Result: Result{
		Payload: document(errorType, "RequestId: "+requestID+" Error: "+reason), FunctionError: unhandled,
	}, errorType: errorType, gone: true}
}

// document is an error as Lambda writes it.
func document(errorType, message string) []byte {
	text, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{errorType, message})
	if err != nil { // two strings
		return nil
	}
	return text
}

// timedOut is the reason of a timeout.
func timedOut(limit time.Duration) string {
	return fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds())
}

// exitReason is the reason of a process that ended by itself or was killed. Lambda has no more to say of status 0,
// which no runtime should end with.
func exitReason(status string) string {
	if status == "" {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + status
}

// newRequestID makes a random UUID.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// randomHex makes 2n random hexadecimal digits.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

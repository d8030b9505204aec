package gateway

import "sync"

// Modes of a Fault.
const (
	DropRequest = "drop_request" // the connection is cut, the service never sees the call
	DropReply   = "drop_reply"   // the call is done, but the connection is cut instead of an answer
	Error       = "error"        // the service answers with Code and status 400
)

// Fault makes calls fail on their way, as networks and services do.
type Fault struct {
	Principal string `json:"principal"` // function name; empty for any
	Operation string `json:"operation"` // such as TransactWriteItems; empty for any
	Mode      string `json:"mode"`
	Code      string `json:"code"`  // of the error, such as ThrottlingException
	Skip      int    `json:"skip"`  // matching calls that pass before
	Count     int    `json:"count"` // how many calls fail; 0 for all from then on
}

// known reports whether the mode is one of the three.
func (f *Fault) known() bool {
	return f.Mode == DropRequest || f.Mode == DropReply || f.Mode == Error
}

// faults is the plan in force.
type faults struct {
	mu   sync.Mutex
	plan []Fault
	done []int // calls that matched, per fault
	hook func(principal, operation string) (Fault, bool)
}

// ask installs a hook.
func (f *faults) ask(hook func(principal, operation string) (Fault, bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// hooked asks the hook, outside of the lock: it may take its time.
func (f *faults) hooked(principal, operation string) (Fault, bool) {
	f.mu.Lock()
	hook := f.hook
	f.mu.Unlock()
	if hook == nil {
		return Fault{}, false
	}
	return hook(principal, operation)
}

// set replaces the plan.
func (f *faults) set(plan []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.done = plan, make([]int, len(plan))
}

// next returns the fault that a call meets.
func (f *faults) next(principal, operation string) (Fault, bool) {
	if fault, ok := f.hooked(principal, operation); ok {
		return fault, true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.plan {
		p := &f.plan[i]
		if p.Principal != "" && p.Principal != principal || p.Operation != "" && p.Operation != operation {
			continue
		}
		// The first rule that fits and is not used up decides; those before it have counted the call.
		f.done[i]++
		if n := f.done[i] - p.Skip; n > 0 && (p.Count == 0 || n <= p.Count) {
			return *p, true
		}
	}
	return Fault{}, false
}

package gateway

import "sync"

// Fault makes calls fail on their way, as networks and services do.
type Fault struct {
	Principal string `json:"principal"` // function name; empty for any
	Operation string `json:"operation"` // such as TransactWriteItems; empty for any
	// Mode is what happens: "drop_request" (the service never sees it),
	// "drop_reply" (it is done, but the caller never learns), or "error".
	Mode  string `json:"mode"`
	Code  string `json:"code"`  // of the error, such as ThrottlingException
	Skip  int    `json:"skip"`  // matching calls that pass before
	Count int    `json:"count"` // how many calls fail; 0 for all from then on
}

// faults is the plan in force.
type faults struct {
	mu   sync.Mutex
	plan []Fault
	done []int // calls that matched, per fault
}

// set replaces the plan.
func (f *faults) set(plan []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.done = plan, make([]int, len(plan))
}

// next returns the fault that a call meets.
func (f *faults) next(principal, operation string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.plan {
		p := &f.plan[i]
		if p.Principal != "" && p.Principal != principal || p.Operation != "" && p.Operation != operation {
			continue
		}
		f.done[i]++
		if n := f.done[i] - p.Skip; n > 0 && (p.Count == 0 || n <= p.Count) {
			return *p, true
		}
	}
	return Fault{}, false
}

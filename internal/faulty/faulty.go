// Package faulty stands between a use case and its ports and does to every call
// what real ones suffer: refused, answered into the void, or cut by the death of
// the process, before or after the effect.
//
// It promises that a fault is one of a closed list, chosen by a Plan and by
// nothing else, so that a seeded plan repeats a run exactly; and that a process
// which is down has no further effect, while a request that it had sent before
// still arrives: that is what a killed function leaves behind.
//
// It refuses to know which use case calls: the same decorators serve the write
// API, the worker, the relay and the reconciler. Delay is not a fault of its own:
// the Pause of a process stands before and behind each effect (behind each read),
// and whoever waits there decides how long.
package faulty

import (
	"errors"
	"math/rand/v2"

	"orbitq/internal/job"
)

// Fault is what happens to one call of a port.
type Fault int

// The faults. The letters in brackets name them in the reliability notes.
const (
	None        Fault = iota
	Refuse            // throttled or in conflict: no effect, and the caller is told (F11, F12)
	LoseReply         // the effect is there, the caller sees an error (F3, F4)
	CrashBefore       // the process ends before the call (F1, F5)
	CrashAfter        // the process ends after the effect (F2)
	Twice             // a receive hands the same deliveries out two times (F6)
	faults
)

// String returns the fault's name for reports.
func (f Fault) String() string {
	return [faults]string{"none", "refused", "lost reply", "crash before", "crash after", "delivered twice"}[f]
}

// Faults lists every fault but None.
func Faults() []Fault { return []Fault{Refuse, LoseReply, CrashBefore, CrashAfter, Twice} }

// ErrDown is what a call returns when its process has ended. Nobody is left to
// see it: whoever runs the process must ignore what it returned.
var ErrDown = errors.New("the process is down")

// Plan chooses the fault of the next call. op is the name of the port's method.
type Plan interface {
	Next(op string) Fault
}

// Calm is the plan without faults.
type Calm struct{}

// Next implements Plan.
func (Calm) Next(string) Fault { return None }

// Script gives the first call of a method the fault that stands beside its name,
// once: for the tests that are about one fault at one place.
type Script map[string]Fault

// Next implements Plan.
func (s Script) Next(op string) Fault {
	f := s[op]
	delete(s, op)
	return f
}

// Random draws faults from a seeded source and counts them.
type Random struct {
	Rand     *rand.Rand
	Chance   [faults]float64 // of each fault, per call
	Injected [faults]int
}

// Next implements Plan. One draw per call keeps replays simple: the chances are
// laid end to end on one number.
func (r *Random) Next(op string) Fault {
	x := r.Rand.Float64()
	for f := Refuse; f < faults; f++ {
		if x -= r.Chance[f]; x >= 0 {
			continue
		}
		if (f == Twice) != (op == "Deliver") {
			return None // a delivery can only be doubled, and only a delivery
		}
		r.Injected[f]++
		return f
	}
	return None
}

// Process is one running instance of a function, between its start and its end.
type Process struct {
	Plan  Plan
	Pause func() // where others may run; nil for nowhere

	down bool
}

// Kill ends the process. Requests that are on their way still arrive.
func (p *Process) Kill() { p.down = true }

// Down reports whether the process has ended.
func (p *Process) Down() bool { return p.down }

// wait lets others run.
func (p *Process) wait() {
	if p.Pause != nil {
		p.Pause()
	}
}

// call makes one call of a port under the process's plan.
//
// The first pause stands between the decision to call and the effect: there the
// request is on its way, and a process that ends meanwhile cannot take it back.
func call[T any](p *Process, op string, do func() (T, error)) (T, error) {
	return exchange(p, op, true, do)
}

// read is call for methods that change nothing: it makes no difference when they
// arrive, so the pause behind the call before is enough.
func read[T any](p *Process, op string, do func() (T, error)) (T, error) {
	return exchange(p, op, false, do)
}

// do is call for methods that return only an error.
func do(p *Process, op string, f func() error) error {
	_, err := call(p, op, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// exchange is a request and its reply, with a pause before the effect or without.
func exchange[T any](p *Process, op string, travels bool, do func() (T, error)) (T, error) {
	var none T
	if p.down {
		return none, ErrDown
	}
	f := p.Plan.Next(op)
	switch f {
	case CrashBefore:
		p.down = true
		return none, ErrDown
	case Refuse:
		p.wait()
		return none, job.Errorf(job.Throttled, "%s was refused", op)
	case None, LoseReply, CrashAfter, Twice, faults:
	}
	if travels {
		p.wait()
	}
	v, err := do()
	p.wait()
	switch {
	case f == CrashAfter, p.down:
		p.down = true
		return none, ErrDown
	case f == LoseReply:
		return none, job.Errorf(job.Internal, "the reply of %s was lost", op)
	default:
		return v, err
	}
}

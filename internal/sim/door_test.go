package sim_test

import (
	"slices"
	"time"

	"orbitq/internal/limit"
)

// traffic is what the oracle knows about the provider's door: every call by the
// true time, and what the row said then.
type traffic struct {
	policy limit.Policy
	exact  bool        // the clocks are so close that the limiter can keep its promise
	shared []time.Time // calls of the lanes in the last window
	all    []time.Time
	calls  int // ever
	booked int // requests that were counted and not given back, ever
	cut    int // calls that were allowed, and whose process ended before it made them or gave them back

	row    limit.Row
	opened time.Time // when the breaker last opened
	closed time.Time // when the budget of the month was last closed
	probes int       // probes that were granted since
	probed int       // calls that were made since its time was over
}

// slack is how long ago a worker may have asked that calls now: the row that it
// knows may be a second old, the decision takes at most five, the slot may be a
// little ahead.
const slack = maxTurn + time.Second + limit.Patience

// called holds a call against the limiter, the breaker and the budget.
func (o *oracle) called(at time.Time, pass *limit.Pass) {
	t := &o.traffic
	t.all = within(append(t.all, at), at, t.policy.Window)
	if !pass.High {
		t.shared = within(append(t.shared, at), at, t.policy.Window)
	}
	t.calls++
	if o.broken(budgetKept, t.calls <= t.booked) {
		o.failf(budgetKept, "call %d of the provider, only %d were booked", t.calls, t.booked)
	}
	if !t.exact {
		return
	}
	p, b := t.policy, t.row.Breaker
	if o.broken(i21, len(t.all) <= p.Shared+p.Reserved && len(t.shared) <= p.Shared) {
		o.failf(i21, "%d calls within %v, %d of them in the shared lane, allowed are %d and %d", len(t.all), p.Window, len(t.shared), p.Shared+p.Reserved, p.Shared)
	}
	over := t.row.Budget.Closed && t.row.Budget.Month == at.Format("2006-01") && at.Sub(t.closed) > slack
	if o.broken(budgetKept, !over) {
		o.failf(budgetKept, "job %s called at %v, the month is used up since %v", pass.Job, at, t.closed)
	}
	if b.Until.IsZero() {
		return
	}
	open := at.Before(b.Until) && at.Sub(t.opened) > slack
	if o.broken(breakerKept, !open) {
		o.failf(breakerKept, "job %s called at %v; the breaker is open from %v to %v", pass.Job, at, t.opened, b.Until)
	}
	if !at.Before(b.Until) {
		t.probed++
		if o.broken(breakerKept, t.probed <= t.probes) {
			o.failf(breakerKept, "call %d of job %s through a half open breaker, %d probes were granted", t.probed, pass.Job, t.probes)
		}
	}
}

// budgetTrue holds the budget against the calls when all has come to rest: each request that
// was counted is a call that was made, or that of a process which ended in between. Where
// clocks are minutes apart, a booking may leave the log before it is given back.
func (o *oracle) budgetTrue() {
	t := &o.traffic
	if t.exact && o.broken(budgetKept, t.booked <= t.calls+t.cut) {
		o.failf(budgetKept, "%d requests are counted, %d calls were made, and %d processes ended in between", t.booked, t.calls, t.cut)
	}
}

// within drops what lies a window or more behind.
func within(calls []time.Time, at time.Time, window time.Duration) []time.Time {
	return slices.DeleteFunc(calls, func(c time.Time) bool { return at.Sub(c) >= window })
}

// moved looks at a write of the door's row.
func (o *oracle) moved(next *limit.Row, now time.Time) {
	t := &o.traffic
	budget, old := t.row.Budget, t.row.Breaker
	t.row = *next
	b := next.Breaker
	t.booked += next.Budget.Requests
	if next.Budget.Month == budget.Month {
		t.booked -= budget.Requests
	}
	if next.Budget.Closed && (!budget.Closed || budget.Month != next.Budget.Month) {
		t.closed = now
	}
	if o.broken(budgetKept, t.policy.Requests == 0 || next.Budget.Requests <= t.policy.Requests) {
		o.failf(budgetKept, "%d calls were booked for a month of %d", next.Budget.Requests, t.policy.Requests)
	}
	if o.broken(breakerKept, len(b.Failures) < t.policy.Exceptions || !b.Until.IsZero()) {
		o.failf(breakerKept, "closed after %d failures", len(b.Failures))
	}
	if b.Until.After(old.Until) {
		t.opened, t.probes, t.probed = now, 0, 0
	}
	if b.Probe.After(old.Probe) {
		t.probes++
	}
	if o.broken(i21, len(next.Shared) <= 2*t.policy.Shared+8 && len(next.Reserved) <= 2*t.policy.Reserved+8) {
		o.failf(i21, "the log keeps %d and %d slots", len(next.Shared), len(next.Reserved))
	}
}

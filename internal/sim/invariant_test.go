package sim_test

import (
	"fmt"
	"strings"
)

// invariant is one rule that no run may break.
type invariant int

// The invariants. Those with a number are numbered as in the reliability notes.
const (
	rowKept       invariant = iota // a row has a legal shape, and only its own operation changes it
	ticketsGrow                    // tickets never go back, and older ones than the valid ones claim nothing
	notBeforeDue                   // nothing runs before it is due
	buriedRightly                  // only the newest message without a worker buries a job
	resentRightly                  // the relay sends only what is due a look and held by nobody
	breakerKept                    // no call while the breaker is open, and one per probe until it closes
	budgetKept                     // no call that was not booked, and no more bookings in a month than its budget
	uniqueKept                     // a unique key has at most one open job, and is free afterwards
	underPlan                      // a unit is asked for under the newest plan that is known of an owner
	startedInTime                  // a job with max_wait starts before its end, or dies of it
	receiversKept                  // a receiver that fails delays nobody else, is left alone after five failures, and is never asked again once it refused
	stepsKept                      // every operation that runs has a step in each sweep
	i1                             // no analysis without its unit, no unit without its analysis
	i2                             // nobody takes more units than their limit, nobody is skipped below it
	i3                             // a meter says what its rows say
	i4                             // an accepted job comes to one end, and its messages are kept until then
	i5                             // every change is in the state table
	i6                             // a good request is answered by a stored job
	i7                             // the same key gives the same job, another body a conflict
	i8                             // many deliveries have the effect of one
	i9                             // only the holder of the lease writes
	i10                            // attempts, deadlines and backoffs are kept
	i11                            // a dead job has a reason, and exactly one letter
	i12                            // what is not ours is recorded, and blocks nobody
	i13                            // a dead job runs again only when a person asked
	i15                            // a batch's items add up, only come closer to their ends, and are final when it closes
	i16                            // then, catch and finally fire when they should, and at most once in a round
	i17                            // a death is told at least once, with one id, and always the same
	i18                            // no step begins before the one before it is final, and none has two effects
	i19                            // one execution for each number of a chain or batch
	i21                            // no window holds more calls of the provider than its allowance
	i24                            // everything comes to rest in time
	i25                            // people may do what the state table says, with their own jobs
	invariants
)

// String returns the name that reports use.
func (i invariant) String() string {
	return [...]string{
		"row", "ticket", "due", "bury", "relay", "breaker", "budget", "unique", "plan", "max_wait", "receivers", "operations",
		"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13", "I15", "I16", "I17", "I18", "I19", "I21", "I24", "I25",
	}[i]
}

// ofFlows reports whether an invariant is about chains and batches alone.
func (i invariant) ofFlows() bool {
	return i == i15 || i == i16 || i == i18 || i == i19 || i == receiversKept
}

// checked counts the comparisons of each invariant.
type checked [invariants]int

// all returns the sum.
func (c *checked) all() (n int) {
	for _, k := range c {
		n += k
	}
	return n
}

// String lists how often each invariant was checked.
func (c *checked) String() string {
	var b strings.Builder
	for i := range invariants {
		fmt.Fprintf(&b, " %v %d,", i, c[i])
	}
	return strings.Trim(b.String(), " ,")
}

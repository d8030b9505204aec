package sim_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/memstore"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
)

// meter names a usage row.
type meter struct{ owner, key string }

// oracle knows every row as it was last seen, and what a row may become. It does
// not know how the system comes to its decisions.
type oracle struct {
	store   *memstore.Store
	written int // rows of the store that were looked at

	rows  map[string]*job.Job
	open  int                 // rows in an open state
	units map[meter]job.Meter // what the meters must say, counted from the rows
	bills map[string]meter    // job -> the meter that its analysis was billed on
	moves map[edge]int        // every transition that may happen, and how often it did
	old   job.Job             // the row before the effect that is looked at

	holders    map[holding]string   // open jobs by their unique key
	newest     map[string]time.Time // issue of an owner's newest token that was used
	answers    map[string]string    // to requests without a job of their own, by the id that it would have
	deaths     map[string]news      // by the id of the event that tells of it
	operations map[string]deadletter.Operation
	untold     int // deaths of which nobody heard
	flows      flowOracle
	traffic    traffic
	redriven   map[job.Message]bool // what a person moved out of the dead letters
	skew       time.Duration        // most that two clocks differ

	wrong   []string // broken invariants
	effects int      // writes that were checked
	checks  checked
}

// edge is a transition under an operation of the table.
type edge struct {
	op       string
	from, to job.State
}

// String names an edge in reports.
func (e edge) String() string { return fmt.Sprintf("%s: %s -> %s", e.op, e.from, e.to) }

func newOracle(s *memstore.Store, moves map[edge]int) *oracle {
	return &oracle{
		flows: newFlowOracle(),
		store: s, rows: map[string]*job.Job{}, units: map[meter]job.Meter{}, bills: map[string]meter{},
		moves: moves, holders: map[holding]string{}, answers: map[string]string{}, newest: map[string]time.Time{}, deaths: map[string]news{}, operations: map[string]deadletter.Operation{}, redriven: map[job.Message]bool{},
	}
}

// transitions returns every edge of the state table, none of them taken yet.
func transitions() map[edge]int {
	moves := map[edge]int{}
	for _, t := range job.Transitions() {
		moves[edge{operation(t.Event), t.From, t.To}] = 0
	}
	return moves
}

// operation returns the operation of the table that makes an event.
func operation(event string) string {
	word, _, _ := strings.Cut(event, ",")
	name, _, _ := strings.Cut(word, " ")
	switch name {
	case "redrive":
		return "claim"
	case "fail", "release":
		return "settle"
	case "cancel", "retry", "restart", "forget", "snooze", "line":
		return "amend"
	default:
		return name
	}
}

// broken counts a comparison and reports whether it failed. Only then is there
// something to say, and to pay for saying it.
func (o *oracle) broken(i invariant, ok bool) bool {
	o.checks[i]++
	return !ok
}

// failf notes a broken invariant.
func (o *oracle) failf(i invariant, format string, args ...any) {
	if len(o.wrong) < 10 {
		o.wrong = append(o.wrong, i.String()+": "+fmt.Sprintf(format, args...))
	}
}

// mustf is both, where speed does not matter.
func (o *oracle) mustf(i invariant, ok bool, format string, args ...any) {
	if o.broken(i, ok) {
		o.failf(i, format, args...)
	}
}

// effect says what an operation wanted, for the invariants about the caller.
type effect struct {
	op      string
	id      string
	at      time.Time // the caller's clock
	holder  string    // lease token of the caller, for a settle
	message job.Message
}

// see looks at the row that an operation may have changed.
func (o *oracle) see(ctx context.Context, e *effect) {
	n := o.store.Written()
	if n == o.written {
		return
	}
	if o.broken(rowKept, n == o.written+1) {
		o.failf(rowKept, "%s of job %s wrote %d rows", e.op, e.id, n-o.written)
	}
	o.written = n
	next, err := o.store.Job(ctx, e.id)
	if o.broken(rowKept, err == nil) {
		o.failf(rowKept, "%s wrote, but not job %q", e.op, e.id)
		return
	}
	row, known := o.rows[e.id]
	if !known {
		row = &job.Job{}
		o.rows[e.id] = row
	}
	old := &o.old // not on the stack: DeepEqual would move it to the heap each time
	*old, *row = *row, next
	if known && reflect.DeepEqual(old, row) {
		return
	}
	o.effects++
	o.open += bit(row.State.Open()) - bit(old.State.Open())
	step := edge{e.op, old.State, row.State}
	times, legal := o.moves[step]
	if o.broken(i5, legal) {
		o.failf(i5, "%s of job %s: %q -> %q is not in the state table", e.op, e.id, step.from, step.to)
	} else {
		o.moves[step] = times + 1
	}
	o.shape(row)
	if known {
		o.change(e, old, row)
		o.startsInTime(e, old, row)
		o.entitled(ctx, e, old, row)
	}
	o.stepped(e, old, row, known)
	o.keys(old, row)
	if row.State == job.Dead && old.State != job.Dead {
		o.died(row)
	}
	o.count(ctx, old, row)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// count keeps the expected meters, and holds the stored ones against them.
func (o *oracle) count(ctx context.Context, old, next *job.Job) {
	if old.UsageKey != "" {
		o.add(meter{old.Owner, old.UsageKey}, -1, 0)
	}
	if next.UsageKey != "" {
		o.add(meter{next.Owner, next.UsageKey}, 1, 0)
	}
	billed := next.State == job.Succeeded && old.State != job.Succeeded && next.Outcome.Billable()
	if billed {
		m := meter{next.Owner, old.UsageKey}
		if m.key == "" {
			m.key = usage.KeyOf(next, next.Finished)
		}
		_, twice := o.bills[next.ID]
		o.mustf(i8, !twice, "job %s was billed twice", next.ID)
		o.bills[next.ID] = m
		o.add(m, 1, 1)
		all := o.analyses(ctx, next.Point)
		o.mustf(i1, len(all) == 1 && all[0].Job == next.ID, "job %s was billed for %d analyses", next.ID, len(all))
		o.compare(ctx, m, job.Unlimited) // the limit is asked when a unit is taken
	}
	for _, key := range [...]string{old.UsageKey, next.UsageKey} {
		limit := job.Unlimited
		if old.UsageKey == "" {
			limit = next.Limit
		}
		if key != "" {
			o.compare(ctx, meter{next.Owner, key}, limit)
		}
	}
}

func (o *oracle) add(m meter, taken, used int) {
	u := o.units[m]
	u.Taken += taken
	u.Used += used
	o.units[m] = u
}

// compare holds one stored meter against the counted one and the limit.
func (o *oracle) compare(ctx context.Context, m meter, limit int) {
	got, err := o.store.Meter(ctx, m.owner, m.key)
	if o.broken(i3, err == nil && got == o.units[m]) {
		o.failf(i3, "meter %v says %+v, counted %+v", m, got, o.units[m])
	}
	if o.broken(i2, limit == job.Unlimited || got.Used <= limit && got.Taken <= limit) {
		o.failf(i2, "meter %v at %+v is over its limit %d", m, got, limit)
	}
}

func (o *oracle) analyses(ctx context.Context, pointID string) []satellite.Analysis {
	all, err := o.store.Analyses(ctx, pointID)
	o.mustf(rowKept, err == nil, "read analyses: %v", err)
	return all
}

// audit holds every row against what was last seen of it: nothing may change but
// by an operation that was looked at, and no other row than its own.
func (o *oracle) audit() {
	o.mustf(rowKept, o.store.Written() == o.written, "%d rows were written, %d seen", o.store.Written(), o.written)
	for id, row := range o.rows {
		got, err := o.store.Job(context.Background(), id)
		o.old = got
		if o.broken(rowKept, err == nil && reflect.DeepEqual(&o.old, row)) {
			o.failf(rowKept, "job %s changed unseen: %+v, was %+v", id, o.old, *row)
		}
	}
	for m := range o.units {
		o.compare(context.Background(), m, job.Unlimited)
	}
}

// rest holds the whole table against what must be true when everything has come
// to rest: dead is the depth of the dead letter queue without poison.
func (o *oracle) rest(dead int) {
	o.audit()
	deadJobs, taken, billed := 0, map[meter]int{}, map[string]bool{}
	for id, j := range o.rows {
		o.mustf(i4, !j.State.Open(), "job %s never ended: %s", id, j.State)
		if j.State == job.Dead && j.DeadTicket > 0 {
			deadJobs++ // without a ticket it died in the request that accepted it
		}
		m, wasBilled := o.bills[id]
		o.mustf(i1, wasBilled == (j.State == job.Succeeded && j.Outcome.Billable()), "job %s ended %s, billed %v", id, j.Outcome, wasBilled)
		if wasBilled {
			taken[m]++
			billed[j.Point] = true
		}
		all := o.analyses(context.Background(), j.Point)
		o.mustf(i8, len(all) <= 1, "point %s has %d analyses", j.Point, len(all))
		o.mustf(i1, !wasBilled || len(all) == 1 && all[0].Job == id, "job %s was billed, its analysis is gone", id)
		for i := range all {
			o.mustf(i1, o.bills[all[i].Job] != meter{}, "analysis of job %s was never billed", all[i].Job)
		}
	}
	for id, j := range o.rows {
		if j.Outcome == job.AlreadyDone && j.Kind == kinds.EnrichName {
			o.mustf(i1, billed[j.Point], "job %s says already done, nobody did it", id)
		}
	}
	for m, u := range o.units {
		o.mustf(i3, u.Taken == u.Used && u.Used == taken[m], "meter %v ends at %+v for %d analyses", m, u, taken[m])
	}
	o.mustf(i11, dead == deadJobs, "%d letters for %d dead jobs", dead, deadJobs)
}

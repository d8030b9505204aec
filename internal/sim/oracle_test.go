package sim_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
)

// meter names a usage row.
type meter struct{ owner, key string }

// oracle knows every row as it was last seen, and what a row may become. It does
// not know how the system comes to its decisions.
type oracle struct {
	store *memstore.Store
	rows  map[string]job.Job
	units map[meter]job.Meter // what the meters must say, counted from the rows
	bills map[string]meter    // job -> the meter that its analysis was billed on
	legal map[edge]bool

	redriven map[job.Message]bool // what a person moved out of the dead letters
	skew     time.Duration        // most that two clocks differ

	wrong   []string // broken invariants
	effects int      // writes that were checked
	checks  int      // single comparisons
}

// edge is a transition under an operation of the table.
type edge struct {
	op       string
	from, to job.State
}

func newOracle(s *memstore.Store) *oracle {
	o := &oracle{
		store: s, rows: map[string]job.Job{}, units: map[meter]job.Meter{}, bills: map[string]meter{},
		legal: map[edge]bool{}, redriven: map[job.Message]bool{},
	}
	for _, t := range job.Transitions() {
		o.legal[edge{operation(t.Event), t.From, t.To}] = true
	}
	return o
}

// operation returns the operation of the table that makes an event.
func operation(event string) string {
	word, _, _ := strings.Cut(event, ",")
	name, _, _ := strings.Cut(word, " ")
	return map[string]string{
		"accept": "accept", "claim": "claim", "redrive": "claim", "bury": "bury", "relay": "relay",
		"settle": "settle", "fail": "settle", "release": "settle",
		"cancel": "amend", "retry": "amend", "forget": "amend",
	}[name]
}

// mustf notes a broken invariant.
func (o *oracle) mustf(ok bool, id, format string, args ...any) {
	o.checks++
	if !ok && len(o.wrong) < 10 {
		o.wrong = append(o.wrong, id+": "+fmt.Sprintf(format, args...))
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
func (o *oracle) see(ctx context.Context, e effect) {
	next, err := o.store.Job(ctx, e.id)
	if err != nil {
		return
	}
	old, known := o.rows[e.id]
	if known && reflect.DeepEqual(old, next) {
		return
	}
	o.effects++
	o.rows[e.id] = next
	o.mustf(o.legal[edge{e.op, old.State, next.State}], "I5", "%s of job %s: %q -> %q is not in the state table", e.op, e.id, old.State, next.State)
	o.shape(&next)
	if known {
		o.change(e, &old, &next)
	}
	o.count(ctx, &old, &next)
}

// shape holds a row against what every row must be.
func (o *oracle) shape(j *job.Job) {
	open := j.State.Open()
	o.mustf(j.State.Known(), "row", "unknown state %q", j.State)
	o.mustf(1 <= j.ValidTicket && j.ValidTicket <= j.Ticket, "row", "valid ticket %d of %d", j.ValidTicket, j.Ticket)
	o.mustf(0 <= j.Attempts && j.Attempts <= j.MaxAttempts, "I10", "%d attempts of %d", j.Attempts, j.MaxAttempts)
	o.mustf((j.Lease != "") == (j.State == job.Running), "I9", "%s with lease %q", j.State, j.Lease)
	o.mustf(open == j.Finished.IsZero(), "I4", "%s finished at %v", j.State, j.Finished)
	o.mustf(open == !j.Look.IsZero(), "I24", "%s with look %v: nobody would find it", j.State, j.Look)
	o.mustf(open || j.UsageKey == "", "I1", "%s keeps a reservation", j.State)
	o.mustf((j.State == job.Dead || j.State == job.Forgotten) == (j.DeadTicket > 0), "I11", "%s with dead ticket %d", j.State, j.DeadTicket)
	o.mustf(j.State != job.Dead || j.Code != "" && j.Reason != "" && !j.DeadSent.IsZero(), "I11", "dead without a reason: %+v", j)
	ended := j.State == job.Succeeded || j.State == job.Skipped
	o.mustf(ended == (j.Outcome != "") || j.State == job.Waiting, "I4", "%s with outcome %q", j.State, j.Outcome)
	o.mustf(len(j.History) <= job.HistorySize, "row", "history of %d", len(j.History))
}

// change holds a row against the row that it was.
func (o *oracle) change(e effect, old, next *job.Job) {
	o.mustf(old.ID == next.ID && old.Kind == next.Kind && old.Owner == next.Owner && old.Limit == next.Limit && old.Queue == next.Queue &&
		old.Point == next.Point && old.Revision == next.Revision && old.BodyHash == next.BodyHash && old.Created.Equal(next.Created),
		"row", "%s changed what was accepted: %+v", e.op, next)
	o.mustf(next.Ticket >= old.Ticket && next.ValidTicket >= old.ValidTicket, "ticket", "%s took ticket %d back to %d", e.op, old.Ticket, next.Ticket)
	again := !old.State.Open() && next.State != job.Forgotten // a final row is left for a new generation alone
	o.mustf(again == (next.Generation == old.Generation+1) && again != (next.Generation == old.Generation),
		"I5", "%s: generation %d -> %d from %s", e.op, old.Generation, next.Generation, old.State)
	switch next.State {
	case job.Running:
		o.claimed(e, old, next)
	case job.Waiting:
		sent := e.op != "relay"
		o.mustf(next.Ticket > old.Ticket, "ticket", "%s sent ticket %d again", e.op, next.Ticket)
		o.mustf(!sent || next.ValidTicket == next.Ticket, "ticket", "a release left older tickets valid")
		o.mustf(next.Attempts <= old.Attempts && !next.Deadline.Before(old.Deadline), "I10", "a release cost an attempt or time: %+v", next)
	case job.Retrying:
		o.backoff(e, old, next)
	case job.Dead:
		o.mustf(next.Code != job.NoWorkerReport || !old.LeaseLive(e.at), "bury", "job %s was buried under a live lease", e.id)
		o.mustf(next.Code != job.NoWorkerReport || e.message.Ticket == old.Ticket, "bury", "ticket %d buried job %s at ticket %d", e.message.Ticket, e.id, old.Ticket)
	case job.Queued:
		o.mustf(e.op != "claim" || e.message.Ticket == old.DeadTicket && o.redriven[e.message], "I13", "job %s revived, and nobody had asked", e.id)
	case job.Skipped:
		used := o.units[meter{old.Owner, usage.MeterKey(usage.Tier(old.Tier), time.Time{}, e.at)}].Used
		o.mustf(used >= old.Limit, "I2", "job %s was skipped at %d of %d used", e.id, used, old.Limit)
	case job.Scheduled, job.Succeeded, job.Cancelled, job.Forgotten:
	}
	if e.op == "settle" {
		o.mustf(old.State == job.Running && old.Lease == e.holder, "I9", "a zombie wrote %s over %s", next.State, old.State)
	}
	if e.op == "relay" {
		o.mustf(!old.LeaseLive(e.at) && !e.at.Before(old.Look) && next.Look.After(e.at), "relay", "resent too early: %+v", old)
	}
}

// claimed holds a claim against the row that it found.
func (o *oracle) claimed(e effect, old, next *job.Job) {
	if e.op != "claim" {
		return
	}
	o.mustf(!old.LeaseLive(e.at), "I9", "claim of job %s took a live lease", e.id)
	o.mustf(next.Attempts == old.Attempts+1, "I10", "claim made %d attempts of %d", next.Attempts, old.Attempts)
	o.mustf(e.message.Ticket >= old.ValidTicket && e.message.Generation == old.Generation, "ticket", "claim by %+v of %+v", e.message, old)
	o.mustf(e.at.Before(old.Deadline), "I10", "an attempt began at %v, after the deadline %v", e.at, old.Deadline)
	o.mustf(old.State != job.Retrying || !e.at.Before(old.Due), "I10", "an attempt began before its backoff was over")
	o.mustf(!e.at.Before(old.Due.Add(-o.skew)), "due", "a %s job ran at %v, due %v", old.State, e.at, old.Due)
}

// acked holds an acknowledged message against its row: nothing may be left for
// that message to do.
func (o *oracle) acked(body string) {
	m, err := job.DecodeMessage(body)
	j, known := o.rows[m.Job]
	if err != nil || !known {
		o.mustf(false, "I12", "a message without a job was acknowledged: %s", body)
		return
	}
	o.mustf(!j.State.Open() || m.Generation < j.Generation || m.Ticket < j.Ticket, "I4", "the newest message of %s job %s was acknowledged", j.State, j.ID)
	o.mustf(j.State != job.Dead || m.Generation < j.Generation || m.Ticket != j.DeadTicket, "I11", "the carrier of dead job %s was acknowledged", j.ID)
}

// backoff checks a wait after a failed attempt: within its step and a tenth.
func (o *oracle) backoff(e effect, old, next *job.Job) {
	if e.op != "settle" {
		return
	}
	step := timing().BackoffFor(old.Attempts, 0)
	wait := next.Due.Sub(e.at)
	o.mustf(wait >= step && wait <= step+step/10, "I10", "wait %v after attempt %d, step %v", wait, old.Attempts, step)
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
			m.key = usage.MeterKey(usage.Tier(next.Tier), time.Time{}, next.Finished)
		}
		_, twice := o.bills[next.ID]
		o.mustf(!twice, "I8", "job %s was billed twice", next.ID)
		o.bills[next.ID] = m
		o.add(m, 1, 1)
		all := o.analyses(ctx, next.Point)
		o.mustf(len(all) == 1 && all[0].Job == next.ID, "I1", "job %s was billed for %d analyses", next.ID, len(all))
	}
	for _, key := range []string{old.UsageKey, next.UsageKey, o.bills[next.ID].key} {
		if key != "" {
			o.compare(ctx, meter{next.Owner, key}, next.Limit)
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
	o.mustf(err == nil && got == o.units[m], "I3", "meter %v says %+v, counted %+v", m, got, o.units[m])
	o.mustf(limit == job.Unlimited || got.Used <= limit && got.Taken <= limit, "I2", "meter %v at %+v is over its limit %d", m, got, limit)
}

func (o *oracle) analyses(ctx context.Context, pointID string) []satellite.Analysis {
	all, err := o.store.Analyses(ctx, pointID)
	o.mustf(err == nil, "store", "read analyses: %v", err)
	return all
}

// rest holds the whole table against what must be true when everything has come
// to rest: dead is the depth of the dead letter queue without poison.
func (o *oracle) rest(dead int) {
	deadJobs, taken, billed := 0, map[meter]int{}, map[string]bool{}
	for id := range o.rows {
		j := o.rows[id]
		o.mustf(!j.State.Open(), "I4", "job %s never ended: %+v", id, j)
		if j.State == job.Dead {
			deadJobs++
		}
		m, wasBilled := o.bills[id]
		o.mustf(wasBilled == (j.State == job.Succeeded && j.Outcome.Billable()), "I1", "job %s ended %s, billed %v", id, j.Outcome, wasBilled)
		if wasBilled {
			taken[m]++
			billed[j.Point] = true
		}
		all := o.analyses(context.Background(), j.Point)
		o.mustf(len(all) <= 1, "I8", "point %s has %d analyses", j.Point, len(all))
		o.mustf(!wasBilled || len(all) == 1 && all[0].Job == id, "I1", "job %s was billed, its analysis is gone", id)
		for i := range all {
			o.mustf(o.bills[all[i].Job] != meter{}, "I1", "analysis of job %s was never billed", all[i].Job)
		}
	}
	for id := range o.rows {
		if j := o.rows[id]; j.Outcome == job.AlreadyDone {
			o.mustf(billed[j.Point], "I1", "job %s says already done, nobody did it", id)
		}
	}
	for m, u := range o.units {
		o.mustf(u.Taken == u.Used && u.Used == taken[m], "I3", "meter %v ends at %+v for %d analyses", m, u, taken[m])
	}
	o.mustf(dead == deadJobs, "I11", "%d letters for %d dead jobs", dead, deadJobs)
}

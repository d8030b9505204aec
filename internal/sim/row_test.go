package sim_test

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"orbitq/internal/job"
	"orbitq/internal/usage"
)

// shape holds a row against what every row must be.
func (o *oracle) shape(j *job.Job) {
	open := j.State.Open()
	if o.broken(rowKept, j.State.Known()) {
		o.failf(rowKept, "unknown state %q", j.State)
	}
	if o.broken(rowKept, 1 <= j.ValidTicket && j.ValidTicket <= j.Ticket) {
		o.failf(rowKept, "valid ticket %d of %d", j.ValidTicket, j.Ticket)
	}
	if o.broken(i10, 0 <= j.Attempts && j.Attempts <= j.MaxAttempts) {
		o.failf(i10, "%d attempts of %d", j.Attempts, j.MaxAttempts)
	}
	if o.broken(i9, (j.Lease != "") == (j.State == job.Running)) {
		o.failf(i9, "%s with lease %q", j.State, j.Lease)
	}
	if o.broken(i4, open == j.Finished.IsZero()) {
		o.failf(i4, "%s finished at %v", j.State, j.Finished)
	}
	if o.broken(i24, (open || j.State == job.Skipped) == !j.Look.IsZero()) {
		o.failf(i24, "%s with look %v: nobody would find it", j.State, j.Look)
	}
	if o.broken(i1, open || j.UsageKey == "") {
		o.failf(i1, "%s keeps a reservation", j.State)
	}
	if o.broken(i11, j.DeadTicket == 0 || j.State == job.Dead || j.State == job.Forgotten) {
		o.failf(i11, "%s with dead ticket %d", j.State, j.DeadTicket)
	}
	if o.broken(i11, j.State != job.Dead || j.Code != "" && j.Reason != "" && j.Print != "" && (j.DeadTicket > 0) == !j.DeadSent.IsZero()) {
		o.failf(i11, "dead without a reason: %+v", *j)
	}
	if o.broken(rowKept, !j.AwaitsSlot || open && j.Flow == "" && !j.Due.IsZero()) {
		o.failf(rowKept, "%s of %q stands in line, due %v", j.State, j.Flow, j.Due)
	}
	ended := j.State == job.Succeeded || j.State == job.Skipped
	if o.broken(i4, ended == (j.Outcome != "") || j.State == job.Waiting) {
		o.failf(i4, "%s with outcome %q", j.State, j.Outcome)
	}
	if o.broken(rowKept, len(j.History) <= job.HistorySize) {
		o.failf(rowKept, "history of %d", len(j.History))
	}
}

// change holds a row against the row that it was.
func (o *oracle) change(e *effect, old, next *job.Job) {
	if o.broken(rowKept, old.ID == next.ID && old.Kind == next.Kind && old.Owner == next.Owner && old.Queue == next.Queue &&
		old.Unique == next.Unique && slices.Equal(old.Tags, next.Tags) &&
		old.Point == next.Point && old.Revision == next.Revision && old.BodyHash == next.BodyHash && old.Created.Equal(next.Created)) {
		o.failf(rowKept, "%s changed what was accepted: %+v", e.op, *next)
	}
	plan := old.Limit == next.Limit && old.Tier == next.Tier && old.Anchor.Equal(next.Anchor)
	made := e.op == "amend" && old.State == job.Skipped && next.State == job.Queued
	if o.broken(rowKept, plan || made || e.op == "claim" && old.NeedsPlan()) {
		o.failf(rowKept, "%s changed the plan of a %s job: %+v", e.op, old.State, *next)
	}
	if o.broken(ticketsGrow, next.Ticket >= old.Ticket && next.ValidTicket >= old.ValidTicket) {
		o.failf(ticketsGrow, "%s took ticket %d back to %d", e.op, old.Ticket, next.Ticket)
	}
	again := !old.State.Open() && next.State != job.Forgotten  // a final row is left for a new generation alone
	if old.State == job.Skipped && next.State == job.Skipped { // or, if it could not be made up, behind the others
		moved := *old
		moved.Look, again = next.Look, false
		if o.broken(i5, reflect.DeepEqual(moved, *next) && next.Look.After(old.Look)) {
			o.failf(i5, "%s changed more than the look of a skipped job: %+v\nwas %+v", e.op, *next, *old)
		}
	}
	if o.broken(i5, again == (next.Generation == old.Generation+1) && again != (next.Generation == old.Generation)) {
		o.failf(i5, "%s: generation %d -> %d from %s", e.op, old.Generation, next.Generation, old.State)
	}
	switch e.op {
	case "settle":
		if o.broken(i9, old.State == job.Running && old.Lease == e.holder) {
			o.failf(i9, "a zombie wrote %s over %s", next.State, old.State)
		}
	case "relay":
		if o.broken(resentRightly, !old.LeaseLive(e.at) && (old.AwaitsSlot || !e.at.Before(old.Look)) && next.Look.After(e.at) && !next.AwaitsSlot) {
			o.failf(resentRightly, "resent too early: %+v", *old)
		}
	}
	if e.op == "amend" && next.AwaitsSlot && next.Generation == old.Generation {
		// It joined the line, and that is all.
		if o.broken(resentRightly, next.Ticket == old.Ticket && next.ValidTicket == old.ValidTicket && next.Attempts == old.Attempts && next.Deadline.Equal(old.Deadline)) {
			o.failf(resentRightly, "joining the line changed %+v to %+v", *old, *next)
		}
		return
	}
	o.became(e, old, next)
}

// became holds a row against the state that it was brought into.
func (o *oracle) became(e *effect, old, next *job.Job) {
	switch next.State {
	case job.Running:
		o.claimed(e, old, next)
	case job.Waiting:
		o.waits(e, old, next)
	case job.Retrying:
		o.backoff(e, old, next)
	case job.Dead:
		unreported := next.Code == job.NoWorkerReport
		if o.broken(buriedRightly, !unreported || !old.LeaseLive(e.at)) {
			o.failf(buriedRightly, "job %s was buried under a live lease", e.id)
		}
		if o.broken(buriedRightly, !unreported || e.message.Ticket == old.Ticket) {
			o.failf(buriedRightly, "ticket %d buried job %s at ticket %d", e.message.Ticket, e.id, old.Ticket)
		}
	case job.Queued:
		if o.broken(i13, e.op != "claim" || e.message.Ticket == old.DeadTicket && o.redriven[e.message]) {
			o.failf(i13, "job %s revived, and nobody had asked", e.id)
		}
	case job.Skipped:
		used := o.units[meter{old.Owner, usage.KeyOf(next, e.at)}].Used
		if o.broken(i2, used >= next.Limit || old.State == job.Skipped) {
			o.failf(i2, "job %s was skipped at %d of %d used", e.id, used, next.Limit)
		}
	case job.Scheduled, job.Succeeded, job.Cancelled, job.Forgotten:
	}
}

// claimed holds a claim against the row that it found.
func (o *oracle) claimed(e *effect, old, next *job.Job) {
	if e.op != "claim" {
		return
	}
	if o.broken(i9, !old.LeaseLive(e.at)) {
		o.failf(i9, "claim of job %s took a live lease", e.id)
	}
	if o.broken(i10, next.Attempts == old.Attempts+1) {
		o.failf(i10, "claim made %d attempts of %d", next.Attempts, old.Attempts)
	}
	if o.broken(ticketsGrow, e.message.Ticket >= old.ValidTicket && e.message.Ticket <= old.Ticket && e.message.Generation == old.Generation) {
		o.failf(ticketsGrow, "claim by %+v of %+v", e.message, *old)
	}
	if o.broken(i10, e.at.Before(old.Deadline)) {
		o.failf(i10, "an attempt began at %v, after the deadline %v", e.at, old.Deadline)
	}
	if o.broken(i10, old.State != job.Retrying || !e.at.Before(old.Due)) {
		o.failf(i10, "an attempt began before its backoff was over")
	}
	// At the end of max_wait a message is sent so that the job dies of it; whose clock
	// is behind may find that it can still start.
	// A job in line is due since it joined, which may be after its worker looked at the clock.
	late := old.AwaitsSlot || !old.StartBy.IsZero() && !e.at.Before(old.StartBy.Add(-o.skew))
	if o.broken(notBeforeDue, !e.at.Before(old.Due.Add(-o.skew)) || late && (o.skew > 0 || old.AwaitsSlot)) {
		o.failf(notBeforeDue, "a %s job ran at %v, due %v", old.State, e.at, old.Due)
	}
}

// waits holds a release against the row that was released.
func (o *oracle) waits(e *effect, old, next *job.Job) {
	if o.broken(ticketsGrow, next.Ticket > old.Ticket) {
		o.failf(ticketsGrow, "%s sent ticket %d again", e.op, next.Ticket)
	}
	if o.broken(ticketsGrow, e.op == "relay" || next.ValidTicket == next.Ticket) {
		o.failf(ticketsGrow, "a release left older tickets valid")
	}
	if o.broken(i10, next.Attempts <= old.Attempts && !next.Deadline.Before(old.Deadline)) {
		o.failf(i10, "a release cost an attempt or time: %+v", *next)
	}
}

// backoff checks a wait after a failed attempt: within its step and a tenth.
func (o *oracle) backoff(e *effect, old, next *job.Job) {
	if e.op != "settle" {
		return
	}
	step := timing().BackoffFor(old.Attempts, 0)
	wait := next.Due.Sub(e.at)
	if o.broken(i10, wait >= step && wait <= step+step/10) {
		o.failf(i10, "wait %v after attempt %d, step %v", wait, old.Attempts, step)
	}
}

// acked holds an acknowledged message against its row: nothing may be left for
// that message to do.
func (o *oracle) acked(body string) {
	m, ours := read(body)
	j, known := o.rows[m.Job]
	if o.broken(i12, ours && known && m.Ticket < forged) {
		o.failf(i12, "a message that nobody sent was acknowledged: %s", body)
		return
	}
	if o.broken(i4, !j.State.Open() || m.Generation < j.Generation || m.Ticket < j.Ticket) {
		o.failf(i4, "the newest message of %s job %s was acknowledged", j.State, j.ID)
	}
	if o.broken(i11, j.State != job.Dead || m.Generation < j.Generation || m.Ticket != j.DeadTicket) {
		o.failf(i11, "the carrier of dead job %s was acknowledged", j.ID)
	}
}

// read reads a message that we have sent, in the very form in which we send it.
func read(body string) (m job.Message, ours bool) {
	rest := body
	number := func(name string) (n int) {
		digits, ok := strings.CutPrefix(rest, name)
		end := strings.IndexAny(digits, ",}")
		if !ok || end < 0 {
			return -1
		}
		rest = digits[end:]
		n, err := strconv.Atoi(digits[:end])
		if err != nil {
			return -1
		}
		return n
	}
	m.Version = number(`{"v":`)
	id, ok := strings.CutPrefix(rest, `,"job":"`)
	if !ok || len(id) < job.IDLength+1 {
		return m, false
	}
	m.Job, rest = id[:job.IDLength], id[job.IDLength:]
	m.Generation, m.Ticket = number(`","gen":`), number(`,"tk":`)
	return m, rest == "}" && m.Encode() == body
}

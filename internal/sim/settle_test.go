package sim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"orbitq/internal/job"
)

// rhythm is when somebody sweeps in the part without faults: a minute after the last
// time if there is something new for them, else less and less often, which a
// schedule does not do; it saves the simulation the minutes of a month.
type rhythm struct {
	last time.Time
	gap  time.Duration
	seen int // what there was to do the last time
	most time.Duration
}

// next returns when the next sweep is due if there is so much to do.
func (r *rhythm) next(todo int) time.Time {
	if todo != r.seen {
		return r.last.Add(time.Minute)
	}
	return r.last.Add(r.gap)
}

// due reports whether a sweep is due, and counts it as done.
func (r *rhythm) due(todo int, now time.Time) bool {
	if todo == 0 || now.Before(r.next(todo)) {
		return false
	}
	r.gap = min(2*r.gap, r.most)
	if todo != r.seen {
		r.gap = time.Minute
	}
	r.last, r.seen = now, todo
	return true
}

// settleDown is the part without faults: everything must come to rest in time.
func (w *world) settleDown() {
	w.calm = true
	from := w.now
	relay, letters := rhythm{most: 8 * time.Hour}, rhythm{most: 7 * 24 * time.Hour}
	for w.now.Sub(from) < w.bound() && w.steps < 1_000_000 && !w.broken() {
		w.steps++
		switch {
		case len(w.tasks) > 0:
			w.turn(0)
		case w.machines.fire():
		case w.deliverAll():
		case relay.due(w.overdue(), w.now):
			w.relay()
		case letters.due(w.queues.Depth("dead"), w.now):
			w.reconcile()
		case w.atRest():
			w.drain = w.now.Sub(from)
			w.quiet()
			return
		default:
			w.advance(w.untilNext(&relay, &letters))
		}
	}
	w.oracle.mustf(i24, w.broken(), "not at rest %v and %d steps after the last fault: %s", w.now.Sub(from), w.steps, w.unrest())
}

// unrest says what goes on.
func (w *world) unrest() string {
	var all []string
	for id, j := range w.oracle.rows {
		if j.State.Open() {
			all = append(all, fmt.Sprintf("job %s of %q is %s, due %s, look %s", id, j.Flow, j.State, short(j.Due), short(j.Look)))
		}
	}
	for name, x := range w.machines.all {
		if x.running {
			all = append(all, "execution "+name)
		}
	}
	slices.Sort(all)
	for _, name := range queueNames() {
		all = append(all, fmt.Sprintf("%d messages in %s", w.queues.Depth(name), name))
	}
	w.retold(func(at time.Time) { all = append(all, "an event is due "+short(at)) })
	return fmt.Sprintf("%d tasks, %d flows, %d for the relay, %s", len(w.tasks), w.oracle.flows.open(), w.overdue(), strings.Join(all, "; "))
}

// bound is how long after the last fault everything comes to rest: the third look
// for an image is a week after the second; who has to wait for a new budget waits
// for the 1st, and does so again when it is small.
func (w *world) bound() time.Duration {
	bound := 21 * 24 * time.Hour
	if w.drained > 0 || w.policy.Requests > 0 {
		bound += 31 * 24 * time.Hour
	}
	if w.policy.Requests > 0 {
		bound *= time.Duration(1 + 120/w.policy.Requests)
	}
	return bound
}

// deliverAll hands every visible message out.
func (w *world) deliverAll() bool {
	some := false
	for _, name := range queueNames() {
		some = w.deliver(name, 10) || some
	}
	return some
}

// overdue returns how much the relay may have to do, as a number that changes with
// every change of it; zero for nothing.
func (w *world) overdue() (todo int) {
	for _, j := range w.oracle.rows {
		if (j.State.Open() && j.Flow == "" || j.State == job.Skipped) && (j.AwaitsSlot || !w.now.Before(j.Look)) {
			todo += 1 + j.Ticket
		}
	}
	events := w.pending(w.now)
	running, err := w.table.OpenOperations(context.Background(), 100)
	w.oracle.mustf(i25, err == nil, "read operations: %v", err)
	return todo + len(events) + len(running) + w.oracle.flows.overdue(w.now)
}

// atRest reports whether every job is final and every work queue empty.
func (w *world) atRest() bool {
	for _, name := range queueNames() {
		if w.queues.Depth(name) > 0 {
			return false
		}
	}
	late := w.pending(w.now.AddDate(1, 0, 0)) // delivered again later
	return w.oracle.open == 0 && w.overdue() == 0 && len(late) == 0 && w.flowsRest()
}

// untilNext returns how long nothing happens: until a message is visible, a job
// is looked at, or the next sweep is due.
func (w *world) untilNext(relay, letters *rhythm) time.Duration {
	wait := w.bound()
	earlier := func(t time.Time) {
		if t.After(w.now) {
			wait = min(wait, t.Sub(w.now))
		}
	}
	if next, ok := w.queues.NextVisible(); ok {
		earlier(next)
	}
	if n := w.queues.Depth("dead"); n > 0 {
		earlier(letters.next(n))
	}
	if n := w.overdue(); n > 0 {
		earlier(relay.next(n))
	}
	w.retold(earlier)
	w.machines.soonest(earlier)
	w.oracle.flows.looks(earlier)
	for _, j := range w.oracle.rows {
		if j.State.Open() && j.Flow == "" {
			earlier(j.Look)
		}
	}
	return wait
}

// retold says when events that could not be told are due again.
func (w *world) retold(say func(time.Time)) {
	late := w.pending(w.now.AddDate(1, 0, 0))
	if len(late) == 0 {
		return
	}
	var ids []string
	for i := range late {
		ids = append(ids, late[i].ID)
	}
	found, err := w.table.Deliveries(context.Background(), ids)
	w.oracle.mustf(i17, err == nil, "read deliveries: %v", err)
	for i := range found {
		say(found[i].Next)
	}
}

// quiet sweeps the dead letters until nothing is hidden any more, and checks the
// end.
func (w *world) quiet() {
	for range 3 {
		w.advance(visibility + time.Minute)
		w.reconcile()
		for len(w.tasks) > 0 {
			w.turn(0)
		}
	}
	w.oracle.rest(w.queues.Depth("dead") - len(w.poison))
	w.oracle.flowsRest()
	w.oracle.budgetTrue()
	events := w.pending(w.now.AddDate(1, 0, 0))
	w.oracle.mustf(i17, len(events) == 0 && w.oracle.untold == 0, "%d deaths were not told, %d events are left", w.oracle.untold, len(events))
	recorded, err := w.table.Poisoned(context.Background(), 1000)
	w.oracle.mustf(i12, err == nil, "read poison: %v", err)
	known := map[string]bool{}
	for _, p := range recorded {
		known[p.Letter.Body] = p.Reason != ""
	}
	for _, body := range w.poison {
		w.oracle.mustf(i12, known[body], "poison %q has no record", body)
	}
}

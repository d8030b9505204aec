package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"orbitq/internal/job"
)

// temper is how an owner's receivers answer, also when all faults are over.
type temper int

// The tempers.
const (
	answers temper = iota // as the mood of the world says; well when the faults are over
	hangs                 // never: each delivery takes ten seconds
	gone                  // they refuse for good
)

// tempers draws those of the owners of a world, from numbers of their own: the other draws of
// a seed keep their meaning.
func tempers(seed uint64) map[string]temper {
	r := rand.New(rand.NewPCG(seed, 11))
	all := map[string]temper{}
	for i := range 2 {
		all[fmt.Sprint("user-", i)] = []temper{answers, answers, answers, hangs, hangs, gone}[r.IntN(6)]
	}
	return all
}

// receiver is what the oracle knows of one owner's receiver since sweeps come one after the other.
type receiver struct {
	failed int       // in a row
	last   time.Time // of them
	asked  int       // in the present sweep
	open   bool      // before the present sweep
}

// strangely is a receiver that does not answer, or refuses.
func (w *world) strangely(owner, id, url string) (error, bool) {
	switch w.flows.receivers[owner] {
	case hangs:
		r := w.oracle.receiver(owner, url)
		r.asked++
		w.sleep(10 * time.Second)
		if w.oracle.flows.inTurn {
			if w.now.Sub(r.last) >= 3*time.Hour-w.oracle.skew {
				r.failed = 0 // forgotten meanwhile
			}
			r.failed, r.last = r.failed+1, w.now
		}
		return job.Errorf(job.WebhookFailed, "no answer in time"), true
	case gone:
		e := w.oracle.flows.events[id]
		if w.oracle.flows.inTurn && e != nil {
			w.oracle.mustf(receiversKept, !e.refusedCalmly, "event %s was refused, and posted again", id)
			e.refusedCalmly = true
		}
		w.oracle.posted(id, url, true)
		return job.Errorf(job.WebhookRefused, "410"), true
	default:
		return nil, false
	}
}

// receiver returns what is known of the host of a URL.
func (o *oracle) receiver(owner, url string) *receiver {
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
	key := owner + " " + host
	if o.flows.receivers[key] == nil {
		o.flows.receivers[key] = &receiver{}
	}
	return o.flows.receivers[key]
}

// mustDeliver returns the events that a sweep which begins now has to deliver: those that are
// due, of operators and of owners whose receivers answer.
func (w *world) mustDeliver() (ids []string) {
	for _, r := range w.oracle.flows.receivers {
		r.asked, r.open = 0, r.failed >= 5 && w.now.Sub(r.last) < 3*time.Hour-w.oracle.skew
	}
	due := w.now.Add(-w.skewed) // by every clock
	for _, e := range w.pending(due) {
		if e.Lane() == job.OperatorLane || w.flows.receivers[e.Owner] == answers && !w.leftAlone(e.Owner) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// leftAlone reports whether a receiver of an owner has failed too often in the time of the
// faults.
func (w *world) leftAlone(owner string) bool {
	b, err := w.table.Receivers(context.Background(), owner)
	w.oracle.mustf(receiversKept, err == nil, "read receivers: %v", err)
	for _, r := range b {
		if r.Failures >= 5 {
			return true
		}
	}
	return false
}

// pending returns the events that are due at a time, of all lanes.
func (w *world) pending(now time.Time) (events []job.Event) {
	for lane := range 1 + job.UserLanes {
		page, _, err := w.table.Pending(context.Background(), lane, now, "", 1000)
		w.oracle.mustf(i17, err == nil, "read events: %v", err)
		events = append(events, page...)
	}
	return events
}

// delivered holds a sweep that has ended against what it had to deliver, and against how
// often it may ask a receiver that fails.
func (w *world) delivered(must []string, err error) {
	o := w.oracle
	left, failed := w.table.Deliveries(context.Background(), must)
	o.mustf(i17, failed == nil, "read deliveries: %v", failed)
	for i := range left {
		if o.broken(receiversKept, left[i].Next.IsZero()) {
			o.failf(receiversKept, "event %+v waits for another sweep, although its receiver answers: %v", left[i], err)
		}
	}
	for name, r := range o.flows.receivers {
		if o.broken(receiversKept, !r.open || r.asked <= 1) {
			o.failf(receiversKept, "%s had failed five times in a row, and was asked %d times by one sweep", name, r.asked)
		}
	}
}

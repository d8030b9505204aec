package sim_test

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// counts sums up the items of a batch as they stand in its round.
func (b *batchSeen) counts() (c job.Counts) {
	for _, it := range b.items {
		switch b.row.Now(*it).State {
		case job.TrackPending:
			c.Pending++
		case job.TrackRunning:
			c.Running++
		case job.TrackSucceeded:
			c.Succeeded++
		case job.TrackSkipped:
			c.Skipped++
		case job.TrackFailed:
			c.Failed++
		case job.TrackCancelled:
			c.Cancelled++
		}
	}
	return c
}

// batchAccepted looks at a new batch.
func (o *oracle) batchAccepted(b *job.Batch, items []job.Item) {
	seen := &batchSeen{row: *b, items: map[string]*job.Item{}}
	o.flows.batches[b.ID] = seen
	o.effects++
	o.joined(seen, items)
	o.addUp(seen)
}

// joined takes note of new items.
func (o *oracle) joined(b *batchSeen, items []job.Item) {
	for i := range items {
		it := items[i]
		if o.broken(i15, b.items[it.Point] == nil && it.State == job.TrackPending && it.Round == b.row.Round) {
			o.failf(i15, "batch %s got %+v", b.row.ID, it)
		}
		b.items[it.Point] = &it
		o.flows.register(job.BatchFlow(b.row.ID), it.Point, &it.Track)
	}
}

// addUp counts the items of a batch from their rows after every write: they sum to its
// total, what is final stays so in a round, and nothing is left when it closes.
func (o *oracle) addUp(b *batchSeen) {
	c := b.counts()
	if o.broken(i15, c.Total() == b.row.Total && len(b.items) == b.row.Total) {
		o.failf(i15, "batch %s has %d items, counted %+v", b.row.ID, b.row.Total, c)
	}
	if o.broken(i15, b.round != b.row.Round || c.Final() >= b.final) {
		o.failf(i15, "batch %s had %d final items in round %d, now %+v", b.row.ID, b.final, b.round, c)
	}
	if o.broken(i15, !b.row.Closed || c.Final() == b.row.Total && c == b.row.Ended) {
		o.failf(i15, "batch %s closed with %+v, counted %+v", b.row.ID, b.row.Ended, c)
	}
	b.final, b.round = c.Final(), b.row.Round
}

// itemAmended holds an item against what it was.
func (o *oracle) itemAmended(batch string, next *job.Item) {
	b := o.flows.batches[batch]
	old := *b.items[next.Point]
	*b.items[next.Point] = *next
	if o.broken(i15, next.Round <= b.row.Round) {
		o.failf(i15, "item %s is in round %d, its batch in %d", next.Key, next.Round, b.row.Round)
	}
	before := b.row.Now(old) // lazily restarted in a new round
	o.trackMoved(job.BatchFlow(batch), &old.Track, &next.Track)
	if o.broken(i15, !before.State.Final() || reflect.DeepEqual(old, *next)) {
		o.failf(i15, "item %s was final in its round: %+v", next.Key, old)
	}
	o.addUp(b)
}

// batchAmended holds a batch against what it was, and what was written with it.
func (o *oracle) batchAmended(next *job.Batch, c *flow.Change) {
	b := o.flows.batches[next.ID]
	old := b.row
	if reflect.DeepEqual(old, *next) && len(c.Items) == 0 && len(c.Events) == 0 {
		return
	}
	o.effects++
	b.row = *next
	o.joined(b, c.Items)
	o.addUp(b)
	if o.broken(i19, next.Runs == old.Runs || next.Runs == old.Runs+1) {
		o.failf(i19, "batch %s went from run %d to %d", next.ID, old.Runs, next.Runs)
	}
	if o.broken(i15, next.Total == old.Total+len(c.Items) && (len(c.Items) == 0 || old.Stop == "" && !old.Closed)) {
		o.failf(i15, "batch %s went from %d to %d items: %+v", next.ID, old.Total, next.Total, old)
	}
	fresh := next.Round == old.Round+1
	if o.broken(i16, fresh && old.Closed && !next.Caught || next.Round == old.Round && (next.Caught || !old.Caught) && (next.Closed || !old.Closed)) {
		o.failf(i16, "batch %s went back: %+v, was %+v", next.ID, *next, old)
	}
	if o.broken(i16, fresh || old.Stop == "" || next.Stop == old.Stop || next.Stop == job.StopCancelled) {
		o.failf(i16, "batch %s stopped because %q, then %q", next.ID, old.Stop, next.Stop)
	}
	if o.broken(i24, next.Closed != !next.Look.IsZero()) {
		o.failf(i24, "batch %s closed %v with look %v", next.ID, next.Closed, next.Look)
	}
	o.fires(b, &old, c.Events)
}

// fires holds the callbacks that are written with a batch against its items.
func (o *oracle) fires(b *batchSeen, old *job.Batch, events []job.Event) {
	counts := b.counts()
	want := map[string]bool{}
	if b.row.Caught && !old.Caught {
		want[job.CallCatch] = true
		o.mustf(i16, counts.Failed > 0, "batch %s caught, and no item failed: %+v", b.row.ID, counts)
	}
	if b.row.Closed && !old.Closed {
		want[job.CallFinally] = true
		want[job.CallThen] = counts.Failed == 0 && counts.Cancelled == 0
		b.rounds = append(b.rounds, roundEnd{b.row.Round, counts})
		o.mustf(i16, b.row.Caught == (counts.Failed > 0), "batch %s closed with caught %v: %+v", b.row.ID, b.row.Caught, counts)
	}
	var got, due []string
	for _, e := range events {
		name := strings.TrimPrefix(e.Type, "batch.")
		got = append(got, name)
		o.mustf(i17, e.ID == job.CallID(b.row.ID, b.row.Round, name) && e.Job == b.row.ID && e.Generation == b.row.Round, "batch %s fires %+v", b.row.ID, e)
		o.mustf(i16, o.flows.events[e.ID] == nil, "%s of batch %s fires again in round %d", name, b.row.ID, b.row.Round)
		o.flows.events[e.ID] = &told{event: e}
	}
	for name, fires := range want {
		if _, has := b.row.Calls[name]; has && fires {
			due = append(due, name)
		}
	}
	slices.Sort(got)
	slices.Sort(due)
	o.mustf(i16, slices.Equal(got, due), "batch %s fires %v, want %v: %+v", b.row.ID, got, due, counts)
}

// noticeWritten takes note of a message to an owner, and expects its events.
func (o *oracle) noticeWritten(n *job.Notice, wasThere bool) {
	if wasThere {
		return
	}
	if _, twice := o.flows.notices[n.ID]; o.broken(i18, !twice) {
		o.failf(i18, "notice %+v was written twice", *n)
	}
	o.flows.notices[n.ID] = *n
	for _, e := range n.Events() {
		o.flows.events[e.ID] = &told{event: e}
	}
}

// posted hears of a call of a webhook.
func (o *oracle) posted(id, url string, refused bool) {
	e := o.flows.events[id]
	if o.broken(i17, e != nil) {
		o.failf(i17, "%s was called with %q, which nobody wrote", url, id)
		return
	}
	if o.broken(i17, e.url == "" || e.url == url) {
		o.failf(i17, "event %s went to %s, then to %s", id, e.url, url)
	}
	e.url, e.refused = url, e.refused || refused
	e.times += bit(!refused)
}

// noticed hears of a notice on the topic of notices.
func (o *oracle) noticed(e job.Event) {
	t := o.flows.events[e.ID]
	if o.broken(i17, t != nil) {
		o.failf(i17, "event %+v tells of no notice", e)
		return
	}
	n, known := o.flows.notices[t.event.Job]
	if o.broken(i17, known && e.Type == n.Type && e.Owner == n.Owner) {
		o.failf(i17, "event %+v of notice %+v", e, n)
	}
	t.times++
}

// givenUp looks at an event that is not tried again.
func (o *oracle) givenUp(id string, now time.Time) {
	e := o.flows.events[id]
	if o.broken(i17, e != nil && (e.refused || now.Sub(e.event.At) >= 24*time.Hour-o.skew)) {
		o.failf(i17, "event %s was given up at %v: %+v", id, now, e)
		return
	}
	e.givenUp = true
}

package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"orbitq/internal/job"
	"orbitq/internal/kinds"
)

// flowsRest holds chains and batches against what must be true when everything has come
// to rest.
func (o *oracle) flowsRest() {
	ctx := context.Background()
	for id, c := range o.flows.chains {
		got, err := o.store.Chain(ctx, id)
		o.mustf(rowKept, err == nil && same(got, *c), "chain %s changed unseen: %+v, was %+v", id, got, *c)
		o.mustf(i4, c.State.Final(), "chain %s never ended: %+v", id, *c)
	}
	for id, b := range o.flows.batches {
		got, err := o.store.Batch(ctx, id)
		o.mustf(rowKept, err == nil && same(got, b.row), "batch %s changed unseen: %+v, was %+v", id, got, b.row)
		items, _, err := o.store.Items(ctx, &got, "", 1000)
		o.mustf(i15, err == nil && len(items) == b.row.Total, "batch %s has %d items of %d", id, len(items), b.row.Total)
		for i := range items {
			o.mustf(rowKept, same(items[i], *b.items[items[i].Point]), "item %s changed unseen: %+v", items[i].Key, items[i])
		}
		o.mustf(i15, b.row.Closed, "batch %s never ended: %+v, %+v", id, b.row, b.counts())
		o.firedAtRest(b)
	}
	o.toldAtRest()
	o.noticesAtRest()
}

// same compares what was read with what was written, which may have passed an encoding.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// fires reports whether a callback fires in a round that ended so.
func (r *roundEnd) fires(name string) bool {
	switch name {
	case job.CallCatch:
		return r.counts.Failed > 0
	case job.CallThen:
		return r.counts.Failed == 0 && r.counts.Cancelled == 0
	default:
		return true
	}
}

// firedAtRest demands that each round that ended has fired its callbacks.
func (o *oracle) firedAtRest(b *batchSeen) {
	o.mustf(i16, len(b.rounds) == b.row.Round+1, "batch %s ended %d times in %d rounds", b.row.ID, len(b.rounds), b.row.Round+1)
	for _, r := range b.rounds {
		for name := range b.row.Calls {
			fired := o.flows.events[job.CallID(b.row.ID, r.round, name)] != nil
			o.mustf(i16, fired == r.fires(name), "%s of batch %s fired %v in round %d, which ended with %+v", name, b.row.ID, fired, r.round, r.counts)
		}
	}
}

// toldAtRest demands that every event was heard, and every callback had its effect once.
func (o *oracle) toldAtRest() {
	for id, t := range o.flows.events {
		b := o.flows.batches[t.event.Job]
		if b == nil { // of a notice
			o.mustf(i17, t.times > 0 || t.givenUp, "event %s was never told: %+v", id, t)
			continue
		}
		c := b.row.Calls[t.event.Type[len("batch."):]]
		switch {
		case c.URL != "":
			o.mustf(i17, t.times > 0 || t.givenUp, "callback %s was never told: %+v", id, t)
		case c.Notify:
			_, written := o.flows.notices[job.DerivedID("notice", id)]
			o.mustf(i17, written, "callback %s: no notice was written", id)
		default:
			j := o.rows[job.DerivedID(id)]
			o.mustf(i17, j != nil && j.Kind == c.Kind && j.Point == c.Point, "callback %s: its job is %+v", id, j)
		}
	}
	calls := map[string]bool{}
	for id := range o.flows.events {
		calls[job.DerivedID(id)] = true
	}
	for id, j := range o.rows {
		if len(j.Tags) > 0 { // nothing else has tags here
			o.mustf(i16, calls[id], "job %s is of a callback that never fired: %v", id, j.Tags)
		}
	}
}

// noticesAtRest demands one notice for each job that says it has written one, and that the owner of each chain that failed,
// and was to tell what came of it, has heard so.
func (o *oracle) noticesAtRest() {
	wrote, lost := map[string]int{}, map[string]bool{}
	for _, n := range o.flows.notices {
		switch {
		case n.Type == job.NoticeFailed:
			lost[n.Point] = true
		case n.Job != "":
			wrote[n.Job]++
		}
	}
	for id, c := range o.flows.chains {
		if c.State == job.TrackFailed && slices.Contains(c.Steps, kinds.NotifyName) {
			o.mustf(i18, lost[c.Point], "nobody was told that chain %s has failed", id)
		}
	}
	for id, j := range o.rows {
		if j.Kind != kinds.NotifyName {
			continue
		}
		o.mustf(i18, wrote[id] == bit(j.Outcome == job.Notified), "job %s ended %q with %d notices", id, j.Outcome, wrote[id])
	}
}

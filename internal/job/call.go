package job

import (
	"strconv"
	"time"
)

// Callback is what happens when a batch has come to a point: one of the three.
type Callback struct {
	URL    string `json:"url,omitempty"`    // a signed POST to it
	Notify bool   `json:"notify,omitempty"` // a message to the owner
	Kind   string `json:"kind,omitempty"`   // a job of this kind ...
	Point  string `json:"point,omitempty"`  // ... about this data point
}

// CatchBatch returns the batch after an item failed: catch fires once in a round, and
// unless failures are allowed nothing that has not started begins any more. The event is
// written with the row.
func CatchBatch(b Batch, now time.Time) (Batch, []Event) {
	if b.Caught || b.Closed {
		return b, nil
	}
	b.Caught = true
	if !b.AllowFailures && b.Stop == "" {
		b.Stop = StopFailed
	}
	return b, b.events(now, CallCatch)
}

// CloseBatch returns the batch with all items final, and what fires now: then if every
// item succeeded (or was skipped by its owner's limit), and finally always. False means
// that it is not at its end: items were added meanwhile, or it is closed already.
func CloseBatch(b Batch, c Counts, now time.Time) (Batch, []Event, bool) {
	if b.Closed || c.Final() != b.Total || c.Total() != b.Total || c.Failed > 0 && !b.Caught {
		return b, nil, false
	}
	b.Closed, b.Ended, b.Finished, b.Look = true, c, now, time.Time{}
	if c.Failed == 0 && c.Cancelled == 0 {
		return b, b.events(now, CallThen, CallFinally), true
	}
	return b, b.events(now, CallFinally), true
}

// events returns the events of those callbacks that the batch has.
func (b *Batch) events(now time.Time, names ...string) []Event {
	var all []Event
	for _, name := range names {
		if _, has := b.Calls[name]; has {
			all = append(all, Event{
				ID: CallID(b.ID, b.Round, name), Type: "batch." + name, At: now,
				Job: b.ID, Generation: b.Round, Owner: b.Owner, Queue: b.Queue,
			})
		}
	}
	return all
}

// CallID returns the id of a callback's event: one for each batch, round and name,
// however often it is written or told. It has no dot, because the receiver of a webhook
// takes the id, the time and the body apart by dots.
func CallID(batch string, round int, name string) string {
	return batch + "-" + strconv.Itoa(round) + "-" + name
}

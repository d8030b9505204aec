package job

import (
	"strconv"
	"time"
)

// Stop says why a batch starts nothing any more; empty while it does.
type Stop string

// The reasons to stop.
const (
	StopCancelled Stop = "cancelled" // its owner took it back
	StopFailed    Stop = "failed"    // an item failed, and failures are not allowed
)

// The callbacks of a batch.
const (
	CallThen    = "then"    // every item succeeded
	CallCatch   = "catch"   // the first item failed
	CallFinally = "finally" // every item is final
)

// Callback is what happens when a batch has come to a point: one of the three.
type Callback struct {
	URL    string `json:"url,omitempty"`    // a signed POST to it
	Notify bool   `json:"notify,omitempty"` // a message to the owner
	Kind   string `json:"kind,omitempty"`   // a job of this kind ...
	Point  string `json:"point,omitempty"`  // ... about this data point
}

// Batch is one row: many data points that go through the same steps side by side. Its
// items are rows of their own, so that many may end at once; what is known of them as a
// whole is counted from those rows and never kept in a counter that could drift.
type Batch struct {
	Account

	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Queue         string   `json:"queue"`
	Steps         []string `json:"steps"`
	Tags          []string `json:"tags,omitempty"`
	AllowFailures bool     `json:"allow,omitempty"`
	BodyHash      string   `json:"hash"`

	// Total: how many items there are. The batch closes only when as many are final.
	Total int `json:"total"`
	// Round: grows with each retry after the end; callbacks fire once in each.
	Round int `json:"round,omitempty"`
	// Runs: executions so far, less one: the number of the newest.
	Runs int  `json:"runs,omitempty"`
	Stop Stop `json:"stop,omitempty"`
	// Caught: catch has fired in this round.
	Caught bool `json:"caught,omitempty"`
	Closed bool `json:"closed,omitempty"`
	// Ended: the items by state, when it closed.
	Ended Counts `json:"ended,omitzero"`

	Calls map[string]Callback `json:"calls,omitempty"` // by name

	Created  time.Time `json:"created"`
	Began    time.Time `json:"began"` // of this round
	Finished time.Time `json:"finished,omitzero"`
	// Look: the relay asks after the newest execution then; zero for a closed batch.
	Look time.Time `json:"look,omitzero"`
}

// Item is one data point of a batch.
type Item struct {
	Track
}

// NewBatch returns the row of a batch at the moment of its acceptance.
func NewBatch(b Batch, now time.Time, resend time.Duration) Batch {
	b.Round, b.Runs = 0, 0
	b.Created, b.Began, b.Look = now, now, now.Add(resend)
	return b
}

// Partition names where the batch's items are. It regards the body and the moment of the
// request: of two requests with one Idempotency-Key only one becomes the batch, and the
// other one, which has written its items before it knows, must not write over the first
// one's, which may have gone on meanwhile.
func (b *Batch) Partition() string {
	return DerivedID(b.ID, b.BodyHash, strconv.FormatInt(b.Created.UnixNano(), 36))
}

// Item returns the item of a data point at the moment when it joins the batch.
func (b *Batch) Item(point string, revision int) Item {
	return Item{Track{
		Key: b.ID + "/" + point, Point: point, Revision: revision, Steps: b.Steps, State: TrackPending, Round: b.Round,
	}}
}

// Now returns an item as it stands in the batch's present round: one that failed or was
// cancelled in an earlier round begins again.
func (b *Batch) Now(it Item) Item {
	if it.Round < b.Round {
		it.Track = it.Restarted(b.Round)
	}
	return it
}

// Job returns the row of the job that does an item's next step, not accepted yet.
func (b *Batch) Job(it *Item) Job {
	return stepJob(&b.Account, &it.Track, BatchFlow(b.ID), b.Queue, b.Tags)
}

// Counts is how many items are in each state.
type Counts struct {
	Pending   int `json:"pending"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Skipped   int `json:"skipped"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
}

// With returns the counts with one more item.
func (c Counts) With(s TrackState) Counts {
	switch s {
	case TrackPending:
		c.Pending++
	case TrackRunning:
		c.Running++
	case TrackSucceeded:
		c.Succeeded++
	case TrackSkipped:
		c.Skipped++
	case TrackFailed:
		c.Failed++
	case TrackCancelled:
		c.Cancelled++
	}
	return c
}

// Final returns how many items have ended.
func (c Counts) Final() int { return c.Succeeded + c.Skipped + c.Failed + c.Cancelled }

// Total returns how many items there are.
func (c Counts) Total() int { return c.Pending + c.Running + c.Final() }

// Progress returns how much has ended, from 0 to 100; 100 only when all has.
func (c Counts) Progress() int {
	if c.Total() == 0 {
		return 100
	}
	return 100 * c.Final() / c.Total()
}

// Count counts items as they stand in the batch's round.
func (b *Batch) Count(items []Item) Counts {
	var c Counts
	for _, it := range items {
		c = c.With(b.Now(it).State)
	}
	return c
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

// CancelBatch returns the batch that its owner took back: what has not started never
// does. Cancelling twice is once.
func CancelBatch(b Batch) (Batch, error) {
	switch {
	case b.Stop == StopCancelled:
		return b, nil
	case b.Closed:
		return b, Errorf(StateConflict, "the batch has ended; only one that goes on can be cancelled")
	}
	b.Stop = StopCancelled
	return b, nil
}

// AddToBatch returns the batch with n more items, which an execution of their own works
// on. A batch that has ended, or is stopped, takes no more.
func AddToBatch(b Batch, n int, now time.Time, resend time.Duration) (Batch, error) {
	if b.Closed || b.Stop != "" {
		return b, Errorf(StateConflict, "the batch is %s; items can be added before its end only", b.View())
	}
	b.Total += n
	b.Runs++
	b.Look = now.Add(resend)
	return b, nil
}

// RetryBatch returns an ended batch that works again on the items that failed or were
// cancelled, in a round of its own: its callbacks fire once more.
func RetryBatch(b Batch, now time.Time, resend time.Duration) (Batch, error) {
	if !b.Closed {
		return b, Errorf(StateConflict, "the batch is %s; its failed items can be retried when it has ended", b.View())
	}
	if b.Ended.Failed+b.Ended.Cancelled == 0 {
		return b, Errorf(StateConflict, "no item of the batch has failed or was cancelled")
	}
	b.Round++
	b.Runs++
	b.Stop, b.Caught, b.Closed, b.Ended, b.Finished = "", false, false, Counts{}, time.Time{}
	b.Began, b.Look = now, now.Add(resend)
	return b, nil
}

// ResumeBatch returns the row of a batch whose executions ended without bringing it to
// its end: another one works on what is left.
func ResumeBatch(b Batch, now time.Time, resend time.Duration) Batch {
	if b.Closed {
		return b
	}
	b.Runs++
	b.Look = now.Add(resend)
	return b
}

// View returns the state of the batch in one word: running, stopping, finished or
// cancelled.
func (b *Batch) View() string {
	switch {
	case b.Closed && b.Stop == StopCancelled:
		return "cancelled"
	case b.Closed:
		return "finished"
	case b.Stop != "":
		return "stopping"
	default:
		return "running"
	}
}

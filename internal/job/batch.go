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

package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"orbitq/internal/job"
)

// call returns how a callback is delivered: by a signed POST, a notice to the owner, or a job.
func (f *Flow) call(ctx context.Context, e job.Event) (string, func(context.Context) error, error) {
	b, err := f.Batches.Batch(ctx, e.Job)
	if err != nil {
		return "", nil, fmt.Errorf("read batch: %w", err)
	}
	// The event has the name alone: a URL may hold a secret, and stands in one row only.
	c := b.Calls[e.Type[len("batch."):]]
	switch {
	case c.URL != "":
		body, err := json.Marshal(map[string]any{"type": e.Type, "timestamp": e.At, "data": map[string]any{
			"batch_id": b.ID, "name": b.Name, "round": e.Generation, "state": b.View(), "total": b.Total, "counts": counted(&b, e.Generation), "finished_at": nilTime(b.Finished),
		}})
		if err != nil {
			return "", nil, fmt.Errorf("encode callback: %w", err)
		}
		return hostOf(c.URL), f.post(e, c.URL, body), nil
	case c.Notify:
		return "", func(ctx context.Context) error { return f.notify(ctx, &b, e) }, nil
	default:
		return "", func(ctx context.Context) error { return f.dispatch(ctx, &b, e, c) }, nil
	}
}

// counted is how the items of a round ended; null when the batch is in another round by
// now, or not at its end: what it counts then is about something else.
func counted(b *job.Batch, round int) *job.Counts {
	if b.Round != round || !b.Closed {
		return nil
	}
	return &b.Ended
}

// nilTime is a time that JSON shows as null when it is not known.
func nilTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// notify tells the owner of a batch as a whole: one message, however many items it had.
func (f *Flow) notify(ctx context.Context, b *job.Batch, e job.Event) error {
	n := job.Notice{
		ID: job.DerivedID("notice", e.ID), Owner: b.Owner, Type: e.Type, At: e.At, Batch: b.ID, Title: b.Name + ": " + b.View(), Text: summary(b, e),
		Facts: map[string]any{"total": b.Total},
	}
	if c := counted(b, e.Generation); c != nil {
		n.Facts["succeeded"], n.Facts["skipped"], n.Facts["failed"], n.Facts["cancelled"] = c.Succeeded, c.Skipped, c.Failed, c.Cancelled
	}
	if err := f.Courier.Mail.PutNotice(ctx, &n); err != nil {
		return fmt.Errorf("put notice: %w", err)
	}
	return nil
}

// summary is the text of a message about a batch.
func summary(b *job.Batch, e job.Event) string {
	c := counted(b, e.Generation)
	switch {
	case e.Type == "batch."+job.CallCatch && b.AllowFailures:
		return "The first item failed; the others go on."
	case e.Type == "batch."+job.CallCatch:
		return "An item failed; what had not started was cancelled."
	case c == nil:
		return fmt.Sprintf("All %d items ended; those that did not succeed are being worked on again.", b.Total)
	}
	return fmt.Sprintf("%d of %d items succeeded, %d were skipped, %d failed, %d were cancelled.", c.Succeeded, b.Total, c.Skipped, c.Failed, c.Cancelled)
}

// dispatch accepts the job of a callback, once, and sends its message.
func (f *Flow) dispatch(ctx context.Context, b *job.Batch, e job.Event, c job.Callback) error {
	found, err := f.Points.Points(ctx, []string{c.Point})
	if err != nil {
		return fmt.Errorf("read point: %w", err)
	}
	if len(found) == 0 {
		return job.Errorf(job.WebhookRefused, "the data point of the callback is gone")
	}
	j := f.fresh(job.Job{
		ID: job.DerivedID(e.ID), Kind: c.Kind, Owner: b.Owner, Tier: b.Tier, Anchor: b.Anchor, Limit: b.Limit, Issued: b.Issued, Queue: b.Queue,
		Point: c.Point, Revision: found[0].Revision, Tags: []string{"batch:" + b.ID, "callback:" + e.Type + "#" + strconv.Itoa(e.Generation)},
	})
	accepted, existed, err := f.Jobs.Accept(ctx, &j)
	if err != nil {
		return fmt.Errorf("accept job of callback: %w", err)
	}
	if existed {
		return nil // its message was sent, or the relay sends it
	}
	if err := f.Courier.Sender.Send(ctx, accepted.Queue, accepted.Message(), 0); err != nil {
		return fmt.Errorf("send job of callback: %w", err)
	}
	return nil
}

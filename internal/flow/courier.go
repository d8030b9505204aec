package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"orbitq/internal/job"
)

// Delivery is what became of an event.
type Delivery struct {
	Event job.Event
	Tries int
	// Told: when it was delivered; zero while it was not.
	Told time.Time
	// Next: when it is tried again; zero when it is not.
	Next time.Time
	// Reason: of the last try that failed.
	Reason string
}

// Mail keeps events and the notices that they tell of.
type Mail interface {
	// Deliveries returns those of the events that were ever written, in no order.
	Deliveries(ctx context.Context, ids []string) ([]Delivery, error)
	// Told takes note that an event was delivered.
	Told(ctx context.Context, id string, now time.Time) error
	// Notice returns a notice by its owner and id, or a NotFound error.
	Notice(ctx context.Context, owner, id string) (job.Notice, error)
	// PutNotice stores a notice with the events that tell of it, once.
	PutNotice(ctx context.Context, n *job.Notice) error
}

// Sender sends a job's message to its queue.
type Sender interface {
	Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error
}

// Courier brings events to where they should be heard.
type Courier struct {
	Mail   Mail
	Sender Sender
	// Post posts a signed message to a URL of a user; its id is the same in every try.
	Post  func(ctx context.Context, id, url string, body []byte, at time.Time) error
	// Topic is the operators' topic, and Notices the one on which an application hears what
	// its users are told: a user must not be able to call operators.
	Topic, Notices func(ctx context.Context, e job.Event) error
}

// Tell delivers an event. It may deliver one twice, with the same id: a listener can tell
// a repetition, and nothing is lost when a crash comes between the delivery and the note
// of it.
func (f *Flow) Tell(ctx context.Context, e job.Event) error {
	switch e.Type {
	case job.NoticeWebhook:
		return f.postNotice(ctx, e)
	case job.NoticeTopic:
		return f.publishNotice(ctx, e)
	case "batch." + job.CallThen, "batch." + job.CallCatch, "batch." + job.CallFinally:
		return f.call(ctx, e)
	default:
		return f.Courier.Topic(ctx, e)
	}
}

// Callback delivers a callback of a batch at once instead of with the next sweep, if it
// has fired and was not delivered yet.
func (f *Flow) Callback(ctx context.Context, id, name string) error {
	b, err := f.Batches.Batch(ctx, id)
	if err != nil {
		return fmt.Errorf("read batch: %w", err)
	}
	found, err := f.Courier.Mail.Deliveries(ctx, []string{job.CallID(id, b.Round, name)})
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	if len(found) == 0 || !found[0].Told.IsZero() {
		return nil
	}
	if err := f.Tell(ctx, found[0].Event); err != nil {
		return err
	}
	if err := f.Courier.Mail.Told(ctx, found[0].Event.ID, f.Now()); err != nil {
		return fmt.Errorf("take note of delivery: %w", err)
	}
	return nil
}

// postNotice posts a notice to its owner's webhook.
func (f *Flow) postNotice(ctx context.Context, e job.Event) error {
	n, err := f.Courier.Mail.Notice(ctx, e.Owner, e.Job)
	if err != nil {
		return fmt.Errorf("read notice: %w", err)
	}
	body, err := json.Marshal(map[string]any{
		"type": n.Type, "timestamp": n.At, "data": map[string]any{
			"notification_id": n.ID, "data_point_id": n.Point, "revision": n.Revision, "batch_id": n.Batch, "job_id": n.Job,
			"title": n.Title, "text": n.Text, "facts": n.Facts,
		},
	})
	if err != nil {
		return fmt.Errorf("encode notice: %w", err)
	}
	return f.post(ctx, e, n.URL, body)
}

// publishNotice publishes a notice on the topic of notices.
func (f *Flow) publishNotice(ctx context.Context, e job.Event) error {
	n, err := f.Courier.Mail.Notice(ctx, e.Owner, e.Job)
	if err != nil {
		return fmt.Errorf("read notice: %w", err)
	}
	e.Type, e.Job, e.Reason = n.Type, n.Job, n.Title+": "+n.Text
	return f.Courier.Notices(ctx, e)
}

// post posts the body of an event.
func (f *Flow) post(ctx context.Context, e job.Event, url string, body []byte) error {
	if err := f.Courier.Post(ctx, e.ID, url, body, f.Now()); err != nil {
		return fmt.Errorf("post %s: %w", e.Type, err)
	}
	return nil
}

// call delivers a callback: a signed POST, a notice to the owner, or a job.
func (f *Flow) call(ctx context.Context, e job.Event) error {
	b, err := f.Batches.Batch(ctx, e.Job)
	if err != nil {
		return fmt.Errorf("read batch: %w", err)
	}
	c := b.Calls[e.Type[len("batch."):]]
	switch {
	case c.URL != "":
		body, err := json.Marshal(map[string]any{"type": e.Type, "timestamp": e.At, "data": map[string]any{
			"batch_id": b.ID, "name": b.Name, "round": e.Generation, "state": b.View(), "total": b.Total, "counts": counted(&b, e.Generation), "finished_at": nilTime(b.Finished),
		}})
		if err != nil {
			return fmt.Errorf("encode callback: %w", err)
		}
		return f.post(ctx, e, c.URL, body)
	case c.Notify:
		return f.notify(ctx, &b, e)
	default:
		return f.dispatch(ctx, &b, e, c)
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
		ID: job.DerivedID("notice", e.ID), Owner: b.Owner, Type: e.Type, At: e.At, Batch: b.ID, Title: b.Name + ": " + b.View(), Text: summary(b, e.Type),
		Facts: map[string]any{"total": b.Total, "succeeded": b.Ended.Succeeded, "skipped": b.Ended.Skipped, "failed": b.Ended.Failed, "cancelled": b.Ended.Cancelled},
	}
	if err := f.Courier.Mail.PutNotice(ctx, &n); err != nil {
		return fmt.Errorf("put notice: %w", err)
	}
	return nil
}

// summary is the text of a message about a batch.
func summary(b *job.Batch, event string) string {
	if event == "batch."+job.CallCatch {
		if b.AllowFailures {
			return "The first item failed; the others go on."
		}
		return "An item failed; what had not started was cancelled."
	}
	c := b.Ended
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
		ID: job.DerivedID(e.ID), Kind: c.Kind, Owner: b.Owner, Tier: b.Tier, Anchor: b.Anchor, Limit: b.Limit, Queue: b.Queue,
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

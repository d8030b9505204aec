package flow

import (
	"context"
	"encoding/json"
	"fmt"
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
	// Preferences returns what an owner wants to hear of.
	Preferences(ctx context.Context, owner string) (job.Preferences, error)
}

// Sender sends a job's message to its queue.
type Sender interface {
	Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error
}

// Courier brings events to where they should be heard.
type Courier struct {
	Mail   Mail
	Sender Sender
	// Post posts a message to a URL of a user, signed with the secret of the user; its id is the same in every try.
	Post func(ctx context.Context, owner, id, url string, body []byte, at time.Time) error
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
		// What is not for users is for operators: a type that somebody forgets to list here is
		// heard at the wrong place, but never lost.
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
	// No event means that the callback has not fired in this round, or is not wanted; the
	// state machine asks without knowing.
	if len(found) == 0 || !found[0].Told.IsZero() {
		return nil
	}
	if err := f.Tell(ctx, found[0].Event); err != nil {
		return err
	}
	// Delivered first, noted second. The other order would lose the callback in a crash; this
	// one repeats it, with an id by which the receiver knows it.
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
	// Listeners of the topic filter by the notice's own type, not by that of its transport.
	e.Type, e.Job, e.Reason = n.Type, n.Job, n.Title+": "+n.Text
	return f.Courier.Notices(ctx, e)
}

// post posts the body of an event.
func (f *Flow) post(ctx context.Context, e job.Event, url string, body []byte) error {
	if err := f.Courier.Post(ctx, e.Owner, e.ID, url, body, f.Now()); err != nil {
		return fmt.Errorf("post %s: %w", e.Type, err)
	}
	return nil
}

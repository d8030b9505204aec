package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"orbitq/internal/job"
)

// Delivery is what became of an event.
type Delivery struct {
	Event job.Event
	Tries int
	// Delivered: when it was delivered; zero while it was not.
	Delivered time.Time
	// Next: when it is tried again; zero when it is not.
	Next time.Time
	// Reason: of the last try that failed.
	Reason string
}

// Mail keeps events and the notices that they tell of.
type Mail interface {
	// Deliveries returns those of the events that were ever written, in no order.
	Deliveries(ctx context.Context, ids []string) ([]Delivery, error)
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
	// Deliver delivers an event at once, takes note of what came of it, and says why it was
	// not delivered; the relay tries that one again.
	Deliver func(ctx context.Context, e job.Event) error
	// Post posts a message to a URL of a user, signed with the secret of the user; its id is the same in every try.
	Post func(ctx context.Context, owner, id, url string, body []byte, at time.Time) error
	// Topic is the operators' topic, and Notices the one on which an application hears what
	// its users are told: a user must not be able to call operators.
	Topic, Notices func(ctx context.Context, e job.Event) error
}

// Notification returns how an event is sent to where it is heard, and the host of the
// receiver if a user named one. Sending an event twice, with the same id, is harmless: a
// listener can tell a repetition.
func (f *Flow) Notification(ctx context.Context, e job.Event) (host string, send func(context.Context) error, err error) {
	switch e.Type {
	case job.NoticeWebhook:
		return f.postNotice(ctx, e)
	case job.NoticeTopic:
		return "", func(ctx context.Context) error { return f.publishNotice(ctx, e) }, nil
	case "batch." + job.CallThen, "batch." + job.CallCatch, "batch." + job.CallFinally:
		return f.call(ctx, e)
	default:
		// What is not for users is for operators: a type that somebody forgets to list here is
		// heard at the wrong place, but never lost.
		return "", func(ctx context.Context) error { return f.Courier.Topic(ctx, e) }, nil
	}
}

// Callback delivers a callback of a batch at once instead of with the next sweep, if it
// has fired and is due. One that was delivered or given up is not: who refused it is never
// asked again.
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
	if len(found) == 0 || found[0].Next.IsZero() || found[0].Tries > 0 && f.Now().Before(found[0].Next) {
		return nil
	}
	if err := f.Courier.Deliver(ctx, found[0].Event); err != nil {
		return fmt.Errorf("deliver %s: %w", found[0].Event.Type, err)
	}
	return nil
}

// postNotice returns how a notice is posted to its owner's webhook.
func (f *Flow) postNotice(ctx context.Context, e job.Event) (string, func(context.Context) error, error) {
	n, err := f.Courier.Mail.Notice(ctx, e.Owner, e.Job)
	if err != nil {
		return "", nil, fmt.Errorf("read notice: %w", err)
	}
	body, err := json.Marshal(map[string]any{
		"type": n.Type, "timestamp": n.At, "data": map[string]any{
			"notification_id": n.ID, "data_point_id": n.Point, "revision": n.Revision, "batch_id": n.Batch, "job_id": n.Job,
			"title": n.Title, "text": n.Text, "facts": n.Facts,
		},
	})
	if err != nil {
		return "", nil, fmt.Errorf("encode notice: %w", err)
	}
	return hostOf(n.URL), f.post(e, n.URL, body), nil
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

// post returns how the body of an event is posted.
func (f *Flow) post(e job.Event, url string, body []byte) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := f.Courier.Post(ctx, e.Owner, e.ID, url, body, f.Now()); err != nil {
			return fmt.Errorf("post %s: %w", e.Type, err)
		}
		return nil
	}
}

// hostOf returns host and port of a URL, in lower case.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "" // refused when it is posted
	}
	return strings.ToLower(u.Host)
}

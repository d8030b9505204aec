package job

import (
	"slices"
	"time"
)

// Notice is one message to an owner about one data point, or about a batch as a whole.
type Notice struct {
	// ID: the same for the same (point, revision, outcome), so that nobody is told twice.
	ID       string    `json:"id"`
	Owner    string    `json:"owner"`
	Type     string    `json:"type"` // such as enrichment.succeeded or batch.finally
	At       time.Time `json:"at"`
	Point    string    `json:"point,omitempty"`
	Revision int       `json:"rev,omitempty"`
	Batch    string    `json:"batch,omitempty"`
	Job      string    `json:"job,omitempty"`
	Title    string    `json:"title"`
	Text     string    `json:"text"`
	// Facts: numbers and words that the text is made of, for programs.
	Facts map[string]any `json:"facts,omitempty"`
	// URL: where the owner wants it posted as well; Topic: whether on the topic of notices as well.
	URL   string `json:"url,omitempty"`
	Topic bool   `json:"topic,omitempty"`
}

// NoticeFailed is the type of the notice that a chain has failed.
const NoticeFailed = "enrichment.failed"

// Types of the events that carry a notice to a channel other than the inbox.
const (
	NoticeWebhook = "notice.webhook"
	NoticeTopic   = "notice.topic"
)

// Events returns the events that tell of the notice outside of its inbox: one for each
// channel, because one that is down must not hold up the other.
func (n *Notice) Events() []Event {
	var all []Event
	add := func(kind, channel string) {
		all = append(all, Event{ID: n.ID + "-" + channel, Type: kind, At: n.At, Job: n.ID, Owner: n.Owner, Point: n.Point})
	}
	if n.URL != "" {
		add(NoticeWebhook, "webhook")
	}
	if n.Topic {
		add(NoticeTopic, "topic")
	}
	return all
}

// Preferences say which notices an owner wants, and where.
type Preferences struct {
	// Muted: types that are not wanted, such as enrichment.succeeded.
	Muted []string `json:"muted"`
	// URL: where notices are posted, signed; empty for the inbox alone.
	URL string `json:"webhook_url"`
	// Topic: whether notices go to the topic of notices as well.
	Topic bool `json:"topic"`
}

// Wants reports whether a notice of a type is wanted.
func (p *Preferences) Wants(kind string) bool {
	return !slices.Contains(p.Muted, kind)
}

// NoticeTypes lists the types of notices that an owner may not want.
func NoticeTypes() []string {
	return []string{"enrichment.succeeded", "enrichment.partial", "enrichment.no_data", "enrichment.skipped", NoticeFailed}
}

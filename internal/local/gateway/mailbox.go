package gateway

import (
	"slices"
	"sync"
	"time"
)

// keepPublished bounds the memory of a topic: its last messages.
const keepPublished = 10_000

// Topic is an SNS topic. It has no subscribers here: who wants its messages asks for them.
type Topic struct{ Name, ARN string }

// Published is a message that a topic took.
type Published struct {
	MessageID  string            `json:"message_id"`
	Subject    string            `json:"subject"`
	Message    string            `json:"message"`
	Attributes map[string]string `json:"attributes"` // values; those that are bytes in base64
	At         time.Time         `json:"at"`
}

// mailbox keeps what was published to a topic, oldest first.
type mailbox struct {
	name string
	mu   sync.Mutex
	list []Published
}

// mailboxes makes an empty one for each topic.
func mailboxes(topics []Topic) map[string]*mailbox {
	all := make(map[string]*mailbox, len(topics))
	for _, t := range topics {
		all[t.ARN] = &mailbox{name: t.Name}
	}
	return all
}

// add appends a message and forgets what is too old.
func (m *mailbox) add(p Published) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, p)
	m.list = m.list[max(0, len(m.list)-keepPublished):]
}

// all copies the messages.
func (m *mailbox) all() []Published {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.list)
}

// Published returns the last messages of a topic, oldest first; a topic that is not there has none.
func (g *Gateway) Published(topic string) []Published {
	for _, m := range g.topics {
		if m.name == topic {
			return m.all()
		}
	}
	return nil
}

package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Notice is a message in the user's inbox.
type Notice struct {
	ID string `json:"id"`
	// Type: such as enrichment.succeeded or batch.finally.
	Type     string `json:"type"`
	Title    string `json:"title"`
	Text     string `json:"text"`
	PointID  string `json:"data_point_id,omitempty"`
	Revision int    `json:"revision,omitempty"`
	BatchID  string `json:"batch_id,omitempty"`
	JobID    string `json:"job_id,omitempty"`
	// Facts: numbers and words that the text is made of.
	Facts     map[string]any `json:"facts,omitempty"`
	CreatedAt time.Time      `json:"created_at"`
}

// Preferences say which messages the user wants, and where.
type Preferences struct {
	// Muted: types that are not wanted.
	Muted []string `json:"muted"`
	// WebhookURL: where messages are posted, signed; nil for the inbox alone.
	WebhookURL *string `json:"webhook_url"`
	// Topic: whether messages go to the operators' topic as well.
	Topic bool `json:"topic"`
}

// Notifications lists the user's messages, newest first, and fetches pages of a size as they are needed. An error ends
// the list.
func (c *Client) Notifications(ctx context.Context, page int) iter.Seq2[Notice, error] {
	return pages[Notice](ctx, c, "/v1/notifications", sized(page))
}

// Preferences returns which messages the user wants.
func (c *Client) Preferences(ctx context.Context) (Preferences, error) {
	return one[Preferences](ctx, c, http.MethodGet, "/v1/notifications/preferences")
}

// SetPreferences replaces which messages the user wants.
func (c *Client) SetPreferences(ctx context.Context, p Preferences) (Preferences, error) {
	body := map[string]any{"muted": append([]string{}, p.Muted...), "topic": p.Topic}
	if p.WebhookURL != nil { // the API shows null and takes none: what is not wanted is left out
		body["webhook_url"] = *p.WebhookURL
	}
	var out Preferences
	err := c.do(ctx, call{method: http.MethodPut, path: "/v1/notifications/preferences", body: body}, &out)
	return out, err
}

// signed is the answer that has the secret.
type signed struct {
	Secret string `json:"webhook_secret"`
}

// SigningSecret returns what the user's callbacks and messages are signed with, as Standard Webhooks writes it.
func (c *Client) SigningSecret(ctx context.Context) (string, error) {
	out, err := one[signed](ctx, c, http.MethodGet, "/v1/notifications/secret")
	return out.Secret, err
}

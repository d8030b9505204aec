package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Operation is a retry of many that goes on by itself.
type Operation struct {
	ID string `json:"id"`
	// State: running, done, stopped or aborted.
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"`
	Canary  bool   `json:"canary"`
	Rate    int    `json:"rate"`
	Step    int    `json:"step"`
	Retried int    `json:"retried"`
	// Mended: ended well.
	Mended int `json:"mended"`
	// Returned: dead again.
	Returned int `json:"returned"`
	// Open: on their way.
	Open      int       `json:"open"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// StartRetry begins a retry of many: as a canary, with a rate (jobs per minute, 0 for the most), or both.
func (c *Client) StartRetry(ctx context.Context, f FailedFilter, canary bool, rate int) (Operation, error) {
	body := f.body()
	body["canary"] = canary
	if rate > 0 {
		body["rate"] = rate
	}
	var out Operation
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/failed:retry", body: body}, &out)
	return out, err
}

// Operation returns how a retry of many is going.
func (c *Client) Operation(ctx context.Context, id string) (Operation, error) {
	var out Operation
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/operations/" + url.PathEscape(id)}, &out)
	return out, err
}

// Abort stops a retry of many; jobs that it retried go on.
func (c *Client) Abort(ctx context.Context, id string) (Operation, error) {
	var out Operation
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/operations/" + url.PathEscape(id) + "/abort"}, &out)
	return out, err
}

// Follow asks for an operation again and again, every so often, until it runs no more, and shows each new step. When the
// caller gives up it returns what was seen last; the operation goes on.
func (c *Client) Follow(ctx context.Context, op Operation, every time.Duration, step func(Operation)) (Operation, error) {
	for op.State == "running" {
		if err := pause(ctx, every); err != nil {
			return op, err
		}
		next, err := c.Operation(ctx, op.ID)
		if err != nil {
			return op, err
		}
		if next.Step != op.Step {
			step(next)
		}
		op = next
	}
	return op, nil
}

// Snooze puts an open job off that waits for its turn.
func (c *Client) Snooze(ctx context.Context, id string, d time.Duration) (Job, error) {
	var out Job
	body := map[string]int{"seconds": int(d.Seconds())}
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/jobs/" + url.PathEscape(id) + "/snooze", body: body}, &out)
	return out, err
}

// Call is a call to the provider for a job.
type Call struct {
	At             time.Time `json:"at"`
	Type           string    `json:"call_type"`
	Cached         bool      `json:"cached"`
	ResponseTimeMS int64     `json:"response_time_ms"`
	Status         int       `json:"status"`
	Code           string    `json:"code,omitempty"`
	CostCredits    float64   `json:"cost_credits"`
	PUSpent        float64   `json:"pu_spent"`
	Attempt        int       `json:"attempt"`
}

// Calls lists the calls to the provider for a job, the oldest first.
func (c *Client) Calls(ctx context.Context, id string) ([]Call, error) {
	var out struct {
		Items []Call `json:"items"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/jobs/" + url.PathEscape(id) + "/calls"}, &out)
	return out.Items, err
}

// Entry is one billed analysis.
type Entry struct {
	At          time.Time `json:"at"`
	Resource    string    `json:"resource"`
	Units       int       `json:"units"`
	JobID       string    `json:"job_id"`
	PointID     string    `json:"data_point_id"`
	Revision    int       `json:"revision"`
	Outcome     string    `json:"outcome"`
	CostCredits float64   `json:"cost_credits"`
}

// Ledger lists what was billed, newest first, and fetches pages of a size as they are needed. An error ends the list.
func (c *Client) Ledger(ctx context.Context, page int) iter.Seq2[Entry, error] {
	return pages[Entry](ctx, c, "/v1/usage/ledger", sized(page))
}

// Poison is a dead letter that carries no job.
type Poison struct {
	MessageID string `json:"message_id"`
	// Queue: that gave up on it.
	Queue      string    `json:"queue"`
	Reason     string    `json:"reason"`
	Payload    string    `json:"payload"`
	Receives   int       `json:"receives"`
	SentAt     time.Time `json:"sent_at"`
	RecordedAt time.Time `json:"recorded_at"`
}

// Poison returns the newest letters that carry no job, up to a hundred.
func (c *Client) Poison(ctx context.Context, limit int) ([]Poison, error) {
	var out struct {
		Items []Poison `json:"items"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/failed/poison?" + sized(limit).Encode()}, &out)
	return out.Items, err
}

// Queue is a queue as it stands.
type Queue struct {
	Queue string `json:"queue"`
	// Feed: enabled, disabled, or on the way.
	Feed     string `json:"feed,omitempty"`
	Waiting  int    `json:"waiting"`
	InFlight int    `json:"in_flight"`
	Delayed  int    `json:"delayed"`
}

// Queues shows the queues, the most urgent first, and the dead letter queue.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	var out struct {
		Items []Queue `json:"items"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/queues"}, &out)
	return out.Items, err
}

// SetQueue pauses (false) or resumes a queue.
func (c *Client) SetQueue(ctx context.Context, queue string, enabled bool) (Queue, error) {
	verb := "/pause"
	if enabled {
		verb = "/resume"
	}
	var out Queue
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/queues/" + url.PathEscape(queue) + verb}, &out)
	return out, err
}

// Provider is the state of the provider's limiter, breaker and budget.
type Provider struct {
	// Breaker: closed, open or half_open.
	Breaker      string     `json:"breaker"`
	OpenUntil    *time.Time `json:"open_until,omitempty"`
	Failures     int        `json:"recent_failures"`
	NextSlot     time.Time  `json:"next_slot"`
	NextHighSlot time.Time  `json:"next_high_slot"`
	Month        string     `json:"month"`
	Requests     int        `json:"requests"`
	PU           float64    `json:"pu"`
	Spent        float64    `json:"budget_percent"`
}

// Provider shows them.
func (c *Client) Provider(ctx context.Context) (Provider, error) {
	var out Provider
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/provider"}, &out)
	return out, err
}

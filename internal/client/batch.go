package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"orbitq/internal/job"
)

// NewBatch is a batch to be started: many data points through the same steps, side by side. Its points are named, or
// chosen by a filter, and not both.
type NewBatch struct {
	Name     string       `json:"name"`
	PointIDs []string     `json:"data_point_ids,omitempty"`
	Filter   *PointFilter `json:"filter,omitempty"`
	// Steps: kinds in their order; none for enrich alone.
	Steps []string `json:"steps,omitempty"`
	// Queue: high, default or low.
	Queue string   `json:"queue,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	// AllowFailures: go on when an item fails.
	AllowFailures bool `json:"allow_failures,omitempty"`
	// Then: when every item succeeded; Catch: at the first failure; Finally: at the end.
	Then    *Callback `json:"then,omitempty"`
	Catch   *Callback `json:"catch,omitempty"`
	Finally *Callback `json:"finally,omitempty"`

	// Key is the Idempotency-Key: the same key and body give the same batch.
	Key string `json:"-"`
}

// PointFilter chooses the user's data points of one campaign.
type PointFilter struct {
	CampaignID string `json:"campaign_id"`
	MetricID   string `json:"metric_id,omitempty"`
	// CollectedFrom and CollectedTo bound the time of the reading, both inclusive; nil for none.
	CollectedFrom *time.Time `json:"collected_from,omitempty"`
	CollectedTo   *time.Time `json:"collected_to,omitempty"`
}

// Callback is what happens when a batch has come to a point: exactly one of the three.
type Callback struct {
	// Webhook: URL that gets a signed POST.
	Webhook string `json:"webhook,omitempty"`
	// Notify: a message in the inbox.
	Notify bool         `json:"notify,omitempty"`
	Job    *CallbackJob `json:"job,omitempty"`
}

// CallbackJob is the job that a callback dispatches.
type CallbackJob struct {
	Kind    string `json:"kind"`
	PointID string `json:"data_point_id"`
}

// Called is a callback of a batch with what became of it in the present round.
type Called struct {
	// Name: then, catch or finally.
	Name    string       `json:"name"`
	Webhook string       `json:"webhook,omitempty"`
	Notify  bool         `json:"notify,omitempty"`
	Job     *CallbackJob `json:"job,omitempty"`
	// State: waiting (has not fired), pending, delivered or given_up.
	State string `json:"state"`
	// EventID: the webhook-id header, the same in every try.
	EventID     string     `json:"event_id,omitempty"`
	FiredAt     *time.Time `json:"fired_at,omitempty"`
	DeliveredAt *time.Time `json:"delivered_at,omitempty"`
	FailedTries int        `json:"failed_tries"`
	NextTryAt   *time.Time `json:"next_try_at,omitempty"`
	// Reason: of the last try that failed.
	Reason string `json:"reason,omitempty"`
}

// Cost is what a batch uses, and its price.
type Cost struct {
	Transitions      int `json:"state_transitions"`
	Invocations      int `json:"invocations"`
	WriteUnits       int `json:"write_units"`
	ReadUnits        int `json:"read_units"`
	ProviderRequests int `json:"provider_requests"`
	// USD: US dollars by the public prices of PricedOn (YYYY-MM), without any free tier.
	USD      float64 `json:"usd"`
	PricedOn string  `json:"priced_on"`
}

// Estimate is what a batch would be.
type Estimate struct {
	DryRun bool `json:"dry_run"`
	// Total: items.
	Total int  `json:"total"`
	Cost  Cost `json:"expected_cost"`
}

// Batch is a batch as the API shows it. Lists, and answers to writes, leave out what is counted from the items: counts
// and progress of a batch that goes on, callbacks, ETA and cost.
type Batch struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// State: running, stopping, finished or cancelled.
	State string `json:"state"`
	// StopReason: why nothing starts any more; empty while it does.
	StopReason job.Stop    `json:"stop_reason,omitempty"`
	Total      int         `json:"total"`
	Counts     *job.Counts `json:"counts,omitempty"`
	// Progress: percent of the items that are final.
	Progress      *int     `json:"progress,omitempty"`
	Steps         []string `json:"steps"`
	Queue         string   `json:"queue"`
	Tags          []string `json:"tags,omitempty"`
	AllowFailures bool     `json:"allow_failures"`
	// Round: grows with each retry after the end.
	Round      int        `json:"round"`
	Executions int        `json:"executions"`
	Callbacks  []Called   `json:"callbacks,omitempty"`
	ETA        *time.Time `json:"eta,omitempty"`
	Cost       *Cost      `json:"cost_so_far,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	// FinishedAt: nil while it goes on.
	FinishedAt *time.Time `json:"finished_at,omitempty"`
}

// Ended reports whether every item is final.
func (b *Batch) Ended() bool { return b.FinishedAt != nil }

// BatchItem is one data point of a batch.
type BatchItem struct {
	PointID string         `json:"data_point_id"`
	State   job.TrackState `json:"state"`
	// Step: that is next, goes on, or failed.
	Step string `json:"step,omitempty"`
	// JobID: of that step, or of the last one.
	JobID      string      `json:"job_id"`
	Outcome    job.Outcome `json:"outcome,omitempty"`
	Error      *Failure    `json:"error,omitempty"`
	FinishedAt *time.Time  `json:"finished_at,omitempty"`
}

// StartBatch starts a batch.
func (c *Client) StartBatch(ctx context.Context, n NewBatch) (Batch, error) {
	var out Batch
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/batches", key: n.Key, body: n}, &out)
	return out, err
}

// EstimateBatch says how many items a batch would have and what they would cost; nothing is stored.
func (c *Client) EstimateBatch(ctx context.Context, n NewBatch) (Estimate, error) {
	var out Estimate
	body := struct {
		NewBatch

		DryRun bool `json:"dry_run"`
	}{n, true}
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/batches", body: body}, &out)
	return out, err
}

// Batch returns a batch, counted from its items.
func (c *Client) Batch(ctx context.Context, id string) (Batch, error) {
	return one[Batch](ctx, c, http.MethodGet, "/v1/batches/"+url.PathEscape(id))
}

// Batches lists the user's batches, newest first, and fetches pages of a size as they are needed. An error ends the list.
func (c *Client) Batches(ctx context.Context, page int) iter.Seq2[Batch, error] {
	return pages[Batch](ctx, c, "/v1/batches", sized(page))
}

// BatchItems lists the items of a batch in the order of their points' ids, as they stand in its present round, and
// fetches pages of a size as they are needed. An error ends the list.
func (c *Client) BatchItems(ctx context.Context, id string, page int) iter.Seq2[BatchItem, error] {
	return pages[BatchItem](ctx, c, "/v1/batches/"+url.PathEscape(id)+"/items", sized(page))
}

// AddBatchItems adds data points to a batch that has not ended, all of them or none; at most 99.
func (c *Client) AddBatchItems(ctx context.Context, id string, points []string) (Batch, error) {
	var out Batch
	body := map[string][]string{"data_point_ids": points}
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/batches/" + url.PathEscape(id) + "/items", body: body}, &out)
	return out, err
}

// CancelBatch takes a batch back: what has not started never does, what runs is counted.
func (c *Client) CancelBatch(ctx context.Context, id string) (Batch, error) {
	return one[Batch](ctx, c, http.MethodPost, "/v1/batches/"+url.PathEscape(id)+"/cancel")
}

// RetryBatch works again on the items of an ended batch that failed or were cancelled.
func (c *Client) RetryBatch(ctx context.Context, id string) (Batch, error) {
	return one[Batch](ctx, c, http.MethodPost, "/v1/batches/"+url.PathEscape(id)+"/retry")
}

// WatchBatch asks for a batch again and again, every so often, until it has ended, and shows what it sees each time.
// When the caller gives up it returns what was seen last; the batch goes on.
func (c *Client) WatchBatch(ctx context.Context, id string, every time.Duration, seen func(Batch)) (Batch, error) {
	return watched(ctx, every, func() (Batch, error) { return c.Batch(ctx, id) }, func(b *Batch) bool {
		seen(*b)
		return b.Ended()
	})
}

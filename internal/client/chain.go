package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"orbitq/internal/job"
)

// NewChain is a chain to be started: one data point through several steps, one after the other.
type NewChain struct {
	PointID string `json:"data_point_id"`
	// Steps: kinds in their order; none for enrich, analyze, notify.
	Steps []string `json:"steps,omitempty"`
	// Queue: high, default or low.
	Queue string   `json:"queue,omitempty"`
	Tags  []string `json:"tags,omitempty"`

	// Key is the Idempotency-Key: the same key and body give the same chain.
	Key string `json:"-"`
}

// Chain is a chain as the API shows it.
type Chain struct {
	ID      string         `json:"id"`
	State   job.TrackState `json:"state"`
	PointID string         `json:"data_point_id"`
	Steps   []ChainStep    `json:"steps"`
	// Next: the step that is next or goes on; empty when none is.
	Next string `json:"next_step,omitempty"`
	// Failed: the step that failed.
	Failed  string      `json:"failed_step,omitempty"`
	Error   *Failure    `json:"error,omitempty"`
	Outcome job.Outcome `json:"outcome,omitempty"`
	Queue   string      `json:"queue"`
	Tags    []string    `json:"tags,omitempty"`
	// Generation: grows with each redrive.
	Generation int `json:"generation"`
	// Execution: name of the newest execution of the state machine.
	Execution  string     `json:"execution"`
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
}

// ChainStep is one step of a chain.
type ChainStep struct {
	Kind string `json:"kind"`
	// State: of its job; pending while it has none.
	State string `json:"state"`
	// Job: nil while it has none, and in lists.
	Job *Job `json:"job,omitempty"`
}

// StartChain starts a chain.
func (c *Client) StartChain(ctx context.Context, n NewChain) (Chain, error) {
	var out Chain
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/chains", key: n.Key, body: n}, &out)
	return out, err
}

// Chain returns a chain with the jobs of its steps.
func (c *Client) Chain(ctx context.Context, id string) (Chain, error) {
	return one[Chain](ctx, c, http.MethodGet, "/v1/chains/"+url.PathEscape(id))
}

// Chains lists the user's chains, newest first, and fetches pages of a size as they are needed. An error ends the list.
func (c *Client) Chains(ctx context.Context, page int) iter.Seq2[Chain, error] {
	return pages[Chain](ctx, c, "/v1/chains", sized(page))
}

// CancelChain takes a chain back; the step that runs is counted if it ends, and is the last one.
func (c *Client) CancelChain(ctx context.Context, id string) (Chain, error) {
	return one[Chain](ctx, c, http.MethodPost, "/v1/chains/"+url.PathEscape(id)+"/cancel")
}

// RedriveChain lets a failed chain go on from the step that failed.
func (c *Client) RedriveChain(ctx context.Context, id string) (Chain, error) {
	return one[Chain](ctx, c, http.MethodPost, "/v1/chains/"+url.PathEscape(id)+"/redrive")
}

// one makes a call about one thing that has no body.
func one[Thing any](ctx context.Context, c *Client, method, path string) (Thing, error) {
	var out Thing
	err := c.do(ctx, call{method: method, path: path}, &out)
	return out, err
}

// Settled reports whether nothing more is to be expected of the chain for now: it is final, or its step waits for a day
// on which the answer may be another.
func (c *Chain) Settled() bool {
	if c.State.Final() {
		return true
	}
	for i := range c.Steps {
		if j := c.Steps[i].Job; j != nil && c.Steps[i].Kind == c.Next && j.State.Open() && j.Settled() {
			return true
		}
	}
	return false
}

// WaitChain asks for a chain again and again, every so often, until it is settled, and shows what it sees each time. When
// the caller gives up it returns what was seen last; the chain goes on.
func (c *Client) WaitChain(ctx context.Context, id string, every time.Duration, seen func(Chain)) (Chain, error) {
	return watched(ctx, every, func() (Chain, error) { return c.Chain(ctx, id) }, func(ch *Chain) bool {
		seen(*ch)
		return ch.Settled()
	})
}

// watched looks at a thing again and again until over says that it was the last time.
func watched[Thing any](ctx context.Context, every time.Duration, look func() (Thing, error), over func(*Thing) bool) (Thing, error) {
	var last Thing
	for {
		next, err := look()
		if err != nil {
			return last, err
		}
		last = next
		if over(&last) {
			return last, nil
		}
		if err := pause(ctx, every); err != nil {
			return last, err
		}
	}
}

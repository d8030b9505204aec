package client

import (
	"context"
	"net/http"
	"time"
)

// Usage is what the user has used of the current cycle.
type Usage struct {
	Tier     string `json:"tier"`
	Resource string `json:"resource"`
	Cycle    Cycle  `json:"cycle"`
	// Used: billed analyses.
	Used int `json:"used"`
	// Reserved: held by running jobs.
	Reserved int `json:"reserved"`
	// Limit: nil is unlimited.
	Limit *int `json:"limit"`
	// Remaining: nil is unlimited.
	Remaining *int      `json:"remaining"`
	ResetsAt  time.Time `json:"resets_at"`
	Points    Points    `json:"data_points"`
}

// Points is the usage of data points; nil where the plan has no limit.
type Points struct {
	Used  *int `json:"used"`
	Limit *int `json:"limit"`
}

// Cycle is a billing cycle: from Start, inclusive, to End, exclusive.
type Cycle struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Health tells that the API answers, and which release does.
type Health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}

// Usage returns the usage of the current cycle.
func (c *Client) Usage(ctx context.Context) (Usage, error) {
	var out Usage
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/usage"}, &out)
	return out, err
}

// Health asks whether the API answers; it needs no token.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var out Health
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/health"}, &out)
	return out, err
}

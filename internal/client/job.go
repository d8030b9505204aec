package client

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"orbitq/internal/job"
)

// NewJob is a job to be dispatched.
type NewJob struct {
	Kind    string `json:"kind"`
	PointID string `json:"data_point_id"`
	// Queue: high, default or low.
	Queue string `json:"queue,omitempty"`

	// Mode: sync runs it in the request.
	Mode string `json:"mode,omitempty"`
	// MaxWait: seconds within which it starts, or dies; 0 for no such promise.
	MaxWait int `json:"max_wait,omitempty"`
	// Unique: only one open job may have it.
	Unique string   `json:"unique_key,omitempty"`
	Tags   []string `json:"tags,omitempty"`

	// Key is the Idempotency-Key: the same key and body give the same job.
	Key string `json:"-"`
}

// Job is a job as the API shows it.
type Job struct {
	ID          string      `json:"id"`
	Kind        string      `json:"kind"`
	State       job.State   `json:"state"`
	Outcome     job.Outcome `json:"outcome,omitempty"`
	PointID     string      `json:"data_point_id"`
	Queue       string      `json:"queue"`
	Attempts    int         `json:"attempts"`
	MaxAttempts int         `json:"max_attempts"`
	Generation  int         `json:"generation"`
	CreatedAt   time.Time   `json:"created_at"`
	// StartedAt: of the latest attempt.
	StartedAt *time.Time `json:"started_at,omitempty"`
	// FinishedAt: nil while it is open.
	FinishedAt *time.Time `json:"finished_at,omitempty"`
	// NextAt: when a waiting or retrying job is due.
	NextAt *time.Time `json:"next_at,omitempty"`
	// StartBy: when it dies if no attempt has started.
	StartBy *time.Time `json:"start_by,omitempty"`
	Unique  string     `json:"unique_key,omitempty"`
	// Flow: the chain or batch that drives the job, such as chain/ID; empty where messages do.
	Flow job.Flow `json:"flow,omitempty"`
	Tags []string `json:"tags,omitempty"`
	// Fingerprint: of the cause that it died of.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Duplicate: the answer to a dispatch that accepted nothing, because this open job holds the unique key.
	Duplicate bool `json:"duplicate,omitempty"`
	// Error: of the latest attempt.
	Error *Failure `json:"error,omitempty"`
	// History: the last attempts, oldest first.
	History []Attempt `json:"history,omitempty"`
}

// Failure says why an attempt failed.
type Failure struct {
	Code    job.Code `json:"code"`
	Message string   `json:"message"`
}

// Attempt is one finished try.
type Attempt struct {
	Number    int        `json:"number"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Code      job.Code   `json:"code,omitempty"`
	// Version: of the release that ran it.
	Version string `json:"version,omitempty"`
	// RequestID: of the Lambda invocation.
	RequestID string `json:"request_id,omitempty"`
}

// Filter narrows a list of jobs; the zero value is all of them.
type Filter struct {
	State job.State
	Queue string
	Kind  string
	Tag   string
	Point string
	// Page: size of a page, 1 to 100; 0 leaves it to the API.
	Page int
}

// Dispatch accepts a job for a stored point.
func (c *Client) Dispatch(ctx context.Context, j NewJob) (Job, error) {
	var out Job
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/jobs", key: j.Key, body: j}, &out)
	return out, err
}

// Job returns a job.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var out Job
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/jobs/" + url.PathEscape(id)}, &out)
	return out, err
}

// Settled reports whether nothing more is to be expected of the job for now: it is
// final, or it waits for a day on which the answer may be another.
func (j *Job) Settled() bool {
	return !j.State.Open() || j.State == job.Waiting && j.Outcome != ""
}

// Wait asks for a job again and again, every so often, until it is settled.
func (c *Client) Wait(ctx context.Context, id string, every time.Duration) (Job, error) {
	for {
		j, err := c.Job(ctx, id)
		if err != nil || j.Settled() {
			return j, err
		}
		if err := pause(ctx, every); err != nil {
			return j, err
		}
	}
}

// Jobs lists the user's jobs, newest first, and fetches pages as they are needed. An error ends the list.
//
// The list is no snapshot: jobs that are accepted meanwhile are not in it, and those in it are as new as their page.
func (c *Client) Jobs(ctx context.Context, f Filter) iter.Seq2[Job, error] {
	return pages[Job](ctx, c, "/v1/jobs", f.values())
}

// pages walks through a list, page by page. Whoever walks again begins again.
func pages[Item any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		at := maps.Clone(query)
		for {
			var page struct {
				Items []Item  `json:"items"`
				Next  *string `json:"next_cursor"`
			}
			if err := c.do(ctx, call{method: http.MethodGet, path: path + "?" + at.Encode()}, &page); err != nil {
				var none Item
				yield(none, err)
				return
			}
			for i := range page.Items {
				if !yield(page.Items[i], nil) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			at.Set("cursor", *page.Next)
		}
	}
}

// sized are the query parameters of a list without filters; 0 leaves the size of a page to the API.
func sized(page int) url.Values {
	query := url.Values{}
	if page > 0 {
		query.Set("limit", strconv.Itoa(page))
	}
	return query
}

// values are the query parameters of the filter.
func (f Filter) values() url.Values {
	query := sized(f.Page)
	if f.State != "" {
		query.Set("state", string(f.State))
	}
	for name, value := range map[string]string{"queue": f.Queue, "kind": f.Kind, "tag": f.Tag, "data_point_id": f.Point} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

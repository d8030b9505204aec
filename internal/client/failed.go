package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"orbitq/internal/job"
)

// FailedFilter narrows a list of dead jobs; the zero value is all of them.
type FailedFilter struct {
	Code  job.Code // why they died
	Queue string
	Page  int // size of a page, 1 to 100; 0 leaves it to the API
}

// Failed lists the user's dead jobs, the latest death first, and fetches pages as they are needed. An error ends the
// list.
func (c *Client) Failed(ctx context.Context, f FailedFilter) iter.Seq2[Job, error] {
	query := url.Values{}
	for name, value := range map[string]string{"code": string(f.Code), "queue": f.Queue} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if f.Page > 0 {
		query.Set("limit", strconv.Itoa(f.Page))
	}
	return c.pages(ctx, "/v1/failed?", query)
}

// Retry runs a dead or skipped job again.
func (c *Client) Retry(ctx context.Context, id string) (Job, error) {
	return c.act(ctx, http.MethodPost, "/v1/failed/"+url.PathEscape(id)+"/retry")
}

// Forget drops a dead job for good.
func (c *Client) Forget(ctx context.Context, id string) (Job, error) {
	return c.act(ctx, http.MethodDelete, "/v1/failed/"+url.PathEscape(id))
}

// Cancel takes an open job back.
func (c *Client) Cancel(ctx context.Context, id string) (Job, error) {
	return c.act(ctx, http.MethodPost, "/v1/jobs/"+url.PathEscape(id)+"/cancel")
}

// act makes a call about one job that has no body.
func (c *Client) act(ctx context.Context, method, path string) (Job, error) {
	var out Job
	err := c.do(ctx, call{method: method, path: path}, &out)
	return out, err
}

// Retried counts what a retry of many did, or would do.
type Retried struct {
	Matched int `json:"matched"`
	Retried int `json:"retried"`
}

// RetryMany runs dead jobs again that the filter means; the zero filter means all of them. A dry run only counts.
// It asks as often as it takes: one request looks at 200 jobs.
func (c *Client) RetryMany(ctx context.Context, f FailedFilter, dryRun bool) (Retried, error) {
	body := map[string]any{"dry_run": dryRun}
	for name, value := range map[string]string{"code": string(f.Code), "queue": f.Queue} {
		if value != "" {
			body[name] = value
		}
	}
	if f.Code == "" && f.Queue == "" {
		body["all"] = true
	}
	var total Retried
	for {
		var part struct {
			Retried
			Next *string `json:"next_cursor"`
		}
		if err := c.do(ctx, call{method: http.MethodPost, path: "/v1/failed:retry", body: body}, &part); err != nil {
			return total, err
		}
		total.Matched += part.Matched
		total.Retried += part.Retried.Retried
		if part.Next == nil {
			return total, nil
		}
		body["cursor"] = *part.Next
	}
}

package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"orbitq/internal/job"
)

// FailedFilter narrows a list of dead jobs; the zero value is all of them.
type FailedFilter struct {
	// Code: why they died.
	Code job.Code
	// Fingerprint: of what cause.
	Fingerprint string
	Queue       string
	// Since: RFC 3339: died then or later.
	Since string
	// Until: RFC 3339: died before.
	Until string
	// Page: size of a page, 1 to 100; 0 leaves it to the API.
	Page int
}

// fields are the filter's parts that are set.
func (f FailedFilter) fields() map[string]string {
	set := map[string]string{}
	for name, value := range map[string]string{
		"code": string(f.Code), "fingerprint": f.Fingerprint, "queue": f.Queue, "since": f.Since, "until": f.Until,
	} {
		if value != "" {
			set[name] = value
		}
	}
	return set
}

// body is the filter in a request that means many; an empty filter has to say that it means all.
func (f FailedFilter) body() map[string]any {
	body := map[string]any{}
	for name, value := range f.fields() {
		body[name] = value
	}
	if len(body) == 0 {
		body["all"] = true
	}
	return body
}

// Failed lists the user's dead jobs, the latest death first, and fetches pages as they are needed. An error ends the
// list.
func (c *Client) Failed(ctx context.Context, f FailedFilter) iter.Seq2[Job, error] {
	query := sized(f.Page)
	for name, value := range f.fields() {
		query.Set(name, value)
	}
	return pages[Job](ctx, c, "/v1/failed", query)
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
	body := f.body()
	body["dry_run"] = dryRun
	matched, done, err := c.many(ctx, "/v1/failed:retry", "retried", body)
	return Retried{Matched: matched, Retried: done}, err
}

// FlushText confirms a flush.
const FlushText = "forget these failed jobs"

// Flushed counts what a flush did, or would do.
type Flushed struct {
	Matched   int `json:"matched"`
	Forgotten int `json:"forgotten"`
}

// Flush forgets dead jobs that the filter means; the zero filter means all of them. It cannot be taken back.
func (c *Client) Flush(ctx context.Context, f FailedFilter, dryRun bool) (Flushed, error) {
	body := f.body()
	body["dry_run"], body["confirm"] = dryRun, FlushText
	matched, done, err := c.many(ctx, "/v1/failed:flush", "forgotten", body)
	return Flushed{Matched: matched, Forgotten: done}, err
}

// MadeUp counts what became of skipped jobs.
type MadeUp struct {
	Matched int `json:"matched"`
	MadeUp  int `json:"made_up"`
}

// MakeUp runs skipped jobs again under the plan of the token.
func (c *Client) MakeUp(ctx context.Context, dryRun bool) (MadeUp, error) {
	matched, done, err := c.many(ctx, "/v1/usage:make-up", "made_up", map[string]any{"dry_run": dryRun})
	return MadeUp{Matched: matched, MadeUp: done}, err
}

// many repeats a request about many until nothing is left, and adds up what it found and did.
func (c *Client) many(ctx context.Context, path, verb string, body map[string]any) (matched, done int, err error) {
	for {
		var part struct {
			Matched int     `json:"matched"`
			Next    *string `json:"next_cursor"`

			Retried   int `json:"retried"`
			Forgotten int `json:"forgotten"`
			MadeUp    int `json:"made_up"`
		}
		if err := c.do(ctx, call{method: http.MethodPost, path: path, body: body}, &part); err != nil {
			return matched, done, err
		}
		matched += part.Matched
		done += map[string]int{"retried": part.Retried, "forgotten": part.Forgotten, "made_up": part.MadeUp}[verb]
		if part.Next == nil {
			return matched, done, nil
		}
		body["cursor"] = *part.Next
	}
}

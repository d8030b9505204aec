package entry

import (
	"context"
	"net/http"

	"orbitq/internal/deadletter"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/query"
)

// operator has the routes of a person's hand on jobs.
type operator struct {
	op *deadletter.Operator
}

// cancel takes an open job back.
func (o *operator) cancel(ctx context.Context, r *request, p intake.Principal) (response, error) {
	j, err := o.op.Cancel(ctx, p.Owner, r.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewJob(&j)), nil
}

// retry runs a dead or skipped job again.
func (o *operator) retry(ctx context.Context, r *request, p intake.Principal) (response, error) {
	j, err := o.op.Retry(ctx, p.Owner, r.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	out := encode(http.StatusAccepted, viewJob(&j))
	out.Headers["location"] = "/v1/jobs/" + j.ID
	return out, nil
}

// forget makes a dead job a tombstone.
func (o *operator) forget(ctx context.Context, r *request, p intake.Principal) (response, error) {
	j, err := o.op.Forget(ctx, p.Owner, r.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewJob(&j)), nil
}

// graveyard has the route of the list of failures.
type graveyard struct {
	failures *deadletter.Failures
}

// failed lists dead jobs, the latest death first.
func (g *graveyard) failed(ctx context.Context, r *request, p intake.Principal) (response, error) {
	params := map[string]string{}
	code := ""
	for name, value := range r.QueryStringParameters {
		switch name {
		case "code":
			code = value
		case "state":
			// filter knows it, but here every job has the same one.
			return response{}, job.Invalid(job.Violation{Field: name, Rule: "known", Detail: "is not a parameter of this list"})
		default:
			params[name] = value
		}
	}
	f, err := filter(params)
	if err != nil {
		return response{}, err
	}
	after, err := query.Position(f.Cursor)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	found, next, err := g.failures.List(ctx, p.Owner, deadletter.Filter{Code: job.Code(code), Queue: f.Queue}, after, f.Limit)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	items := make([]jobView, 0, len(found))
	for i := range found {
		items = append(items, viewJob(&found[i]))
	}
	return encode(http.StatusOK, listView{Items: items, Next: text(query.Cursor(next))}), nil
}

// retryBody is the body of POST /v1/failed:retry.
type retryBody struct {
	Code   *string `json:"code"`
	Queue  *string `json:"queue"`
	All    *bool   `json:"all"`
	DryRun *bool   `json:"dry_run"`
	Cursor *string `json:"cursor"`
}

// retryMany retries dead jobs by filter. No filter at all must be said in words:
// a forgotten field must not mean everything.
func (o *operator) retryMany(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b retryBody
	if _, err := decode(r, &b); err != nil {
		return response{}, err
	}
	f := deadletter.Filter{Code: job.Code(value(b.Code)), Queue: value(b.Queue)}
	if all := b.All != nil && *b.All; all == (f != deadletter.Filter{}) {
		return response{}, job.Invalid(job.Violation{Field: "all", Rule: "filter", Detail: "give a code or a queue, or all: true, and not both"})
	}
	after, err := query.Position(value(b.Cursor))
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	done, err := o.op.RetryMany(ctx, p.Owner, f, after, b.DryRun != nil && *b.DryRun)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, map[string]any{
		"matched": done.Matched, "retried": done.Retried, "next_cursor": text(query.Cursor(done.Next)),
	}), nil
}

// value returns a text, empty when it was not given.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

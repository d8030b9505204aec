package entry

import (
	"context"
	"maps"
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

// amend is the route of one action on one job, which answers with the job as it then is.
func amend(status int, action func(ctx context.Context, owner, id string) (job.Job, error)) route {
	return func(ctx context.Context, r *request, p intake.Principal) (response, error) {
		j, err := action(ctx, p.Owner, r.PathParameters["id"])
		if err != nil {
			return response{}, err
		}
		return created(status, "/v1/jobs/"+j.ID, viewJob(&j))
	}
}

// graveyard has the route of the list of failures. It is apart from operator
// because the read API serves it, and must not hold anything that can write.
type graveyard struct {
	failures *deadletter.Failures
}

// failed lists dead jobs, the latest death first.
func (g *graveyard) failed(ctx context.Context, r *request, p intake.Principal) (response, error) {
	params := maps.Clone(r.QueryStringParameters)
	var code *string
	if given, ok := params["code"]; ok {
		code = &given
	}
	if _, ok := params["state"]; ok {
		// The other list has it; here every job is in the same one.
		e := job.Invalid(job.Violation{Field: "state", Rule: "known", Detail: "is not a parameter of this list"})
		e.Code = job.UnknownField
		return response{}, e
	}
	delete(params, "code")
	f, err := filter(params)
	if err != nil {
		return response{}, err
	}
	meant, err := deaths(code, nil)
	if err != nil {
		return response{}, err
	}
	meant.Queue = f.Queue
	after, err := query.Position(f.Cursor)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	found, next, err := g.failures.List(ctx, p.Owner, meant, after, f.Limit)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	items := make([]jobView, 0, len(found))
	for i := range found {
		items = append(items, viewJob(&found[i]))
	}
	return encode(http.StatusOK, listView{Items: items, Next: text(query.Cursor(next))})
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
	f, err := deaths(b.Code, b.Queue)
	if err != nil {
		return response{}, err
	}
	if all := b.All != nil && *b.All; all == (f != deadletter.Filter{}) {
		return response{}, job.Invalid(job.Violation{Field: "all", Rule: "filter", Detail: "give a code or a queue, or all: true, and not both"})
	}
	page := query.Filter{}
	if b.Cursor != nil {
		// An empty cursor would begin again, and a client's loop never end.
		if wrong := set(&page, "cursor", *b.Cursor); wrong != nil {
			e := job.Invalid(*wrong)
			e.Code = job.InvalidCursor
			return response{}, e
		}
	}
	after, err := query.Position(page.Cursor)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	done, err := o.op.RetryMany(ctx, p.Owner, f, after, b.DryRun != nil && *b.DryRun)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, map[string]any{
		"matched": done.Matched, "retried": done.Retried, "next_cursor": text(query.Cursor(done.Next)),
	})
}

// maxCode is the longest code that a filter may name, in bytes.
const maxCode = 64

// deaths returns the filter that a client gave. What is given and empty is
// refused, because it would match everything: a client's unset variable must not
// retry all that ever died.
func deaths(code, queue *string) (deadletter.Filter, error) {
	var f deadletter.Filter
	var broken []job.Violation
	if code != nil {
		if f.Code = job.Code(*code); *code == "" || len(*code) > maxCode {
			broken = append(broken, job.Violation{Field: "code", Rule: "length", Detail: "must have 1 to 64 characters"})
		}
	}
	if queue != nil {
		page := query.Filter{}
		if wrong := set(&page, "queue", *queue); wrong != nil {
			broken = append(broken, *wrong)
		}
		f.Queue = page.Queue
	}
	if len(broken) > 0 {
		return deadletter.Filter{}, job.Invalid(broken...)
	}
	return f, nil
}

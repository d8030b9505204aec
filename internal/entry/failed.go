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
	var asked deathsBody
	for name, field := range map[string]**string{
		"code": &asked.Code, "fingerprint": &asked.Fingerprint, "since": &asked.Since, "until": &asked.Until,
	} {
		if given, ok := params[name]; ok {
			*field = &given
			delete(params, name)
		}
	}
	if _, ok := params["state"]; ok {
		// The other list has it; here every job is in the same one.
		e := job.Invalid(job.Violation{Field: "state", Rule: "known", Detail: "is not a parameter of this list"})
		e.Code = job.UnknownField
		return response{}, e
	}
	f, err := filter(params)
	if err != nil {
		return response{}, err
	}
	meant, err := asked.filter()
	if err != nil {
		return response{}, err
	}
	meant.Queue = f.Queue
	list := failures("failed", p.Owner, meant)
	after, err := list.Position(f.Cursor)
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
	return encode(http.StatusOK, listView{Items: items, Next: text(list.Cursor(next))})
}

// deathsBody says which dead jobs are meant.
type deathsBody struct {
	Code        *string `json:"code"`
	Fingerprint *string `json:"fingerprint"`
	Queue       *string `json:"queue"`
	Since       *string `json:"since"` // RFC 3339
	Until       *string `json:"until"` // RFC 3339
}

// retryBody is the body of POST /v1/failed:retry. Retrying everything has to be said:
// an empty filter would be a typing error too costly to forgive.
type retryBody struct {
	deathsBody

	All    *bool   `json:"all"`
	DryRun *bool   `json:"dry_run"`
	Cursor *string `json:"cursor"`
	Canary *bool   `json:"canary"`
	Rate   *int    `json:"rate"` // jobs per minute
}

// chosen returns the filter of a body that means many: it has to name something, or
// to say that all are meant.
func (b *deathsBody) chosen(all *bool) (deadletter.Filter, error) {
	f, err := b.filter()
	if err != nil {
		return f, err
	}
	if every := all != nil && *all; every == (f != deadletter.Filter{}) {
		return f, job.Invalid(job.Violation{
			Field: "all", Rule: "filter", Detail: "give a code, fingerprint, queue, since or until, or all: true, and not both",
		})
	}
	return f, nil
}

// retryMany retries the dead jobs that the body means: at once, or as an operation
// that goes on by itself when it is a canary or has a rate.
func (o *operator) retryMany(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b retryBody
	if _, err := decode(r, &b); err != nil {
		return response{}, err
	}
	f, err := b.chosen(b.All)
	if err != nil {
		return response{}, err
	}
	op, wanted, err := b.operation()
	if err != nil {
		return response{}, err
	}
	list := failures("failed:retry", p.Owner, f)
	after, err := position(list, b.Cursor)
	if err != nil {
		return response{}, err
	}
	dry := b.DryRun != nil && *b.DryRun
	if wanted && !dry {
		op.Owner, op.Filter = p.Owner, f
		return o.start(ctx, op)
	}
	done, err := o.op.RetryMany(ctx, p.Owner, f, after, dry)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return bulk("retried", done, list)
}

// failures is the list of the dead jobs that a filter means, for the cursors of one verb.
func failures(name, owner string, f deadletter.Filter) query.List {
	return query.NewList(name, owner, string(f.Code), f.Print, f.Queue, f.Since.String(), f.Until.String())
}

// position reads the cursor of a body.
func position(list query.List, cursor *string) (string, error) {
	page := query.Filter{}
	if cursor != nil {
		// An empty cursor would begin again, and a client's loop never end.
		if wrong := set(&page, "cursor", *cursor); wrong != nil {
			e := job.Invalid(*wrong)
			e.Code = job.InvalidCursor
			return "", e
		}
	}
	return list.Position(page.Cursor) //nolint:wrapcheck // the edge maps the code
}

// bulk answers with what was done with many.
func bulk(verb string, b deadletter.Bulk, list query.List) (response, error) {
	return encode(http.StatusOK, map[string]any{"matched": b.Matched, verb: b.Done, "next_cursor": text(list.Cursor(b.Next))})
}

// maxCode is the longest code that a filter may name, in bytes.
const maxCode = 64

// filter checks a body and returns what it means.
func (b *deathsBody) filter() (deadletter.Filter, error) {
	var f deadletter.Filter
	var broken []job.Violation
	for name, field := range map[string]*string{"code": b.Code, "fingerprint": b.Fingerprint} {
		if field != nil && (*field == "" || len(*field) > maxCode) {
			broken = append(broken, job.Violation{Field: name, Rule: "length", Detail: "must have 1 to 64 characters"})
		}
	}
	if b.Code != nil {
		f.Code = job.Code(*b.Code)
	}
	if b.Fingerprint != nil {
		f.Print = *b.Fingerprint
	}
	if b.Queue != nil {
		page := query.Filter{}
		if wrong := set(&page, "queue", *b.Queue); wrong != nil {
			broken = append(broken, *wrong)
		}
		f.Queue = page.Queue
	}
	if since := instant("since", b.Since, &broken); since != nil {
		f.Since = *since
	}
	if until := instant("until", b.Until, &broken); until != nil {
		f.Until = *until
	}
	if len(broken) > 0 {
		return deadletter.Filter{}, job.Invalid(broken...)
	}
	return f, nil
}

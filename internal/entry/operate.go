package entry

import (
	"context"
	"net/http"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/query"
)

// flushText is what a flush has to be confirmed with: it cannot be taken back.
const flushText = "forget these failed jobs"

// flushBody is the body of POST /v1/failed:flush.
type flushBody struct {
	deathsBody

	All     *bool   `json:"all"`
	DryRun  *bool   `json:"dry_run"`
	Cursor  *string `json:"cursor"`
	Confirm string  `json:"confirm"`
}

// flush forgets the dead jobs that the body means.
func (o *operator) flush(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b flushBody
	if _, err := decode(r, &b); err != nil {
		return response{}, err
	}
	f, err := b.chosen(b.All)
	if err != nil {
		return response{}, err
	}
	dry := b.DryRun != nil && *b.DryRun
	if !dry && b.Confirm != flushText {
		return response{}, job.Invalid(job.Violation{Field: "confirm", Rule: "text", Detail: `must be "` + flushText + `"; try dry_run: true first`})
	}
	list := failures("failed:flush", p.Owner, f)
	after, err := position(list, b.Cursor)
	if err != nil {
		return response{}, err
	}
	done, err := o.op.Flush(ctx, p.Owner, f, after, dry)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return bulk("forgotten", done, list)
}

// snoozeBody is the body of POST /v1/jobs/{id}/snooze.
type snoozeBody struct {
	Seconds *int `json:"seconds"`
}

// snooze puts a waiting job off.
func (o *operator) snooze(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b snoozeBody
	if _, err := decode(r, &b); err != nil {
		return response{}, err
	}
	if b.Seconds == nil || *b.Seconds < 1 || int64(*b.Seconds) > int64(intake.MaxAhead/time.Second) {
		return response{}, job.Invalid(job.Violation{Field: "seconds", Rule: "range", Detail: "must be from 1 to 31622400, which are 366 days"})
	}
	j, err := o.op.Snooze(ctx, p.Owner, r.PathParameters["id"], time.Duration(*b.Seconds)*time.Second)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return created(http.StatusOK, "/v1/jobs/"+j.ID, viewJob(&j))
}

// makeUpBody is the body of POST /v1/usage:make-up.
type makeUpBody struct {
	DryRun *bool   `json:"dry_run"`
	Cursor *string `json:"cursor"`
}

// makeUp runs skipped jobs again under the plan that the token names now.
func (o *operator) makeUp(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b makeUpBody
	if _, err := decode(r, &b); err != nil {
		return response{}, err
	}
	list := query.NewList("usage:make-up", p.Owner)
	after, err := position(list, b.Cursor)
	if err != nil {
		return response{}, err
	}
	done, err := o.op.MakeUp(ctx, p.Owner, p.Plan(), after, b.DryRun != nil && *b.DryRun)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return bulk("made_up", done, list)
}

// operationView is an operation as the API shows it.
type operationView struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Reason    string    `json:"reason,omitempty"`
	Canary    bool      `json:"canary"`
	Rate      int       `json:"rate"`
	Step      int       `json:"step"`
	Retried   int       `json:"retried"`
	Mended    int       `json:"mended"`
	Returned  int       `json:"returned"`
	Open      int       `json:"open"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// viewOperation shows the counts of an operation; the ids of its jobs are not shown.
func viewOperation(o *deadletter.Operation) operationView {
	return operationView{
		ID: o.ID, State: string(o.State), Reason: o.Reason, Canary: o.Canary, Rate: o.Rate, Step: o.Step,
		Retried: o.Retried, Mended: o.Mended, Returned: o.Returned, Open: len(o.Watched), CreatedAt: o.Created, UpdatedAt: o.Updated,
	}
}

// operation returns how the body wants to go on by itself, and whether it does.
func (b *retryBody) operation() (deadletter.Operation, bool, error) {
	op := deadletter.Operation{Canary: b.Canary != nil && *b.Canary}
	if b.Rate != nil {
		if op.Rate = *b.Rate; op.Rate < 1 || op.Rate > deadletter.MaxRate {
			return op, true, job.Invalid(job.Violation{Field: "rate", Rule: "range", Detail: "must be from 1 to 200 jobs per minute"})
		}
	}
	wanted := op.Canary || b.Rate != nil
	if wanted && b.Cursor != nil {
		// It would be taken for "from here on", and the operation begins at the top.
		return op, true, job.Invalid(job.Violation{Field: "cursor", Rule: "exclusive", Detail: "cannot be given together with canary or rate"})
	}
	return op, wanted, nil
}

// start begins an operation.
func (o *operator) start(ctx context.Context, op deadletter.Operation) (response, error) {
	begun, err := o.op.Start(ctx, op)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return created(http.StatusAccepted, "/v1/operations/"+begun.ID, viewOperation(&begun))
}

// operation answers with an operation after an action on it.
func (*operator) operation(action func(ctx context.Context, owner, id string) (deadletter.Operation, error)) route {
	return func(ctx context.Context, r *request, p intake.Principal) (response, error) {
		op, err := action(ctx, p.Owner, r.PathParameters["id"])
		if err != nil {
			return response{}, err
		}
		return encode(http.StatusOK, viewOperation(&op))
	}
}

package entry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"orbitq/internal/intake"
	"orbitq/internal/job"
)

// manyBody is the body of POST /v1/jobs:batch-dispatch. The items are read one by
// one, so that a wrong one does not refuse the others.
type manyBody struct {
	Items []json.RawMessage `json:"items"`
}

// itemView is what became of one item: a job, or why it was refused.
type itemView struct {
	Index int        `json:"index"`
	Job   *jobView   `json:"job,omitempty"`
	Error *itemError `json:"error,omitempty"`
}

// itemError is a refusal without what only a whole answer has.
type itemError struct {
	Code   job.Code `json:"code"`
	Detail string   `json:"detail"`
	Field  string   `json:"field,omitempty"`
	Rule   string   `json:"rule,omitempty"`
}

// dispatchMany accepts up to intake.MaxMany jobs.
func (w *writer) dispatchMany(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b manyBody
	raw, err := decode(r, &b)
	if err != nil {
		return response{}, err
	}
	if n := len(b.Items); n < 1 || n > intake.MaxMany {
		return response{}, job.Invalid(job.Violation{Field: "items", Rule: "count", Detail: "must be 1 to 500 jobs"})
	}
	wishes := make([]intake.Wish, len(b.Items))
	for i, item := range b.Items {
		var one jobBody
		wishes[i].Body = item
		if wishes[i].Err = strict(item, &one); wishes[i].Err == nil {
			wishes[i].Dispatch, wishes[i].Err = one.dispatchLater(r)
		}
	}
	answers := w.in.DispatchMany(ctx, keyed(r, p, raw), wishes)
	items, accepted := make([]itemView, len(answers)), 0
	for i := range answers {
		a := &answers[i]
		items[i].Index = i
		if a.Err != nil {
			items[i].Error = refusal(a.Err)
			continue
		}
		accepted++
		w.unsent(ctx, a.Accepted)
		v := viewAccepted(&a.Accepted)
		items[i].Job = &v
	}
	return encode(http.StatusOK, map[string]any{"items": items, "accepted": accepted, "refused": len(items) - accepted})
}

// dispatchLater returns what an item asks for. None can run within the request: there
// is time for one job, and not for many.
func (b *jobBody) dispatchLater(r *request) (intake.Dispatch, error) {
	d, err := b.dispatch(r)
	if err == nil && d.Now {
		err = job.Invalid(job.Violation{Field: "mode", Rule: "single", Detail: "sync is for a request with one job; leave it out"})
	}
	return d, err
}

// refusal is an error of one item, as a problem would say it.
func refusal(err error) *itemError {
	e, ok := errors.AsType[*job.Error](err)
	if !ok || statusOf(e.Code) >= http.StatusInternalServerError {
		return &itemError{Code: job.Unavailable, Detail: "this one could not be stored now; repeat the request"}
	}
	out := &itemError{Code: e.Code, Detail: e.Message}
	if len(e.Violations) > 0 {
		out.Field, out.Rule = e.Violations[0].Field, e.Violations[0].Rule
	}
	return out
}

package entry

import (
	"context"
	"net/http"
	"strings"

	"orbitq/internal/flow"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/quality"
	"orbitq/internal/query"
)

// costView is what a batch uses, and its price.
type costView struct {
	Transitions      int     `json:"state_transitions"`
	Invocations      int     `json:"invocations"`
	WriteUnits       int     `json:"write_units"`
	ReadUnits        int     `json:"read_units"`
	ProviderRequests int     `json:"provider_requests"`
	USD              float64 `json:"usd"`
	PricedOn         string  `json:"priced_on"`
}

// viewCost shows a cost.
func viewCost(c flow.Cost) costView {
	return costView{
		Transitions: c.Transitions, Invocations: c.Invocations, WriteUnits: c.WriteUnits, ReadUnits: c.ReadUnits,
		ProviderRequests: c.ProviderRequests, USD: c.USD, PricedOn: c.PricedOn,
	}
}

// reasonOf is what an owner may know of a try that failed: what a receiver said, or what is
// wrong with the callback. Everything else names our own parts.
func reasonOf(reason string) string {
	for _, code := range []job.Code{job.WebhookRefused, job.WebhookFailed, job.InvalidRequest} {
		if i := strings.Index(reason, string(code)); i >= 0 {
			return clip(reason[i:], maxReason)
		}
	}
	if reason != "" {
		return "it could not be delivered"
	}
	return ""
}

// chain shows one chain with the jobs of its steps.
func (r *reader) chain(ctx context.Context, req *request, p intake.Principal) (response, error) {
	c, steps, err := r.Flow.ShowChain(ctx, p.Owner, req.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewChain(&c, steps))
}

// batch shows one batch, counted.
func (r *reader) batch(ctx context.Context, req *request, p intake.Principal) (response, error) {
	o, err := r.Flow.ShowBatch(ctx, p.Owner, req.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	for i := range o.Calls {
		o.Calls[i].URL = shownURL(req, o.Calls[i].URL)
	}
	return encode(http.StatusOK, viewOverview(&o))
}

// lister returns a page of an owner's things.
type lister[T any] func(ctx context.Context, owner, after string, n int) ([]T, string, error)

// listed answers with a page of a list that has no filter.
func listed[T, V any](ctx context.Context, req *request, p intake.Principal, list lister[T], view func(*T) V, at query.List) (response, error) {
	// Any other parameter is refused: a filter that is ignored answers with too much, and
	// nobody notices.
	f, err := paging(req.QueryStringParameters, "limit", "cursor")
	if err != nil {
		return response{}, err
	}
	after, err := at.Position(f.Cursor)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	all, next, err := list(ctx, p.Owner, after, f.Limit)
	if err != nil {
		return response{}, err
	}
	// Never null: an empty page is a list as well.
	items := make([]V, 0, len(all))
	for i := range all {
		items = append(items, view(&all[i]))
	}
	return encode(http.StatusOK, listView{Items: items, Next: text(at.Cursor(next))})
}

// chains lists the caller's chains.
func (r *reader) chains(ctx context.Context, req *request, p intake.Principal) (response, error) {
	return listed(ctx, req, p, r.Flow.ListChains, func(c *job.Chain) chainView { return viewChain(c, nil) }, query.NewList("chains", p.Owner))
}

// batches lists the caller's batches.
func (r *reader) batches(ctx context.Context, req *request, p intake.Principal) (response, error) {
	return listed(ctx, req, p, r.Flow.ListBatches, viewBatch, query.NewList("batches", p.Owner))
}

// items lists the items of a batch.
func (r *reader) items(ctx context.Context, req *request, p intake.Principal) (response, error) {
	// Items have no position in time; their place is the id of their data point.
	list := func(ctx context.Context, owner, after string, n int) ([]job.Item, string, error) {
		_, page, next, err := r.Flow.ListItems(ctx, owner, req.PathParameters["id"], after, n)
		return page, next, err //nolint:wrapcheck // the edge maps the code
	}
	return listed(ctx, req, p, list, viewItem, query.NewItemList(p.Owner, req.PathParameters["id"]))
}

// notices lists the caller's messages.
func (r *reader) notices(ctx context.Context, req *request, p intake.Principal) (response, error) {
	return listed(ctx, req, p, r.Query.Notices, viewNotice, query.NewList("notifications", p.Owner))
}

// preferences shows which messages the caller wants.
func (r *reader) preferences(ctx context.Context, req *request, p intake.Principal) (response, error) {
	found, err := r.Query.Preferences(ctx, p.Owner)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	found.URL = shownURL(req, found.URL)
	return encode(http.StatusOK, viewPreferences(found))
}

// quality shows what is said about a reading.
func (r *reader) quality(ctx context.Context, req *request, p intake.Principal) (response, error) {
	id := req.PathParameters["id"]
	found, err := r.Query.Quality(ctx, p.Owner, id)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewJudgement(id, &found))
}

// zones shows the zones of a campaign.
func (r *reader) zones(ctx context.Context, req *request, p intake.Principal) (response, error) {
	id := req.PathParameters["id"]
	found, err := r.Query.Zones(ctx, p.Owner, id)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, map[string]any{"id": id, "zones": append([]quality.Zone{}, found...)})
}

// secret shows what the caller's callbacks and messages are signed with. It needs the scope of
// writing: who can only read must not be able to speak in our name.
func (r *reader) secret(ctx context.Context, _ *request, p intake.Principal) (response, error) {
	secrets, err := r.Signing(ctx, p.Owner)
	if err != nil {
		return response{}, err
	}
	return encode(http.StatusOK, map[string]string{"webhook_secret": secrets[0]})
}

package entry

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"orbitq/internal/flow"
	"orbitq/internal/intake"
	"orbitq/internal/job"
)

// conductor has the write routes of chains and batches.
type conductor struct {
	flow *flow.Flow
	log  *slog.Logger
}

// routes returns the routes by the key that API Gateway matched.
func (c *conductor) routes() map[string]route {
	return map[string]route{
		"POST /v1/chains":              c.startChain,
		"POST /v1/chains/{id}/cancel":  c.cancelChain,
		"POST /v1/chains/{id}/redrive": c.redriveChain,
		"POST /v1/batches":             c.startBatch,
		"POST /v1/batches/{id}/items":  c.addItems,
		"POST /v1/batches/{id}/cancel": c.cancelBatch,
		"POST /v1/batches/{id}/retry":  c.retryBatch,
	}
}

// asked returns what the flow's writes share.
func asked(r *request, p intake.Principal, raw []byte) flow.Request {
	return flow.Request{
		Account: job.Account{Owner: p.Owner, Tier: string(p.Tier), Anchor: p.Anchor, Limit: p.Tier.Limit()},
		Key:     r.Headers["idempotency-key"], Body: raw,
	}
}

// chainBody is the body of POST /v1/chains.
type chainBody struct {
	DataPointID string   `json:"data_point_id"`
	Steps       []string `json:"steps"`
	Queue       *string  `json:"queue"`
	Tags        []string `json:"tags"`
}

// startChain accepts a chain.
func (c *conductor) startChain(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b chainBody
	raw, err := decode(r, &b)
	if err != nil {
		return response{}, err
	}
	queue, err := given(r, b.Queue)
	if err != nil {
		return response{}, err
	}
	if err := filled("steps", b.Steps); err != nil {
		return response{}, err
	}
	chain, startErr, err := c.flow.StartChain(ctx, asked(r, p, raw), flow.ChainWish{Point: b.DataPointID, Steps: b.Steps, Queue: queue, Tags: b.Tags})
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	c.unstarted(ctx, chain.ID, startErr)
	return created(http.StatusAccepted, "/v1/chains/"+chain.ID, viewChain(&chain, nil))
}

// filled refuses a list that is there but empty: a program that forgot to fill it in would
// get the default instead.
func filled(field string, list []string) error {
	if list != nil && len(list) == 0 {
		return job.Invalid(job.Violation{Field: field, Rule: "min_items", Detail: "must not be empty; leave it out for the default"})
	}
	return nil
}

// unstarted logs, beside the line of the request, that something was accepted but its
// execution not started: the request is fine, the relay starts it.
func (c *conductor) unstarted(ctx context.Context, id string, err error) {
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "execution not started, the relay starts it",
			slog.String("flow", id), slog.String("error", clip(err.Error(), maxReason)))
	}
}

// cancelChain takes a chain back.
func (c *conductor) cancelChain(ctx context.Context, r *request, p intake.Principal) (response, error) {
	chain, err := c.flow.CancelChain(ctx, p.Owner, r.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewChain(&chain, nil))
}

// redriveChain lets a failed chain go on.
func (c *conductor) redriveChain(ctx context.Context, r *request, p intake.Principal) (response, error) {
	chain, startErr, err := c.flow.RedriveChain(ctx, p.Owner, r.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	c.unstarted(ctx, chain.ID, startErr)
	return created(http.StatusAccepted, "/v1/chains/"+chain.ID, viewChain(&chain, nil))
}

// batchBody is the body of POST /v1/batches.
type batchBody struct {
	Name          string          `json:"name"`
	DataPointIDs  []string        `json:"data_point_ids"`
	Filter        json.RawMessage `json:"filter"`
	Steps         []string        `json:"steps"`
	Queue         *string         `json:"queue"`
	Tags          []string        `json:"tags"`
	AllowFailures bool            `json:"allow_failures"`
	Then          json.RawMessage `json:"then"`
	Catch         json.RawMessage `json:"catch"`
	Finally       json.RawMessage `json:"finally"`
	DryRun        bool            `json:"dry_run"`
}

// filterBody chooses data points of a campaign.
type filterBody struct {
	CampaignID    string  `json:"campaign_id"`
	MetricID      string  `json:"metric_id"`
	CollectedFrom *string `json:"collected_from"`
	CollectedTo   *string `json:"collected_to"`
}

// callBody is a callback: one of its three.
type callBody struct {
	Webhook *string         `json:"webhook"`
	Notify  bool            `json:"notify"`
	Job     json.RawMessage `json:"job"`
}

// callJobBody is the job of a callback.
type callJobBody struct {
	Kind        string `json:"kind"`
	DataPointID string `json:"data_point_id"`
}

// wish returns what the body asks for.
func (b *batchBody) wish(r *request) (flow.BatchWish, error) {
	queue, err := given(r, b.Queue)
	if err != nil {
		return flow.BatchWish{}, err
	}
	if err := filled("steps", b.Steps); err != nil {
		return flow.BatchWish{}, err
	}
	w := flow.BatchWish{
		Name: b.Name, Points: b.DataPointIDs, Steps: b.Steps, Queue: queue, Tags: b.Tags, AllowFailures: b.AllowFailures, Calls: map[string]job.Callback{},
	}
	if b.Filter != nil {
		if w.Filter, err = filterOf(b.Filter); err != nil {
			return w, err
		}
	}
	for _, call := range []struct {
		name string
		raw  json.RawMessage
	}{{job.CallThen, b.Then}, {job.CallCatch, b.Catch}, {job.CallFinally, b.Finally}} {
		if call.raw == nil {
			continue
		}
		if w.Calls[call.name], err = callbackOf(call.name, call.raw); err != nil {
			return w, err
		}
	}
	return w, nil
}

// filterOf reads the filter of a body.
func filterOf(raw json.RawMessage) (*flow.Filter, error) {
	var b filterBody
	if err := nested("filter", raw, &b); err != nil {
		return nil, err
	}
	var broken []job.Violation
	f := &flow.Filter{Campaign: b.CampaignID, Metric: b.MetricID}
	if from := instant("filter.collected_from", b.CollectedFrom, &broken); from != nil {
		f.From = *from
	}
	if to := instant("filter.collected_to", b.CollectedTo, &broken); to != nil {
		f.Until = *to
	}
	if len(broken) > 0 {
		return nil, job.Invalid(broken...)
	}
	return f, nil
}

// callbackOf reads a callback of a body, as the rows keep it.
func callbackOf(name string, raw json.RawMessage) (job.Callback, error) {
	var b callBody
	if err := nested(name, raw, &b); err != nil {
		return job.Callback{}, err
	}
	if b.Notify && (b.Webhook != nil || b.Job != nil) || b.Webhook != nil && b.Job != nil {
		// An empty one counts as given: it is an unset variable of a program that meant it.
		return job.Callback{}, job.Invalid(job.Violation{Field: name, Rule: "one_of", Detail: "must be one of webhook, notify: true, and job"})
	}
	switch {
	case b.Webhook != nil:
		return job.Callback{URL: *b.Webhook}, notEmpty(name+".webhook", *b.Webhook)
	case b.Job != nil:
		return callJobOf(name+".job", b.Job)
	default:
		return job.Callback{Notify: b.Notify}, nil
	}
}

// callJobOf reads the job of a callback.
func callJobOf(place string, raw json.RawMessage) (job.Callback, error) {
	var b callJobBody
	if err := nested(place, raw, &b); err != nil {
		return job.Callback{}, err
	}
	return job.Callback{Kind: b.Kind, Point: b.DataPointID}, notEmpty(place+".data_point_id", b.DataPointID)
}

// notEmpty refuses a text that is there but empty, which the use case would take for absent.
func notEmpty(field, s string) error {
	if s == "" {
		return job.Invalid(job.Violation{Field: field, Rule: "min_length", Detail: "must not be empty"})
	}
	return nil
}

// nested reads an object inside of a body as strictly as the body, and names the fields
// with their place.
func nested(place string, raw json.RawMessage, v any) error {
	err := strict(raw, v)
	e, ok := errors.AsType[*job.Error](err)
	if !ok {
		return err
	}
	if len(e.Violations) == 0 {
		return job.Invalid(job.Violation{Field: place, Rule: "type", Detail: "must be an object"})
	}
	for i := range e.Violations {
		e.Violations[i].Field = place + "." + e.Violations[i].Field
	}
	e.Message = e.Violations[0].Field + ": " + e.Violations[0].Detail
	return err
}

// startBatch accepts a batch, or says what it would cost.
func (c *conductor) startBatch(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b batchBody
	raw, err := decode(r, &b)
	if err != nil {
		return response{}, err
	}
	wish, err := b.wish(r)
	if err != nil {
		return response{}, err
	}
	prepared, err := c.flow.Prepare(ctx, asked(r, p, raw), wish)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	n := len(prepared.Items)
	cost := viewCost(flow.CostOf(n, len(prepared.Batch.Steps), n > flow.InlineItems))
	if b.DryRun {
		return encode(http.StatusOK, map[string]any{"dry_run": true, "total": n, "expected_cost": cost})
	}
	started, startErr, err := c.flow.StartBatch(ctx, prepared)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	c.unstarted(ctx, started.ID, startErr)
	return created(http.StatusAccepted, "/v1/batches/"+started.ID, viewBatch(&started))
}

// itemsBody is the body of POST /v1/batches/{id}/items.
type itemsBody struct {
	DataPointIDs []string `json:"data_point_ids"`
}

// addItems adds data points to a batch.
func (c *conductor) addItems(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b itemsBody
	if _, err := decode(r, &b); err != nil {
		return response{}, err
	}
	batch, startErr, err := c.flow.AddItems(ctx, p.Owner, r.PathParameters["id"], b.DataPointIDs)
	return c.amended(ctx, batch, startErr, err)
}

// cancelBatch takes a batch back.
func (c *conductor) cancelBatch(ctx context.Context, r *request, p intake.Principal) (response, error) {
	batch, err := c.flow.CancelBatch(ctx, p.Owner, r.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewBatch(&batch))
}

// retryBatch works again on what failed.
func (c *conductor) retryBatch(ctx context.Context, r *request, p intake.Principal) (response, error) {
	batch, startErr, err := c.flow.RetryBatch(ctx, p.Owner, r.PathParameters["id"])
	return c.amended(ctx, batch, startErr, err)
}

// amended answers with a batch that goes on.
func (c *conductor) amended(ctx context.Context, b job.Batch, startErr, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	c.unstarted(ctx, b.ID, startErr)
	return created(http.StatusAccepted, "/v1/batches/"+b.ID, viewBatch(&b))
}

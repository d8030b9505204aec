package entry

import (
	"context"
	"encoding/json"
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
		// Who pays is taken from the token alone; a body cannot name another owner.
		Account: job.Account{Owner: p.Owner, Tier: string(p.Tier), Anchor: p.Anchor, Limit: p.Tier.Limit(), Issued: p.Issued},
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

package entry

import (
	"context"
	"net/http"

	"orbitq/internal/flow"
	"orbitq/internal/intake"
	"orbitq/internal/job"
)

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
	batch, startErr, err := c.flow.AddItems(ctx, asked(r, p, nil).Account, r.PathParameters["id"], b.DataPointIDs)
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

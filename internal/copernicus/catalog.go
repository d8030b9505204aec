package copernicus

import (
	"context"
	"encoding/json"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/satellite"
)

// Seen implements kinds.Imagery: one catalog search for a single feature.
func (c *Client) Seen(ctx context.Context, pass *limit.Pass, a satellite.Area, w satellite.Window) (bool, error) {
	got, err := c.ask(ctx, pass, limit.Search, "/api/v1/catalog/1.0.0/search", map[string]any{
		"bbox":        boundsOf(a).BBox,
		"datetime":    w.From.Format(time.RFC3339) + "/" + w.To.Format(time.RFC3339),
		"collections": []string{collection},
		"limit":       1,
	})
	if err != nil {
		return false, err
	}
	var found struct {
		Features []json.RawMessage `json:"features"`
	}
	if err := json.Unmarshal(got.body, &found); err != nil {
		return false, unreadable("catalog answer", err)
	}
	// Without the list there is no answer. "None seen" would end the job for good
	// with "out of coverage", and no retry would ever correct it.
	if found.Features == nil {
		return false, job.Errorf(job.ProviderUnavailable, "catalog answer has no list of features")
	}
	return len(found.Features) > 0, nil
}

package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"orbitq/internal/job"
)

// Quality is everything that rules and people say about a reading.
type Quality struct {
	PointID  string `json:"data_point_id"`
	Revision int    `json:"revision"`
	// RuleVersion, Score (0 to 100) and Recommendation (approve, review or reject): nil while nobody has analysed it.
	RuleVersion    *string `json:"rule_version"`
	Score          *int    `json:"score"`
	Recommendation *string `json:"recommendation"`
	// Outcome: of the enrichment that the rules saw.
	Outcome job.Outcome `json:"outcome,omitempty"`
	// Flags: of the rules, then of people.
	Flags      []Flag     `json:"flags"`
	JobID      string     `json:"job_id,omitempty"`
	AnalysedAt *time.Time `json:"analysed_at,omitempty"`
}

// Flag is one doubt about a reading.
type Flag struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	// Severity: warning or error.
	Severity string `json:"severity"`
	// Automatic: false where a person set it.
	Automatic bool               `json:"automatic"`
	At        time.Time          `json:"flagged_at"`
	Details   map[string]float64 `json:"details,omitempty"`
}

// Opinion is what a person says about a reading: a status, a flag, or both.
type Opinion struct {
	// Status: pending, approved or rejected; empty leaves it.
	Status string `json:"status,omitempty"`
	Notes  string `json:"notes,omitempty"`
	// Flag: type of a flag to raise, empty for none; Reason says why.
	Flag   string `json:"flag,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Zone is where the readings of a campaign should be.
type Zone struct {
	Name string `json:"name"`
	// Ring: corners as longitude and latitude in degrees; the first may be repeated at the end.
	Ring [][2]float64 `json:"ring"`
}

// Zones are the zones of a campaign; none is no restriction.
type Zones struct {
	CampaignID string `json:"id"`
	Zones      []Zone `json:"zones"`
}

// Quality returns what is said about a reading.
func (c *Client) Quality(ctx context.Context, point string) (Quality, error) {
	return one[Quality](ctx, c, http.MethodGet, "/v1/data-points/"+url.PathEscape(point)+"/quality")
}

// Review stores what a person says about a reading.
func (c *Client) Review(ctx context.Context, point string, o Opinion) (Point, error) {
	var out Point
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/data-points/" + url.PathEscape(point) + "/review", body: o}, &out)
	return out, err
}

// Zones returns the zones of a campaign.
func (c *Client) Zones(ctx context.Context, campaign string) (Zones, error) {
	return one[Zones](ctx, c, http.MethodGet, "/v1/campaigns/"+url.PathEscape(campaign)+"/zones")
}

// SetZones replaces the zones of a campaign; an empty list removes all.
func (c *Client) SetZones(ctx context.Context, campaign string, zones []Zone) (Zones, error) {
	var out Zones
	body := map[string][]Zone{"zones": append([]Zone{}, zones...)}
	err := c.do(ctx, call{method: http.MethodPut, path: "/v1/campaigns/" + url.PathEscape(campaign) + "/zones", body: body}, &out)
	return out, err
}

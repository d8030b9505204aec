package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"orbitq/internal/job"
)

// NewPoint is a reading to be stored. Zero values of optional fields are not sent; those of the three required numbers
// are, because 0 degrees is a place and 0 a measurement.
type NewPoint struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Value     float64 `json:"value"`
	// Accuracy: metres; 0 is typed coordinates.
	Accuracy float64 `json:"accuracy,omitempty"`
	// CollectedAt: nil is now.
	CollectedAt *time.Time `json:"collected_at,omitempty"`
	// CalibrationAt: nil is unknown.
	CalibrationAt *time.Time `json:"calibration_at,omitempty"`
	MetricID      string     `json:"metric_id,omitempty"`
	CampaignID    string     `json:"campaign_id,omitempty"`
	DeviceModel   string     `json:"device_model,omitempty"`
	SensorType    string     `json:"sensor_type,omitempty"`
	Notes         string     `json:"notes,omitempty"`
	// Queue: high, default or low.
	Queue string `json:"queue,omitempty"`
	// Enrich: false stores the point alone, without a job; nil is true.
	Enrich *bool `json:"enrich,omitempty"`

	// Key is the Idempotency-Key: the same key and body give the same point.
	Key string `json:"-"`
}

// Point is a stored reading. Coordinates come back rounded to 7 decimals, about a centimetre.
type Point struct {
	ID            string     `json:"id"`
	Latitude      float64    `json:"latitude"`
	Longitude     float64    `json:"longitude"`
	Accuracy      float64    `json:"accuracy"`
	Value         float64    `json:"value"`
	CollectedAt   time.Time  `json:"collected_at"`
	CalibrationAt *time.Time `json:"calibration_at,omitempty"`
	MetricID      string     `json:"metric_id,omitempty"`
	CampaignID    string     `json:"campaign_id,omitempty"`
	DeviceModel   string     `json:"device_model,omitempty"`
	SensorType    string     `json:"sensor_type,omitempty"`
	Notes         string     `json:"notes,omitempty"`
	// Status: of the review: pending, approved or rejected.
	Status      string     `json:"status"`
	ReviewedAt  *time.Time `json:"reviewed_at,omitempty"`
	ReviewNotes string     `json:"review_notes,omitempty"`
	Revision    int        `json:"revision"`
	CreatedAt   time.Time  `json:"created_at"`
}

// Created is a stored reading with the enrichment job that was accepted in the same step; job and id are empty when the
// point was stored alone.
type Created struct {
	PointID string `json:"data_point_id"`
	JobID   string `json:"job_id,omitempty"`
	Point   Point  `json:"data_point"`
	Job     Job    `json:"job,omitzero"`
}

// Stats are the statistics of one index over the valid pixels.
type Stats struct {
	Mean        float64 `json:"mean"`
	Min         float64 `json:"min"`
	Max         float64 `json:"max"`
	StDev       float64 `json:"st_dev"`
	SampleCount int     `json:"sample_count"`
	NoDataCount int     `json:"no_data_count"`
}

// Indices are the seven indices; nil where one has no value.
type Indices struct {
	NDVI  *Stats `json:"ndvi"`
	NDMI  *Stats `json:"ndmi"`
	NDRE  *Stats `json:"ndre"`
	EVI   *Stats `json:"evi"`
	MSI   *Stats `json:"msi"`
	SAVI  *Stats `json:"savi"`
	GNDVI *Stats `json:"gndvi"`
}

// InOrder returns the seven in the order in which everybody lists them: NDVI, NDMI, NDRE, EVI, MSI, SAVI, GNDVI.
func (i *Indices) InOrder() [7]*Stats {
	return [7]*Stats{i.NDVI, i.NDMI, i.NDRE, i.EVI, i.MSI, i.SAVI, i.GNDVI}
}

// Analysis is what the satellite saw around a point. There is at most one per revision of the point, however many jobs
// were dispatched for it.
type Analysis struct {
	ID      string `json:"id"`
	PointID string `json:"data_point_id"`
	JobID   string `json:"job_id"`
	// Revision: of the point.
	Revision      int         `json:"revision"`
	Outcome       job.Outcome `json:"outcome"`
	Indices       Indices     `json:"indices"`
	CloudFraction float64     `json:"cloud_fraction"`
	SnowFraction  float64     `json:"snow_fraction"`
	WaterFraction float64     `json:"water_fraction"`
	ValidFraction float64     `json:"valid_fraction"`
	// AcquiredOn: YYYY-MM-DD.
	AcquiredOn string `json:"acquired_on"`
	// DayOffset: image day minus day of the reading.
	DayOffset       int    `json:"day_offset"`
	TemporalQuality string `json:"temporal_quality"`
	// HalfSideM: half a side of the square, metres.
	HalfSideM float64 `json:"aoi_half_m"`
	// PUSpent: the provider's processing units.
	PUSpent       float64 `json:"pu_spent"`
	CostCredits   float64 `json:"cost_credits"`
	ScriptVersion string  `json:"script_version"`
	// RequestID: the provider's.
	RequestID string    `json:"request_id,omitempty"`
	Source    string    `json:"source"`
	CreatedAt time.Time `json:"created_at"`
}

// CreatePoint stores a reading and accepts its enrichment.
func (c *Client) CreatePoint(ctx context.Context, p NewPoint) (Created, error) {
	var out Created
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/data-points", key: p.Key, body: p}, &out)
	return out, err
}

// Point returns a stored reading.
func (c *Client) Point(ctx context.Context, id string) (Point, error) {
	var out Point
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/data-points/" + url.PathEscape(id)}, &out)
	return out, err
}

// Analyses returns the analyses of a point, the oldest revision first.
func (c *Client) Analyses(ctx context.Context, id string) ([]Analysis, error) {
	var out struct {
		Items []Analysis `json:"items"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/data-points/" + url.PathEscape(id) + "/analyses"}, &out)
	return out.Items, err
}

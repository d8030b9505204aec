package entry

import (
	"strconv"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/query"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
)

// The views are types of their own, not the rows: a field that is added to a row
// stays inside until somebody decides to show it.

// listView is one page of a list. Items is never null, and the cursor is null at
// the end: a client can loop without asking whether a field is there.
type listView struct {
	Items any     `json:"items"`
	Next  *string `json:"next_cursor"`
}

// pointView is a data point as the API shows it.
type pointView struct {
	ID           string     `json:"id"`
	Latitude     *float64   `json:"latitude"`
	Longitude    *float64   `json:"longitude"`
	Accuracy     float64    `json:"accuracy"`
	Value        float64    `json:"value"`
	CollectedAt  time.Time  `json:"collected_at"`
	CalibratedAt *time.Time `json:"calibration_at,omitempty"`
	MetricID     string     `json:"metric_id,omitempty"`
	CampaignID   string     `json:"campaign_id,omitempty"`
	DeviceModel  string     `json:"device_model,omitempty"`
	SensorType   string     `json:"sensor_type,omitempty"`
	Notes        string     `json:"notes,omitempty"`
	Status       string     `json:"status"`
	ReviewedAt   *time.Time `json:"reviewed_at,omitempty"`
	ReviewNotes  string     `json:"review_notes,omitempty"`
	Revision     int        `json:"revision"`
	CreatedAt    time.Time  `json:"created_at"`
}

// viewPoint shows a point.
func viewPoint(p *point.Point) pointView {
	return pointView{
		ID: p.ID, Latitude: p.Latitude, Longitude: p.Longitude, Accuracy: p.Accuracy, Value: p.Value,
		CollectedAt: p.CollectedAt, CalibratedAt: when(p.CalibratedAt), MetricID: p.MetricID, CampaignID: p.CampaignID,
		DeviceModel: p.DeviceModel, SensorType: p.SensorType, Notes: p.Notes,
		Status: string(p.Status), ReviewedAt: when(p.ReviewedAt), ReviewNotes: p.ReviewNotes, Revision: p.Revision, CreatedAt: p.CreatedAt,
	}
}

// jobView is a job as the API shows it, without its fences (tickets, lease), its
// meter and its owner: they are nobody's business, and would become a contract.
type jobView struct {
	ID          string        `json:"id"`
	Kind        string        `json:"kind"`
	State       job.State     `json:"state"`
	Outcome     job.Outcome   `json:"outcome,omitempty"`
	DataPointID string        `json:"data_point_id"`
	Queue       string        `json:"queue"`
	Attempts    int           `json:"attempts"`
	MaxAttempts int           `json:"max_attempts"`
	Generation  int           `json:"generation"`
	CreatedAt   time.Time     `json:"created_at"`
	StartedAt   *time.Time    `json:"started_at,omitempty"`
	FinishedAt  *time.Time    `json:"finished_at,omitempty"`
	NextAt      *time.Time    `json:"next_at,omitempty"`
	StartBy     *time.Time    `json:"start_by,omitempty"`
	UniqueKey   string        `json:"unique_key,omitempty"`
	Flow        job.Flow      `json:"flow,omitempty"` // chain or batch that drives the job
	Tags        []string      `json:"tags,omitempty"`
	Fingerprint string        `json:"fingerprint,omitempty"`
	Duplicate   bool          `json:"duplicate,omitempty"` // of a dispatch: this job holds the unique key, nothing was accepted
	Error       *errorView    `json:"error,omitempty"`
	History     []attemptView `json:"history,omitempty"`
}

// errorView is the last failure of a job: the code to branch on, and a text that
// was made for people where the failure was understood.
type errorView struct {
	Code    job.Code `json:"code"`
	Message string   `json:"message"`
}

// attemptView is one finished attempt. Version and request id lead to the log
// lines of the release that ran it.
type attemptView struct {
	Number    int       `json:"number"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	Code      string    `json:"code"`
	Version   string    `json:"version,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
}

// viewJob shows a row; times that mean nothing in its state are left out.
func viewJob(j *job.Job) jobView {
	v := jobView{
		ID: j.ID, Kind: j.Kind, State: j.State, Outcome: j.Outcome, DataPointID: j.Point, Queue: j.Queue,
		Attempts: j.Attempts, MaxAttempts: j.MaxAttempts, Generation: j.Generation, CreatedAt: j.Created,
		StartedAt: when(j.Started), FinishedAt: when(j.Finished),
		UniqueKey: j.Unique, Flow: j.Flow, Tags: j.Tags, Fingerprint: j.Print,
	}
	if j.State.Open() && j.Attempts == 0 && j.Passes == 0 { // the promise to start is open, too
		v.StartBy = when(j.StartBy)
	}
	if j.State == job.Skipped {
		v.NextAt = when(j.Look) // when its owner has new units
	}
	// Elsewhere the row's due time is over, or of no meaning to a person.
	if j.State == job.Waiting || j.State == job.Retrying || j.State == job.Scheduled {
		v.NextAt = when(j.Due)
	}
	if j.Code != "" {
		v.Error = &errorView{Code: j.Code, Message: j.Reason}
	}
	for _, a := range j.History {
		code := string(a.Code)
		if code == "" {
			// An attempt without a failure is the one that brought the outcome.
			code = string(j.Outcome)
		}
		v.History = append(v.History, attemptView{
			Number: a.Number, StartedAt: a.Started, EndedAt: a.Ended, Code: code, Version: a.Version, RequestID: a.RequestID,
		})
	}
	return v
}

// statsView is one index of an analysis, over the pixels that were not masked.
type statsView struct {
	Mean        float64 `json:"mean"`
	Min         float64 `json:"min"`
	Max         float64 `json:"max"`
	StDev       float64 `json:"st_dev"`
	SampleCount int     `json:"sample_count"`
	NoDataCount int     `json:"no_data_count"`
}

// analysisView is an analysis as the API shows it. Every field is always there: a
// consumer of numbers should not have to know which of them may be missing.
type analysisView struct {
	ID              string                `json:"id"`
	DataPointID     string                `json:"data_point_id"`
	JobID           string                `json:"job_id"`
	Revision        int                   `json:"revision"`
	Outcome         job.Outcome           `json:"outcome"`
	Indices         map[string]*statsView `json:"indices"`
	CloudFraction   float64               `json:"cloud_fraction"`
	SnowFraction    float64               `json:"snow_fraction"`
	WaterFraction   float64               `json:"water_fraction"`
	ValidFraction   float64               `json:"valid_fraction"`
	AcquiredOn      string                `json:"acquired_on"`
	DayOffset       int                   `json:"day_offset"`
	TemporalQuality string                `json:"temporal_quality"`
	HalfSide        int                   `json:"aoi_half_m"`
	PUSpent         float64               `json:"pu_spent"`
	CostCredits     float64               `json:"cost_credits"`
	ScriptVersion   string                `json:"script_version"`
	RequestID       string                `json:"request_id"`
	Source          string                `json:"source"`
	CreatedAt       time.Time             `json:"created_at"`
}

// viewAnalysis derives the id from what the analysis is about, so that it needs no
// column, and is the same before and after a repeated write.
func viewAnalysis(a *satellite.Analysis) analysisView {
	v := analysisView{
		ID: job.DerivedID(a.Point, "analysis", strconv.Itoa(a.Revision)), DataPointID: a.Point, JobID: a.Job,
		Revision: a.Revision, Outcome: a.Outcome(), Indices: map[string]*statsView{},
		CloudFraction: a.Day.CloudFraction, SnowFraction: a.Day.SnowFraction, WaterFraction: a.Day.WaterFraction,
		ValidFraction: a.Day.ValidFraction, AcquiredOn: a.Day.Date.Format(time.DateOnly), DayOffset: a.DayOffset,
		TemporalQuality: a.TemporalQuality, HalfSide: a.HalfSide, PUSpent: a.PUSpent, CostCredits: a.Credits, ScriptVersion: a.ScriptVersion,
		RequestID: a.RequestID, Source: satellite.Source, CreatedAt: a.CreatedAt,
	}
	for i, name := range satellite.IndexNames() {
		// All seven names, also without a value: null says "looked and found none".
		v.Indices[name] = nil
		if s := a.Day.Indices[i]; s != nil {
			v.Indices[name] = &statsView{
				Mean: s.Mean, Min: s.Min, Max: s.Max, StDev: s.StDev, SampleCount: s.SampleCount, NoDataCount: s.NoDataCount,
			}
		}
	}
	return v
}

// usageView is an owner's usage as the API shows it; limit and remaining are
// null without a limit.
type usageView struct {
	Tier      usage.Tier `json:"tier"`
	Resource  string     `json:"resource"`
	Cycle     cycleView  `json:"cycle"`
	Used      int        `json:"used"`
	Reserved  int        `json:"reserved"`
	Limit     *int       `json:"limit"`
	Remaining *int       `json:"remaining"`
	ResetsAt  time.Time  `json:"resets_at"`
	Points    pointsView `json:"data_points"`
}

// pointsView is the usage of data points; null where the plan has no limit, because
// nothing is counted there.
type pointsView struct {
	Used  *int `json:"used"`
	Limit *int `json:"limit"`
}

// cycleView is a billing cycle.
type cycleView struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// viewUsage shows what is billed and what is only held: a job that is running
// holds a unit, and gives it back if nothing comes of it.
func viewUsage(u query.Usage) usageView {
	v := usageView{
		Tier: u.Tier, Resource: usage.Resource, Cycle: cycleView(u.Cycle),
		Used: u.Meter.Used, Reserved: u.Meter.Taken - u.Meter.Used, ResetsAt: u.Cycle.End,
	}
	if u.Limit != job.Unlimited {
		// Reserved units count as gone: whoever plans with what remains must not
		// plan with a unit that a running job will use.
		remaining := max(u.Limit-u.Meter.Taken, 0)
		v.Limit, v.Remaining = &u.Limit, &remaining
	}
	if u.PointLimit != job.Unlimited {
		v.Points = pointsView{Used: &u.Points.Used, Limit: &u.PointLimit}
	}
	return v
}

// when returns nil for a time that is not known: the zero time would be shown as
// the year 1.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// text returns nil for an empty text.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

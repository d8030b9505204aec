package entry

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/flow"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/point"
)

// Write returns the handler of the write API. The gate is flushed after a job that
// ran in this process.
func Write(in *intake.Intake, op *deadletter.Operator, f *flow.Flow, g *gate.Gate, log *slog.Logger) func(context.Context, request) (response, error) {
	w := &writer{in: in, gate: g, log: log}
	o := &operator{op: op}
	a := &api{log: log, entitled: in.Entitled, routes: map[string]route{
		"POST /v1/data-points":              w.createPoint,
		"POST /v1/jobs":                     w.dispatchJob,
		"POST /v1/jobs:batch-dispatch":      w.dispatchMany,
		"POST /v1/jobs/{id}/cancel":         amend(http.StatusOK, op.Cancel),
		"POST /v1/jobs/{id}/snooze":         o.snooze,
		"POST /v1/failed/{id}/retry":        amend(http.StatusAccepted, op.Retry),
		"POST /v1/failed:retry":             o.retryMany,
		"POST /v1/failed:flush":             o.flush,
		"DELETE /v1/failed/{id}":            amend(http.StatusOK, op.Forget),
		"GET /v1/operations/{id}":           o.operation(op.Find),
		"POST /v1/operations/{id}/abort":    o.operation(op.Abort),
		"POST /v1/usage:make-up":            o.makeUp,
		"POST /v1/queues/{queue}/pause":     w.setQueue(false),
		"POST /v1/queues/{queue}/resume":    w.setQueue(true),
		"POST /v1/data-points/{id}/review":  w.review,
		"PUT /v1/campaigns/{id}/zones":      w.setZones,
		"PUT /v1/notifications/preferences": w.setPreferences,
	}}
	maps.Copy(a.routes, (&conductor{flow: f, log: log}).routes())
	return a.serve
}

// writer has the write routes.
type writer struct {
	in   *intake.Intake
	gate *gate.Gate
	log  *slog.Logger
}

// pointBody is the body of POST /v1/data-points. It is closed: what is not here,
// such as an owner or a status, no client can set. Pointers tell "absent" from
// zero, which is a value: latitude 0 is the equator.
type pointBody struct {
	Latitude     *float64 `json:"latitude"`
	Longitude    *float64 `json:"longitude"`
	Accuracy     *float64 `json:"accuracy"`
	Value        *float64 `json:"value"`
	CollectedAt  *string  `json:"collected_at"`
	CalibratedAt *string  `json:"calibration_at"`
	MetricID     string   `json:"metric_id"`
	CampaignID   string   `json:"campaign_id"`
	DeviceModel  string   `json:"device_model"`
	SensorType   string   `json:"sensor_type"`
	Notes        string   `json:"notes"`
	Queue        *string  `json:"queue"`
	Enrich       *bool    `json:"enrich"` // false: the point alone
}

// createPoint stores a data point and accepts its enrichment, both or neither.
func (w *writer) createPoint(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b pointBody
	raw, err := decode(r, &b)
	if err != nil {
		return response{}, err
	}
	queue, err := given(r, b.Queue)
	if err != nil {
		return response{}, err
	}
	var broken []job.Violation
	reading := point.Input{
		Latitude: b.Latitude, Longitude: b.Longitude, Accuracy: b.Accuracy, Value: b.Value,
		CollectedAt: instant("collected_at", b.CollectedAt, &broken), CalibratedAt: instant("calibration_at", b.CalibratedAt, &broken),
		MetricID: b.MetricID, CampaignID: b.CampaignID, DeviceModel: b.DeviceModel, SensorType: b.SensorType, Notes: b.Notes,
	}
	if len(broken) > 0 {
		return response{}, job.Invalid(broken...)
	}
	alone := b.Enrich != nil && !*b.Enrich
	accepted, err := w.in.CreatePoint(ctx, keyed(r, p, raw), reading, queue, alone)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	w.unsent(ctx, accepted)
	if alone {
		return created(http.StatusCreated, "/v1/data-points/"+accepted.Point.ID, map[string]any{
			"data_point_id": accepted.Point.ID, "data_point": viewPoint(&accepted.Point),
		})
	}
	return created(http.StatusCreated, "/v1/data-points/"+accepted.Point.ID, map[string]any{
		"data_point_id": accepted.Point.ID, "job_id": accepted.Job.ID,
		"data_point": viewPoint(&accepted.Point), "job": viewJob(&accepted.Job),
	})
}

// jobBody is the body of POST /v1/jobs. It names the point, never its data: what
// the job works on is read when it runs.
type jobBody struct {
	Kind        string   `json:"kind"`
	DataPointID string   `json:"data_point_id"`
	Queue       *string  `json:"queue"`
	Delay       *int     `json:"delay"`    // seconds
	RunAt       *string  `json:"run_at"`   // RFC 3339
	Mode        *string  `json:"mode"`     // async or sync
	MaxWait     *int     `json:"max_wait"` // seconds
	UniqueKey   *string  `json:"unique_key"`
	Tags        []string `json:"tags"`
}

// dispatch returns what the body asks for.
func (b *jobBody) dispatch(r *request) (intake.Dispatch, error) {
	queue, err := given(r, b.Queue)
	if err != nil {
		return intake.Dispatch{}, err
	}
	var broken []job.Violation
	runAt := instant("run_at", b.RunAt, &broken)
	if b.Mode != nil && *b.Mode != "async" && *b.Mode != "sync" {
		broken = append(broken, job.Violation{Field: "mode", Rule: "enum", Detail: "must be async or sync"})
	}
	unique := ""
	if b.UniqueKey != nil {
		if unique = *b.UniqueKey; unique == "" {
			broken = append(broken, job.Violation{Field: "unique_key", Rule: "min_length", Detail: "must not be empty"})
		}
	}
	if len(broken) > 0 {
		return intake.Dispatch{}, job.Invalid(broken...)
	}
	return intake.Dispatch{
		Kind: b.Kind, Point: b.DataPointID, Queue: queue, Delay: b.Delay, RunAt: runAt,
		MaxWait: b.MaxWait, Unique: unique, Tags: b.Tags, Now: b.Mode != nil && *b.Mode == "sync",
	}, nil
}

// dispatchJob accepts a job.
func (w *writer) dispatchJob(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b jobBody
	raw, err := decode(r, &b)
	if err != nil {
		return response{}, err
	}
	d, err := b.dispatch(r)
	if err != nil {
		return response{}, err
	}
	if d.Now {
		return w.runJob(ctx, keyed(r, p, raw), d)
	}
	accepted, err := w.in.DispatchJob(ctx, keyed(r, p, raw), d)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	w.unsent(ctx, accepted)
	return dispatched(http.StatusAccepted, &accepted)
}

// syncTime is how long a synchronous request works for its job; after it, the answer
// is the job as it is, and the job goes on in its queue. API Gateway waits 30 s.
const syncTime = 25 * time.Second

// runJob runs a job and answers with its result: 200 when it is final, else 202.
func (w *writer) runJob(ctx context.Context, r intake.Request, d intake.Dispatch) (response, error) {
	// The worker keeps 2 s of the time that it gets for its last writes.
	limited, cancel := context.WithTimeout(ctx, syncTime+2*time.Second)
	defer cancel()
	accepted, err := w.in.DispatchNow(limited, r, d)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	if err := errors.Join(accepted.RunErr, w.gate.Flush(ctx)); err != nil {
		w.log.LogAttrs(ctx, slog.LevelWarn, "synchronous job", slog.String("job", accepted.Job.ID),
			slog.String("code", string(job.CodeOf(err))), slog.String("error", clip(err.Error(), maxReason)))
	}
	status := http.StatusAccepted
	if !accepted.Job.State.Open() {
		status = http.StatusOK
	}
	return dispatched(status, &accepted)
}

// dispatched answers a dispatch with the job that was accepted, or that holds its key.
func dispatched(status int, a *intake.Accepted) (response, error) {
	return created(status, "/v1/jobs/"+a.Job.ID, viewAccepted(a))
}

// viewAccepted shows what a dispatch came to.
func viewAccepted(a *intake.Accepted) jobView {
	v := viewJob(&a.Job)
	v.Duplicate = a.Duplicate
	return v
}

// setQueue pauses or resumes a queue.
func (w *writer) setQueue(enabled bool) route {
	return func(ctx context.Context, r *request, _ intake.Principal) (response, error) {
		queue := r.PathParameters["queue"]
		state, err := w.in.SetQueue(ctx, queue, enabled)
		if err != nil {
			return response{}, err //nolint:wrapcheck // the edge maps the code
		}
		return encode(http.StatusAccepted, map[string]string{"queue": queue, "feed": state})
	}
}

// unsent logs, beside the line of the request, that a job was accepted but its message not sent: the request is
// fine, the relay repeats the send.
func (w *writer) unsent(ctx context.Context, a intake.Accepted) {
	if a.SendErr != nil {
		w.log.LogAttrs(ctx, slog.LevelWarn, "message not sent, the relay repeats it",
			slog.String("job", a.Job.ID), slog.String("error", errors.Unwrap(a.SendErr).Error()))
	}
}

// keyed returns what all writes share. The body goes along as it arrived: the
// same key with other white space is another request, because nobody can promise
// that two different bodies mean the same.
func keyed(r *request, p intake.Principal, raw []byte) intake.Request {
	return intake.Request{Principal: p, Key: r.Headers["idempotency-key"], Body: raw}
}

// given refuses what is there but empty, which the use case would take for
// absent: a client that sends an empty key believes that it may repeat the
// request, and an empty queue is an unset variable of its program.
func given(r *request, queue *string) (string, error) {
	if key, ok := r.Headers["idempotency-key"]; ok && key == "" {
		return "", job.Invalid(job.Violation{Field: "Idempotency-Key", Rule: "min_length", Detail: "must not be empty"})
	}
	if queue == nil {
		return "", nil
	}
	if *queue == "" {
		return "", job.Invalid(job.Violation{Field: "queue", Rule: "enum", Detail: "must be high, default or low"})
	}
	return *queue, nil
}

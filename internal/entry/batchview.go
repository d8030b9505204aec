package entry

import (
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// callbackView is a callback with what became of it: waiting, pending, delivered or given_up.
type callbackView struct {
	Name string `json:"name"`
	// One of the three; then what became of it, from its event.
	Webhook     string       `json:"webhook,omitempty"`
	Notify      bool         `json:"notify,omitempty"`
	Job         *callJobBody `json:"job,omitempty"`
	State       string       `json:"state"`
	EventID     string       `json:"event_id,omitempty"`
	FiredAt     *time.Time   `json:"fired_at,omitempty"`
	DeliveredAt *time.Time   `json:"delivered_at,omitempty"`
	Tries       int          `json:"failed_tries"`
	NextTryAt   *time.Time   `json:"next_try_at,omitempty"`
	Reason      string       `json:"reason,omitempty"`
}

// viewCall shows a callback.
func viewCall(c *flow.Call) callbackView {
	v := callbackView{Name: c.Name, Webhook: c.URL, Notify: c.Notify, State: "waiting"}
	if c.Kind != "" {
		v.Job = &callJobBody{Kind: c.Kind, DataPointID: c.Point}
	}
	d := c.Delivery
	if d == nil {
		return v
	}
	v.EventID, v.FiredAt, v.DeliveredAt, v.Tries, v.Reason = d.Event.ID, when(d.Event.At), when(d.Delivered), d.Tries, reasonOf(d.Reason)
	switch {
	// Delivered first: an event that was delivered in the end has the tries that failed, too.
	case !d.Delivered.IsZero():
		v.State = "delivered"
	case d.Next.IsZero():
		v.State = "given_up"
	default:
		v.State, v.NextTryAt = "pending", when(d.Next)
	}
	return v
}

// batchView is a batch as the API shows it; counts, callbacks and cost are in the view of
// one batch only, because they are read from its items.
type batchView struct {
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	State         string         `json:"state"`
	StopReason    job.Stop       `json:"stop_reason,omitempty"`
	Total         int            `json:"total"`
	Counts        *job.Counts    `json:"counts,omitempty"`
	Progress      *int           `json:"progress,omitempty"`
	Steps         []string       `json:"steps"`
	Queue         string         `json:"queue"`
	Tags          []string       `json:"tags,omitempty"`
	AllowFailures bool           `json:"allow_failures"`
	Round         int            `json:"round"`
	Executions    int            `json:"executions"`
	Callbacks     []callbackView `json:"callbacks,omitempty"`
	ETA           *time.Time     `json:"eta,omitempty"`
	Cost          *costView      `json:"cost_so_far,omitempty"`
	CreatedAt     time.Time      `json:"created_at"`
	FinishedAt    *time.Time     `json:"finished_at,omitempty"`
}

// viewBatch shows a batch by its own row.
func viewBatch(b *job.Batch) batchView {
	v := batchView{
		ID: b.ID, Name: b.Name, State: b.View(), StopReason: b.Stop, Total: b.Total, Steps: b.Steps, Queue: b.Queue, Tags: b.Tags,
		AllowFailures: b.AllowFailures, Round: b.Round, Executions: b.Runs + 1, CreatedAt: b.Created, FinishedAt: when(b.Finished),
	}
	// Only the end is kept in the row. Before it, a list of batches would have to count the
	// items of each.
	if b.Closed {
		v.Counts = &b.Ended
		v.Progress = new(b.Ended.Progress())
	}
	return v
}

// viewOverview shows a batch counted from its items.
func viewOverview(o *flow.Overview) batchView {
	v := viewBatch(&o.Batch)
	v.Counts, v.Progress, v.ETA = &o.Counts, new(o.Counts.Progress()), when(o.Ends)
	v.Cost = new(viewCost(o.Cost))
	v.Callbacks = []callbackView{}
	for i := range o.Calls {
		v.Callbacks = append(v.Callbacks, viewCall(&o.Calls[i]))
	}
	return v
}

// batchItemView is one item of a batch.
type batchItemView struct {
	DataPointID string         `json:"data_point_id"`
	State       job.TrackState `json:"state"`
	Step        string         `json:"step,omitempty"` // that is next, goes on, or failed
	JobID       string         `json:"job_id"`
	Outcome     job.Outcome    `json:"outcome,omitempty"`
	Error       *errorView     `json:"error,omitempty"`
	FinishedAt  *time.Time     `json:"finished_at,omitempty"`
}

// viewItem shows an item; the job is that of its step, or of its last one.
func viewItem(it *job.Item) batchItemView {
	kind := it.Kind()
	v := batchItemView{DataPointID: it.Point, State: it.State, Step: kind, Outcome: it.Outcome, FinishedAt: when(it.Finished)}
	if kind == "" {
		// All steps have ended, so none is next: the last one has the outcome that people ask for.
		kind = it.Steps[len(it.Steps)-1]
	}
	v.JobID = job.StepID(it.Key, kind)
	if it.Code != "" {
		v.Error = &errorView{Code: it.Code, Message: it.Reason}
	}
	return v
}

package entry

import (
	"encoding/json"
	"errors"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

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
	// Raw until now, so that null and an unknown field inside are told apart from absent ones.
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
		// A program finds the wrong one of three callbacks by its place, not by "webhook" alone.
		e.Violations[i].Field = place + "." + e.Violations[i].Field
	}
	e.Message = e.Violations[0].Field + ": " + e.Violations[0].Detail
	return err
}

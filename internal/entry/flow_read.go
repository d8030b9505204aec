package entry

import (
	"context"
	"net/http"
	"strings"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/quality"
	"orbitq/internal/query"
)

// stepView is one step of a chain: its job, once it has one.
type stepView struct {
	Kind  string   `json:"kind"`
	State string   `json:"state"` // of its job; pending while it has none
	Job   *jobView `json:"job,omitempty"`
}

// chainView is a chain as the API shows it.
type chainView struct {
	ID          string         `json:"id"`
	State       job.TrackState `json:"state"`
	DataPointID string         `json:"data_point_id"`
	Steps       []stepView     `json:"steps"`
	Next        string         `json:"next_step,omitempty"`
	Failed      string         `json:"failed_step,omitempty"`
	Error       *errorView     `json:"error,omitempty"`
	Outcome     job.Outcome    `json:"outcome,omitempty"`
	Queue       string         `json:"queue"`
	Tags        []string       `json:"tags,omitempty"`
	Generation  int            `json:"generation"`
	Execution   string         `json:"execution"`
	CreatedAt   time.Time      `json:"created_at"`
	FinishedAt  *time.Time     `json:"finished_at,omitempty"`
}

// viewChain shows a chain with its steps; without their jobs, a step's state is what the
// chain itself knows of it.
func viewChain(c *job.Chain, steps []flow.ChainStep) chainView {
	v := chainView{
		ID: c.ID, State: c.State, DataPointID: c.Point, Steps: []stepView{}, Outcome: c.Outcome, Queue: c.Queue, Tags: c.Tags,
		Generation: c.Generation, Execution: job.ExecutionName(c.ID, c.Generation), CreatedAt: c.Created, FinishedAt: when(c.Finished),
	}
	for i, kind := range c.Steps {
		s := stepView{Kind: kind, State: string(job.TrackPending)}
		if i < c.At {
			s.State = string(job.Succeeded)
		}
		if i == c.At && c.State == job.TrackFailed {
			s.State = string(job.Dead)
		}
		if i < len(steps) && steps[i].Job != nil {
			shown := viewJob(steps[i].Job)
			s.State, s.Job = string(shown.State), &shown
		}
		v.Steps = append(v.Steps, s)
	}
	if !c.State.Final() {
		v.Next = c.Kind()
	}
	if c.State == job.TrackFailed {
		v.Failed = c.Kind()
	}
	if c.Code != "" {
		v.Error = &errorView{Code: c.Code, Message: c.Reason}
	}
	return v
}

// costView is what a batch uses, and its price.
type costView struct {
	Transitions      int     `json:"state_transitions"`
	Invocations      int     `json:"invocations"`
	WriteUnits       int     `json:"write_units"`
	ReadUnits        int     `json:"read_units"`
	ProviderRequests int     `json:"provider_requests"`
	USD              float64 `json:"usd"`
	PricedOn         string  `json:"priced_on"`
}

// viewCost shows a cost.
func viewCost(c flow.Cost) costView {
	return costView{
		Transitions: c.Transitions, Invocations: c.Invocations, WriteUnits: c.WriteUnits, ReadUnits: c.ReadUnits,
		ProviderRequests: c.ProviderRequests, USD: c.USD, PricedOn: c.PricedOn,
	}
}

// callbackView is a callback with what became of it: waiting, pending, delivered or given_up.
type callbackView struct {
	Name        string       `json:"name"`
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
	v.EventID, v.FiredAt, v.DeliveredAt, v.Tries, v.Reason = d.Event.ID, when(d.Event.At), when(d.Told), d.Tries, reasonOf(d.Reason)
	switch {
	case !d.Told.IsZero():
		v.State = "delivered"
	case d.Next.IsZero():
		v.State = "given_up"
	default:
		v.State, v.NextTryAt = "pending", when(d.Next)
	}
	return v
}

// reasonOf is what an owner may know of a try that failed: what a receiver said, or what is
// wrong with the callback. Everything else names our own parts.
func reasonOf(reason string) string {
	for _, code := range []job.Code{job.WebhookRefused, job.WebhookFailed, job.InvalidRequest} {
		if i := strings.Index(reason, string(code)); i >= 0 {
			return clip(reason[i:], maxReason)
		}
	}
	if reason != "" {
		return "it could not be delivered"
	}
	return ""
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
		kind = it.Steps[len(it.Steps)-1]
	}
	v.JobID = job.StepID(it.Key, kind)
	if it.Code != "" {
		v.Error = &errorView{Code: it.Code, Message: it.Reason}
	}
	return v
}

// noticeView is a message in an inbox.
type noticeView struct {
	ID          string         `json:"id"`
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Text        string         `json:"text"`
	DataPointID string         `json:"data_point_id,omitempty"`
	Revision    int            `json:"revision,omitempty"`
	BatchID     string         `json:"batch_id,omitempty"`
	JobID       string         `json:"job_id,omitempty"`
	Facts       map[string]any `json:"facts,omitempty"`
	CreatedAt   time.Time      `json:"created_at"`
}

// viewNotice shows a message.
func viewNotice(n *job.Notice) noticeView {
	return noticeView{
		ID: n.ID, Type: n.Type, Title: n.Title, Text: n.Text, DataPointID: n.Point, Revision: n.Revision, BatchID: n.Batch, JobID: n.Job,
		Facts: n.Facts, CreatedAt: n.At,
	}
}

// preferencesView is which messages an owner wants.
type preferencesView struct {
	Muted      []string `json:"muted"`
	WebhookURL *string  `json:"webhook_url"`
	Topic      bool     `json:"topic"`
}

// viewPreferences shows preferences; lists are never null.
func viewPreferences(p job.Preferences) preferencesView {
	return preferencesView{Muted: append([]string{}, p.Muted...), WebhookURL: text(p.URL), Topic: p.Topic}
}

// judgementView is everything that is said about a reading.
type judgementView struct {
	DataPointID    string                  `json:"data_point_id"`
	Revision       int                     `json:"revision"`
	RuleVersion    *string                 `json:"rule_version"`
	Score          *int                    `json:"score"`
	Recommendation *quality.Recommendation `json:"recommendation"`
	Outcome        job.Outcome             `json:"outcome,omitempty"`
	Flags          []quality.Flag          `json:"flags"` // of the rules, then of people
	JobID          string                  `json:"job_id,omitempty"`
	AnalysedAt     *time.Time              `json:"analysed_at,omitempty"`
}

// viewJudgement shows what rules and people say; what nobody has analysed yet has no score.
func viewJudgement(id string, j *query.Judgement) judgementView {
	v := judgementView{DataPointID: id, Revision: j.Revision, Flags: []quality.Flag{}}
	if r := j.Rules; r != nil {
		v.RuleVersion, v.Score, v.Recommendation = &r.RuleVersion, &r.Score, &r.Recommendation
		v.Outcome, v.JobID, v.AnalysedAt = r.Outcome, r.Job, when(r.At)
		v.Flags = append(v.Flags, r.Flags...)
	}
	v.Flags = append(v.Flags, j.People...)
	return v
}

// chain shows one chain with the jobs of its steps.
func (r *reader) chain(ctx context.Context, req *request, p intake.Principal) (response, error) {
	c, steps, err := r.Flow.ShowChain(ctx, p.Owner, req.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewChain(&c, steps))
}

// batch shows one batch, counted.
func (r *reader) batch(ctx context.Context, req *request, p intake.Principal) (response, error) {
	o, err := r.Flow.ShowBatch(ctx, p.Owner, req.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewOverview(&o))
}

// lister returns a page of an owner's things.
type lister[T any] func(ctx context.Context, owner, after string, n int) ([]T, string, error)

// listed answers with a page of a list that has no filter.
func listed[T, V any](ctx context.Context, req *request, p intake.Principal, list lister[T], view func(*T) V, position func(cursor string) (string, error)) (response, error) {
	f, err := paging(req.QueryStringParameters, "limit", "cursor")
	if err != nil {
		return response{}, err
	}
	after, err := position(f.Cursor)
	if err != nil {
		return response{}, err
	}
	all, next, err := list(ctx, p.Owner, after, f.Limit)
	if err != nil {
		return response{}, err
	}
	items := make([]V, 0, len(all))
	for i := range all {
		items = append(items, view(&all[i]))
	}
	return encode(http.StatusOK, listView{Items: items, Next: text(query.Cursor(next))})
}

// chains lists the caller's chains.
func (r *reader) chains(ctx context.Context, req *request, p intake.Principal) (response, error) {
	return listed(ctx, req, p, r.Flow.ListChains, func(c *job.Chain) chainView { return viewChain(c, nil) }, query.Position)
}

// batches lists the caller's batches.
func (r *reader) batches(ctx context.Context, req *request, p intake.Principal) (response, error) {
	return listed(ctx, req, p, r.Flow.ListBatches, viewBatch, query.Position)
}

// items lists the items of a batch.
func (r *reader) items(ctx context.Context, req *request, p intake.Principal) (response, error) {
	list := func(ctx context.Context, owner, after string, n int) ([]job.Item, string, error) {
		_, page, next, err := r.Flow.ListItems(ctx, owner, req.PathParameters["id"], after, n)
		return page, next, err //nolint:wrapcheck // the edge maps the code
	}
	return listed(ctx, req, p, list, viewItem, query.ItemPosition)
}

// notices lists the caller's messages.
func (r *reader) notices(ctx context.Context, req *request, p intake.Principal) (response, error) {
	return listed(ctx, req, p, r.Query.Notices, viewNotice, query.Position)
}

// preferences shows which messages the caller wants.
func (r *reader) preferences(ctx context.Context, _ *request, p intake.Principal) (response, error) {
	found, err := r.Query.Preferences(ctx, p.Owner)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewPreferences(found))
}

// quality shows what is said about a reading.
func (r *reader) quality(ctx context.Context, req *request, p intake.Principal) (response, error) {
	id := req.PathParameters["id"]
	found, err := r.Query.Quality(ctx, p.Owner, id)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewJudgement(id, &found))
}

// zones shows the zones of a campaign.
func (r *reader) zones(ctx context.Context, req *request, p intake.Principal) (response, error) {
	id := req.PathParameters["id"]
	found, err := r.Query.Zones(ctx, p.Owner, id)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, map[string]any{"id": id, "zones": append([]quality.Zone{}, found...)})
}

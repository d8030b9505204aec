package entry

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/query"
)

// callView is a call to the provider as the API shows it.
type callView struct {
	At             time.Time `json:"at"`
	Type           string    `json:"call_type"`
	Cached         bool      `json:"cached"`
	ResponseTimeMS int64     `json:"response_time_ms"`
	Status         int       `json:"status"`
	Code           string    `json:"code,omitempty"`
	CostCredits    float64   `json:"cost_credits"`
	PUSpent        float64   `json:"pu_spent"`
	Attempt        int       `json:"attempt"`
}

// calls lists the calls to the provider for a job.
func (r *reader) calls(ctx context.Context, req *request, p intake.Principal) (response, error) {
	found, err := r.Query.Calls(ctx, p.Owner, req.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	items := make([]callView, 0, len(found))
	for i := range found {
		c := &found[i]
		items = append(items, callView{
			At: c.At, Type: c.Type, Cached: c.Cached, ResponseTimeMS: c.Took.Milliseconds(), Status: c.Status, Code: c.Code,
			CostCredits: c.Credits(), PUSpent: c.Units, Attempt: c.Attempt,
		})
	}
	return encode(http.StatusOK, listView{Items: items})
}

// entryView is one entry of a ledger.
type entryView struct {
	At          time.Time   `json:"at"`
	Resource    string      `json:"resource"`
	Units       int         `json:"units"`
	JobID       string      `json:"job_id"`
	DataPointID string      `json:"data_point_id"`
	Revision    int         `json:"revision"`
	Outcome     job.Outcome `json:"outcome"`
	CostCredits float64     `json:"cost_credits"`
}

// ledger lists what the owner was billed for.
func (r *reader) ledger(ctx context.Context, req *request, p intake.Principal) (response, error) {
	f, err := paging(req.QueryStringParameters, "limit", "cursor")
	if err != nil {
		return response{}, err
	}
	page, err := r.Query.Ledger(ctx, p.Owner, f.Cursor, f.Limit)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	items := make([]entryView, 0, len(page.Analyses))
	for i := range page.Analyses {
		a := &page.Analyses[i]
		items = append(items, entryView{
			At: a.CreatedAt, Resource: "satellite_analyses", Units: 1, JobID: a.Job, DataPointID: a.Point, Revision: a.Revision,
			Outcome: a.Outcome(), CostCredits: a.Credits,
		})
	}
	return encode(http.StatusOK, listView{Items: items, Next: text(page.Next)})
}

// paging reads the parameters of a list without filters.
func paging(params map[string]string, known ...string) (query.Filter, error) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !slices.Contains(known, name) {
			e := job.Invalid(job.Violation{Field: clip(name, maxQuoted), Rule: "known", Detail: "is not a parameter of this list"})
			e.Code = job.UnknownField
			return query.Filter{}, e
		}
	}
	return filter(params)
}

// lineView is a queue as the API shows it.
type lineView struct {
	Queue    string `json:"queue"`
	Feed     string `json:"feed,omitempty"`
	Waiting  int    `json:"waiting"`
	InFlight int    `json:"in_flight"`
	Delayed  int    `json:"delayed"`
}

// queues lists the queues.
func (r *reader) queues(ctx context.Context, _ *request, _ intake.Principal) (response, error) {
	lines, err := query.Lines(ctx, r.Queues, r.Feeds)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	items := make([]lineView, 0, len(lines))
	for _, l := range lines {
		items = append(items, lineView{Queue: l.Queue, Feed: l.Feed, Waiting: l.Depth.Waiting, InFlight: l.Depth.InFlight, Delayed: l.Depth.Delayed})
	}
	return encode(http.StatusOK, listView{Items: items})
}

// providerView is the provider's door as the API shows it.
type providerView struct {
	Breaker      string     `json:"breaker"`
	OpenUntil    *time.Time `json:"open_until,omitempty"`
	Failures     int        `json:"recent_failures"`
	NextSlot     time.Time  `json:"next_slot"`
	NextHighSlot time.Time  `json:"next_high_slot"`
	Month        string     `json:"month"`
	Requests     int        `json:"requests"`
	PU           float64    `json:"pu"`
	Spent        float64    `json:"budget_percent"`
}

// provider shows limiter, breaker and budget.
func (r *reader) provider(ctx context.Context, _ *request, _ intake.Principal) (response, error) {
	s, err := r.Gate.Look(ctx)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewProvider(&s, &r.Gate.Policy))
}

// viewProvider shows the door as it stands at the moment of the answer.
func viewProvider(s *gate.Status, p *limit.Policy) providerView {
	b := s.Row.Budget.At(s.At)
	return providerView{
		Breaker: s.Breaker, OpenUntil: when(s.Row.Breaker.Until), Failures: len(s.Row.Breaker.Failures),
		NextSlot: s.At.Add(max(0, p.Wait(s.Row, false, s.At))), NextHighSlot: s.At.Add(max(0, p.Wait(s.Row, true, s.At))),
		Month: b.Month, Requests: b.Requests, PU: b.Units, Spent: s.Spent,
	}
}

// poisonView is a dead letter that carries no job.
type poisonView struct {
	MessageID string    `json:"message_id"`
	Queue     string    `json:"queue"`
	Reason    string    `json:"reason"`
	Payload   string    `json:"payload"`
	Receives  int       `json:"receives"`
	SentAt    time.Time `json:"sent_at"`
	At        time.Time `json:"recorded_at"`
}

// poison lists the newest recorded letters that carry no job. They have no owner, so
// only operators see them.
func (r *reader) poison(ctx context.Context, req *request, _ intake.Principal) (response, error) {
	f, err := paging(req.QueryStringParameters, "limit") // there is one page: the newest
	if err != nil {
		return response{}, err
	}
	found, err := r.Poisons.Poisoned(ctx, f.Limit)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	items := make([]poisonView, 0, len(found))
	for i := range found {
		items = append(items, viewPoison(&found[i]))
	}
	return encode(http.StatusOK, listView{Items: items})
}

// viewPoison shows a letter with its payload, as it was sent.
func viewPoison(p *deadletter.Poison) poisonView {
	return poisonView{
		MessageID: p.Letter.MessageID, Queue: p.Letter.Source[strings.LastIndexByte(p.Letter.Source, ':')+1:], Reason: p.Reason,
		Payload: p.Letter.Body, Receives: p.Letter.Receives, SentAt: p.Letter.Sent, At: p.At,
	}
}

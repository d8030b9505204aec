package entry

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"orbitq/internal/deadletter"
	"orbitq/internal/flow"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/openapi"
	"orbitq/internal/query"
)

// ReadParts are the parts of the read API.
type ReadParts struct {
	Query *query.Query
	Flow  *flow.Flow
	// Signing returns the secrets that an owner's callbacks are signed with.
	Signing  func(ctx context.Context, owner string) ([]string, error)
	Failures *deadletter.Failures
	Poisons  deadletter.Poisons
	Gate     *gate.Gate
	Queues   query.Queues
	Feeds    query.Feeds
	Version  string
}

// Read returns the handler of the read API.
func Read(parts ReadParts, log *slog.Logger) func(context.Context, request) (response, error) {
	r := &reader{parts}
	g := &graveyard{failures: parts.Failures}
	a := &api{
		log: log,
		public: map[string]route{
			"GET /v1/health":    r.health,
			"GET /openapi.yaml": r.contract,
		},
		routes: map[string]route{
			"GET /v1/data-points/{id}":          r.point,
			"GET /v1/data-points/{id}/analyses": r.analyses,
			"GET /v1/jobs/{id}":                 r.job,
			"GET /v1/jobs":                      r.jobs,
			"GET /v1/failed":                    g.failed,
			"GET /v1/failed/poison":             r.poison,
			"GET /v1/jobs/{id}/calls":           r.calls,
			"GET /v1/usage":                     r.usage,
			"GET /v1/usage/ledger":              r.ledger,
			"GET /v1/queues":                    r.queues,
			"GET /v1/provider":                  r.provider,
			"GET /v1/chains":                    r.chains,
			"GET /v1/chains/{id}":               r.chain,
			"GET /v1/batches":                   r.batches,
			"GET /v1/batches/{id}":              r.batch,
			"GET /v1/batches/{id}/items":        r.items,
			"GET /v1/notifications":             r.notices,
			"GET /v1/notifications/preferences": r.preferences,
			"GET /v1/notifications/secret":      r.secret,
			"GET /v1/data-points/{id}/quality":  r.quality,
			"GET /v1/campaigns/{id}/zones":      r.zones,
		},
	}
	return a.serve
}

// reader has the read routes. Each is the same three steps, and none of them
// decides anything: who may see what is the use case's.
type reader struct{ ReadParts }

// health says that the function runs, and nothing about the table: a health check
// that fails with a dependency takes down what would still have worked.
func (r *reader) health(context.Context, *request, intake.Principal) (response, error) {
	return encode(http.StatusOK, map[string]string{"status": "ok", "version": r.Version})
}

// contract serves the document that the tests hold every answer against, from the
// binary: it cannot be another version than the code.
func (*reader) contract(context.Context, *request, intake.Principal) (response, error) {
	return response{
		StatusCode: http.StatusOK, Body: string(openapi.YAML()),
		Headers: map[string]string{"content-type": "application/yaml", "cache-control": "public, max-age=300"},
	}, nil
}

// point shows one data point.
func (r *reader) point(ctx context.Context, req *request, p intake.Principal) (response, error) {
	found, err := r.Query.Point(ctx, p.Owner, req.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewPoint(&found))
}

// analyses lists all revisions at once: a point has one or two, so there is no
// second page, only the shape of a list that could have one.
func (r *reader) analyses(ctx context.Context, req *request, p intake.Principal) (response, error) {
	found, err := r.Query.Analyses(ctx, p.Owner, req.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	items := make([]analysisView, 0, len(found))
	for i := range found {
		items = append(items, viewAnalysis(&found[i]))
	}
	return encode(http.StatusOK, listView{Items: items})
}

// job shows one job with its last attempts.
func (r *reader) job(ctx context.Context, req *request, p intake.Principal) (response, error) {
	found, err := r.Query.Job(ctx, p.Owner, req.PathParameters["id"])
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewJob(&found))
}

// jobs lists the caller's jobs.
func (r *reader) jobs(ctx context.Context, req *request, p intake.Principal) (response, error) {
	f, err := filter(req.QueryStringParameters)
	if err != nil {
		return response{}, err
	}
	page, err := r.Query.Jobs(ctx, p.Owner, f)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	items := make([]jobView, 0, len(page.Jobs))
	for i := range page.Jobs {
		items = append(items, viewJob(&page.Jobs[i]))
	}
	return encode(http.StatusOK, listView{Items: items, Next: text(page.Next)})
}

// usage answers for the plan of the token, unless a newer one is known.
func (r *reader) usage(ctx context.Context, _ *request, p intake.Principal) (response, error) {
	u, err := r.Query.Usage(ctx, p.Owner, p.Plan())
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewUsage(u))
}

// filter reads the query of GET /v1/jobs; parameters that do not exist are
// refused, because a typo would silently list everything. Names are sorted, so
// that the same request always gets the same answer.
func filter(params map[string]string) (query.Filter, error) {
	f := query.Filter{Limit: query.DefaultLimit}
	var broken []job.Violation
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if wrong := set(&f, name, params[name]); wrong != nil {
			broken = append(broken, *wrong)
		}
	}
	if len(broken) > 0 {
		e := job.Invalid(broken[:min(len(broken), maxViolations)]...)
		switch { // the code belongs to the first of them, as the detail does
		case broken[0].Field == "cursor":
			e.Code = job.InvalidCursor
		case broken[0].Rule == "known":
			e.Code = job.UnknownField
		}
		return query.Filter{}, e
	}
	return f, nil
}

// set puts one parameter into the filter, or says which rule it breaks. An
// empty value is refused like any other that is not listed: it comes from a
// client's unset variable, and would list what the client did not mean.
func set(f *query.Filter, name, value string) *job.Violation {
	switch name {
	case "state":
		if f.State = job.State(value); !f.State.Known() {
			return &job.Violation{Field: name, Rule: "enum", Detail: "must be a state of a job"}
		}
	case "queue":
		if f.Queue = value; value != "high" && value != "default" && value != "low" {
			return &job.Violation{Field: name, Rule: "enum", Detail: "must be high, default or low"}
		}
	case "kind":
		if f.Kind = value; value == "" || len(value) > maxCode {
			return &job.Violation{Field: name, Rule: "length", Detail: "must have 1 to 64 characters"}
		}
	case "tag":
		f.Tag = value
		if wrong := job.CheckTag(name, value); wrong != nil {
			return &wrong[0]
		}
	case "data_point_id":
		if f.Point = value; !job.ValidID(value) {
			return &job.Violation{Field: name, Rule: "id", Detail: "must be an id of 26 characters"}
		}
	case "limit":
		n, err := strconv.ParseUint(value, 10, 32) // no sign, as the contract's integers
		if err != nil || n < 1 || n > query.MaxLimit {
			return &job.Violation{Field: name, Rule: "range", Detail: "must be a whole number from 1 to 100"}
		}
		f.Limit = int(n)
	case "cursor":
		if f.Cursor = value; value == "" {
			return &job.Violation{Field: name, Rule: "opaque", Detail: "use next_cursor of the page before; leave it out for the first page"}
		}
	default:
		return &job.Violation{Field: clip(name, maxQuoted), Rule: "known", Detail: "is not a parameter of this list"}
	}
	return nil
}

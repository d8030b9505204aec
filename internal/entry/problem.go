package entry

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"orbitq/internal/job"
)

// problemBase is where the problem types are described.
const problemBase = "https://orbitq.dev/problems/"

// problemBody is an RFC 9457 problem with a stable code, and the first broken
// rule at the top level, all of them under errors.
type problemBody struct {
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	Status    int             `json:"status"`
	Code      job.Code        `json:"code"`
	Detail    string          `json:"detail"`
	Field     string          `json:"field,omitempty"`
	Rule      string          `json:"rule,omitempty"`
	Errors    []job.Violation `json:"errors,omitempty"`
	RequestID string          `json:"request_id"`
}

// statusOf maps every code that a request can end with; whatever else comes up
// is a defect of ours.
func statusOf(c job.Code) int {
	switch c {
	case job.InvalidJSON:
		return http.StatusBadRequest
	case job.InvalidField, job.UnknownField, job.UnknownKind, job.InvalidCursor:
		return http.StatusUnprocessableEntity
	case job.BodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case job.UnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case job.NotFound:
		return http.StatusNotFound
	case job.KeyReused, job.StateConflict:
		return http.StatusConflict
	case job.Forbidden:
		return http.StatusForbidden
	case job.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case job.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// titles are the short names of the problems.
func titleOf(c job.Code) string {
	words := strings.ToLower(strings.ReplaceAll(string(c), "_", " "))
	return strings.ToUpper(words[:1]) + words[1:]
}

// problem answers with an error. What went wrong inside is for the log alone:
// a client gets no internal text.
func problem(err error, requestID string) response {
	var e *job.Error
	if !errors.As(err, &e) {
		e = job.Errorf(job.Internal, "%w", err)
	}
	code, detail := e.Code, e.Message
	if code == job.Throttled {
		code = job.Unavailable
	}
	status := statusOf(code)
	switch status {
	case http.StatusServiceUnavailable:
		detail = "the service is busy; repeat the request in a second"
	case http.StatusInternalServerError:
		code, detail = job.Internal, "something went wrong here; it is logged under this request_id"
	}
	p := problemBody{
		Type:  problemBase + strings.ToLower(strings.ReplaceAll(string(code), "_", "-")),
		Title: titleOf(code), Status: status, Code: code, Detail: detail, Errors: e.Violations, RequestID: requestID,
	}
	if len(e.Violations) > 0 {
		p.Field, p.Rule = e.Violations[0].Field, e.Violations[0].Rule
	}
	out := encode(status, p)
	out.Headers["content-type"] = "application/problem+json"
	if status == http.StatusServiceUnavailable {
		out.Headers["retry-after"] = "1"
	}
	return out
}

// encode answers with a JSON body.
func encode(status int, v any) response {
	raw, err := json.Marshal(v)
	if err != nil {
		// Every answer type is plain data; this can only be a defect.
		status, raw = http.StatusInternalServerError, []byte(`{"code":"INTERNAL","status":500}`)
	}
	return response{
		StatusCode: status, Body: string(raw),
		Headers: map[string]string{"content-type": "application/json", "cache-control": "no-store"},
	}
}

package entry

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"orbitq/internal/job"
)

// problemBase is where the problem types are described; clients compare the
// whole text, so it never changes with the host that serves the API.
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
	case job.KeyReused, job.StateConflict, job.UniqueHeld:
		return http.StatusConflict
	case job.Forbidden, job.LimitExceeded:
		return http.StatusForbidden
	case job.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case job.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// titleOf is the short name of a problem, the same for every occurrence, as
// RFC 9457 wants it.
func titleOf(c job.Code) string {
	words := strings.ToLower(strings.ReplaceAll(string(c), "_", " "))
	return strings.ToUpper(words[:1]) + words[1:]
}

// problem answers with an error. It is total: an error without a code is a defect,
// and a code that means nothing to a client becomes one that does. What went
// wrong inside is for the log alone: a client gets no internal text.
func problem(err error, requestID string) response {
	var e *job.Error
	if !errors.As(err, &e) {
		e = job.Errorf(job.Internal, "%w", err)
	}
	code, detail := e.Code, e.Message
	if code == job.Throttled { // which of our parts is busy is no help to a client
		code = job.Unavailable
	}
	status := statusOf(code)
	// These two texts are ours alone: an adapter's words name tables and hosts.
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
	raw, err := json.Marshal(p)
	if err != nil {
		raw = nil // texts and numbers always encode; a status without a body is still an answer
	}
	out := respond(status, raw)
	out.Headers["content-type"] = "application/problem+json"
	if status == http.StatusServiceUnavailable {
		out.Headers["retry-after"] = "1" // in seconds, as HTTP has it
	}
	return out
}

// encode answers with a JSON body. A value that JSON cannot hold, such as a mean
// that is no number, is a defect, and becomes a problem with a log line.
func encode(status int, v any) (response, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return response{}, job.Errorf(job.Internal, "encode answer: %w", err)
	}
	return respond(status, raw), nil
}

// created answers with a JSON body, and where to find what was made.
func created(status int, location string, v any) (response, error) {
	out, err := encode(status, v)
	if err != nil {
		return response{}, err
	}
	out.Headers["location"] = location
	return out, nil
}

// respond is an answer about one owner's data: no cache on the way may keep it.
func respond(status int, body []byte) response {
	return response{
		StatusCode: status, Body: string(body),
		Headers: map[string]string{"content-type": "application/json", "cache-control": "no-store"},
	}
}

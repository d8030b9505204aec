package client

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"regexp"

	"orbitq/internal/job"
)

// Problem is an answer that says why orbitq did not do it (RFC 9457).
type Problem struct { //nolint:errname // the word of RFC 9457
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	Status    int             `json:"status"`
	Code      job.Code        `json:"code"`
	Detail    string          `json:"detail"`
	Field     string          `json:"field,omitempty"`  // the first one at fault
	Rule      string          `json:"rule,omitempty"`   // that it breaks
	Errors    []job.Violation `json:"errors,omitempty"` // all of them
	RequestID string          `json:"request_id"`
}

// Error implements error.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// Denied says that the gateway did not accept the token. It answers before orbitq runs, in the shape of AWS, which has
// no code and no request id.
type Denied struct { //nolint:errname // it reads as what it is
	Status int    // 401 or 403
	Reason string // the gateway's own words
}

// Error implements error and says what to do.
func (d *Denied) Error() string {
	if d.Status == http.StatusForbidden {
		return "the token may not do this (" + d.Reason + "): get one with the scope (locally: orbitq token --scope 'orbitq/read orbitq/write'; to pause, resume and see poison, orbitq/operate too)"
	}
	return "the token was not accepted (" + d.Reason + "): get a new one (locally: orbitq token --user YOU) and pass it by --token or ORBITQ_TOKEN"
}

// Refused is any other answer that is no success, from a gateway or from something that is not orbitq at all.
type Refused struct { //nolint:errname // it reads as what it is
	Status int
	URL    string
	Text   string // as much of the body as a person may want to see
}

// Error implements error.
func (r *Refused) Error() string {
	return fmt.Sprintf("%s answered %d %s: %s", r.URL, r.Status, http.StatusText(r.Status), r.Text)
}

// description finds why a token was denied in a WWW-Authenticate header.
var description = regexp.MustCompile(`error_description="([^"]*)"`)

// failure turns an answer that is no success into an error. The body decides before the status: a 403 may be the
// gateway's word about a scope or orbitq's about a subject.
func (a answer) failure(url string) error {
	if p, ok := a.problem(); ok {
		return p
	}
	if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
		return &Denied{Status: a.status, Reason: a.reason()}
	}
	return &Refused{Status: a.status, URL: url, Text: a.message()}
}

// problem decodes the body if it is one; without a code it would be nothing to branch on. The status line counts, not
// what the body claims.
func (a answer) problem() (*Problem, bool) {
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	var p Problem
	ok := err == nil && media == "application/problem+json" && json.Unmarshal(a.body, &p) == nil && p.Code != ""
	p.Status = a.status
	return &p, ok
}

// reason is why the gateway denied the token, as exactly as it says.
func (a answer) reason() string {
	if found := description.FindStringSubmatch(a.header.Get("WWW-Authenticate")); found != nil {
		return found[1]
	}
	return a.message()
}

// message is the gateway's message, or the beginning of whatever came.
func (a answer) message() string {
	var m struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(a.body, &m); err == nil && m.Message != "" {
		return m.Message
	}
	const enough = 200
	text := string(a.body)
	if len(text) > enough {
		text = text[:enough] + "..."
	}
	if text == "" {
		return "no body"
	}
	return text
}

package cdse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
)

// The media types of the endpoints, and the largest body that is read.
const (
	jsonMedia = "application/json"
	formMedia = "application/x-www-form-urlencoded"
	maxBody   = 1 << 20
)

// endpoint is one service: its handler sees a complete request and returns a value.
type endpoint struct {
	name    string // in the call log and in fault rules
	media   string // the only accepted Content-Type
	secured bool   // wants a bearer token
	handle  func(context.Context, request) (reply, error)
}

// request is a call that has passed the gate, with the fault it has to suffer.
type request struct {
	header http.Header
	body   []byte
	fault  Fault
}

// reply is a successful answer; units is what it cost.
type reply struct {
	body   any
	header http.Header
	units  float64
}

// serve wraps an endpoint: read, misbehave if told to, check, handle, write, and record the call.
func (s *Server) serve(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Two clocks: the configured one dates the call, the real one measures it.
		start, began := s.cfg.Clock(), time.Now()
		body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		req := request{header: r.Header, body: body, fault: s.faults.next(e.name, body)}
		out := &recorder{ResponseWriter: w, journal: s.calls, began: began}
		out.call = Call{At: start.UTC(), Endpoint: e.name, Fault: req.fault.Kind}
		out.call.BBox, out.call.From, out.call.To = asked(body)
		if !misbehave(out, r, e.name, req.fault) {
			s.answer(out, r, e, req, readErr)
		}
		out.end(0)
		s.cfg.Logger.InfoContext(r.Context(), "provider call", "endpoint", e.name, "status", out.call.Status,
			"fault", out.call.Fault, "ms", out.call.DurationMS, "pu", out.call.Units)
	})
}

// answer runs the endpoint and writes what it returns.
func (s *Server) answer(w *recorder, r *http.Request, e endpoint, req request, readErr error) {
	if err := s.admit(r, e, readErr); err != nil {
		writeError(w, err, req.fault.Bare)
		return
	}
	rep, err := e.handle(r.Context(), req)
	if err != nil {
		writeError(w, err, req.fault.Bare)
		return
	}
	// Costs are charged for successful answers only.
	for name, values := range rep.header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.call.Units = rep.units
	writeJSON(w, http.StatusOK, rep.body)
}

// admit checks what does not depend on the body's meaning.
func (s *Server) admit(r *http.Request, e endpoint, readErr error) error {
	if r.Method != http.MethodPost {
		return newError(http.StatusMethodNotAllowed, codeBadMethod, "Method "+r.Method+" is not allowed")
	}
	// As at the real gateway, nobody learns anything about the request before the token is checked.
	if e.secured && !s.tokens.accepts(r.Header.Get("Authorization"), s.cfg.Clock()) {
		return newError(http.StatusUnauthorized, codeUnauthorized, notAuthorized)
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != e.media {
		return newError(http.StatusUnsupportedMediaType, codeBadMedia, "Content-Type has to be "+e.media)
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](readErr); tooLarge {
		return newError(http.StatusRequestEntityTooLarge, codeBadPayload, "Request body is too large.")
	}
	if readErr != nil {
		return newError(http.StatusBadRequest, codeBadPayload, "Request body could not be read.")
	}
	return nil
}

// recorder enters a call into the log before the client can see its answer, so that a test which has the answer
// also finds the call.
type recorder struct {
	http.ResponseWriter
	journal *journal
	began   time.Time
	call    Call
	ended   bool
}

// WriteHeader records the call.
func (r *recorder) WriteHeader(status int) {
	r.end(status)
	r.ResponseWriter.WriteHeader(status)
}

// end records the call once; status 0 says that it ended without an answer.
func (r *recorder) end(status int) {
	// The handler's own call comes last and only counts when nothing was written.
	if r.ended {
		return
	}
	r.ended = true
	r.call.Status = status
	r.call.DurationMS = float64(time.Since(r.began).Microseconds()) / 1000
	r.journal.add(r.call)
}

// Unwrap lets http.ResponseController find the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// writeError writes the service's error object, Keycloak's for the token endpoint. A bare error lacks the wrapper.
func writeError(w http.ResponseWriter, err error, bare bool) {
	// Bare only concerns the Sentinel Hub services: Keycloak has no wrapper.
	if oauth, ok := errors.AsType[*oauthError](err); ok {
		writeJSON(w, oauth.Status, oauth)
		return
	}
	service, ok := errors.AsType[*serviceError](err)
	// Anything unexpected is the stand-in's own fault and says so.
	if !ok {
		service = newError(http.StatusInternalServerError, codeException, err.Error())
	}
	if bare {
		writeJSON(w, service.Status, service)
		return
	}
	writeJSON(w, service.Status, map[string]any{"error": service})
}

// writeJSON writes a body the way the services do: compact, without HTML escapes.
func writeJSON(w http.ResponseWriter, status int, body any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		http.Error(w, "encode answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", jsonMedia)
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n"))) // a client that has gone away is its own affair
}

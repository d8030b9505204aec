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

const (
	jsonMedia = "application/json"
	formMedia = "application/x-www-form-urlencoded"
	maxBody   = 1 << 20
)

// endpoint is one service: its handler sees a complete request and returns a value.
type endpoint struct {
	name    string
	media   string
	secured bool
	handle  func(context.Context, request) (reply, error)
}

type request struct {
	header http.Header
	body   []byte
	fault  Fault
}

type reply struct {
	body   any
	header http.Header
	units  float64
}

// serve wraps an endpoint: read, misbehave if told to, check, handle, write, and record the call.
func (s *Server) serve(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, began := s.cfg.Clock(), time.Now()
		body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		req := request{header: r.Header, body: body, fault: s.faults.next(e.name, body)}
		out := &recorder{ResponseWriter: w}
		out.record = func(status int) {
			call := Call{
				At: start.UTC(), Endpoint: e.name, Status: status, Fault: req.fault.Kind,
				DurationMS: float64(time.Since(began).Microseconds()) / 1000, Units: out.units,
			}
			s.calls.add(call)
			s.cfg.Logger.InfoContext(r.Context(), "provider call", "endpoint", call.Endpoint, "status", call.Status,
				"fault", call.Fault, "ms", call.DurationMS, "pu", call.Units)
		}
		defer out.end(0)
		if !misbehave(out, r, e.name, req.fault) {
			s.answer(out, r, e, req, readErr)
		}
	})
}

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
	for name, values := range rep.header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.units = rep.units
	writeJSON(w, http.StatusOK, rep.body)
}

// admit checks what does not depend on the body's meaning.
func (s *Server) admit(r *http.Request, e endpoint, readErr error) error {
	if r.Method != http.MethodPost {
		return newError(http.StatusMethodNotAllowed, codeBadMethod, "Method "+r.Method+" is not allowed")
	}
	if e.secured && !s.tokens.accepts(r.Header.Get("Authorization"), s.cfg.Clock()) {
		return newError(http.StatusUnauthorized, codeUnauthorized, notAuthorized)
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != e.media {
		return newError(http.StatusUnsupportedMediaType, codeBadMedia, "Content-Type has to be "+e.media)
	}
	var tooLarge *http.MaxBytesError
	if errors.As(readErr, &tooLarge) {
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
	record func(status int)
	units  float64
	ended  bool
}

// WriteHeader records the call.
func (r *recorder) WriteHeader(status int) {
	r.end(status)
	r.ResponseWriter.WriteHeader(status)
}

// end records the call once.
func (r *recorder) end(status int) {
	if !r.ended {
		r.ended = true
		r.record(status)
	}
}

// Unwrap lets http.ResponseController find the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// writeError writes the service's error object, Keycloak's for the token endpoint. A bare error lacks the wrapper.
func writeError(w http.ResponseWriter, err error, bare bool) {
	var oauth *oauthError
	if errors.As(err, &oauth) {
		writeJSON(w, oauth.Status, oauth)
		return
	}
	var service *serviceError
	if !errors.As(err, &service) {
		service = newError(http.StatusInternalServerError, codeException, err.Error())
	}
	if bare {
		writeJSON(w, service.Status, service)
		return
	}
	writeJSON(w, service.Status, map[string]any{"error": service})
}

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

package lambdart

import (
	"errors"
	"io"
	"net/http"
	"strconv"
)

// routes is the Runtime API of one environment, version 2018-06-01.
func (in *instance) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", in.handleNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", in.handleResponse)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", in.handleError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", in.handleInitError)
	return mux
}

// handleNext ends the invocation that the runtime has answered and gives it the next one when there is one.
func (in *instance) handleNext(w http.ResponseWriter, r *http.Request) {
	if in.owesAnswer() {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
		return
	}
	select {
	case in.ready <- struct{}{}:
	default: // asked before, and lost the connection
	}
	select {
	case inv := <-in.work:
		in.deliver(w, inv)
	case <-r.Context().Done():
	case <-in.exited:
	}
}

// owesAnswer reports whether the runtime has an invocation that it did not answer.
func (in *instance) owesAnswer() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.current != nil && in.current.delivered && in.current.posted == nil
}

// deliver writes the invocation to the runtime.
func (in *instance) deliver(w http.ResponseWriter, inv *invocation) {
	in.mu.Lock()
	inv.delivered = true
	in.mu.Unlock()
	in.reportStart(inv)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(inv.payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", in.f.cfg.ARN)
	h.Set("Lambda-Runtime-Trace-Id", inv.trace)
	if inv.clientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", inv.clientContext)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(inv.payload) // a lost runtime shows by its exit
}

// handleResponse takes the function's result.
func (in *instance) handleResponse(w http.ResponseWriter, r *http.Request) {
	body, ok := readPayload(w, r)
	end := ending{Result: Result{Payload: body}}
	if !ok {
		const tooLarge = "Function.ResponseSizeTooLarge"
		text := "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
		end = ending{Result: Result{Payload: document(tooLarge, text), FunctionError: unhandled}, errorType: tooLarge}
	}
	in.post(w, r, end, ok)
}

// handleError takes the function's error.
func (in *instance) handleError(w http.ResponseWriter, r *http.Request) {
	body, ok := readPayload(w, r)
	kind := r.Header.Get("Lambda-Runtime-Function-Error-Type")
	set(&kind, unhandled)
	in.post(w, r, ending{Result: Result{Payload: body, FunctionError: unhandled}, errorType: kind}, ok)
}

// post records the answer to the current invocation and nothing else.
func (in *instance) post(w http.ResponseWriter, r *http.Request, end ending, fits bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	inv := in.current
	switch {
	case inv == nil || !inv.delivered || inv.id != r.PathValue("id"):
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
	case inv.posted != nil:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
	case !fits:
		inv.posted = &end
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
	default:
		inv.posted = &end
		accept(w)
	}
}

// handleInitError takes the reason why the runtime is about to exit.
func (in *instance) handleInitError(w http.ResponseWriter, r *http.Request) {
	body, ok := readPayload(w, r)
	in.mu.Lock()
	defer in.mu.Unlock()
	if !ok || in.current != nil {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
		return
	}
	in.initErr = body
	accept(w)
}

// readPayload reads a whole body; it reports false for one that is too large.
func readPayload(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	var tooLarge *http.MaxBytesError
	return body, !errors.As(err, &tooLarge)
}

// accept answers a post that was taken.
func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

// refuse answers a post that came at the wrong time.
func refuse(w http.ResponseWriter, status int, errorType, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(document(errorType, message))
}

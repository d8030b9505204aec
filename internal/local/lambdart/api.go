package lambdart

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// routes is the Runtime API of one environment, version 2018-06-01, in all that a buffered invocation needs.
func (in *instance) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", in.handleNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", in.handleResponse)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", in.handleError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", in.handleInitError)
	return mux
}

// handleNext ends the invocation that the runtime has answered and gives it the next one when there is one. The request
// waits for as long as the environment is idle, which is why the server has no write timeout.
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

// owesAnswer reports whether the runtime has an invocation that it did not answer. Lambda refuses to give it another.
func (in *instance) owesAnswer() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.current != nil && in.current.delivered && in.current.posted == nil
}

// deliver writes the invocation to the runtime, unless it was taken back because the process had already ended.
func (in *instance) deliver(w http.ResponseWriter, inv *invocation) {
	if !in.handOut(inv) {
		return
	}
	in.reportStart(inv)
	// Cognito identities and tenant ids have headers too; nothing here has either.
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

// handOut marks the invocation as delivered if it still is the environment's.
func (in *instance) handOut(inv *invocation) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.current != inv {
		return false
	}
	inv.delivered = true
	return true
}

// handleResponse takes the function's result. A result that is too large is a function error, and the runtime is told.
func (in *instance) handleResponse(w http.ResponseWriter, r *http.Request) {
	body, err := readPayload(w, r)
	end := ending{Result: Result{Payload: body}}
	if errors.Is(err, errPayload) {
		const tooLarge = "Function.ResponseSizeTooLarge"
		text := "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
		end = ending{Result: Result{Payload: document(tooLarge, text), FunctionError: unhandled}, errorType: tooLarge}
	}
	in.post(w, r, end, err)
}

// handleError takes the function's error, whose document is the runtime's own: type, message and, in Go, a stack trace
// for panics.
func (in *instance) handleError(w http.ResponseWriter, r *http.Request) {
	body, err := readPayload(w, r)
	kind := r.Header.Get("Lambda-Runtime-Function-Error-Type")
	set(&kind, unhandled)
	in.post(w, r, ending{Result: Result{Payload: body, FunctionError: unhandled}, errorType: kind}, err)
}

// post records the answer to the current invocation and nothing else. A body that broke off is no answer: its process
// was killed while it wrote.
func (in *instance) post(w http.ResponseWriter, r *http.Request, end ending, unread error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	inv := in.current
	switch {
	case inv == nil || !inv.delivered || inv.id != r.PathValue("id"):
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
	case inv.posted != nil:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
	case unread != nil && !errors.Is(unread, errPayload):
		refuse(w, http.StatusBadRequest, "InvalidRequest", unread.Error())
	case errors.Is(unread, errPayload):
		inv.posted = &end
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
	default:
		inv.posted = &end
		accept(w)
	}
}

// handleInitError takes the reason why the runtime is about to exit.
func (in *instance) handleInitError(w http.ResponseWriter, r *http.Request) {
	body, err := readPayload(w, r)
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil || in.current != nil {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
		return
	}
	in.initErr = body
	accept(w)
}

// errPayload is what a body over the limit gives.
var errPayload = errors.New("payload is too large")

// readPayload reads a whole body.
func readPayload(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errPayload
	}
	if err != nil {
		return nil, fmt.Errorf("read payload: %w", err)
	}
	return body, nil
}

// accept answers a post that was taken, in the words of the Runtime API.
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

// Package gateway is the one HTTP endpoint for every AWS call of the local stack.
//
// It knows the caller by the access key of the signature, and enforces the role
// that the template gives to that function, so that a missing permission fails
// here as it would on AWS. Calls go on to the engine of their service; queue URLs
// in the answers are rewritten to this endpoint, so that stock clients (AWS CLI,
// boto3) work against it. Secrets and Lambda invokes are answered here. Every
// call is counted, and may be made to fail on its way.
//
// A key that belongs to no function is the operator's, who may do everything;
// signatures are not verified.
package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"orbitq/internal/local/iam"
)

// maxRequest is the largest request, in bytes: the limit of SQS is 1 MiB, that of
// a DynamoDB transaction 4 MiB.
const maxRequest = 8 << 20

// Invoker runs a function.
type Invoker func(ctx context.Context, payload []byte) (response []byte, functionError string, err error)

// Config has the parts of a Gateway.
type Config struct {
	Region, Account string
	URL             string                    // of this gateway, as clients see it
	DynamoDB, SQS   string                    // URLs of the engines
	Principals      map[string]*iam.Principal // by access key
	Secrets         map[string]string         // by ARN and by name
	Functions       func(name string) (Invoker, bool)
}

// Gateway is the endpoint.
type Gateway struct {
	Config
	client  *http.Client
	counter *counter
	faults  faults
}

// New returns a Gateway.
func New(c Config) *Gateway {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, DisableCompression: true}
	return &Gateway{Config: c, client: &http.Client{Transport: transport}, counter: newCounter()}
}

// Counters returns the calls so far.
func (g *Gateway) Counters() Counters { return g.counter.snapshot() }

// SetFaults replaces the plan of faults; none ends them.
func (g *Gateway) SetFaults(plan ...Fault) { g.faults.set(plan) }

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		failure(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", err.Error())
		return
	}
	if strings.HasPrefix(r.URL.Path, "/_orbitq/") {
		g.control(w, r, raw)
		return
	}
	c := understand(r, raw)
	principal, name := g.Principals[c.key], "operator"
	if principal != nil {
		name = principal.Function
	}
	g.counter.add(name, &c)
	if err := g.permitted(principal, &c); err != nil {
		failure(w, http.StatusBadRequest, "AccessDeniedException", err.Error())
		return
	}
	f, faulty := g.faults.next(name, c.operation)
	switch {
	case faulty && f.Mode == "error":
		failure(w, http.StatusBadRequest, f.Code, "injected fault")
	case faulty && f.Mode == "drop_request":
		hangUp(w)
	case faulty && f.Mode == "drop_reply":
		g.route(discard{header: http.Header{}}, r, &c)
		hangUp(w)
	default:
		g.route(w, r, &c)
	}
}

// permitted checks the caller's role for everything that the call touches.
func (g *Gateway) permitted(p *iam.Principal, c *call) error {
	if p == nil {
		return nil
	}
	for _, need := range c.needs(g.Region, g.Account) {
		if err := p.Check(need); err != nil {
			return fmt.Errorf("%w", err)
		}
	}
	return nil
}

// route answers a call, or passes it on.
func (g *Gateway) route(w http.ResponseWriter, r *http.Request, c *call) {
	switch c.service {
	case "dynamodb":
		g.forward(w, r, c, g.DynamoDB)
	case "sqs":
		g.forward(w, r, c, g.SQS)
	case "secretsmanager":
		g.secret(w, c)
	case "lambda":
		g.invoke(w, r, c)
	default:
		failure(w, http.StatusBadRequest, "UnknownService", fmt.Sprintf("service %q is not part of the local stack", c.service))
	}
}

// forward passes a call to its engine. Only addresses in the answer are changed.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, c *call, engine string) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, engine+r.URL.RequestURI(), bytes.NewReader(c.body))
	if err != nil {
		failure(w, http.StatusInternalServerError, "InternalFailure", err.Error())
		return
	}
	req.Header = r.Header.Clone()
	resp, err := g.client.Do(req)
	if err != nil {
		failure(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
		return
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		failure(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
		return
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	if rewritten := bytes.ReplaceAll(answer, []byte(engine), []byte(g.URL)); len(rewritten) != len(answer) || !bytes.Equal(rewritten, answer) {
		answer = rewritten
		w.Header().Del("X-Amz-Crc32")
	}
	w.Header().Del("Connection")
	w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer) // the caller may have gone
}

// secret answers GetSecretValue.
func (g *Gateway) secret(w http.ResponseWriter, c *call) {
	value, ok := g.Secrets[c.json.SecretID]
	if c.operation != "GetSecretValue" || !ok {
		failure(w, http.StatusBadRequest, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
		return
	}
	reply(w, http.StatusOK, map[string]any{"ARN": c.json.SecretID, "Name": c.json.SecretID, "SecretString": value, "VersionStages": []string{"AWSCURRENT"}})
}

// invoke answers a synchronous Lambda invoke.
func (g *Gateway) invoke(w http.ResponseWriter, r *http.Request, c *call) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if c.operation != "InvokeFunction" || len(parts) != 4 {
		failure(w, http.StatusBadRequest, "InvalidRequestContentException", "only Invoke is part of the local stack")
		return
	}
	run, ok := g.Functions(parts[2])
	if !ok {
		failure(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+parts[2])
		return
	}
	answer, functionError, err := run(r.Context(), c.body)
	if err != nil {
		failure(w, http.StatusTooManyRequests, "TooManyRequestsException", err.Error())
		return
	}
	if functionError != "" {
		w.Header().Set("X-Amz-Function-Error", functionError)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(answer) // the caller may have gone
}

// control is for tests and for people: counters and faults. Functions never know
// of it.
func (g *Gateway) control(w http.ResponseWriter, r *http.Request, raw []byte) {
	switch r.Method + " " + r.URL.Path {
	case "GET /_orbitq/counters":
		reply(w, http.StatusOK, g.Counters())
	case "POST /_orbitq/faults":
		var plan []Fault
		if err := json.Unmarshal(raw, &plan); err != nil {
			failure(w, http.StatusBadRequest, "InvalidRequest", "want a JSON list of faults: "+err.Error())
			return
		}
		g.SetFaults(plan...)
		reply(w, http.StatusOK, plan)
	default:
		failure(w, http.StatusNotFound, "NotFound", "only GET /_orbitq/counters and POST /_orbitq/faults exist")
	}
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the caller may have gone
}

// failure answers with an error in the shape of AWS's JSON protocols.
func failure(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amzn-Errortype", code)
	reply(w, status, map[string]string{"__type": code, "message": message})
}

// hangUp cuts the connection: the caller learns nothing.
func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}

// discard is a reply that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

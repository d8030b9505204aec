// Package gateway is the one HTTP endpoint for every AWS call of the local stack.
//
// It knows the caller by the access key of the signature, and enforces the role
// that the template gives to that function, so that a missing permission fails
// here as it would on AWS. Calls go on to the engine of their service, bytes as
// they are, and answers come back the same way, so that checksums stay right;
// the queue engine is told at its start which address its URLs should name.
// Secrets, Lambda invokes, the control of event source mappings, objects and
// messages to topics are answered here. Every call is counted, and may be made to
// fail on its way.
//
// State machines are callers, too: their engine signs with a key that names the
// role of the machine whose execution it runs.
//
// A key that belongs to no function and to no role is the operator's, who may do
// everything; signatures are not verified.
package gateway

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxRequest is the largest request, in bytes: the limit of SQS is 1 MiB, that of
// a DynamoDB transaction 4 MiB.
const maxRequest = 8 << 20

// Invoker runs a function.
type Invoker func(ctx context.Context, payload []byte) (response []byte, functionError string, err error)

// Config has the parts of a Gateway.
type Config struct {
	Region, Account string
	DynamoDB, SQS   string                // URLs of the engines
	States          string                // URL of the engine; empty without state machines
	Principals      map[string]*Principal // by access key
	HashKeys        map[string]string     // partition key by table, and by "table/index/name"
	Secrets         []Secret
	Mappings        []Mapping
	Topics          []Topic
	Buckets         []Bucket
	Functions       map[string]Invoker // by name
	Aliases         map[string]bool    // by "function:alias"; nil takes every qualifier
}

// Secret is a secret with its value.
type Secret struct{ Name, ARN, Value string }

// Gateway is the endpoint.
type Gateway struct {
	Config
	client  *http.Client
	counter *counter
	faults  faults
	ids     sequence
	topics  map[string]*mailbox // by ARN
	buckets map[string]*bucket  // by name
}

// New returns a Gateway.
func New(c Config) *Gateway {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, DisableCompression: true}
	return &Gateway{Config: c, client: &http.Client{Transport: transport}, counter: newCounter(), topics: mailboxes(c.Topics), buckets: buckets(c.Buckets)}
}

// Counters returns the calls so far.
func (g *Gateway) Counters() Counters { return g.counter.snapshot() }

// SetFaults replaces the plan of faults; none ends them.
func (g *Gateway) SetFaults(plan ...Fault) { g.faults.set(plan) }

// Intercept asks a function of every call before the plan of faults; nil ends it. It is called from many goroutines.
func (g *Gateway) Intercept(decide func(principal, operation string) (Fault, bool)) {
	g.faults.ask(decide)
}

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
	principal, name := g.principal(c.key), "operator"
	if principal != nil {
		name = principal.Function
	}
	g.counter.add(name, &c)
	w.Header().Set("X-Amzn-Requestid", g.ids.next())
	if err := g.permitted(principal, &c); err != nil {
		g.counter.deny(err)
		deny(w, &c, err)
		return
	}
	f, faulty := g.faults.next(name, c.operation)
	switch {
	case faulty && f.Mode == Error:
		refuse(w, &c, http.StatusBadRequest, f.Code, "injected fault")
	case faulty && f.Mode == DropRequest:
		hangUp(w)
	case faulty && f.Mode == DropReply:
		g.route(discard{header: http.Header{}}, r, &c)
		hangUp(w)
	default:
		g.route(w, r, &c)
	}
}

// principal is whose key it is; nil is the operator. A role that nobody has declared is nobody's and may do nothing.
func (g *Gateway) principal(key string) *Principal {
	p := g.Principals[key]
	if role, ok := strings.CutPrefix(key, roleKeys); ok && p == nil {
		return &Principal{Function: role, Role: role, Account: g.Account}
	}
	return p
}

// permitted checks the caller's role for everything that the call touches.
func (g *Gateway) permitted(p *Principal, c *call) error {
	if p == nil {
		return nil
	}
	for _, need := range g.needs(c) {
		if err := p.Check(need); err != nil {
			return err
		}
	}
	return nil
}

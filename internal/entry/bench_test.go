package entry_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orbitq/internal/deadletter"
	"orbitq/internal/entry"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
	"orbitq/internal/openapi/contracttest"
	"orbitq/internal/query"
)

// The people of the tests, and secrets that no log line may ever show.
const (
	ann, ben     = "user-ann", "user-ben"
	plantedToken = "eyJhbGciOiJSUzI1NiJ9.planted-token"
	plantedNote  = "planted-note-of-the-body"
)

// lines is a log that several goroutines may write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// all decodes every line.
func (l *lines) all(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(l.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line is not JSON: %v in %q", err, line)
		}
		all = append(all, entry)
	}
	return all
}

// sent is one message that was sent.
type sent struct {
	queue   string
	message job.Message
}

// sender keeps what was sent, or fails.
type sender struct {
	mu   sync.Mutex
	sent []sent
	err  error
}

func (s *sender) Send(_ context.Context, queue string, m job.Message, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.sent = append(s.sent, sent{queue, m})
	return nil
}

// shelf is the table behind the API; a set error stands for a table that does not answer.
type shelf struct {
	*memstore.Store

	err error
}

func (g *shelf) Accept(ctx context.Context, j *job.Job) (job.Job, bool, error) {
	if g.err != nil {
		return job.Job{}, false, g.err
	}
	return g.Store.Accept(ctx, j)
}

// Door is the limiter's row.
func (g *shelf) Door(ctx context.Context) (limit.Row, error) {
	if g.err != nil {
		return limit.Row{}, g.err
	}
	return g.Store.Door(ctx)
}

func (g *shelf) Job(ctx context.Context, id string) (job.Job, error) {
	if g.err != nil {
		return job.Job{}, g.err
	}
	return g.Store.Job(ctx, id)
}

// SendMany sends one after the other.
func (s *sender) SendMany(ctx context.Context, queue string, all []intake.Outgoing) []error {
	errs := make([]error, len(all))
	for i := range all {
		errs[i] = s.Send(ctx, queue, all[i].Message, all[i].Delay)
	}
	return errs
}

type handler = func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// bench is the whole API over a table in memory.
type bench struct {
	store       *shelf
	door        *gate.Gate
	operator    *deadletter.Operator
	feeds       *feeds
	machines    *machines
	sender      *sender
	write, read handler
	log         *lines
	logger      *slog.Logger
	now         time.Time
	run         kind           // what a synchronous job does
	served      map[string]any // the line of the last sweep that served the line
	counting    sync.Mutex
	ids         byte
}

func start(tb testing.TB) *bench {
	tb.Helper()
	b := &bench{
		store: &shelf{Store: memstore.New(job.DefaultTiming())}, sender: &sender{}, feeds: &feeds{state: map[string]string{}}, machines: &machines{lists: map[string]string{}}, log: &lines{},
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), run: done,
	}
	clock := func() time.Time { return b.now }
	b.logger = slog.New(slog.NewJSONHandler(b.log, nil)).With("stack", "orbitq-dev")
	b.door = gate.New(gate.Config{Store: b.store, Policy: limit.DefaultPolicy(), Now: clock, Jitter: func() float64 { return 0 }, Sleep: awake})
	in := intake.New(intake.Config{
		Store: b.store, Plans: b.store, Sender: b.sender, Bulk: b.sender, Policies: map[string]job.Policy{kinds.EnrichName: {}}, Feeds: b.feeds, Reviews: b.store,
		CheckURL: checkURL, Runner: b.inline(), Now: clock,
		Entropy:  b.entropy,
		Deadline: 24 * time.Hour, Resend: 15 * time.Minute, Tries: 3,
	})
	op := deadletter.NewOperator(deadletter.OperatorConfig{Rows: b.store, Operations: b.store, Sender: b.sender, Now: clock, Entropy: b.entropy, Timing: job.DefaultTiming()})
	b.operator = op
	b.write = entry.Write(in, op, b.flows(), b.door, b.logger)
	b.read = entry.Read(entry.ReadParts{
		Query: query.New(query.Config{Store: b.store, Books: b.store, Qualities: b.store, Inbox: b.store, Now: clock}), Flow: b.flows(), Signing: secretOf, Failures: deadletter.NewFailures(b.store), Poisons: b.store, Gate: b.door, Queues: b.feeds, Feeds: b.feeds, Version: "0.1.0+7",
	}, b.logger)
	return b
}

// feeds are the pollers of three queues that hold nothing.
type feeds struct {
	state map[string]string
	err   error
}

func (f *feeds) SetEnabled(_ context.Context, queue string, enabled bool) (string, error) {
	f.state[queue] = map[bool]string{true: "enabled", false: "disabled"}[enabled]
	return f.state[queue], f.err
}

func (f *feeds) Feed(_ context.Context, queue string) (string, error) {
	return cmp.Or(f.state[queue], "enabled"), f.err
}

func (f *feeds) Depth(context.Context, string) (query.Depth, error) {
	return query.Depth{Waiting: 3}, f.err
}

// begin begins an operation of a user.
func (b *bench) begin(tb testing.TB, owner string) string {
	tb.Helper()
	op, err := b.operator.Start(tb.Context(), deadletter.Operation{Owner: owner})
	if err != nil {
		tb.Fatal(err)
	}
	return op.ID
}

// deliveries are the lines of deliveries alone, without those of their batches.
func (l *lines) deliveries(t *testing.T) []map[string]any {
	t.Helper()
	return slices.DeleteFunc(l.all(t), func(line map[string]any) bool { return line["msg"] != "delivery" })
}

// awake does not wait.
func awake(context.Context, time.Duration) error { return nil }

// entropy numbers the ids; many jobs of one request ask for it at once.
func (b *bench) entropy() [10]byte {
	b.counting.Lock()
	defer b.counting.Unlock()
	b.ids++
	return [10]byte{9: b.ids}
}

// snapshot is everything that the table and the queues hold.
func (b *bench) snapshot() string {
	return fmt.Sprintf("%+v %+v %+v", b.store.Store, b.sender.sent, b.machines.started)
}

// call is one request as a client makes it. The zero owner has no claims at all.
type call struct {
	method, path string
	query        string
	body         string
	owner, tier  string
	issued       string            // iat of the token; empty for none
	scope        string            // of the token; empty for none
	headers      map[string]string // over the usual ones; "-" removes one
	base64       bool
}

// pattern returns the route that API Gateway would match, and the id in the path.
func (c call) pattern() (string, map[string]string) {
	if c.path == "/v1/failed/poison" {
		return c.method + " " + c.path, nil
	}
	for _, collection := range []string{"/v1/data-points/", "/v1/jobs/", "/v1/failed/", "/v1/operations/", "/v1/queues/", "/v1/chains/", "/v1/batches/", "/v1/campaigns/"} {
		name := "id"
		if collection == "/v1/queues/" {
			name = "queue"
		}
		if rest, ok := strings.CutPrefix(c.path, collection); ok {
			id, tail, _ := strings.Cut(rest, "/")
			if tail != "" {
				tail = "/" + tail
			}
			return c.method + " " + collection + "{" + name + "}" + tail, map[string]string{name: id}
		}
	}
	return c.method + " " + c.path, nil
}

// event is what API Gateway makes of the call.
func (c call) event(tb testing.TB) events.APIGatewayV2HTTPRequest {
	tb.Helper()
	headers := map[string]string{"accept": "application/json", "authorization": "Bearer " + plantedToken}
	if c.method == http.MethodPost || c.method == http.MethodPut {
		headers["content-type"] = "application/json"
	}
	for name, value := range c.headers {
		headers[name] = value
		if value == "-" {
			delete(headers, name)
		}
	}
	r := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RawPath: c.path, RawQueryString: c.query, Headers: headers, Body: c.body, IsBase64Encoded: c.base64,
	}
	r.RouteKey, r.PathParameters = c.pattern()
	r.RequestContext.RequestID, r.RequestContext.RouteKey = "request-1", r.RouteKey
	if c.owner != "" {
		claims := map[string]string{"sub": c.owner, "iss": "https://issuer.example"}
		if c.tier != "" {
			claims["tier"] = c.tier
		}
		if c.scope != "" {
			claims["scope"] = c.scope
		}
		if c.issued != "" {
			claims["iat"] = c.issued
		}
		r.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: claims},
		}
	}
	values, err := url.ParseQuery(c.query)
	if err != nil {
		tb.Fatal(err)
	}
	for name, all := range values { // payload 2.0 joins what comes twice
		if r.QueryStringParameters == nil {
			r.QueryStringParameters = map[string]string{}
		}
		r.QueryStringParameters[name] = strings.Join(all, ",")
	}
	return r
}

// answer is what came back.
type answer struct {
	status  int
	headers map[string]string
	body    string
}

// do makes the call and holds the exchange against the contract.
func (b *bench) do(tb testing.TB, c call) answer {
	tb.Helper()
	handle := b.write
	if c.method == http.MethodGet && !strings.HasPrefix(c.path, "/v1/operations/") {
		handle = b.read
	}
	event := c.event(tb)
	out, err := handle(tb.Context(), event)
	if err != nil {
		tb.Fatalf("the function failed instead of answering: %v", err)
	}
	contract(tb, event, out)
	return answer{out.StatusCode, out.Headers, out.Body}
}

// contract checks an event and its answer as the HTTP exchange that they stand for.
func contract(tb testing.TB, event events.APIGatewayV2HTTPRequest, out events.APIGatewayV2HTTPResponse) {
	tb.Helper()
	method, _, _ := strings.Cut(event.RouteKey, " ")
	req, err := http.NewRequestWithContext(tb.Context(), method, "https://api.example"+event.RawPath+"?"+event.RawQueryString, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	for name, value := range event.Headers {
		req.Header.Set(name, value)
	}
	body := []byte(event.Body)
	if event.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(event.Body); err != nil {
			body = []byte(event.Body)
		}
	}
	resp := &http.Response{StatusCode: out.StatusCode, Header: http.Header{}}
	for name, value := range out.Headers {
		resp.Header.Set(name, value)
	}
	contracttest.Check(tb, req, body, resp, []byte(out.Body))
}

// into decodes the body of an answer that must have the status.
func (a answer) into(tb testing.TB, status int, v any) {
	tb.Helper()
	if a.status != status {
		tb.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		tb.Fatalf("decode answer: %v in %s", err, a.body)
	}
}

// problem is the client's view of an error.
type problem struct {
	Type, Title, Code, Detail, Field, Rule string
	Status                                 int
	Errors                                 []job.Violation
	RequestID                              string `json:"request_id"`
}

// object is an answer of which a test looks at single fields.
type object = map[string]any

// reading is a body that is accepted; more fields may be put in front.
func reading(more string) string {
	return `{` + more + `"latitude":28.2841,"longitude":-10.0973,"value":21.5,"collected_at":"2020-02-19T11:21:00Z"}`
}

// seed stores a reading of the owner and returns the ids of its point and job.
func (b *bench) seed(tb testing.TB, owner string) (pointID, jobID string) {
	tb.Helper()
	var got struct {
		Point string `json:"data_point_id"`
		Job   string `json:"job_id"`
	}
	b.do(tb, call{method: "POST", path: "/v1/data-points", owner: owner, body: reading(`"notes":"` + plantedNote + `",`)}).
		into(tb, http.StatusCreated, &got)
	return got.Point, got.Job
}

// errAWS is what an adapter says when its service is gone; nothing of it may reach a client.
var errAWS = errors.New("operation error DynamoDB: PutItem, https response error to 10.0.0.7:443 of table orbitq-prod")

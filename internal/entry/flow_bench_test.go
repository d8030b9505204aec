package entry_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/entry"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/outbox"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/worker"
)

// flows returns chains and batches whose executions are only noted.
func (b *bench) flows() *flow.Flow {
	f := flow.New(flow.Config{
		Chains: b.store, Batches: b.store, Items: b.store, Jobs: b.store, Points: b.store, Open: b.store, Executions: b.machines, Runner: b.steps(),
		Courier: flow.Courier{Mail: b.store, Sender: b.sender, Post: b.machines.post}, Policies: kinds.Policies(), CheckURL: checkURL,
		Now: func() time.Time { return b.now }, Entropy: b.entropy, Timing: job.DefaultTiming(), Tries: 3,
	})
	f.Courier.Deliver = b.outbox(f).Deliver
	return f
}

// outbox returns what delivers events.
func (b *bench) outbox(f *flow.Flow) *outbox.Outbox {
	return outbox.New(outbox.Config{Store: b.store, Receivers: b.store, Notifier: f, Now: func() time.Time { return b.now }})
}

// part is a kind of the name that does what the bench's run says.
type part struct {
	kind

	name string
}

func (p part) Name() string { return p.name }

func (p part) Policy() job.Policy { return kinds.Policies()[p.name] }

// steps is the worker of the steps: all kinds, each doing what b.run says, and analyze with a record of its own.
func (b *bench) steps() *worker.Worker {
	run := kind(func(ctx context.Context, j *job.Job) (worker.Result, error) {
		if j.Kind != kinds.AnalyzeName {
			return b.run(ctx, j)
		}
		record := quality.Record{
			Point: j.Point, Revision: 1, RuleVersion: quality.RuleVersion, Score: 85, Recommendation: quality.Review, Outcome: job.NoAcquisition, At: b.now, Job: j.ID,
			Flags: []quality.Flag{{Type: quality.HighGPSError, Reason: "the place is known to 60 m only", Severity: quality.Warning, Automatic: true, At: b.now, Details: map[string]float64{"accuracy_m": 60}}},
		}
		return worker.Result{Outcome: job.Analysed, Quality: &record}, nil
	})
	return worker.New(worker.Config{
		Store: b.store, Queue: &unseen{b.sender}, Now: func() time.Time { return b.now }, Token: func() string { return "lease" },
		Kinds:  []worker.Kind{part{run, kinds.EnrichName}, part{run, kinds.AnalyzeName}, part{run, kinds.NotifyName}},
		Jitter: func() float64 { return 0 }, Timing: job.DefaultTiming(), LeaseMargin: 30 * time.Second, Version: "0.1.0+7",
	})
}

// checkURL takes what begins as a URL should.
func checkURL(field, url string) []job.Violation {
	if strings.HasPrefix(url, "https://") && len(url) <= 2048 {
		return nil
	}
	return []job.Violation{{Field: field, Rule: "url", Detail: "must be an https URL"}}
}

// machines are state machines that only note what is started, and receivers that note what is posted.
type machines struct {
	mu      sync.Mutex
	started []string
	inputs  []string
	lists   map[string]string
	posted  []string
	err     error
	down    error // of the receivers
}

func (m *machines) Start(_ context.Context, _ flow.Machine, name string, input []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.started, m.inputs = append(m.started, name), append(m.inputs, string(input))
	}
	return m.err
}

func (m *machines) Running(_ context.Context, _ flow.Machine, name string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.started, name), m.err
}

func (m *machines) PutList(_ context.Context, key string, list []byte) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lists[key] = string(list)
	return "lists", m.err
}

func (m *machines) post(_ context.Context, _, id, url string, _ []byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down == nil {
		m.posted = append(m.posted, id+" "+url)
	}
	return m.down
}

// step runs one task of a state machine.
func (b *bench) step(tb testing.TB, e entry.StepEvent) (entry.StepAnswer, error) {
	tb.Helper()
	return entry.Step(b.flows(), b.door, b.logger)(tb.Context(), e)
}

// live moves the clock to the real time, which the deadline of a run needs.
func (b *bench) live() *bench {
	b.now = time.Now().UTC().Truncate(time.Millisecond)
	return b
}

// plain stores a point of the owner without a job.
func (b *bench) plain(tb testing.TB, owner, more string) string {
	tb.Helper()
	var got struct {
		Point string `json:"data_point_id"`
	}
	b.do(tb, call{method: "POST", path: "/v1/data-points", owner: owner, tier: "enterprise", body: reading(more + `"enrich":false,`)}).into(tb, http.StatusCreated, &got)
	return got.Point
}

// made is what the tests look at of a chain or batch.
type made struct {
	ID, State, Queue, Name, Execution  string
	Tags                               []string
	Total, Round, Executions, Progress int
	Generation                         int
	Stop                               string `json:"stop_reason"`
	Next                               string `json:"next_step"`
	Failed                             string `json:"failed_step"`
	Outcome                            string
	Error                              struct{ Code, Message string }
	Steps                              json.RawMessage
	Counts                             job.Counts
	Callbacks                          []struct {
		Name, State, Webhook, Reason string
		Notify                       bool
		Job                          struct{ Kind string }
		EventID                      string `json:"event_id"`
		Tries                        int    `json:"failed_tries"`
	}
}

// chain starts a chain of the owner over a new point.
func (b *bench) chain(tb testing.TB, owner, more string) made {
	tb.Helper()
	var got made
	b.do(tb, call{method: "POST", path: "/v1/chains", owner: owner, tier: "enterprise", body: `{"data_point_id":"` + b.plain(tb, owner, "") + `"` + more + `}`}).into(tb, http.StatusAccepted, &got)
	return got
}

// batch starts a batch of the owner over n new points and returns their ids.
func (b *bench) batch(tb testing.TB, owner string, n int, more string) (made, []string) {
	tb.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = b.plain(tb, owner, "")
	}
	var got made
	b.do(tb, call{method: "POST", path: "/v1/batches", owner: owner, tier: "enterprise", body: `{"name":"test","data_point_ids":` + quoted(ids) + more + `}`}).into(tb, http.StatusAccepted, &got)
	slices.Sort(ids)
	return got, ids
}

// quoted writes texts as a JSON list.
func quoted(all []string) string { return `["` + strings.Join(all, `","`) + `"]` }

// get reads one chain or batch.
func (b *bench) get(tb testing.TB, path string) made {
	tb.Helper()
	var got made
	b.do(tb, call{method: "GET", path: path, owner: ann}).into(tb, http.StatusOK, &got)
	return got
}

// event is a task of a state machine for a chain, or for a batch and its points.
func event(op, id string, points ...string) entry.StepEvent {
	e := entry.StepEvent{Op: op, Points: points, Request: "arn:aws:states:eu-central-1:123456789012:execution:orbitq:" + id + "-0"}
	if strings.HasPrefix(op, "chain") {
		e.Chain = id
		return e
	}
	e.Batch = id
	return e
}

// dying is a run that fails with the code.
func dying(code job.Code) kind {
	return func(context.Context, *job.Job) (worker.Result, error) {
		return worker.Result{}, job.Errorf(code, "provider said no")
	}
}

// addPoint stores a point of the campaign "many", without a request.
func (g *shelf) addPoint(tb testing.TB, b *bench, owner string) {
	tb.Helper()
	p := point.Point{ID: job.NewID(b.now, b.entropy()), Owner: owner, CampaignID: "many", Revision: 1, CollectedAt: b.now, CreatedAt: b.now, Status: point.Pending}
	if _, _, _, err := g.AcceptPoint(tb.Context(), &p, &job.Job{Tier: "enterprise"}); err != nil {
		tb.Fatal(err)
	}
}

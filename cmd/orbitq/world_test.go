package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orbitq/internal/copernicus"
	"orbitq/internal/deadletter"
	"orbitq/internal/entry"
	"orbitq/internal/flow"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/local/apigw"
	"orbitq/internal/local/cdse"
	"orbitq/internal/local/issuer"
	"orbitq/internal/memstore"
	"orbitq/internal/outbox"
	"orbitq/internal/quality"
	"orbitq/internal/query"
	"orbitq/internal/worker"
)

// world is the product in one process: the real API behind its gateway, the real worker and real pixels; only the
// table and the queues are in memory. A message is worked on as soon as it is sent.
type world struct {
	url      string
	issuer   *issuer.Issuer
	provider *cdse.Server
	worker   *worker.Worker
	operator *deadletter.Operator
	store    *memstore.Store
	paused   sync.Map // queues that are not fed
	running  sync.WaitGroup
	flow     *flow.Flow
	started  sync.Map        // executions, by machine and name
	posted   sync.Map        // webhooks: URLs by id
	fault    func(err error) // of a state machine: fails the test
	asleep   atomic.Bool     // nobody works
}

// newWorld starts a world that ends with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{fault: func(err error) {
		if err != nil {
			t.Errorf("state machine: %v", err)
		}
	}}
	provider, err := cdse.New(cdse.Config{ClientID: "id", ClientSecret: "secret"})
	if err != nil {
		t.Fatalf("make provider: %v", err)
	}
	w.provider = provider
	sky := httptest.NewServer(provider)
	t.Cleanup(sky.Close)

	store := memstore.New(job.DefaultTiming())
	w.store = store
	now := func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
	door := gate.New(gate.Config{Store: store, Policy: unhurried(), Now: now, Jitter: func() float64 { return 0 }, Sleep: func(context.Context, time.Duration) error { return nil }})
	imagery := copernicus.New(copernicus.Config{
		HTTP: sky.Client(), APIURL: sky.URL, TokenURL: sky.URL + cdse.TokenPath, Tokens: store, Now: now,
		Secret: func(context.Context) (id, secret string, err error) { return "id", "secret", nil },
		Gate:   door,
	})
	enrich := &kinds.Enrich{Points: store, Imagery: &kinds.Remembering{Provider: imagery, Cache: store, Left: func(limit.Call) {}, Now: now}, Now: now}
	w.worker = worker.New(worker.Config{
		Store: store, Queue: w, Now: now, Token: rand.Text, Jitter: func() float64 { return 0 }, Timing: job.DefaultTiming(),
		LeaseMargin: time.Minute, Version: "test",
		Kinds: []worker.Kind{
			enrich, &kinds.Analyze{Readings: store, Rules: quality.DefaultConfig(), Now: now},
			&kinds.Notify{Readings: store, Audience: store, Now: now},
		},
	})
	w.flow = w.flows(store, now)
	w.flow.Courier.Deliver = outbox.New(outbox.Config{Store: store, Receivers: store, Notifier: w.flow, Now: now}).Deliver
	in := intake.New(intake.Config{
		Store: store, Plans: store, Sender: w, Pacer: door, AsksProvider: enrich.AsksProvider, Runner: w.worker, Feeds: w, Reviews: store, CheckURL: checkURL, Policies: kinds.Policies(), Now: now, Deadline: time.Hour, Resend: time.Minute, Tries: 3,
		Entropy: func() (b [10]byte) { _, _ = rand.Read(b[:]); return b },
	})
	w.operator = deadletter.NewOperator(deadletter.OperatorConfig{
		Rows: store, Operations: store, Sender: w, Flows: w.flow, Now: now, Timing: job.DefaultTiming(),
		Entropy: func() (b [10]byte) { _, _ = rand.Read(b[:]); return b },
	})
	reads := entry.ReadParts{
		Query: query.New(query.Config{Store: store, Books: store, Qualities: store, Inbox: store, Now: now}), Flow: w.flow, Signing: secretOf, Failures: deadletter.NewFailures(store), Poisons: store, Gate: door, Queues: w, Feeds: w, Version: "test",
	}
	silent := slog.New(slog.DiscardHandler)
	w.serve(t, lambda(entry.Write(in, w.operator, w.flow, door, silent)), lambda(entry.Read(reads, silent)))
	t.Cleanup(w.running.Wait) // before anything is closed
	return w
}

// secretOf is a secret for each owner.
func secretOf(_ context.Context, owner string) ([]string, error) {
	return []string{"whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(owner+"-secret-", 3)))}, nil
}

// serve puts the API and the issuer of its tokens behind one address.
func (w *world) serve(t *testing.T, write, read apigw.Invoke) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	tokens, err := issuer.New(issuer.Config{URL: server.URL + "/issuer", Dir: t.TempDir()})
	if err != nil {
		t.Fatalf("make issuer: %v", err)
	}
	routes := []apigw.Route{{Key: "GET /v1/health", Invoke: read}}
	add := func(invoke apigw.Invoke, scope string, keys ...string) {
		for _, key := range keys {
			routes = append(routes, apigw.Route{Key: key, Invoke: invoke, Authorize: true, Scopes: []string{scope}})
		}
	}
	add(write, "orbitq/write",
		"POST /v1/data-points", "POST /v1/jobs", "POST /v1/jobs/{id}/cancel", "POST /v1/jobs/{id}/snooze", "POST /v1/failed/{id}/retry",
		"POST /v1/failed:retry", "POST /v1/failed:flush", "DELETE /v1/failed/{id}", "POST /v1/operations/{id}/abort", "POST /v1/usage:make-up",
		"POST /v1/chains", "POST /v1/chains/{id}/cancel", "POST /v1/chains/{id}/redrive", "POST /v1/batches", "POST /v1/batches/{id}/items",
		"POST /v1/batches/{id}/cancel", "POST /v1/batches/{id}/retry", "POST /v1/data-points/{id}/review", "PUT /v1/campaigns/{id}/zones",
		"PUT /v1/notifications/preferences")
	add(read, "orbitq/write", "GET /v1/notifications/secret")
	add(write, "orbitq/read", "GET /v1/operations/{id}")
	add(write, "orbitq/operate", "POST /v1/queues/{queue}/pause", "POST /v1/queues/{queue}/resume")
	add(read, "orbitq/operate", "GET /v1/failed/poison")
	add(read, "orbitq/read",
		"GET /v1/data-points/{id}", "GET /v1/data-points/{id}/analyses", "GET /v1/jobs/{id}", "GET /v1/jobs/{id}/calls", "GET /v1/jobs", "GET /v1/failed",
		"GET /v1/usage", "GET /v1/usage/ledger", "GET /v1/provider", "GET /v1/queues",
		"GET /v1/chains", "GET /v1/chains/{id}", "GET /v1/batches", "GET /v1/batches/{id}", "GET /v1/batches/{id}/items", "GET /v1/notifications",
		"GET /v1/notifications/preferences", "GET /v1/data-points/{id}/quality", "GET /v1/campaigns/{id}/zones")
	api, err := apigw.New(apigw.Config{Routes: routes, JWT: &apigw.JWT{Issuer: tokens.URL(), Audience: []string{"orbitq"}}})
	if err != nil {
		t.Fatalf("make API: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/issuer/", tokens)
	mux.Handle("/", api)
	handler, w.url, w.issuer = mux, server.URL, tokens
}

// unhurried is a limiter that no test meets.
func unhurried() limit.Policy {
	p := limit.DefaultPolicy()
	p.Shared = 1000
	return p
}

// lambda makes a handler what the gateway invokes.
func lambda[In, Out any](f func(context.Context, In) (Out, error)) apigw.Invoke {
	return func(ctx context.Context, payload []byte) ([]byte, string, error) {
		var in In
		if err := json.Unmarshal(payload, &in); err != nil {
			return nil, "", err
		}
		out, err := f(ctx, in)
		if err != nil {
			return nil, "", err
		}
		raw, err := json.Marshal(out)
		return raw, "", err
	}
}

// Send works on a message instead of keeping it.
func (w *world) Send(_ context.Context, queue string, m job.Message, _ time.Duration) error {
	if w.asleep.Load() {
		return nil
	}
	w.running.Go(func() { //nolint:contextcheck // the work outlives the request that sent the message
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		w.worker.Handle(ctx, worker.Delivery{Source: queue, Body: m.Encode(), Sent: time.Now(), Receives: 1})
	})
	return nil
}

// Hide has nothing to do: no message comes back.
func (*world) Hide(context.Context, string, string, time.Duration) error { return nil }

// SetEnabled pauses or resumes a queue in words; messages are worked on all the same.
func (w *world) SetEnabled(_ context.Context, queue string, enabled bool) (string, error) {
	if enabled {
		w.paused.Delete(queue)
		return "enabling", nil
	}
	w.paused.Store(queue, true)
	return "disabling", nil
}

// Feed is what was last asked of a queue.
func (w *world) Feed(_ context.Context, queue string) (string, error) {
	if _, paused := w.paused.Load(queue); paused {
		return "disabled", nil
	}
	return "enabled", nil
}

// Depth is nothing, as long as no message waits; the dead letter queue holds one.
func (*world) Depth(_ context.Context, queue string) (query.Depth, error) {
	if queue == "dead" {
		return query.Depth{Waiting: 1}, nil
	}
	return query.Depth{InFlight: 2, Delayed: 3}, nil
}

// token is a good token of a user.
func (w *world) token(t *testing.T, user, tier string, scopes ...string) string {
	t.Helper()
	signed, err := w.issuer.Mint(issuer.Claims{Subject: user, Tier: tier, Scopes: scopes, Audience: "orbitq"})
	if err != nil {
		t.Fatalf("mint token: %v", err)
	}
	return signed
}

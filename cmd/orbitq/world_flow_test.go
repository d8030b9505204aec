package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/memstore"
)

// flows returns chains and batches whose state machines are goroutines of the world: see Start.
func (w *world) flows(store *memstore.Store, now func() time.Time) *flow.Flow {
	return flow.New(flow.Config{
		Chains: store, Batches: store, Items: store, Jobs: store, Points: store, Open: store, Executions: w, Runner: w.worker,
		Courier: flow.Courier{Mail: store, Sender: w, Post: w.post}, Policies: kinds.Policies(), CheckURL: checkURL,
		Now: now, Timing: job.DefaultTiming(), Tries: 3,
		Entropy: func() (b [10]byte) { _, _ = rand.Read(b[:]); return b },
	})
}

// checkURL is what is wrong with a URL of a webhook: as much as the scripts want to see.
func checkURL(field, url string) []job.Violation {
	if strings.HasPrefix(url, "https://") {
		return nil
	}
	return []job.Violation{{Field: field, Rule: "scheme", Detail: "must be https"}}
}

// post is a receiver of webhooks that takes everything, except at gone.example.
func (w *world) post(_ context.Context, _, id, url string, _ []byte, _ time.Time) error {
	if strings.Contains(url, "gone.example") {
		return job.Errorf(job.WebhookRefused, "the receiver answered 410")
	}
	w.posted.Store(id, url)
	return nil
}

// execution is the input of a state machine.
type execution struct {
	Chain  string   `json:"chain"`
	Batch  string   `json:"batch"`
	Points []string `json:"points"`
}

// Start implements flow.Executions: the machine is walked through in a goroutine, once for each name.
func (w *world) Start(_ context.Context, m flow.Machine, name string, input []byte) error {
	if w.asleep.Load() {
		return nil
	}
	if _, known := w.started.LoadOrStore(string(m)+name, true); known {
		return nil
	}
	var e execution
	if err := json.Unmarshal(input, &e); err != nil {
		return err
	}
	w.running.Go(func() { //nolint:contextcheck // the execution outlives the request that started it
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if m == flow.ChainMachine {
			w.fault(w.walk(ctx, func() (flow.Answer, error) { return w.flow.VisitChain(ctx, e.Chain, name) }))
			return
		}
		for _, point := range e.Points {
			w.fault(w.walk(ctx, func() (flow.Answer, error) { return w.flow.VisitItem(ctx, e.Batch, point, name) }))
		}
		b, err := w.flow.Summarise(ctx, e.Batch)
		w.fault(err)
		for call := range b.Calls { // what has not fired is not delivered
			_ = w.flow.Callback(ctx, e.Batch, call) // a receiver that refuses is in the row
		}
	})
	return nil
}

// walk visits until all is over, or the wait would be longer than a script's patience.
func (w *world) walk(ctx context.Context, visit func() (flow.Answer, error)) error {
	for {
		a, err := visit()
		if err != nil || a.State.Final() || a.Wait > 2*time.Second {
			return err
		}
		select {
		case <-time.After(a.Wait):
		case <-ctx.Done():
			return errors.New("the machine was too slow")
		}
	}
}

// Running implements flow.Executions.
func (*world) Running(context.Context, flow.Machine, string) (bool, error) { return true, nil }

// PutList implements flow.Executions.
func (*world) PutList(context.Context, string, []byte) (string, error) {
	return "", errors.New("no script has a batch of more than 200 items")
}

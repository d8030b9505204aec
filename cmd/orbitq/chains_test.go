package main

import (
	"bytes"
	"strings"
	"testing"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// exampleChain is a chain whose second step failed.
func exampleChain() client.Chain {
	enriched := client.Job{ID: "01JM8WQ5Z4A1B2C3D4E5F6G7H8", State: job.Succeeded, Outcome: job.Success, Attempts: 2, MaxAttempts: 3, StartedAt: when(1), FinishedAt: when(2.5)}
	enriched.Error = &client.Failure{Code: job.ProviderTimeout} // of the first attempt: history
	dead := client.Job{ID: "01JM8WQ5Z5B2C3D4E5F6G7H8J9", State: job.Dead, Attempts: 3, MaxAttempts: 3, StartedAt: when(60), FinishedAt: when(61)}
	dead.Error = &client.Failure{Code: job.AttemptsSpent, Message: "three times"}
	return client.Chain{
		ID: "01JM8WR5B0E2F4G6H8J0K2M4N6", State: job.TrackFailed, PointID: pointOf, Failed: "analyze", Outcome: job.Success, Queue: "low", Tags: []string{"a", "b"},
		Steps: []client.ChainStep{
			{Kind: "enrich", State: "succeeded", Job: &enriched},
			{Kind: "analyze", State: "dead", Job: &dead},
			{Kind: "notify", State: "pending"},
		},
		Error: &client.Failure{Code: job.AttemptsSpent, Message: "three times"}, Generation: 1, Execution: "01JM8WR5B0E2F4G6H8J0K2M4N6-1", CreatedAt: at(0), FinishedAt: when(61),
	}
}

func TestTheEndOfAChain(t *testing.T) {
	t.Parallel()
	failed, unknown := exampleChain(), exampleChain()
	unknown.Error = nil
	for _, c := range []struct {
		name string
		in   client.Chain
		want string // empty: all well
	}{
		{"succeeded", client.Chain{State: job.TrackSucceeded}, ""},
		{"skipped by a limit", client.Chain{State: job.TrackSkipped}, ""},
		{"waits for another day", client.Chain{State: job.TrackRunning}, ""},
		{"cancelled", client.Chain{State: job.TrackCancelled}, "the chain was cancelled"},
		{"failed", failed, "step analyze failed: ATTEMPTS_SPENT: three times; after a fix: orbitq chains redrive " + failed.ID},
		{"failed without a reason", unknown, "step analyze failed; after a fix: orbitq chains redrive " + failed.ID},
	} {
		err := chainFault(&c.in)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want || exitCode(err) != exitUnwell) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// Each change of a step is told once.
func TestStepsAreToldOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tell := stepTeller(&out)
	begins := exampleChain()
	begins.Steps = []client.ChainStep{{Kind: "enrich", State: "running", Job: &client.Job{State: job.Running}}, {Kind: "analyze", State: "pending"}}
	for range 2 {
		tell(begins)
	}
	for range 2 {
		tell(exampleChain())
	}
	if want := "enrich running\nenrich succeeded SUCCEEDED\nanalyze dead ATTEMPTS_SPENT\n"; out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestGoldenFlowViews(t *testing.T) {
	t.Parallel()
	chain, begun := exampleChain(), client.Chain{ID: "c", State: job.TrackPending, PointID: pointOf, Next: "enrich", Queue: "default", Execution: "c-0", CreatedAt: at(0), Steps: []client.ChainStep{{Kind: "enrich", State: "pending"}}}
	counts, score, advice, version, url := job.Counts{Succeeded: 1, Failed: 1, Cancelled: 1}, 45, "reject", "2026-11.1", "https://example.org/hook"
	cost := client.Cost{Transitions: 13, Invocations: 6, WriteUnits: 49, ReadUnits: 9, ProviderRequests: 3, USD: 0.000368, PricedOn: "2026-10"}
	batch := client.Batch{
		ID: batchOf, Name: "May", State: "finished", StopReason: job.StopFailed, Total: 3, Counts: &counts, Steps: []string{"enrich", "notify"}, Queue: "low", Tags: []string{"t"},
		AllowFailures: true, Round: 1, Executions: 2, Cost: &cost, CreatedAt: at(0), FinishedAt: when(90), ETA: when(90),
		Callbacks: []client.Called{
			{Name: "then", Notify: true, State: "waiting"},
			{Name: "catch", Job: &client.CallbackJob{Kind: "notify", PointID: pointOf}, State: "delivered", FiredAt: when(60)},
			{Name: "finally", Webhook: url, State: "given_up", FiredAt: when(90), FailedTries: 4, Reason: "the receiver answered 410"},
		},
	}
	accepted := client.Batch{ID: batchOf, Name: "June", State: "stopping", StopReason: job.StopCancelled, Total: 2, Steps: []string{"enrich"}, Queue: "default", Executions: 1, CreatedAt: at(0)}
	items := listOf[client.BatchItem]{More: true, Items: []client.BatchItem{
		{PointID: pointOf, State: job.TrackFailed, Step: "enrich", JobID: "j-1", Error: &client.Failure{Code: job.InvalidRequest, Message: "answered 400"}, FinishedAt: when(60)},
		{PointID: "p-2", State: job.TrackPending, Step: "enrich", JobID: "j-2"},
	}}
	notices := listOf[client.Notice]{Items: []client.Notice{
		{CreatedAt: at(1), Type: "enrichment.no_data", PointID: pointOf, Title: "No satellite statistics", Text: "Every image is under cloud."},
		{CreatedAt: at(2), Type: "batch.finally", BatchID: batchOf, Title: "May: finished"},
	}}
	judged := client.Quality{
		PointID: pointOf, Revision: 2, RuleVersion: &version, Score: &score, Recommendation: &advice, Outcome: job.Success, JobID: "j", AnalysedAt: when(5),
		Flags: []client.Flag{
			{Type: "outside_zone", Severity: "error", Automatic: true, At: at(5), Reason: "in none of 2 zones"},
			{Type: "manual_review", Severity: "warning", At: at(9), Reason: "looked at it"},
		},
	}
	for name, write := range map[string]func(w *bytes.Buffer) error{
		"chain":       func(w *bytes.Buffer) error { return writeChain(w, &chain) },
		"chain_begun": func(w *bytes.Buffer) error { return writeChain(w, &begun) },
		"chains": func(w *bytes.Buffer) error {
			return writeChains(w, &listOf[client.Chain]{Items: []client.Chain{begun, chain}})
		},
		"batch":       func(w *bytes.Buffer) error { return writeBatch(w, &batch) },
		"batch_begun": func(w *bytes.Buffer) error { return writeBatch(w, &accepted) },
		"batches": func(w *bytes.Buffer) error {
			return writeBatches(w, &listOf[client.Batch]{Items: []client.Batch{accepted, batch}})
		},
		"estimate": func(w *bytes.Buffer) error { return writeEstimate(w, &client.Estimate{Total: 3, Cost: cost}) },
		"items":    func(w *bytes.Buffer) error { return writeItems(w, &items) },
		"notices":  func(w *bytes.Buffer) error { return writeNotices(w, &notices) },
		"preferences": func(w *bytes.Buffer) error {
			return writePreferences(w, &client.Preferences{Muted: []string{"a", "b"}, WebhookURL: &url})
		},
		"quality":    func(w *bytes.Buffer) error { return writeQuality(w, &judged) },
		"no_quality": func(w *bytes.Buffer) error { return writeQuality(w, &client.Quality{PointID: pointOf, Revision: 1}) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		golden(t, name, out.Bytes())
		for line := range strings.Lines(out.String()) {
			if strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
				t.Errorf("%s leaves blanks behind %q", name, line)
			}
		}
	}
}

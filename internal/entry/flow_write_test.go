package entry_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
)

func TestPointAlone(t *testing.T) {
	t.Parallel()
	b := start(t)
	for body, want := range map[string]int{`"enrich":false,`: 0, `"enrich":false,"queue":"high",`: 0, `"enrich":true,`: 1, "": 1} {
		before := len(b.sender.sent)
		var got object
		b.do(t, call{method: "POST", path: "/v1/data-points", owner: ann, body: reading(body)}).into(t, http.StatusCreated, &got)
		_, hasID := got["job_id"]
		_, hasJob := got["job"]
		if sent := len(b.sender.sent) - before; sent != want || hasID != (want == 1) || hasJob != (want == 1) || got["data_point_id"] == "" {
			t.Errorf("%q: sent %d messages and answered %v", body, sent, got)
		}
	}
}

func TestChainIsStarted(t *testing.T) {
	t.Parallel()
	b := start(t)
	got := b.chain(t, ann, `,"steps":["enrich","notify"],"queue":"high","tags":["weekly"]`)
	if got.State != "pending" || got.Next != "enrich" || got.Queue != "high" || len(got.Tags) != 1 || got.Execution != got.ID+"-0" || got.Generation != 0 {
		t.Errorf("chain is %+v", got)
	}
	if len(b.machines.started) != 1 || b.machines.started[0] != got.Execution || b.machines.inputs[0] != `{"chain":"`+got.ID+`","next":"enrich"}` {
		t.Errorf("started %v with %v", b.machines.started, b.machines.inputs)
	}
	if len(b.sender.sent) != 0 {
		t.Errorf("sent %v: a step is carried by no message", b.sender.sent)
	}
	all := b.chain(t, ann, "")
	if string(all.Steps) != `[{"kind":"enrich","state":"pending"},{"kind":"analyze","state":"pending"},{"kind":"notify","state":"pending"}]` || all.Queue != "default" {
		t.Errorf("a chain of no steps has %s", all.Steps)
	}
}

// The same key and body give the same chain or batch, which is not started twice; another body is a conflict, and another
// owner's key another matter.
func TestIdempotencyKeyOfFlows(t *testing.T) {
	t.Parallel()
	b := start(t)
	point, foreign := b.plain(t, ann, ""), b.plain(t, ben, "")
	key := map[string]string{"idempotency-key": "k"}
	for _, c := range []struct{ path, body, other, bens string }{
		{"/v1/chains", `{"data_point_id":"` + point + `"}`, `{"data_point_id":"` + point + `" }`, `{"data_point_id":"` + foreign + `"}`},
		{"/v1/batches", `{"name":"n","data_point_ids":["` + point + `"]}`, `{"name":"m","data_point_ids":["` + point + `"]}`, `{"name":"n","data_point_ids":["` + foreign + `"]}`},
	} {
		first := b.do(t, call{method: "POST", path: c.path, owner: ann, body: c.body, headers: key})
		again := b.do(t, call{method: "POST", path: c.path, owner: ann, body: c.body, headers: key})
		if first.status != http.StatusAccepted || again.status != first.status || again.body != first.body || again.headers["location"] != first.headers["location"] {
			t.Errorf("%s: first %d %s, again %d %s", c.path, first.status, first.body, again.status, again.body)
		}
		var p problem
		b.do(t, call{method: "POST", path: c.path, owner: ann, body: c.other, headers: key}).into(t, http.StatusConflict, &p)
		if p.Code != "IDEMPOTENCY_KEY_REUSED" || p.Field != "Idempotency-Key" || p.Rule != "same_body" {
			t.Errorf("%s: problem is %+v", c.path, p)
		}
		if got := b.do(t, call{method: "POST", path: c.path, owner: ben, body: c.bens, headers: key}); got.status != http.StatusAccepted || got.body == first.body {
			t.Errorf("%s of ben: %d %s", c.path, got.status, got.body)
		}
	}
	names := map[string]bool{}
	for _, name := range b.machines.started {
		names[name] = true
	}
	if len(names) != 4 {
		t.Errorf("started %v, want four executions by their names", b.machines.started)
	}
}

// What could not be started is accepted all the same; the line says so, and the sweep starts it.
func TestStartThatFails(t *testing.T) {
	t.Parallel()
	b := start(t)
	point := b.plain(t, ann, "")
	b.machines.err = errAWS
	for path, body := range map[string]string{"/v1/chains": `{"data_point_id":"` + point + `"}`, "/v1/batches": `{"name":"n","data_point_ids":["` + point + `"]}`} {
		got := b.do(t, call{method: "POST", path: path, owner: ann, body: body})
		if got.status != http.StatusAccepted || strings.Contains(got.body, "10.0.0.7") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	warned := 0
	for _, line := range b.log.all(t) {
		if line["level"] == "WARN" && line["msg"] == "execution not started, the relay starts it" && line["flow"] != "" {
			warned++
		}
	}
	if warned != 2 {
		t.Errorf("%d warnings, want 2:\n%s", warned, b.log)
	}
}

// A dry run says what a batch would be and cost, and leaves nothing behind.
func TestDryRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	for range 3 {
		b.plain(t, ann, `"campaign_id":"coast","metric_id":"temperature",`)
	}
	b.plain(t, ann, `"campaign_id":"coast",`)
	b.plain(t, ben, `"campaign_id":"coast",`)
	for filter, want := range map[string]int{
		`{"campaign_id":"coast"}`:                           4,
		`{"campaign_id":"coast","metric_id":"temperature"}`: 3,
		`{"campaign_id":"coast","collected_from":"2020-02-19T11:21:00Z","collected_to":"2020-02-19T12:21:00+01:00"}`: 4,
		`{"campaign_id":"coast","metric_id":"temperature","collected_from":"2020-02-19T12:00:00+01:00"}`:             3,
	} {
		before := b.snapshot()
		got := b.do(t, call{method: "POST", path: "/v1/batches", owner: ann, body: `{"name":"n","filter":` + filter + `,"dry_run":true}`, headers: map[string]string{"idempotency-key": "dry"}})
		var estimate struct {
			Total int
			Cost  struct {
				Provider int `json:"provider_requests"`
				USD      float64
			} `json:"expected_cost"`
		}
		got.into(t, http.StatusOK, &estimate)
		if estimate.Total != want || estimate.Cost.Provider != want || estimate.Cost.USD <= 0 || got.headers["location"] != "" {
			t.Errorf("%s: %s", filter, got.body)
		}
		if b.snapshot() != before {
			t.Errorf("%s: something was stored or started", filter)
		}
	}
}

// Few items go along inside of the execution's input, many as a list beside it, in chunks of ten.
func TestManyItemsAreListedBeside(t *testing.T) {
	t.Parallel()
	b := start(t)
	for range 201 {
		b.store.addPoint(t, b, ann)
	}
	var got made
	b.do(t, call{method: "POST", path: "/v1/batches", owner: ann, body: `{"name":"n","filter":{"campaign_id":"many"}}`}).into(t, http.StatusAccepted, &got)
	var chunks [][]string
	if err := json.Unmarshal([]byte(b.machines.lists["batches/"+got.ID+"-0.json"]), &chunks); err != nil || len(chunks) != 21 || len(chunks[0]) != 10 || len(chunks[20]) != 1 {
		t.Errorf("%d chunks, %v", len(chunks), err)
	}
	if len(b.machines.inputs) != 1 || !strings.Contains(b.machines.inputs[0], `"mode":"distributed"`) || strings.Contains(b.machines.inputs[0], "points") {
		t.Errorf("inputs %v", b.machines.inputs)
	}
	if _, _ = b.batch(t, ann, 2, ""); !strings.Contains(b.machines.inputs[1], `"mode":"inline"`) {
		t.Errorf("inputs %v", b.machines.inputs[1:])
	}
}

func TestCancelAndRedriveOfAChain(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	var p problem
	chain := b.chain(t, ann, "")
	path := "/v1/chains/" + chain.ID
	b.do(t, call{method: "POST", path: path + "/redrive", owner: ann}).into(t, http.StatusConflict, &p)
	if p.Code != "STATE_CONFLICT" {
		t.Errorf("redrive of a chain that goes on: %+v", p)
	}
	var got made
	for range 2 { // cancelling twice is once
		b.do(t, call{method: "POST", path: path + "/cancel", owner: ann}).into(t, http.StatusOK, &got)
		if got.State != "cancelled" || got.Next != "" {
			t.Errorf("chain is %+v", got)
		}
	}
	b.do(t, call{method: "POST", path: path + "/redrive", owner: ann}).into(t, http.StatusConflict, &p)

	b.run = dying(job.ProviderDenied)
	chain = b.chain(t, ann, "")
	path = "/v1/chains/" + chain.ID
	_, _ = b.step(t, event("chain", chain.ID))
	b.do(t, call{method: "POST", path: path + "/cancel", owner: ann}).into(t, http.StatusConflict, &p)
	b.do(t, call{method: "POST", path: path + "/redrive", owner: ann}).into(t, http.StatusAccepted, &got)
	if got.State != "pending" || got.Generation != 1 || got.Next != "enrich" || got.Failed != "" || got.Error.Code != "" || b.machines.started[len(b.machines.started)-1] != chain.ID+"-1" {
		t.Errorf("redriven chain is %+v, started %v", got, b.machines.started)
	}
}

func TestCancelAddAndRetryOfABatch(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	batch, _ := b.batch(t, ann, 2, "")
	path := "/v1/batches/" + batch.ID
	var (
		got made
		p   problem
	)
	add := func() call {
		return call{method: "POST", path: path + "/items", owner: ann, body: `{"data_point_ids":["` + b.plain(t, ann, "") + `"]}`}
	}
	answer := b.do(t, add())
	answer.into(t, http.StatusAccepted, &got)
	if got.Total != 3 || got.Executions != 2 || answer.headers["location"] != path || b.machines.started[1] != batch.ID+"-1" {
		t.Errorf("batch is %+v at %q", got, answer.headers["location"])
	}
	b.do(t, call{method: "POST", path: path + "/retry", owner: ann}).into(t, http.StatusConflict, &p)
	if p.Code != "STATE_CONFLICT" {
		t.Errorf("retry of a batch that goes on: %+v", p)
	}
	for range 2 {
		b.do(t, call{method: "POST", path: path + "/cancel", owner: ann}).into(t, http.StatusOK, &got)
		if got.State != "cancelled" || got.Stop != "cancelled" || got.Counts != (job.Counts{Cancelled: 3}) || got.Progress != 100 {
			t.Errorf("batch is %+v", got)
		}
	}
	b.do(t, add()).into(t, http.StatusConflict, &p)
	got = made{}
	b.do(t, call{method: "POST", path: path + "/retry", owner: ann}).into(t, http.StatusAccepted, &got)
	if got.State != "running" || got.Round != 1 || got.Stop != "" || got.Executions != 3 {
		t.Errorf("retried batch is %+v", got)
	}
}

func TestOpinions(t *testing.T) {
	t.Parallel()
	b := start(t)
	point := b.plain(t, ann, "")
	type reviewed struct {
		Status      string
		Reviewed    *time.Time `json:"reviewed_at"`
		ReviewNotes string     `json:"review_notes"`
	}
	say := func(body string) (got reviewed) {
		b.do(t, call{method: "POST", path: "/v1/data-points/" + point + "/review", owner: ann, body: body}).into(t, http.StatusOK, &got)
		return got
	}
	if got := say(`{"status":"approved","notes":"agrees"}`); got.Status != "approved" || got.ReviewNotes != "agrees" || got.Reviewed == nil || !got.Reviewed.Equal(b.now) {
		t.Errorf("approved: %+v", got)
	}
	for range 2 { // the same flag with the same reason is kept once
		if got := say(`{"flag":"suspicious_value","reason":"three times as much"}`); got.Status != "approved" || got.ReviewNotes != "agrees" {
			t.Errorf("a flag changes no status: %+v", got)
		}
	}
	if got := say(`{"status":"rejected","flag":"data_quality","reason":"looks odd"}`); got.Status != "rejected" || got.ReviewNotes != "" {
		t.Errorf("rejected: %+v", got)
	}
	if got := say(`{"status":"pending","notes":"on second thoughts"}`); got.Status != "pending" || got.Reviewed != nil || got.ReviewNotes != "" {
		t.Errorf("pending again: %+v", got)
	}
	var quality struct {
		Score          *int
		Recommendation *string
		Flags          []struct {
			Type, Reason string
			Automatic    bool
		}
	}
	b.do(t, call{method: "GET", path: "/v1/data-points/" + point + "/quality", owner: ann}).into(t, http.StatusOK, &quality)
	if quality.Score != nil || quality.Recommendation != nil || len(quality.Flags) != 2 || quality.Flags[0].Automatic {
		t.Errorf("quality is %+v", quality)
	}
}

func TestZonesAreReplaced(t *testing.T) {
	t.Parallel()
	b := start(t)
	const path, shore = "/v1/campaigns/coast/zones", `{"zones":[{"name":"shore","ring":[[-10.25,28.5],[180,-90],[-180,90],[-10.25,28.5]]}]}`
	for _, c := range []struct{ method, owner, body, want string }{
		{"GET", ann, "", `{"id":"coast","zones":[]}`},
		{"PUT", ann, shore, `{"id":"coast",` + shore[1:]},
		{"PUT", ann, shore, `{"id":"coast",` + shore[1:]},
		{"GET", ann, "", `{"id":"coast",` + shore[1:]},
		{"GET", ben, "", `{"id":"coast","zones":[]}`}, // a campaign of the same name is another one
		{"PUT", ben, `{"zones":[]}`, `{"id":"coast","zones":[]}`},
		{"GET", ann, "", `{"id":"coast",` + shore[1:]},
		{"PUT", ann, `{"zones":[]}`, `{"id":"coast","zones":[]}`},
		{"GET", ann, "", `{"id":"coast","zones":[]}`},
	} {
		if got := b.do(t, call{method: c.method, path: path, owner: c.owner, body: c.body}); got.status != http.StatusOK || got.body != c.want {
			t.Errorf("%s of %s: %d %s, want %s", c.method, c.owner, got.status, got.body, c.want)
		}
	}
}

func TestPreferencesAreReplaced(t *testing.T) {
	t.Parallel()
	b := start(t)
	const none = `{"muted":[],"webhook_url":null,"topic":false}`
	all := `{"muted":["enrichment.succeeded","enrichment.partial","enrichment.no_data","enrichment.skipped"],"webhook_url":"https://hooks.example.com/a","topic":true}`
	for _, c := range []struct{ method, owner, body, want string }{
		{"GET", ann, "", none},
		{"PUT", ann, all, all},
		{"GET", ann, "", all},
		{"GET", ben, "", none},
		{"PUT", ann, `{"muted":[]}`, none}, // what is left out goes back
		{"PUT", ann, all, all},
		{"PUT", ann, none, none}, // what GET answered may be sent back
		{"PUT", ann, all, all},
		{"PUT", ann, `{}`, none},
		{"GET", ann, "", none},
	} {
		if got := b.do(t, call{method: c.method, path: "/v1/notifications/preferences", owner: c.owner, body: c.body}); got.status != http.StatusOK || got.body != c.want {
			t.Errorf("%s of %s: %d %s, want %s", c.method, c.owner, got.status, got.body, c.want)
		}
	}
}

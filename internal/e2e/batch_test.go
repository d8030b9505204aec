package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/local/cdse"
	"orbitq/internal/local/stack"
	"orbitq/internal/webhook"
)

// receiver is a program of a user that takes callbacks, and notes those that were signed as they should be.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    map[string]int    // deliveries by webhook-id
	kinds  map[string]string // type of the event by webhook-id
	refuse int               // deliveries that are answered with 503
	secret string
}

// receives starts a receiver; the stack must allow loopback addresses.
func receives(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{got: map[string]int{}, kinds: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		raw, err := io.ReadAll(req.Body)
		if err == nil {
			err = webhook.Verify(r.secret, req.Header, raw, time.Now())
		}
		var event struct {
			Type string `json:"type"`
		}
		if err != nil || json.Unmarshal(raw, &event) != nil {
			t.Errorf("callback %v: %v: %s", req.Header, err, raw)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.refuse > 0 {
			r.refuse--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		id := req.Header.Get("Webhook-Id")
		r.got[id]++
		r.kinds[id] = event.Type
	}))
	t.Cleanup(r.Close)
	return r
}

// heard returns the types of the events that came, in order; each id counts once.
func (r *receiver) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, kind := range r.kinds {
		all = append(all, kind)
	}
	slices.Sort(all)
	return all
}

// loopback lets webhooks reach this machine.
func loopback(o *stack.Options) {
	o.Parameters = generous()
	o.Parameters["WebhookAllow"] = "127.0.0.0/8"
}

// batched starts a batch and returns its path.
func (w *world) batched(t *testing.T, token string, body map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	got := w.must(t, token, http.MethodPost, "/v1/batches", string(raw), http.StatusAccepted)
	return "/v1/batches/" + fmt.Sprint(got["id"])
}

// barren makes the provider refuse whatever is asked about the first n of so many clear points.
func (w *world) barren(n, of int) {
	var faults []cdse.Fault
	for _, p := range w.clear(of)[:n] {
		const around = 0.00001
		faults = append(faults, cdse.Fault{Kind: "400", Endpoint: "statistics", BBox: []float64{p.Longitude - around, p.Latitude - around, p.Longitude + around, p.Latitude + around}})
	}
	w.Provider().SetFaults(faults...)
}

// states returns how many callbacks are in each state.
func states(batch map[string]any) string {
	var all []string
	list, _ := batch["callbacks"].([]any)
	for _, c := range list {
		one, _ := c.(map[string]any)
		all = append(all, fmt.Sprint(one["name"], " ", one["state"]))
	}
	return strings.Join(all, ", ")
}

// TestABatchCallsBackAsDocumented runs a batch with failures that are allowed, and then its retry: catch once and finally
// once in the first round, then and finally in the second.
func TestABatchCallsBackAsDocumented(t *testing.T) {
	t.Parallel()
	w := own(t, loopback)
	r, token := receives(t), w.full(t, "batch", "enterprise")
	r.secret = w.signingSecret(t, token)
	ids := w.alone(t, token, 12, "")
	w.barren(2, 12)
	path := w.batched(t, token, map[string]any{
		"name": "August", "data_point_ids": ids, "allow_failures": true, "steps": []string{"enrich", "analyze", "notify"},
		"then": map[string]any{"notify": true}, "catch": map[string]any{"webhook": r.URL}, "finally": map[string]any{"webhook": r.URL},
	})
	got := w.comes(t, token, path, "state", "finished")
	if counts := fmt.Sprint(got["counts"]); counts != "map[cancelled:0 failed:2 pending:0 running:0 skipped:0 succeeded:10]" || got["progress"] != 100.0 {
		t.Errorf("counts %v, progress %v", counts, got["progress"])
	}
	eventually(t, func() error {
		if s := states(w.must(t, token, http.MethodGet, path, "", http.StatusOK)); s != "then waiting, catch delivered, finally delivered" {
			return fmt.Errorf("callbacks: %s", s)
		}
		return nil
	})
	if heard := fmt.Sprint(r.heard()); heard != "[batch.catch batch.finally]" {
		t.Errorf("heard %v", heard)
	}

	w.Provider().SetFaults()
	w.must(t, token, http.MethodPost, path+"/retry", "", http.StatusAccepted)
	got = w.comes(t, token, path, "state", "finished")
	if counts := fmt.Sprint(got["counts"]); counts != "map[cancelled:0 failed:0 pending:0 running:0 skipped:0 succeeded:12]" {
		t.Errorf("counts after the retry %v", counts)
	}
	eventually(t, func() error {
		if s := states(w.must(t, token, http.MethodGet, path, "", http.StatusOK)); s != "then delivered, catch waiting, finally delivered" {
			return fmt.Errorf("callbacks: %s", s)
		}
		return nil
	})
	if heard := fmt.Sprint(r.heard()); heard != "[batch.catch batch.finally batch.finally]" {
		t.Errorf("heard %v", heard)
	}
	w.mustBeAllowed(t)
}

// signingSecret reads what a user's callbacks are signed with.
func (w *world) signingSecret(t *testing.T, token string) string {
	t.Helper()
	return fmt.Sprint(w.must(t, token, http.MethodGet, "/v1/notifications/secret", "", http.StatusOK)["webhook_secret"])
}

// TestAThousandItemsUnderKills runs a batch over a Distributed Map while functions are killed at random: it completes, its
// progress never falls, and finally fires once.
func TestAThousandItemsUnderKills(t *testing.T) {
	const items, kills = 1000, 25
	w := own(t, loopback)
	r, token := receives(t), w.full(t, "thousand", "enterprise")
	r.secret = w.signingSecret(t, token)
	ids := w.alone(t, token, items, "")
	stop := make(chan struct{})
	var chaos sync.WaitGroup
	killed := 0
	chaos.Go(func() { killed = killAtRandom(w, kills, stop, "step", "relay") })
	began := time.Now()
	path := w.batched(t, token, map[string]any{"name": "thousand", "data_point_ids": ids, "then": map[string]any{"webhook": r.URL}, "finally": map[string]any{"webhook": r.URL}})
	last, reads := 0.0, 0
	eventually(t, func() error {
		got := w.must(t, token, http.MethodGet, path, "", http.StatusOK)
		progress, _ := got["progress"].(float64)
		if reads++; progress < last {
			t.Errorf("progress fell from %v to %v", last, progress)
		}
		if last = progress; got["state"] != "finished" {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	close(stop)
	chaos.Wait()
	got := w.must(t, token, http.MethodGet, path, "", http.StatusOK)
	if counts := fmt.Sprint(got["counts"]); counts != fmt.Sprintf("map[cancelled:0 failed:0 pending:0 running:0 skipped:0 succeeded:%d]", items) {
		t.Errorf("counts %v", counts)
	}
	eventually(t, func() error {
		if heard := fmt.Sprint(r.heard()); heard != "[batch.finally batch.then]" {
			return fmt.Errorf("heard %v", heard)
		}
		return nil
	})
	rows := w.rows(t)
	usage := w.must(t, token, http.MethodGet, "/v1/usage", "", http.StatusOK)
	if rows["ANALYSIS"] != items || usage["used"] != float64(items) || usage["reserved"] != 0.0 {
		t.Errorf("%d analyses, usage %v", rows["ANALYSIS"], usage)
	}
	t.Logf("%d items in %.0f s, %d functions killed, %v executions, %d reads of the progress", items, time.Since(began).Seconds(), killed, got["executions"], reads)
	w.mustBeAllowed(t)
}

// TestACancelledBatchStartsNothingMore cancels in the middle: what had not started never runs, what ran is counted, and
// finally fires.
func TestACancelledBatchStartsNothingMore(t *testing.T) {
	t.Parallel()
	const items = 120
	w := own(t, loopback)
	r, token := receives(t), w.full(t, "cancel", "enterprise")
	r.secret = w.signingSecret(t, token)
	ids := w.alone(t, token, items, "")
	w.Provider().SetFaults(cdse.Fault{Kind: "slow", Endpoint: "statistics", DelayMS: 300})
	hook := map[string]any{"webhook": r.URL}
	path := w.batched(t, token, map[string]any{"name": "cancel", "data_point_ids": ids, "then": hook, "finally": hook})
	eventually(t, func() error {
		if got := w.must(t, token, http.MethodGet, path, "", http.StatusOK); got["progress"] == 0.0 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	w.must(t, token, http.MethodPost, path+"/cancel", "", http.StatusOK)
	begun := len(w.Provider().Calls().List)
	got := w.comes(t, token, path, "state", "cancelled")
	counts, _ := got["counts"].(map[string]any)
	usage := w.must(t, token, http.MethodGet, "/v1/usage", "", http.StatusOK)
	analyses := float64(w.rows(t)["ANALYSIS"])
	if counts["succeeded"] != analyses || usage["used"] != analyses || counts["cancelled"] != items-analyses || usage["reserved"] != 0.0 {
		t.Errorf("counts %v, %v analyses, usage %v", counts, analyses, usage)
	}
	// A call that was on its way when the batch was cancelled is no start after it.
	if calls := len(w.Provider().Calls().List); calls > begun+40 || analyses == items {
		t.Errorf("%d calls, %d when it was cancelled", calls, begun)
	}
	eventually(t, func() error {
		if heard := fmt.Sprint(r.heard()); heard != "[batch.finally]" {
			return fmt.Errorf("heard %v", heard)
		}
		return nil
	})
	w.must(t, token, http.MethodPost, path+"/items", fmt.Sprintf(`{"data_point_ids":[%q]}`, ids[0]), http.StatusConflict)
	w.must(t, token, http.MethodPost, path+"/cancel", "", http.StatusOK) // twice is once
}

// TestItemsAreAddedBeforeTheEnd adds items to a batch that goes on, and is refused when it has ended.
func TestItemsAreAddedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	token := w.full(t, "add", "enterprise")
	ids := w.alone(t, token, 30, `,"campaign_id":"c","metric_id":"temperature"`)
	w.Provider().SetFaults(cdse.Fault{Kind: "slow", Endpoint: "statistics", DelayMS: 500})
	path := w.batched(t, token, map[string]any{"name": "add", "data_point_ids": ids[:20], "finally": map[string]any{"notify": true}})
	more, err := json.Marshal(map[string]any{"data_point_ids": ids[20:]})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.must(t, token, http.MethodPost, path+"/items", string(more), http.StatusAccepted); got["total"] != 30.0 || got["executions"] != 2.0 {
		t.Errorf("after the addition %v", got)
	}
	w.must(t, token, http.MethodPost, path+"/items", string(more), http.StatusConflict) // they are in it already
	got := w.comes(t, token, path, "state", "finished")
	if counts, _ := got["counts"].(map[string]any); counts["succeeded"] != 30.0 {
		t.Errorf("counts %v", counts)
	}
	w.must(t, token, http.MethodPost, path+"/items", string(more), http.StatusConflict) // it has ended
	// A batch over a filter finds the same points.
	other := w.batched(t, token, map[string]any{"name": "all", "filter": map[string]any{"campaign_id": "c", "metric_id": "temperature"}})
	if got := w.comes(t, token, other, "state", "finished"); got["total"] != 30.0 {
		t.Errorf("batch over a filter %v", got)
	}
	w.mustBeAllowed(t)
}

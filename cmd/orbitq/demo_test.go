package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/scene"
	"orbitq/internal/local/stack"
)

func samples(t *testing.T) []sample {
	t.Helper()
	picture, err := scene.Load()
	if err != nil {
		t.Fatalf("load scene: %v", err)
	}
	all, err := plan(picture, time.Now())
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	return all
}

func TestPlanCoversWhatCanHappen(t *testing.T) {
	t.Parallel()
	all, counts, places := samples(t), map[string]int{}, map[[2]float64]bool{}
	queues := map[string]bool{}
	for _, s := range all {
		counts[s.want]++
		places[[2]float64{s.point.Latitude, s.point.Longitude}] = true
		queues[s.point.Queue] = true
	}
	want := map[string]int{
		"SUCCEEDED": 16, "CLOUDED": 4, "OUT_OF_COVERAGE": 1, "NO_ACQUISITION": 1, "PRE_MISSION": 1, "NOT_YET_AVAILABLE": 1, "INVALID_FIELD": 1,
	}
	for outcome, n := range want {
		if counts[outcome] != n {
			t.Errorf("%d points with %s, want %d", counts[outcome], outcome, n)
		}
	}
	if len(all) != 25 || len(counts) != len(want) || len(places) != 25 {
		t.Errorf("%d points, %d outcomes, %d places", len(all), len(counts), len(places))
	}
	for _, q := range []string{"high", "default", "low"} {
		if !queues[q] {
			t.Errorf("no point takes the queue %s", q)
		}
	}
}

// counting reads what a stack counts, for demonstrations without one: so many calls for each id that is asked for.
func counting(t *testing.T, api *client.Client) *meter {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]any{"counts": map[string]int{"statistics": 3}}
		switch r.URL.Path {
		case "/_orbitq/counters":
			answer = map[string]any{"calls": map[string]any{
				"orbitq-enrich": map[string]int{"sqs:SendMessage": 2, "dynamodb:Query": 1, "dynamodb:PutItem": 4}, reader: map[string]int{"dynamodb:Query": 9},
			}}
		case "/_orbitq/calls":
			answer = map[string]any{"calls": map[string]any{
				"orbitq-enrich": map[string]int{"dynamodb:Query": len(r.URL.Query()["id"]), "sqs:SendMessage": 3}, reader: map[string]int{"dynamodb:GetItem": 7},
			}}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return &meter{state: stack.State{AWSURL: server.URL, CopernicusURL: server.URL}, api: api, http: server.Client()}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	api := client.New(client.Config{BaseURL: w.url, Token: w.token(t, "ana", "pro", "orbitq/read")})
	m := counting(t, api)
	b, err := m.read(t.Context())
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if b.AWS["dynamodb"] != 5 || b.AWS["sqs"] != 2 || b.Provider["statistics"] != 3 || b.Billed != 0 {
		t.Errorf("got %+v", b)
	}
	if n, err := m.requests(t.Context(), "a", "b"); n != 5 || err != nil {
		t.Errorf("got %d, %v; want 5", n, err)
	}
	spent := bill{AWS: map[string]int{"sqs": 7, "dynamodb": 5}, Billed: 3}.since(b)
	if spent.AWS["sqs"] != 5 || spent.Billed != 3 || len(spent.AWS) != 1 {
		t.Errorf("since: got %+v", spent)
	}
	m.state.AWSURL += "/nowhere"
	m.http = &http.Client{Timeout: time.Second, Transport: refusing{}}
	if _, err := m.read(t.Context()); err == nil {
		t.Error("no error where nothing answers")
	}
}

// refusing is a network without anybody on it.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

// demonstrate runs samples as user demo.
func demonstrate(t *testing.T, w *world, all []sample, patience time.Duration) (*demoReport, string) {
	t.Helper()
	api := client.New(client.Config{BaseURL: w.url, Token: w.token(t, localUser, localTier, "orbitq/read", "orbitq/write")})
	var drawn bytes.Buffer
	d := demonstration{
		api: api, meter: counting(t, api), key: t.Name(), now: time.Now,
		draw: newProgress(&drawn, time.Now()), patience: patience,
	}
	rows, err := d.run(t.Context(), all)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	u, err := api.Usage(t.Context())
	if err != nil {
		t.Fatalf("usage: %v", err)
	}
	r := &demoReport{Rows: rows, Totals: bill{Billed: u.Used}}
	r.judge()
	return r, drawn.String()
}

// TestDemonstration: the plan's expectations hold for the product itself.
func TestDemonstration(t *testing.T) {
	t.Parallel()
	r, drawn := demonstrate(t, newWorld(t), samples(t), time.Minute)
	if len(r.Unexpected) > 0 {
		t.Errorf("unexpected:\n%s", strings.Join(r.Unexpected, "\n"))
	}
	if r.Billable != 16 || r.Totals.Billed != 16 {
		t.Errorf("billable %d, billed %d, want 16", r.Billable, r.Totals.Billed)
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		if (row.Analysis != nil) != (row.Want == string(job.Success)) || row.Job != nil && row.Requests != 5 {
			t.Errorf("%s: analysis %v, %d requests", row.Name, row.Analysis != nil, row.Requests)
		}
	}
	if !strings.Contains(drawn, "25/25  succeeded 23  postponed 1  refused 1") {
		t.Errorf("drawn:\n%s", drawn)
	}
}

// TestDemonstrationNames: whatever ends otherwise is named, with what was expected and what came.
func TestDemonstrationNames(t *testing.T) {
	t.Parallel()
	all := samples(t)
	wrong := slices.Concat(all[:1], all[15:16], all[24:])
	wrong[0].want, wrong[1].want, wrong[2].want = "CLOUDED", "SUCCEEDED", "SUCCEEDED"
	r, _ := demonstrate(t, newWorld(t), wrong, time.Minute)
	r.Totals.Billed++
	r.judge()
	want := []string{
		"clear -6d: expected CLOUDED, got SUCCEEDED", "cloud 1: expected SUCCEEDED, got CLOUDED",
		"latitude 91: expected SUCCEEDED, got INVALID_FIELD: latitude: must be from -90 to 90",
		"usage: expected 2 billed units, one for each analysis, got 2",
	}
	r.Billable = 0
	r.Totals.Billed = 2
	r.judge()
	if want[3] = "usage: expected 1 billed units, one for each analysis, got 2"; !slices.Equal(r.Unexpected, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(r.Unexpected, "\n"), strings.Join(want, "\n"))
	}
}

func TestDemonstrationLosesPatience(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.asleep.Store(true)
	all := samples(t)[:2]
	r, drawn := demonstrate(t, w, all, 300*time.Millisecond)
	if len(r.Unexpected) != 2 || r.Unexpected[0] != "clear -6d: expected SUCCEEDED, got queued" {
		t.Errorf("got %q", r.Unexpected)
	}
	if !strings.Contains(drawn, "0/2  queued 2") {
		t.Errorf("drawn: %q", drawn)
	}
}

func TestDemonstrationEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.asleep.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	api := client.New(client.Config{BaseURL: w.url, Token: w.token(t, localUser, localTier, "orbitq/read", "orbitq/write")})
	d := demonstration{api: api, now: time.Now, draw: newProgress(&bytes.Buffer{}, time.Now()), patience: time.Hour}
	if _, err := d.run(ctx, samples(t)[:2]); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("got %v", err)
	}
}

func TestGoldenDemo(t *testing.T) {
	t.Parallel()
	jobs, analysis := exampleJobs(), exampleAnalysis()
	won := jobs[0]
	won.Outcome = job.Partial
	r := &demoReport{
		Rows: []row{
			{Name: "clear +0d", Lat: 25.2841, Lon: -11.2535, Want: "PARTIAL", Got: "PARTIAL", PointID: "P1", Job: &won, Analysis: &analysis, WaitMS: 364, RunMS: 1250, Requests: 5},
			{Name: "cloud 1", Lat: 25.275, Lon: -11.009, Want: "CLOUDED", Got: "CLOUDED", PointID: "P2", Job: &jobs[0], WaitMS: 12, RunMS: 7, Requests: 15},
			{Name: "today", Lat: 25.275, Lon: -11.009, Want: "NOT_YET_AVAILABLE", Got: "PROVIDER_UNAVAILABLE", PointID: "P3", Job: &jobs[1]},
			{Name: "latitude 91", Lat: 91, Lon: -11.302, Want: "INVALID_FIELD", Got: "INVALID_FIELD", Problem: &client.Problem{Code: job.InvalidField, Detail: "latitude"}},
		},
		Totals: bill{AWS: map[string]int{"dynamodb": 106, "sqs": 42}, Provider: map[string]int{"statistics": 28, "catalog": 2}, Billed: 1},
		TookMS: 1875, Credit: "Contains modified Copernicus Sentinel data 2020", URLs: urls{API: "http://api", AWS: "http://aws", Copernicus: "http://sky"},
	}
	r.judge()
	var out bytes.Buffer
	if err := r.write(&out); err != nil {
		t.Fatalf("write: %v", err)
	}
	if err := r.onwards(&out); err != nil {
		t.Fatalf("write: %v", err)
	}
	out.WriteString(strings.Join(r.Unexpected, "\n") + "\n")
	golden(t, "demo", out.Bytes())
}

func TestProgressIsCalmWithoutATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out, at(0))
	queued, done := map[string]job.State{"a": job.Queued, "b": job.Running}, map[string]job.State{"a": job.Succeeded, "b": refused}
	p.show(queued, 2, at(0.1))
	p.show(queued, 2, at(0.2))                                 // the same
	p.show(map[string]job.State{"a": job.Running}, 2, at(0.3)) // too soon
	p.show(queued, 2, at(5))                                   // still the same
	p.end(done, 2, at(5.5))
	want := "  " + strings.Repeat("░", 24) + "  0/2  queued 1  running 1  100 ms\n  " + strings.Repeat("█", 24) + "  2/2  succeeded 1  refused 1  5.5 s\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestProgressRedrawsOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out, at(0))
	p.live = true
	p.show(map[string]job.State{"a": job.Queued}, 1, at(1))
	p.end(map[string]job.State{"a": job.Succeeded}, 1, at(2))
	if got := out.String(); strings.Count(got, "\r\x1b[K") != 2 || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "1/1  succeeded 1  2.0 s\n") {
		t.Errorf("got %q", got)
	}
	if terminal(&out) {
		t.Error("a buffer is no terminal")
	}
}

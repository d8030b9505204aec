package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// TestWhoStopsWatchingStopsNothing: Ctrl-C ends the command as a failure that says how to look again and how to abort.
func TestWhoStopsWatchingStopsNothing(t *testing.T) {
	t.Parallel()
	const running = `{"id":"01JM8WR2D0K3N5Q7S9V1X3Z5B7","state":"running","step":1,"retried":5,"open":5}`
	for _, output := range []string{"text", "json"} {
		ctx, interrupt := context.WithCancel(t.Context())
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Method+" "+r.URL.Path)
			if r.Method == http.MethodGet {
				interrupt()
			}
			_, _ = w.Write([]byte(running)) // the client would say so
		}))
		var out, errOut bytes.Buffer
		code := execute(ctx, []string{"failed", "retry", "--all", "--canary", "--watch", "--api-url", server.URL, "-o", output}, &out, &errOut)
		server.Close()
		want := "stopped watching; the operation goes on; see it: orbitq operations show 01JM8WR2D0K3N5Q7S9V1X3Z5B7 --watch; stop it: orbitq operations abort 01JM8WR2D0K3N5Q7S9V1X3Z5B7"
		if code != exitFailed || !strings.Contains(errOut.String(), want) || !strings.Contains(out.String(), "running") {
			t.Errorf("%s: exit code %d\n%s%s", output, code, &out, &errOut)
		}
		if len(asked) != 2 || asked[0] != "POST /v1/failed:retry" || asked[1] != "GET /v1/operations/01JM8WR2D0K3N5Q7S9V1X3Z5B7" {
			t.Errorf("%s: asked %v: the operation must go on", output, asked)
		}
	}
}

// TestCausesOfDeaths: the most frequent first, each with its times and the example that is met first.
func TestCausesOfDeaths(t *testing.T) {
	t.Parallel()
	dead := func(id, fingerprint string, code job.Code, seconds float64) client.Job {
		return client.Job{ID: id, State: job.Dead, Fingerprint: fingerprint, CreatedAt: at(0), FinishedAt: when(seconds), Error: &client.Failure{Code: code, Message: "as " + id}}
	}
	old := client.Job{ID: "old", State: job.Dead, CreatedAt: at(1)} // of a release without fingerprints
	all := []client.Job{
		dead("a", "f1", job.ProviderDenied, 90), dead("b", "f2", job.InvalidRequest, 80), old,
		dead("c", "f2", job.InvalidRequest, 120), dead("d", "f2", job.InvalidRequest, 20),
	}
	want := []cause{
		{Fingerprint: "f2", Code: job.InvalidRequest, Count: 3, First: at(20), Last: at(120), Example: "b", Message: "as b"},
		{Fingerprint: "f1", Code: job.ProviderDenied, Count: 1, First: at(90), Last: at(90), Example: "a", Message: "as a"},
		{Count: 1, First: at(1), Last: at(1), Example: "old"},
	}
	got := causesOf(all)
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
	if none := causesOf(nil); none == nil || len(none) != 0 {
		t.Error("no causes must be a list in JSON, not null")
	}
}

func TestGoldenOperatorsViews(t *testing.T) {
	t.Parallel()
	held := exampleJobs()[2]
	held.Unique, held.Tags, held.StartBy = "weekly-4711", []string{"a", "weekly"}, when(3600)
	stopped := client.Operation{
		ID: "01JM8WR2D0K3N5Q7S9V1X3Z5B7", State: "stopped", Reason: "job x failed again", Canary: true, Rate: 200, Step: 2, Retried: 25, Mended: 5, Returned: 1, Open: 19, UpdatedAt: at(120),
	}
	letters := []client.Poison{
		{Queue: "orbitq-satellite", Reason: "message is not JSON", Payload: "hello", Receives: 8, RecordedAt: at(60)},
		{Queue: "orbitq-satellite-low", Reason: "version 7", Payload: `{"v":7,"x":"` + strings.Repeat("ж", 40) + "\x1b[31m\"}", Receives: 1, RecordedAt: at(61)},
	}
	causes := []cause{{Fingerprint: "2ad6051d231e", Code: job.ProviderDenied, Count: 12, First: at(0), Last: at(90), Example: "x", Message: "provider answered 401"}}
	entries := listOf[client.Entry]{Items: []client.Entry{{At: at(3), PointID: "p", JobID: "j", Outcome: "PARTIAL", CostCredits: 0.75}}, More: true}
	for name, write := range map[string]func(w *bytes.Buffer) error{
		"job_held":  func(w *bytes.Buffer) error { return writeJob(w, &held) },
		"operation": func(w *bytes.Buffer) error { return writeOperation(w, &stopped) },
		"poison":    func(w *bytes.Buffer) error { return writePoison(w, letters) },
		"causes":    func(w *bytes.Buffer) error { return writeCauses(w, causes) },
		"ledger":    func(w *bytes.Buffer) error { return writeLedger(w, &entries) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		golden(t, name, out.Bytes())
	}
}

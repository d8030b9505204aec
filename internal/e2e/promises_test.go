package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/cdse"
)

// idle returns the id of a point whose own job has ended as it should, so that further jobs of it have nothing to do.
func (w *world) idle(t *testing.T, c *client.Client) string {
	t.Helper()
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c, created.JobID)
	return created.PointID
}

// TestASynchronousJobAnswersWithItsResult runs a job in its request; a slow one goes on in its queue.
func TestASynchronousJobAnswersWithItsResult(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c, token := w.as(t, "sync", "pro"), w.full(t, "sync", "pro")
	// The point's own job waits, so that the synchronous one finds work to do.
	w.Provider().SetFaults(cdse.Fault{Kind: "400", Endpoint: "statistics"})
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	if j := ended(t, c, created.JobID); j.State != job.Dead {
		t.Fatalf("job %+v", j)
	}
	body := fmt.Sprintf(`{"kind":"enrich","data_point_id":%q,"mode":"sync"}`, created.PointID)
	if got := w.must(t, token, http.MethodPost, "/v1/jobs", body, http.StatusOK); got["state"] != "dead" {
		t.Errorf("refused by the provider: %v", got)
	}
	w.Provider().SetFaults()
	got := w.must(t, token, http.MethodPost, "/v1/jobs", body, http.StatusOK)
	if got["state"] != "succeeded" || got["outcome"] != "SUCCEEDED" || got["attempts"] != 1.0 {
		t.Errorf("answer %v", got)
	}
	if again := w.must(t, token, http.MethodPost, "/v1/jobs", body, http.StatusOK); again["outcome"] != "ALREADY_DONE" {
		t.Errorf("the second answer %v", again)
	}
	u, err := c.Usage(t.Context())
	if err != nil || u.Used != 1 || u.Reserved != 0 {
		t.Errorf("usage %+v, %v", u, err)
	}
	// No message carried the jobs that died: only the first has a dead letter.
	eventually(t, func() error {
		if n := w.depth(t, "satellite-dlq"); n != 1 {
			return fmt.Errorf("%d dead letters", n)
		}
		return nil
	})
}

// TestAUniqueJobIsOneJob dispatches one key many times at once.
func TestAUniqueJobIsOneJob(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c, token := w.as(t, "unique", "pro"), w.full(t, "unique", "pro")
	id := w.idle(t, c)
	body := fmt.Sprintf(`{"kind":"enrich","data_point_id":%q,"unique_key":"weekly","delay":3,"tags":["weekly","b"]}`, id)
	var mu sync.Mutex
	seen := map[string]int{}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			got := w.must(t, token, http.MethodPost, "/v1/jobs", body, http.StatusAccepted)
			mu.Lock()
			defer mu.Unlock()
			seen[fmt.Sprint(got["id"])]++
		})
	}
	all.Wait()
	if len(seen) != 1 {
		t.Fatalf("jobs %v", seen)
	}
	first := ""
	for first = range seen {
		ended(t, c, first)
	}
	if next := w.must(t, token, http.MethodPost, "/v1/jobs", body, http.StatusAccepted); next["id"] == first {
		t.Error("the key was not freed by the end of its job")
	}
	list, _ := w.must(t, token, http.MethodGet, "/v1/jobs?tag=weekly", "", http.StatusOK)["items"].([]any)
	if len(list) != 2 {
		t.Errorf("%d jobs with the tag", len(list))
	}
}

// TestMaxWaitAndSnooze promise times: a start, or none at all; and a later one.
func TestMaxWaitAndSnooze(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c, token := w.as(t, "times", "pro"), w.full(t, "times", "pro")
	id := w.idle(t, c)
	w.must(t, token, http.MethodPost, "/v1/queues/low/pause", "", http.StatusAccepted)
	eventually(t, func() error { return w.feed(t, token, "low", "disabled") })
	late := w.must(t, token, http.MethodPost, "/v1/jobs", fmt.Sprintf(`{"kind":"enrich","data_point_id":%q,"queue":"low","max_wait":1}`, id), http.StatusAccepted)
	waits := w.must(t, token, http.MethodPost, "/v1/jobs", fmt.Sprintf(`{"kind":"enrich","data_point_id":%q,"queue":"low"}`, id), http.StatusAccepted)
	snoozed := w.must(t, token, http.MethodPost, fmt.Sprintf("/v1/jobs/%v/snooze", waits["id"]), `{"seconds":5}`, http.StatusOK)
	if snoozed["state"] != "waiting" {
		t.Errorf("snoozed %v", snoozed)
	}
	// Nothing runs while the queue is paused, however long its messages have been waiting.
	if j, err := c.Job(t.Context(), fmt.Sprint(late["id"])); err != nil || !j.State.Open() {
		t.Errorf("job %+v, %v", j, err)
	}
	until, err := time.Parse(time.RFC3339Nano, fmt.Sprint(late["start_by"]))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if time.Now().Before(until) {
			return errors.New("the promise still stands")
		}
		return nil
	})
	w.must(t, token, http.MethodPost, "/v1/queues/low/resume", "", http.StatusAccepted)
	if j := ended(t, c, fmt.Sprint(late["id"])); j.State != job.Dead || j.Error == nil || j.Error.Code != job.MaxWaitExceeded || j.Attempts != 0 {
		t.Errorf("job %+v, %+v", j, j.Error)
	}
	if j := ended(t, c, fmt.Sprint(waits["id"])); j.State != job.Succeeded || j.StartedAt == nil || j.StartedAt.Before(j.CreatedAt.Add(4*time.Second)) {
		t.Errorf("job %+v", j)
	}
}

// feed says whether a queue's feed is in a state.
func (w *world) feed(t *testing.T, token, queue, want string) error {
	t.Helper()
	lines, _ := w.must(t, token, http.MethodGet, "/v1/queues", "", http.StatusOK)["items"].([]any)
	for _, one := range lines {
		if line, _ := one.(map[string]any); line["queue"] == queue && line["feed"] == want {
			return nil
		}
	}
	return fmt.Errorf("queues are %v", lines)
}

// TestADeathIsTold kills a job, and listens on the operators' topic.
func TestADeathIsTold(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c := w.as(t, "told", "pro")
	w.Provider().SetFaults(cdse.Fault{Kind: "400", Endpoint: "statistics"})
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c, created.JobID)
	eventually(t, func() error {
		told := w.Published("orbitq-operators")
		if len(told) == 0 {
			return errors.New("nothing was told")
		}
		if m := told[0].Message; !strings.Contains(m, created.JobID+".0.dead") || !strings.Contains(m, "INVALID_REQUEST") || !strings.Contains(m, `"fingerprint"`) {
			t.Errorf("told %s", m)
		}
		return nil
	})
	if log := w.logOf(t, "enrich"); !strings.Contains(log, `"action":"dead"`) || !strings.Contains(log, `"DeadJobs":1`) {
		t.Error("neither log line nor metric")
	}
}

// TestACanaryStopsWhenTheFailureReturns retries 40 dead jobs, once with the cause still there and once without.
func TestACanaryStopsWhenTheFailureReturns(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c, token := w.as(t, "canary", "enterprise"), w.full(t, "canary", "enterprise")
	w.Provider().SetFaults(cdse.Fault{Kind: "400", Endpoint: "statistics"})
	var ids []string
	for _, p := range w.clear(40) {
		created, err := c.CreatePoint(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, created.JobID)
	}
	cause := ""
	for _, id := range ids {
		if j := ended(t, c, id); j.State != job.Dead {
			t.Fatalf("job %+v", j)
		}
		got := w.must(t, token, http.MethodGet, "/v1/jobs/"+id, "", http.StatusOK)
		if cause == "" {
			cause = fmt.Sprint(got["fingerprint"])
		}
		if got["fingerprint"] != cause {
			t.Errorf("one cause has two fingerprints: %v and %s", got["fingerprint"], cause)
		}
	}
	before := len(w.Provider().Calls().List)
	body := fmt.Sprintf(`{"fingerprint":%q,"canary":true}`, cause)
	first := w.finished(t, token, w.must(t, token, http.MethodPost, "/v1/failed:retry", body, http.StatusAccepted))
	if first["state"] != "stopped" || first["retried"] != 5.0 || first["returned"] == 0.0 {
		t.Errorf("with the cause still there: %v", first)
	}
	if n := len(w.Provider().Calls().List) - before; n > 5+1 {
		t.Errorf("%d provider calls for five canaries", n)
	}
	w.Provider().SetFaults()
	second := w.finished(t, token, w.must(t, token, http.MethodPost, "/v1/failed:retry", body, http.StatusAccepted))
	if second["state"] != "done" || second["retried"] != 40.0 || second["mended"] != 40.0 || second["step"] != 3.0 {
		t.Errorf("without it: %v", second) // 5, 20, 15
	}
	u, err := c.Usage(t.Context())
	if err != nil || u.Used != 40 {
		t.Errorf("usage %+v, %v", u, err)
	}
}

// finished waits for the end of an operation.
func (w *world) finished(t *testing.T, token string, op map[string]any) map[string]any {
	t.Helper()
	eventually(t, func() error {
		op = w.must(t, token, http.MethodGet, fmt.Sprintf("/v1/operations/%v", op["id"]), "", http.StatusOK)
		if op["state"] == "running" {
			return fmt.Errorf("operation %v", op)
		}
		return nil
	})
	return op
}

// TestSkippedJobsAreMadeUpAfterAnUpgrade uses up the free plan, and upgrades.
func TestSkippedJobsAreMadeUpAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c := w.as(t, "upgrade", "free")
	var ids []string
	for _, p := range w.clear(13) {
		created, err := c.CreatePoint(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, created.JobID)
	}
	skipped := 0
	for _, id := range ids {
		if ended(t, c, id).State == job.Skipped {
			skipped++
		}
	}
	if skipped != 3 {
		t.Fatalf("%d jobs skipped", skipped)
	}
	// Of two tokens of one second the smaller plan would win.
	issued := time.Now().Unix()
	eventually(t, func() error {
		if time.Now().Unix() == issued {
			return errors.New("still the second of the last token")
		}
		return nil
	})
	pro := w.full(t, "upgrade", "pro")
	if got := w.must(t, pro, http.MethodPost, "/v1/usage:make-up", `{"dry_run":true}`, http.StatusOK); got["matched"] != 3.0 {
		t.Errorf("dry run %v", got)
	}
	if got := w.must(t, pro, http.MethodPost, "/v1/usage:make-up", `{}`, http.StatusOK); got["made_up"] != 3.0 {
		t.Errorf("made up %v", got)
	}
	for _, id := range ids {
		if j := ended(t, c, id); j.Outcome != job.Success {
			t.Errorf("job %+v", j)
		}
	}
}

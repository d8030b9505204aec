package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/cdse"
	"orbitq/internal/local/gateway"
)

// actionsOfRoles reads template.yaml line by line: which actions each role allows.
func actionsOfRoles(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	resource, action := regexp.MustCompile(`^  (\w+):$`), regexp.MustCompile(`\b(dynamodb|sqs|secretsmanager|lambda|sns|s3|states):[A-Z]\w+`)
	all := map[string][]string{}
	role := ""
	for line := range strings.Lines(string(raw)) {
		if m := resource.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			role = ""
			if name, ok := strings.CutSuffix(m[1], "Role"); ok {
				role = "orbitq-" + strings.ToLower(name)
			}
		}
		if strings.Contains(line, "Condition:") {
			continue // it names keys, as lambda:FunctionArn, which look like actions
		}
		for _, a := range action.FindAllString(line, -1) {
			if role != "" && !slices.Contains(all[role], a) {
				all[role] = append(all[role], a)
			}
		}
	}
	return all
}

// used returns the actions that a function's calls need.
func used(calls map[string]int) map[string]bool {
	out := map[string]bool{
		// Checked once when a mapping is made, as Lambda does, and not by a call.
		"sqs:GetQueueAttributes": true,
	}
	for operation := range calls {
		out[strings.TrimSuffix(operation, "Batch")] = true
		out[operation] = true
		if operation == "dynamodb:TransactWriteItems" {
			out["dynamodb:PutItem"], out["dynamodb:UpdateItem"], out["dynamodb:ConditionCheckItem"] = true, true, true
		}
	}
	return out
}

// inside lists what Step Functions itself does for a Distributed Map on AWS. The local interpreter runs the children in
// its own process, without a call.
const inside = " orbitq-batch states:StartExecution  orbitq-batch states:DescribeExecution  orbitq-batch states:StopExecution "

// TestEveryAllowedActionIsUsed walks through everything that the functions do.
// Every action of every role must have been needed: taking one away would have
// failed this test with its name.
func TestEveryAllowedActionIsUsed(t *testing.T) {
	t.Parallel()
	w := own(t, loopback)
	c := w.as(t, "roles", "pro")
	// The relay sends what enqueue could not.
	w.SetFaults(gateway.Fault{Principal: "enqueue", Operation: "SendMessage", Mode: "drop_request", Count: 1})
	first, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c, first.JobID)
	// A job that must wait is sent again by its worker.
	w.Provider().SetFaults(cdse.Fault{Kind: "429", Endpoint: "statistics", Count: 1, RetryAfterMS: 1000})
	patient, err := c.CreatePoint(t.Context(), w.clear(3)[2])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c, patient.JobID)
	// A dead job goes to the dead letters; a letter of a finished job is deleted, a stranger is recorded.
	w.Provider().SetFaults(cdse.Fault{Kind: "400", Endpoint: "statistics"})
	second, err := c.CreatePoint(t.Context(), w.clear(2)[1])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c, second.JobID)
	w.send(t, "satellite-dlq", firstMessage(first.JobID))
	w.send(t, "satellite-dlq", "stranger")
	// A letter of an open job without a worker is buried.
	w.Provider().SetFaults()
	w.SetFaults(gateway.Fault{Principal: "enqueue", Operation: "SendMessage", Mode: "drop_request", Count: 1})
	third, err := c.Dispatch(t.Context(), client.NewJob{Kind: "enrich", PointID: second.PointID})
	if err != nil {
		t.Fatal(err)
	}
	w.send(t, "satellite-dlq", firstMessage(third.ID))
	if j := ended(t, c, third.ID); j.State != job.Dead && j.State != job.Succeeded {
		t.Errorf("job %+v", j)
	}
	// A person looks through the failures and tries again.
	token := w.token(t, "roles", "pro", time.Hour, "orbitq/read", "orbitq/write")
	if status, got, _ := w.raw(t, http.MethodGet, "/v1/failed?code=INVALID_REQUEST", token, ""); status != http.StatusOK {
		t.Errorf("failed jobs: %d %v", status, got)
	}
	if status, got, _ := w.raw(t, http.MethodPost, "/v1/failed:retry", token, `{"all":true}`); status != http.StatusOK || got["retried"] == 0.0 {
		t.Errorf("retry: %d %v", status, got)
	}
	if j := ended(t, c, second.JobID); j.State != job.Succeeded || j.Generation != 1 {
		t.Errorf("retried job %+v", j)
	}
	w.operatesEverything(t)
	w.flowsEverything(t)
	for _, err := range c.Jobs(t.Context(), client.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Analyses(t.Context(), first.PointID); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		for role, actions := range actionsOfRoles(t) {
			seen := used(w.Counters().Calls[role])
			for _, a := range actions {
				if !seen[a] && !strings.Contains(inside, " "+role+" "+a+" ") {
					return fmt.Errorf("%s never needed %s", role, a)
				}
			}
		}
		return nil
	})
	if denied := w.Counters().Denied; len(denied) != 0 {
		t.Errorf("denied: %v", denied)
	}
}

// operatesEverything does what people do to queues, failures and skipped jobs, and runs a job in its request.
func (w *world) operatesEverything(t *testing.T) {
	t.Helper()
	token := w.full(t, "roles", "pro")
	w.must(t, token, http.MethodPost, "/v1/queues/low/pause", "", http.StatusAccepted)
	eventually(t, func() error { return w.feed(t, token, "low", "disabled") })
	w.must(t, token, http.MethodPost, "/v1/queues/low/resume", "", http.StatusAccepted)
	w.must(t, token, http.MethodGet, "/v1/queues", "", http.StatusOK)
	w.must(t, token, http.MethodPost, "/v1/usage:make-up", "{}", http.StatusOK)
	// Nobody else fetches the token whose place a refused one leaves.
	w.Provider().SetFaults(cdse.Fault{Kind: "401", Endpoint: "statistics", Count: 1}, cdse.Fault{Kind: "400", Endpoint: "statistics"})
	created, err := w.as(t, "roles", "pro").CreatePoint(t.Context(), w.clear(5)[4])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, w.as(t, "roles", "pro"), created.JobID)
	w.Provider().SetFaults(cdse.Fault{Kind: "401", Endpoint: "statistics", Count: 1})
	w.must(t, token, http.MethodPost, "/v1/jobs", fmt.Sprintf(`{"kind":"enrich","data_point_id":%q,"mode":"sync"}`, created.PointID), http.StatusOK)
	w.Provider().SetFaults()
	w.finished(t, token, w.must(t, token, http.MethodPost, "/v1/failed:retry", `{"all":true,"rate":10}`, http.StatusAccepted))
	w.must(t, token, http.MethodGet, "/v1/jobs/"+created.JobID+"/calls", "", http.StatusOK)
}

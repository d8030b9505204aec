package e2e_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/cdse"
	"orbitq/internal/local/gateway"
	"orbitq/internal/local/stack"
)

// own starts a stack of the test's own, because the test breaks it.
func own(t *testing.T, change func(*stack.Options)) *world {
	t.Helper()
	w, err := open(t.Context(), t.TempDir(), change)
	if err != nil {
		t.Fatalf("start stack: %v", err)
	}
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestAThousandJobsTwiceDeliveredUnderKills is the main promise: every message
// comes twice, functions are killed at random, and each job has one effect.
func TestAThousandJobsTwiceDeliveredUnderKills(t *testing.T) {
	const jobs, kills = 1000, 30
	w := own(t, nil)
	c := w.as(t, "thousand", "enterprise")
	var killed int
	var chaos sync.WaitGroup
	stop := make(chan struct{})
	chaos.Go(func() { killed = killAtRandom(w, kills, stop, "enrich") })
	points := w.clear(jobs)
	var accepting sync.WaitGroup
	for part := range 10 {
		accepting.Go(func() {
			for i := part; i < jobs; i += 10 {
				created, err := c.CreatePoint(t.Context(), points[i])
				if err != nil {
					t.Errorf("point %d: %v", i, err)
					return
				}
				w.send(t, "satellite", firstMessage(created.JobID))
			}
		})
	}
	accepting.Wait()
	eventually(t, func() error {
		if n := w.rows(t)["ANALYSIS"]; n < jobs {
			return fmt.Errorf("%d of %d analyses", n, jobs)
		}
		if n := w.depth(t, "satellite"); n > 0 {
			return fmt.Errorf("%d messages left", n)
		}
		return nil
	})
	close(stop)
	chaos.Wait()
	ends := map[string]int{}
	for j, err := range c.Jobs(t.Context(), client.Filter{Page: 100}) {
		if err != nil {
			t.Fatal(err)
		}
		ends[fmt.Sprint(j.State, " ", j.Outcome)]++
	}
	u, err := c.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := w.rows(t)
	t.Logf("%d functions killed; ends %v; rows %v; usage %+v; provider calls %v", killed, ends, rows, u, w.Provider().Calls().Counts)
	if ends["succeeded SUCCEEDED"] != jobs || len(ends) != 1 || rows["ANALYSIS"] != jobs || u.Used != jobs || u.Reserved != 0 {
		t.Errorf("want %d of everything", jobs)
	}
	if n := w.depth(t, "satellite-dlq"); n != 0 || killed == 0 {
		t.Errorf("%d dead letters, %d kills", n, killed)
	}
}

// killAtRandom kills busy processes of functions at random moments, up to n of them.
func killAtRandom(w *world, n int, stop <-chan struct{}, functions ...string) (killed int) {
	random := rand.New(rand.NewPCG(1, 2))
	for killed < n {
		wait := time.NewTimer(time.Duration(50+random.IntN(400)) * time.Millisecond)
		select {
		case <-stop:
			wait.Stop()
			return killed
		case <-wait.C:
		}
		if _, ok := w.Kill(functions[random.IntN(len(functions))], random); ok {
			killed++
		}
	}
	return killed
}

// TestALostReplyAfterTheCommitBillsOnce cuts the connection after the table has
// committed: the worker never learns that it has.
func TestALostReplyAfterTheCommitBillsOnce(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c := w.as(t, "lost-reply", "enterprise")
	w.SetFaults(gateway.Fault{Principal: "enrich", Operation: "TransactWriteItems", Mode: "drop_reply", Count: 3})
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	j := ended(t, c, created.JobID)
	u, err := c.Usage(t.Context())
	if err != nil || j.Outcome != job.Success || u.Used != 1 || w.rows(t)["ANALYSIS"] != 1 {
		t.Errorf("job %+v, usage %+v, rows %v, %v", j, u, w.rows(t), err)
	}
	eventually(t, func() error {
		if n := w.depth(t, "satellite"); n != 0 {
			return fmt.Errorf("%d messages left", n)
		}
		return nil
	})
}

// TestACrashBeforeTheCommitRunsAgain kills the worker while the provider is slow.
func TestACrashBeforeTheCommitRunsAgain(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c := w.as(t, "crash", "pro")
	if err := w.Provider().SetFaults(cdse.Fault{Kind: cdse.FaultSlow, Endpoint: cdse.EndpointStatistics, DelayMS: 60_000}); err != nil {
		t.Fatal(err)
	}
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		j, err := c.Job(t.Context(), created.JobID)
		if err == nil && j.State != job.Running {
			err = fmt.Errorf("job is %s", j.State)
		}
		return err
	})
	if _, ok := w.Kill("enrich", rand.New(rand.NewPCG(1, 1))); !ok {
		t.Fatal("no worker to kill")
	}
	// Only now: whether the call had arrived before the kill is chance.
	if err := w.Provider().SetFaults(); err != nil {
		t.Fatal(err)
	}
	j := ended(t, c, created.JobID)
	u, err := c.Usage(t.Context())
	if err != nil || j.Outcome != job.Success || j.Attempts != 2 || u.Used != 1 || u.Reserved != 0 {
		t.Errorf("job %+v, usage %+v, %v", j, u, err)
	}
	if len(j.History) != 2 || j.History[0].Code != job.AttemptLost {
		t.Errorf("history %+v", j.History)
	}
}

// TestAnUnsentJobIsSentByTheRelay lets the enqueue function fail between its two
// writes.
func TestAnUnsentJobIsSentByTheRelay(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c := w.as(t, "unsent", "free")
	w.SetFaults(gateway.Fault{Principal: "enqueue", Operation: "SendMessage", Mode: "drop_request", Count: 1})
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	if j := ended(t, c, created.JobID); j.Outcome != job.Success {
		t.Errorf("job %+v", j)
	}
	if w.Counters().Calls["orbitq-relay"]["sqs:SendMessage"] != 1 {
		t.Errorf("calls %v", w.Counters().Calls)
	}
}

// TestAConsoleRedriveRevivesADeadJobOnce lets a job die, redrives the dead letter
// queue as the console does, and lets it succeed.
func TestAConsoleRedriveRevivesADeadJobOnce(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c := w.as(t, "redrive", "pro")
	w.Provider().SetFaults(cdse.Fault{Kind: "400", Endpoint: "statistics"})
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	if j := ended(t, c, created.JobID); j.State != job.Dead || j.Error == nil || j.Error.Code != job.InvalidRequest || j.Attempts != 1 {
		t.Fatalf("job %+v, error %+v", j, j.Error)
	}
	eventually(t, func() error {
		if n := w.depth(t, "satellite-dlq"); n != 1 {
			return fmt.Errorf("%d dead letters", n)
		}
		return nil
	})
	w.Provider().SetFaults()
	arn := "arn:aws:sqs:" + w.State().Region + ":000000000000:orbitq-satellite-dlq"
	eventually(t, func() error {
		// The reconciler may hold the letter for a moment; a redrive of nothing is no error.
		if _, err := w.queue.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn}); err != nil {
			return err
		}
		j, err := c.Job(t.Context(), created.JobID)
		if err == nil && j.State == job.Dead {
			err = errors.New("job is still dead")
		}
		return err
	})
	j := ended(t, c, created.JobID)
	u, err := c.Usage(t.Context())
	if err != nil || j.Outcome != job.Success || j.Generation != 1 || u.Used != 1 || u.Reserved != 0 {
		t.Errorf("job %+v, usage %+v, %v", j, u, err)
	}
	if n := w.depth(t, "satellite-dlq"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// TestPoisonIsRecordedAndHarmsNobody sends what is not a message of ours.
func TestPoisonIsRecordedAndHarmsNobody(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c := w.as(t, "poison", "free")
	for _, body := range []string{"not JSON", `{"v":2,"job":"x"}`, firstMessage("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")} {
		w.send(t, "satellite-dlq", body)
		w.send(t, "satellite", body)
	}
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	if j := ended(t, c, created.JobID); j.Outcome != job.Success {
		t.Errorf("job %+v", j)
	}
	eventually(t, func() error {
		if n := w.rows(t)["POISON"]; n != 3 {
			return fmt.Errorf("%d poison rows", n)
		}
		return nil
	})
	// Those in the work queue are given up within seconds, not after eight visibility timeouts.
	eventually(t, func() error {
		if n := w.depth(t, "satellite-dlq"); n != 6 {
			return fmt.Errorf("%d letters, none may be deleted", n)
		}
		return nil
	})
}

// TestAMissingPermissionNamesItself takes one action from one role of the template.
func TestAMissingPermissionNamesItself(t *testing.T) {
	t.Parallel()
	const all, less = "[dynamodb:UpdateItem, dynamodb:PutItem, dynamodb:GetItem, dynamodb:Query, dynamodb:BatchGetItem, dynamodb:BatchWriteItem, dynamodb:ConditionCheckItem]", "[dynamodb:PutItem, dynamodb:GetItem, dynamodb:Query]"
	template := changedTemplate(t, all, less)
	w := own(t, func(o *stack.Options) { o.Template = template; o.Root = "../.." })
	c := w.as(t, "denied", "free")
	if _, err := c.CreatePoint(t.Context(), w.clear(1)[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		for message := range w.Counters().Denied {
			if strings.Contains(message, "not authorized to perform: dynamodb:UpdateItem on resource") && strings.Contains(message, "/orbitq-enrich ") {
				return nil
			}
		}
		return fmt.Errorf("denied %v", w.Counters().Denied)
	})
}

// TestThrottlingOfTheTableIsNotAnAttempt lets DynamoDB refuse writes for a while: so
// long that the SDK gives up on one, and the job has to come again.
//
// Between its four tries the SDK sleeps up to 1, 2 and 4 seconds, which no local run can
// compress. An attempt must have more time than that, or it ends asleep, which is a
// failure like any other: hence little compression, functions of 15 seconds, and never
// more than 8 seconds of sleep.
func TestThrottlingOfTheTableIsNotAnAttempt(t *testing.T) {
	t.Parallel()
	template := changedTemplate(t, `ORBITQ_RELEASE_WAIT_SECONDS: "60"`, `ORBITQ_RELEASE_WAIT_SECONDS: "4"`)
	w := own(t, func(o *stack.Options) { o.Template, o.Root, o.Speed = template, "../..", 4 })
	c := w.as(t, "throttled", "pro")
	w.SetFaults(
		gateway.Fault{Principal: "enrich", Operation: "TransactWriteItems", Mode: "error", Code: "ThrottlingException", Count: 1},
		gateway.Fault{Principal: "enrich", Operation: "UpdateItem", Mode: "error", Code: "ProvisionedThroughputExceededException", Skip: 1, Count: 4}, // after the claim
	)
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	j := ended(t, c, created.JobID)
	u, err := c.Usage(t.Context())
	if err != nil || j.Outcome != job.Success || j.Attempts != 1 || len(j.History) != 1 || u.Used != 1 || u.Reserved != 0 {
		t.Errorf("job %+v, usage %+v, %v", j, u, err)
	}
	if n := w.Counters().Calls["orbitq-enrich"]["sqs:SendMessage"]; n != 1 {
		t.Errorf("the job was released %d times, want once", n)
	}
}

// changedTemplate is a copy of the template with one change, which must be one.
func changedTemplate(t *testing.T, before, after string) string {
	t.Helper()
	raw, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(raw), before, after, 1)
	if changed == string(raw) {
		t.Fatalf("the template no longer has %q", before)
	}
	// The definitions of the state machines lie beside a template.
	dir := t.TempDir()
	if err := os.CopyFS(dir+"/statemachines", os.DirFS("../../statemachines")); err != nil {
		t.Fatal(err)
	}
	path := dir + "/template.yaml"
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

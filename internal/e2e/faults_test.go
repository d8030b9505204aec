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
	chaos.Go(func() { killed = killAtRandom(w, kills, stop) })
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

// killAtRandom kills busy workers at random moments, up to n of them.
func killAtRandom(w *world, n int, stop <-chan struct{}) (killed int) {
	random := rand.New(rand.NewPCG(1, 2))
	for killed < n {
		wait := time.NewTimer(time.Duration(50+random.IntN(400)) * time.Millisecond)
		select {
		case <-stop:
			wait.Stop()
			return killed
		case <-wait.C:
		}
		if _, ok := w.Kill("enrich", random); ok {
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
	w.Provider().SetFaults(cdse.Fault{Kind: "slow", Endpoint: "statistics", Nth: 1, Count: 1, DelayMS: 60_000})
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
	raw, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	less := strings.Replace(string(raw), "[dynamodb:UpdateItem, dynamodb:PutItem, dynamodb:GetItem, dynamodb:Query]", "[dynamodb:PutItem, dynamodb:GetItem, dynamodb:Query]", 1)
	if less == string(raw) {
		t.Fatal("the template no longer has that line")
	}
	template := t.TempDir() + "/template.yaml"
	if err := os.WriteFile(template, []byte(less), 0o600); err != nil {
		t.Fatal(err)
	}
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

// TestThrottlingOfTheTableIsNotAnAttempt lets DynamoDB refuse writes for a while.
func TestThrottlingOfTheTableIsNotAnAttempt(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c := w.as(t, "throttled", "pro")
	w.SetFaults(
		gateway.Fault{Principal: "enrich", Operation: "TransactWriteItems", Mode: "error", Code: "ThrottlingException", Count: 4},
		gateway.Fault{Principal: "enrich", Operation: "UpdateItem", Mode: "error", Code: "ProvisionedThroughputExceededException", Count: 4},
	)
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	j := ended(t, c, created.JobID)
	u, err := c.Usage(t.Context())
	if err != nil || j.Outcome != job.Success || j.Attempts != 1 || u.Used != 1 || u.Reserved != 0 {
		t.Errorf("job %+v, usage %+v, %v", j, u, err)
	}
}

// TestProviderFaults lets the provider fail in each of its ways; only what another
// try cannot mend kills a job, and only success is billed.
func TestProviderFaults(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		fault    cdse.Fault
		state    job.State
		outcome  job.Outcome
		code     job.Code
		attempts int
	}{
		{"429 once, in milliseconds", cdse.Fault{Kind: "429", Endpoint: "statistics", Count: 1, RetryAfterMS: 1200}, job.Succeeded, job.Success, "", 1},
		{"503 twice", cdse.Fault{Kind: "503", Endpoint: "statistics", Count: 2}, job.Succeeded, job.Success, "", 3},
		{"503 for ever", cdse.Fault{Kind: "503", Endpoint: "statistics"}, job.Dead, "", job.ProviderUnavailable, 3},
		{"HTML from a gateway once", cdse.Fault{Kind: "html502", Endpoint: "statistics", Count: 1}, job.Succeeded, job.Success, "", 2},
		{"reset once", cdse.Fault{Kind: "reset", Endpoint: "statistics", Count: 1}, job.Succeeded, job.Success, "", 2},
		{"token refused once", cdse.Fault{Kind: "401", Endpoint: "statistics", Count: 1}, job.Succeeded, job.Success, "", 1},
		{"token refused for ever", cdse.Fault{Kind: "401", Endpoint: "statistics"}, job.Dead, "", job.ProviderDenied, 1},
		{"wrong request", cdse.Fault{Kind: "400", Endpoint: "statistics"}, job.Dead, "", job.InvalidRequest, 1},
		{"a day failed once", cdse.Fault{Kind: "failed", Endpoint: "statistics", Count: 1}, job.Succeeded, job.Success, "", 1},
		{"no values at all", cdse.Fault{Kind: "nan", Endpoint: "statistics"}, job.Succeeded, job.Clouded, "", 1},
		{"nothing in the window", cdse.Fault{Kind: "empty", Endpoint: "statistics"}, job.Succeeded, job.NoAcquisition, "", 1},
	}
	w := own(t, nil)
	// One after the other: a fault is the whole provider's.
	for i, x := range cases {
		if err := w.Provider().SetFaults(x.fault); err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		c := w.as(t, fmt.Sprintf("provider-%d", i), "pro")
		created, err := c.CreatePoint(t.Context(), w.clear(len(cases))[i])
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		j := ended(t, c, created.JobID)
		u, err := c.Usage(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		billed := 0
		if x.outcome == job.Success {
			billed = 1
		}
		if j.State != x.state || j.Outcome != x.outcome || j.Attempts != x.attempts || u.Used != billed || u.Reserved != 0 {
			t.Errorf("%s: %s %s after %d attempts, error %+v, usage %+v", x.name, j.State, j.Outcome, j.Attempts, j.Error, u)
		}
		if x.code != "" && (j.Error == nil || j.Error.Code != x.code) {
			t.Errorf("%s: error %+v, want %s", x.name, j.Error, x.code)
		}
	}
}

// TestAUsedUpQuotaParksTheJob lets the provider say that the month is used up.
func TestAUsedUpQuotaParksTheJob(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	c := w.as(t, "quota", "pro")
	if err := w.Provider().SetFaults(cdse.Fault{Kind: "403", Endpoint: "statistics"}); err != nil {
		t.Fatal(err)
	}
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		j, err := c.Job(t.Context(), created.JobID)
		if err == nil && (j.State != job.Waiting || j.Error == nil || j.Error.Code != job.ProviderQuota || j.NextAt == nil || j.Attempts != 0) {
			err = fmt.Errorf("job %+v, error %+v", j, j.Error)
		}
		return err
	})
	j, err := c.Job(t.Context(), created.JobID)
	if err != nil || j.NextAt.Day() != 1 || j.NextAt.Before(time.Now()) {
		t.Errorf("next at %v, want the first of a month (%v)", j.NextAt, err)
	}
	if got, err := c.Cancel(t.Context(), created.JobID); err != nil || got.State != job.Cancelled {
		t.Errorf("cancelled %+v, %v", got, err)
	}
	if u, err := c.Usage(t.Context()); err != nil || u.Used != 0 || u.Reserved != 0 {
		t.Errorf("usage %+v, %v", u, err)
	}
}

package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, f := newFakeQueue(), &fakeFunction{}
		m, stop := poll(t, q, f, MappingConfig{})
		if got := m.State(); got != Enabled {
			t.Errorf("state %s", got)
		}
		paused := make(chan error, 1)
		go func() { paused <- m.Pause(t.Context()) }()
		synctest.Wait()
		if got := m.State(); got != Disabling {
			t.Errorf("state %s while polls are out", got)
		}
		q.send("early") // a poll that is out takes it, and it must be worked on
		if err := <-paused; err != nil {
			t.Fatal(err)
		}
		if got := m.State(); got != Disabled || len(q.deletions()) != 1 {
			t.Errorf("state %s, deleted %v", got, q.deleted)
		}
		q.send("late")
		synctest.Wait()
		if len(f.batches) != 1 {
			t.Errorf("%d invocations while disabled", len(f.batches))
		}
		m.Resume()
		synctest.Wait()
		if len(f.batches) != 2 || m.State() != Enabled {
			t.Errorf("%d invocations, %s", len(f.batches), m.State())
		}
		stop()
	})
}

// TestSwitch is Pause for who does not wait: it says what comes next, and takes no order while the last one is under way.
func TestSwitch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, f := newFakeQueue(), &fakeFunction{}
		m, stop := poll(t, q, f, MappingConfig{})
		began := m.Changed()
		turn := func(on bool, answer string, want error, after string) {
			t.Helper()
			if got, err := m.Switch(on); got != answer || !errors.Is(err, want) {
				t.Errorf("switch to %v: %q, %v, want %q, %v", on, got, err, answer, want)
			}
			if got := m.State(); got != after {
				t.Errorf("state %s, want %s", got, after)
			}
		}
		turn(true, Updating, nil, Enabled)
		if !m.Changed().Equal(began) {
			t.Error("what changed nothing is a change")
		}
		pass(time.Second)
		turn(false, Disabling, nil, Disabling)
		if changed := m.Changed(); changed.Sub(began) != time.Second || changed.Location() != time.UTC {
			t.Errorf("changed at %v", changed)
		}
		turn(true, "", ErrInUse, Disabling)
		turn(false, "", ErrInUse, Disabling)
		q.send("early") // the polls that are out end with it, or with their time
		pass(20 * time.Second)
		q.send("late")
		pass(time.Minute)
		if got := q.deletions(); len(got) != 1 || m.State() != Disabled {
			t.Errorf("deleted %v, %s", got, m.State())
		}
		turn(false, Updating, nil, Disabled)
		turn(true, Enabling, nil, Enabled)
		pass(time.Second)
		if got := q.deletions(); len(got) != 2 {
			t.Errorf("deleted %v", got)
		}
		stop()
	})
}

func TestStartsDisabled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, f := newFakeQueue(), &fakeFunction{}
		m, stop := poll(t, q, f, MappingConfig{Disabled: true})
		q.send("a")
		synctest.Wait()
		if polls := q.pollCount(); polls != 0 || m.State() != Disabled {
			t.Errorf("%d polls, %s", polls, m.State())
		}
		stop()
	})
}

func TestPauseGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, stop := poll(t, newFakeQueue(), &fakeFunction{}, MappingConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Pause(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		stop()
	})
}

func TestStopWaitsForInvocations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		work    time.Duration
		took    time.Duration
		deleted int
	}{
		{"within the drain", 2 * time.Second, 2 * time.Second, 1},
		{"beyond it", time.Hour, 5 * time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue()
				q.send("a")
				f := &fakeFunction{answer: func(ctx context.Context, _ []string) (string, string, error) {
					sleep(ctx, c.work)
					return "", "", ctx.Err()
				}}
				began := time.Now()
				_, stop := poll(t, q, f, MappingConfig{MaximumConcurrency: 1})
				stop()
				if took := time.Since(began); took != c.took || len(q.deletions()) != c.deleted {
					t.Errorf("took %v, deleted %v", took, q.deleted)
				}
			})
		})
	}
}

func TestBrokenQueueIsPolledLessAndLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, f := newFakeQueue(), &fakeFunction{}
		q.broken = errors.New("connection refused")
		_, stop := poll(t, q, f, MappingConfig{Pollers: 1})
		pass(time.Minute)
		q.mu.Lock()
		polls := q.polls
		q.broken = nil
		q.mu.Unlock()
		if polls < 15 || polls > 25 {
			t.Errorf("%d polls of a broken queue in a minute", polls)
		}
		q.send("a")
		pass(longestWait)
		if len(q.deletions()) != 1 {
			t.Error("the queue works again, but nobody polls it")
		}
		stop()
	})
}

func TestMappingRefuses(t *testing.T) {
	t.Parallel()
	f := &fakeFunction{}
	for name, c := range map[string]MappingConfig{
		"no queue":             {QueueARN: testQueueARN, Invoke: f.invoke},
		"no function":          {Queue: newFakeQueue(), QueueARN: testQueueARN},
		"no ARN":               {Queue: newFakeQueue(), Invoke: f.invoke, QueueARN: "orbitq-satellite"},
		"ARN of a topic":       {Queue: newFakeQueue(), Invoke: f.invoke, QueueARN: strings.Replace(testQueueARN, "sqs", "sns", 1)},
		"large without window": {Queue: newFakeQueue(), Invoke: f.invoke, QueueARN: testQueueARN, BatchSize: 11},
		"too large":            {Queue: newFakeQueue(), Invoke: f.invoke, QueueARN: testQueueARN, BatchSize: 10001, MaximumBatchingWindow: time.Second},
	} {
		if _, err := NewMapping(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHTTPQueueSpeaksTheProtocol(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"AmazonSQS.ReceiveMessage": `{"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"b","MD5OfBody":"5","Attributes":{"SentTimestamp":"1"},
			"MessageAttributes":{"k":{"StringValue":"v","DataType":"String"}}}]}`,
		"AmazonSQS.DeleteMessageBatch": `{"Successful":[],"Failed":[{"Id":"0","Code":"ReceiptHandleIsInvalid","Message":"no","SenderFault":true}]}`,
	}
	bodies := map[string]map[string]any{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		bodies[target] = body
		if !strings.Contains(r.Header.Get("Authorization"), "Credential=worker/") || !strings.Contains(r.Header.Get("Authorization"), "/eu-west-3/sqs/aws4_request") {
			t.Errorf("authorization %q", r.Header.Get("Authorization"))
		}
		_, _ = io.WriteString(w, answers[target])
	}))
	defer server.Close()
	q := &HTTPQueue{Endpoint: server.URL, URL: "http://q/1", Region: "eu-west-3", AccessKey: "worker"}
	batch, err := q.Receive(t.Context(), 7, 1500*time.Millisecond)
	if err != nil || len(batch) != 1 {
		t.Fatalf("%v %v", batch, err)
	}
	if m := batch[0]; m.MessageId != "m" || m.ReceiptHandle != "r" || m.Body != "b" || m.Md5OfBody != "5" || m.Attributes["SentTimestamp"] != "1" ||
		*m.MessageAttributes["k"].StringValue != "v" {
		t.Errorf("message %+v", m)
	}
	if b := bodies["AmazonSQS.ReceiveMessage"]; b["MaxNumberOfMessages"] != 7.0 || b["WaitTimeSeconds"] != 2.0 || b["QueueUrl"] != "http://q/1" {
		t.Errorf("receive %v", b)
	}
	err = q.Delete(t.Context(), []string{"r"})
	if err == nil || !strings.Contains(err.Error(), "ReceiptHandleIsInvalid") {
		t.Errorf("failed delete: %v", err)
	}
	if want := []any{map[string]any{"Id": "0", "ReceiptHandle": "r"}}; !reflect.DeepEqual(bodies["AmazonSQS.DeleteMessageBatch"]["Entries"], want) {
		t.Errorf("delete %v", bodies["AmazonSQS.DeleteMessageBatch"])
	}
}

func TestHTTPQueueReportsFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"denied", `{"__type":"AccessDenied"}`, http.StatusForbidden, "ReceiveMessage: status 403: {\"__type\":\"AccessDenied\"}"},
		{"not JSON", `<html>`, http.StatusOK, "read answer of ReceiveMessage"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			q := &HTTPQueue{Endpoint: server.URL, URL: "u"}
			if _, err := q.Receive(t.Context(), 1, 0); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if _, err := (&HTTPQueue{Endpoint: closed.URL}).Receive(t.Context(), 1, 0); err == nil {
		t.Error("a closed endpoint gives no error")
	}
}

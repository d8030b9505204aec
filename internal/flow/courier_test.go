package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// delivery reads what became of a callback of the first round.
func (b *bench) delivery(id, name string) flow.Delivery {
	b.t.Helper()
	o, err := b.ShowBatch(b.t.Context(), owner, id)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range o.Calls {
		if c.Name == name && c.Delivery != nil {
			return *c.Delivery
		}
	}
	b.t.Fatalf("%s has not fired: %+v", name, o.Calls)
	return flow.Delivery{}
}

func TestAWebhookSaysWhatBecameOfTheBatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(2, func(w *flow.BatchWish) { w.AllowFailures = true }).ID
	b.acts["enrich "+pointID(1)] = failing(job.InvalidRequest)
	b.drive()
	b.tell()
	if len(b.posts) != 2 {
		t.Fatalf("posted %+v", b.posts)
	}
	// The catch is told as it happens, when nothing is counted yet.
	ended := &job.Counts{Succeeded: 1, Failed: 1}
	for i, want := range []struct {
		url, event, state string
		counts            *job.Counts
	}{{"https://x/catch", "batch.catch", "running", nil}, {"https://x/finally", "batch.finally", "finished", ended}} {
		var got struct {
			Type      string    `json:"type"`
			Timestamp time.Time `json:"timestamp"`
			Data      struct {
				Batch  string      `json:"batch_id"`
				Name   string      `json:"name"`
				State  string      `json:"state"`
				Total  int         `json:"total"`
				Counts *job.Counts `json:"counts"`
				Ended  *time.Time  `json:"finished_at"`
			} `json:"data"`
		}
		if err := json.Unmarshal([]byte(b.posts[i].body), &got); err != nil {
			t.Fatal(err)
		}
		if b.posts[i].url != want.url || b.posts[i].id != id+"-0-"+want.event[len("batch."):] || got.Type != want.event || got.Data.Batch != id || got.Data.Name != "b" ||
			got.Data.State != want.state || !reflect.DeepEqual(got.Data.Counts, want.counts) || got.Data.Total != 2 || (got.Data.Ended == nil) != (want.counts == nil) || !got.Timestamp.Equal(b.now) {
			t.Errorf("posted %+v", b.posts[i])
		}
	}
}

// TestEachWayOfACallbackHasOneEffect, however often it is told.
func TestEachWayOfACallbackHasOneEffect(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, func(w *flow.BatchWish) {
		w.Calls = map[string]job.Callback{job.CallThen: {Kind: "notify", Point: pointID(1)}, job.CallFinally: {Notify: true}}
	}).ID
	b.drive()
	for _, name := range []string{job.CallThen, job.CallFinally} {
		d := b.delivery(id, name)
		if !d.Delivered.Equal(b.now) || !d.Next.IsZero() {
			t.Errorf("%s: %+v", name, d)
		}
		for range 2 { // a crash came between the delivery and the note of it
			if err := b.box.Deliver(t.Context(), d.Event); err != nil {
				t.Error(err)
			}
		}
	}
	inbox, _, err := b.store.Notices(t.Context(), owner, "", 10)
	if err != nil || len(inbox) != 1 || inbox[0].Batch != id || inbox[0].Type != "batch.finally" || inbox[0].Title != "b: finished" || inbox[0].Facts["succeeded"] != 1.0 ||
		inbox[0].Text != "1 of 1 items succeeded, 0 were skipped, 0 failed, 0 were cancelled." {
		t.Errorf("%+v, %v", inbox, err)
	}
	if len(b.sent) != 1 {
		t.Fatalf("sent %+v", b.sent)
	}
	j, err := b.store.Job(t.Context(), b.sent[0].Job)
	if err != nil || j.Kind != "notify" || j.Flow != "" || j.Point != pointID(1) || j.Owner != owner || j.Limit != job.Unlimited || fmt.Sprint(j.Tags) != "[batch:"+id+" callback:batch.then#0]" {
		t.Errorf("%+v, %v", j, err)
	}
	b.now = b.now.Add(time.Hour)
	if b.tell() != 0 {
		t.Error("told again")
	}
}

func TestWhatANoticeSaysOfTheFirstFailure(t *testing.T) {
	t.Parallel()
	for allow, want := range map[bool]string{true: "The first item failed; the others go on.", false: "An item failed; what had not started was cancelled."} {
		b := newBench(t)
		b.batch(1, func(w *flow.BatchWish) {
			w.AllowFailures, w.Calls = allow, map[string]job.Callback{job.CallCatch: {Notify: true}}
		})
		b.acts["enrich"] = failing(job.InvalidRequest)
		b.drive()
		b.tell()
		if inbox, _, err := b.store.Notices(t.Context(), owner, "", 10); err != nil || len(inbox) != 1 || inbox[0].Text != want {
			t.Errorf("%+v, %v", inbox, err)
		}
	}
}

// TestAJobWhoseMessageIsNotSentIsTheRelays: it is accepted, and told once more.
func TestAJobWhoseMessageIsNotSentIsTheRelays(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, func(w *flow.BatchWish) {
		w.Calls = map[string]job.Callback{job.CallThen: {Kind: "notify", Point: pointID(1)}}
	}).ID
	b.refused = errNo
	b.drive()
	d := b.delivery(id, job.CallThen)
	if !d.Delivered.IsZero() {
		t.Fatalf("%+v", d)
	}
	accepted := b.now
	b.now = d.Next
	if err := b.Callback(t.Context(), id, job.CallThen); err != nil || !b.delivery(id, job.CallThen).Delivered.Equal(b.now) {
		t.Errorf("delivered again: %v", err)
	}
	if j, err := b.store.Job(t.Context(), job.DerivedID(d.Event.ID)); err != nil || j.State != job.Queued || !j.Look.Equal(accepted.Add(15*time.Minute)) {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestAPostThatFailsIsTriedAgain later and later, and given up after a day.
func TestAPostThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.batch(1, func(w *flow.BatchWish) { delete(w.Calls, job.CallThen) }).ID
	b.refused = job.Errorf(job.WebhookFailed, "503")
	b.drive()
	began := b.now
	waits := []time.Duration{b.delivery(id, job.CallFinally).Next.Sub(began)} // the state machine was the first to try
	for d := b.delivery(id, job.CallFinally); !d.Next.IsZero() && len(waits) < 100; d = b.delivery(id, job.CallFinally) {
		b.now = d.Next
		if s, err := b.box.Sweep(t.Context()); err != nil || s.Delivered != 0 {
			t.Fatalf("%+v, %v: a receiver that is down is no error of ours", s, err)
		}
		after := b.delivery(id, job.CallFinally)
		if after.Tries != d.Tries+1 || !strings.Contains(after.Reason, "503") {
			t.Fatalf("%+v", after)
		}
		if !after.Next.IsZero() {
			waits = append(waits, after.Next.Sub(b.now))
		}
	}
	if fmt.Sprint(waits[:8]) != "[1m0s 2m0s 4m0s 8m0s 16m0s 32m0s 1h0m0s 1h0m0s]" || waits[len(waits)-1] != time.Hour {
		t.Errorf("waited %v", waits)
	}
	if gone := b.now.Sub(began); gone < 24*time.Hour || gone > 25*time.Hour {
		t.Errorf("given up after %v", gone)
	}
	b.refused = nil
	b.now = b.now.Add(24 * time.Hour)
	if s, err := b.box.Sweep(t.Context()); err != nil || s.Delivered != 0 || len(b.posts) != 0 {
		t.Errorf("%+v, %v, posted %+v", s, err, b.posts)
	}
}

// TestAPostThatIsRefusedIsGivenUpAtOnce, and so is a job about a point that is gone.
func TestAPostThatIsRefusedIsGivenUpAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		call   job.Callback
		broken string
		why    error
		reason string
	}{
		{"by its receiver", job.Callback{URL: "https://x/then"}, "", job.Errorf(job.WebhookRefused, "410"), "410"},
		{"its point is gone", job.Callback{Kind: "notify", Point: pointID(2)}, "", nil, "is gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.points(owner, 2, 1)
			id := b.batch(1, func(w *flow.BatchWish) { w.Calls = map[string]job.Callback{job.CallThen: c.call} }).ID
			b.refused = c.why
			b.gone = pointID(2)
			b.drive()
			if s, err := b.box.Sweep(t.Context()); err != nil || s.Delivered != 0 {
				t.Errorf("%+v, %v", s, err)
			}
			if d := b.delivery(id, job.CallThen); d.Tries != 1 || !d.Next.IsZero() || !d.Delivered.IsZero() || !strings.Contains(d.Reason, c.reason) {
				t.Errorf("%+v", d)
			}
		})
	}
}

// TestANoticeIsPosted to its owner's webhook; other events go to the operators' topic.
func TestANoticeIsPosted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	n := job.Notice{ID: "n", Owner: owner, Type: "enrichment.succeeded", At: b.now, Point: "p", Revision: 2, Title: "T", Text: "X", Facts: map[string]any{"ndvi": 0.5}, URL: "https://x/n", Topic: true}
	for range 2 {
		if err := b.store.PutNotice(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
	}
	if told := b.tell(); told != 2 || len(b.posts) != 1 || len(b.told) != 1 || b.told[0].Type != n.Type || b.told[0].Reason != "T: X" {
		t.Fatalf("told %d, posted %+v, told %+v", told, b.posts, b.told)
	}
	want := `{"data":{"batch_id":"","data_point_id":"p","facts":{"ndvi":0.5},"job_id":"","notification_id":"n","revision":2,"text":"X","title":"T"},"timestamp":"2026-03-15T12:00:00Z","type":"enrichment.succeeded"}`
	if p := b.posts[0]; p.url != "https://x/n" || p.id != "n-webhook" || p.body != want {
		t.Errorf("posted %+v", p)
	}
	if _, _, err := b.Notification(t.Context(), job.Event{Type: job.NoticeWebhook, Owner: owner, Job: "absent"}); job.CodeOf(err) != job.NotFound {
		t.Errorf("a notice that is not there: %v", err)
	}
}

// TestADeliveryThatIsBroken keeps its event.
func TestADeliveryThatIsBroken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op, want string
		call     job.Callback
	}{
		{"Batch", "read batch", job.Callback{URL: "https://x/then"}},
		{"Deliveries", "read event", job.Callback{URL: "https://x/then"}},
		{"MarkDelivered", "mark event", job.Callback{URL: "https://x/then"}},
		{"PutNotice", "put notice", job.Callback{Notify: true}},
		{"Points", "read point", job.Callback{Kind: "notify", Point: pointID(1)}},
		{"Accept", "accept job of callback", job.Callback{Kind: "notify", Point: pointID(1)}},
	} {
		t.Run(c.op, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.batch(1, func(w *flow.BatchWish) { w.Calls = map[string]job.Callback{job.CallThen: c.call} }).ID
			if err := b.mapOver(b.exec.inputs[job.ExecutionName(id, 0)]); err != nil {
				t.Fatal(err)
			}
			if err := b.Callback(t.Context(), id, job.CallThen); err != nil {
				t.Errorf("it has not fired yet: %v", err)
			}
			if _, err := b.Summarise(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			b.seam.broken[c.op] = errNo
			if err := b.Callback(t.Context(), id, job.CallThen); !errors.Is(err, errNo) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			clear(b.seam.broken)
			if d := b.delivery(id, job.CallThen); !d.Delivered.IsZero() {
				t.Errorf("%+v", d)
			}
			b.now = b.now.Add(time.Minute)
			if err := b.Callback(t.Context(), id, job.CallThen); err != nil || b.delivery(id, job.CallThen).Delivered.IsZero() {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestWhoRefusesIsNeverAskedAgain: neither by the state machine, which may ask twice, nor by a
// sweep. The first delivery is the state machine's own, and takes note like every other.
func TestWhoRefusesIsNeverAskedAgain(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]string{"gone": "callback answered 410", "redirected": "callback answered 301: redirects are not followed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			asked := 0
			b.Courier.Post = func(context.Context, string, string, string, []byte, time.Time) error {
				asked++
				return job.Errorf(job.WebhookRefused, "%s", why)
			}
			id := b.batch(1, func(w *flow.BatchWish) { w.Calls = map[string]job.Callback{job.CallThen: {URL: "https://x/then"}} }).ID
			b.drive()
			for range 3 {
				if err := b.Callback(t.Context(), id, job.CallThen); err != nil {
					t.Errorf("the state machine asks again: %v", err)
				}
				b.now = b.now.Add(time.Hour)
				if _, err := b.box.Sweep(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if d := b.delivery(id, job.CallThen); asked != 1 || d.Tries != 1 || !d.Next.IsZero() || !strings.Contains(d.Reason, why) {
				t.Errorf("asked %d times: %+v", asked, d)
			}
		})
	}
}

package deadletter_test

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/memstore"
)

func TestSnooze(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		wait    time.Duration
		script  faulty.Script
		visible time.Duration // -1: no message
	}{
		{"for a minute", time.Minute, faulty.Script{}, time.Minute},
		{"for as long as a message can wait", 15 * time.Minute, faulty.Script{}, 15 * time.Minute},
		{"for a day: the relay sends it", 24 * time.Hour, faulty.Script{}, -1},
		{"and it cannot be sent: the relay will", time.Minute, faulty.Script{"Send": faulty.Refuse}, -1},
	} {
		d := newDesk()
		id := d.put(t, "a", nil)
		maps.Copy(d.script, c.script)
		got, err := d.Snooze(t.Context(), "me", id, c.wait)
		if err != nil || got.State != job.Waiting || got.Code != job.Snoozed || !got.Due.Equal(d.now.Add(c.wait)) || got.Ticket != 2 {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		visible := time.Duration(-1)
		if at, ok := d.queues.NextVisible(); ok {
			visible = at.Sub(d.now)
		}
		if visible != c.visible {
			t.Errorf("%s: a message is visible after %v", c.name, visible)
		}
	}
	d := newDesk()
	dead, mine := d.put(t, "a", d.dead(job.Internal)), d.put(t, "b", nil)
	d.script["Amend"] = faulty.Refuse
	for _, c := range []struct {
		owner, id string
		want      job.Code
	}{{"me", mine, job.Throttled}, {"me", dead, job.StateConflict}, {"you", mine, job.NotFound}, {"me", "628", job.NotFound}} {
		if _, err := d.Snooze(t.Context(), c.owner, c.id, time.Minute); job.CodeOf(err) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if d.queues.Depth("default") != 0 {
		t.Error("a refused snooze sent a message")
	}
}

// TestFlush forgets what the filter means, and nothing else.
func TestFlush(t *testing.T) {
	t.Parallel()
	d := newDesk()
	for i := range 12 {
		code := job.InvalidRequest
		if i%3 == 0 {
			code = job.ProviderDenied
		}
		d.put(t, strconv.Itoa(i), d.dead(code))
	}
	meant := deadletter.Filter{Code: job.ProviderDenied}
	if dry, err := d.Flush(t.Context(), "me", meant, "", true); err != nil || dry != (deadletter.Bulk{Matched: 4}) || d.count(t, job.Dead) != 12 {
		t.Errorf("dry run %+v, %v", dry, err)
	}
	if none, err := d.Flush(t.Context(), "you", meant, "", false); err != nil || none != (deadletter.Bulk{}) {
		t.Errorf("another's %+v, %v", none, err)
	}
	if done, err := d.Flush(t.Context(), "me", meant, "", false); err != nil || done != (deadletter.Bulk{Matched: 4, Done: 4}) || d.count(t, job.Forgotten) != 4 || d.count(t, job.Dead) != 8 {
		t.Errorf("flushed %+v, %v", done, err)
	}
	d.script["Dead"] = faulty.Refuse
	if got, err := d.Flush(t.Context(), "me", meant, "", false); job.CodeOf(err) != job.Throttled || got.Done != 0 {
		t.Errorf("a fault: %+v, %v", got, err)
	}
}

// count counts the jobs in a state.
func (d *desk) count(t *testing.T, s job.State) int {
	t.Helper()
	n := 0
	for _, j := range d.all(t) {
		if j.State == s {
			n++
		}
	}
	return n
}

// TestFailuresOfOneCauseHaveOneName: a filter by fingerprint finds all of them, whatever
// numbers stand in their reasons, within a span of time.
func TestFailuresOfOneCauseHaveOneName(t *testing.T) {
	t.Parallel()
	d := newDesk()
	began := d.now
	for i := range 40 {
		d.now = began.Add(time.Duration(i) * time.Second)
		reason := "no answer after " + strconv.Itoa(i) + " s from 10.0.0." + strconv.Itoa(i)
		if i%4 == 0 {
			reason = "provider said " + strconv.Itoa(500+i) + " bad gateway"
		}
		d.put(t, strconv.Itoa(i), func(j *job.Job) {
			*j = job.Buried(*j, job.ProviderUnavailable, reason, job.Carried{Ticket: 1, Sent: d.now}, d.now)
		})
	}
	names := map[string]int{}
	for _, j := range d.all(t) {
		names[j.Print]++
	}
	if len(names) != 2 {
		t.Fatalf("two causes have %d names: %v", len(names), names)
	}
	list := deadletter.NewFailures(d.store)
	for name, n := range names {
		got, next, err := list.List(t.Context(), "me", deadletter.Filter{Print: name}, "", 100)
		if err != nil || len(got) != n || next != "" {
			t.Errorf("%s: %d of %d, %q, %v", name, len(got), n, next, err)
		}
	}
	span := deadletter.Filter{Since: began.Add(10 * time.Second), Until: began.Add(20 * time.Second)}
	if got, _, err := list.List(t.Context(), "me", span, "", 100); err != nil || len(got) != 10 {
		t.Errorf("within ten seconds: %d, %v", len(got), err)
	}
}

// skipped skips a job until the next month.
func (d *desk) skipped(j *job.Job) { *j = job.SkippedByQuota(*j, d.now.AddDate(0, 1, 0), d.now) }

// TestMakeUp runs skipped jobs under the plan that their owner has now.
func TestMakeUp(t *testing.T) {
	t.Parallel()
	d := newDesk()
	for i := range 230 {
		edit := d.skipped
		if i%2 == 0 {
			edit = nil
		}
		d.put(t, strconv.Itoa(i), edit)
	}
	plan := job.Plan{Tier: "pro", Limit: 100, Anchor: d.now}
	if dry, err := d.MakeUp(t.Context(), "me", plan, "", true); err != nil || dry != (deadletter.Bulk{Matched: 115}) || d.count(t, job.Skipped) != 115 {
		t.Errorf("dry run %+v, %v", dry, err)
	}
	if none, err := d.MakeUp(t.Context(), "you", plan, "", false); err != nil || none != (deadletter.Bulk{}) {
		t.Errorf("another's %+v, %v", none, err)
	}
	if got, err := d.MakeUp(t.Context(), "me", plan, "", false); err != nil || got != (deadletter.Bulk{Matched: 115, Done: 115}) {
		t.Errorf("made up %+v, %v", got, err)
	}
	made := 0
	for _, j := range d.all(t) {
		if j.Generation == 1 && j.State == job.Queued && j.Tier == "pro" && j.Limit == 100 && j.Parked() {
			made++
		}
	}
	if made != 115 || d.queues.Depth("default") != 0 {
		t.Errorf("%d jobs, %d messages: the relay sends them", made, d.queues.Depth("default"))
	}
}

// TestMakeUpPassesOver who was quicker and whose key is taken; a broken table ends it,
// and says how far it came.
func TestMakeUpPassesOver(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.put(t, "held", func(j *job.Job) {
		j.Unique = "k"
		d.skipped(j)
	})
	d.put(t, "holder", func(j *job.Job) { j.Unique = "k" })
	d.put(t, "free", d.skipped)
	if got, err := d.MakeUp(t.Context(), "me", job.Plan{}, "", false); err != nil || got != (deadletter.Bulk{Matched: 2, Done: 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
	d.script["Amend"] = faulty.Refuse
	if got, err := d.MakeUp(t.Context(), "me", job.Plan{}, "", false); job.CodeOf(err) != job.Throttled || got.Done != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	d.Rows = endless{memstore.New(job.DefaultTiming())}
	if got, err := d.MakeUp(t.Context(), "me", job.Plan{}, "", false); err != nil || got.Next != "more" || got.Matched != 0 {
		t.Errorf("a list without end: %+v, %v", got, err)
	}
	d.Rows = endless{}
	if _, err := d.MakeUp(t.Context(), "me", job.Plan{}, "fails", false); err == nil || !strings.Contains(err.Error(), "list jobs") {
		t.Errorf("got %v", err)
	}
}

// endless has pages of open jobs without end.
type endless struct{ deadletter.Rows }

func (endless) Jobs(_ context.Context, _ string, _ job.Group, after string, _ int) ([]job.Job, string, error) {
	if after == "fails" {
		return nil, "", job.Errorf(job.Throttled, "slow down")
	}
	return []job.Job{{State: job.Running}}, "more", nil
}

// TestRetryPassesOverTakenKeys: the work is under way in another job.
func TestRetryPassesOverTakenKeys(t *testing.T) {
	t.Parallel()
	d := newDesk()
	dead := d.put(t, "dead", func(j *job.Job) {
		j.Unique = "k"
		d.dead(job.Internal)(j)
	})
	d.put(t, "holder", func(j *job.Job) { j.Unique = "k" })
	if _, err := d.Retry(t.Context(), "me", dead); job.CodeOf(err) != job.UniqueHeld {
		t.Errorf("got %v", err)
	}
	if got, err := d.RetryMany(t.Context(), "me", deadletter.Filter{}, "", false); err != nil || got != (deadletter.Bulk{Matched: 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

package deadletter_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
)

// desk is an operator's place: a table with jobs of one owner in every state.
type desk struct {
	*deadletter.Operator
	store  *memstore.Store
	queues *memqueue.Queues
	now    time.Time
	script faulty.Script
	ids    byte
}

func newDesk() *desk {
	d := &desk{store: memstore.New(job.DefaultTiming()), now: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), script: faulty.Script{}}
	d.queues = memqueue.New(memqueue.Config{Now: func() time.Time { return d.now }, Visibility: time.Minute, MaxReceives: 8, Names: []string{"default", "high"}})
	p := &faulty.Process{Plan: d.script}
	d.Operator = deadletter.NewOperator(deadletter.OperatorConfig{
		Rows: &faulty.Store{Table: d.store, Process: p}, Sender: &faulty.Queue{Inner: d.queues, Process: p},
		Operations: d.store, Entropy: func() [10]byte { d.ids++; return [10]byte{d.ids} },
		Now: func() time.Time { return d.now }, Timing: job.DefaultTiming(),
	})
	return d
}

// put stores a job of "me" as it is.
func (d *desk) put(t *testing.T, name string, edit func(*job.Job)) string {
	t.Helper()
	j := job.Accepted(job.Job{ID: job.DerivedID(name), Owner: "me", Queue: "default", MaxAttempts: 3, Limit: job.Unlimited}, d.now, time.Hour, time.Hour)
	if edit != nil {
		edit(&j)
	}
	if _, _, err := d.store.Accept(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	return j.ID
}

// dead buries a job.
func (d *desk) dead(code job.Code) func(*job.Job) {
	return func(j *job.Job) { *j = job.Buried(*j, code, "why", job.Carried{Ticket: 1, Sent: d.now}, d.now) }
}

func TestOperatorOnEveryState(t *testing.T) {
	t.Parallel()
	for _, s := range job.States() {
		d := newDesk()
		acts := map[string]struct {
			do   func(context.Context, string, string) (job.Job, error)
			want job.State // empty: refused
		}{
			"cancel": {d.Cancel, map[bool]job.State{true: job.Cancelled}[s.Open() || s == job.Cancelled]},
			"retry":  {d.Retry, map[bool]job.State{true: job.Queued}[s == job.Dead || s == job.Skipped]},
			"forget": {d.Forget, map[bool]job.State{true: job.Forgotten}[s == job.Dead || s == job.Forgotten]},
		}
		for name, act := range acts {
			id := d.put(t, name, func(j *job.Job) { j.State = s })
			got, err := act.do(t.Context(), "me", id)
			if err == nil && got.State != act.want || err != nil && (act.want != "" || job.CodeOf(err) != job.StateConflict) {
				t.Errorf("%s of a %s job: %s, %v", name, s, got.State, err)
			}
			if sent := d.queues.Depth("default"); sent != map[bool]int{true: 1}[act.want == job.Queued] {
				t.Errorf("%s of a %s job sent %d messages", name, s, sent)
			}
			for _, m := range d.queues.Receive("default", 10) {
				d.queues.Acknowledge("default", m.Receipt)
			}
		}
	}
}

func TestOperatorHidesOthersJobs(t *testing.T) {
	t.Parallel()
	d := newDesk()
	mine, missing := d.put(t, "a", d.dead(job.InvalidRequest)), job.DerivedID("none")
	for name, do := range map[string]func(context.Context, string, string) (job.Job, error){"cancel": d.Cancel, "retry": d.Retry, "forget": d.Forget} {
		_, foreign := do(t.Context(), "you", mine)
		_, gone := do(t.Context(), "you", missing)
		_, bad := do(t.Context(), "you", "628")
		if job.CodeOf(foreign) != job.NotFound || strings.ReplaceAll(foreign.Error(), mine, missing) != gone.Error() || job.CodeOf(bad) != job.NotFound {
			t.Errorf("%s: foreign %q, missing %q, no id %q", name, foreign, gone, bad)
		}
	}
	if bulk, err := d.RetryMany(t.Context(), "you", deadletter.Filter{}, "", false); err != nil || bulk != (deadletter.Bulk{}) {
		t.Errorf("another's dead jobs: %+v, %v", bulk, err)
	}
	if j, err := d.store.Job(t.Context(), mine); err != nil || j.State != job.Dead {
		t.Errorf("row %+v, %v", j, err)
	}
}

func TestARetryThatCannotBeSentIsLeftToTheRelay(t *testing.T) {
	t.Parallel()
	d := newDesk()
	id := d.put(t, "a", d.dead(job.InvalidRequest))
	d.script["Send"] = faulty.Refuse
	got, err := d.Retry(t.Context(), "me", id)
	if err != nil || got.State != job.Queued || got.Look.IsZero() || d.queues.Depth("default") != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	d.script["Amend"] = faulty.Refuse
	if _, err := d.Cancel(t.Context(), "me", id); job.CodeOf(err) != job.Throttled {
		t.Errorf("got %v", err)
	}
}

func TestListAndRetryMany(t *testing.T) {
	t.Parallel()
	d := newDesk()
	for i := range 30 {
		d.now = d.now.Add(time.Second)
		code, queue := job.InvalidRequest, "default"
		if i%3 == 0 {
			code, queue = job.ProviderDenied, "high"
		}
		d.put(t, "job"+strconv.Itoa(i), func(j *job.Job) {
			d.dead(code)(j)
			j.Queue = queue
		})
	}
	d.put(t, "open", nil)
	list := deadletter.NewFailures(d.store)
	for _, c := range []struct {
		name string
		f    deadletter.Filter
		want int
	}{
		{"all", deadletter.Filter{}, 30},
		{"by code", deadletter.Filter{Code: job.ProviderDenied}, 10},
		{"by queue", deadletter.Filter{Queue: "default"}, 20},
		{"by both", deadletter.Filter{Code: job.ProviderDenied, Queue: "default"}, 0},
	} {
		seen := map[string]bool{}
		for after, more := "", true; more; more = after != "" {
			page, next, err := list.List(t.Context(), "me", c.f, after, 7)
			if err != nil || len(page) > 7 {
				t.Fatalf("%s: %d jobs, %v", c.name, len(page), err)
			}
			for i := range page {
				seen[page[i].ID] = true
			}
			after = next
		}
		dry, err := d.RetryMany(t.Context(), "me", c.f, "", true)
		if err != nil || len(seen) != c.want || dry != (deadletter.Bulk{Matched: c.want}) {
			t.Errorf("%s: listed %d, dry run %+v, %v", c.name, len(seen), dry, err)
		}
	}
	d.script["Amend"] = faulty.Refuse
	if stopped, err := d.RetryMany(t.Context(), "me", deadletter.Filter{}, "", false); job.CodeOf(err) != job.Throttled || stopped.Done != 0 {
		t.Errorf("a fault: %+v, %v", stopped, err)
	}
	done, err := d.RetryMany(t.Context(), "me", deadletter.Filter{Code: job.ProviderDenied}, "", false)
	if err != nil || done != (deadletter.Bulk{Matched: 10, Done: 10}) || d.queues.Depth("high") != 10 || d.queues.Depth("default") != 0 {
		t.Errorf("retried %+v, %v; %d and %d messages", done, err, d.queues.Depth("high"), d.queues.Depth("default"))
	}
	if again, err := d.RetryMany(t.Context(), "me", deadletter.Filter{Code: job.ProviderDenied}, "", false); err != nil || again != (deadletter.Bulk{}) {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// rowsWithout has dead jobs without end, none of which a filter means.
type rowsWithout struct {
	deadletter.Rows
	pages int
	match bool
}

func (r *rowsWithout) Dead(_ context.Context, owner, _ string, n int) ([]job.Job, string, error) {
	r.pages++
	page := make([]job.Job, n)
	for i := range page {
		page[i] = job.Job{ID: job.DerivedID(strconv.Itoa(r.pages), strconv.Itoa(i)), Owner: owner, State: job.Dead}
		if r.match {
			page[i].Code = job.ProviderDenied
		}
	}
	return page, "p" + strconv.Itoa(r.pages), nil
}

func (*rowsWithout) Amend(context.Context, string, func(job.Job) (job.Job, error)) (job.Job, error) {
	return job.Job{}, job.Errorf(job.StateConflict, "somebody was quicker")
}

func TestRetryManyEnds(t *testing.T) {
	t.Parallel()
	for _, match := range []bool{true, false} {
		r := &rowsWithout{match: match}
		o := deadletter.NewOperator(deadletter.OperatorConfig{Rows: r, Now: time.Now, Timing: job.DefaultTiming()})
		got, err := o.RetryMany(t.Context(), "me", deadletter.Filter{Code: job.ProviderDenied}, "", false)
		if err != nil || r.pages > 20 || got.Next == "" || got.Done != 0 || match && got.Matched != deadletter.MaxRetry {
			t.Errorf("match %v: %+v after %d pages, %v", match, got, r.pages, err)
		}
	}
}

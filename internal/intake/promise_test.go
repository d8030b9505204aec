package intake_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/usage"
)

// door is a limiter with room for some messages.
type door struct {
	mu    sync.Mutex
	room  int
	asked []bool // whether for the high queue
}

func (d *door) Room(_ context.Context, high bool, _ string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, high)
	d.room--
	return d.room >= 0
}

// runner runs a job by writing down what it was given.
type runner struct {
	ran  []job.Job
	ends job.State
	err  error
}

func (r *runner) RunNow(_ context.Context, j *job.Job) (job.Job, error) {
	r.ran = append(r.ran, *j)
	row := *j
	row.State = r.ends
	return row, r.err
}

// feeds remembers what was switched.
type feeds struct {
	switched []string
	err      error
}

func (f *feeds) SetEnabled(_ context.Context, queue string, enabled bool) (string, error) {
	state := map[bool]string{true: "enabling", false: "disabling"}[enabled]
	f.switched = append(f.switched, queue+" "+state)
	return state, f.err
}

// paced returns a bench whose jobs call a provider with so much room.
func paced(room int) (*bench, *door) {
	b, d := newBench(), &door{room: room}
	b.Policies, b.Pacer = map[string]job.Policy{"enrich": {Paced: true}}, d
	b.AsksProvider = func(_ context.Context, _ string, p *point.Point) bool { return p.Value != known }
	return b, d
}

// known is the value of readings whose answer is known.
const known = 77.0

// TestAKnownAnswerWaitsForNoSlot: its job makes no call.
func TestAKnownAnswerWaitsForNoSlot(t *testing.T) {
	t.Parallel()
	b, _ := paced(0)
	r := reading()
	*r.Value = known
	if a, err := b.CreatePoint(t.Context(), by("u", "", "b"), r, "default", false); err != nil || a.Job.AwaitsSlot || b.depth() != 1 {
		t.Errorf("%+v, %v, %d messages", a.Job, err, b.depth())
	}
}

// mine makes a point of "u" and returns its id.
func (b *bench) mine(t *testing.T) string {
	t.Helper()
	return b.create(t, by("u", "", "b")).Point.ID
}

// TestAFullLimiterHoldsMessagesBack: the job is accepted, and the relay sends it.
func TestAFullLimiterHoldsMessagesBack(t *testing.T) {
	t.Parallel()
	b, d := paced(1)
	first, err := b.CreatePoint(t.Context(), by("u", "", "b"), reading(), "high", false)
	if err != nil || first.Job.Parked() || b.depth() != 1 {
		t.Fatalf("with room: %+v, %v, %d messages", first.Job, err, b.depth())
	}
	second, err := b.CreatePoint(t.Context(), by("u", "", "b"), reading(), "low", false)
	if err != nil || !second.Job.Parked() || second.Job.State != job.Queued || b.depth() != 1 {
		t.Errorf("without: %+v, %v, %d messages", second.Job, err, b.depth())
	}
	third, err := b.DispatchJob(t.Context(), by("u", "", "b"), intake.Dispatch{Kind: "enrich", Point: first.Point.ID})
	if stored, e := b.store.Job(t.Context(), third.Job.ID); err != nil || e != nil || !stored.AwaitsSlot || !job.MayResend(&stored, b.now) {
		t.Errorf("without: %+v, %v, %v", stored, err, e)
	}
	if !slices.Equal(d.asked, []bool{true, false, false}) {
		t.Errorf("asked %v", d.asked)
	}
}

// TestWhoDoesNotSendNowAsksForNoRoom: later jobs, and those of kinds without calls.
func TestWhoDoesNotSendNowAsksForNoRoom(t *testing.T) {
	t.Parallel()
	b, d := paced(1)
	p := b.mine(t)
	b.Runner = &runner{ends: job.Succeeded}
	for _, wish := range []intake.Dispatch{{Delay: new(60)}, {RunAt: new(b.now.Add(24 * time.Hour))}} {
		wish.Kind, wish.Point = "enrich", p
		if got, err := b.DispatchJob(t.Context(), by("u", "", "b"), wish); err != nil || got.Job.State != job.Scheduled {
			t.Errorf("%+v: %+v, %v", wish, got.Job, err)
		}
	}
	if _, err := b.DispatchNow(t.Context(), by("u", "", "b"), intake.Dispatch{Kind: "enrich", Point: p}); err != nil {
		t.Error(err)
	}
	b.Policies["plain"] = job.Policy{}
	if got, err := b.DispatchJob(t.Context(), by("u", "", "b"), intake.Dispatch{Kind: "plain", Point: p}); err != nil || got.Job.Parked() {
		t.Errorf("a kind without calls: %+v, %v", got.Job, err)
	}
	if len(d.asked) != 1 {
		t.Errorf("asked %v", d.asked)
	}
}

// TestRulesOfPromises: every rule of the fields that a dispatch may have besides.
func TestRulesOfPromises(t *testing.T) {
	t.Parallel()
	b := newBench()
	p, long := b.mine(t), strings.Repeat("x", job.MaxTagLength)
	year := 366 * 24 * 60 * 60
	for _, c := range []struct {
		name string
		d    intake.Dispatch
		rule string // broken; empty for accepted
	}{
		{"max_wait of a second", intake.Dispatch{MaxWait: new(1)}, ""},
		{"max_wait of a year", intake.Dispatch{MaxWait: new(year)}, ""},
		{"no max_wait", intake.Dispatch{MaxWait: new(0)}, "max_wait range"},
		{"max_wait backwards", intake.Dispatch{MaxWait: new(-1)}, "max_wait range"},
		{"max_wait of more than a year", intake.Dispatch{MaxWait: new(year + 1)}, "max_wait range"},
		{"max_wait beyond what a duration holds", intake.Dispatch{MaxWait: new(1 << 62)}, "max_wait range"},
		{"the longest unique key", intake.Dispatch{Unique: long}, ""},
		{"a longer one", intake.Dispatch{Unique: long + "x"}, "unique_key charset"},
		{"a blank in it", intake.Dispatch{Unique: "a b"}, "unique_key charset"},
		{"a letter beyond ASCII", intake.Dispatch{Unique: "\u00e9"}, "unique_key charset"},
		{"a control character", intake.Dispatch{Unique: "a\x7f"}, "unique_key charset"},
		{"ten tags", intake.Dispatch{Tags: strings.Split("a b c d e f g h i j", " ")}, ""},
		{"eleven tags", intake.Dispatch{Tags: strings.Split("a b c d e f g h i j k", " ")}, "tags max_items"},
		{"the longest tag", intake.Dispatch{Tags: []string{long}}, ""},
		{"a longer one among tags", intake.Dispatch{Tags: []string{"a", long + "x"}}, "tags[1] charset"},
		{"an empty tag", intake.Dispatch{Tags: []string{""}}, "tags[0] charset"},
		{"a blank in a tag", intake.Dispatch{Tags: []string{"a", "b", "c d"}}, "tags[2] charset"},
		{"at once, and later", intake.Dispatch{Now: true, Delay: new(1)}, "mode exclusive"},
		{"at once, and then", intake.Dispatch{Now: true, RunAt: &b.now}, "mode exclusive"},
	} {
		c.d.Kind, c.d.Point = "enrich", p
		got, err := b.DispatchJob(t.Context(), by("u", "", "b"), c.d)
		if c.rule == "" && err != nil || c.rule != "" && !violates(err, c.rule) {
			t.Errorf("%s: %+v, %v", c.name, got.Job, err)
		}
	}
	all := intake.Dispatch{Kind: "enrich", Point: "x", Queue: "x", MaxWait: new(0), Unique: " ", Tags: []string{" "}, Now: true, Delay: new(-1)}
	_, err := b.DispatchJob(t.Context(), by("u", "a key", "b"), all)
	if coded, ok := errors.AsType[*job.Error](err); !ok || len(coded.Violations) != 8 {
		t.Errorf("everything that is wrong is said at once: %v", err)
	}
}

func TestPromisesAreKeptInTheRow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		d       intake.Dispatch
		startBy time.Duration
		tags    []string
	}{
		{"from now", intake.Dispatch{MaxWait: new(60)}, time.Minute, []string{}},
		{"from when it is due", intake.Dispatch{MaxWait: new(60), Delay: new(600)}, 11 * time.Minute, []string{}},
		{"a time in the past is now", intake.Dispatch{MaxWait: new(60), RunAt: new(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))}, time.Minute, []string{}},
		{"tags in order, each once", intake.Dispatch{MaxWait: new(1), Tags: []string{"b", "a", "b"}, Unique: "k"}, time.Second, []string{"a", "b"}},
	} {
		b := newBench()
		c.d.Kind, c.d.Point = "enrich", b.mine(t)
		asked := slices.Clone(c.d.Tags)
		got, err := b.DispatchJob(t.Context(), by("u", "", "b"), c.d)
		j := got.Job
		if err != nil || !j.StartBy.Equal(b.now.Add(c.startBy)) || j.Look.After(j.StartBy) || !slices.Equal(j.Tags, c.tags) || j.Unique != c.d.Unique {
			t.Errorf("%s: %+v, %v", c.name, j, err)
		}
		if !slices.Equal(asked, c.d.Tags) {
			t.Errorf("%s: the caller's tags are %v now", c.name, c.d.Tags)
		}
	}
	b := newBench()
	b.Policies["hardy"] = job.Policy{Tries: 6, Free: true}
	if got, err := b.DispatchJob(t.Context(), by("u", "", "b"), intake.Dispatch{Kind: "hardy", Point: b.mine(t)}); err != nil || got.Job.MaxAttempts != 6 || got.Job.Limit != job.Unlimited || !got.Job.StartBy.IsZero() {
		t.Errorf("a kind with tries of its own, and free: %+v, %v", got.Job, err)
	}
}

// TestAHeldUniqueKeyAnswersWithItsJob: one message in all.
func TestAHeldUniqueKeyAnswersWithItsJob(t *testing.T) {
	t.Parallel()
	b := newBench()
	d := intake.Dispatch{Kind: "enrich", Point: b.mine(t), Unique: "k", Queue: "low"}
	first, err := b.DispatchJob(t.Context(), by("u", "", "one body"), d)
	if err != nil || first.Repeated {
		t.Fatalf("first %+v, %v", first, err)
	}
	for _, key := range []string{"", "a-key-of-its-own"} {
		again, err := b.DispatchJob(t.Context(), by("u", key, "another body"), d)
		if err != nil || !again.Repeated || again.Job.ID != first.Job.ID || b.queues.Depth("low") != 1 {
			t.Errorf("again %+v, %v, %d messages", again, err, b.queues.Depth("low"))
		}
	}
}

// TestDispatchNow: a job runs here once; a repeated request runs nothing.
func TestDispatchNow(t *testing.T) {
	t.Parallel()
	b := newBench()
	p := b.mine(t)
	run := &runner{ends: job.Succeeded}
	b.Runner = run
	before := b.depth()
	first, err := b.DispatchNow(t.Context(), by("u", "key", "b"), intake.Dispatch{Kind: "enrich", Point: p})
	if err != nil || first.Job.State != job.Succeeded || first.Repeated || len(run.ran) != 1 || run.ran[0].State != job.Queued || b.depth() != before {
		t.Errorf("first %+v, %v, ran %+v", first, err, run.ran)
	}
	again, err := b.DispatchNow(t.Context(), by("u", "key", "b"), intake.Dispatch{Kind: "enrich", Point: p})
	if err != nil || !again.Repeated || again.Job.ID != first.Job.ID || len(run.ran) != 1 {
		t.Errorf("again %+v, %v, ran %d", again, err, len(run.ran))
	}
	run.ends, run.err = job.Retrying, errors.New("503")
	failed, err := b.DispatchNow(t.Context(), by("u", "", "b"), intake.Dispatch{Kind: "enrich", Point: p})
	if err != nil || failed.Job.State != job.Retrying || failed.RunErr == nil {
		t.Errorf("failed %+v, %v", failed, err)
	}
	for name, d := range map[string]intake.Dispatch{"later": {Kind: "enrich", Point: p, Delay: new(1)}, "another's": {Kind: "enrich", Point: job.DerivedID("none")}, "unknown": {Kind: "x", Point: p}} {
		if _, err := b.DispatchNow(t.Context(), by("u", "", "b"), d); err == nil || len(run.ran) != 2 {
			t.Errorf("%s: %v, ran %d", name, err, len(run.ran))
		}
	}
}

// TestTheLastPointOfAPlan: what the plan does not allow is refused with its own code.
func TestTheLastPointOfAPlan(t *testing.T) {
	t.Parallel()
	b := newBench()
	for range usage.Free.PointLimit() {
		b.create(t, by("u", "", "b"))
	}
	if _, err := b.CreatePoint(t.Context(), by("u", "", "b"), reading(), "", false); job.CodeOf(err) != job.LimitExceeded {
		t.Errorf("got %v", err)
	}
	b.create(t, by("v", "", "b"))
}

func TestSetQueue(t *testing.T) {
	t.Parallel()
	b, f := newBench(), &feeds{}
	b.Feeds = f
	for _, c := range []struct {
		queue   string
		enabled bool
		state   string
		code    job.Code
	}{
		{"high", false, "disabling", ""},
		{"default", true, "enabling", ""},
		{"low", false, "disabling", ""},
		{"", false, "", job.NotFound},
		{"dead", false, "", job.NotFound},
		{"HIGH", true, "", job.NotFound},
	} {
		got, err := b.SetQueue(t.Context(), c.queue, c.enabled)
		if got != c.state || err != nil && job.CodeOf(err) != c.code || err == nil && c.code != "" {
			t.Errorf("%q: %q, %v", c.queue, got, err)
		}
	}
	if want := []string{"high disabling", "default enabling", "low disabling"}; !slices.Equal(f.switched, want) {
		t.Errorf("switched %v", f.switched)
	}
	f.err = job.Errorf(job.Unavailable, "no answer")
	if _, err := b.SetQueue(t.Context(), "low", true); job.CodeOf(err) != job.Unavailable || !strings.Contains(err.Error(), "change queue") {
		t.Errorf("got %v", err)
	}
}

// TestADispatchMeetsABrokenTable: nothing is sent for a job that may not be there.
func TestADispatchMeetsABrokenTable(t *testing.T) {
	t.Parallel()
	for op, words := range map[string]string{"Point": "read point", "Accept": "accept job"} {
		b := newBench()
		p := b.mine(t)
		sent := b.depth()
		b.script[op] = faulty.Refuse
		_, err := b.DispatchJob(t.Context(), by("u", "", "b"), intake.Dispatch{Kind: "enrich", Point: p})
		if job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), words) || b.depth() != sent {
			t.Errorf("%s: %v, %d messages", op, err, b.depth()-sent)
		}
	}
}

// TestOfManyOnlyThoseWithRoomAreSent: the others wait for the relay, accepted all the same.
func TestOfManyOnlyThoseWithRoomAreSent(t *testing.T) {
	t.Parallel()
	sent := &bulk{sent: map[string][]intake.Outgoing{}}
	in, r, pointID := importer(t, sent)
	in.Policies, in.Pacer = map[string]job.Policy{"enrich": {Paced: true}}, &door{room: 4}
	in.AsksProvider = func(context.Context, string, *point.Point) bool { return true }
	held := 0
	for _, a := range in.DispatchMany(t.Context(), r, wishes(10, pointID)) {
		if a.Err != nil || a.SendErr != nil {
			t.Errorf("answer %+v", a)
		}
		if a.Job.Parked() {
			held++
		}
	}
	if n := len(sent.sent["default"]) + len(sent.sent["low"]); n != 4 || held != 6 {
		t.Errorf("%d sent, %d held", n, held)
	}
}

package sim_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
	"orbitq/internal/usage"
)

// crashes is the plan in which the process that makes the n-th call ends there, and then
// some others do.
type crashes struct {
	rand  *rand.Rand
	n     int
	calls int
	hit   int
}

// Next implements faulty.Plan.
func (c *crashes) Next(op string) faulty.Fault {
	if op == "Deliver" {
		return faulty.None
	}
	if c.calls++; c.calls-1 != c.n && c.rand.IntN(100) > 0 {
		return faulty.None
	}
	c.hit++
	return []faulty.Fault{faulty.CrashBefore, faulty.CrashAfter}[c.rand.IntN(2)]
}

// fate is how a batch is to end.
type fate struct {
	name   string
	steps  []string
	fails  bool // one item does
	cancel bool
}

// fates lists the ends of a batch.
func fates() []fate {
	return []fate{
		{name: "succeeds", steps: []string{"enrich"}},
		{name: "fails", steps: []string{"enrich"}, fails: true},
		{name: "is cancelled", steps: []string{"enrich", "analyze"}, cancel: true},
		{name: "has a failing chain inside", steps: flow.DefaultSteps(), fails: true},
	}
}

// newBatchWorld returns a world with nothing but one batch of four points, whose every
// callback is of one sort.
func newBatchWorld(l *lab, seed uint64, call job.Callback, f *fate) (*world, *crashes) {
	w := newWorld(l, seed, memstore.Protocol())
	plan := &crashes{rand: w.rand, n: int(seed)}
	w.clients, w.mood, w.skewed, w.script = nil, mood{}, 0, plan
	w.policy = limit.DefaultPolicy()
	w.oracle.traffic.policy, w.oracle.traffic.exact = w.policy, true
	w.table.limit = func(string) int { return job.Unlimited }
	own := w.grow("user", 5)
	if call.Kind != "" {
		call.Point = own[4]
	}
	w.flows = &crowd{wishes: []*wish{{
		request: flow.Request{Account: job.Account{Owner: "user", Tier: string(usage.Free), Limit: job.Unlimited}, Key: "key", Body: []byte("body")},
		batch: &flow.BatchWish{
			Name: "batch", Points: own[:4], Steps: f.steps, Queue: "default", AllowFailures: len(f.steps) > 1,
			Calls: map[string]job.Callback{job.CallThen: call, job.CallCatch: call, job.CallFinally: call},
		},
	}}}
	if f.fails {
		w.doomed = own[1]
	}
	return w, plan
}

// crashAlong lives the batch through while processes end, until nothing is left to do.
func (w *world) crashAlong(f *fate) {
	x := w.flows.wishes[0]
	cancelled, at := !f.cancel, w.rand.IntN(60)
	for i := 0; i < 5000 && !w.broken(); i++ {
		switch {
		case x.id == "" && len(w.tasks) == 0:
			w.wish(x)
		case !cancelled && x.id != "" && i > at && w.rand.IntN(20) == 0:
			w.cancelBatch(x, &cancelled)
		case len(w.tasks) > 0 && w.rand.IntN(4) > 0:
			w.turn(w.rand.IntN(len(w.tasks)))
		case w.machines.fire(), w.deliverAll():
		case len(w.tasks) > 0:
			w.turn(0)
		case x.id != "" && w.atRest():
			return
		default:
			w.advance(time.Minute)
			w.relay()
		}
	}
}

// cancelBatch lets the owner take the batch back, again and again until there is an answer.
func (w *world) cancelBatch(x *wish, done *bool) {
	p := w.process(requestTime)
	var err error
	p.spawn(requestTime, func(ctx context.Context) { _, err = p.flow.CancelBatch(ctx, "user", x.id) })
	p.end = func() { *done = *done || err == nil || job.CodeOf(err) == job.StateConflict }
}

// effectsOf counts what a callback of the first round has come to: posts with one id,
// notices or jobs.
func (w *world) effectsOf(call *job.Callback, name string) (n int) {
	o := w.oracle
	id := job.CallID(w.flows.wishes[0].id, 0, name)
	switch {
	case call.URL != "":
		for event, t := range o.flows.events {
			n += bit(event == id && t.times > 0)
		}
	case call.Notify:
		for _, notice := range o.flows.notices {
			n += bit(notice.Type == "batch."+name)
		}
	default:
		for _, j := range o.rows {
			n += bit(slices.Contains(j.Tags, "callback:batch."+name+"#0") && j.State == job.Succeeded && j.Attempts > 0)
		}
	}
	return n
}

// spent reports whether a job died without a failure of its own: each attempt ended with its
// process.
func (w *world) spent() bool {
	for _, j := range w.oracle.rows {
		if j.State == job.Dead && j.Code == job.AttemptsSpent && j.Exceptions == 0 {
			return true
		}
	}
	return false
}

// TestTwoHundredCrashRunsOfEachKind ends processes between any two writes of a batch's
// life: its end is told exactly once, whatever tells of it and however it ended.
func TestTwoHundredCrashRunsOfEachKind(t *testing.T) {
	t.Parallel()
	sorts := map[string]job.Callback{
		"webhook": {URL: "https://hooks.example"}, "notify": {Notify: true}, "job": {Kind: "notify"},
	}
	runs := uint64(200)
	if testing.Short() || raceEnabled {
		runs = 20
	}
	for name, call := range sorts {
		for _, f := range fates() {
			t.Run(name+" of a batch that "+f.name, func(t *testing.T) {
				t.Parallel()
				l := newLab()
				defer l.close()
				hit, worn, views, began := 0, 0, map[string]int{}, time.Now()
				for seed := range runs {
					w, plan := newBatchWorld(l, seed, call, &f)
					w.crashAlong(&f)
					wrong := w.finish()
					if got := w.effectsOf(&call, job.CallFinally); got != 1 || len(wrong) > 0 {
						t.Errorf("seed %d: finally happened %d times, want once\n%s", seed, got, strings.Join(wrong, "\n"))
					}
					ended := w.oracle.flows.batches[w.flows.wishes[0].id]
					w.compareCalls(t, &call, ended)
					// A job may lose all its attempts to crashes.
					spent := w.spent()
					if failed := ended.row.Ended.Failed > 0; failed != f.fails && !spent {
						t.Errorf("seed %d: ended with %+v", seed, ended.row.Ended)
					}
					worn += bit(spent)
					views[ended.row.View()]++
					hit += plan.hit
				}
				if worn > int(runs)/20 {
					t.Errorf("in %d of %d runs a job lost all its attempts to crashes", worn, runs)
				}
				if f.cancel && views["cancelled"] < int(runs)/2 {
					t.Errorf("ended %v: too few were cancelled", views)
				}
				t.Logf("measured: %d runs with %d crashes in %v, ended %v", runs, hit, time.Since(began).Round(time.Millisecond), views)
			})
		}
	}
}

// TestACrashRunCountsEffects: with callbacks that have no fixed ids, crashes must make
// some happen twice, or the test above says nothing.
func TestACrashRunCountsEffects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		gap
		call job.Callback
	}{
		{"notices with any id", gap{anyNotice: true}, job.Callback{Notify: true}},
		{"jobs with any id", gap{anyCall: true}, job.Callback{Kind: "notify"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab()
			defer l.close()
			most, f := 0, fates()[0]
			for seed := range uint64(100) {
				w, _ := newBatchWorld(l, seed, c.call, &f)
				g := c.gap
				g.open(w)
				w.crashAlong(&f)
				w.finish()
				most = max(most, w.effectsOf(&c.call, job.CallFinally))
			}
			if most < 2 {
				t.Errorf("finally happened %d times at most", most)
			}
		})
	}
}

// finish lets everything come to rest, and returns what broke.
func (w *world) finish() []string {
	if !w.broken() {
		w.settleDown()
	}
	for _, p := range w.alive {
		p.Kill()
	}
	w.drop()
	return w.oracle.wrong
}

// compareCalls holds the effects of then and catch against how the batch ended.
func (w *world) compareCalls(t *testing.T, call *job.Callback, b *batchSeen) {
	t.Helper()
	for _, name := range []string{job.CallThen, job.CallCatch} {
		want := bit((&roundEnd{0, b.row.Ended}).fires(name))
		if got := w.effectsOf(call, name); got != want {
			t.Errorf("seed %d: %s happened %d times, want %d: %+v", w.seed, name, got, want, b.row.Ended)
		}
	}
}

package flow_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// manyCalls is more than any scenario here makes.
const manyCalls = 400

// crashes runs a scenario with the process ending at every call of the table in turn, in
// front of its effect or behind it, with a Step Functions that repeats visits or does not.
// The scenario comes to its end each time. It returns how many calls there are.
func crashes(t *testing.T, scenario func(b *bench)) (calls int) {
	t.Helper()
	for _, late := range []bool{false, true} {
		for _, retries := range []int{0, 3} {
			for n := 1; ; n++ {
				b := newBench(t)
				b.seam.cut, b.seam.late, b.retries = n, late, retries
				scenario(b)
				if t.Failed() {
					t.Fatalf("the process ended at call %d, late %v, %d retries", n, late, retries)
				}
				if calls = b.seam.calls; n > calls || n > manyCalls {
					break
				}
			}
		}
	}
	return calls
}

// insist repeats a request until it is answered, as a client with a key does.
func (b *bench) insist(ask func() error) {
	b.t.Helper()
	for range 3 {
		if ask() == nil {
			return
		}
		b.seam.down = false
	}
	b.t.Error("the request is never answered")
}

// atRest demands that no step is open and that none had its effect twice.
func (b *bench) atRest(tracks []string, steps ...string) {
	b.t.Helper()
	for _, track := range tracks {
		for _, step := range steps {
			if j := b.row(track, step); j.State.Open() {
				b.t.Errorf("%s of %s is %s", step, track, j.State)
			}
		}
	}
	if names := b.deliveries(); len(b.posts) > len(names)+1 {
		b.t.Errorf("one crash, and posted %+v", b.posts)
	}
	var done job.Meter // each point that was enriched, and no unit is still reserved
	for _, track := range tracks {
		if j := b.row(track, "enrich"); j.State == job.Succeeded {
			done.Taken, done.Used = done.Taken+1, done.Used+1
		}
	}
	if m, err := b.store.Meter(b.t.Context(), owner, usage.MeterKey(usage.Free, time.Time{}, b.now)); err != nil || m != done {
		b.t.Errorf("billed %+v, want %+v, %v", m, done, err)
	}
}

// deliveries returns the names of the callbacks that were posted, each id once.
func (b *bench) deliveries() []string {
	b.t.Helper()
	ids := map[string]string{}
	for _, p := range b.posts {
		ids[p.id] = p.url[len("https://x/"):]
	}
	return slices.Sorted(maps.Values(ids))
}

// TestABatchSurvivesACrashAtEveryCall: whoever dies where, the batch ends with the right
// counts, and each callback has fired once.
func TestABatchSurvivesACrashAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fails bool
		allow bool
		want  []string
		count job.Counts
	}{
		{"all succeed", false, false, []string{"finally", "then"}, job.Counts{Succeeded: 3}},
		{"one fails, and stops the rest", true, false, []string{"catch", "finally"}, job.Counts{Failed: 1, Cancelled: 2}},
		{"one fails, and may", true, true, []string{"catch", "finally"}, job.Counts{Failed: 1, Succeeded: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			calls := crashes(t, func(b *bench) {
				points := b.points(owner, 1, 3)
				if c.fails {
					b.acts["enrich "+points[0]] = failing(job.InvalidRequest)
				}
				w := flow.BatchWish{Name: "b", Points: points, Steps: []string{"enrich", "analyze"}, AllowFailures: c.allow, Calls: hooks()}
				id := b.insistOnBatch(t, w)
				b.settle()
				got := b.batchRow(id)
				// Who dies early fails late: then there is less to stop.
				stopped := c.fails && !c.allow && got.Ended.Failed == 1 && got.Ended.Final() == 3
				if !got.Closed || got.Ended != c.count && !stopped || got.Total != 3 {
					t.Errorf("%+v", got)
				}
				if all := b.deliveries(); !slices.Equal(all, c.want) {
					t.Errorf("delivered %v", all)
				}
				b.atRest([]string{id + "/" + points[0], id + "/" + points[1], id + "/" + points[2]}, "enrich", "analyze")
			})
			if calls < 20 || calls > manyCalls {
				t.Errorf("%d calls", calls)
			}
		})
	}
}

// insistOnBatch starts a batch, however often the caller dies, and returns its id.
func (b *bench) insistOnBatch(t *testing.T, w flow.BatchWish) string {
	t.Helper()
	var id string
	b.insist(func() error {
		p, err := b.Prepare(t.Context(), request("k", ""), w)
		if err != nil {
			return err
		}
		got, startErr, err := b.StartBatch(t.Context(), p)
		id = got.ID
		return firstOf(startErr, err)
	})
	return id
}

// firstOf returns the first error that is one.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestARetryRoundSurvivesACrashAtEveryCall, with items that are added on the way.
func TestARetryRoundSurvivesACrashAtEveryCall(t *testing.T) {
	t.Parallel()
	crashes(t, func(b *bench) {
		points := b.points(owner, 1, 3)
		down := true
		b.acts["enrich "+points[0]] = func(j *job.Job) (worker.Result, error) {
			if down {
				return worker.Result{}, job.Errorf(job.InvalidRequest, "told to")
			}
			return succeed(j)
		}
		w := flow.BatchWish{Name: "b", Points: points[:2], AllowFailures: true, Calls: hooks()}
		id := b.insistOnBatch(t, w)
		b.insist(func() error {
			_, startErr, err := b.AddItems(t.Context(), job.Account{Owner: owner}, id, points[2:])
			if job.CodeOf(err) == job.StateConflict {
				return nil // the reply of the first was lost
			}
			return firstOf(startErr, err)
		})
		b.settle()
		if got := b.batchRow(id); got.Ended != (job.Counts{Succeeded: 2, Failed: 1}) {
			t.Errorf("first round %+v", got)
		}
		down = false
		b.insist(func() error {
			_, startErr, err := b.RetryBatch(t.Context(), owner, id)
			if job.CodeOf(err) == job.StateConflict {
				return nil
			}
			return firstOf(startErr, err)
		})
		b.settle()
		got := b.batchRow(id)
		if got.Ended != (job.Counts{Succeeded: 3}) || got.Round != 1 || len(b.runs) > 5 {
			t.Errorf("second round %+v after %v", got, b.runs)
		}
		if all := strings.Join(b.deliveries(), ","); all != "catch,finally,finally,then" {
			t.Errorf("delivered %v", all)
		}
	})
}

// TestAChainSurvivesACrashAtEveryCall, its failure and its redrive as well.
func TestAChainSurvivesACrashAtEveryCall(t *testing.T) {
	t.Parallel()
	calls := crashes(t, func(b *bench) {
		p := b.points(owner, 1, 1)[0]
		b.acts["analyze"] = failing(job.InvalidRequest)
		var id string
		b.insist(func() error {
			c, startErr, err := b.StartChain(t.Context(), request("k", ""), flow.ChainWish{Point: p})
			id = c.ID
			return firstOf(startErr, err)
		})
		b.settle()
		if c := b.chainRow(id); c.State != job.TrackFailed || c.Kind() != "analyze" {
			t.Fatalf("%+v", c)
		}
		delete(b.acts, "analyze")
		b.insist(func() error {
			_, startErr, err := b.RedriveChain(t.Context(), owner, id)
			if job.CodeOf(err) == job.StateConflict {
				return nil
			}
			return firstOf(startErr, err)
		})
		b.settle()
		if c := b.chainRow(id); c.State != job.TrackSucceeded || b.row(id, "enrich").Generation != 0 || b.row(id, "analyze").Generation != 1 {
			t.Errorf("%+v, analyze %+v", c, b.row(id, "analyze"))
		}
		b.atRest([]string{id}, "enrich", "analyze", "notify")
	})
	if calls < 20 || calls > manyCalls {
		t.Errorf("%d calls", calls)
	}
}

// TestACancelSurvivesACrashAtEveryCall: nothing stays open.
func TestACancelSurvivesACrashAtEveryCall(t *testing.T) {
	t.Parallel()
	crashes(t, func(b *bench) {
		points := b.points(owner, 1, 2)
		b.acts["enrich "+points[0]] = failing(job.ProviderUnavailable)
		w := flow.BatchWish{Name: "b", Points: points, Calls: hooks()}
		id := b.insistOnBatch(t, w)
		_, _ = b.VisitItem(t.Context(), id, points[0], "r")
		b.seam.down = false
		b.insist(func() error { return only(b.CancelBatch(t.Context(), owner, id)) })
		b.settle()
		got := b.batchRow(id)
		if got.Ended != (job.Counts{Cancelled: 2}) || got.View() != "cancelled" || fmt.Sprint(b.deliveries()) != "[finally]" {
			t.Errorf("%+v, posted %+v", got, b.posts)
		}
		b.atRest([]string{id + "/" + points[0], id + "/" + points[1]}, "enrich")
	})
}

// TestACancelledChainSurvivesACrashAtEveryCall: nor does a step of it.
func TestACancelledChainSurvivesACrashAtEveryCall(t *testing.T) {
	t.Parallel()
	crashes(t, func(b *bench) {
		p := b.points(owner, 1, 1)[0]
		b.acts["enrich"] = failing(job.ProviderUnavailable)
		var id string
		b.insist(func() error {
			c, startErr, err := b.StartChain(t.Context(), request("k", ""), flow.ChainWish{Point: p})
			id = c.ID
			return firstOf(startErr, err)
		})
		if _, err := b.VisitChain(t.Context(), id, "r"); err != nil {
			b.seam.down = false
			b.exec.gone[job.ExecutionName(id, 0)] = b.retries == 0
		}
		b.insist(func() error { return only(b.CancelChain(t.Context(), owner, id)) })
		b.settle()
		if c := b.chainRow(id); c.State != job.TrackCancelled || !c.Look.IsZero() || b.ran("enrich") > 1 {
			t.Errorf("%+v after %v", c, b.runs)
		}
		b.atRest([]string{id}, "enrich", "analyze", "notify")
	})
}

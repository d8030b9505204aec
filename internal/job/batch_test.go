package job_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
)

// calls are all three callbacks of a batch.
func calls() map[string]job.Callback {
	return map[string]job.Callback{job.CallThen: {Notify: true}, job.CallCatch: {Notify: true}, job.CallFinally: {Notify: true}}
}

// newBatch returns a batch of n items at start.
func newBatch(n int, edit func(*job.Batch)) job.Batch {
	b := job.Batch{ID: "b", Account: job.Account{Owner: "u"}, Queue: "low", Steps: []string{"enrich"}, Total: n, Calls: calls(), Round: 9, Runs: 9}
	b = job.NewBatch(b, start(), 15*time.Minute)
	if edit != nil {
		edit(&b)
	}
	return b
}

// closedBatch returns a batch that ended with counts.
func closedBatch(c job.Counts) job.Batch {
	return newBatch(c.Total(), func(b *job.Batch) { b.Closed, b.Ended = true, c })
}

// world is a batch with its items, and what has fired.
type world struct {
	t     *rapid.T
	batch job.Batch
	items []job.Item
	fired map[string]int // by id of the event
	last  int            // progress so far, of this round and total
}

// write takes a batch and its events.
func (w *world) write(b job.Batch, events []job.Event) {
	w.batch = b
	for _, e := range events {
		w.fired[e.ID]++
		if e.ID != job.CallID(b.ID, b.Round, e.Type[len("batch."):]) || e.Job != b.ID || e.Generation != b.Round || e.Owner != b.Owner {
			w.t.Fatalf("event %+v of %+v", e, b)
		}
	}
}

// end ends an item that has not, and says so if it failed.
func (w *world) end(now time.Time) {
	k := rapid.IntRange(0, len(w.items)-1).Draw(w.t, "item")
	it := w.batch.Now(w.items[k])
	if it.State.Final() {
		return
	}
	row := job.Job{State: rapid.SampledFrom([]job.State{job.Succeeded, job.Skipped, job.Dead, job.Cancelled}).Draw(w.t, "end"), Generation: it.Least}
	if row.State == job.Skipped {
		row.Outcome = job.UserQuotaExceeded
	}
	it.Track = it.After(&row, now)
	w.items[k] = it
	if it.State == job.TrackFailed && rapid.Bool().Draw(w.t, "said") {
		w.write(job.CatchBatch(w.batch, now))
	}
}

// summarise counts and closes.
func (w *world) summarise(now time.Time) {
	c := w.batch.Count(w.items)
	if c.Failed > 0 {
		w.write(job.CatchBatch(w.batch, now))
	}
	was := w.batch.Closed
	next, events, closed := job.CloseBatch(w.batch, c, now)
	if closed != (!was && c.Final() == len(w.items)) {
		w.t.Fatalf("closed %v with %+v of %d: %+v", closed, c, len(w.items), w.batch)
	}
	w.write(next, events)
}

// person lets the owner ask for something.
func (w *world) person(now time.Time) {
	var (
		next job.Batch
		err  error
		may  bool
	)
	switch rapid.IntRange(0, 2).Draw(w.t, "wish") {
	case 0:
		may = !w.batch.Closed || w.batch.Stop == job.StopCancelled
		next, err = job.CancelBatch(w.batch)
	case 1:
		may = !w.batch.Closed && w.batch.Stop == ""
		if next, err = job.AddToBatch(w.batch, 2, now, time.Minute); err == nil {
			for range 2 {
				w.items = append(w.items, next.Item(strconv.Itoa(len(w.items)), 1))
			}
			w.last = 0 // more to do
		}
	default:
		may = w.batch.Closed && w.batch.Ended.Failed+w.batch.Ended.Cancelled > 0
		if next, err = job.RetryBatch(w.batch, now, time.Minute); err == nil {
			w.last = 0
		}
	}
	if (err == nil) != may || err != nil && job.CodeOf(err) != job.StateConflict {
		w.t.Fatalf("may %v: %v of %+v", may, err, w.batch)
	}
	if err == nil {
		w.batch = next
	}
}

// check holds the world against what it promises.
func (w *world) check() {
	c := w.batch.Count(w.items)
	p := c.Progress()
	for name, kept := range map[string]bool{
		"the counts are of all items":            c.Total() == len(w.items) && c.Total() == w.batch.Total,
		"progress never goes back":               p >= w.last && p >= 0,
		"a hundred only at the end":              (p == 100) == (c.Final() == c.Total()),
		"who is closed has no look, others have": w.batch.Closed == w.batch.Look.IsZero() && w.batch.Closed == !w.batch.Finished.IsZero(),
		"it closed with what there is":           !w.batch.Closed || w.batch.Ended == c,
		"a stop has a reason":                    w.batch.Stop != job.StopFailed || w.batch.Caught,
	} {
		if !kept {
			w.t.Fatalf("%s: %d before, %+v of %+v", name, w.last, c, w.batch)
		}
	}
	w.last = p
	for round := range w.batch.Round + 1 {
		then, catch, finally := w.fired[job.CallID("b", round, "then")], w.fired[job.CallID("b", round, "catch")], w.fired[job.CallID("b", round, "finally")]
		ended := round < w.batch.Round || w.batch.Closed
		if catch > 1 || then > 1 || then+catch > 1 || ended && finally != 1 || !ended && then+finally > 0 {
			w.t.Fatalf("round %d: then %d, catch %d, finally %d of %+v", round, then, catch, finally, w.batch)
		}
		if round == w.batch.Round && ended && (then == 1) != (c.Failed+c.Cancelled == 0) {
			w.t.Fatalf("then fired %d times with %+v", then, c)
		}
	}
}

// TestABatchInAnyOrder: whatever happens in whichever order, the counts are those of the
// items, and each callback fires at most once a round, finally exactly once.
func TestABatchInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "items")
		w := &world{t: t, fired: map[string]int{}, batch: newBatch(n, func(b *job.Batch) { b.AllowFailures = rapid.Bool().Draw(t, "allow") })}
		for k := range n {
			w.items = append(w.items, w.batch.Item(strconv.Itoa(k), 1))
		}
		now := start()
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now = now.Add(time.Second)
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0, 1, 2:
				w.end(now)
			case 3, 4:
				w.summarise(now)
			default:
				w.person(now)
			}
			w.check()
		}
	})
}

func TestANewBatch(t *testing.T) {
	t.Parallel()
	b := newBatch(3, nil)
	if b.Round != 0 || b.Runs != 0 || !b.Created.Equal(start()) || !b.Began.Equal(start()) || !b.Look.Equal(start().Add(15*time.Minute)) || b.View() != "running" {
		t.Errorf("got %+v", b)
	}
	it := b.Item("p", 4)
	if it.Key != "b/p" || it.Point != "p" || it.Revision != 4 || it.State != job.TrackPending || !slices.Equal(it.Steps, b.Steps) {
		t.Errorf("item %+v", it)
	}
	j := b.Job(&it)
	if j.ID != job.StepID("b/p", "enrich") || j.Flow != "batch/b" || j.Owner != "u" || j.Queue != "low" || j.Kind != "enrich" || j.Revision != 4 {
		t.Errorf("job %+v", j)
	}
	b.Round = 2
	if late := b.Item("q", 1); late.Round != 2 {
		t.Errorf("item %+v", late)
	}
	other := b
	other.BodyHash = "x"
	if b.Partition() != b.Partition() || b.Partition() == other.Partition() { //nolint:staticcheck // the same each time
		t.Error("partitions do not regard the body alone")
	}
}

// TestCloseIsRefused to whoever has not counted all, or not what there is.
func TestCloseIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		batch  job.Batch
		counts job.Counts
	}{
		{"one is open", newBatch(3, nil), job.Counts{Succeeded: 2, Running: 1}},
		{"one was added", newBatch(4, nil), job.Counts{Succeeded: 3}},
		{"one is counted twice", newBatch(2, nil), job.Counts{Succeeded: 3}},
		{"as many are final, and one is not", newBatch(2, nil), job.Counts{Succeeded: 2, Pending: 1}},
		{"nobody has caught", newBatch(1, nil), job.Counts{Failed: 1}},
		{"closed", closedBatch(job.Counts{Succeeded: 1}), job.Counts{Succeeded: 1}},
	} {
		got, events, closed := job.CloseBatch(c.batch, c.counts, start())
		if closed || events != nil || fmt.Sprint(got) != fmt.Sprint(c.batch) {
			t.Errorf("%s: %+v, %+v", c.name, got, events)
		}
	}
}

// TestWhatFires at the end, and by which name.
func TestWhatFires(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		counts job.Counts
		edit   func(*job.Batch)
		want   string
	}{
		{"all succeeded", job.Counts{Succeeded: 2}, nil, "[b-0-then b-0-finally]"},
		{"some were skipped", job.Counts{Succeeded: 1, Skipped: 1}, nil, "[b-0-then b-0-finally]"},
		{"one failed", job.Counts{Succeeded: 1, Failed: 1}, nil, "[b-0-finally]"},
		{"one was cancelled", job.Counts{Succeeded: 1, Cancelled: 1}, nil, "[b-0-finally]"},
		{"in another round", job.Counts{Succeeded: 2}, func(b *job.Batch) { b.Round = 3 }, "[b-3-then b-3-finally]"},
		{"only those that there are", job.Counts{Succeeded: 2}, func(b *job.Batch) { delete(b.Calls, job.CallFinally) }, "[b-0-then]"},
		{"none", job.Counts{Succeeded: 2}, func(b *job.Batch) { b.Calls = nil }, "[]"},
	} {
		b := newBatch(2, func(b *job.Batch) { b.Caught = true })
		if c.edit != nil {
			c.edit(&b)
		}
		got, events, closed := job.CloseBatch(b, c.counts, start())
		ids := []string{}
		for _, e := range events {
			ids = append(ids, e.ID)
			if !e.At.Equal(start()) || e.Queue != "low" {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
		if fmt.Sprint(ids) != c.want || !closed || got.Ended != c.counts || !got.Finished.Equal(start()) {
			t.Errorf("%s: fired %v, want %s, %+v", c.name, ids, c.want, got)
		}
	}
}

func TestCatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		batch job.Batch
		stop  job.Stop
		fires int
	}{
		{"the first", newBatch(2, nil), job.StopFailed, 1},
		{"the first, and failures are allowed", newBatch(2, func(b *job.Batch) { b.AllowFailures = true }), "", 1},
		{"the first of a cancelled batch", newBatch(2, func(b *job.Batch) { b.Stop = job.StopCancelled }), job.StopCancelled, 1},
		{"the second", newBatch(2, func(b *job.Batch) { b.Caught = true }), "", 0},
		{"after the end", closedBatch(job.Counts{Succeeded: 2}), "", 0},
	} {
		got, events := job.CatchBatch(c.batch, start())
		if got.Stop != c.stop || len(events) != c.fires || got.Caught == got.Closed {
			t.Errorf("%s: %+v, %+v", c.name, got, events)
		}
		if again, more := job.CatchBatch(got, start()); more != nil || fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("%s again: %+v", c.name, more)
		}
	}
}

// TestWhatABatchRefuses: one row for each wish in each view.
func TestWhatABatchRefuses(t *testing.T) {
	t.Parallel()
	running, now := newBatch(2, nil), start().Add(time.Hour)
	stopping := newBatch(2, func(b *job.Batch) { b.Stop = job.StopFailed })
	cancelling := newBatch(2, func(b *job.Batch) { b.Stop = job.StopCancelled })
	finished, failed := closedBatch(job.Counts{Succeeded: 2}), closedBatch(job.Counts{Succeeded: 1, Failed: 1})
	cancelled := closedBatch(job.Counts{Cancelled: 2})
	cancelled.Stop = job.StopCancelled
	for _, c := range []struct {
		view               string
		batch              job.Batch
		cancel, add, retry bool
	}{
		{"running", running, true, true, false},
		{"stopping", stopping, true, false, false},
		{"stopping", cancelling, true, false, false},
		{"finished", finished, false, false, false},
		{"finished", failed, false, false, true},
		{"cancelled", cancelled, true, false, true},
	} {
		if got := c.batch.View(); got != c.view {
			t.Errorf("view %s, want %s", got, c.view)
		}
		_, cancel := job.CancelBatch(c.batch)
		_, add := job.AddToBatch(c.batch, 1, now, time.Minute)
		_, retry := job.RetryBatch(c.batch, now, time.Minute)
		for name, is := range map[string]struct {
			err error
			may bool
		}{"cancel": {cancel, c.cancel}, "add": {add, c.add}, "retry": {retry, c.retry}} {
			if (is.err == nil) != is.may || is.err != nil && job.CodeOf(is.err) != job.StateConflict {
				t.Errorf("%s of a %s batch: %v", name, c.view, is.err)
			}
		}
	}
}

// TestWhatAWishChanges, and what it leaves.
func TestWhatAWishChanges(t *testing.T) {
	t.Parallel()
	now := start().Add(time.Hour)
	more, err := job.AddToBatch(newBatch(2, nil), 3, now, time.Minute)
	if err != nil || more.Total != 5 || more.Runs != 1 || more.Round != 0 || !more.Look.Equal(now.Add(time.Minute)) {
		t.Errorf("more: %+v, %v", more, err)
	}
	ended := closedBatch(job.Counts{Failed: 2})
	ended.Stop, ended.Caught, ended.Runs, ended.Finished = job.StopFailed, true, 4, start()
	again, err := job.RetryBatch(ended, now, time.Minute)
	if err != nil || again.Round != 1 || again.Runs != 5 || again.Stop != "" || again.Caught || again.Closed || again.Ended != (job.Counts{}) || !again.Finished.IsZero() ||
		!again.Began.Equal(now) || !again.Look.Equal(now.Add(time.Minute)) || !again.Created.Equal(start()) || again.Total != 2 {
		t.Errorf("again: %+v, %v", again, err)
	}
	on := job.ResumeBatch(newBatch(2, nil), now, time.Minute)
	if on.Runs != 1 || on.Round != 0 || !on.Look.Equal(now.Add(time.Minute)) {
		t.Errorf("resumed: %+v", on)
	}
	if got := job.ResumeBatch(ended, now, time.Minute); fmt.Sprint(got) != fmt.Sprint(ended) {
		t.Errorf("an ended one resumed: %+v", got)
	}
}

// TestAnItemOfAnEarlierRound begins again if it failed, once.
func TestAnItemOfAnEarlierRound(t *testing.T) {
	t.Parallel()
	b := newBatch(1, func(b *job.Batch) { b.Round = 2 })
	for _, s := range trackStates() {
		it := b.Item("p", 1)
		it.State, it.Round = s, 1
		now := b.Now(it)
		if again := s == job.TrackFailed || s == job.TrackCancelled; again != (now.State == job.TrackPending && now.Round == 2) {
			t.Errorf("%s: %+v", s, now)
		}
		it.Round = 2
		if now := b.Now(it); fmt.Sprint(now) != fmt.Sprint(it) {
			t.Errorf("%s of this round: %+v", s, now)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		counts job.Counts
		want   int
	}{
		{job.Counts{}, 100},
		{job.Counts{Pending: 1}, 0},
		{job.Counts{Succeeded: 4999, Running: 1}, 99},
		{job.Counts{Succeeded: 1, Failed: 1, Cancelled: 1, Skipped: 1}, 100},
		{job.Counts{Failed: 1, Pending: 2}, 33},
	} {
		if got := c.counts.Progress(); got != c.want {
			t.Errorf("%+v: got %d, want %d", c.counts, got, c.want)
		}
	}
	var c job.Counts
	for i, s := range trackStates() {
		for range i + 1 {
			c = c.With(s)
		}
	}
	if want := (job.Counts{Pending: 1, Running: 2, Succeeded: 3, Skipped: 4, Failed: 5, Cancelled: 6}); c != want || c.Total() != 21 || c.Final() != 18 {
		t.Errorf("got %+v", c)
	}
}

// TestCallIDIsConstant: receivers tell repetitions by it.
func TestCallIDIsConstant(t *testing.T) {
	t.Parallel()
	if got := job.CallID("01ABC", 12, job.CallFinally); got != "01ABC-12-finally" {
		t.Errorf("got %s", got)
	}
}

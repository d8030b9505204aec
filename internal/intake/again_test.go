package intake_test

import (
	"testing"

	"orbitq/internal/faulty"
	"orbitq/internal/intake"
	"orbitq/internal/job"
)

// TestAHeldUniqueKeyRunsNothing: who wants the job at once gets the open one as it is.
// Another owner's key is another, and a job that ended holds its key no more.
func TestAHeldUniqueKeyRunsNothing(t *testing.T) {
	t.Parallel()
	b := newBench()
	run := &runner{ends: job.Succeeded}
	b.Runner = run
	wish := intake.Dispatch{Kind: "enrich", Point: b.mine(t), Unique: "k"}
	before := b.depth()
	first, err := b.DispatchJob(t.Context(), by("u", "", "b"), wish)
	if err != nil || first.Repeated {
		t.Fatal(first, err)
	}
	again, err := b.DispatchNow(t.Context(), by("u", "", "b"), wish)
	if err != nil || !again.Repeated || again.Job.ID != first.Job.ID || again.Job.State != job.Queued || len(run.ran) != 0 || b.depth() != before+1 {
		t.Errorf("again %+v, %v, ran %d, %d messages", again, err, len(run.ran), b.depth()-before)
	}
	foreign := wish
	foreign.Point = b.create(t, by("v", "", "b")).Point.ID
	if got, err := b.DispatchNow(t.Context(), by("v", "", "b"), foreign); err != nil || got.Repeated || len(run.ran) != 1 {
		t.Errorf("another owner met %+v, %v", got, err)
	}
	if _, err = b.store.Amend(t.Context(), first.Job.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, b.now) }); err != nil {
		t.Fatal(err)
	}
	if next, err := b.DispatchNow(t.Context(), by("u", "", "b"), wish); err != nil || next.Repeated || next.Job.ID == first.Job.ID || len(run.ran) != 2 {
		t.Errorf("after it ended: %+v, %v, ran %d", next, err, len(run.ran))
	}
}

// TestTheFirstAnswerIsRemembered: a request that was answered with the holder of its unique key gets
// that answer again when it is repeated with its Idempotency-Key, also after the holder has ended.
func TestTheFirstAnswerIsRemembered(t *testing.T) {
	t.Parallel()
	b := newBench()
	run := &runner{ends: job.Succeeded}
	b.Runner = run
	wish := intake.Dispatch{Kind: "enrich", Point: b.mine(t), Unique: "k"}
	asks := map[string]func(key, body string) (intake.Accepted, error){
		"alone": func(key, body string) (intake.Accepted, error) {
			return b.DispatchJob(t.Context(), by("u", key, body), wish)
		},
		"now": func(key, body string) (intake.Accepted, error) {
			return b.DispatchNow(t.Context(), by("u", key, body), wish)
		},
		"many": func(key, body string) (intake.Accepted, error) {
			a := b.DispatchMany(t.Context(), by("u", key, ""), []intake.Wish{{Dispatch: wish, Body: []byte(body)}})[0]
			return a.Accepted, a.Err
		},
	}
	holder, err := b.DispatchJob(t.Context(), by("u", "", "b"), wish)
	if err != nil {
		t.Fatal(err)
	}
	for way, ask := range asks {
		if got, err := ask(way, "body"); err != nil || !got.Duplicate || got.Job.ID != holder.Job.ID {
			t.Fatalf("%s, the first time: %+v, %v", way, got, err)
		}
	}
	if _, err = b.store.Amend(t.Context(), holder.Job.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, b.now) }); err != nil {
		t.Fatal(err)
	}
	before := b.depth()
	for way, ask := range asks {
		if got, err := ask(way, "body"); err != nil || !got.Duplicate || got.Job.ID != holder.Job.ID || got.Job.State != job.Cancelled {
			t.Errorf("%s, repeated after the end: %+v, %v", way, got, err)
		}
		if got, err := ask(way, "another body"); job.CodeOf(err) != job.KeyReused {
			t.Errorf("%s, with another body: %+v, %v", way, got, err)
		}
	}
	if b.depth() != before || len(run.ran) != 0 {
		t.Errorf("%d messages, %d runs", b.depth()-before, len(run.ran))
	}
	if got, err := asks["alone"]("", "body"); err != nil || got.Repeated {
		t.Errorf("a request without a key: %+v, %v", got, err)
	}
}

// TestAnAnswerThatIsNotStoredIsNotGiven: the client asks again, and only then it is promised.
func TestAnAnswerThatIsNotStoredIsNotGiven(t *testing.T) {
	t.Parallel()
	b := newBench()
	wish := intake.Dispatch{Kind: "enrich", Point: b.mine(t), Unique: "k"}
	holder, err := b.DispatchJob(t.Context(), by("u", "", "b"), wish)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range []faulty.Fault{faulty.Refuse, faulty.LoseReply} {
		b.script["Remember"] = fault
		if got, err := b.DispatchJob(t.Context(), by("u", "key", "b"), wish); err == nil {
			t.Errorf("answered %+v", got)
		}
	}
	if got, err := b.DispatchJob(t.Context(), by("u", "key", "b"), wish); err != nil || got.Job.ID != holder.Job.ID {
		t.Errorf("answered %+v, %v", got, err)
	}
}

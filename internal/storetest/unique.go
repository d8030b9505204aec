package storetest

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// unique makes a job one of an owner with a unique key.
func unique(owner, key string) func(*job.Job) {
	return func(j *job.Job) { j.Owner, j.Unique = owner, key }
}

// holder asks for a new job with an owner's key "k", and returns who holds it: the new
// one, or another.
func holder(t *testing.T, s Store, owner string) (j job.Job, fresh bool) {
	t.Helper()
	asked := newJob(t, unique(owner, "k"))
	got, existed, err := s.Accept(context.Background(), &asked)
	if err != nil || existed == (got.ID == asked.ID) {
		t.Fatalf("accept: existed %v, %v, %+v", existed, err, got)
	}
	return got, !existed
}

// uniqueRules: one open job for a key, however many ask.
func uniqueRules() []rule {
	return []rule{
		{"an open job holds its unique key: asked again, it is the answer", answersWithHolder},
		{"of ten accepts at once with one unique key exactly one is new", oneOfTenAccepted},
		{"another owner's key and another key are free", keysAreApart},
		{"a request that was answered with the holder gets that answer again when it has ended", remembersHolder},
		{"a remembered answer is no job, and gone after its time", answerIsNoJob},
		{"whatever becomes of an open job, it keeps its unique key", keepsKey},
		{"each end of a job frees its unique key", freesKey},
	}
}

// keyRules: a key is freed by whatever ends its job, and taken again by what revives it.
func keyRules() []rule {
	return []rule{
		{"a late worker cannot free a unique key that somebody else took", freesNoOthers},
		{"a retry takes the unique key again", retakesKey},
		{"a retry is refused while another job holds the unique key", refusesRetry},
		{"a redriven message stays a dead letter while another job holds the unique key", redriveWaits},
	}
}

// answersWithHolder: the second request is not an error: what it wants is under way.
func answersWithHolder(t *testing.T, s Store) {
	owner := "u-" + id(t)
	first := accepted(t, s, unique(owner, "k"))
	second := newJob(t, unique(owner, "k"))
	got, existed, err := s.Accept(context.Background(), &second)
	if err != nil || !existed || !reflect.DeepEqual(got, first) {
		t.Errorf("existed %v, %v\ngot %+v\nwant %+v", existed, err, got, first)
	}
	if _, err := s.Job(context.Background(), second.ID); job.CodeOf(err) != job.NotFound {
		t.Errorf("the second job was stored: %v", err)
	}
	// Its own key must not refuse it: a request that is repeated is no second job.
	if got, existed, err = s.Accept(context.Background(), &first); err != nil || got.ID != first.ID {
		t.Errorf("the same request again: existed %v, %v, %+v", existed, err, got)
	}
}

// turnedAway stores a job with a unique key, and lets a request be answered with it.
func turnedAway(t *testing.T, s Store) (first, asked job.Job) {
	t.Helper()
	owner := "u-" + id(t)
	first = accepted(t, s, unique(owner, "k"))
	asked = newJob(t, unique(owner, "k"))
	if got, err := s.Remember(context.Background(), &asked, &first); err != nil || got.ID != first.ID {
		t.Fatalf("remembered %+v, %v", got, err)
	}
	return first, asked
}

// remembersHolder: a client that repeats its request must not start what it had not started.
func remembersHolder(t *testing.T, s Store) {
	first, asked := turnedAway(t, s)
	amend(t, s, first.ID, cancelAt(start()), "")
	other := accepted(t, s, unique(first.Owner, "k")) // who holds the key by now is not the answer either
	for _, again := range []string{"the same request", "and again"} {
		got, existed, err := s.Accept(context.Background(), &asked)
		if err != nil || !existed || got.ID != first.ID || got.State != job.Cancelled {
			t.Errorf("%s: existed %v, %v, %+v", again, existed, err, got)
		}
	}
	if got, err := s.Remember(context.Background(), &asked, &other); err != nil || got.ID != first.ID {
		t.Errorf("the second answer: %+v, %v", got, err)
	}
	for _, unique := range []string{"k", ""} {
		reused := asked
		reused.BodyHash, reused.Unique = "other", unique
		if got, _, err := s.Accept(context.Background(), &reused); job.CodeOf(err) != job.KeyReused {
			t.Errorf("another body: %+v, %v", got, err)
		}
	}
	// Of two requests with one key at once, one may be accepted after the other was turned away.
	if got, err := s.Remember(context.Background(), &first, &other); err != nil || got.ID != first.ID {
		t.Errorf("in the place of a job: %+v, %v", got, err)
	}
}

// answerIsNoJob: it cannot be run, buried or found, and a key is kept for so long only.
func answerIsNoJob(t *testing.T, s Store) {
	first, asked := turnedAway(t, s)
	if got, err := s.Job(context.Background(), asked.ID); job.CodeOf(err) != job.NotFound {
		t.Errorf("read %+v, %v", got, err)
	}
	amend(t, s, asked.ID, cancelAt(start()), job.NotFound)
	claim(t, s, request(asked.Message(), "x", start()), job.Orphan)
	bury(t, s, asked.Message(), later(), deadletter.Orphan)
	if all, _, err := s.Jobs(context.Background(), first.Owner, "", "", 10); err != nil || len(all) != 1 {
		t.Errorf("listed %+v, %v", all, err)
	}
	amend(t, s, first.ID, cancelAt(start()), "")
	asked.Created = start().Add(job.KeyLife)
	if got, existed, err := s.Accept(context.Background(), &asked); err != nil || existed || got.ID != asked.ID {
		t.Errorf("after its time: existed %v, %v, %+v", existed, err, got)
	}
	if got := row(t, s, asked.ID); got.State != job.Queued {
		t.Errorf("after its time: %+v", got)
	}
}

// oneOfTenAccepted asks for one key from ten sides.
func oneOfTenAccepted(t *testing.T, s Store) {
	owner := "u-" + id(t)
	asked, ids, fresh := make([]job.Job, 10), make([]string, 10), make([]bool, 10)
	for i := range asked {
		asked[i] = newJob(t, unique(owner, "k"))
	}
	var wg sync.WaitGroup
	for i := range asked {
		wg.Go(func() {
			got, existed, err := s.Accept(context.Background(), &asked[i])
			if err != nil {
				t.Errorf("accept: %v", err)
			}
			ids[i], fresh[i] = got.ID, !existed
		})
	}
	wg.Wait()
	news := 0
	for i := range ids {
		if fresh[i] {
			news++
		}
		// All ten must name one job: whoever waits for the answer waits for the right one.
		if ids[i] != ids[0] {
			t.Errorf("two jobs: %v", ids)
		}
	}
	if all, _, err := s.Jobs(context.Background(), owner, "", "", 20); news != 1 || err != nil || len(all) != 1 {
		t.Errorf("%d are new, %d stored, %v", news, len(all), err)
	}
}

// keysAreApart: a key is its owner's alone.
func keysAreApart(t *testing.T, s Store) {
	owner := "u-" + id(t)
	accepted(t, s, unique(owner, "k"))
	accepted(t, s, unique("u-"+id(t), "k"))
	accepted(t, s, unique(owner, "l"))
	accepted(t, s, unique(owner, ""))
	accepted(t, s, unique(owner, ""))
	// However owner and key are put together, these are two pairs.
	accepted(t, s, unique(owner+"#x", "weekly"))
	accepted(t, s, unique(owner, "x#weekly"))
}

// keepsKey: what is open may still run.
func keepsKey(t *testing.T, s Store) {
	owner := "u-" + id(t)
	j := accepted(t, s, unique(owner, "k"))
	held := claim(t, s, request(j.Message(), "a", start()), job.Run)
	retrying := job.Failed(held, job.Errorf(job.ProviderUnavailable, "503"), Timing(), 0, job.Carried{}, report(start()))
	conclude(t, s, &held, retrying, worker.Written)
	again := claim(t, s, request(j.Message(), "b", start().Add(time.Minute)), job.Run)
	waiting := job.Released(again, job.ProviderRateLimit, "429", time.Minute, Timing(), start().Add(time.Minute))
	conclude(t, s, &again, waiting, worker.Written)
	if _, ok, err := s.Retake(context.Background(), &waiting, time.Time{}, Timing(), waiting.Look); err != nil || !ok {
		t.Fatalf("retake %v, %v", ok, err)
	}
	if got, fresh := holder(t, s, owner); fresh || got.ID != j.ID {
		t.Errorf("the key is held by %+v", got)
	}
}

// ends are the ways for a job to end.
func ends() map[string]func(t *testing.T, s Store, j job.Job) {
	failed := func(t *testing.T, s Store, j job.Job) {
		held := claim(t, s, request(j.Message(), "x", start()), job.Run)
		conclude(t, s, &held, job.Failed(held, job.Errorf(job.InvalidRequest, "400"), Timing(), 0, job.Carried{Ticket: 1}, report(start())), worker.Written)
	}
	return map[string]func(t *testing.T, s Store, j job.Job){
		"success": func(t *testing.T, s Store, j job.Job) {
			held := claim(t, s, request(j.Message(), "x", start()), job.Run)
			settle(t, s, &held, start(), worker.Written)
		},
		"no effect": func(t *testing.T, s Store, j job.Job) {
			held := claim(t, s, request(j.Message(), "x", start()), job.Run)
			conclude(t, s, &held, job.Ended(held, job.Clouded, report(start())), worker.Written)
		},
		"failure": failed,
		"no attempt": func(t *testing.T, s Store, j job.Job) {
			claim(t, s, request(j.Message(), "x", j.Deadline), job.Carrier)
		},
		"dead letter": func(t *testing.T, s Store, j job.Job) { bury(t, s, j.Message(), later(), deadletter.Recorded) },
		"cancelled":   func(t *testing.T, s Store, j job.Job) { amend(t, s, j.ID, cancelAt(start()), "") },
		"forgotten": func(t *testing.T, s Store, j job.Job) {
			failed(t, s, j)
			amend(t, s, j.ID, forgetAt(later()), "")
		},
	}
}

// freesKey: nothing else would ever free it.
func freesKey(t *testing.T, s Store) {
	for name, end := range ends() {
		owner := "u-" + id(t)
		end(t, s, accepted(t, s, unique(owner, "k")))
		if got, fresh := holder(t, s, owner); !fresh {
			t.Errorf("%s: the key is held by %+v", name, got)
		}
	}
	owner := "u-" + id(t)
	skipped := accepted(t, s, func(j *job.Job) {
		limited(owner, 0)(j)
		j.Unique = "k"
	})
	claim(t, s, request(skipped.Message(), "x", start()), job.Skip)
	if got, fresh := holder(t, s, owner); !fresh {
		t.Errorf("skipped: the key is held by %+v", got)
	}
}

// freesNoOthers: a worker that was cancelled comes back after the key went on.
func freesNoOthers(t *testing.T, s Store) {
	owner := "u-" + id(t)
	held := running(t, s, unique(owner, "k"))
	amend(t, s, held.ID, cancelAt(start()), "")
	next, fresh := holder(t, s, owner)
	if !fresh {
		t.Fatal("a cancelled job kept its key")
	}
	// The late worker names its own job; a free that names the key alone would take the
	// next one's away.
	settle(t, s, &held, later(), worker.Superseded)
	amend(t, s, held.ID, cancelAt(later()), "")
	if got, fresh := holder(t, s, owner); fresh || got.ID != next.ID {
		t.Errorf("the key is held by %+v", got)
	}
}

// dies stores a job with a key and lets it die.
func dies(t *testing.T, s Store, owner string) job.Job {
	t.Helper()
	j := accepted(t, s, unique(owner, "k"))
	return claim(t, s, request(j.Message(), "x", j.Deadline), job.Carrier)
}

// retakesKey: a retry needs its key, and says who has it.
func retakesKey(t *testing.T, s Store) {
	owner := "u-" + id(t)
	dead := dies(t, s, owner)
	again := amend(t, s, dead.ID, rerunAt(later()), "")
	if got, fresh := holder(t, s, owner); fresh || got.ID != again.ID || got.Generation != 1 {
		t.Errorf("the key is held by %+v", got)
	}
	amend(t, s, dead.ID, cancelAt(later()), "")
	if _, fresh := holder(t, s, owner); !fresh {
		t.Error("the second life kept the key")
	}
}

// refusesRetry: the work is under way in another job; the refusal names it, and the
// dead one stays as it is.
func refusesRetry(t *testing.T, s Store) {
	owner := "u-" + id(t)
	dead := dies(t, s, owner)
	other, _ := holder(t, s, owner)
	amend(t, s, dead.ID, rerunAt(later()), job.UniqueHeld)
	if got := row(t, s, dead.ID); !reflect.DeepEqual(got, dead) {
		t.Errorf("row %+v\nwant %+v", got, dead)
	}
	amend(t, s, other.ID, cancelAt(later()), "")
	amend(t, s, dead.ID, rerunAt(later()), "")
}

// redriveWaits: the console knows nothing of keys. Its message goes back to the dead
// letters, where it can be redriven again.
func redriveWaits(t *testing.T, s Store) {
	owner := "u-" + id(t)
	dead := dies(t, s, owner)
	other, _ := holder(t, s, owner)
	r := request(job.Message{Version: 1, Job: dead.ID, Ticket: dead.DeadTicket}, "y", dead.Finished.Add(time.Hour))
	claim(t, s, r, job.Carrier)
	if got := row(t, s, dead.ID); !reflect.DeepEqual(got, dead) {
		t.Errorf("row %+v\nwant %+v", got, dead)
	}
	amend(t, s, other.ID, cancelAt(later()), "")
	revived := claim(t, s, r, job.Revive)
	if got, fresh := holder(t, s, owner); fresh || got.ID != revived.ID {
		t.Errorf("the key is held by %+v", got)
	}
}

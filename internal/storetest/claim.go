package storetest

import (
	"context"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// meterKey returns the usage row that counts for a job at start.
func meterKey(j *job.Job) string { return usage.MeterKey(usage.Tier(j.Tier), time.Time{}, start()) }

// acceptRules: what is accepted is there, once, whoever asks how often.
func acceptRules() []rule {
	return []rule{
		{"accept stores the whole row", storesWholeRow},
		{"accept of an existing id returns the stored job and changes nothing", acceptsOnce},
		{"accept of a point is both rows or neither, and the same pair again", acceptsPair},
	}
}

// claimRules: one holder at a time, and no attempt more than allowed.
func claimRules() []rule {
	return []rule{
		{"claim takes the lease and one attempt", claimsLease},
		{"claim of an unknown job is an orphan", claimsOrphan},
		{"a live lease holds every other claim off", holdsOff},
		{"of ten claims at once exactly one runs", oneOfTenRuns},
		{"a claim repeated after a lost reply is the same claim", claimsAgain},
		{"a lease that is over may be taken, and the lost attempt is remembered", takesOver},
	}
}

// ticketRules are the claims that a message may not make, or not yet: what its
// generation, its ticket and the job's times say about it.
func ticketRules() []rule {
	return []rule{
		{"a message of an older generation is dropped", dropsOlder},
		{"a generation or ticket that was never sent neither runs nor ends a job, and stays for a person to see", neverSent},
		{"a ticket below the valid one is dropped, the valid one runs", dropsBelowValid},
		{"a retrying job is not due before its time", waitsForBackoff},
		{"no attempt left means dead, and the message is its carrier", attemptsSpent},
		{"a passed deadline means dead without a run", diesAtDeadline},
		{"the dead message sent anew revives its job once, with all attempts", redrivenOnce},
		{"a copy of a dead job's message with another ticket is dropped", dropsOtherCopies},
	}
}

// oneOfTenRuns claims one job from ten workers at once.
func oneOfTenRuns(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	verdicts := make([]job.Verdict, 10)
	var wg sync.WaitGroup
	for i := range verdicts {
		wg.Go(func() {
			c, err := s.Claim(context.Background(), request(j.Message(), "w"+strconv.Itoa(i), start()))
			if err != nil {
				t.Errorf("claim: %v", err)
			}
			verdicts[i] = c.Verdict
		})
	}
	wg.Wait()
	ran := 0
	for _, v := range verdicts {
		if v == job.Run {
			ran++
		}
	}
	if ran != 1 {
		t.Errorf("%d of 10 ran: %v", ran, verdicts)
	}
}

// redrivenOnce lets a job die, and its message come back as from the console.
func redrivenOnce(t *testing.T, s Store) {
	j := accepted(t, s, limited("u-"+id(t), 5))
	r := request(j.Message(), "x", j.Deadline)
	claim(t, s, r, job.Carrier)
	claim(t, s, r, job.Carrier)
	again := r
	// The console sends the same ticket anew: only its sent time, which SQS sets, is later.
	again.Carried.Sent = r.Carried.Sent.Add(time.Millisecond)
	again.Now = r.Now.Add(time.Hour)
	revived := claim(t, s, again, job.Revive)
	if stored := row(t, s, j.ID); !reflect.DeepEqual(stored, revived) || stored.State != job.Queued || stored.Generation != 1 || stored.Attempts != 0 {
		t.Errorf("claimed %+v\nstored %+v", revived, stored)
	}
	// The same redriven message again, as SQS may deliver it: once per death.
	claim(t, s, again, job.Drop)
	if h, ok := hint(t, s, j.ID, revived.Look); !ok || !h.Look.Equal(revived.Look) {
		t.Error("a revived job is not in the open index")
	}
	claim(t, s, request(revived.Message(), "y", again.Now), job.Run)
}

// attemptsSpent lets a job's lease end three times.
func attemptsSpent(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	now := start()
	for range j.MaxAttempts {
		claim(t, s, request(j.Message(), "l"+now.String(), now), job.Run)
		// Past the lease of 90 s each time, without a word from its holder.
		now = now.Add(2 * time.Minute)
	}
	r := request(j.Message(), "last", now)
	dead := claim(t, s, r, job.Carrier)
	stored := row(t, s, j.ID)
	if dead.Code != job.AttemptsSpent || stored.State != job.Dead || stored.DeadTicket != 1 || !stored.DeadSent.Equal(r.Carried.Sent) {
		t.Errorf("claimed %+v\nstored %+v", dead, stored)
	}
	if len(stored.History) != job.HistorySize {
		t.Errorf("history %+v", stored.History)
	}
	claim(t, s, r, job.Carrier)
}

// storesWholeRow: a worker, the relay and a person all read this row later; a field
// that is lost here is lost for the life of the job.
func storesWholeRow(t *testing.T, s Store) {
	j := accepted(t, s, limited("u-"+id(t), 10))
	if got := row(t, s, j.ID); !reflect.DeepEqual(got, j) {
		t.Errorf("got %+v\nwant %+v", got, j)
	}
}

// acceptsOnce: an Idempotency-Key makes the same id again. Whether the request is
// the same is the caller's to say, so it must get the first one's hash back.
func acceptsOnce(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	again := j
	again.BodyHash = "other"
	got, existed, err := s.Accept(context.Background(), &again)
	if err != nil || !existed || got.BodyHash != "h" {
		t.Errorf("got existed %v hash %q error %v", existed, got.BodyHash, err)
	}
}

// acceptsPair: a point without its job would never be enriched, a job without its
// point could never run.
func acceptsPair(t *testing.T, s Store) {
	p, j := newPoint(t), newJob(t, nil)
	j.Point = p.ID
	for _, repeated := range []bool{false, true} {
		again, later := p, j
		if repeated { // the application asks again, a moment later
			again.CreatedAt, later.Created = p.CreatedAt.Add(time.Second), j.Created.Add(time.Second)
		}
		gotP, gotJ, existed, err := s.AcceptPoint(context.Background(), &again, &later)
		if err != nil || existed != repeated || !reflect.DeepEqual(gotP, p) || !reflect.DeepEqual(gotJ, j) {
			t.Fatalf("repeated %v: existed %v error %v\n%+v\n%+v", repeated, existed, err, gotP, gotJ)
		}
	}
	if got, err := s.Point(context.Background(), p.ID); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("read %+v, %v\nwant %+v", got, err, p)
	}
}

// claimsLease: the attempt counts from its beginning: a worker that dies has used it.
func claimsLease(t *testing.T, s Store) {
	j := running(t, s, nil)
	stored := row(t, s, j.ID)
	if j.State != job.Running || j.Attempts != 1 || stored.Lease != "lease-"+j.ID || !stored.LeaseUntil.Equal(start().Add(90*time.Second)) {
		t.Errorf("claimed %+v\nstored %+v", j, stored)
	}
}

// claimsOrphan: the row may have expired, or the message be a stranger's. Nothing is
// written, and the message is left for a person to see.
func claimsOrphan(t *testing.T, s Store) {
	claim(t, s, request(job.Message{Version: 1, Job: id(t), Ticket: 1}, "x", start()), job.Orphan)
}

// holdsOff: up to the last second: its holder may be about to settle.
func holdsOff(t *testing.T, s Store) {
	j := running(t, s, nil)
	claim(t, s, request(j.Message(), "other", start().Add(89*time.Second)), job.Hold)
}

// claimsAgain: the client repeats what it got no answer to. That may run, or wait
// for the lease, but never cost a second attempt.
func claimsAgain(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	r := request(j.Message(), "mine", start())
	claim(t, s, r, job.Run)
	again, err := s.Claim(context.Background(), r)
	if err != nil || again.Job.Attempts != 1 || again.Verdict != job.Run && again.Verdict != job.Hold {
		t.Errorf("got %+v, %v", again, err)
	}
}

// takesOver: the one who crashed cannot report; whoever finds its lease over does.
func takesOver(t *testing.T, s Store) {
	j := running(t, s, nil)
	again := claim(t, s, request(j.Message(), "second", start().Add(90*time.Second)), job.Run)
	stored := row(t, s, j.ID)
	if again.Attempts != 2 || len(stored.History) != 1 || stored.History[0].Code != job.AttemptLost {
		t.Errorf("attempts %d, stored history %+v", again.Attempts, stored.History)
	}
}

// dropsOlder: it belongs to a life of the job that has ended.
func dropsOlder(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	m := j.Message()
	m.Generation = -1
	claim(t, s, request(m, "x", start()), job.Drop)
}

// neverSent: every send takes its ticket from the row before. Whatever stands above the row is
// forged, or older than a table that was restored: a job that is scheduled for tomorrow must
// not run by it, and the operators must see it.
func neverSent(t *testing.T, s Store) {
	tomorrow := accepted(t, s, func(j *job.Job) { j.Due = start().Add(24 * time.Hour) })
	leased := running(t, s, nil)
	dead := died(t, s, "u-"+id(t), start())
	ended := running(t, s, nil)
	settle(t, s, &ended, start(), worker.Written)
	for _, j := range []job.Job{tomorrow, leased, dead, ended} {
		before := row(t, s, j.ID)
		for _, m := range []job.Message{
			{Version: 1, Job: j.ID, Generation: before.Generation, Ticket: 99},
			{Version: 1, Job: j.ID, Generation: before.Generation, Ticket: before.Ticket + 1},
			{Version: 1, Job: j.ID, Generation: before.Generation + 1, Ticket: before.Ticket},
		} {
			claim(t, s, request(m, "x", start()), job.Orphan)
			bury(t, s, m, later(), deadletter.Orphan)
		}
		if after := row(t, s, j.ID); !reflect.DeepEqual(after, before) {
			t.Errorf("after %+v\nwant %+v", after, before)
		}
	}
}

// dropsBelowValid: a released job must wait. Its old message is visible before the wait
// is over, and its ticket is what tells it from the new one.
func dropsBelowValid(t *testing.T, s Store) {
	held := running(t, s, nil)
	next := job.Released(held, job.ProviderRateLimit, "slow down", time.Minute, Timing(), start())
	conclude(t, s, &held, next, 0)
	later := start().Add(2 * time.Minute)
	claim(t, s, request(held.Message(), "old", later), job.Drop)
	again := claim(t, s, request(next.Message(), "new", later), job.Run)
	if again.Attempts != 1 {
		t.Errorf("a release cost an attempt: %d", again.Attempts)
	}
}

// waitsForBackoff: the visibility timeout is a wish; a copy may come before it.
func waitsForBackoff(t *testing.T, s Store) {
	held := running(t, s, nil)
	next := job.Failed(held, job.Errorf(job.ProviderUnavailable, "503"), Timing(), 0, job.Carried{}, report(start()))
	conclude(t, s, &held, next, 0)
	early := claim(t, s, request(held.Message(), "a", start().Add(9*time.Second)), job.NotYet)
	if !early.Due.Equal(start().Add(10 * time.Second)) {
		t.Errorf("due %v", early.Due)
	}
	claim(t, s, request(held.Message(), "b", start().Add(10*time.Second)), job.Run)
}

// diesAtDeadline: nobody waits for the answer any more, so nobody should pay for it.
func diesAtDeadline(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	dead := claim(t, s, request(j.Message(), "x", j.Deadline), job.Carrier)
	if stored := row(t, s, j.ID); dead.Code != job.DeadlinePassed || stored.State != job.Dead || stored.Attempts != 0 {
		t.Errorf("claimed %+v\nstored %+v", dead, stored)
	}
}

// dropsOtherCopies: one message per dead job may reach the dead letters, or the console
// shows the same failure many times.
func dropsOtherCopies(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	sent, ok, err := s.Retake(context.Background(), &j, time.Time{}, Timing(), j.Look)
	if err != nil || !ok {
		t.Fatalf("retake %v, %v", ok, err)
	}
	claim(t, s, request(j.Message(), "x", j.Deadline), job.Carrier)
	claim(t, s, request(sent.Message(), "y", j.Deadline), job.Drop)
}

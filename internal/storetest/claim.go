package storetest

import (
	"context"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/usage"
)

// meterKey returns the usage row that counts for a job at start.
func meterKey(j *job.Job) string { return usage.MeterKey(usage.Tier(j.Tier), time.Time{}, start()) }

func acceptRules() []rule {
	return []rule{
		{"accept stores the whole row", func(t *testing.T, s Store) {
			j := accepted(t, s, limited("u-"+id(t), 10))
			if got := row(t, s, j.ID); !reflect.DeepEqual(got, j) {
				t.Errorf("got %+v\nwant %+v", got, j)
			}
		}},
		{"accept of an existing id returns the stored job and changes nothing", func(t *testing.T, s Store) {
			j := accepted(t, s, nil)
			again := j
			again.BodyHash = "other"
			got, existed, err := s.Accept(context.Background(), &again)
			if err != nil || !existed || got.BodyHash != "h" {
				t.Errorf("got existed %v hash %q error %v", existed, got.BodyHash, err)
			}
		}},
		{"accept of a point is both rows or neither, and the same pair again", func(t *testing.T, s Store) {
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
		}},
	}
}

func claimRules() []rule {
	return []rule{
		{"claim takes the lease and one attempt", func(t *testing.T, s Store) {
			j := running(t, s, nil)
			stored := row(t, s, j.ID)
			if j.State != job.Running || j.Attempts != 1 || stored.Lease != "lease-"+j.ID || !stored.LeaseUntil.Equal(start().Add(90*time.Second)) {
				t.Errorf("claimed %+v\nstored %+v", j, stored)
			}
		}},
		{"claim of an unknown job is an orphan", func(t *testing.T, s Store) {
			claim(t, s, request(job.Message{Version: 1, Job: id(t), Ticket: 1}, "x", start()), job.Orphan)
		}},
		{"a live lease holds every other claim off", func(t *testing.T, s Store) {
			j := running(t, s, nil)
			claim(t, s, request(j.Message(), "other", start().Add(89*time.Second)), job.Hold)
		}},
		{"of ten claims at once exactly one runs", oneOfTenRuns},
		{"a claim repeated after a lost reply is the same claim", func(t *testing.T, s Store) {
			j := accepted(t, s, nil)
			r := request(j.Message(), "mine", start())
			claim(t, s, r, job.Run)
			again, err := s.Claim(context.Background(), r)
			if err != nil || again.Job.Attempts != 1 || again.Verdict != job.Run && again.Verdict != job.Hold {
				t.Errorf("got %+v, %v", again, err)
			}
		}},
		{"a lease that is over may be taken, and the lost attempt is remembered", func(t *testing.T, s Store) {
			j := running(t, s, nil)
			again := claim(t, s, request(j.Message(), "second", start().Add(90*time.Second)), job.Run)
			stored := row(t, s, j.ID)
			if again.Attempts != 2 || len(stored.History) != 1 || stored.History[0].Code != job.AttemptLost {
				t.Errorf("attempts %d, stored history %+v", again.Attempts, stored.History)
			}
		}},
	}
}

// ticketRules are the claims that a message may not make, or not yet: what its
// generation, its ticket and the job's times say about it.
func ticketRules() []rule {
	return []rule{
		{"a message of an older generation is dropped", func(t *testing.T, s Store) {
			j := accepted(t, s, nil)
			m := j.Message()
			m.Generation = -1
			claim(t, s, request(m, "x", start()), job.Drop)
		}},
		{"a message of a later generation is held, never dropped", func(t *testing.T, s Store) {
			j := accepted(t, s, nil)
			m := j.Message()
			m.Generation++
			claim(t, s, request(m, "x", start()), job.Hold)
		}},
		{"a ticket below the valid one is dropped, the valid one runs", func(t *testing.T, s Store) {
			held := running(t, s, nil)
			next := job.Released(held, job.ProviderRateLimit, "slow down", time.Minute, Timing(), start())
			conclude(t, s, &held, next, 0)
			later := start().Add(2 * time.Minute)
			claim(t, s, request(held.Message(), "old", later), job.Drop)
			again := claim(t, s, request(next.Message(), "new", later), job.Run)
			if again.Attempts != 1 {
				t.Errorf("a release cost an attempt: %d", again.Attempts)
			}
		}},
		{"a retrying job is not due before its time", func(t *testing.T, s Store) {
			held := running(t, s, nil)
			next := job.Failed(held, job.Errorf(job.ProviderUnavailable, "503"), Timing(), 0, job.Carried{}, report(start()))
			conclude(t, s, &held, next, 0)
			early := claim(t, s, request(held.Message(), "a", start().Add(9*time.Second)), job.NotYet)
			if !early.Due.Equal(start().Add(10 * time.Second)) {
				t.Errorf("due %v", early.Due)
			}
			claim(t, s, request(held.Message(), "b", start().Add(10*time.Second)), job.Run)
		}},
		{"no attempt left means dead, and the message is its carrier", attemptsSpent},
		{"a passed deadline means dead without a run", func(t *testing.T, s Store) {
			j := accepted(t, s, nil)
			dead := claim(t, s, request(j.Message(), "x", j.Deadline), job.Carrier)
			if stored := row(t, s, j.ID); dead.Code != job.DeadlinePassed || stored.State != job.Dead || stored.Attempts != 0 {
				t.Errorf("claimed %+v\nstored %+v", dead, stored)
			}
		}},
		{"the dead message sent anew revives its job once, with all attempts", redrivenOnce},
		{"a copy of a dead job's message with another ticket is dropped", func(t *testing.T, s Store) {
			j := accepted(t, s, nil)
			claim(t, s, request(j.Message(), "x", j.Deadline), job.Carrier)
			m := j.Message()
			m.Ticket++
			claim(t, s, request(m, "y", j.Deadline), job.Drop)
		}},
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
	again.Carried.Sent = r.Carried.Sent.Add(time.Millisecond)
	again.Now = r.Now.Add(time.Hour)
	revived := claim(t, s, again, job.Revive)
	if stored := row(t, s, j.ID); !reflect.DeepEqual(stored, revived) || stored.State != job.Queued || stored.Generation != 1 || stored.Attempts != 0 {
		t.Errorf("claimed %+v\nstored %+v", revived, stored)
	}
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

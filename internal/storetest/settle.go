package storetest

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// quotaRules: never more taken than the limit, and what is not billed goes back.
func quotaRules() []rule {
	return []rule{
		{"a claim of a limited owner reserves one unit", reservesUnit},
		{"a second claim of the same job does not reserve again", reservesOnce},
		{"a used up limit skips", skipsUsedUp},
		{"a limit of zero skips without a meter", skipsZero},
		{"a reserved limit waits with a new ticket and without an attempt", waitsForUnit},
		{"ten claims at limit minus one reserve one unit", tenAtTheLimit},
		{"a unit is billed in the cycle that it was taken in", billsItsCycle},
		{"an end without a bill gives the unit back", givesBack},
		{"a failed attempt keeps the unit, death gives it back", deathGivesBack},
	}
}

// deathGivesBack fails a job twice: the first failure may be retried, the second
// cannot be.
func deathGivesBack(t *testing.T, s Store) {
	held := running(t, s, limited("u-"+id(t), 2))
	retrying := job.Failed(held, job.Errorf(job.ProviderUnavailable, "503"), Timing(), 0, job.Carried{}, report(start()))
	conclude(t, s, &held, retrying, worker.Written)
	if m := meter(t, s, &held); m.Taken != 1 {
		t.Errorf("after retry: meter %+v", m)
	}
	// The unit is still the job's: a second reservation here would take two for one analysis.
	again := claim(t, s, request(held.Message(), "2", start().Add(time.Minute)), job.Run)
	dead := job.Failed(again, job.Errorf(job.InvalidRequest, "400"), Timing(), 0, job.Carried{Ticket: 1}, report(start()))
	conclude(t, s, &again, dead, worker.Written)
	if m := meter(t, s, &held); m != (job.Meter{}) || row(t, s, held.ID).State != job.Dead {
		t.Errorf("after death: meter %+v, row %+v", m, row(t, s, held.ID))
	}
}

// tenAtTheLimit claims ten jobs of one owner with one unit left, at once.
func tenAtTheLimit(t *testing.T, s Store) {
	owner := "u-" + id(t)
	jobs := make([]job.Job, 10)
	for i := range jobs {
		jobs[i] = accepted(t, s, limited(owner, 1))
	}
	verdicts := make([]job.Verdict, len(jobs))
	var wg sync.WaitGroup
	for i := range jobs {
		wg.Go(func() {
			c, err := s.Claim(context.Background(), request(jobs[i].Message(), "l"+jobs[i].ID, start()))
			if err != nil {
				t.Errorf("claim: %v", err)
			}
			verdicts[i] = c.Verdict
		})
	}
	wg.Wait()
	ran := 0
	for _, v := range verdicts {
		switch v {
		case job.Run:
			ran++
		// Not skipped: the one that runs may give its unit back.
		case job.Wait:
		default:
			t.Errorf("verdict %d", v)
		}
	}
	if m := meter(t, s, &jobs[0]); ran != 1 || m != (job.Meter{Taken: 1}) {
		t.Errorf("%d ran, meter %+v", ran, m)
	}
}

// settleRules: one effect, one unit, one end, or nothing at all.
func settleRules() []rule {
	return []rule{
		{"settle writes job, analysis and one used unit together", settlesTogether},
		{"settle of an unlimited owner counts the unit as taken and used", countsUnlimited},
		{"settle again after a lost reply bills nothing more", billsOnce},
		{"a zombie whose lease was taken writes nothing", refusesZombie},
		{"a second job of the same revision finds the analysis and bills nothing", secondJobOfAPoint},
		{"conclude of a job that somebody ended is superseded", superseded},
		{"conclude of a dead job keeps the message", keepsCarrier},
		{"a postponed job shows its outcome while it waits, and not while it runs", postponed},
		{"a release keeps its reservation and moves the deadline", releases},
		{"the end of a job that is gone is superseded, and leaves nothing", endsNothing},
		{"the analyses of a point come in the order of its revisions", revisionsInOrder},
	}
}

// settlesTogether settles one job and reads everything back.
func settlesTogether(t *testing.T, s Store) {
	held := running(t, s, limited("u-"+id(t), 2))
	ended := settle(t, s, &held, start().Add(time.Second), worker.Written)
	if got := row(t, s, held.ID); !reflect.DeepEqual(got, ended) {
		t.Errorf("row %+v\nwant %+v", got, ended)
	}
	if m := meter(t, s, &held); m != (job.Meter{Taken: 1, Used: 1}) {
		t.Errorf("meter %+v", m)
	}
	all, err := s.Analyses(context.Background(), held.Point)
	// Every number of it, exactly: a store that rounds would change what was measured.
	want := analysis(&held, start().Add(time.Second))
	if err != nil || len(all) != 1 || !reflect.DeepEqual(&all[0], want) {
		t.Errorf("analyses %+v, %v\nwant %+v", all, err, want)
	}
}

// secondJobOfAPoint runs two jobs of one point, one after the other.
func secondJobOfAPoint(t *testing.T, s Store) {
	first := running(t, s, limited("u-"+id(t), 5))
	second := running(t, s, func(j *job.Job) {
		limited(first.Owner, 5)(j)
		j.Point = first.Point
	})
	settle(t, s, &first, start(), worker.Written)
	// A duplicate writes nothing, so that its worker can end the job in another way.
	settle(t, s, &second, start(), worker.Duplicate)
	conclude(t, s, &second, job.Ended(second, job.AlreadyDone, report(start())), worker.Written)
	if m := meter(t, s, &first); m != (job.Meter{Taken: 1, Used: 1}) {
		t.Errorf("meter %+v", m)
	}
	all, err := s.Analyses(context.Background(), first.Point)
	if err != nil || len(all) != 1 || all[0].Job != first.ID {
		t.Errorf("analyses %+v, %v", all, err)
	}
	if got := row(t, s, second.ID); got.State != job.Succeeded || got.Outcome != job.AlreadyDone || got.UsageKey != "" {
		t.Errorf("second %+v", got)
	}
}

// postponed lets a job wait for another look, and look again.
func postponed(t *testing.T, s Store) {
	held := running(t, s, nil)
	next, ok := job.Postponed(held, job.Clouded, Timing(), start())
	if !ok || next.Passes != 1 {
		t.Fatalf("postponed %+v, %v", next, ok)
	}
	conclude(t, s, &held, next, worker.Written)
	if got := row(t, s, held.ID); !reflect.DeepEqual(got, next) || got.Outcome != job.Clouded || !got.Look.Equal(next.Due) {
		t.Errorf("got %+v\nwant %+v", got, next)
	}
	again, ok, err := s.Retake(context.Background(), &next, time.Time{}, Timing(), next.Due)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	claim(t, s, request(again.Message(), "x", next.Due), job.Run)
	if got := row(t, s, held.ID); got.Outcome != "" || got.Attempts != 1 {
		t.Errorf("running %+v", got)
	}
}

// reservesUnit: before the provider is asked: a call that cannot be billed should not
// be made.
func reservesUnit(t *testing.T, s Store) {
	j := running(t, s, limited("u-"+id(t), 2))
	if m := meter(t, s, &j); m != (job.Meter{Taken: 1}) || row(t, s, j.ID).UsageKey == "" {
		t.Errorf("meter %+v, row %+v", m, row(t, s, j.ID))
	}
}

// reservesOnce: the unit belongs to the job, not to the attempt.
func reservesOnce(t *testing.T, s Store) {
	j := running(t, s, limited("u-"+id(t), 2))
	claim(t, s, request(j.Message(), "again", start().Add(2*time.Minute)), job.Run)
	if m := meter(t, s, &j); m.Taken != 1 {
		t.Errorf("meter %+v", m)
	}
}

// skipsUsedUp: no unit can come back any more, so waiting would never end.
func skipsUsedUp(t *testing.T, s Store) {
	owner := "u-" + id(t)
	first := running(t, s, limited(owner, 1))
	settle(t, s, &first, start(), worker.Written)
	second := accepted(t, s, limited(owner, 1))
	claim(t, s, request(second.Message(), "x", start()), job.Skip)
	if got := row(t, s, second.ID); got.State != job.Skipped || got.Outcome != job.UserQuotaExceeded {
		t.Errorf("row %+v", got)
	}
}

// skipsZero: a condition on a row that does not exist would let it through.
func skipsZero(t *testing.T, s Store) {
	j := accepted(t, s, limited("u-"+id(t), 0))
	claim(t, s, request(j.Message(), "x", start()), job.Skip)
	if m := meter(t, s, &j); m != (job.Meter{}) {
		t.Errorf("meter %+v", m)
	}
}

// waitsForUnit: the job that holds the last unit may yet give it back.
func waitsForUnit(t *testing.T, s Store) {
	owner := "u-" + id(t)
	running(t, s, limited(owner, 1))
	second := accepted(t, s, limited(owner, 1))
	waits := claim(t, s, request(second.Message(), "x", start()), job.Wait)
	got := row(t, s, second.ID)
	if !reflect.DeepEqual(waits, got) || got.State != job.Waiting || got.Attempts != 0 || got.Ticket != 2 || got.ValidTicket != 2 {
		t.Errorf("claimed %+v\nstored %+v", waits, got)
	}
}

// billsItsCycle takes a unit in March and settles in April.
func billsItsCycle(t *testing.T, s Store) {
	held := running(t, s, limited("u-"+id(t), 3))
	april := start().AddDate(0, 1, 0)
	settle(t, s, &held, april, worker.Written)
	taken, err := s.Meter(context.Background(), held.Owner, held.UsageKey)
	if want := (job.Meter{Taken: 1, Used: 1}); err != nil || taken != want {
		t.Errorf("the meter of March is %+v, %v, want %+v", taken, err, want)
	}
	now, err := s.Meter(context.Background(), held.Owner, usage.KeyOf(&held, april))
	if err != nil || now != (job.Meter{}) {
		t.Errorf("the meter of April is %+v, %v, want none", now, err)
	}
}

// givesBack: clouds are nobody's fault.
func givesBack(t *testing.T, s Store) {
	held := running(t, s, limited("u-"+id(t), 2))
	conclude(t, s, &held, job.Ended(held, job.Clouded, report(start())), worker.Written)
	if m := meter(t, s, &held); m != (job.Meter{}) {
		t.Errorf("meter %+v", m)
	}
}

// countsUnlimited: usage is shown to everybody, whatever the plan.
func countsUnlimited(t *testing.T, s Store) {
	held := running(t, s, nil)
	settle(t, s, &held, start(), worker.Written)
	if m := meter(t, s, &held); m != (job.Meter{Taken: 1, Used: 1}) {
		t.Errorf("meter %+v", m)
	}
}

// billsOnce: the fault that breaks naive counters: the effect is there, and the
// caller does not know.
func billsOnce(t *testing.T, s Store) {
	held := running(t, s, nil)
	settle(t, s, &held, start(), worker.Written)
	ended := job.Ended(held, job.Success, report(start()))
	got, err := s.Settle(context.Background(), &held, &ended, analysis(&held, start()))
	if err != nil || got != worker.Written && got != worker.Superseded {
		t.Errorf("got %d, %v", got, err)
	}
	if m := meter(t, s, &held); m.Used != 1 {
		t.Errorf("meter %+v", m)
	}
}

// refusesZombie: it was paused, not dead, and believes that its answer still counts.
func refusesZombie(t *testing.T, s Store) {
	zombie := running(t, s, limited("u-"+id(t), 5))
	claim(t, s, request(zombie.Message(), "taker", start().Add(2*time.Minute)), job.Run)
	settle(t, s, &zombie, start().Add(3*time.Minute), worker.LeaseLost)
	conclude(t, s, &zombie, job.Ended(zombie, job.Clouded, report(start())), worker.LeaseLost)
	if m := meter(t, s, &zombie); m != (job.Meter{Taken: 1}) {
		t.Errorf("meter %+v", m)
	}
	if all, err := s.Analyses(context.Background(), zombie.Point); err != nil || len(all) != 0 {
		t.Errorf("analyses %v, %v", all, err)
	}
}

// superseded: the message has nothing left to do and may go.
func superseded(t *testing.T, s Store) {
	held := running(t, s, nil)
	settle(t, s, &held, start(), worker.Written)
	conclude(t, s, &held, job.Ended(held, job.Clouded, report(start())), worker.Superseded)
}

// keepsCarrier: this may be the very message that must reach the dead letters.
func keepsCarrier(t *testing.T, s Store) {
	held := running(t, s, nil)
	conclude(t, s, &held, job.Failed(held, job.Errorf(job.InvalidRequest, "400"), Timing(), 0, job.Carried{Ticket: 1}, report(start())), worker.Written)
	conclude(t, s, &held, job.Ended(held, job.Clouded, report(start())), worker.LeaseLost)
}

// releases: waiting is not the job's fault and costs it nothing.
func releases(t *testing.T, s Store) {
	held := running(t, s, limited("u-"+id(t), 5))
	next := job.Released(held, job.ProviderRateLimit, "429", time.Minute, Timing(), start())
	conclude(t, s, &held, next, worker.Written)
	got := row(t, s, held.ID)
	if !reflect.DeepEqual(got, next) || meter(t, s, &held).Taken != 1 || !got.Deadline.Equal(held.Deadline.Add(time.Minute)) {
		t.Errorf("got %+v\nwant %+v", got, next)
	}
}

// endsNothing: its row expired while a worker was asleep, so nobody waits for it.
func endsNothing(t *testing.T, s Store) {
	gone := job.Claimed(newJob(t, nil), job.Lease{Token: "t", Until: later()}, start())
	settle(t, s, &gone, start(), worker.Superseded)
	conclude(t, s, &gone, job.Ended(gone, job.Clouded, report(start())), worker.Superseded)
	if all, err := s.Analyses(context.Background(), gone.Point); err != nil || len(all) != 0 {
		t.Errorf("analyses %v, %v", all, err)
	}
	if _, err := s.Job(context.Background(), gone.ID); job.CodeOf(err) != job.NotFound {
		t.Errorf("the job is back: %v", err)
	}
}

// revisionsInOrder: the newest may be settled first.
func revisionsInOrder(t *testing.T, s Store) {
	place := id(t)
	for _, revision := range []int{2, 10, 1} {
		held := running(t, s, func(j *job.Job) { j.Point, j.Revision = place, revision })
		settle(t, s, &held, start(), worker.Written)
	}
	var got []int
	all, err := s.Analyses(context.Background(), place)
	for i := range all {
		got = append(got, all[i].Revision)
	}
	if err != nil || !reflect.DeepEqual(got, []int{1, 2, 10}) {
		t.Errorf("revisions %v, %v", got, err)
	}
}

package job_test

import (
	"testing"
	"time"

	"orbitq/internal/job"
)

// start is the moment at which the tests of this package begin.
func start() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// encounter is one message that meets one row.
type encounter struct {
	row     job.Job
	request job.ClaimRequest
}

// encounters returns every combination of what a verdict may depend on.
func encounters() (all []encounter) {
	now := start()
	around := []time.Duration{-time.Hour, -1, 0, 1, time.Hour}
	for _, state := range job.States() {
		for _, generation := range []int{1, 2, 3} {
			for _, ticket := range []int{3, 4, 5, 6, 7} {
				for _, lease := range around {
					for _, attempts := range []int{0, 2, 3} {
						for _, other := range around {
							row := job.Job{
								ID: job.DerivedID("x"), State: state, Generation: 2, Ticket: 6, ValidTicket: 4,
								Attempts: attempts, MaxAttempts: 3, Due: now.Add(other), Deadline: now.Add(-other),
							}
							if attempts == 0 && ticket == 6 {
								row.StartBy = now.Add(-other)
								row.Deadline = now.Add(time.Hour)
							}
							if state == job.Running {
								row.Lease, row.LeaseUntil = "l", now.Add(lease)
							}
							sent := now.Add(-time.Hour)
							if state == job.Dead {
								row.DeadTicket, row.DeadSent = 5, sent.Add(lease)
							}
							all = append(all, encounter{row, job.ClaimRequest{
								Message: job.Message{Version: 1, Job: row.ID, Generation: generation, Ticket: ticket},
								Carried: job.Carried{Ticket: ticket, Sent: sent}, Now: now,
							}})
						}
					}
				}
			}
		}
	}
	return all
}

// TestJudgeOnEveryEncounter states the promises that a verdict makes, one by one,
// and demands them of every combination. None repeats Judge: each looks from the
// side of a verdict.
func TestJudgeOnEveryEncounter(t *testing.T) {
	t.Parallel()
	seen := map[job.Verdict]int{}
	for _, e := range encounters() {
		j, m, now := e.row, e.request.Message, e.request.Now
		v := job.Judge(&j, &e.request)
		seen[v]++
		open, live := j.State.Open(), j.LeaseLive(now)
		newest := m.Generation == j.Generation && m.Ticket == j.Ticket
		carrier := m.Generation == j.Generation && m.Ticket == j.DeadTicket && j.State == job.Dead
		for _, promise := range []struct {
			name string
			kept bool
		}{
			{"only an open job of this generation runs", v != job.Run || open && m.Generation == j.Generation},
			{"only a valid ticket runs", v != job.Run || m.Ticket >= j.ValidTicket},
			{"nothing happens under a live lease", !live || v == job.Hold || v == job.Drop || v == job.Orphan},
			{"no attempt beyond the last", v != job.Run || j.Attempts < j.MaxAttempts},
			{"no attempt after the deadline", v != job.Run || now.Before(j.Deadline)},
			{"no attempt before the backoff is over", v != job.Run || j.State != job.Retrying || !now.Before(j.Due)},
			{"the newest message of an open job is never dropped", v != job.Drop || !open || !newest},
			{"a message that was never sent is kept, and nothing else is an orphan", (v == job.Orphan) == (m.Generation > j.Generation || m.Ticket > j.Ticket)},
			{"the carrier of a dead job is never dropped", !carrier || v == job.Carrier || v == job.Revive},
			{"nothing else carries a dead job", v != job.Carrier && v != job.Revive || carrier},
			{"only SQS's own clock revives", (v == job.Revive) == (carrier && e.request.Carried.Sent.After(j.DeadSent))},
			{"a final job is never held: its messages end", open || v != job.Hold},
			{"spent means spent", v != job.Spent || open && j.Attempts >= j.MaxAttempts},
			{"expired means expired", v != job.Expired || open && !now.Before(j.Deadline)},
			{"late means late, and not started", v != job.Late || open && j.Attempts == 0 && !j.StartBy.IsZero() && !now.Before(j.StartBy)},
			{"who runs first keeps its promise to start", v != job.Run || j.Attempts > 0 || j.StartBy.IsZero() || now.Before(j.StartBy)},
			{"not yet is only for a backoff", v != job.NotYet || j.State == job.Retrying && now.Before(j.Due)},
		} {
			if !promise.kept {
				t.Fatalf("%s: verdict %d on %+v for %+v", promise.name, v, m, j)
			}
		}
	}
	for _, v := range []job.Verdict{job.Run, job.Drop, job.Hold, job.NotYet, job.Carrier, job.Revive, job.Spent, job.Expired, job.Late, job.Orphan} {
		if seen[v] == 0 {
			t.Errorf("verdict %d never came", v)
		}
	}
}

func TestJudgeQuota(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		meter job.Meter
		limit int
		want  job.QuotaVerdict
	}{
		{"nothing taken", job.Meter{}, 1, job.HasRoom},
		{"one unit left", job.Meter{Taken: 9, Used: 4}, 10, job.HasRoom},
		{"the rest is reserved", job.Meter{Taken: 10, Used: 9}, 10, job.Reserved},
		{"all billed", job.Meter{Taken: 10, Used: 10}, 10, job.UsedUp},
		{"over the limit after a downgrade", job.Meter{Taken: 12, Used: 11}, 10, job.UsedUp},
		{"a limit of zero", job.Meter{}, 0, job.UsedUp},
		{"no limit", job.Meter{Taken: 1e9, Used: 1e9}, job.Unlimited, job.HasRoom},
	} {
		if got := job.JudgeQuota(c.meter, c.limit); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestLetters(t *testing.T) {
	t.Parallel()
	now := start()
	open := job.Job{State: job.Waiting, Generation: 2, Ticket: 6, ValidTicket: 4}
	running := job.Job{State: job.Running, Generation: 2, Ticket: 6, ValidTicket: 4, Lease: "l", LeaseUntil: now.Add(1)}
	dead := job.Job{State: job.Dead, Generation: 2, Ticket: 6, ValidTicket: 4, DeadTicket: 5}
	for _, c := range []struct {
		name               string
		row                job.Job
		generation, ticket int
		bury, surplus      bool
	}{
		{"the newest ticket of an open job", open, 2, 6, true, false},
		{"an older one may be the only copy left", open, 2, 5, false, false},
		{"an older generation", open, 1, 6, false, true},
		{"a generation that never was", open, 3, 6, false, false},
		{"a ticket that was never sent", open, 2, 7, false, false},
		{"one of a dead job", dead, 2, 7, false, false},
		{"one of a finished job", job.Job{State: job.Succeeded, Generation: 2, Ticket: 6}, 2, 99, false, false},
		{"somebody works on it", running, 2, 6, false, false},
		{"the carrier of a dead job stays", dead, 2, 5, false, false},
		{"another copy of it goes", dead, 2, 6, false, true},
		{"a finished job", job.Job{State: job.Succeeded, Generation: 2, Ticket: 6}, 2, 6, false, true},
		{"a forgotten job", job.Job{State: job.Forgotten, Generation: 2, Ticket: 6, DeadTicket: 6}, 2, 6, false, true},
	} {
		m := job.Message{Generation: c.generation, Ticket: c.ticket}
		if got := job.MayBury(&c.row, m, now); got != c.bury {
			t.Errorf("%s: bury %v", c.name, got)
		}
		if got := job.IsSurplus(&c.row, m); got != c.surplus {
			t.Errorf("%s: surplus %v", c.name, got)
		}
	}
}

package job_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
)

// life drives one row through any events that the rules allow, as a store does.
type life struct {
	t     *rapid.T
	row   job.Job
	now   time.Time
	sent  []job.Message
	table map[job.Transition]bool // without guards
	seen  map[job.Transition]bool
}

// become takes the next row, checks it, and notes the transition.
func (l *life) become(event string, next job.Job) {
	step := job.Transition{From: l.row.State, Event: event, To: next.State}
	if !l.table[step] {
		l.t.Fatalf("%+v is not in the state table", step)
	}
	l.seen[step] = true
	l.check(step, next)
	l.row = next
	if next.State.Open() {
		l.sent = append(l.sent, next.Message())
	}
}

// check holds a row against what every row promises.
func (l *life) check(step job.Transition, next job.Job) {
	open := next.State.Open()
	for _, promise := range []struct {
		name string
		kept bool
	}{
		{"attempts stay within the tries", 0 <= next.Attempts && next.Attempts <= next.MaxAttempts},
		{"only a running job has a lease", (next.Lease != "") == (next.State == job.Running) && next.LeaseUntil.IsZero() == (next.Lease == "")},
		{"a final row reserves nothing", open || next.UsageKey == ""},
		{"an open row and a skipped one are looked at, no other", (open || next.State == job.Skipped) != next.Look.IsZero()},
		{"only who waits, or is about to run, has a slot", open || next.Slot.IsZero()},
		{"a fingerprint names a death", (next.State == job.Dead) == (next.Print != "") || next.State == job.Forgotten},
		{"no more exceptions than attempts", 0 <= next.Exceptions && next.Exceptions <= next.Attempts},
		{"a final row has an end", open == next.Finished.IsZero()},
		{"tickets grow", next.Ticket >= l.row.Ticket && next.ValidTicket >= l.row.ValidTicket && next.ValidTicket <= next.Ticket},
		{"a final row is left for a new generation or a tombstone", l.row.State == "" || l.row.State.Open() || next.Generation == l.row.Generation+1 || next.State == job.Forgotten || step.Event == "retry, key held"},
		{"an open row keeps its generation", !l.row.State.Open() || next.Generation == l.row.Generation},
		{"dead means a reason and a carrier", next.State != job.Dead || next.Code != "" && next.Reason != "" && next.DeadTicket > 0},
		{"the history is short", len(next.History) <= job.HistorySize},
		{"who ended has an outcome", next.State != job.Succeeded && next.State != job.Skipped || next.Outcome != ""},
		{"who runs has none", next.State != job.Running || next.Outcome == ""},
	} {
		if !promise.kept {
			l.t.Fatalf("%+v: %s\nbefore %+v\nafter %+v", step, promise.name, l.row, next)
		}
	}
}

// claim lets a message ask for the job.
func (l *life) claim() {
	m := rapid.SampledFrom(l.sent).Draw(l.t, "message")
	sent := l.now.Add(-time.Duration(rapid.IntRange(0, 3).Draw(l.t, "sent")) * time.Hour)
	r := job.ClaimRequest{Message: m, Carried: job.Carried{Ticket: m.Ticket, Sent: sent}, Now: l.now}
	switch v := job.Judge(&l.row, &r); v {
	case job.Run:
		l.reserve()
	case job.Spent, job.Expired, job.Late:
		if started := l.row.Attempts > 0 || l.row.Passes > 0; v == job.Late && (started || l.now.Before(l.row.StartBy)) {
			l.t.Fatalf("called late at %v: %+v", l.now, l.row)
		}
		code, reason := job.Unrunnable(&l.row, v)
		l.become("claim, spent", job.Buried(l.row, code, reason, r.Carried, l.now))
	case job.Revive:
		l.become("redrive", job.Revived(l.row, job.DefaultTiming(), l.now))
	case job.Drop, job.Hold, job.NotYet, job.Carrier, job.Skip, job.Wait, job.Orphan:
	}
}

// reserve claims the job if a unit is free.
func (l *life) reserve() {
	if l.row.UsageKey == "" {
		switch rapid.SampledFrom([]job.QuotaVerdict{job.HasRoom, job.HasRoom, job.Reserved, job.UsedUp}).Draw(l.t, "quota") {
		case job.Reserved:
			next := job.WaitingForQuota(l.row, job.DefaultTiming(), l.now)
			l.released(next, l.row.Attempts)
			l.become("claim, limit reserved", next)
			return
		case job.UsedUp:
			l.become("claim, limit used", job.SkippedByQuota(l.row, l.now.Add(time.Duration(rapid.SampledFrom([]int{100, 3_000_000}).Draw(l.t, "units"))*time.Second), l.now))
			return
		case job.HasRoom:
			l.row.UsageKey = "USAGE"
		}
	}
	before := l.row.Attempts
	next := job.Claimed(l.row, job.Lease{Token: fmt.Sprint(l.now), Until: l.now.Add(90 * time.Second)}, l.now)
	if next.Attempts != before+1 {
		l.t.Fatalf("a claim made %d attempts of %d", next.Attempts, before)
	}
	l.become("claim", next)
}

// end lets the holder of the lease end its attempt, be it late.
func (l *life) end() {
	if l.row.State != job.Running {
		return
	}
	r, t := job.Report{Now: l.now, Version: "v", RequestID: "r"}, job.DefaultTiming()
	switch rapid.IntRange(0, 4).Draw(l.t, "end") {
	case 0:
		l.become("settle", job.Ended(l.row, job.Success, r))
	case 1:
		code := rapid.SampledFrom([]job.Code{job.ProviderUnavailable, job.Internal, job.InvalidRequest}).Draw(l.t, "code")
		next := job.Failed(l.row, job.Errorf(code, "why"), t, rapid.Float64Range(0, 0.999).Draw(l.t, "jitter"), job.Carried{Ticket: l.row.Ticket, Sent: l.now}, r)
		if next.State == job.Retrying {
			l.become("fail, transient", next)
			return
		}
		l.become("fail, permanent or last attempt", next)
	case 2:
		fault := &job.Error{Code: job.ProviderRateLimit, Message: "429", RetryAfter: time.Duration(rapid.IntRange(0, 2000).Draw(l.t, "after")) * time.Second}
		next := job.Released(l.row, fault.Code, fault.Message, t.ReleaseFor(fault), t, l.now)
		l.released(next, l.row.Attempts-1)
		l.become("release", next)
	case 4:
		l.giveBack()
	case 3:
		next, again := job.Postponed(l.row, job.Clouded, t, l.now)
		if again != (l.row.Passes < len(t.Passes)) || again && (next.Outcome != job.Clouded || next.Passes != l.row.Passes+1) {
			l.t.Fatalf("postponed %v: %+v", again, next)
		}
		if again {
			l.released(next, l.row.Attempts-1)
			l.become("release", next)
		}
	}
}

// giveBack lets the limiter send the attempt away, with a slot or without.
func (l *life) giveBack() {
	wait := time.Duration(rapid.IntRange(1500, 2_000_000).Draw(l.t, "wait")) * time.Millisecond
	fault := &job.Error{Code: rapid.SampledFrom([]job.Code{job.Limited, job.BreakerOpen}).Draw(l.t, "refusal"), Message: "full", RetryAfter: wait}
	if rapid.Bool().Draw(l.t, "booked") {
		fault.Slot = l.now.Add(wait)
	}
	next := job.GivenBack(l.row, fault, job.DefaultTiming(), l.now)
	if next.Attempts != l.row.Attempts-1 || !next.Slot.Equal(fault.Slot) || next.Due.After(l.now.Add(wait)) || next.Ticket != l.row.Ticket+1 {
		l.t.Fatalf("given back %+v\nbefore %+v", next, l.row)
	}
	if fault.Slot.IsZero() && !next.Parked() {
		l.t.Fatalf("who has no slot waits in the table: %+v", next)
	}
	l.become("release", next)
}

// released checks a wait that is nobody's fault: it costs neither attempt nor
// time, and only its own message ends it.
func (l *life) released(next job.Job, attempts int) {
	wait := next.Due.Sub(l.now)
	if next.Attempts != attempts || !next.Deadline.Equal(l.row.Deadline.Add(wait)) || next.ValidTicket != next.Ticket || next.Ticket != l.row.Ticket+1 || wait <= 0 {
		l.t.Fatalf("released %+v\nbefore %+v", next, l.row)
	}
	promised := next.StartBy.After(l.now) && next.Attempts == 0 && next.Passes == 0 // looked at in time for that
	if parked := next.Parked(); !promised && (parked != (wait > job.MaxDelay) || parked != next.Look.Equal(next.Due)) {
		l.t.Fatalf("parked %v: %+v", parked, next)
	}
	if promised && next.Look.After(next.StartBy) {
		l.t.Fatalf("nobody looks in time: %+v", next)
	}
}

// others lets everybody but a worker act.
func (l *life) others() {
	t := job.DefaultTiming()
	switch rapid.IntRange(0, 10).Draw(l.t, "actor") {
	case 0:
		if !job.MayResend(&l.row, l.now) {
			return
		}
		slot := time.Time{}
		if rapid.Bool().Draw(l.t, "paced") {
			slot = l.now.Add(time.Duration(rapid.IntRange(0, 900).Draw(l.t, "slot")) * time.Second)
		}
		next := job.Resent(l.row, slot, t, l.now)
		if next.Ticket != l.row.Ticket+1 || next.ValidTicket != l.row.ValidTicket || !next.Look.After(l.now) {
			l.t.Fatalf("resent %+v\nbefore %+v", next, l.row)
		}
		event := "relay"
		if l.row.State == job.Scheduled {
			event = "relay, due"
		}
		l.become(event, next)
	case 1:
		m := rapid.SampledFrom(l.sent).Draw(l.t, "letter")
		if job.MayBury(&l.row, m, l.now) {
			l.become("bury", job.BuriedUnreported(l.row, m, l.now, 8, l.now))
		}
	case 2:
		l.person("cancel", l.row.State.Open(), job.Cancelled, func() (job.Job, error) { return job.Cancel(l.row, l.now) })
	case 3:
		may := l.row.State == job.Dead || l.row.State == job.Skipped
		l.person("retry", may, "", func() (job.Job, error) { return job.Rerun(l.row, t, l.now) })
	case 4:
		l.person("forget", l.row.State == job.Dead, job.Forgotten, func() (job.Job, error) { return job.Forget(l.row, l.now) })
	case 5:
		may := l.row.State.Open() && l.row.State != job.Running
		wait := time.Duration(rapid.IntRange(1, 100_000).Draw(l.t, "snooze")) * time.Second
		l.person("snooze", may, "", func() (job.Job, error) { return job.Snooze(l.row, wait, t, l.now) })
	case 6:
		may := l.row.State == job.Skipped && !l.now.Before(l.row.Look)
		if rapid.Bool().Draw(l.t, "key held") {
			l.person("retry, key held", may, "", func() (job.Job, error) { return job.MadeUpLater(l.row, l.now) })
			return
		}
		l.person("retry", may, "", func() (job.Job, error) { return job.MadeUp(l.row, t, l.now) })
	case 7:
		plan := job.Plan{Tier: "pro", Limit: 100}
		l.person("retry", l.row.State == job.Skipped, "", func() (job.Job, error) { return job.Upgraded(l.row, plan, t, l.now) })
	case 8:
		may := l.row.State == job.Dead || l.row.State == job.Cancelled
		l.person("restart", may, "", func() (job.Job, error) { return job.Restarted(l.row, t, l.now) })
	case 9:
		may := l.row.State == job.Dead || l.row.State == job.Cancelled
		l.person("restart, stopped", may, "", func() (job.Job, error) { return job.Stopped(l.row, t, l.now) })
	case 10:
		if !job.MayResend(&l.row, l.now) {
			return
		}
		next, event := job.InLine(l.row, l.now), "line up"
		if l.row.State == job.Scheduled {
			event = "line up, due"
		}
		if next.Ticket != l.row.Ticket || !next.Parked() || next.Due.After(l.now) {
			l.t.Fatalf("lined up %+v\nbefore %+v", next, l.row)
		}
		l.become(event, next)
	}
}

// person lets somebody ask for something: it is done where it may be, once where
// it is done already, and refused otherwise.
func (l *life) person(event string, may bool, done job.State, ask func() (job.Job, error)) {
	next, err := ask()
	switch {
	case may && err == nil:
		l.become(event, next)
	case !may && err == nil && l.row.State == done:
		if fmt.Sprint(next) != fmt.Sprint(l.row) {
			l.t.Fatalf("%s twice changed %+v\nto %+v", event, l.row, next)
		}
	case !may && job.CodeOf(err) == job.StateConflict && l.row.State != done:
	default:
		l.t.Fatalf("%s of a %s job: %v", event, l.row.State, err)
	}
}

// TestEveryLifeFollowsTheTable runs lives at random. The table must allow every
// step, and every step of the table must be taken by some life.
func TestEveryLifeFollowsTheTable(t *testing.T) {
	t.Parallel()
	table, seen := map[job.Transition]bool{}, map[job.Transition]bool{}
	for _, row := range job.Transitions() {
		if row.Guard == "" {
			t.Errorf("%+v has no guard", row)
		}
		row.Guard = ""
		if table[row] {
			t.Errorf("%+v stands in the table twice", row)
		}
		table[row] = true
	}
	lives := 0
	for ; lives < 300 && len(seen) < len(table); lives++ {
		rapid.Check(t, func(t *rapid.T) {
			l := &life{t: t, now: start(), table: table, seen: seen}
			accepted := job.Job{ID: job.DerivedID("x"), MaxAttempts: 3, Limit: 5}
			event := "accept"
			if rapid.Bool().Draw(t, "later") {
				ahead := rapid.IntRange(1, 3000).Draw(t, "ahead")
				accepted.Due, event = l.now.Add(time.Duration(ahead)*time.Second), "accept, due later"
			}
			if wait := rapid.IntRange(-2000, 4000).Draw(t, "max wait"); wait > 0 {
				accepted.StartBy = l.now.Add(time.Duration(wait) * time.Second)
			}
			row := job.Accepted(accepted, l.now, 24*time.Hour, 15*time.Minute)
			if rapid.IntRange(0, 9).Draw(t, "stopped") == 0 { // only the row may say that it never runs
				stopped, err := job.Cancel(row, l.now)
				if err != nil {
					t.Fatal(err)
				}
				event, row = "accept, stopped", stopped
				l.sent = append(l.sent, row.Message()) // as a visit that reads the row would make
			}
			l.become(event, row)
			for range rapid.IntRange(1, 40).Draw(t, "events") {
				switch rapid.IntRange(0, 5).Draw(t, "event") {
				case 0, 1:
					l.claim()
				case 2:
					l.end()
				case 3:
					l.others()
				default:
					l.now = l.now.Add(time.Duration(rapid.SampledFrom([]int{1, 30, 100, 1000, 9000, 100_000}).Draw(t, "pass")) * time.Second)
				}
			}
		})
	}
	for row := range table {
		if !seen[row] {
			t.Errorf("no life took %+v", row)
		}
	}
	t.Logf("%d of %d rows of the table after %d rounds", len(seen), len(table), lives)
}

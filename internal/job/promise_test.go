package job_test

import (
	"testing"
	"time"

	"orbitq/internal/job"
)

// promised returns a job that must start within a minute, as it was accepted at start.
func promised(edit func(*job.Job)) job.Job {
	j := job.Job{ID: job.DerivedID("x"), Kind: "enrich", MaxAttempts: 3, StartBy: start().Add(time.Minute)}
	if edit != nil {
		edit(&j)
	}
	return job.Accepted(j, start(), 24*time.Hour, 15*time.Minute)
}

// claimedAt is a promised job that somebody runs.
func claimedAt(j job.Job, now time.Time) job.Job {
	return job.Claimed(j, job.Lease{Token: "t", Until: now.Add(90 * time.Second)}, now)
}

// TestMaxWait: who has not started by then dies, at that moment and not later.
func TestMaxWait(t *testing.T) {
	t.Parallel()
	timing, by := job.DefaultTiming(), start().Add(time.Minute)
	at := start().Add(10 * time.Second)
	for _, c := range []struct {
		name string
		row  job.Job
		want job.Verdict // at by
		look time.Time
	}{
		{"not started", promised(nil), job.Late, by},
		{"given back by a full limiter: that was no start", job.GivenBack(claimedAt(promised(nil), at), &job.Error{Code: job.Limited, RetryAfter: time.Hour}, timing, at), job.Late, by},
		{"sent away by the provider", job.Released(claimedAt(promised(nil), at), job.ProviderRateLimit, "429", time.Minute, timing, at), job.Late, by},
		{"put off by its owner", job.Released(promised(nil), job.Snoozed, "", 10*time.Second, timing, at), job.Late, by},
		{"sent again", job.Resent(promised(nil), time.Time{}, timing, at), job.Late, by},
		{"failed once: it did start", job.Failed(claimedAt(promised(nil), at), job.Errorf(job.ProviderUnavailable, "503"), timing, 0, job.Carried{}, job.Report{Now: at}), job.Run, at.Add(10*time.Second + timing.Resend)},
		{"the promise is longer than the relay waits", promised(func(j *job.Job) { j.StartBy = start().Add(time.Hour) }), job.Run, start().Add(15 * time.Minute)},
		{"no promise", promised(func(j *job.Job) { j.StartBy = time.Time{} }), job.Run, start().Add(15 * time.Minute)},
	} {
		r := job.ClaimRequest{Message: c.row.Message(), Now: by}
		if got := job.Judge(&c.row, &r); got != c.want || !c.row.Look.Equal(c.look) {
			t.Errorf("%s: verdict %d, looked at %v, want %d and %v", c.name, got, c.row.Look, c.want, c.look)
		}
		r.Now = by.Add(-time.Millisecond)
		if got := job.Judge(&c.row, &r); got == job.Late {
			t.Errorf("%s: late too early", c.name)
		}
	}
	late := promised(nil)
	if code, reason := job.Unrunnable(&late, job.Late); code != job.MaxWaitExceeded || reason != "no attempt started before 2026-03-15T12:01:00Z" {
		t.Errorf("%s: %s", code, reason)
	}
}

// TestALaterPassKeepsNoPromise: a job that waits days for its image has started; the
// relay must not look at the end of max_wait, for it would send its message then.
func TestALaterPassKeepsNoPromise(t *testing.T) {
	t.Parallel()
	now := start().Add(time.Second)
	next, again := job.Postponed(claimedAt(promised(nil), now), job.Clouded, job.DefaultTiming(), now)
	if due := now.Add(24 * time.Hour); !again || !next.Look.Equal(due) || !next.Due.Equal(due) || next.Passes != 1 || next.Attempts != 0 {
		t.Errorf("again %v: %+v", again, next)
	}
}

// TestTheLastPass: the outcome is final then.
func TestTheLastPass(t *testing.T) {
	t.Parallel()
	held := claimedAt(promised(nil), start())
	held.Passes = 3
	if next, again := job.Postponed(held, job.Clouded, job.DefaultTiming(), start()); again || next.State != job.Running || next.Passes != 3 {
		t.Errorf("again %v: %+v", again, next)
	}
}

// TestJobsInLineAreTheRelays: their message was not sent, and the relay sends it when there
// is a slot, or when max_wait or the deadline is over.
func TestJobsInLineAreTheRelays(t *testing.T) {
	t.Parallel()
	j := job.InLine(promised(func(j *job.Job) { j.StartBy = time.Time{} }), start())
	if !j.AwaitsSlot || !j.Parked() || !job.MayResend(&j, start()) || j.State != job.Queued || !j.Look.Equal(j.Deadline) || !j.Due.Equal(start()) {
		t.Errorf("in line %+v", j)
	}
	if hasty := job.InLine(promised(nil), start()); !hasty.Look.Equal(hasty.StartBy) {
		t.Errorf("with max_wait it is looked at %v, want %v", hasty.Look, hasty.StartBy)
	}
	if sent := job.Resent(j, start().Add(40*time.Second), job.DefaultTiming(), start()); !sent.Slot.Equal(start().Add(40*time.Second)) || sent.Parked() || sent.AwaitsSlot || sent.Ticket != 2 || sent.ValidTicket != 1 {
		t.Errorf("sent %+v", sent)
	}
	timing := job.DefaultTiming()
	if sent := job.Resent(j, start().Add(time.Hour), timing, start()); !sent.Look.Equal(start().Add(time.Hour + job.ResendAfter(timing.Resend, 1))) {
		t.Errorf("the relay looks again %v after it sent the job to a slot an hour away", sent.Look.Sub(start()))
	}
	if claimed := claimedAt(j, start()); claimed.AwaitsSlot {
		t.Errorf("claimed by an older message: %+v", claimed)
	}
	later := job.InLine(job.Accepted(job.Job{ID: "j", Due: start().Add(time.Hour)}, start(), time.Hour, time.Minute), start().Add(2*time.Hour))
	if later.State != job.Queued || !later.Due.Equal(start().Add(time.Hour)) {
		t.Errorf("a scheduled job whose time has come: %+v", later)
	}
	if cancelled, err := job.Cancel(j, start()); err != nil || cancelled.AwaitsSlot {
		t.Errorf("cancelled %+v, %v", cancelled, err)
	}
	if snoozed, err := job.Snooze(j, time.Minute, job.DefaultTiming(), start()); err != nil || snoozed.AwaitsSlot {
		t.Errorf("snoozed %+v, %v", snoozed, err)
	}
}

func TestGivenBack(t *testing.T) {
	t.Parallel()
	timing := job.DefaultTiming()
	for _, c := range []struct {
		name   string
		fault  job.Error
		wait   time.Duration
		slot   bool
		parked bool
	}{
		{"a slot: a whole second early at most", job.Error{Code: job.Limited, RetryAfter: 61_999 * time.Millisecond, Slot: start().Add(61_999 * time.Millisecond)}, 61 * time.Second, true, false},
		{"a slot within the second", job.Error{Code: job.Limited, RetryAfter: 999 * time.Millisecond, Slot: start().Add(999 * time.Millisecond)}, 0, true, false},
		{"no slot: it stands in line", job.Error{Code: job.Limited, RetryAfter: 5 * time.Minute}, 0, false, true},
		{"the breaker is open", job.Error{Code: job.BreakerOpen, RetryAfter: 90 * time.Second}, 0, false, true},
		{"the table is throttled: its message comes back", job.Error{Code: job.Throttled}, time.Minute, false, false},
		{"a 429 of the provider", job.Error{Code: job.ProviderRateLimit, RetryAfter: 3 * time.Second}, 3 * time.Second, false, false},
		{"the month is over", job.Error{Code: job.ProviderQuota, RetryAfter: 200 * time.Hour}, 200 * time.Hour, false, true},
	} {
		held := claimedAt(promised(func(j *job.Job) { j.StartBy = time.Time{} }), start())
		held.Slot = start().Add(-time.Hour)
		next := job.GivenBack(held, &c.fault, timing, start())
		if next.State != job.Waiting || next.Attempts != 0 || !next.Due.Equal(start().Add(c.wait)) || next.Parked() != c.parked || next.Slot.IsZero() == c.slot {
			t.Errorf("%s: parked %v, %+v", c.name, next.Parked(), next)
		}
		if line := c.parked && c.wait == 0; next.AwaitsSlot != line {
			t.Errorf("%s: in line %v", c.name, next.AwaitsSlot)
		}
		if next.Code != c.fault.Code || !next.Deadline.Equal(held.Deadline.Add(c.wait)) {
			t.Errorf("%s: %+v", c.name, next)
		}
	}
	step := claimedAt(promised(func(j *job.Job) { j.Flow = job.ChainFlow("c") }), start())
	if next := job.GivenBack(step, &job.Error{Code: job.Limited, RetryAfter: 40 * time.Second}, timing, start()); next.AwaitsSlot || !next.Due.Equal(start().Add(40*time.Second)) {
		t.Errorf("a step of a chain comes again by itself: %+v", next)
	}
}

func TestSkippedJobsAreMadeUp(t *testing.T) {
	t.Parallel()
	timing, units := job.DefaultTiming(), start().AddDate(0, 0, 17)
	skipped := job.SkippedByQuota(promised(func(j *job.Job) { j.Tier, j.Limit = "free", 10 }), units, start())
	if !skipped.Look.Equal(units) || skipped.Outcome != job.UserQuotaExceeded || !skipped.Finished.Equal(start()) {
		t.Fatalf("skipped %+v", skipped)
	}
	if _, err := job.MadeUp(skipped, timing, units.Add(-1)); job.CodeOf(err) != job.StateConflict {
		t.Errorf("before there are units: %v", err)
	}
	made, err := job.MadeUp(skipped, timing, units)
	if err != nil || made.State != job.Queued || made.Generation != 1 || !made.Parked() || !made.StartBy.IsZero() || made.Limit != 10 || made.Outcome != "" {
		t.Errorf("made up %+v, %v", made, err)
	}
	plan := job.Plan{Tier: "pro", Limit: 100, Anchor: start()}
	up, err := job.Upgraded(skipped, plan, timing, start().Add(time.Hour)) // at once: the plan has units now
	if err != nil || up.Tier != "pro" || up.Limit != 100 || !up.Anchor.Equal(start()) || !up.Parked() {
		t.Errorf("upgraded %+v, %v", up, err)
	}
	for _, j := range []job.Job{promised(nil), {State: job.Dead}} {
		if _, err := job.MadeUp(j, timing, units); job.CodeOf(err) != job.StateConflict {
			t.Errorf("made up a %s job: %v", j.State, err)
		}
		if _, err := job.Upgraded(j, plan, timing, units); job.CodeOf(err) != job.StateConflict {
			t.Errorf("upgraded a %s job: %v", j.State, err)
		}
	}
}

// TestAKindMayGiveUpEarlier: attempts that fail by an error of their own are counted
// apart from those whose time ran out, as max_exceptions is.
func TestAKindMayGiveUpEarlier(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		policy job.Policy
		faults []job.Code
		state  job.State
		due    time.Duration
	}{
		{"one error of two", job.Policy{Exceptions: 2}, []job.Code{job.Internal}, job.Retrying, 10 * time.Second},
		{"two errors of two", job.Policy{Exceptions: 2}, []job.Code{job.Internal, job.ProviderUnavailable}, job.Dead, 0},
		{"a timeout is no error", job.Policy{Exceptions: 2}, []job.Code{job.AttemptTimeout, job.Internal}, job.Retrying, 30 * time.Second},
		{"tries end all the same", job.Policy{Exceptions: 9}, []job.Code{job.AttemptTimeout, job.AttemptTimeout, job.AttemptTimeout, job.AttemptTimeout, job.AttemptTimeout}, job.Dead, 0},
		{"no bound of its own", job.Policy{}, []job.Code{job.Internal, job.Internal, job.Internal, job.Internal}, job.Retrying, time.Minute},
		{"waits of its own", job.Policy{Backoff: []time.Duration{time.Hour}}, []job.Code{job.Internal, job.Internal}, job.Retrying, time.Hour},
	} {
		timing := job.DefaultTiming().For(c.policy)
		j := promised(func(j *job.Job) { j.MaxAttempts = 5 })
		for _, code := range c.faults {
			j = job.Failed(claimedAt(j, start()), job.Errorf(code, "why"), timing, 0, job.Carried{Ticket: 1, Sent: start()}, job.Report{Now: start()})
		}
		if j.State != c.state || c.due > 0 && !j.Due.Equal(start().Add(c.due)) {
			t.Errorf("%s: %s due %v, %d exceptions", c.name, j.State, j.Due, j.Exceptions)
		}
		if revived := job.Revived(j, timing, start()); revived.Exceptions != 0 || revived.Attempts != 0 {
			t.Errorf("%s: revived %+v", c.name, revived)
		}
	}
}

// TestFingerprint: failures of one cause have one name, whatever differs from case to
// case; two causes have two.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		a, b string
		same bool
	}{
		{"numbers", "no answer after 20 s", "no answer after 30 s", true},
		{"ids", "job 01HW6ZBE2SDYYD234Q42VT8Y2F failed", "job 01HW7ABE2SDYYD234Q42VT8Y2G failed", true},
		{"addresses", "dial 10.0.0.1:443: refused", "dial 10.0.0.99:8443: refused", true},
		{"times", "expired at 2026-03-15T12:00:00Z", "expired at 2025-01-01T00:00:01Z", true},
		{"case", "Bad Gateway", "bad gateway", true},
		{"another cause", "connection refused", "connection reset", false},
		{"nothing at all", "", "", true},
	} {
		a, b := job.Fingerprint("enrich", job.Internal, c.a), job.Fingerprint("enrich", job.Internal, c.b)
		if (a == b) != c.same || len(a) != 12 {
			t.Errorf("%s: %q and %q", c.name, a, b)
		}
	}
	reason := "503"
	if job.Fingerprint("enrich", job.Internal, reason) == job.Fingerprint("notify", job.Internal, reason) ||
		job.Fingerprint("enrich", job.Internal, reason) == job.Fingerprint("enrich", job.ProviderUnavailable, reason) {
		t.Error("kind or code make no difference")
	}
}

// TestDeath: what listeners are told is what the row says, under an id that the next
// life of the job does not share.
func TestDeath(t *testing.T) {
	t.Parallel()
	j := promised(func(j *job.Job) { j.Owner, j.Point, j.Queue = "u", "p", "high" })
	dead := job.Buried(j, job.Internal, "why", job.Carried{Ticket: 1, Sent: start()}, start().Add(time.Hour))
	dead.Attempts = 2
	want := job.Event{
		ID: j.ID + ".0.dead", Type: job.DiedEvent, At: start().Add(time.Hour), Job: j.ID, Kind: "enrich", Owner: "u", Point: "p", Queue: "high",
		Code: job.Internal, Reason: "why", Print: job.Fingerprint("enrich", job.Internal, "why"), Attempts: 2,
	}
	if got := job.Death(&dead); got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	again := job.Buried(job.Revived(dead, job.DefaultTiming(), start()), job.Internal, "why", job.Carried{Ticket: 2}, start())
	if got := job.Death(&again); got.ID != j.ID+".1.dead" {
		t.Errorf("the second death is %q", got.ID)
	}
}

func TestSnooze(t *testing.T) {
	t.Parallel()
	for _, state := range job.States() {
		j := promised(func(j *job.Job) { j.StartBy = time.Time{} })
		j.State, j.Attempts = state, 2
		next, err := job.Snooze(j, time.Hour, job.DefaultTiming(), start())
		may := state.Open() && state != job.Running
		switch {
		case !may && job.CodeOf(err) == job.StateConflict:
		case may && err == nil && next.State == job.Waiting && next.Attempts == 2 && next.Code == job.Snoozed && next.Due.Equal(start().Add(time.Hour)) && next.Parked():
		default:
			t.Errorf("snooze of a %s job: %+v, %v", state, next, err)
		}
	}
}

// TestDoomed says before what a claim would say: nothing but a burial is left.
func TestDoomed(t *testing.T) {
	t.Parallel()
	doomed := 0
	for _, e := range encounters() {
		e.request.Message.Generation, e.request.Message.Ticket = e.row.Generation, e.row.Ticket
		v := job.Judge(&e.row, &e.request)
		buries := v == job.Spent || v == job.Expired || v == job.Late
		if got := e.row.Doomed(e.request.Now); buries && !got || v == job.Run && got {
			t.Fatalf("doomed %v, but verdict %d on %+v", got, v, e.row)
		}
		if buries {
			doomed++
		}
	}
	if doomed == 0 {
		t.Error("nobody was")
	}
}

// TestPlacesInLists: text that sorts like the moments behind it, also beyond the year
// in which milliseconds get another digit.
func TestPlacesInLists(t *testing.T) {
	t.Parallel()
	early, late := job.Job{ID: "Z", Created: start(), Finished: start()}, job.Job{ID: "A", Created: start().Add(time.Millisecond), Finished: start().Add(time.Millisecond)}
	if early.Position() >= late.Position() || early.Grave() >= late.Grave() {
		t.Errorf("%q, %q and %q, %q", early.Position(), late.Position(), early.Grave(), late.Grave())
	}
	first, last := job.Job{ID: "Z", Finished: time.UnixMilli(1)}, job.Job{ID: "A", Finished: time.Date(2286, 11, 20, 0, 0, 0, 0, time.UTC)}
	if first.Grave() >= last.Grave() {
		t.Errorf("%q, %q", first.Grave(), last.Grave())
	}
}

package job

import "time"

// Upgraded returns the row of a skipped job whose owner has another plan now.
func Upgraded(j Job, p Plan, t Timing, now time.Time) (Job, error) {
	if j.State != Skipped {
		return j, Errorf(StateConflict, "the job is %s; only a skipped job can be made up", j.State)
	}
	if !j.Issued.After(p.Issued) {
		j = under(j, p)
	}
	return InLine(Revived(detached(j), t, now), now), nil
}

// Cancel returns the row of a job that its owner took back. A running worker is
// not stopped, but its settlement will be refused. Cancelling twice is once.
func Cancel(j Job, now time.Time) (Job, error) {
	if j.State == Cancelled {
		return j, nil
	}
	if !j.State.Open() {
		return j, Errorf(StateConflict, "the job is %s already; only an open job can be cancelled", j.State)
	}
	j.State, j.Outcome = Cancelled, ""
	return closed(j, now), nil
}

// Rerun returns the row of a dead or skipped job that its owner wants to run again.
func Rerun(j Job, t Timing, now time.Time) (Job, error) {
	if j.State != Dead && j.State != Skipped {
		return j, Errorf(StateConflict, "the job is %s; only a dead or skipped job can be retried", j.State)
	}
	if j.Flow != "" && j.State == Dead {
		return j, Errorf(StateConflict, "the job belongs to %s, which goes on from here when it is restarted", j.Flow)
	}
	return Revived(detached(j), t, now), nil
}

// Restarted returns the row of a job whose chain or batch goes on with it in another
// round: it has all its attempts again.
func Restarted(j Job, t Timing, now time.Time) (Job, error) {
	if j.State != Dead && j.State != Cancelled {
		return j, Errorf(StateConflict, "the job is %s; only a dead or cancelled job can be restarted", j.State)
	}
	return Revived(j, t, now), nil
}

// Stopped returns the row of a job that Restarted would let run again, but whose chain or
// batch was taken back before it did: cancelled in the new generation.
func Stopped(j Job, t Timing, now time.Time) (Job, error) {
	j, err := Restarted(j, t, now)
	if err != nil {
		return j, err
	}
	return Cancel(j, now)
}

// Forget returns the tombstone of a dead job: its letter is deleted by the next
// sweep of the dead letters, its row by the table's TTL. Forgetting twice is once.
func Forget(j Job, now time.Time) (Job, error) {
	if j.State == Forgotten {
		return j, nil
	}
	if j.State != Dead {
		return j, Errorf(StateConflict, "the job is %s; only a dead job can be forgotten", j.State)
	}
	j.State = Forgotten
	return closed(j, now), nil
}

// Snooze returns the row of an open job that is put off; no attempt is lost. A
// running one is refused: its worker would settle as if nothing had been said.
func Snooze(j Job, wait time.Duration, t Timing, now time.Time) (Job, error) {
	if !j.State.Open() || j.State == Running {
		return j, Errorf(StateConflict, "the job is %s; only a job that waits for its turn can be snoozed", j.State)
	}
	return Released(j, Snoozed, "put off by its owner", wait, t, now), nil
}

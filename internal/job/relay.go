package job

import "time"

// Resent returns the row after the relay took a new ticket, with the slot that it
// booked for the send (zero for none). Older tickets stay valid, so that copies
// already in a backlog are not starved.
func Resent(j Job, slot time.Time, t Timing, now time.Time) Job {
	if j.State == Scheduled {
		j.State = Queued
	}
	j.Ticket++
	j.Resends++
	j.Slot = slot
	from := now
	if slot.After(now) {
		from = slot
	}
	if j.Parked() && from.After(j.Due) {
		// It waited in the table for its turn, for a slot or for the month to end: the
		// deadline is for attempts, not for that.
		j.Deadline = j.Deadline.Add(from.Sub(j.Due))
	}
	if j.AwaitsSlot {
		j.AwaitsSlot, j.Due = false, time.Time{} // it was due since it joined the line
	}
	j.Look = j.lookBy(from.Add(ResendAfter(t.Resend, j.Resends)), now)
	return j
}

// ResendAfter returns how long the relay waits after its n-th resend: doubling,
// at most 32 times base, so that a backlog does not multiply its own messages.
func ResendAfter(base time.Duration, n int) time.Duration {
	return base << min(n, 5)
}

// HeldBy reports whether row is still under the lease that held took.
func HeldBy(row, held *Job) bool {
	return row.State == Running && row.Generation == held.Generation && row.Lease == held.Lease
}

// MayResend reports whether the relay may act on the row: its look has passed, or it stands
// in line for a slot.
func MayResend(j *Job, now time.Time) bool {
	return j.State.Open() && j.Flow == "" && (j.AwaitsSlot || !now.Before(j.Look)) && !j.LeaseLive(now)
}

// MayBury reports whether a dead letter with message m ends the job: only the
// newest ticket does, and only when nobody works on it.
func MayBury(j *Job, m Message, now time.Time) bool {
	return j.State.Open() && m.Generation == j.Generation && m.Ticket == j.Ticket && !j.LeaseLive(now)
}

// IsSurplus reports whether a dead letter with message m may be deleted: its job
// has moved on, or died with another message. An older ticket of an open job
// stays, because it may be the only copy that is left; one that was never sent stays for a
// person to see.
func IsSurplus(j *Job, m Message) bool {
	if j.NeverSent(m) {
		return false
	}
	if m.Generation < j.Generation {
		return true
	}
	if j.State == Dead {
		return m.Ticket != j.DeadTicket
	}
	return !j.State.Open()
}

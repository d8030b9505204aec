package job

import "time"

// Verdict is what a message means for its job at the moment it arrives, and so
// what becomes of the message.
type Verdict int

// The verdicts, total over every message that may arrive.
const (
	Run     Verdict = iota // claim the job and run it
	Drop                   // acknowledge: final, older generation, or below the valid ticket
	Hold                   // keep: somebody holds a live lease
	NotYet                 // keep, hidden until the job is due
	Carrier                // keep, visible at once: SQS must move it to the dead letter queue
	Revive                 // a person redrove the dead job: a new generation begins
	Spent                  // bury: no attempts left
	Expired                // bury: the deadline passed
	Late                   // bury: max_wait passed before the first attempt
	Skip                   // acknowledge: skipped, the owner's limit is used up
	Wait                   // released: send the new message, then acknowledge
	Orphan                 // keep: no such job, or no such send of it; the dead letter queue shows it to a person
)

// Claim is a store's answer to a message: the verdict, and the row as it now
// stands (claimed, buried, skipped, released, or as it was found).
type Claim struct {
	Verdict Verdict
	Job     Job
}

// ClaimRequest is one message that asks for its job.
type ClaimRequest struct {
	Message Message
	Carried Carried // what buries the job if this message carries it to death
	Lease   Lease
	Now     time.Time
}

// Judge decides what a message means for the row j. It is the executable form of
// the claim condition: a store may only write what Judge calls Run, Spent,
// Expired, Late or Revive.
//
// The order matters: a message that was never sent says nothing about its job, so that it
// can neither run nor end it. A message of a final job is judged by its ticket alone, so
// that exactly one message per dead job stays in the dead letter queue. The
// message that carried a job to death is a person's redrive if SQS sent it anew
// after that: both times are stamped by SQS, no clock of a worker is compared.
func Judge(j *Job, r *ClaimRequest) Verdict {
	m, now := r.Message, r.Now
	switch {
	case j.NeverSent(m):
		return Orphan
	case m.Generation < j.Generation:
		return Drop
	case j.State == Dead && m.Ticket == j.DeadTicket && r.Carried.Sent.After(j.DeadSent):
		return Revive
	case j.State == Dead && m.Ticket == j.DeadTicket:
		return Carrier
	case !j.State.Open(), m.Ticket < j.ValidTicket:
		return Drop
	case j.LeaseLive(now):
		return Hold
	case j.State == Retrying && now.Before(j.Due):
		return NotYet
	case j.Attempts >= j.MaxAttempts:
		return Spent
	case !now.Before(j.Deadline):
		return Expired
	case j.Overdue(now):
		return Late
	default:
		return Run
	}
}

// NeverSent reports whether no send of the job had the message's number: each sender takes the
// ticket from the row first, so a message above its row is forged, or older than the table, which
// was restored from a backup. It must not run: its job may be scheduled for tomorrow.
func (j *Job) NeverSent(m Message) bool {
	return m.Generation > j.Generation || m.Ticket > j.Ticket
}

// Overdue reports whether the job should have started by now and has not. An
// attempt that was given back (a full limiter) was no start.
func (j *Job) Overdue(now time.Time) bool {
	return !j.StartBy.IsZero() && j.Attempts == 0 && j.Passes == 0 && !now.Before(j.StartBy)
}

// Doomed reports whether no attempt starts any more: the next message only buries the
// job.
func (j *Job) Doomed(now time.Time) bool {
	return j.Attempts >= j.MaxAttempts || !now.Before(j.Deadline) || j.Overdue(now)
}

// Lease is what a worker takes when it claims.
type Lease struct {
	Token string    // random per claim: two copies in one batch must not share it
	Until time.Time // the function's deadline plus a margin
}

// Claimed returns the row after a successful claim: running, one attempt more,
// under a new lease. An attempt that never reported is written to the history
// now, by the claim that found its lease over.
func Claimed(j Job, lease Lease, now time.Time) Job {
	if j.State == Running {
		j.History = recorded(j.History, Attempt{
			Number: j.Attempts, Started: j.Started, Ended: j.LeaseUntil, Code: AttemptLost,
		})
	}
	j.State, j.Outcome, j.AwaitsSlot = Running, "", false
	j.Attempts++
	j.Lease, j.LeaseUntil = lease.Token, lease.Until
	j.Started = now
	return j
}

// Meter is the owner's usage row as a claim found it.
type Meter struct {
	Taken int // used plus reserved
	Used  int // billed
}

// QuotaVerdict says what becomes of a job whose owner has no free unit.
type QuotaVerdict int

// The answers of a limited meter.
const (
	HasRoom  QuotaVerdict = iota
	Reserved              // the rest is reserved by other jobs: wait, one may give back
	UsedUp                // billed up to the limit: skip
)

// JudgeQuota decides whether one more job fits under limit. A unit that is only
// reserved may come back, so a job waits for it instead of being skipped.
func JudgeQuota(m Meter, limit int) QuotaVerdict {
	switch {
	case limit == Unlimited || m.Taken < limit:
		return HasRoom
	case m.Used < limit:
		return Reserved
	default:
		return UsedUp
	}
}

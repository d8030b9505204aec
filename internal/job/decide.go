package job

import (
	"strconv"
	"time"
)

// Timing is the policy of waits, fixed per deployment.
type Timing struct {
	Backoff     []time.Duration // wait after the 1st, 2nd, ... failed attempt; the last repeats
	QuotaWait   time.Duration   // wait for a unit that is only reserved
	ReleaseWait time.Duration   // wait after a rate limit without Retry-After
	Resend      time.Duration   // the relay looks this long after the job should have moved
	RetryUntil  time.Duration   // no attempt starts this long after the job was first due
	Passes      []time.Duration // waits before the 2nd, 3rd, ... look for an answer that may still come
	Exceptions  int             // attempts that may fail by an error of their own; 0 for as many as there are
}

// Policy is how the jobs of one kind are tried. Zero values mean the deployment's.
type Policy struct {
	Tries      int             // attempts per generation
	Exceptions int             // attempts that may fail by an error of their own; 0 for Tries
	Backoff    []time.Duration // wait after the 1st, 2nd, ... failed attempt
	Timeout    time.Duration   // of one attempt, at most the function's own
	Paced      bool            // calls the provider, so that its messages need a slot of the limiter
	Free       bool            // takes no unit of its owner's plan
	Before     []string        // kinds that build upon it, and so come behind it in a chain
}

// For returns the timing for jobs of a kind.
func (t Timing) For(p Policy) Timing {
	if len(p.Backoff) > 0 {
		t.Backoff = p.Backoff
	}
	t.Exceptions = p.Exceptions
	return t
}

// DefaultTiming returns the waits of the queue that orbitq replaces: backoff
// 10, 30, 60 s and release after 60 s on a rate limit.
func DefaultTiming() Timing {
	return Timing{
		Backoff:     []time.Duration{10 * time.Second, 30 * time.Second, 60 * time.Second},
		QuotaWait:   10 * time.Second,
		ReleaseWait: time.Minute,
		Resend:      15 * time.Minute,
		RetryUntil:  24 * time.Hour,
		Passes:      []time.Duration{24 * time.Hour, 72 * time.Hour, 168 * time.Hour},
	}
}

// BackoffFor returns the wait after failed attempt n (1 is the first), with up
// to a tenth added: jitter is in [0, 1) and keeps failed batches from coming
// back as one.
func (t Timing) BackoffFor(n int, jitter float64) time.Duration {
	if len(t.Backoff) == 0 {
		return 0
	}
	base := t.Backoff[min(max(n, 1), len(t.Backoff))-1]
	return base + time.Duration(jitter*float64(base)/10)
}

// ReleaseFor returns the wait of a release: the provider's wish, at least a
// second and at most MaxDelay, or ReleaseWait when it gave none. Waits of our own
// making, and the end of a used up quota, have no upper limit. The second keeps a job from
// going round at once, again and again, in the last millisecond of a month: a row has no
// shorter times, and a wait of less than one would be none.
func (t Timing) ReleaseFor(fault *Error) time.Duration {
	switch {
	case !fault.Slot.IsZero():
		// Whole seconds, rounded down: the message comes a little before its slot,
		// never behind it.
		return fault.RetryAfter.Truncate(time.Second)
	case fault.RetryAfter <= 0:
		return t.ReleaseWait
	case fault.Code != ProviderRateLimit:
		return max(fault.RetryAfter, time.Second)
	default:
		return min(max(fault.RetryAfter, time.Second), MaxDelay)
	}
}

// Report is what a worker says at the end of an attempt.
type Report struct {
	Now       time.Time
	Version   string // of the code that ran
	RequestID string // of the Lambda invocation
}

// attempt returns the history entry of the attempt that j is in.
func (r Report) attempt(j *Job, code Code) Attempt {
	return Attempt{
		Number: j.Attempts, Started: j.Started, Ended: r.Now, Code: code,
		Version: r.Version, RequestID: r.RequestID,
	}
}

// Ended returns the row of a job that came to an outcome.
func Ended(j Job, outcome Outcome, r Report) Job {
	j.History = recorded(j.History, r.attempt(&j, ""))
	j.State, j.Outcome = Succeeded, outcome
	j.Code, j.Reason = "", ""
	return closed(j, r.Now)
}

// Failed returns the row after a failed attempt: retrying while attempts are
// left, else dead; dead at once for a failure that no retry can mend. Failures
// that are not the job's fault go to Released instead.
func Failed(j Job, fault *Error, t Timing, jitter float64, carrier Carried, r Report) Job {
	j.History = recorded(j.History, r.attempt(&j, fault.Code))
	j.Code, j.Reason = fault.Code, fault.Message
	j.Slot = time.Time{}
	if fault.Code != AttemptTimeout {
		j.Exceptions++
	}
	spent := j.Attempts >= j.MaxAttempts || t.Exceptions > 0 && j.Exceptions >= t.Exceptions
	if fault.Code.Class() == Fatal || spent {
		return Buried(j, fault.Code, fault.Message, carrier, r.Now)
	}
	j.State = Retrying
	j.Lease, j.LeaseUntil = "", time.Time{}
	j.Due = r.Now.Add(t.BackoffFor(j.Attempts, jitter))
	j.Look = j.Due.Add(t.Resend)
	return j
}

// Released returns the row of a job that must wait without being at fault: the
// attempt is given back, a new ticket is taken for the message that will bring
// it back, and the deadline moves by the wait.
func Released(j Job, code Code, reason string, wait time.Duration, t Timing, now time.Time) Job {
	if j.State == Running {
		j.Attempts--
	}
	j.State = Waiting
	j.Code, j.Reason = code, reason
	j.Slot, j.AwaitsSlot = time.Time{}, false
	j.Lease, j.LeaseUntil = "", time.Time{}
	j.Ticket++
	j.ValidTicket = j.Ticket
	j.Due = now.Add(wait)
	j.Deadline = j.Deadline.Add(wait)
	j.Look = j.lookBy(lookAfter(j.Due, now, t.Resend), now)
	return j
}

// GivenBack returns the row of a job that a failure of class Release sends away.
// With a slot it comes back at its time. Without one, because no slot was free, it
// stands in line until the relay books for it: any number of such jobs cost nothing
// while they wait, where a message each would come to be refused again. A step of a chain
// or batch comes again by itself.
func GivenBack(j Job, f *Error, t Timing, now time.Time) Job {
	if f.Slot.IsZero() && j.Flow == "" && (f.Code == Limited || f.Code == BreakerOpen) {
		return InLine(Released(j, f.Code, f.Message, 0, t, now), now)
	}
	j = Released(j, f.Code, f.Message, t.ReleaseFor(f).Truncate(time.Millisecond), t, now)
	j.Slot = f.Slot
	return j
}

// Postponed returns the row of a job that came to an outcome which may still
// change: it waits for its next pass, keeping the outcome so far for people to
// see. False means that it has looked often enough, and the outcome is final.
func Postponed(j Job, o Outcome, t Timing, now time.Time) (Job, bool) {
	if j.Passes >= len(t.Passes) {
		return j, false
	}
	wait := t.Passes[j.Passes]
	j.Passes++ // before its look is set: it has started, and keeps no promise to start any more
	next := Released(j, "", "", wait, t, now)
	next.Outcome = o
	return next, true
}

// SkippedByQuota returns the row of a job that did not run because its owner's
// limit is used up. It is looked at again when the owner has new units.
func SkippedByQuota(j Job, units, now time.Time) Job {
	j.State, j.Outcome = Skipped, UserQuotaExceeded
	j = closed(j, now)
	j.Look = units
	return j
}

// MadeUp returns the row of a skipped job whose owner has new units: it runs again
// as if its owner had asked, when the limiter has a slot for it.
func MadeUp(j Job, t Timing, now time.Time) (Job, error) {
	if j.State != Skipped || now.Before(j.Look) {
		return j, Errorf(StateConflict, "the job is %s", j.State)
	}
	return InLine(Revived(detached(j), t, now), now), nil
}

// MadeUpLater returns the row of a skipped job that could not be made up, because an open job
// holds its unique key: it stays skipped, and its place is behind all others that are due.
func MadeUpLater(j Job, now time.Time) (Job, error) {
	if j.State != Skipped || now.Before(j.Look) {
		return j, Errorf(StateConflict, "the job is %s", j.State)
	}
	j.Look = now
	return j, nil
}

// detached returns a skipped job without its chain or batch, which went on without it: it
// runs by message now.
func detached(j Job) Job {
	j.Flow = ""
	return j
}

// WaitingForQuota returns the row of a job whose owner's last units are reserved
// by other jobs: one of them may be given back. That mostly takes seconds, but a
// job that looks for an image again keeps its unit for days; so the wait grows with
// the job's age instead of asking every ten seconds all the while.
func WaitingForQuota(j Job, t Timing, now time.Time) Job {
	wait := max(t.QuotaWait, min(now.Sub(j.Created)/8, MaxDelay))
	return Released(j, "", "the owner's remaining units are reserved by other jobs", wait, t, now)
}

// BuriedUnreported returns the row of a job whose message reached the dead letter
// queue without any worker saying why.
func BuriedUnreported(j Job, m Message, sent time.Time, receives int, now time.Time) Job {
	reason := "SQS gave up after " + strconv.Itoa(receives) + " receives and no worker reported"
	if j.Code != "" {
		reason += "; last failure: " + string(j.Code) + " " + j.Reason
	}
	return Buried(j, NoWorkerReport, reason, Carried{Ticket: m.Ticket, Sent: sent}, now)
}

// Carried names the message that carries a job to the dead letter queue.
type Carried struct {
	Ticket int
	Sent   time.Time // SentTimestamp, stamped by SQS on that message
}

// Buried returns the row of a dead job. Ticket and SentTimestamp of the dying
// message are kept: both are stamped by SQS, so a later redrive of the same
// message is recognised without comparing two clocks.
func Buried(j Job, code Code, reason string, carrier Carried, now time.Time) Job {
	if j.State == Running && j.Lease != "" && !j.LeaseLive(now) {
		j.History = recorded(j.History, Attempt{
			Number: j.Attempts, Started: j.Started, Ended: j.LeaseUntil, Code: AttemptLost,
		})
	}
	j.State, j.Outcome = Dead, ""
	j.Code, j.Reason = code, reason
	j.Print = Fingerprint(j.Kind, code, reason)
	j.DeadTicket, j.DeadSent = carrier.Ticket, carrier.Sent
	return closed(j, now)
}

// Revived returns the row of a dead or skipped job that a person wants to run
// again: a new generation with all its attempts, and a ticket below which no
// older message is valid. The history stays, it is the same job.
func Revived(j Job, t Timing, now time.Time) Job {
	j.State = Queued
	j.Generation++
	j.Attempts, j.Exceptions, j.Resends, j.Passes = 0, 0, 0, 0
	j.Ticket++
	j.ValidTicket = j.Ticket
	j.DeadTicket, j.DeadSent = 0, time.Time{}
	j.Outcome, j.Print, j.Finished, j.StartBy = "", "", time.Time{}, time.Time{}
	j.Deadline, j.Look = now.Add(t.RetryUntil), now.Add(t.Resend)
	return j
}

// Unrunnable returns why a claim buries a job without running it.
func Unrunnable(j *Job, v Verdict) (Code, string) {
	last := ""
	if j.Code != "" {
		last = "; last failure: " + string(j.Code) + " " + j.Reason
	}
	if v == Late {
		return MaxWaitExceeded, "no attempt started before " + j.StartBy.Format(time.RFC3339) + last
	}
	if v == Expired {
		return DeadlinePassed, "the deadline " + j.Deadline.Format(time.RFC3339) + " passed before an attempt succeeded" + last
	}
	return AttemptsSpent, strconv.Itoa(j.Attempts) + " attempts were made" + last
}

// closed clears what only an open job has.
func closed(j Job, now time.Time) Job {
	j.Finished = now
	j.Lease, j.LeaseUntil = "", time.Time{}
	j.UsageKey = ""
	j.Due, j.Slot, j.Look, j.AwaitsSlot = time.Time{}, time.Time{}, time.Time{}, false
	return j
}

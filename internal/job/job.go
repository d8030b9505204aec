// Package job is the pure core of orbitq: what a job is, which states it may
// be in, and what every event does to it.
//
// It promises that each decision of the job protocol is one function from
// values (the row, the message, the time) to a value (the next row, a verdict),
// so that the memory store can apply it as it stands, the DynamoDB store can
// repeat it as a condition, and a test can hold one against the other.
//
// A job row carries three fences against the duplicates that SQS may deliver:
//
//   - generation: grows with each retry of a finished job; a message of an
//     older generation is dropped.
//   - ticket: every physical send of a message takes a new number from the row;
//     messages below the lowest valid ticket are dropped, and at death the
//     ticket of the dying message is kept, so that a console redrive of exactly
//     that message can be told from any stale copy.
//   - lease: a random token per claim with an end; only its holder may settle.
//
// The package refuses I/O, contexts, clocks and randomness: they are passed in
// as values. Times are UTC with millisecond precision, as the rows store them.
package job

import (
	"fmt"
	"strings"
	"time"
)

// Unlimited is the Limit of a job whose owner may run any number of jobs.
const Unlimited = -1

// HistorySize is how many attempts a row keeps: three entries stay under 400
// bytes, so that history never costs a second write unit.
const HistorySize = 3

// Job is one row: the whole truth about one accepted piece of work.
type Job struct {
	// ID: ULID, or derived from (owner, route, Idempotency-Key).
	ID string
	// Kind: what to run, such as "enrich".
	Kind string
	// Owner: the token's sub.
	Owner string
	// Tier: plan of the owner when the job was accepted, or claimed.
	Tier string
	// Anchor: day from which the owner's cycles count, zero for the calendar month.
	Anchor time.Time
	// Limit: billable jobs per cycle, Unlimited for none.
	Limit int
	// Issued: of the token that named the plan; zero for one that does not say.
	Issued time.Time
	// Free: takes no unit of any plan.
	Free bool
	// Queue: high, default or low.
	Queue string
	// Point: the data point that the job is about.
	Point string
	// Revision: the point's revision that the job is about.
	Revision int
	// Unique: key of which only one open job may exist, empty for none.
	Unique string
	// Flow: the chain or batch that drives the job, empty for one that messages carry.
	Flow Flow
	Tags []string
	// BodyHash: SHA-256 of the request body, for the Idempotency-Key.
	BodyHash string

	State      State
	Generation int
	// Ticket: of the newest send.
	Ticket int
	// ValidTicket: lowest ticket that may still claim.
	ValidTicket int
	// Attempts: of this generation.
	Attempts int
	// Exceptions: of those, how many failed by an error of their own.
	Exceptions int
	// MaxAttempts: tries, fixed when the job was accepted.
	MaxAttempts int
	// Resends: how often the relay had to send again.
	Resends int
	// Passes: how often the job looked for an answer that was not there yet.
	Passes int

	// Lease: token of the running attempt.
	Lease string
	// LeaseUntil: end of that lease.
	LeaseUntil time.Time
	// UsageKey: the usage row that holds this job's reservation.
	UsageKey string

	Created time.Time
	// Due: earliest next run of a waiting or retrying job.
	Due time.Time
	// Slot: of the limiter, booked for the next call to the provider.
	Slot time.Time
	// AwaitsSlot: the job has no message; it stands in line until the relay books a slot for
	// it and sends it. Jobs of one owner and queue are sent in the order of their acceptance.
	AwaitsSlot bool
	// Deadline: no attempt starts after this.
	Deadline time.Time
	// StartBy: the first attempt starts before this, or none does; zero for no such promise.
	StartBy time.Time
	// Look: the relay looks at the row after this.
	Look time.Time
	// Started: of the newest attempt.
	Started time.Time
	// Finished: of the final state.
	Finished time.Time

	// Outcome: why the job ended as it did.
	Outcome Outcome
	// Code: of the last failure.
	Code Code
	// Reason: of the last failure, for people.
	Reason string
	// Print: fingerprint of the failure that the job died of.
	Print string

	// DeadTicket: ticket of the message that carried the job to death.
	DeadTicket int
	// DeadSent: SentTimestamp of that message, stamped by SQS.
	DeadSent time.Time

	// History: the last HistorySize attempts, oldest first.
	History []Attempt
}

// Attempt is one finished try of a job.
type Attempt struct {
	Number  int
	Started time.Time
	Ended   time.Time
	// Code: empty when the attempt succeeded.
	Code Code
	// Version: of the code that ran it.
	Version string
	// RequestID: of the Lambda invocation.
	RequestID string
}

// Accepted returns the row of a job at the moment of its acceptance. Ticket 1
// belongs to the send that follows the write; resendAfter is when the relay
// should look whether that send ever happened. A job with a due time in the
// future is scheduled: its deadline counts from then, and beyond MaxDelay no
// message is sent before the relay does it.
func Accepted(j Job, now time.Time, deadline, resendAfter time.Duration) Job {
	j.State = Queued
	j.Generation = 0
	j.Ticket, j.ValidTicket = 1, 1
	j.Created = now
	first := now
	if j.Due.After(now) {
		j.State, first = Scheduled, j.Due
	} else {
		j.Due = time.Time{}
	}
	j.Deadline = first.Add(deadline)
	j.Look = j.lookBy(lookAfter(first, now, resendAfter), now)
	return j
}

// lookBy returns when the relay looks at a job: at the end of max_wait, if that
// comes first, so that a job which nobody starts dies on time.
func (j *Job) lookBy(look, now time.Time) time.Time {
	if j.StartBy.After(now) && j.StartBy.Before(look) && j.Attempts == 0 && j.Passes == 0 {
		return j.StartBy
	}
	return look
}

// InLine returns the row of an open job without a message that waits until the relay has a
// slot of the limiter for it: a message that came without one would only be sent away.
// The relay looks at it otherwise only when its time is over.
func InLine(j Job, now time.Time) Job {
	if j.State == Scheduled {
		j.State = Queued
	}
	if j.Due.IsZero() || j.Due.After(now) {
		j.Due = now
	}
	j.AwaitsSlot = true
	j.Look = j.lookBy(j.Deadline, now)
	return j
}

// MaxDelay is the longest delay that a message may have on SQS; whoever waits
// longer waits in the table, without a message.
const MaxDelay = 15 * time.Minute

// Parked reports whether the job waits in the table alone: the relay sends its
// message, when it has a slot or when the job is due.
func (j *Job) Parked() bool { return j.AwaitsSlot || !j.Due.IsZero() && !j.Look.After(j.Due) }

// lookAfter returns when the relay looks at a job that is due at a time: then, if
// nobody else sends its message, else a while later.
func lookAfter(due, now time.Time, resend time.Duration) time.Time {
	if due.Sub(now) > MaxDelay {
		return due
	}
	return due.Add(resend)
}

// Message returns the message that carries the job with its newest ticket.
func (j *Job) Message() Message {
	return Message{Version: MessageVersion, Job: j.ID, Generation: j.Generation, Ticket: j.Ticket}
}

// LeaseLive reports whether somebody may be working on the job at now.
func (j *Job) LeaseLive(now time.Time) bool {
	return j.Lease != "" && now.Before(j.LeaseUntil)
}

// Shard returns which of the n partitions of the open index holds the job: one
// partition key would cap the whole system at 1,000 writes a second.
func Shard(id string, n int) int {
	sum := 0
	for _, c := range strings.ToUpper(id) {
		sum = (sum*31 + int(c)) % 65521
	}
	return sum % n
}

// Position returns where the job stands in its owner's list: by time of
// acceptance, then by id, as text that sorts.
func (j *Job) Position() string {
	return fmt.Sprintf("%013d#%s", j.Created.UnixMilli(), j.ID)
}

// Grave returns where a dead job stands in its owner's list of failures: by time of
// death, then by id, as text that sorts.
func (j *Job) Grave() string {
	return fmt.Sprintf("%013d#%s", j.Finished.UnixMilli(), j.ID)
}

// recorded returns history with a added, the oldest entries dropped.
func recorded(history []Attempt, a Attempt) []Attempt {
	kept := append(append([]Attempt{}, history...), a)
	if len(kept) > HistorySize {
		kept = kept[len(kept)-HistorySize:]
	}
	return kept
}
